"""What owners say in English is known here, so that it can be said in every language: held against their own code."""

import ast
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.backoffice.languages import PSEUDO, translations
from services.backoffice.pages import NBSP, TOLD, English
from services.backoffice.retold import SENTENCES, found
from services.order.facts import INCOMPLETE
from services.order.waits import _ASKED, _IN_SHIPMENT
from shared.contracts.message import Message
from shared.contracts.order import OrderStatement
from shared.messaging.difference import FAULT, GUARD, KINDS

ROOT = Path(__file__).resolve().parents[2]


def said_by(file: str, *within: str) -> Iterator[str]:
    """Texts of a module that are made for people, with a figure in each place: within these calls, or sentences."""
    tree = ast.parse((ROOT / file).read_text())
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    pieces = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    names = {id(arg): arg for node in ast.walk(tree) if isinstance(node, ast.Call)
             for arg in node.args[:1] if getattr(node.func, "id", "") in within}  # fmt: skip
    for node in ast.walk(tree):
        if id(node) in documented or id(node) in pieces:
            continue
        text = spelled(node)
        if text and (id(node) in names or (not within and text.endswith(".") and " " in text)):
            yield text


def spelled(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return ""


COMPOSED = {
    "Shipment 7 from 7 7.": "",  # of the states below
    "Billing would be asked to secure 7 instead of 7; 7.":
        "Billing would be asked to secure 7 EUR instead of nothing; 7 EUR is secured now.",
    "the shipment cannot leave: 7": "the shipment cannot leave: it has no label yet",
    "7 is expected under 7 already, without this 7": "7 is expected under 7 already, without this transfer",
}  # fmt: skip
"""Sentences with a part that is text itself, and how they are in full."""
SAID = [
    *said_by("services/order/waits.py"),
    "x".join(INCOMPLETE),
    *(why for _, why in _ASKED.values()),
    *(f"Shipment 1 from north {why}." for _, why in _IN_SHIPMENT.values()),
    *said_by("services/order/preview.py"),
    *said_by("services/order/placing.py"),
    *said_by("services/order/kits.py"),
    *said_by("services/order/vat.py"),
    *said_by("services/billing/preview.py"),
    *said_by("services/billing/domain/refunds.py", "Refused"),
    *said_by("services/fulfilment/domain/shipments.py", "Refused"),
    *said_by("services/fulfilment/domain/returns.py", "Refused"),
    *said_by("services/inventory/domain/reorder.py", "Refused"),
    *said_by("services/inventory/domain/papers.py", "Refused"),
    *(text for text in said_by("services/inventory/domain/purchases.py", "Refused") if "purchase order 7" not in text),
    *(text for text in said_by("services/inventory/domain/transfers.py", "Refused") if "transfer 7" not in text),
    *(text for text in said_by("services/backoffice/accounts.py", "Refused") if not text.startswith("The ")),
    *said_by("services/backoffice/post.py"),
    *said_by("services/backoffice/post.py", "Unsendable"),
]


@pytest.mark.parametrize("text", sorted({COMPOSED.get(text, text) for text in SAID} - {""}))
def test_what_an_owner_says_of_an_order_is_known(text: str) -> None:
    assert found(text), f"put it into services/backoffice/retold.py, then `make words`: {text!r}"


def test_there_was_something_to_hold_against() -> None:
    assert len(set(SAID)) > 45


def test_causes_of_parked_messages_are_known() -> None:
    for about, advice in (*KINDS.values(), GUARD, FAULT):
        for text in (about.format(rest="x", tries="once", reason="x"), advice):
            assert found(text), text


def words(language: str) -> English:
    return English(ZoneInfo("Europe/Brussels"), language, translations(language), "EUR")


@pytest.mark.parametrize(
    ("text", "english", "german"),
    [
        ("3 pieces on backorder, promised for 2026-03-02.", "3 pieces on backorder, promised for Mon 2 Mar 2026.",
         "3 Stück im Rückstand, zugesagt für Mo., 2. März 2026."),
        ("1 piece on backorder, promised for no certain day.", "1 piece on backorder, promised for no certain day.",
         "1 Stück im Rückstand, zugesagt für kein sicherer Tag."),
        ("The customer's transfer of 1234.50 EUR has not arrived.",
         "The customer's transfer of €1,234.50 has not arrived.",
         "Die Überweisung des Kunden über 1.234,50 € ist noch nicht eingegangen."),
        ("The status would change from in_fulfilment to cancelled.",
         "The status would change from in the warehouse to cancelled.",
         "Der Status der Bestellung wäre Storniert statt Im Lager."),
        ("Everybody would be told: order.order_held.v1.", "Everybody would be told: the order is on hold.",
         "Alle würden erfahren: Die Bestellung ist gesperrt."),
        ("The payment was declined (12000 JPY and 500 JPY of other orders would be owed, 9000 JPY may be); "
         "the customer may pay the 12000 JPY again.",
         "The payment was declined (¥12,000 and ¥500 of other orders would be owed, ¥9,000 may be); "
         "the customer may pay the ¥12,000 again.",
         "Die Zahlung wurde abgelehnt (12.000 ¥ und 500 ¥ anderer Bestellungen wären offen, 9.000 ¥ dürfen es sein); "
         "der Kunde kann die 12.000 ¥ erneut bezahlen."),
        ("there are no terms for orders in USD", "there are no terms for orders in USD",
         "Bestellungen in USD gibt es nicht auf Rechnung"),
        ("Billing needs a person: overdue: 12.00 EUR after 3 reminders.",
         "Billing needs a person: overdue: €12.00 after 3 reminders.",
         "Die Abrechnung braucht jemanden: überfällig: 12,00 € nach 3 Mahnungen."),
        ("It is held (check the address); somebody must release the hold.",
         "It is held (check the address); somebody must release the hold.",
         "Gesperrt (check the address); jemand muss die Sperre aufheben."),
        ("It is held (address: name, street missing); somebody must release the hold.",
         "It is held (address: name, street missing); somebody must release the hold.",
         "Gesperrt (Adresse unvollständig, es fehlt: Name, Straße); jemand muss die Sperre aufheben."),
    ],
)  # fmt: skip
def test_a_sentence_is_said_again_with_all_that_stands_in_it(text: str, english: str, german: str) -> None:
    assert words("de").heard(text).replace(NBSP, " ") == german
    assert words("en").heard(text) == english


def test_what_everybody_is_told_of_an_order_has_words() -> None:
    statements = {key for key, kind in Message.registry.items() if issubclass(kind, OrderStatement)}
    assert statements == set(TOLD)


def test_what_is_not_known_stays_as_it_was_and_is_marked_as_english() -> None:
    w = words("nl")
    assert w.heard("A sentence <b>of tomorrow</b>.") == "A sentence <b>of tomorrow</b>."
    marked = '<span lang="en">A sentence &lt;b&gt;of tomorrow&lt;/b&gt;.</span>'
    assert str(w.marked("A sentence <b>of tomorrow</b>.")) == marked
    assert w.marked("Nothing would change.") == "Er zou niets veranderen."
    assert w.marked("9999-99-99") != ""


def test_no_sentence_hides_another() -> None:
    """The one with the most text of its own is taken; one with nothing but a place would fit everything."""
    for sentence in SENTENCES:
        known = found(sentence.replace("%(", "").replace(")s", ""))
        assert known is not None
        assert known[0] == sentence
    assert words(PSEUDO).heard("Nothing would change.").startswith("⟦")
