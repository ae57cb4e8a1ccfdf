"""Every page in each language, in a real browser: nothing runs off at 320 pixels, and nothing is left in English.

The pseudo-language puts every text in brackets and makes it longer: what a page shows outside of them is either what
people and machines wrote (names, numbers, codes), or was forgotten.
"""

import re
from collections.abc import Mapping

import pytest
from playwright.async_api import Browser

from services.backoffice.languages import LANGUAGES, PSEUDO
from tests.backoffice.browsing import shot
from tests.backoffice.shop import Shop
from tests.backoffice.test_every_page import PUBLIC, paths, pytestmark, shop, tab

__all__ = ["paths", "pytestmark", "shop"]

SHOWN = """() => {
  const said = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let n = walk.nextNode(); n; n = walk.nextNode()) {
    const at = n.nodeType === Node.TEXT_NODE ? n.parentElement : n;
    if (at.closest("script, pre, .mono, svg defs, .side-language form, .avatar, .paper[lang], .segments [lang]"))
      continue;
    if (n.nodeType === Node.TEXT_NODE) said.push(n.data);
    else for (const name of ["aria-label", "placeholder", "title", "alt", "data-label", "data-on", "data-off"])
      if (n.hasAttribute(name)) said.push(n.getAttribute(name));
  }
  said.push(document.title);
  return said;
}"""
DATA = frozenset({
    "anna", "de", "vries", "wilhelmina", "van", "den", "heuvel-oosterhuis", "oudegracht", "utrecht", "ab", "nl",
    "anna@example.org", "k@k.example", "web",
    "north", "mug", "cup", "k-", "fraud", "check", "carrier", "comptoir", "local",
    "kg", "eur", "csv", "pdf", "s", "c", "inv", "unreadable", "unsupported", "message", "type",
    "order", "inventory", "fulfilment", "billing",
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep",
    "oct", "nov", "dec", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    "enter", "g", "j", "k", "t", "o", "m", "r", "p", "x", "z",
})  # fmt: skip
"""What people and machines wrote in this shop, days by their English names, and letters of keys and of VAT."""
CODE = re.compile(r"\b[0-9a-f]{8,}\b|[a-z]+\.[a-z_]+\.v\d+|\S*\d\S*|\S*[=_/]\S*", re.IGNORECASE)


def left(texts: list[str]) -> set[str]:
    """Words that stand outside of the brackets of the pseudo-language and are no data."""
    found = set()
    for text in texts:
        deep, bare = 0, []
        for char in text:
            deep += (char == "⟦") - (char == "⟧")
            bare.append(char if not deep and char != "⟧" else " ")
        words = CODE.sub(" ", "".join(bare)).replace("\u00a0", " ").split()
        stripped = {word.strip(".,:;()[]·→–−+%€'\"?!<>|~…") for word in words}
        found |= {word for word in stripped if any(c.isalpha() for c in word) and word.lower() not in DATA}
    return found


def test_what_is_left_is_found() -> None:
    assert left(["⟦Ôrdér C-1~~⟧ placed ⟦wïth ⟦twô⟧ more⟧", "3 Anna", "C-12"]) == {"placed"}


RUNS_OFF = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  return [...document.querySelectorAll("main *, header *")]
    .filter((e) => e.getBoundingClientRect().right > wide + 1 && !e.closest(".table-wrap, .tabs, .segments"))
    .map((e) => `${e.tagName} ${e.className} ${(e.textContent || "").trim().slice(0, 60)}`).slice(0, 4);
}"""


@pytest.mark.parametrize("language", [*LANGUAGES, PSEUDO])
async def test_no_page_runs_off_or_leaves_a_word_in_english(
    shop: Shop, browser: Browser, paths: Mapping[str, str], language: str
) -> None:
    visitor, wrong = await tab(browser, shop, language), []
    widths = (1024, 320) if language == PSEUDO else (320,)
    for name, path in paths.items():
        page = await visitor.open(path)
        assert await page.get_attribute("html", "lang") == ("nl" if name in PUBLIC else language)
        if language == PSEUDO and name not in PUBLIC and (words := left(await page.evaluate(SHOWN))):
            wrong.append(f"{name} ({path}): {sorted(words)}")
        for width in widths:
            await page.set_viewport_size({"width": width, "height": 800})
            wide = await page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                wrong.append(f"{name} ({path}) is {wide} wide: {await page.evaluate(RUNS_OFF)}")
            await shot(page, f"{language}/{name}-{width}")
    await visitor.page.context.close()
    assert not wrong, "\n".join(wrong)
