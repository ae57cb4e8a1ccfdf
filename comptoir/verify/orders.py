"""Orders, each with all that the four services have of it."""

from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from comptoir.invariants import across, money, orders
from comptoir.verify.audit import ALL, Audit, Connections
from comptoir.verify.files import Background, Files, Group, read_background
from services.billing.domain import rows as billing
from services.billing.domain import rule
from services.fulfilment.domain import rows as fulfilment
from services.inventory.domain import rows as inventory
from services.order import rows as order_rows
from services.order.quantities import Order
from shared.contracts.billing import MoneyStatement
from shared.contracts.fulfilment import ReturnStatement, ShipmentStatement
from shared.contracts.message import Statement

ORDERS_AT_ONCE = 400
EXTERNALS = """
    select o.channel, o.external_id, array_agg(o.order_id order by o.order_id), min(e.order_id::text)::uuid
    from orders o left join externals e on e.ref = o.channel || ':' || o.external_id
    where o.external_id <> '' and {chosen} group by 1, 2
"""
OWNERS = {"order": "progress", "inventory": "stock_orders", "fulfilment": "shipments", "billing": "accounts"}
"""Where each service has its orders."""


async def check_orders(audit: Audit, connections: Connections) -> None:
    background = await read_background(connections)
    for record in await connections["order"].fetch(EXTERNALS.format(chosen=ALL)):
        audit.check(orders.one_order_per_external_id, orders.ExternalId(*record))
    ids: dict[UUID, set[str]] = defaultdict(set)
    for name, table in OWNERS.items():
        for record in await connections[name].fetch(f"select distinct order_id from {table}"):
            ids[record[0]].add(name)
    for order_id, holders in ids.items():
        check_owners(audit, order_id, holders)
    everything = sorted(ids)
    for i in range(0, len(everything), ORDERS_AT_ONCE):
        some = everything[i : i + ORDERS_AT_ONCE]
        files = Files()
        await files.load(connections, some)
        for order_id in some:
            check_file(audit, background, files, order_id, "order" in ids[order_id])


def check_owners(audit: Audit, order_id: UUID, holders: Collection[str]) -> None:
    """Whoever has an order has one that the order service knows."""
    for name in holders:
        if name != "order":
            audit.check(across.owner_is_known, f"{name}'s row of order", order_id, order_id, "order" in holders)


def check_file(audit: Audit, background: Background, files: Files, order_id: UUID, known: bool) -> Order | None:
    """One order with all that the services have of it. Gives the order, if the order service has a whole one."""
    name = check_money(audit, background, files.purses, order_id, files.ours)
    order = check_order(audit, background, files.ours, order_id) if known else None
    if order is not None:
        check_copies(audit, name, order, files.theirs, files.goods, files.purses)
        check_cancelled(audit, background, name, order, files.theirs, files.goods, files.purses)
    return order


def check_order(audit: Audit, background: Background, rows: Group, order_id: UUID) -> Order | None:
    header, progress = rows.first(order_rows.Header, order_id), rows.first(order_rows.Progress, order_id)
    stocks, moneys = rows.of(order_rows.Stock, order_id), rows.of(order_rows.Money, order_id)
    lines = tuple(rows.of(order_rows.Line, order_id))
    parts = orders.Parts(order_id, 1 if header else 0, len(stocks), len(moneys), len(lines))
    audit.check(orders.one_saga_per_order, parts)
    if header is None or progress is None or not stocks or not moneys:
        return None
    order = Order(
        header,
        lines,
        progress,
        stocks[0],
        moneys[0],
        tuple(rows.of(order_rows.Shipment, order_id)),
        tuple(rows.of(order_rows.Return, order_id)),
    )
    case = orders.Case(
        order,
        tuple(rows.of(order_rows.History, order_id)),
        background.timers.get(order_id, frozenset()),
        str(order_id) in background.parked,
    )
    for check in (
        orders.shipped_within_ordered,
        orders.kits_are_whole,
        orders.the_total_adds_up,
        orders.history_leads_to_the_status,
        orders.nothing_is_stuck,
        orders.never_shipped_and_cancelled,
        orders.one_shipment_per_split,
        orders.no_effect_twice,
    ):
        audit.check(check, case)
    return order


def check_money(audit: Audit, background: Background, purses: Group, order_id: UUID, ours: Group) -> str:
    """The account and documents of an order; gives the order's name for people."""
    header = ours.first(order_rows.Header, order_id)
    name = f"order {header.number if header else order_id}"
    invoices, notes = purses.of(billing.Invoice, order_id), purses.of(billing.CreditNote, order_id)
    audit.each(money.document_is_as_issued, (*invoices, *notes))
    for invoice in invoices:
        audit.check(money.lines_credited_within_invoice, invoice, notes)
    refunds = purses.of(billing.Refund, order_id)
    for refund in refunds:
        audit.check(money.refund_is_its_credit_note, refund, notes)
    account = purses.first(billing.Account, order_id)
    if account is None:
        return name
    purse = money.Purse(
        name,
        account,
        tuple(purses.of(billing.Operation, order_id)),
        background.received.get(order_id, money.ZERO),
        sum((document.gross for document in invoices), money.ZERO),
        sum((document.gross for document in notes), money.ZERO),
        background.ledger.get(order_id, money.ZERO),
        background.booked.get(order_id, {}),
        tuple(refunds),
        tuple(purses.of(billing.WriteOff, order_id)),
        background.bad_debts.get(order_id, money.ZERO),
    )
    for check in (
        money.refunded_within_captured,
        money.held_is_billed,
        money.ledger_is_the_account,
        money.nothing_is_unknown,
        money.booked_once,
        money.given_alone_within_limit,
        money.given_up_is_booked,
        money.credits_are_refunds,
    ):
        audit.check(check, purse)
    return name


def check_copies(audit: Audit, name: str, order: Order, theirs: Group, goods: Group, purses: Group) -> None:
    heard, known = order.stock.heard, theirs.first(inventory.StockOrder, order.id)
    compare(
        audit, f"stock of {name}", across.stocked(heard) if heard else None, held_for(known, theirs) if known else None
    )
    account = purses.first(billing.Account, order.id)
    compare(audit, f"money of {name}", order.money.heard, rule.statement(MoneyStatement, account) if account else None)
    shipments = {row.shipment_id: row for row in goods.of(fulfilment.Shipment, order.id)}
    for shipment in order.shipments:
        own = shipments.pop(shipment.shipment_id, None)
        what = f"shipment {shipment.shipment_id} of {name}"
        compare(audit, what, shipment.heard, fulfilment.statement(own, ShipmentStatement) if own else None)
    returns = {row.return_id: row for row in goods.of(fulfilment.Return, order.id)}
    for back in order.returns:
        mine = returns.pop(back.return_id, None)
        what = f"return {back.return_id} of {name}"
        compare(audit, what, back.heard, fulfilment.return_statement(mine, ReturnStatement) if mine else None)
    for kind, unheard in (("shipment", shipments), ("return", returns)):
        for document in unheard:
            audit.check(across.owner_is_known, kind, document, order.id, False)


def compare(
    audit: Audit, name: str, heard: Statement | across.Stocked | None, own: Statement | across.Stocked | None
) -> None:
    copy = across.Copy(name, heard, own)
    audit.check(across.no_copy_from_the_future, copy)
    audit.check(across.copy_is_the_newest, copy)


def held_for(order: inventory.StockOrder, rows: Group) -> across.Stocked:
    return across.Stocked(
        order.version,
        order.answers,
        tuple(
            [
                (r.line_no, r.warehouse, r.reserved, r.issued, r.lost)
                for r in rows.of(inventory.Reservation, order.order_id)
                if r.reserved or r.issued or r.lost
            ]
        ),
        tuple(
            [
                (d.line_no, d.backordered, d.promised_on, d.rejected, d.reason)
                for d in rows.of(inventory.Demand, order.order_id)
                if d.backordered or d.rejected
            ]
        ),
    )


def check_cancelled(
    audit: Audit, background: Background, name: str, order: Order, theirs: Group, goods: Group, purses: Group
) -> None:
    if order.progress.status != "cancelled":
        return
    account = purses.first(billing.Account, order.id) or billing.Account(order.id)
    shipments = goods.of(fulfilment.Shipment, order.id)
    audit.check(
        across.cancelled_leaves_nothing,
        across.Cancelled(
            name,
            sum(r.reserved for r in theirs.of(inventory.Reservation, order.id)),
            account.captured,
            account.refunded,
            bool(account.running or account.blocked or account.parked),
            tuple(s.shipment_id for s in shipments if s.state in fulfilment.OPEN),
            tuple(
                across.Label(s.shipment_id, s.label, bool(s.parked) or f"label:{s.shipment_id}" in background.labels)
                for s in shipments
            ),
        ),
    )
