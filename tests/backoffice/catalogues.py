"""The texts of the pages and their catalogues: what the code says, what is translated, and what is wrong with it.

`python -m tests.backoffice.catalogues` (`make words`) adds new texts to each catalogue, drops those that nothing says
any more, and prints what is to be translated.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment

from services.backoffice.languages import LANGUAGES, SOURCE

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "services/backoffice"
TARGETS = tuple(language for language in LANGUAGES if language != SOURCE)
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "NN_": (1, 2), "say": None, "many": (1, 2)}
"""What marks a text: functions of templates, markers of tables, and the two ways of `words.Words` to say it."""
METHODS = [
    ("paper.py", "ignore"),
    ("purchase_paper.py", "ignore"),
    ("**.py", "python"),
    ("templates/**.html", "jinja2.ext:babel_extract"),
]
"""What is looked through; documents on paper have the few words of theirs beside them."""
OPTIONS = {"templates/**.html": {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}}
PLACES = re.compile(r"%\(\w+\)\d*[sd]|%%")


def path_of(language: str) -> Path:
    return PAGES / "locale" / language / "LC_MESSAGES" / "backoffice.po"


def said() -> Catalog:
    """Every text that the code says, with the files that say it."""
    catalogue = Catalog(charset="utf-8")
    for file, _, message, _, context in extract_from_dir(PAGES, METHODS, OPTIONS, KEYWORDS):
        catalogue.add(message, locations=[(f"services/backoffice/{file}", 0)], context=context)
    for message in catalogue:
        message.locations = sorted(set(message.locations))
    return catalogue


def written(language: str) -> Catalog:
    return read_po(BytesIO(path_of(language).read_bytes()), locale=language)


def update() -> None:
    """Each catalogue gets what is new and loses what is said no more; translations stay."""
    texts = said()
    for language in TARGETS:
        catalogue = written(language)
        catalogue.update(texts, no_fuzzy_matching=True, update_creation_date=False)
        out = BytesIO()
        write_po(out, catalogue, width=120, ignore_obsolete=True, include_lineno=False)
        path_of(language).write_bytes(out.getvalue())


def wrong(texts: Catalog, catalogue: Catalog, language: str) -> Iterator[str]:
    """What keeps a catalogue from being complete and right, each in a line: which text, where, in which language."""
    home = path_of(language).relative_to(ROOT)
    for message in texts:
        if not message.id:
            continue
        known = catalogue.get(message.id, message.context)
        about = f"{language}: {forms(message)[0]!r} ({', '.join(sorted({file for file, _ in message.locations}))})"
        if known is None:
            yield f"{about} is not in {home}: `make words` adds it, then translate it there"
        elif not all(forms(known, translated=True)):
            yield f"{about} is not translated: write it into {home}"
        else:
            yield from (f"{about}: {fault}, see {home}" for fault in faults(message, known, catalogue))
    for message in catalogue:
        if message.id and texts.get(message.id, message.context) is None:
            yield f"{language}: {forms(message)[0]!r} is said no more: `make words` takes it out of {home}"
    for message in catalogue.obsolete.values():
        yield f"{language}: {forms(message)[0]!r} is obsolete: `make words` takes it out of {home}"


def forms(message: Message, *, translated: bool = False) -> tuple[str, ...]:
    """The text, or its forms by number."""
    text = message.string if translated else message.id
    return tuple(text) if isinstance(text, tuple | list) else (text,)


def faults(source: Message, known: Message, catalogue: Catalog) -> Iterator[str]:
    if known.fuzzy:
        yield "it is marked fuzzy"
    ours, theirs = forms(source), forms(known, translated=True)
    if len(theirs) != (catalogue.num_plurals if len(ours) > 1 else 1):
        yield f"it has {len(theirs)} forms"
    allowed = [places(text) for text in ours]
    for text in theirs:
        if places(text) not in allowed:
            yield f"{text!r} does not have the places {sorted(allowed[-1])}"
        if set('"<>') & set(text) - set("".join(ours)):
            yield f"{text!r} has marks that pages take for markup"
        if str(catalogue.locale) == "fr" and (odd := FRENCH.search(text)):
            yield f"{text!r} has {odd[0]!r}: the apostrophe is ’, and before : ; ? ! » stands a no-break space"
        for end in (" ", ".", "?", ":", ","):
            if text.rstrip("\u00a0").endswith(end) != ours[-1].endswith(end):
                yield f"{text!r} and the source do not both end in {end!r}"


FRENCH = re.compile(r"\w'\w| [:;?!»]|« |[\w)][;?!]|[\w)]:(?=\s|$)")
"""What a French text does not have: a straight apostrophe, and before a high mark anything but a no-break space."""


def places(text: str) -> frozenset[str]:
    return frozenset(PLACES.findall(text))


class Visible(HTMLParser):
    """Text and spoken attributes of a template that stand in it as they are."""

    SPOKEN = ("aria-label", "aria-description", "alt", "title", "placeholder", "data-on", "data-off", "data-label")
    CODES = re.compile(r"\x00|&\w+;|[^\w]|\d|_")
    """What is no word: places where an expression stands, entities, marks, figures."""
    SILENT = ("script", "style", "kbd", "pre")
    """Keys and messages are the same in every language."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[tuple[int, str]] = []
        self.silent = 0

    def look(self, text: str) -> None:
        if self.CODES.sub("", text) and not self.silent:
            self.found.append((self.getpos()[0], " ".join(text.replace("\x00", "…").split())))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in self.SILENT
        for name, value in attrs:
            if name in self.SPOKEN:
                self.look(value or "")

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in self.SILENT

    def handle_data(self, data: str) -> None:
        self.look(data)


def bare(template: str) -> list[tuple[int, str]]:
    """(line, text) of what a template shows without asking for its translation."""
    html = []
    for line, kind, text in Environment().lex(template):
        gap = "\n" * (line - 1 - "".join(html).count("\n"))
        html.append(gap)
        if kind == "data":
            html.append(text)
        elif kind in ("variable_begin", "block_begin"):
            html.append("\x00" if kind == "variable_begin" else "")
    parser = Visible()
    parser.feed("".join(html))
    parser.close()
    return parser.found


if __name__ == "__main__":
    update()
    texts = said()
    left = [line for language in TARGETS for line in wrong(texts, written(language), language)]
    print("\n".join(left) or "Every text is translated.")
    sys.exit(1 if left else 0)
