"""Transfers between warehouses: what moves, what stays, and that nothing appears or vanishes (WMS-14, R-21, R-27)."""

from contextlib import suppress
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptoir.invariants import transfers as laws
from services.inventory.domain import Expected, Level, Movement, Transfer, TransferAct, TransferLine, transfer_tag
from shared.contracts.inventory import (
    CancelTransfer,
    CloseTransfer,
    CreateTransfer,
    EditTransfer,
    ExpectReceipt,
    MovedLine,
    ReceiveStock,
    SendTransfer,
    StockChanged,
    StockLine,
)
from shared.messaging.decision import Refused
from tests.inventory.builders import NOW, World, check, receipt, reply, wants, world

TODAY = NOW.date()
LINES = (("mug", 4), ("pen", 2))


def moved(n: int) -> UUID:
    return UUID(int=0xE0000 + n)


def day(n: int) -> date:
    return TODAY + timedelta(days=n)


def named(*lines: tuple[str, int]) -> tuple[MovedLine, ...]:
    return tuple(MovedLine(sku=sku, quantity=quantity) for sku, quantity in lines or LINES)


def create(n: int, *lines: tuple[str, int], source: str = "north", to: str = "south", on: int = 5) -> CreateTransfer:
    return CreateTransfer(transfer_id=moved(n), source=source, destination=to, expected_on=day(on), lines=named(*lines))


def edit(n: int, *lines: tuple[str, int], to: str = "south", **more: Any) -> EditTransfer:
    return EditTransfer(
        transfer_id=moved(n), source="north", destination=to, expected_on=day(5), lines=named(*lines), **more
    )


def send(n: int, *skus: str, **more: Any) -> SendTransfer:
    return SendTransfer(transfer_id=moved(n), skus=skus or ("mug", "pen"), **more)


def close(n: int, *skus: str, **more: Any) -> CloseTransfer:
    return CloseTransfer(transfer_id=moved(n), skus=skus or ("mug", "pen"), reason="fell off the lorry", **more)


def cancel(n: int, *skus: str) -> CancelTransfer:
    return CancelTransfer(transfer_id=moved(n), skus=skus or ("mug", "pen"))


def came(w: World, n: int, *lines: tuple[str, int], warehouse: str = "south", **more: Any) -> ReceiveStock:
    """Goods that came of transfer n, as the API says it."""
    stock = tuple(StockLine(sku=sku, quantity=quantity) for sku, quantity in lines)
    return ReceiveStock(warehouse=warehouse, reference=of(w, n).number, lines=stock, transfer_id=moved(n), **more)


def of(w: World, n: int) -> Transfer:
    row = w.rows[Transfer][(moved(n),)]
    assert isinstance(row, Transfer)
    return row


def pieces(w: World, n: int) -> dict[str, tuple[int, int, int]]:
    """(sent, received, lost) per SKU."""
    return {r.sku: (r.sent, r.received, r.lost) for r in w.all(TransferLine) if r.transfer_id == moved(n)}


def on_hand(w: World, sku: str, warehouse: str) -> int:
    row = w.rows[Level].get((sku, warehouse))
    return row.on_hand if isinstance(row, Level) else 0


def acts(w: World, n: int) -> list[str]:
    found = sorted((a for a in w.all(TransferAct) if a.transfer_id == moved(n)), key=lambda a: a.version)
    return [a.what for a in found]


def stock() -> World:
    return world(("mug", "north", 10), ("pen", "north", 5), ("mug", "south", 1))


def lawful(w: World) -> None:
    """I1 to I4, I30 and I31 over all transfers of a world."""
    check(w)
    says: list[str] = []
    for transfer in w.all(Transfer):
        mine = [row for row in w.all(TransferLine) if row.transfer_id == transfer.transfer_id]
        done = [a for a in w.all(TransferAct) if a.transfer_id == transfer.transfer_id]
        causes = {a.cause for a in done}
        due = [e for e in w.all(Expected) if e.transfer_id == transfer.transfer_id]
        moves = [m for m in w.all(Movement) if m.cause in causes]
        for row in mine:
            its = [m for m in moves if m.sku == row.sku]
            says += laws.sent_is_received_lost_or_in_transit(
                laws.MovedLine(
                    transfer.number,
                    transfer.state,
                    row.sku,
                    row.sent,
                    row.received,
                    row.lost,
                    out=-sum(m.on_hand for m in its if m.warehouse == transfer.source),
                    came=sum(m.on_hand for m in its if m.warehouse == transfer.destination),
                    gone=-sum(m.in_transit for m in its if m.kind == "transfer_loss"),
                    under_way=sum(m.in_transit for m in its),
                    incoming=sum(e.incoming for e in due if e.sku == row.sku),
                )
            )
        whole = laws.Moved(
            transfer.number,
            transfer.state,
            transfer.version,
            sum(row.sent for row in mine),
            sum(row.received for row in mine),
            sum(row.lost for row in mine),
            len(done),
            max((a.version for a in done), default=0),
        )
        says += laws.transfers_state_is_what_came(whole)
    assert says == []


def refusal(w: World, m: Any) -> Refused:
    before = {kind: dict(rows) for kind, rows in w.rows.items()}
    with pytest.raises(Refused) as refused:
        w.tell(m)
    assert {kind: dict(rows) for kind, rows in w.rows.items()} == before
    return refused.value


def test_a_draft_has_the_next_number_and_moves_nothing() -> None:
    w = stock()
    first, second = reply(w.tell(create(1))), reply(w.tell(create(2)))
    assert (first.status, first.body["number"], second.body["number"]) == (201, "TR-2027-000001", "TR-2027-000002")
    assert (first.body["state"], on_hand(w, "mug", "north"), w.all(Expected)) == ("draft", 10, [])
    assert [a.actor for a in w.all(TransferAct)] == ["anna", "anna"]
    assert refusal(w, create(2)).status == 409
    lawful(w)


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (create(1, source="moon"), "source"),
        (create(1, to="moon"), "destination"),
        (create(1, to="north"), "destination"),
        (create(1, ("cup", 1)), "lines.0.sku"),
        (create(1, ("mug", 1), ("post", 1)), "lines.1.sku"),
        (create(1, ("mug", 1), ("pen", 1), ("mug", 2)), "lines.2.sku"),
    ],
)
def test_what_nobody_knows_is_not_moved(draft: Any, field: str) -> None:
    assert refusal(stock(), draft).field == field


def test_a_draft_is_written_anew_as_a_whole_and_by_one_of_two() -> None:
    w = stock()
    w.tell(create(1))
    tag = transfer_tag(of(w, 1))
    w.tell(edit(1, ("rare", 1), ("mug", 3), to="west", if_match=tag))
    assert refusal(w, edit(1, ("mug", 9), if_match=tag)).status == 412
    w.tell(edit(1, ("rare", 1), ("mug", 3), to="west", if_match=tag))  # the same once more: it is as wanted
    assert acts(w, 1) == ["created", "edited"], "what changes nothing is no act"
    assert w.all(TransferAct)[-1].facts["lines"] == [
        {"sku": "mug", "quantity": [4, 3]},
        {"sku": "pen", "quantity": [2, 0]},
        {"sku": "rare", "quantity": [None, 1]},
    ]
    assert refusal(w, send(1, "mug", "pen")).status == 412, "the line of rare was not looked at"
    assert refusal(w, send(1, "mug", "pen", "rare", if_match=tag)).status == 412
    lawful(w)


def test_sent_it_is_on_no_shelf_and_expected_where_it_goes() -> None:
    w = stock()
    w.tell(create(1))
    body = reply(w.tell(send(1, if_match=transfer_tag(of(w, 1))))).body
    assert (body["state"], [line["in_transit"] for line in body["lines"]]) == ("sent", [4, 2])
    assert (on_hand(w, "mug", "north"), on_hand(w, "mug", "south")) == (6, 1)
    assert [(e.sku, e.warehouse, e.incoming, e.expected_on) for e in w.all(Expected)] == [
        ("mug", "south", 4, day(5)),
        ("pen", "south", 2, day(5)),
    ]
    told = [(m.sku, m.warehouse, m.quantity, m.reason) for m in w.sent if isinstance(m, StockChanged)]
    assert told == [("mug", "north", -4, "transfer"), ("pen", "north", -2, "transfer")]
    assert [(m.kind, m.on_hand, m.in_transit, m.reference, m.actor) for m in w.all(Movement)[3:]] == [
        ("transfer", -4, 4, "TR-2027-000001", "anna"),
        ("transfer", -2, 2, "TR-2027-000001", "anna"),
    ]
    for again in (send(1), cancel(1), edit(1, ("mug", 1))):
        assert refusal(w, again).status == 409
    lawful(w)


def test_what_is_promised_to_orders_stays() -> None:
    w = stock()
    w.tell(wants(1, ("mug", 8)))
    reserved = w.level("mug", "north").reserved
    assert reserved == 8
    w.tell(create(1, ("pen", 2), ("mug", 3)))
    no = refusal(w, send(1))
    assert (no.status, no.field) == (409, "lines.1.quantity")
    assert no.reason == "3 of mug should go, only 2 are free in north: 8 are promised"
    w.tell(edit(1, ("pen", 2), ("mug", 2)))
    w.tell(send(1))
    assert (w.level("mug", "north").on_hand, w.level("mug", "north").reserved) == (8, 8)
    lawful(w)


def test_it_comes_in_parts_and_who_waits_gets_it_first() -> None:
    w = stock()
    w.tell(create(1, ("mug", 10)))
    w.tell(send(1, "mug"))
    w.tell(wants(1, ("mug", 5)))
    w.settle()
    assert (w.backordered(1), w.news(1).lines[0].promised_on) == (4, day(5)), "the day on which it should arrive"
    w.tell(came(w, 1, ("mug", 3)))
    w.settle()
    assert (of(w, 1).state, pieces(w, 1), w.backordered(1)) == ("partly_received", {"mug": (10, 3, 0)}, 1)
    lawful(w)
    w.tell(came(w, 1, ("mug", 7)))
    w.settle()
    assert (of(w, 1).state, on_hand(w, "mug", "south"), w.reserved(1)) == ("received", 11, 5)
    assert acts(w, 1) == ["created", "sent", "received", "received"]
    assert refusal(w, close(1, "mug")).status == 409
    lawful(w)


def test_nobody_needs_to_name_the_transfer_but_its_number() -> None:
    w = stock()
    w.tell(create(1))
    w.tell(send(1))
    w.tell(receipt("south", "mug", 4, of(w, 1).number))
    assert pieces(w, 1) == {"mug": (4, 4, 0), "pen": (2, 0, 0)}
    lawful(w)


@pytest.mark.parametrize(
    ("lines", "more", "field"),
    [
        ((("pen", 1), ("mug", 5)), {}, "lines.1.quantity"),
        ((("mug", 5),), {"over": True}, "lines.0.quantity"),
        ((("mug", 2), ("mug", 3)), {}, "lines.0.quantity"),
        ((("rare", 1),), {"over": True}, "lines.0.quantity"),
        ((("mug", 1),), {"warehouse": "west"}, "warehouse"),
    ],
)
def test_what_was_not_sent_there_does_not_come(lines: Any, more: Any, field: str) -> None:
    w = stock()
    w.tell(create(1))
    assert refusal(w, came(w, 1, ("mug", 1))).field == "reference", "a draft"
    w.tell(send(1))
    no = refusal(w, came(w, 1, *lines, **more))
    assert (no.status, no.field) == (409, field)


def test_what_does_not_come_is_lost_for_a_reason() -> None:
    w = stock()
    w.tell(create(1))
    assert refusal(w, close(1)).status == 409, "a draft is cancelled"
    w.tell(send(1))
    w.tell(came(w, 1, ("mug", 3)))
    w.tell(close(1))
    assert (of(w, 1).state, pieces(w, 1)) == ("closed_short", {"mug": (4, 3, 1), "pen": (2, 0, 2)})
    assert sum(e.incoming for e in w.all(Expected)) == 0
    lost = [m for m in w.all(Movement) if m.kind == "transfer_loss"]
    assert [(m.sku, m.warehouse, m.on_hand, m.in_transit, m.reason) for m in lost] == [
        ("mug", "south", 0, -1, "fell off the lorry"),
        ("pen", "south", 0, -2, "fell off the lorry"),
    ]
    assert refusal(w, came(w, 1, ("mug", 1))).field == "reference"
    lawful(w)


def test_who_waits_for_what_is_lost_is_promised_another_day() -> None:
    w = world(("mug", "north", 5))
    w.tell(create(1, ("mug", 5)))
    w.tell(send(1, "mug"))
    w.tell(wants(1, ("mug", 2)))
    assert w.news(1).lines[0].promised_on == day(5)
    w.tell(close(1, "mug"))
    w.settle()
    assert w.news(1).lines[0].promised_on == day(14), "the lead time"
    lawful(w)


def test_a_draft_is_cancelled_and_then_never_sent() -> None:
    w = stock()
    w.tell(create(1))
    w.tell(cancel(1))
    assert (of(w, 1).state, on_hand(w, "mug", "north")) == ("cancelled", 10)
    for late in (send(1), cancel(1), close(1), edit(1, ("mug", 1))):
        assert refusal(w, late).status == 409
    lawful(w)


def test_what_a_transfer_expects_is_nobody_elses() -> None:
    w = stock()
    w.tell(create(1))
    mine = ExpectReceipt(warehouse="south", reference="TR-2027-000001", sku="mug", quantity=9, expected_on=day(3))
    w.tell(send(1))
    assert refusal(w, mine).field == "reference"
    w.tell(create(2, ("mug", 1)))
    w.tell(mine.model_copy(update={"reference": "TR-2027-000002"}))
    assert "is expected under TR-2027-000002 already" in refusal(w, send(2, "mug")).reason


STEPS = st.lists(
    st.tuples(st.sampled_from(["create", "send", "came", "close", "cancel", "order", "edit"]), st.integers(1, 3),
              st.integers(1, 6)),
    max_size=25,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_people_do_the_laws_hold(steps: list[tuple[str, int, int]]) -> None:
    w = stock()
    w.tell(create(1, ("mug", 6)))
    w.tell(send(1, "mug"))
    for i, (what, n, quantity) in enumerate(steps):
        with suppress(Refused, KeyError):  # KeyError: there is no such transfer yet
            w.tell(
                {
                    "create": lambda n=n, q=quantity: create(n, ("mug", q)),
                    "edit": lambda n=n, q=quantity: edit(n, ("mug", q)),
                    "send": lambda n=n: send(n, "mug"),
                    "came": lambda n=n, q=quantity: came(w, n, ("mug", q)),
                    "close": lambda n=n: close(n, "mug"),
                    "cancel": lambda n=n: cancel(n, "mug"),
                    "order": lambda i=i, q=quantity: wants(i, ("mug", q)),
                }[what]()
            )
        w.settle()
        lawful(w)
