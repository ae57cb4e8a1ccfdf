"""Goods that came in: against a purchase order, an expected receipt, or of nothing that was announced."""

from collections.abc import Iterator
from dataclasses import replace

from services.inventory.domain.purchases import purchase_of, take_in, to_purchase, to_purchase_besides
from services.inventory.domain.quotes import check_quote, in_sum, quote_of
from services.inventory.domain.rows import Ctx, Expected, PurchaseLine, movement
from services.inventory.domain.warehouse import (
    check_place,
    check_sku,
    find_expected,
    levels_reply,
    stock_changed,
    to_receive,
    to_receive_besides,
)
from services.inventory.domain.working import Shelves
from shared.contracts.inventory import ReceiveStock
from shared.messaging.decision import Effect, Needs, Refused, Rows


def to_take_in(m: ReceiveStock) -> Needs:
    yield from to_receive(m)
    yield from to_purchase(m)


def to_take_in_besides(m: ReceiveStock, rows: Rows) -> Needs:
    yield from to_receive_besides(m, rows)
    yield from to_purchase_besides(m, rows)


def receive_stock(m: ReceiveStock, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Goods came in. Who waits is served before anybody else, from a timer that is due at once (R-26)."""
    check_place(m.warehouse, rows)
    if m.quote:
        check_quote(m.quote, quote_of(rows.group, m.warehouse, in_sum(m.lines), m.reference))
    bought = purchase_of(m, rows)
    costs = {of.sku: of.unit_cost for of in rows.group(PurchaseLine, bought.purchase_id)} if bought else {}
    shelves = Shelves(rows, ctx)
    changes: dict[str, int] = {}
    for n, line in enumerate(m.lines):
        check_sku(line.sku, rows, f"lines/{n}/sku")
        if line.quantity <= 0:
            raise Refused("must be above 0", field=f"lines/{n}/quantity")
        shelves.move(
            movement(
                ctx,
                "receipt",
                line.sku,
                m.warehouse,
                line_no=n,
                on_hand=line.quantity,
                reference=m.reference,
                actor=m.actor,
                unit_cost=costs.get(line.sku) if line.unit_cost is None else line.unit_cost,
            )
        )
        changes[line.sku] = changes.get(line.sku, 0) + line.quantity
    yield from take_in(bought, m, changes, rows, ctx) if bought else _came(m, changes, rows)
    yield from shelves.effects()
    for sku, quantity in changes.items():
        yield stock_changed(shelves.level(sku, m.warehouse), quantity, "receipt")
    yield levels_reply(shelves, m.warehouse, list(changes), m.reference)


def _came(m: ReceiveStock, came: dict[str, int], rows: Rows) -> Iterator[Expected]:
    """Of expected receipts without a purchase order."""
    for sku, pieces in came.items():
        due = find_expected(rows, sku, m.reference, m.warehouse)
        if due is None:
            continue
        due = replace(due, received=due.received + pieces)
        if m.quote and not m.over and due.received > due.quantity:
            more = due.received - due.quantity
            raise Refused(f"{more} more than {m.reference} ordered of {sku}", field="over", status=409)
        yield due
