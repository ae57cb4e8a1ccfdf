"""Transfers: goods that go from one warehouse to another, and what came of them (WMS-14).

Sending takes free pieces off the source's shelf; from then on they are in transit, and expected at the destination,
until they are received there as any goods are, or lost for a reason.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
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
    Level,
    Movement,
    Series,
    Transfer,
    TransferLine,
    Warehouse,
    movement,
    of_sku,
)
from services.inventory.domain.rows import TransferAct as Act
from services.inventory.domain.warehouse import check_place, stock_changed
from services.inventory.domain.working import Shelves
from shared.contracts.inventory import (
    CancelTransfer,
    CloseTransfer,
    CreateTransfer,
    EditTransfer,
    MovedLine,
    ReceiveStock,
    SendTransfer,
    TransferAct,
    TransferMessage,
)
from shared.etag import etag_of
from shared.messaging.decision import Effect, Needs, Refused, Reply, Rows

SERIES = "TR"
STALE = "The preview went stale: the transfer or its stock is another one now. Nothing was done; look at a new one."


# Drafts


def to_draft_transfer(m: CreateTransfer | EditTransfer) -> Needs:
    yield Transfer, m.transfer_id
    yield TransferLine, m.transfer_id
    yield Warehouse, REALM
    for sku in {line.sku: None for line in m.lines}:
        yield Item, sku
    if isinstance(m, CreateTransfer):
        yield Series, SERIES


def create_transfer(m: CreateTransfer, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A draft with the next number of the series. Nothing moves until it is sent."""
    if rows.find(Transfer, m.transfer_id) is not None:
        raise Refused(f"there is a transfer {m.transfer_id} already", status=409)
    check_draft(m, rows)
    series = next_number(rows.find(Series, SERIES), SERIES, ctx.now)
    transfer = Transfer(
        m.transfer_id, number_of(series), m.source, m.destination, m.expected_on, m.note, "draft", 1, ctx.now
    )
    lines = written([], m.lines, line_of(m.transfer_id))
    yield series
    yield transfer
    yield from lines
    yield act(m.actor, transfer, "created", {"lines": told_of(lines)}, ctx)
    yield Reply(transfer_shown(transfer, lines), 201)


def edit_transfer(m: EditTransfer, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The whole draft, written anew: a SKU that is not named any more is taken out."""
    transfer, known = found(m, rows), rows.group(TransferLine, m.transfer_id)
    check_draft(m, rows)
    wanted = replace(transfer, source=m.source, destination=m.destination, expected_on=m.expected_on, note=m.note)
    lines = written(known, m.lines, line_of(m.transfer_id))
    if (wanted, lines) != (transfer, known):
        check_tag(m.if_match, transfer_tag(transfer), transfer.number)
        if transfer.state != "draft":
            why = f"{transfer.number} is {said(transfer.state)}: only a draft is written anew"
            raise Refused(why, status=409)
        transfer = replace(wanted, version=transfer.version + 1)
        yield transfer
        yield from lines
        yield act(m.actor, transfer, "edited", {"lines": differences(known, lines, ("quantity",))}, ctx)
    yield Reply(transfer_shown(transfer, lines))


def check_draft(m: CreateTransfer | EditTransfer, rows: Rows) -> None:
    check_place(m.source, rows, "source")
    check_place(m.destination, rows, "destination")
    if m.source == m.destination:
        raise Refused(f"a transfer goes to another warehouse than {m.source}", field="destination")
    check_lines(m.lines, rows)


def line_of(transfer_id: UUID) -> Callable[[int, MovedLine], TransferLine]:
    """Makes the line of that number of what is wanted."""
    return lambda n, line: TransferLine(transfer_id, n, line.sku, line.quantity)


# What moves


def to_act_on_transfer(m: TransferAct) -> Needs:
    yield Transfer, m.transfer_id
    yield TransferLine, m.transfer_id
    for sku in dict.fromkeys(m.skus):
        yield from of_sku(sku)


def begin(m: TransferAct, rows: Rows) -> tuple[Transfer, dict[str, TransferLine]]:
    """The transfer and its lines by SKU, as they were looked at. Refused when they are others by now."""
    transfer = found(m, rows)
    lines = {line.sku: line for line in rows.group(TransferLine, m.transfer_id)}
    tag = transfer_tag(transfer)
    check_tag(m.if_match if set(lines) <= set(m.skus) else "other lines", tag, transfer.number)
    return transfer, lines


def send_transfer(m: SendTransfer, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Its pieces are in transit. Only free ones go: what is promised to orders stays (R-21)."""
    transfer, lines = begin(m, rows)
    if m.quote:
        check_quote(m.quote, transfer_quote(rows.group, m.transfer_id), STALE)
    if transfer.state != "draft":
        raise Refused(f"{transfer.number} is {said(transfer.state)} already", status=409)
    shelves = Shelves(rows, ctx)
    going = sorted((line for line in lines.values() if line.quantity), key=lambda line: line.line_no)
    for n, line in enumerate(going):
        check_unexpected(line.sku, transfer.number, transfer.destination, "transfer", rows)
        level = shelves.level(line.sku, transfer.source)
        if line.quantity > level.available:
            raise Refused(
                f"{line.quantity} of {line.sku} should go, only {level.available} are free in {transfer.source}: "
                f"{level.reserved} are promised",
                field=f"lines.{n}.quantity",
                status=409,
            )
        shelves.move(moved(ctx, m.actor, transfer, line, on_hand=-line.quantity, in_transit=line.quantity))
        lines[line.sku] = replace(line, sent=line.quantity)
    transfer = replace(transfer, state="sent", version=transfer.version + 1, sent_at=ctx.now)
    yield transfer
    for line in going:
        yield lines[line.sku]
        yield from expect(expected_of(transfer, lines[line.sku]), rows, ctx)
    yield act(m.actor, transfer, "sent", {"lines": told_of(going)}, ctx)
    yield from shelves.effects()
    for line in going:
        yield stock_changed(shelves.level(line.sku, transfer.source), -line.quantity, "transfer")
    yield Reply(transfer_shown(transfer, lines.values()))


def close_transfer(m: CloseTransfer, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """What is still in transit is lost (R-27)."""
    transfer, lines = begin(m, rows)
    if transfer.state == "draft":
        raise Refused(f"{transfer.number} was not sent yet: cancel it instead", status=409)
    if not transfer.open:
        raise Refused(f"{transfer.number} is {said(transfer.state)} already", status=409)
    missing = [line for line in lines.values() if line.left]
    transfer = replace(transfer, state="closed_short", version=transfer.version + 1)
    yield transfer
    for line in missing:
        lines[line.sku] = replace(line, lost=line.lost + line.left)
        yield lines[line.sku]
        yield moved(ctx, m.actor, transfer, line, "transfer_loss", in_transit=-line.left, reason=m.reason)
        yield from expect(expected_of(transfer, lines[line.sku]), rows, ctx)
    told = [{"sku": line.sku, "quantity": line.left} for line in missing]
    yield act(m.actor, transfer, "closed", {"lines": told, "reason": m.reason}, ctx)
    yield Reply(transfer_shown(transfer, lines.values()))


def cancel_transfer(m: CancelTransfer, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A draft that will not be sent. What is on its way comes, or is lost."""
    transfer, lines = begin(m, rows)
    if transfer.open:
        raise Refused(f"{transfer.number} is on its way: receive what comes, then close it", status=409)
    if transfer.state != "draft":
        raise Refused(f"{transfer.number} is {said(transfer.state)} already", status=409)
    transfer = replace(transfer, state="cancelled", version=transfer.version + 1)
    yield transfer
    yield act(m.actor, transfer, "cancelled", {"reason": m.reason}, ctx)
    yield Reply(transfer_shown(transfer, lines.values()))


def take_in_transfer(
    transfer: Transfer, m: ReceiveStock, came: Mapping[str, int], rows: Rows, ctx: Ctx
) -> Iterator[Effect]:
    """Books what came against its lines. More than is in transit never comes of it. `came`: pieces per SKU."""
    if transfer.state == "draft":
        why = f"{transfer.number} was never sent, its pieces are booked in {transfer.source} still: send it first"
        raise Refused(why, field="reference", status=409)
    if not transfer.open:
        why = f"{transfer.number} is {said(transfer.state)}: nothing of it is on its way"
        raise Refused(why, field="reference", status=409)
    if transfer.destination != m.warehouse:
        raise Refused(f"{transfer.number} goes to {transfer.destination}", field="warehouse", status=409)
    lines = {line.sku: line for line in rows.group(TransferLine, transfer.transfer_id)}
    first = {line.sku: n for n, line in reversed(list(enumerate(m.lines)))}
    for sku, pieces in came.items():
        left = lines[sku].left if sku in lines else 0
        if pieces > left:
            why = f"{pieces} of {sku} came, only {left} are on their way with {transfer.number}"
            raise Refused(why, field=f"lines.{first[sku]}.quantity", status=409)
        lines[sku] = replace(lines[sku], received=lines[sku].received + pieces)
    transfer = replace(transfer, state=state_of(lines.values()), version=transfer.version + 1)
    yield transfer
    for sku in came:
        yield lines[sku]
        yield expected_of(transfer, lines[sku])
    told = [{"sku": sku, "quantity": pieces} for sku, pieces in came.items()]
    yield act(m.actor, transfer, "received", {"lines": told, "state": transfer.state}, ctx)


def expected_of(transfer: Transfer, line: TransferLine) -> Expected:
    return Expected(
        line.sku,
        transfer.number,
        transfer.destination,
        line.sent - line.lost,
        line.received,
        transfer.expected_on,
        transfer_id=transfer.transfer_id,
    )


def moved(
    ctx: Ctx, actor: str, transfer: Transfer, line: TransferLine, kind: str = "transfer", **pieces: Any
) -> Movement:
    """A movement of what left the source, or was lost on the way to the destination."""
    place = transfer.source if kind == "transfer" else transfer.destination
    return movement(ctx, kind, line.sku, place, line_no=line.line_no, reference=transfer.number, actor=actor, **pieces)


# What is told


def found(m: TransferMessage, rows: Rows) -> Transfer:
    transfer = rows.find(Transfer, m.transfer_id)
    if transfer is None:
        raise Refused(f"there is no transfer {m.transfer_id}", status=404)
    return transfer


def act(actor: str, transfer: Transfer, what: str, facts: dict[str, Any], ctx: Ctx) -> Act:
    return Act(ctx.cause, transfer.transfer_id, transfer.version, ctx.now, actor or ctx.actor, what, facts)


def told_of(lines: Iterable[TransferLine]) -> list[dict[str, Any]]:
    return [{"sku": line.sku, "quantity": line.quantity} for line in lines]


def transfer_tag(transfer: Transfer) -> str:
    """Of the transfer with its lines: every act counts up its version."""
    return etag_of([(transfer.number, transfer.version)])


def transfer_quote(found: Found, transfer_id: UUID) -> str:
    """Another text as soon as the transfer, its source's shelves, or what is expected of its SKUs is another."""
    shown: list[Any] = list(found(Transfer, transfer_id))
    sources = {transfer.source for transfer in shown}
    for line in sorted(found(TransferLine, transfer_id), key=lambda line: line.line_no):
        levels = [replace(level, due=False) for level in found(Level, line.sku) if level.warehouse in sources]
        expected = sorted(found(Expected, line.sku), key=lambda row: (row.reference, row.warehouse))
        shown += [line, *levels, *expected]
    return etag_of(shown)


def transfer_shown(transfer: Transfer, lines: Iterable[TransferLine]) -> dict[str, Any]:
    """The transfer as it is answered; lines that were taken out of the draft are left out."""
    return {
        "transfer_id": transfer.transfer_id,
        "number": transfer.number,
        "source": transfer.source,
        "destination": transfer.destination,
        "expected_on": transfer.expected_on,
        "note": transfer.note,
        "state": transfer.state,
        "version": transfer.version,
        "created_at": transfer.created_at,
        "sent_at": transfer.sent_at,
        "lines": [
            {
                "line_no": line.line_no,
                "sku": line.sku,
                "quantity": line.quantity,
                "sent": line.sent,
                "received": line.received,
                "lost": line.lost,
                "in_transit": line.left,
            }
            for line in sorted(lines, key=lambda line: line.line_no)
            if line.quantity
        ],
        "etag": transfer_tag(transfer),
    }
