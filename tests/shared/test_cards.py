"""Card numbers are nowhere where texts of others end up by accident: logs, and reasons of parked messages."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from shared import logging as logs
from shared.cards import barcode, masked
from shared.messaging.unit import reason_of

CARDS = {
    "4111111111111111": "411111******1111",
    "5555555555554444": "555555******4444",
    "2223003122003222": "222300******3222",
    "378282246310005": "378282*****0005",
    "36227206271667": "362272****1667",
    "6205500000000000004": "620550*********0004",
    "4222222222222": "422222***2222",
}
"""Numbers that networks publish for tests, as each is shown."""


@pytest.mark.parametrize("card", CARDS)
def test_a_card_number_is_masked_wherever_it_stands(card: str) -> None:
    groups = " ".join(card[i : i + 4] for i in range(0, len(card), 4))
    for text in (card, f"paid with {card}.", f'{{"note": "{card}"}}', groups, groups.replace(" ", "-"), f"({card})"):
        assert card not in masked(text)
        assert CARDS[card] in masked(text), text


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # no card: its check digit is wrong
        "1234567890123452",  # of no network
        "4111111",
        "41111111111111111111111111111111",
        "0198a1b2-0000-7000-8000-4111111111111111",
        "order-4111111111111111",
        "a4111111111111111",
        "5901234123457",  # an EAN that is no card's number
        "2026-03-02T12:00:00+01:00",
        "",
    ],
)
def test_what_is_no_card_number_stays(text: str) -> None:
    assert masked(text) == text


@given(st.integers(min_value=10**11, max_value=10**12 - 1))
def test_barcodes_stay_also_those_that_look_like_cards(first: int) -> None:
    digits = str(first)
    ean = digits + str(-sum(int(d) * (1 + 2 * (i % 2)) for i, d in enumerate(digits)) % 10)
    assert barcode(ean)
    assert masked(ean) == ean


@contextmanager
def heard(*, as_json: bool) -> Iterator[io.StringIO]:
    """What a process that is set up like a service writes to its standard error."""
    before, root, real = structlog.get_config(), logging.getLogger(), sys.stderr
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    sys.stderr = io.StringIO()
    try:
        logs.configure(as_json=as_json)
        yield sys.stderr
    finally:
        sys.stderr, root.handlers[:] = real, handlers
        root.setLevel(level)
        structlog.configure(**before)


@pytest.mark.parametrize("as_json", [True, False])
def test_logs_hold_none(as_json: bool) -> None:
    card = "4111111111111111"
    with heard(as_json=as_json) as stream:
        about = {"error": repr(ValueError(card)), "told": [{"note": card}], "raised": ValueError(card)}
        structlog.get_logger("test").info(f"card {card}", **about, ns=int(card))
        logging.getLogger("library").error("refused %s", card)
    said = stream.getvalue()
    assert said.count("411111******1111") == 5
    if as_json:
        line = json.loads(said.splitlines()[0])
        assert line["ns"] == int(card), "a number is no text, and the line stays JSON"
        assert line["told"] == [{"note": "411111******1111"}]


def test_the_reason_of_a_parked_message_holds_none() -> None:
    assert reason_of(ValueError("note 4111 1111 1111 1111")) == "ValueError: note 411111******1111"
