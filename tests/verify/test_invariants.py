"""Each invariant holds on a good snapshot and finds each fault that is planted in it, by the name of the document."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from comptoir.invariants import LAWS, across, messages, money, orders, purchases, stock, transfers, value
from services.order.rows import Kit
from tests.verify.snapshots import (
    ACCOUNT,
    BACK,
    CANCELLED,
    CHARGE,
    COPY,
    DONE,
    EVENT,
    FIRST,
    GIVEN,
    HANDLED,
    INVOICE,
    LINE,
    NOTE,
    NOW,
    OPEN,
    ORDER,
    OTHER,
    PACKET,
    PLANNED,
    POISON,
    PURSE,
    REFUND,
    REQUEST,
    RUN,
    SECOND,
    SECURED,
    SENT,
    SHELF,
    STOCKED,
    Fault,
    account,
    entry,
    numbered,
    operation,
    order,
    out,
    progress,
    shipment,
)


def fault(check: Any, good: Any, bad: Any, says: str) -> Any:
    good, bad = (each if isinstance(each, tuple) else (each,) for each in (good, bad))
    return pytest.param(Fault(check, good, bad, says), id=f"{LAWS[check].number} {says[:60]}")


def of(shelf: Any, **changes: Any) -> Any:
    return replace(shelf, **changes)


REFUNDING = SECURED.model_copy(update={"credited": ()})
DISPATCHED = of(PLANNED, heard=out(FIRST, 2, (1, 3), (2, 1)))
PARTS = orders.Parts(ORDER, 1, 1, 1, 2)
EXTERNAL = orders.ExternalId("web", "X1", [ORDER], ORDER)
DOCUMENT = orders.Document("shipment", FIRST, 3, "delivered", 3, 3, "delivered")
ENTRY = money.Entry("INV-2026-000001", "GBP", Decimal(0))
CREDITS = money.Credits("INV-2026-000001", Decimal(24), Decimal(24))

BOUGHT_LINE = purchases.BoughtLine("PO-1", "partly_received", "MUG", 10, 4, 4, 6, NOW.date(), NOW.date())
BOUGHT = purchases.Bought("PO-1", "partly_received", 3, 6, 4, 3, 3)

PURCHASES = [
    fault(
        purchases.received_is_the_sum_of_receipts,
        BOUGHT_LINE,
        of(BOUGHT_LINE, receipts=5),
        "purchase order PO-1 line MUG: 4 received, its receipts sum to 5",
    ),
    fault(purchases.incoming_is_what_is_left, BOUGHT_LINE, of(BOUGHT_LINE, incoming=5), "5 incoming, but it is partly"),
    fault(
        purchases.incoming_is_what_is_left,
        of(BOUGHT_LINE, state="closed_short", incoming=0),
        of(BOUGHT_LINE, state="closed_short"),
        "6 incoming, but it is closed_short and has 0 left",
    ),
    fault(purchases.incoming_is_what_is_left, BOUGHT_LINE, of(BOUGHT_LINE, incoming_on=None), "promises go by None"),
    fault(purchases.state_is_what_came, BOUGHT, of(BOUGHT, left=0), "PO-1: partly_received with 4 received and 0 left"),
    fault(
        purchases.state_is_what_came,
        of(BOUGHT, state="sent", received=0),
        of(BOUGHT, state="sent"),
        "PO-1: sent with 4 received",
    ),
    fault(purchases.state_is_what_came, BOUGHT, of(BOUGHT, acts=2), "version 3, but 2 acts up to 3"),
]

MOVED_LINE = transfers.MovedLine("TR-1", "partly_received", "MUG", 10, 4, 1, 10, 4, 1, 5, 5)
MOVED = transfers.Moved("TR-1", "partly_received", 3, 10, 4, 0, 3, 3)
LINE_LAW, MOVED_LAW = transfers.sent_is_received_lost_or_in_transit, transfers.transfers_state_is_what_came

TRANSFERS = [
    fault(LINE_LAW, MOVED_LINE, of(MOVED_LINE, out=11), "TR-1 line MUG: 10 sent, its movements sum to 11"),
    fault(LINE_LAW, MOVED_LINE, of(MOVED_LINE, came=3), "4 received, its movements sum to 3"),
    fault(LINE_LAW, MOVED_LINE, of(MOVED_LINE, gone=0), "1 lost, its movements sum to 0"),
    fault(LINE_LAW, MOVED_LINE, of(MOVED_LINE, under_way=6), "5 in transit, its movements sum to 6"),
    fault(LINE_LAW, MOVED_LINE, of(MOVED_LINE, incoming=4), "5 in transit, 4 expected at the destination"),
    fault(MOVED_LAW, MOVED, of(MOVED, received=10), "partly_received with 10 sent, 10 received and 0 lost"),
    fault(MOVED_LAW, of(MOVED, state="closed_short", lost=6), of(MOVED, state="closed_short"), "TR-1: closed_short"),
    fault(MOVED_LAW, of(MOVED, state="cancelled", sent=0, received=0), of(MOVED, state="cancelled"), "cancelled with"),
    fault(MOVED_LAW, MOVED, of(MOVED, newest=4), "version 3, but 3 acts up to 4"),
]

WORTH = value.Worth(
    "MUG", 5, 4, Decimal("9.00"), 5, 5, 4, Decimal("9.00"), 2, 4, 0, Decimal("9.00"), 2, 4, Decimal("9.00")
)
PIECES_LAW, VALUE_LAW = value.pieces_are_those_of_movements, value.value_is_the_sum_of_movements

WORTHS = [
    fault(PIECES_LAW, WORTH, of(WORTH, valued=5), "value of MUG: 4 pieces, 5 have a value, their movements sum to 4"),
    fault(PIECES_LAW, WORTH, of(WORTH, moved=3), "4 have a value, their movements sum to 3"),
    fault(PIECES_LAW, WORTH, of(WORTH, n=4), "5 values, but there are 4 up to 5"),
    fault(PIECES_LAW, WORTH, of(WORTH, left_out=2), "2 movements have none"),
    fault(VALUE_LAW, WORTH, of(WORTH, values=Decimal("9.01")), "9.00, its movements sum to 9.01"),
    fault(VALUE_LAW, WORTH, of(WORTH, days_value=Decimal(8)), "9.00, its days sum to 8"),
    fault(VALUE_LAW, WORTH, of(WORTH, day_pieces=3), "its last day ended with 3 for 9.00"),
    fault(VALUE_LAW, WORTH, of(WORTH, days_sold=1), "2 sold, its days sum to 1"),
    fault(VALUE_LAW, WORTH, of(WORTH, pieces=0, day_pieces=0), "no piece is there, for 9.00"),
]

STOCK = [
    fault(stock.on_hand_is_the_sum_of_movements, SHELF, of(SHELF, on_hand=11), "MUG@north: 11 on hand"),
    fault(stock.on_hand_is_the_sum_of_movements, SHELF, of(SHELF, moved=11), "its movements sum to 11"),
    fault(stock.on_hand_is_the_sum_of_movements, SHELF, of(SHELF, quarantined=0), "0 in quarantine, its movements"),
    fault(stock.reserved_is_the_sum_of_reservations, SHELF, of(SHELF, promised=3), "4 reserved, the reservations of"),
    fault(stock.never_oversold, SHELF, of(SHELF, reserved=11), "MUG@north: 11 reserved of 10 on hand"),
    fault(stock.never_oversold, SHELF, of(SHELF, reserved=-1), "-1 reserved of 10"),
    fault(stock.never_oversold, SHELF, of(SHELF, quarantined=-1), "-1 in quarantine"),
    fault(stock.reservations_end_once, LINE, of(LINE, moved_out=4), "2 issued, movements took 4 off the shelf"),
    fault(stock.reservations_end_once, LINE, of(LINE, moved_lost=2), "1 lost, movements took 2 off the shelf"),
    fault(stock.reservations_end_once, LINE, of(LINE, backordered=0), "line 1 (MUG): 5 wanted and 2 issued leave 3"),
    fault(
        stock.reservations_end_once, of(LINE, reserved=3, kept=1), of(LINE, reserved=3), "1 backordered + 0 rejected"
    ),
]

KIT = Kit(1, "SET", "A set", 1, Decimal(35))


def of_kit(kit: Kit) -> orders.Case:
    """Both lines as one kit, of which nothing is out."""
    return order(DONE, lines=tuple(of(line, kit=kit) for line in DONE.order.lines), shipments=())


KITS = of_kit(KIT)
ORDERS = [
    fault(
        orders.shipped_within_ordered,
        DONE,
        order(DONE, shipments=(shipment(1, (1, 3)), *DONE.order.shipments[1:])),
        "order C-1 line 1: 4 shipped, 3 ordered less 0 cancelled",
    ),
    fault(
        orders.shipped_within_ordered, DONE, progress(DONE, cancelled=((2, 1),)), "line 2: 1 shipped, 1 ordered less 1"
    ),
    fault(
        orders.shipped_within_ordered,
        DONE,
        order(DONE, shipments=(*DONE.order.shipments, shipment(3, (9, 1)))),
        "line 9: 1 shipped, but there is no such line",
    ),
    fault(
        orders.shipped_within_ordered,
        DONE,
        order(DONE, returns=(BACK, of(BACK, return_id=OTHER), of(BACK, return_id=EVENT))),
        f"line 1: 3 returned of 2 in shipment {FIRST}",
    ),
    fault(orders.kits_are_whole, KITS, of_kit(replace(KIT, count=2)), "kit 1: its lines are no whole number of kits"),
    fault(
        orders.kits_are_whole,
        KITS,
        order(KITS, lines=(of(KITS.order.lines[0], kit=replace(KIT, price=Decimal(1))), KITS.order.lines[1])),
        "order C-1 kit 1: its lines are not of one kit",
    ),
    fault(
        orders.kits_are_whole,
        progress(KITS, cancel_wanted=((1, 3), (2, 1))),
        progress(KITS, cancel_wanted=((1, 2),)),
        "order C-1 line 1: 2 given up where 1 of kit 1 are",
    ),
    fault(
        orders.the_total_adds_up,
        DONE,
        order(DONE, header=of(DONE.order.header, vat=Decimal("7.01"))),
        "VAT 7.01 = 42.00, its lines come to 35.00 + 7.00 = 42.00",
    ),
    fault(
        orders.the_total_adds_up,
        DONE,
        order(
            DONE, money=of(DONE.order.money, heard=SECURED.model_copy(update={"invoiced": SECURED.invoiced[:1] * 2}))
        ),
        "order C-1: 2 invoices sum to 48.00, what they are for is worth 24.00",
    ),
    fault(
        orders.history_leads_to_the_status, DONE, of(DONE, history=DONE.history[1:]), "history has version 2 where 1"
    ),
    fault(orders.history_leads_to_the_status, DONE, progress(DONE, version=4), "at version 4, its history has 3"),
    fault(
        orders.history_leads_to_the_status,
        DONE,
        of(DONE, history=(DONE.history[0], entry(2, "held", "in_fulfilment"), DONE.history[2])),
        "starts from 'held', the one before ended in 'awaiting_stock'",
    ),
    fault(
        orders.history_leads_to_the_status,
        DONE,
        progress(of(DONE, history=(*DONE.history, entry(4, "completed", "held"))), version=4, status="held"),
        "was completed, which is final, and became held in version 4",
    ),
    fault(
        orders.history_leads_to_the_status, DONE, progress(DONE, status="cancelled"), "is cancelled, its history ends"
    ),
    fault(
        orders.history_leads_to_the_status,
        OPEN,
        order(OPEN, shipments=(DISPATCHED,)),
        "is in_fulfilment, what is known of it makes it delivered",
    ),
    fault(orders.documents_have_their_history, DOCUMENT, of(DOCUMENT, version=4), f"shipment {FIRST}: at version 4"),
    fault(orders.documents_have_their_history, DOCUMENT, of(DOCUMENT, versions=2), "its history has 2 and ends with 3"),
    fault(
        orders.documents_have_their_history, DOCUMENT, of(DOCUMENT, state="packed"), "is packed, its history ends in"
    ),
    fault(orders.nothing_is_stuck, OPEN, order(OPEN, shipments=()), "order C-1: is in_fulfilment and waits for nobody"),
    fault(
        orders.nothing_is_stuck, OPEN, of(OPEN, timers=frozenset()), "answer_by says 2026-03-02 09:00:00, but the timer"
    ),
    fault(
        orders.nothing_is_stuck,
        DONE,
        order(DONE, money=of(DONE.order.money, heard=REFUNDING)),
        "billing.refund_return.v1 is not answered, and no timer will ask again",
    ),
    fault(
        orders.never_shipped_and_cancelled,
        progress(OPEN, status="cancelled"),
        progress(DONE, status="cancelled"),
        f"order C-1: is cancelled, and its shipment {FIRST} is delivered",
    ),
    fault(orders.one_saga_per_order, PARTS, of(PARTS, moneys=0), f"order {ORDER}: has 0 rows of money instead of 1"),
    fault(orders.one_saga_per_order, PARTS, of(PARTS, lines=0), "has 0 lines"),
    fault(
        orders.one_order_per_external_id, EXTERNAL, of(EXTERNAL, orders=[ORDER, OTHER]), "X1 of web: 2 orders carry it"
    ),
    fault(orders.one_order_per_external_id, EXTERNAL, of(EXTERNAL, registered=None), "registered is None"),
    fault(
        orders.one_shipment_per_split,
        DONE,
        order(DONE, shipments=(shipment(1, (1, 2)), shipment(3, (2, 1)))),
        "order C-1: has shipment 3 where 2 should be",
    ),
    fault(
        orders.one_shipment_per_split,
        DONE,
        order(DONE, shipments=(of(shipment(1, (1, 2)), shipment_id=SECOND),)),
        f"shipment 1 is {SECOND}, it should be {FIRST}",
    ),
    fault(
        orders.no_effect_twice,
        DONE,
        of(DONE, history=(*DONE.history, of(DONE.history[0], version=4))),
        "order C-1: versions 1 and 4 are both the effect of message",
    ),
]

MONEY = [
    fault(
        money.refunded_within_captured, PURSE, account(refunded=Decimal(43)), "order C-1: 43 refunded of 42 captured"
    ),
    fault(
        money.refunded_within_captured,
        PURSE,
        of(PURSE, operations=(operation(1, "authorise", "40"), *PURSE.operations[1:])),
        "42 captured by card of 40 authorised",
    ),
    fault(
        money.refunded_within_captured, PURSE, of(PURSE, received=Decimal(1)), "42 captured, operations and receipts"
    ),
    fault(
        money.refunded_within_captured,
        PURSE,
        of(PURSE, operations=PURSE.operations[:2]),
        "12 refunded, operations sum to 0",
    ),
    fault(
        money.refunded_within_captured, PURSE, of(PURSE, invoiced=Decimal(41)), "42 invoiced, its invoices sum to 41"
    ),
    fault(
        money.refunded_within_captured, PURSE, of(PURSE, credited=Decimal(0)), "12 credited, its credit notes sum to 0"
    ),
    fault(
        money.held_is_billed, PURSE, account(refunded=Decimal(0)), "order C-1: 42 held, 30.00 invoiced less credited"
    ),
    fault(
        money.held_is_billed,
        account(captured=Decimal(12), method="bank_transfer"),
        account(captured=Decimal(12)),
        "0 held, 30.00 invoiced less credited",
    ),
    fault(
        money.held_is_billed,
        account(captured=Decimal(54), method="bank_transfer", due=Decimal(54)),
        account(captured=Decimal(55), method="bank_transfer", due=Decimal(54)),
        "43 held, 30.00 invoiced less credited",
    ),
    fault(money.entries_balance, ENTRY, of(ENTRY, total=Decimal("0.01")), "entry INV-2026-000001: debits less credits"),
    fault(
        money.debt_is_what_orders_owe,
        money.Debt("K-1", "GBP", Decimal(30), Decimal("30.00")),
        money.Debt("K-1", "GBP", Decimal(30), Decimal(42)),
        "customer K-1: 30 GBP owed on terms, the orders come to 42 GBP",
    ),
    fault(money.trial_balances, ("GBP", Decimal(0)), ("GBP", Decimal(1)), "trial balance: 1 GBP, not 0"),
    fault(money.ledger_is_the_account, PURSE, of(PURSE, ledger=Decimal(7)), "order C-1: its account says 0.00 is owed"),
    fault(money.guards_stand, money.Guard("invoices", True), money.Guard("invoices", False), "table invoices"),
    fault(
        money.nothing_is_unknown,
        PURSE,
        of(PURSE, operations=(operation(4, "refund", "12", "unknown"),)),
        "order C-1: refund 4 of 12 GBP is unknown",
    ),
    fault(
        money.provider_agrees,
        ("k:1", CHARGE, CHARGE),
        ("k:1", CHARGE, None),
        "operation k:1: ours is capture 42 GBP done",
    ),
    fault(
        money.provider_agrees,
        ("k:1", None, of(CHARGE, done=False)),
        ("k:1", of(CHARGE, done=False), CHARGE),
        "ours is capture 42 GBP refused, the provider's is capture 42 GBP done",
    ),
    fault(
        money.provider_agrees,
        ("k:1", CHARGE, CHARGE),
        ("k:1", CHARGE, of(CHARGE, amount=Decimal(43))),
        "the provider's is capture 43 GBP",
    ),
    fault(money.booked_once, PURSE, of(PURSE, booked={2: Decimal(84), 3: Decimal(-12)}), "42 should be booked, 84 is"),
    fault(
        money.booked_once, PURSE, of(PURSE, booked={2: Decimal(42)}), "refund 3 of 12 is done, so -12 should be booked"
    ),
    fault(
        money.booked_once,
        PURSE,
        of(PURSE, booked={**PURSE.booked, 9: Decimal(1)}),
        "booked for operation 9, which does",
    ),
    fault(money.numbers_have_no_hole, RUN, of(RUN, documents=numbered(1, 3)), "INV-2026-000003 has serial 3 where 2"),
    fault(
        money.numbers_have_no_hole, RUN, of(RUN, documents=numbered(1, 2, 2)), "INV-2026-000002 has serial 2 where 3"
    ),
    fault(money.numbers_have_no_hole, RUN, of(RUN, last=4), "the counter says 4, there are 3 documents"),
    fault(
        money.numbers_have_no_hole,
        RUN,
        of(RUN, documents=(of(RUN.documents[0], number="INV-2025-000001"), *RUN.documents[1:])),
        "INV-2025-000001: serial 1 of INV 2026 should be called INV-2026-000001",
    ),
    fault(
        money.numbers_have_no_hole,
        RUN,
        of(RUN, documents=(*RUN.documents[:2], of(RUN.documents[2], issued_at=NOW))),
        "INV-2026-000003: issued at 2026-03-02T09:00:00+00:00, before INV-2026-000002",
    ),
    fault(
        money.document_is_as_issued,
        INVOICE,
        of(INVOICE, customer_id="bert"),
        "INV-2026-000001: its content has the hash",
    ),
    fault(money.document_is_as_issued, INVOICE, of(INVOICE, net=Decimal(21)), "its lines come to 20.00"),
    fault(money.document_is_as_issued, INVOICE, of(INVOICE, vat=Decimal(5)), "its VAT groups to 20.00 + 4.00"),
    fault(
        money.credited_within_invoice, CREDITS, of(CREDITS, credited=Decimal(25)), "INV-2026-000001: 25 credited of 24"
    ),
    fault(money.credited_within_invoice, CREDITS, of(CREDITS, gross=None), "but there is no such invoice"),
    fault(
        money.lines_credited_within_invoice,
        (INVOICE, [NOTE]),
        (INVOICE, [NOTE, of(NOTE, number="CN-2026-000002")]),
        "INV-2026-000001: 40.00 of 20.00 of line 1 is credited",
    ),
    fault(
        money.lines_credited_within_invoice,
        (INVOICE, [NOTE]),
        (INVOICE, [of(NOTE, groups=(of(NOTE.groups[0], vat=Decimal("4.01")),))]),
        "INV-2026-000001: 4.01 of 4.00 VAT at 20% is credited",
    ),
    fault(
        money.refund_is_its_credit_note,
        (REFUND, [NOTE]),
        (of(REFUND, state="refused", credit_note=""), [NOTE]),
        "is refused, but CN-2026-000001 credits it",
    ),
    fault(money.refund_is_its_credit_note, (REFUND, [NOTE]), (REFUND, []), "24.00 by CN-2026-000001, its credit"),
    fault(
        money.refund_is_its_credit_note,
        (REFUND, [NOTE]),
        (of(REFUND, gross=Decimal(25)), [NOTE]),
        "25 by CN-2026-000001",
    ),
    fault(
        money.refund_is_its_credit_note,
        (REFUND, [NOTE]),
        (of(REFUND, approver="Sam "), [NOTE]),
        "was asked for and approved by sam",
    ),
    fault(
        money.refund_is_its_credit_note,
        (REFUND, [NOTE]),
        (of(REFUND, version=3), [NOTE]),
        "is done at version 3, so it was not decided once",
    ),
    fault(
        money.given_alone_within_limit,
        PURSE,
        of(PURSE, refunds=(GIVEN, of(GIVEN, refund_id=SECOND, asker="Sam "))),
        "order C-1: sam gave back 24 that nobody approved, the limit is 15",
    ),
    fault(
        money.given_up_is_booked,
        PURSE,
        of(PURSE, bad_debts=Decimal(1)),
        "order C-1: 0.00 is written off, the journal says 1",
    ),
    fault(money.credits_are_refunds, PURSE, of(PURSE, refunds=()), "12 is credited, 0 was given back"),
    fault(
        money.credits_are_refunds, PURSE, account(credits=(), credited=Decimal(0)), "0 is credited, 12 was given back"
    ),
    fault(
        money.credits_are_refunds,
        PURSE,
        account(credited=Decimal(13)),
        "order C-1: 13 credited, its returns and refunds come to 12",
    ),
]

ACROSS = [
    fault(
        across.cancelled_leaves_nothing, CANCELLED, of(CANCELLED, reserved=2), "order C-1: is cancelled, 2 pieces are"
    ),
    fault(across.cancelled_leaves_nothing, CANCELLED, of(CANCELLED, refunded=Decimal(0)), "5 captured and 0 refunded"),
    fault(across.cancelled_leaves_nothing, CANCELLED, of(CANCELLED, open_shipments=(FIRST,)), "is still to be picked"),
    fault(
        across.cancelled_leaves_nothing,
        of(CANCELLED, labels=(across.Label(FIRST, "void_wanted", True),)),
        of(CANCELLED, labels=(across.Label(FIRST, "bought", False),)),
        f"the label of shipment {FIRST} is bought, not voided",
    ),
    fault(
        across.no_copy_from_the_future,
        COPY,
        of(COPY, heard=SECURED.model_copy(update={"version": 6})),
        "money of order C-1: version 6 was heard, its owner is at 5",
    ),
    fault(
        across.copy_is_the_newest,
        COPY,
        of(COPY, own=SECURED.model_copy(update={"version": 6})),
        "version 5 was heard, its owner has version 6",
    ),
    fault(across.copy_is_the_newest, COPY, of(COPY, heard=None), "nothing was heard, its owner has version 5"),
    fault(
        across.copy_is_the_newest,
        COPY,
        of(COPY, own=SECURED.model_copy(update={"captured": Decimal(43)})),
        "captured was heard as 42, its owner has 43",
    ),
    fault(
        across.copy_is_the_newest,
        of(COPY, heard=STOCKED, own=STOCKED),
        of(COPY, heard=STOCKED, own=of(STOCKED, promises=STOCKED.promises[:1])),
        "promises was heard as 2 items, its owner has 1 items",
    ),
    fault(
        across.owner_is_known,
        ("shipment", FIRST, ORDER, True),
        ("shipment", FIRST, ORDER, False),
        f"shipment {FIRST}: belongs to order {ORDER}",
    ),
]

MESSAGES = [
    fault(
        messages.every_reader_handled_it,
        SENT,
        of(SENT, unhandled=("inventory",)),
        f"packet {PACKET} (inventory.reserve",
    ),
    fault(messages.sent_in_time, of(SENT, waits_s=29.0), of(SENT, waits_s=31.0), "waits in order's outbox for 31 s"),
    fault(messages.no_ghosts, HANDLED, of(HANDLED, known=False), f"packet {PACKET}: inventory handled it, no service"),
    fault(
        messages.only_poison_is_parked,
        (of(POISON, state="parked", resolved_at=None), {EVENT}),
        of(POISON, state="parked", resolved_at=None),
        "(order.place_order.v1) of order: waits for a person since 2026-03-02 09:00: bad",
    ),
    fault(messages.only_poison_is_parked, POISON, of(POISON, reason=""), "has no reason"),
    fault(messages.only_poison_is_parked, POISON, of(POISON, resolved_at=None), "is replayed, resolved at None"),
    fault(messages.requests_are_answered, REQUEST, of(REQUEST, status=None), f"request {PACKET} to order: was taken"),
    fault(messages.requests_are_answered, REQUEST, of(REQUEST, reply=None), "its answer is empty"),
    fault(messages.requests_are_answered, REQUEST, of(REQUEST, fingerprint=""), "has no fingerprint"),
]

FAULTS = [*STOCK, *PURCHASES, *TRANSFERS, *WORTHS, *ORDERS, *MONEY, *ACROSS, *MESSAGES]


@pytest.mark.parametrize("planted", FAULTS)
def test_the_planted_fault_is_found_and_nothing_else(planted: Fault) -> None:
    assert list(planted.check(*planted.good)) == []
    breaches = list(planted.check(*planted.bad))
    assert any(planted.says in breach for breach in breaches), breaches


def test_every_invariant_has_a_planted_fault() -> None:
    planted = {param.values[0].check for param in FAULTS}
    assert planted == set(LAWS), [LAWS[check].name for check in set(LAWS) - planted]


def test_the_invariants_of_the_study_are_there() -> None:
    unchecked = {"I23", "I25", "I26"}
    assert {law.number for law in LAWS.values()} | unchecked == {f"I{n}" for n in range(1, 34)}
    assert len({law.name for law in LAWS.values()}) == len(LAWS), "findings are told apart by their names"
    assert all(len(law.name) <= 80 for law in LAWS.values())


@pytest.mark.parametrize("case", [DONE, OPEN])
def test_all_invariants_of_an_order_hold_on_the_good_ones(case: orders.Case) -> None:
    for check in LAWS:
        if check.__module__ == orders.__name__ and "case" in check.__code__.co_varnames[:1]:
            assert list(check(case)) == [], LAWS[check].name


def test_all_invariants_of_an_account_hold_on_the_good_one() -> None:
    for check in LAWS:
        if check.__code__.co_varnames[:1] == ("purse",):
            assert list(check(PURSE)) == [], LAWS[check].name
    assert ACCOUNT.captured - ACCOUNT.refunded == ACCOUNT.invoiced - ACCOUNT.credited


def test_what_came_from_outside_is_no_ghost() -> None:
    outside = UUID("6f1d3a52-2a0b-5e0f-8d5e-0a5b1d7c9e21")
    assert list(messages.no_ghosts(messages.Handled(outside, "order", False))) == []
