"""What work on the shelves would do, told before it is done.

A preview is the real decision on the real rows, with the turn of those who wait after it, and undone. Its `quote`
stands for all that it shows; whoever sends it with the request gets exactly that, or hears that it went stale.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from services.inventory.domain import (
    Demand,
    Expected,
    Level,
    PurchaseLine,
    PurchaseOrder,
    Queue,
    Reservation,
    Transfer,
    TransferLine,
    purchase_quote,
    quote_of,
    transfer_quote,
)
from shared.contracts.inventory import (
    AdjustStock,
    CountStock,
    PromiseAgain,
    PurchaseAct,
    ReceiveStock,
    SendTransfer,
    ServeQueue,
)
from shared.messaging.decision import Rows, key_of

Item = dict[str, Any]
Work = ReceiveStock | AdjustStock | CountStock


Turn = TypeVar("Turn", ServeQueue, PromiseAgain)


def turns(line: Sequence[Mapping[str, Any]], at_once: int, kind: type[Turn]) -> list[Turn]:
    """The looks at these places of one SKU's queue, which are in the order of serving, some at a time.

    They give free stock to who waits (ServeQueue), or another day (PromiseAgain).
    """
    found: list[Turn] = []
    page, served, last = "", 0, ""
    for entry in line:
        if entry["page"] != page:
            page, served, last = entry["page"], 0, ""
        if served % at_once == 0:
            found.append(kind(sku=entry["sku"], page=page, after=last))
        served, last = served + 1, entry["place"]
    return found


def preview(rows: Rows, m: Work) -> Item:
    """What would change. Figures that change are [before, after]; pieces of an order are named by order and line."""
    was = partial(_before, rows)
    skus = [m.sku] if isinstance(m, CountStock) else list(dict.fromkeys(line.sku for line in m.lines))
    levels = [(_level(was(Level, sku), sku, m), _level(rows.group(Level, sku), sku, m)) for sku in skus]
    changes = {before.sku: after.on_hand - before.on_hand for before, after in levels}
    if isinstance(m, CountStock):  # also of so many promises that they are looked up before it is booked
        changes = {before.sku: m.counted - before.on_hand for before, _ in levels}
    reference = m.reference if isinstance(m, ReceiveStock) else ""
    loses = list(_moved(rows, m, skus, -1)) if isinstance(m, CountStock) else []
    taken = [(of["order_id"], of["line_no"], of["quantity"]) for of in loses]
    return {
        "warehouse": m.warehouse,
        "reference": m.reference,
        "quote": quote_of(was, m.warehouse, changes, reference, taken),
        "levels": [
            {
                "sku": before.sku,
                **{
                    name: [getattr(before, name), getattr(after, name)]
                    for name in ("on_hand", "reserved", "available", "quarantined")
                },
                "waiting": [_waiting(was(Queue, before.sku)), _waiting(rows.group(Queue, before.sku))],
            }
            for before, after in levels
        ],
        "expected": [of for sku in skus for of in _expected(rows, sku, m)] if reference else [],
        "gets": list(_moved(rows, m, skus, 1)),
        "loses": loses,
    }


def _before(rows: Rows, kind: type[Any], group: Any) -> list[Any]:
    """The rows of a group as they were found; none of those that nobody looked at."""
    return rows.group_before(kind, group) if rows.declared(kind, group) else []


def _level(levels: Sequence[Level], sku: str, m: Work) -> Level:
    return next((level for level in levels if level.warehouse == m.warehouse), Level(sku, m.warehouse))


def _waiting(queues: Sequence[Queue]) -> int:
    return sum(queue.waiting for queue in queues)


def _expected(rows: Rows, sku: str, m: Work) -> Iterator[Item]:
    """The line of the purchase order that this delivery is of, with how many more came than were ordered."""
    was = {key_of(row): row for row in _before(rows, Expected, sku)}
    for row in rows.group(Expected, sku):
        if (row.reference, row.warehouse) == (m.reference, m.warehouse):
            yield {
                "sku": sku,
                "expected_on": row.expected_on,
                "ordered": row.quantity,
                "received": [was[key_of(row)].received if key_of(row) in was else 0, row.received],
                "over": max(0, row.received - row.quantity),
            }


def _moved(rows: Rows, m: Work, skus: Sequence[str], sign: int) -> Iterator[Item]:
    """Order lines that get stock anywhere (1), or lose it at the warehouse that is counted (-1)."""
    before = rows.before.get(Reservation, {})
    changed: dict[Any, Reservation] = rows.changed.get(Reservation, {})  # type: ignore[assignment]
    for key, held in changed.items():
        pieces = sign * (held.reserved - getattr(before.get(key), "reserved", 0))
        if pieces <= 0 or held.sku not in skus or (sign < 0 and held.warehouse != m.warehouse):
            continue
        demand = next(d for d in rows.group(Demand, held.order_id) if d.line_no == held.line_no)
        yield {
            "order_id": held.order_id,
            "line_no": held.line_no,
            "sku": held.sku,
            "warehouse": held.warehouse,
            "quantity": pieces,
            "backordered": demand.backordered,
            "promised_on": demand.promised_on,
        }


def preview_purchase(rows: Rows, m: PurchaseAct) -> Item:
    """What a step of a purchase order would change: its state, its lines, and the days of those who wait.

    Figures that change are [before, after]; of a line that does not change both are the same.
    """
    was = partial(_before, rows)
    before, after = was(PurchaseOrder, m.purchase_id)[0], rows.one(PurchaseOrder, m.purchase_id)
    lines = {line.line_no: line for line in was(PurchaseLine, m.purchase_id)}
    return {
        "number": after.number,
        "quote": purchase_quote(was, m.purchase_id),
        "state": [before.state, after.state],
        "lines": [
            {
                "sku": line.sku,
                "received": line.received,
                "quantity": [lines[line.line_no].quantity, line.quantity],
                "expected_on": [lines[line.line_no].expected_on, line.expected_on],
                "incoming": [_incoming(was, line.sku), _incoming(rows.group, line.sku)],
            }
            for line in rows.group(PurchaseLine, m.purchase_id)
            if line.quantity or lines[line.line_no].quantity
        ],
        "promises": _promises(rows),
    }


def preview_transfer(rows: Rows, m: SendTransfer) -> Item:
    """What sending a transfer would change: the shelves of its source, and the days of those who wait.

    Figures that change are [before, after]; `incoming`: of the SKU, in all.
    """
    was = partial(_before, rows)
    before, after = was(Transfer, m.transfer_id)[0], rows.one(Transfer, m.transfer_id)
    lines = []
    for line in rows.group(TransferLine, m.transfer_id):
        shelf = [
            next((level for level in levels if level.warehouse == after.source), Level(line.sku, after.source))
            for levels in (was(Level, line.sku), rows.group(Level, line.sku))
        ]
        figures = {name: [getattr(level, name) for level in shelf] for name in ("on_hand", "reserved", "available")}
        incoming = [_incoming(was, line.sku), _incoming(rows.group, line.sku)]
        if line.quantity:
            lines.append({"sku": line.sku, "quantity": line.quantity, **figures, "incoming": incoming})
    return {
        "number": after.number,
        "quote": transfer_quote(was, m.transfer_id),
        "state": [before.state, after.state],
        "warehouse": after.source,
        "lines": lines,
        "promises": _promises(rows),
    }


def _promises(rows: Rows) -> list[Item]:
    return [
        {
            "order_id": demand.order_id,
            "line_no": demand.line_no,
            "sku": demand.sku,
            "quantity": demand.backordered,
            "promised_on": [old.promised_on, demand.promised_on],
        }
        for old, demand in _promised(rows)
    ]


def _incoming(found: Callable[[type[Any], Any], Sequence[Any]], sku: str) -> int:
    return sum(row.incoming for row in found(Expected, sku))


def _promised(rows: Rows) -> Iterator[tuple[Demand, Demand]]:
    """Order lines that are promised another day, in the order in which they were looked at."""
    was: dict[Any, Any] = rows.before.get(Demand, {})
    for key, demand in rows.changed.get(Demand, {}).items():
        if key in was and was[key].promised_on != demand.promised_on:  # type: ignore[attr-defined]
            yield was[key], demand  # type: ignore[misc]
