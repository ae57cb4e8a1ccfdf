"""Every text of the pages in every language: complete, with the same places, and no text that nobody can translate."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from babel.messages import Catalog
from babel.numbers import format_currency

from services.backoffice.amounts import amount_in
from services.backoffice.languages import LANGUAGES, PSEUDO, preferred, translations
from services.backoffice.pages import NBSP, STATUSES, English
from services.backoffice.phrases import Phrases
from tests.backoffice.catalogues import PAGES, TARGETS, bare, said, written, wrong

TEXTS = said()
TEMPLATES = sorted(PAGES.glob("templates/*.html"))


@pytest.mark.parametrize("language", TARGETS)
def test_every_text_is_translated(language: str) -> None:
    left = list(wrong(TEXTS, written(language), language))
    assert not left, "\n".join(["`make words` brings the catalogues up to date. What is wrong:", *left])


def planted(msgstr: Any, *, msgid: Any = "Pick %(number)s?", flags: tuple[str, ...] = ()) -> list[str]:
    """What is said of a catalogue with this one translation."""
    texts, catalogue = Catalog(), Catalog(locale="de")
    texts.add(msgid, locations=[("a.py", 1)])
    catalogue.add(msgid, msgstr, flags=flags)
    return list(wrong(texts, catalogue, "de"))


@pytest.mark.parametrize(
    ("msgstr", "told"),
    [
        ("", "is not translated"),
        ("Nummer picken?", "does not have the places ['%(number)s']"),
        ("%(nummer)s picken?", "does not have the places"),
        ("%(number)s picken", "do not both end in '?'"),
        ('<b>"%(number)s"</b> picken?', "marks that pages take for markup"),
    ],
)
def test_a_wrong_translation_is_named_with_its_place_and_its_language(msgstr: str, told: str) -> None:
    (line,) = planted(msgstr)
    assert line.startswith("de: 'Pick %(number)s?' (a.py)")
    assert told in line
    assert "services/backoffice/locale/de/LC_MESSAGES/backoffice.po" in line


@pytest.mark.parametrize(
    ("msgstr", "right"),
    [
        ("l'ordre~?", False), ("c’est tout ?", False), ("« ordre~»~?", False), ("ordre?", False),
        ("ordre: tout~?", False), ("l’ordre~: «~tout~»~; c’est à 12:30~?", True),
    ],
)  # fmt: skip
def test_french_has_its_own_apostrophe_and_space_before_high_marks(msgstr: str, right: bool) -> None:
    texts, catalogue = Catalog(), Catalog(locale="fr")
    texts.add("What?", locations=[("a.py", 1)])
    catalogue.add("What?", msgstr.replace("~", NBSP))
    assert ["no-break space" in line for line in wrong(texts, catalogue, "fr")] == ([] if right else [True])


def test_plural_forms_fuzzy_new_and_old_texts_are_named() -> None:
    both = ("%(n)d order", "%(n)d orders")
    assert planted(("%(n)d Bestellung", "%(n)d Bestellungen"), msgid=both) == []
    assert "is not translated" in planted(("%(n)d Bestellung", ""), msgid=both)[0]
    assert "it has 1 forms" in planted(("%(n)d Bestellung",), msgid=both)[0]
    assert "marked fuzzy" in planted("%(number)s picken?", flags=("fuzzy",))[0]
    texts, catalogue = Catalog(), Catalog(locale="de")
    texts.add("New", locations=[("a.html", 1)])
    catalogue.add("Old", "Alt")
    new, old = wrong(texts, catalogue, "de")
    assert "'New' (a.html) is not in" in new
    assert "`make words` adds it" in new
    assert "'Old' is said no more" in old


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_shows_a_text_that_cannot_be_translated(template: Path) -> None:
    left = [f"{template.name}:{line}: {text!r} stands outside of _()" for line, text in bare(template.read_text())]
    assert not left, "\n".join(left)


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ('<p>{{ _("Pick") }} &nbsp; 3 {# a word #}<b>{{ n }}</b> · </p>', []),
        ("<p>\n<b>Pick</b></p>", [(2, "Pick")]),
        ("<p>{% if n %}{{ n }} pieces{% endif %}</p>", [(1, "… pieces")]),
        ('<a aria-label="Close" href="/x" class="btn">{{ icon("x") }}</a>', [(1, "Close")]),
        ('<input placeholder="{{ n }} words"><kbd>Enter</kbd>', [(1, "… words")]),
    ],
)
def test_a_bare_text_is_found(template: str, found: list[tuple[int, str]]) -> None:
    assert bare(template) == found


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("nl", "nl"),
        ("nl-BE,nl;q=0.9,en;q=0.8", "nl"),
        ("en;q=0.2, DE-at;q=0.7, fr;q=0.5", "de"),
        ("pt-BR, fr-CA;q=0.5", "fr"),
        ("pt, *", "en"),
        ("de;q=0, fr;q=0.1", "fr"),
        ("de;q=x, ;;;, fr", "fr"),
        ("qps", "en"),
        ("," * 1000 + "nl", "en"),
    ],
)
def test_the_browser_chooses_before_anybody_is_known(accepted: str, language: str) -> None:
    assert preferred(accepted, tuple(LANGUAGES)) == language


def words(language: str) -> English:
    return English(ZoneInfo("Europe/Brussels"), language, translations(language), "EUR")


AT = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "money", "rate", "moment", "short"),
    [
        ("en", "−€1,234.50", "5.5%", "Tue 3 Mar 2026, 00:30", "3 Mar 00:30"),
        ("nl", "€ −1.234,50", "5,5%", "di 3 mrt 2026, 00:30", "3 mrt 00:30"),
        ("de", "−1.234,50 €", "5,5 %", "Di., 3. März 2026, 00:30", "3. März 00:30"),
        ("fr", "−1\u202f234,50 €", "5,5 %", "mar. 3 mars 2026, 00:30", "3 mars 00:30"),
    ],
)
def test_figures_and_days_are_written_as_the_reader_does_in_the_time_of_the_shop(
    language: str, money: str, rate: str, moment: str, short: str
) -> None:
    w = words(language)
    assert w.money(Decimal("-1234.50")).replace(NBSP, " ") == money
    assert w.percent(Decimal("5.5")).replace(NBSP, " ") == rate
    assert w.moment(AT) == moment
    assert w.short(AT, AT.replace(month=5)) == short


def test_a_number_chooses_the_form_of_the_word() -> None:
    for language, one, none in (("nl", "1 regel", "0 regels"), ("de", "1 Position", "0 Positionen")):
        assert words(language).many("%(n)d line", "%(n)d lines", 1) == one
        assert words(language).many("%(n)d line", "%(n)d lines", 0) == none
    assert words("fr").many("%(n)d line", "%(n)d lines", 0) == "0 ligne"


def test_nothing_is_said_as_nothing_and_what_is_unknown_as_it_is() -> None:
    for language in (*LANGUAGES, PSEUDO):
        assert words(language).say("") == ""
    assert words("de").say("a word of tomorrow") == "a word of tomorrow"


def test_the_pseudo_language_marks_a_text_and_keeps_its_places() -> None:
    text, _ = STATUSES["held"]
    assert words(PSEUDO).say(text) == "⟦Øñ~ höld~~⟧"
    assert words(PSEUDO).say("Pick %(number)s", number="C-1") == "⟦Pïçk~~ C-1⟧"


def test_a_title_amid_a_sentence_keeps_its_capital_in_german_only() -> None:
    assert words("en").amid("To pick") == "to pick"
    assert words("de").amid("Zu packen") == "Zu packen"


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize(
    ("currency", "amount", "digits"),
    [
        ("HUF", "300005.96", "30000596"),
        ("COP", "0.50", "050"),
        ("IQD", "1.005", "1005"),
        ("KWD", "-1.005", "1005"),
        ("JPY", "1158.00", "1158"),
        ("CLF", "9.0421", "90421"),
        ("EUR", "12.345", "1235"),
        ("EUR", "0.125", "013"),
        ("EUR", "5", "500"),
    ],
)
def test_an_amount_has_the_decimals_that_its_invoice_has(
    language: str, currency: str, amount: str, digits: str
) -> None:
    """Not those that are usual in cash: a page or a mail would say another sum than the document."""
    for money in (words(language).money, Phrases(language, ZoneInfo("UTC")).money):
        assert re.sub(r"\D", "", money(Decimal(amount), currency)) == digits


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize(("currency", "amount"), [("EUR", "1234.5"), ("USD", "-12"), ("JPY", "7"), ("KWD", "1.5")])
def test_an_amount_is_written_as_the_language_writes_it(language: str, currency: str, amount: str) -> None:
    assert amount_in(language, Decimal(amount), currency) == format_currency(Decimal(amount), currency, locale=language)
    exact = format_currency(Decimal("1.2345"), currency, locale=language, decimal_quantization=False)
    assert amount_in(language, Decimal("1.2345"), currency, exact=True) == exact
