"""Goods that came in: of a purchase order, a transfer, an expected receipt, or of nothing that was announced."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

from services.inventory.domain.purchases import take_in
from services.inventory.domain.quotes import check_quote, in_sum, quote_of
from services.inventory.domain.rows import (
    Ctx,
    Expected,
    PurchaseLine,
    PurchaseOrder,
    Transfer,
    TransferLine,
    movement,
)
from services.inventory.domain.transfers import take_in_transfer
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
from shared.messaging.decision import Effect, Missing, Needs, Refused, Rows

Paper = PurchaseOrder | Transfer
PAPERS: tuple[tuple[type[Paper], type[PurchaseLine | TransferLine], str], ...] = (
    (PurchaseOrder, PurchaseLine, "purchase_id"),
    (Transfer, TransferLine, "transfer_id"),
)
"""What goods may be of, its lines, and the field that names it in a delivery and in what is expected."""


def to_take_in(m: ReceiveStock) -> Needs:
    yield from to_receive(m)
    for paper, line, name in PAPERS:
        if (named := getattr(m, name)) is not None:
            yield paper, named
            yield line, named


def to_take_in_besides(m: ReceiveStock, rows: Rows) -> Needs:
    """Also what the expected receipts under this reference are of, if nobody named it."""
    yield from to_receive_besides(m, rows)
    for paper, line, named in papers(m, rows):
        yield paper, named
        yield line, named


def papers(m: ReceiveStock, rows: Rows) -> Iterator[tuple[type[Paper], type[PurchaseLine | TransferLine], UUID]]:
    """What the goods are of: as it is named, then as their expected receipts have it."""
    due = [known for line in m.lines if (known := find_expected(rows, line.sku, m.reference, m.warehouse))]
    for said in (m, *due):
        for paper, line, name in PAPERS:
            if (named := getattr(said, name)) is not None:
                yield paper, line, named


def paper_of(m: ReceiveStock, rows: Rows) -> Paper | None:
    """The purchase order or transfer that these goods are of."""
    for paper, _, named in papers(m, rows):
        if not rows.declared(paper, named):  # sent a moment ago: its rows are loaded the next time
            raise Missing(f"{m.reference} was sent just now")
        return rows.one(paper, named)
    return None


def receive_stock(m: ReceiveStock, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Goods came in. Who waits is served before anybody else, from a timer that is due at once (R-26)."""
    check_place(m.warehouse, rows)
    if m.quote:
        check_quote(m.quote, quote_of(rows.group, m.warehouse, in_sum(m.lines), m.reference))
    paper = paper_of(m, rows)
    bought = paper.purchase_id if isinstance(paper, PurchaseOrder) else None
    costs = {of.sku: of.unit_cost for of in rows.group(PurchaseLine, bought)} if bought else {}
    transfer = isinstance(paper, Transfer)
    kind = "transfer" if transfer else "receipt"
    shelves = Shelves(rows, ctx)
    changes: dict[str, int] = {}
    for n, line in enumerate(m.lines):
        check_sku(line.sku, rows, f"lines.{n}.sku")
        if line.quantity <= 0:
            raise Refused("must be above 0", field=f"lines.{n}.quantity")
        shelves.move(
            movement(
                ctx,
                kind,
                line.sku,
                m.warehouse,
                line_no=n,
                on_hand=line.quantity,
                reference=m.reference,
                actor=m.actor,
                unit_cost=costs.get(line.sku) if line.unit_cost is None else line.unit_cost,
                in_transit=-line.quantity if transfer else 0,
            )
        )
        changes[line.sku] = changes.get(line.sku, 0) + line.quantity
    if isinstance(paper, PurchaseOrder):
        yield from take_in(paper, m, changes, rows, ctx)
    elif paper is not None:
        yield from take_in_transfer(paper, m, changes, rows, ctx)
    else:
        yield from _came(m, changes, rows)
    yield from shelves.effects()
    for sku, quantity in changes.items():
        yield stock_changed(shelves.level(sku, m.warehouse), quantity, kind)
    yield levels_reply(shelves, m.warehouse, list(changes), m.reference)


def _came(m: ReceiveStock, came: dict[str, int], rows: Rows) -> Iterator[Expected]:
    """Of expected receipts of no paper here."""
    for sku, pieces in came.items():
        due = find_expected(rows, sku, m.reference, m.warehouse)
        if due is None:
            continue
        due = replace(due, received=due.received + pieces)
        if m.quote and not m.over and due.received > due.quantity:
            more = due.received - due.quantity
            raise Refused(f"{more} more than {m.reference} ordered of {sku}", field="over", status=409)
        yield due
