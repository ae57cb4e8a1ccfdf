"""What an operator does with an order that waits for a person: seen, resumed or cancelled, with a preview of either.

All on the services' databases, whether the services run or not; what is sent lies in the outbox for the running relay.
"""

import json
from hashlib import sha256
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.table import Table

from comptoir.operating import deciding, dsn, print_rows, told
from services.order.preview import preview
from shared import clock
from shared.contracts.billing import ResumeOperation
from shared.contracts.fulfilment import ResumeLabel
from shared.contracts.message import Message
from shared.contracts.order import CancelOrder, ReleaseHold
from shared.messaging.decision import Reply
from shared.messaging.effects import effects, in_short
from shared.messaging.envelope import envelope
from shared.messaging.unit import Arrival
from shared.parked import connected
from shared.serve import NotHere

Item = dict[str, Any]


async def waiting(url: str, names: tuple[str, ...]) -> list[Item]:
    """Orders that wait for staff, the oldest first, with all reasons: holds, parked operations and messages."""
    found: dict[str, Item] = {}

    def because(order_id: object, service: str, why: str, id: object = "") -> None:
        item = found.setdefault(str(order_id), {"order_id": str(order_id), "number": "", "status": "", "because": []})
        item["because"].append({"service": service, "why": why, "id": str(id)})

    async with connected(dsn(url, "order")) as connection:
        for row in await connection.fetch(
            "select order_id, holds from progress where not final and jsonb_array_length(holds) > 0"
        ):
            for hold in json.loads(row["holds"]):
                because(row["order_id"], "order", f"held: {hold}")
    async with connected(dsn(url, "billing")) as connection:
        for row in await connection.fetch("select order_id, parked from accounts where parked <> ''"):
            because(row["order_id"], "billing", f"parked operation: {row['parked']}")
    async with connected(dsn(url, "fulfilment")) as connection:
        for row in await connection.fetch("select order_id, shipment_id, parked from shipments where parked <> ''"):
            because(row["order_id"], "fulfilment", f"parked label: {row['parked']}", row["shipment_id"])
    for name in names:
        async with connected(dsn(url, name)) as connection:
            for row in await connection.fetch(
                "select id, subject, key, reason from parked where state = 'parked' order by at, id"
            ):
                try:
                    subject = UUID(row["subject"])
                except ValueError:
                    continue
                because(subject, name, f"parked message {row['key']}: {row['reason']}", row["id"])
    async with connected(dsn(url, "order")) as connection:
        for row in await connection.fetch(
            "select order_id, number, placed_at, status, version from orders join progress using (order_id) "
            "where order_id = any($1::uuid[])",
            [UUID(id) for id in found],
        ):
            found[str(row["order_id"])] |= {name: row[name] for name in ("number", "placed_at", "status", "version")}
    return sorted(found.values(), key=lambda item: (str(item.get("placed_at", "")), item["order_id"]))


def print_waiting(found: list[Item], out: Console, as_json: bool) -> None:
    if as_json:
        for item in found:
            out.print(json.dumps(item, default=str), soft_wrap=True, highlight=False, markup=False)
        return
    if not found:
        out.print("no order waits for staff")
        return
    table = Table("order", "number", "status", "waits for", "id", box=None)
    for item in found:
        for because in item["because"]:
            why = f"{because['service']}: {because['why']}"
            cells = (item["order_id"], item["number"], item["status"], why[:300], because["id"])
            table.add_row(*(cell.replace("[", r"\[") for cell in cells))
    print_rows(out, table)


async def wanted(url: str, order: str) -> UUID:
    """The order with this id or number."""
    async with connected(dsn(url, "order")) as connection:
        found: UUID | None = await connection.fetchval(
            "select order_id from orders where order_id::text = lower($1) or number = $1", order
        )
    if found is None:
        raise NotHere(f"there is no order {order}")
    return found


async def to_cancel(url: str, order: str, by: str, reason: str, quote: str) -> list[tuple[str, Message]]:
    """What compensates: all that is not out is cancelled, and the saga gives back stock, money and shipments."""
    id = await wanted(url, order)
    return [("order", CancelOrder(order_id=id, reason=reason, actor=by, quote=quote))]


async def to_resume(
    url: str, order: str, by: str, reason: str, quote: str, *, hold: str, service: str
) -> list[tuple[str, Message]]:
    """What lets it go on: one hold less, or another try of what billing or fulfilment has parked."""
    id = await wanted(url, order)
    if service == "billing":
        return [("billing", ResumeOperation(order_id=id, actor=by))]
    if service == "fulfilment":
        async with connected(dsn(url, "fulfilment")) as connection:
            rows = await connection.fetch(
                "select shipment_id from shipments where order_id = $1 and parked <> '' order by shipment_id", id
            )
        if not rows:
            raise NotHere(f"no label of order {order} is parked")
        return [("fulfilment", ResumeLabel(shipment_id=row["shipment_id"], actor=by)) for row in rows]
    if not hold:
        async with connected(dsn(url, "order")) as connection:
            holds = json.loads(await connection.fetchval("select holds from progress where order_id = $1", id))
        if len(holds) != 1:
            said = "its holds are: " + ", ".join(holds) if holds else "it is not held"
            raise NotHere(f"name one with --hold; {said}. What billing or fulfilment parked needs --service")
        hold = holds[0]
    return [("order", ReleaseHold(order_id=id, reason=hold, note=reason, actor=by, quote=quote))]


async def previewed(url: str, wishes: list[tuple[str, Message]]) -> list[Item]:
    """What each would do: really decided, on the real rows, and undone."""
    results = []
    for name, wish in wishes:
        async with deciding(url, name) as unit:
            outcome = await unit.rehearse(wish)
        ((_, reply),) = outcome.answers
        item: Item = {"service": name, "wish": wish.key, "answered": reply.status, "answer": reply.body}
        if reply.status < 400:
            if isinstance(wish, CancelOrder | ReleaseHold):
                item |= preview(outcome.rows, wish.order_id, [event.data for event, _ in outcome.sent])
            item["effects"] = effects(outcome)
        results.append(item)
    return results


async def done(url: str, wishes: list[tuple[str, Message]]) -> list[Item]:
    """Does each in one unit of work, as a request to the service would."""
    results = []
    for name, wish in wishes:
        async with deciding(url, name) as unit:
            event = envelope(wish, id=unit.new_id(), source=unit.source, now=clock.now(), correlation=wish.subject)
            fingerprint = sha256(f"{wish.key}:{wish.model_dump_json()}".encode()).hexdigest()
            outcomes = await unit.work([Arrival("request", unit.new_id(), [event], fingerprint=fingerprint)])
        reply: Reply = next(reply for outcome in outcomes for _, reply in outcome.answers)
        results.append({"service": name, "wish": wish.key, "answered": reply.status, "answer": reply.body})
    return results


def print_results(results: list[Item], out: Console, as_json: bool) -> bool:
    """Whether none was refused. A preview is told in sentences, then row by row."""
    for item in results:
        if as_json:
            lines = [json.dumps(item, default=str)]
        elif item["answered"] >= 400:
            lines = [f"{item['service']} {item['wish']}: refused: {item['answer'].get('title', item['answer'])}"]
        elif "effects" in item:
            lines = [f"{item['service']} {item['wish']} would do: {in_short(item['effects'])}"]
            lines += [f"  {sentence}" for sentence in item.get("sentences", ())]
            lines += told(item["effects"])
            lines += [f"  do exactly this: --quote {item['quote']}"] if "quote" in item else []
        else:
            said = ", ".join(f"{name}: {value}" for name, value in dict(item["answer"] or {}).items())
            lines = [f"{item['service']} {item['wish']}: done; {said}"]
        for line in lines:
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    return all(item["answered"] < 400 for item in results)
