"""Suppliers and purchase orders: what is bought from whom, and what came of it.

A purchase order owns what is expected of it: once it is sent, each of its lines is an expected receipt, which moves,
shrinks and ends with the line.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.inventory.domain.papers import (
    check_lines,
    check_tag,
    check_unexpected,
    differences,
    expect,
    next_number,
    number_of,
    plain,
    said,
    state_of,
    written,
)
from services.inventory.domain.quotes import Found, check_quote
from services.inventory.domain.rows import (
    REALM,
    Ctx,
    Expected,
    Item,
    PurchaseLine,
    PurchaseOrder,
    Series,
    Supplier,
    Warehouse,
    of_sku,
)
from services.inventory.domain.rows import PurchaseAct as Act
from services.inventory.domain.warehouse import check_place, find_expected
from shared.contracts.inventory import (
    BoughtLine,
    CancelPurchaseOrder,
    ChangePurchaseOrder,
    ClosePurchaseOrder,
    CreatePurchaseOrder,
    EditPurchaseOrder,
    ProposedOrder,
    PurchaseAct,
    PurchaseMessage,
    ReceiveStock,
    RegisterSupplier,
    SendPurchaseOrder,
)
from shared.etag import check_match, etag_of
from shared.messaging.decision import Effect, Needs, Refused, Reply, Rows

SERIES = "PO"
TERMS = ("quantity", "unit_cost", "expected_on")
STALE = "The preview went stale: the purchase order is another one now. Nothing was done; look at a new one."


# Suppliers


def to_register_supplier(m: RegisterSupplier) -> Needs:
    yield Supplier, m.code


def register_supplier(m: RegisterSupplier, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    row = Supplier(m.code, m.name, m.email, m.lead_days, m.currency)
    check_match(rows.find(Supplier, m.code), row, m.if_match, f"supplier {m.code}")
    yield row
    yield Reply(
        {
            "code": m.code,
            "name": m.name,
            "email": m.email,
            "lead_days": m.lead_days,
            "currency": m.currency,
            "etag": etag_of([row]),
        }
    )


# Drafts


def to_draft(m: CreatePurchaseOrder | EditPurchaseOrder) -> Needs:
    yield PurchaseOrder, m.purchase_id
    yield PurchaseLine, m.purchase_id
    yield Supplier, m.supplier
    yield Warehouse, REALM
    for sku in {line.sku: None for line in m.lines}:
        yield Item, sku
    if isinstance(m, CreatePurchaseOrder):
        yield Series, SERIES


def create_purchase_order(m: CreatePurchaseOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A draft with the next number of the series. Nothing is expected of it until it is sent."""
    if rows.find(PurchaseOrder, m.purchase_id) is not None:
        raise Refused(f"there is a purchase order {m.purchase_id} already", status=409)
    supplier = check_draft(m, rows)
    series, order = numbered(rows.find(Series, SERIES), m, supplier, ctx)
    lines = written([], m.lines, line_of(m.purchase_id))
    yield series
    yield order
    yield from lines
    yield act(m.actor, order, "created", {"lines": [told_of(line) for line in lines]}, ctx)
    yield Reply(shown(order, lines), 201)


def numbered(
    known: Series | None, m: CreatePurchaseOrder | ProposedOrder, supplier: Supplier, ctx: Ctx
) -> tuple[Series, PurchaseOrder]:
    """A draft with the next number, and the series as it is then."""
    series = next_number(known, SERIES, ctx.now)
    note = m.note if isinstance(m, CreatePurchaseOrder) else ""
    order = PurchaseOrder(
        m.purchase_id, number_of(series), m.supplier, m.warehouse, supplier.currency, note, "draft", 1, ctx.now
    )
    return series, order


def edit_purchase_order(m: EditPurchaseOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The whole draft, written anew: a SKU that is not named any more is taken out."""
    order, known = found(m, rows), rows.group(PurchaseLine, m.purchase_id)
    supplier = check_draft(m, rows)
    wanted = replace(order, supplier=m.supplier, warehouse=m.warehouse, currency=supplier.currency, note=m.note)
    lines = written(known, m.lines, line_of(m.purchase_id))
    if (wanted, lines) != (order, known):
        check_tag(m.if_match, tag_of(order), order.number)
        if order.state != "draft":
            raise Refused(f"{order.number} is {said(order.state)}: only a draft is written anew", status=409)
        order = replace(wanted, version=order.version + 1)
        yield order
        yield from lines
        yield act(m.actor, order, "edited", {"lines": differences(known, lines, TERMS)}, ctx)
    yield Reply(shown(order, lines))


def check_draft(m: CreatePurchaseOrder | EditPurchaseOrder, rows: Rows) -> Supplier:
    """Its supplier; every name must be known, and a SKU stands on one line."""
    supplier = rows.find(Supplier, m.supplier)
    if supplier is None:
        raise Refused(f"there is no supplier {m.supplier}", field="supplier")
    check_place(m.warehouse, rows)
    check_lines(m.lines, rows)
    return supplier


def line_of(purchase_id: UUID) -> Callable[[int, BoughtLine], PurchaseLine]:
    """Makes the line of that number of what is wanted."""
    return lambda n, line: PurchaseLine(purchase_id, n, line.sku, line.quantity, line.unit_cost, line.expected_on)


# What changes what is expected


def to_act(m: PurchaseAct) -> Needs:
    yield PurchaseOrder, m.purchase_id
    yield PurchaseLine, m.purchase_id
    for sku in dict.fromkeys(m.skus):
        yield from of_sku(sku)


def begin(m: PurchaseAct, rows: Rows) -> tuple[PurchaseOrder, dict[str, PurchaseLine]]:
    """The order and its lines by SKU, as they were looked at. Refused when they are others by now."""
    order = found(m, rows)
    check_tag(m.if_match, tag_of(order), order.number)
    lines = {line.sku: line for line in rows.group(PurchaseLine, m.purchase_id)}
    if not set(lines) <= set(m.skus):
        raise Refused(STALE, field="quote", status=409)
    if m.quote:
        check_quote(m.quote, purchase_quote(rows.group, m.purchase_id), STALE)
    return order, lines


def send_purchase_order(m: SendPurchaseOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """From now on it is expected (R-24)."""
    order, lines = begin(m, rows)
    if order.state != "draft":
        raise Refused(f"{order.number} is {said(order.state)} already", status=409)
    for sku in lines:
        check_unexpected(sku, order.number, order.warehouse, "purchase order", rows)
    order = replace(order, state="sent", version=order.version + 1, sent_at=ctx.now)
    yield order
    yield from expectations(order, lines, rows, ctx)
    yield act(m.actor, order, "sent", {"lines": [told_of(line) for line in lines.values() if line.quantity]}, ctx)
    yield Reply(shown(order, lines.values()))


def change_purchase_order(m: ChangePurchaseOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Other days and quantities of an order that is on its way; who waits is promised anew (BO-06)."""
    order, before = begin(m, rows)
    if not order.open:
        raise Refused(f"{order.number} is {said(order.state)}: it expects nothing that could change", status=409)
    lines = dict(before)
    for n, change in enumerate(m.changes):
        line = lines.get(change.sku)
        if line is None:
            raise Refused(f"{order.number} has no line of {change.sku}", field=f"changes.{n}.sku")
        quantity = line.quantity if change.quantity is None else change.quantity
        if quantity < line.received and quantity != line.quantity:
            raise Refused(f"{line.received} of {change.sku} came already", field=f"changes.{n}.quantity", status=409)
        lines[change.sku] = replace(line, quantity=quantity, expected_on=change.expected_on or line.expected_on)
    if not any(line.quantity or line.received for line in lines.values()):
        raise Refused(f"nothing would be left of {order.number}: cancel it instead", field="changes", status=409)
    if lines != before:
        order = replace(order, state=state_of(lines.values()), version=order.version + 1)
        yield order
        yield from (line for sku, line in lines.items() if line != before[sku])
        yield from expectations(order, lines, rows, ctx)
        told = {"lines": differences(before.values(), lines.values(), TERMS), "state": order.state}
        yield act(m.actor, order, "changed", told, ctx)
    yield Reply(shown(order, lines.values()))


def close_purchase_order(m: ClosePurchaseOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The rest will not come."""
    order, lines = begin(m, rows)
    if order.state in ("draft", "sent"):
        raise Refused(f"nothing came of {order.number} yet: cancel it instead", status=409)
    if not order.open:
        raise Refused(f"{order.number} is {said(order.state)} already", status=409)
    yield from end(m, order, lines, "closed_short", "closed", rows, ctx)


def cancel_purchase_order(m: CancelPurchaseOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """It is called off before anything came."""
    order, lines = begin(m, rows)
    if order.state == "partly_received":
        raise Refused(f"a part of {order.number} came: close it instead", status=409)
    if order.state not in ("draft", "sent"):
        raise Refused(f"{order.number} is {said(order.state)} already", status=409)
    yield from end(m, order, lines, "cancelled", "cancelled", rows, ctx)


def end(
    m: ClosePurchaseOrder | CancelPurchaseOrder,
    order: PurchaseOrder,
    lines: Mapping[str, PurchaseLine],
    state: str,
    what: str,
    rows: Rows,
    ctx: Ctx,
) -> Iterator[Effect]:
    was_open = order.open
    order = replace(order, state=state, version=order.version + 1)
    yield order
    if was_open:
        yield from expectations(order, lines, rows, ctx)
    missing = [{"sku": line.sku, "quantity": line.left} for line in lines.values() if line.left]
    yield act(m.actor, order, what, {"lines": missing, "reason": m.reason}, ctx)
    yield Reply(shown(order, lines.values()))


def expectations(order: PurchaseOrder, lines: Mapping[str, PurchaseLine], rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The expected receipts as the order has them now; of one that is over only what came. Who waits is looked at."""
    for line in lines.values():
        if line.quantity or find_expected(rows, line.sku, order.number, order.warehouse):
            yield from expect(expected_of(order, line), rows, ctx)


def expected_of(order: PurchaseOrder, line: PurchaseLine) -> Expected:
    quantity = line.quantity if order.open else min(line.quantity, line.received)
    return Expected(
        line.sku, order.number, order.warehouse, quantity, line.received, line.expected_on, order.purchase_id
    )


# What came of it


def take_in(order: PurchaseOrder, m: ReceiveStock, came: Mapping[str, int], rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Books what came against its lines. What it does not expect needs a word that it is meant so (WMS-01).

    `came`: pieces per SKU. A SKU that was not ordered gets a line of 0 pieces, so that the difference is on the paper.
    """
    if order.state == "draft":
        why = f"{order.number} was never sent: send it first, or book what came under the number of its delivery note"
        raise Refused(why, field="reference", status=409)
    if order.state == "cancelled":
        why = f"{order.number} is {said(order.state)}: book what came under the number of its delivery note"
        raise Refused(why, field="reference", status=409)
    if order.warehouse != m.warehouse:
        raise Refused(f"{order.number} goes to {order.warehouse}", field="warehouse", status=409)
    lines = {line.sku: line for line in rows.group(PurchaseLine, order.purchase_id)}
    costs = {line.sku: line.unit_cost for line in m.lines if line.unit_cost is not None}
    told: list[dict[str, Any]] = []
    for sku, pieces in came.items():
        line = lines.get(sku)
        left = line.left if line and order.open else 0
        over = max(0, pieces - left)
        if over and not m.over:
            raise Refused(f"{over} more than {order.number} ordered of {sku}", field="over", status=409)
        if line is None:
            cost = costs.get(sku, Decimal(0))
            line = PurchaseLine(order.purchase_id, len(lines) + 1, sku, 0, cost, ctx.now.date())
        lines[sku] = replace(line, received=line.received + pieces)
        told.append({"sku": sku, "quantity": pieces, "over": over})
    state = state_of(lines.values()) if order.open else order.state
    order = replace(order, state=state, version=order.version + 1)
    yield order
    for sku in came:
        yield lines[sku]
        known = find_expected(rows, sku, order.number, order.warehouse)
        if known is None:
            yield expected_of(order, lines[sku])
        else:
            yield replace(known, received=known.received + came[sku])
    yield act(m.actor, order, "received", {"lines": told, "state": state}, ctx)


# What is told


def found(m: PurchaseMessage, rows: Rows) -> PurchaseOrder:
    order = rows.find(PurchaseOrder, m.purchase_id)
    if order is None:
        raise Refused(f"there is no purchase order {m.purchase_id}", status=404)
    return order


def act(actor: str, order: PurchaseOrder, what: str, facts: dict[str, Any], ctx: Ctx) -> Act:
    return Act(ctx.cause, order.purchase_id, order.version, ctx.now, actor or ctx.actor, what, facts)


def tag_of(order: PurchaseOrder) -> str:
    """Of the order with its lines: every act counts up its version."""
    return etag_of([(order.number, order.version)])


def purchase_quote(found: Found, purchase_id: UUID) -> str:
    """Another text as soon as the order, or what else is expected of its SKUs, is another."""
    shown: list[Any] = list(found(PurchaseOrder, purchase_id))
    for line in sorted(found(PurchaseLine, purchase_id), key=lambda line: line.line_no):
        shown += [line, *sorted(found(Expected, line.sku), key=lambda row: (row.reference, row.warehouse))]
    return etag_of(shown)


def told_of(line: PurchaseLine) -> dict[str, Any]:
    return {
        "sku": line.sku,
        "quantity": line.quantity,
        "unit_cost": plain(line.unit_cost),
        "expected_on": plain(line.expected_on),
    }


def shown(order: PurchaseOrder, lines: Iterable[PurchaseLine]) -> dict[str, Any]:
    """The order as it is answered; lines of which nothing is ordered and nothing came are left out."""
    return {
        "purchase_id": order.purchase_id,
        "number": order.number,
        "supplier": order.supplier,
        "warehouse": order.warehouse,
        "currency": order.currency,
        "note": order.note,
        "state": order.state,
        "version": order.version,
        "created_at": order.created_at,
        "sent_at": order.sent_at,
        "lines": [
            {
                "line_no": line.line_no,
                "sku": line.sku,
                "quantity": line.quantity,
                "unit_cost": line.unit_cost,
                "expected_on": line.expected_on,
                "received": line.received,
            }
            for line in sorted(lines, key=lambda line: line.line_no)
            if line.quantity or line.received
        ],
        "etag": tag_of(order),
    }
