"""Languages of the pages: which there are, whose catalogue says what, which one a browser asks for.

Catalogues are read as translators write them (`locale/de/LC_MESSAGES/backoffice.po`), once per process: there is no
step between writing and reading that anybody could forget. `make words` brings them up to date with the code.
"""

import io
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

SOURCE = "en"
LANGUAGES: Mapping[str, str] = {"en": "English", "nl": "Nederlands", "de": "Deutsch", "fr": "Français"}
"""Each in its own word."""
PSEUDO = "qps"
"""No language: every text in brackets, with accents and longer, so that a page shows what was left out or clipped."""

_ACCENTS = str.maketrans("AaEeIiOoUuCcNnSsYy", "ÀåÉéÎïØöÛüÇçÑñŠšÝý")
_PLACES = re.compile(r"(%\(\w+\)\d*[sd]|%%)")
_WORD = re.compile(r"\w+")


def longer(word: re.Match[str]) -> str:
    return f"{word[0].translate(_ACCENTS)}{'~' * round(0.4 * len(word[0]))}"


@lru_cache
def translations(language: str) -> NullTranslations:
    """The catalogue of a language. Raises FileNotFoundError for one that there is none of."""
    if language == SOURCE:
        return NullTranslations()
    if language == PSEUDO:
        return Pseudo()
    text = files("services.backoffice") / "locale" / language / "LC_MESSAGES" / "backoffice.po"
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(text.read_bytes()), locale=language))
    compiled.seek(0)
    return Catalogue(compiled)


class Catalogue(GNUTranslations):
    """What translators wrote; of nothing it makes nothing (gettext would give the head of the file)."""

    def gettext(self, message: str) -> str:
        return super().gettext(message) if message else ""


class Pseudo(NullTranslations):
    """Marks every text and makes it about 40 % longer; what stands in it stays."""

    def gettext(self, message: str) -> str:
        if not message:
            return ""
        said = (part if i % 2 else _WORD.sub(longer, part) for i, part in enumerate(_PLACES.split(message)))
        return f"⟦{''.join(said)}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


def preferred(accepted: str, offered: Sequence[str]) -> str:
    """The offered language that a browser's Accept-Language likes best; the first for one that likes none."""
    liked: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted.split(",")[:20]):
        tag, _, weight = part.partition(";")
        match = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", weight or "q=1")
        if match and (quality := float(match[1])) > 0:
            liked.append((-quality, place, tag.strip().lower().partition("-")[0]))
    return next((tag for _, _, tag in sorted(liked) if tag in offered), offered[0])
