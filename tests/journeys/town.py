"""A town for the journeys: the four services, warehouses, and people who do things in the words of a shop.

Everything a person does goes through the HTTP APIs. Each verb returns when nothing moves by itself any more, on either
bus, so a story reads from top to bottom. Time is the town's own: it runs, and `pass_time` makes it jump.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import asyncpg
import httpx

from comptoir.rest import Databases as Connected
from comptoir.rest import at_rest
from comptoir.sender import Sender
from comptoir.suite import BUILD, BusName, Suite, started
from comptoir.verify import verify
from services.billing.providers import InstantProvider
from shared import clock
from shared.contracts.message import Message
from shared.messaging.topology import readers_of
from tests.eventually import eventually

NAMES = tuple(BUILD)
Item = dict[str, Any]
Pieces = Mapping[int, int]
"""Quantities by line number."""
NIL = Decimal(0)

ANNA = {
    "name": "Anna de Vries",
    "street": ["Oudegracht 1"],
    "postcode": "3511 AB",
    "city": "Utrecht",
    "country": "NL",
}


class Refused(AssertionError):
    """A service said no to a person: the status and its words."""

    def __init__(self, what: str, response: httpx.Response) -> None:
        super().__init__(f"{what}: {response.status_code} {response.text[:500]}")
        self.status = response.status_code
        self.title: str = response.json().get("title", "") if response.content else ""


@dataclass
class TownClock:
    """Runs with the real one, and can be put forward."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return clock.now() + self.ahead


@dataclass
class Town:
    """A running suite, its people and its clock."""

    suite: Suite
    clock: TownClock
    books: Mapping[str, "asyncpg.Connection[asyncpg.Record]"]
    http: Mapping[str, httpx.AsyncClient]
    keys: "count[int]" = field(default_factory=lambda: count(1))
    from_outside: int = 0
    """How often a packet that is in no outbox was handed to a reader."""

    # How people talk to the services

    async def ask(self, service: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One request; raises Refused when the answer is no. Does not wait for anything to follow."""
        given = {"Idempotency-Key": f"key-{next(self.keys)}", "X-Actor": "sam"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        response = await self.http[service].request(method, path, json=body, headers=given)
        if response.status_code >= 400:
            raise Refused(f"{method} {service}{path}", response)
        return response.json() if response.content else None

    async def do(self, service: str, path: str, body: Any = None, **headers: str) -> Any:
        """One wish, and everything that follows from it."""
        answer = await self.ask(service, "POST", path, {} if body is None else body, **headers)
        await self.settle()
        return answer

    async def get(self, service: str, path: str) -> Any:
        return await self.ask(service, "GET", path)

    async def overhears(self, *messages: Message) -> None:
        """Somebody outside puts these on the bus, in one packet if they are of one kind."""
        sender = Sender(self.suite.bus, f"outside-{next(self.keys)}", self.clock)
        for packet in sender.packets(messages, "outsider"):
            self.from_outside += len(readers_of(packet.key))
            await self.suite.bus.publish(packet)
        await self.settle()

    # The shop

    async def opens(
        self,
        *,
        mugs: int = 10,
        south: int = 0,
        backorderable: bool = True,
        price: str = "12.50",
        products: Sequence[str] = ("mug",),
        vat_rate: str = "20",
    ) -> None:
        """Products at one price, two warehouses (north is preferred), and some stock of each product."""
        listed = [{"sku": sku, "name": sku.title(), "price": price, "vat_rate": vat_rate} for sku in products]
        post = {"sku": "post", "name": "Postage", "kind": "shipping", "price": "5.00", "vat_rate": vat_rate}
        await self.ask("order", "PUT", "/products", {"products": [*listed, post]})
        items: list[Item] = [{"sku": sku, "backorderable": backorderable, "lead_days": 7} for sku in products]
        await self.ask("inventory", "PUT", "/items", {"items": [*items, {"sku": "post", "stocked": False}]})
        for code, rank in (("north", 1), ("south", 2)):
            await self.ask("inventory", "PUT", f"/warehouses/{code}", {"country": "NL", "rank": rank})
        for code, quantity in (("north", mugs), ("south", south)):
            if quantity:
                await self.receive_stock(code, dict.fromkeys(products, quantity))

    async def receive_stock(self, warehouse: str, pieces: Mapping[str, int]) -> None:
        """Goods come in."""
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in pieces.items()]
        reference = f"PO-{next(self.keys)}"
        await self.do("inventory", "/receipts", {"warehouse": warehouse, "reference": reference, "lines": lines})

    async def place(self, pieces: Mapping[str, int] | None = None, **more: Any) -> str:
        """Anna orders; by card unless told otherwise. The order's id."""
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in (pieces or {"mug": 1}).items()]
        wish = {"ship_to": ANNA, "payment_token": "tok_visa", "lines": lines} | more
        return str((await self.do("order", "/orders", wish))["id"])

    async def cancel(self, order: str, lines: Pieces | None = None) -> Any:
        return await self.do("order", f"/orders/{order}/cancel", {"lines": _lines(lines), "reason": "changed my mind"})

    async def hold(self, order: str, reason: str = "fraud check") -> None:
        await self.do("order", f"/orders/{order}/hold", {"reason": reason})

    async def release(self, order: str, reason: str = "fraud check") -> None:
        await self.do("order", f"/orders/{order}/release", {"reason": reason, "note": "looked at it"})

    async def edit(self, order: str, **changes: Any) -> Any:
        version = (await self.order(order))["version"]
        return await self.do("order", f"/orders/{order}/edit", changes, If_Match=f'"{version}"')

    async def pay_again(self, order: str, token: str = "tok_visa") -> None:
        await self.do("billing", f"/orders/{order}/pay-again", {"token": token})

    async def transfer(self, order: str, amount: str, entry: str = "") -> Any:
        """The customer's bank transfer is on our statement."""
        seen = await self.order(order)
        entry_id = entry or f"bank-{next(self.keys)}"
        body = {
            "entry_id": entry_id,
            "reference": seen["number"],
            "amount": amount,
            "currency": seen["currency"],
            "booked_on": self.clock().date().isoformat(),
            "order_id": order,
        }
        return await self.do("billing", "/bank-entries", body)

    async def remit(self, order: str, shipment: str, amount: str, fee: str = "0") -> None:
        """The carrier pays out what it collected at the door, and keeps its fee."""
        reference = f"PAYOUT-{next(self.keys)}"
        body = {"order_id": order, "shipment_id": shipment, "amount": amount, "fee": fee, "reference": reference}
        await self.do("billing", "/cash-remittances", body)

    # The warehouse

    async def shipments(self, order: str) -> list[Item]:
        return list((await self.order(order))["shipments"])

    async def shipment(self, order: str, seq: int = 1) -> str:
        """The id of the order's first (second, ...) shipment."""
        return next(str(each["shipment_id"]) for each in await self.shipments(order) if each["seq"] == seq)

    async def pick(self, shipment: str, short: Pieces | None = None) -> None:
        await self.do("fulfilment", f"/shipments/{shipment}/pick", {"short": _lines(short)})

    async def pack(self, shipment: str) -> None:
        await self.do("fulfilment", f"/shipments/{shipment}/pack", {"weight_g": 700})

    async def hand_over(self, shipment: str) -> None:
        await self.do("fulfilment", f"/shipments/{shipment}/dispatch")

    async def reject(self, shipment: str, reason: str) -> None:
        await self.do("fulfilment", f"/shipments/{shipment}/reject", {"reason": reason})

    async def send(self, shipment: str) -> None:
        """Picked, packed and handed over."""
        await self.pick(shipment)
        await self.pack(shipment)
        await self.hand_over(shipment)

    async def track(self, shipment: str, status: str) -> None:
        at = self.clock().isoformat()
        await self.do("fulfilment", f"/shipments/{shipment}/tracking", {"status": status, "at": at})

    async def deliver(self, shipment: str) -> None:
        await self.track(shipment, "delivered")

    async def send_and_deliver(self, shipment: str) -> None:
        await self.send(shipment)
        await self.deliver(shipment)

    async def return_goods(self, order: str, shipment: str, lines: Pieces, **more: Any) -> str:
        body = {"shipment_id": shipment, "lines": _lines(lines), "reason": "too blue", **more}
        await self.do("order", f"/orders/{order}/returns", body)
        return str((await self.order(order))["returns"][-1]["return_id"])

    async def comes_back(self, parcel: str, lines: Pieces) -> None:
        """Returned goods arrive."""
        await self.do("fulfilment", f"/returns/{parcel}/receive", {"lines": _lines(lines)})

    async def inspect(
        self, parcel: str, lines: Pieces, *, accepted: bool = True, grade: str = "restock", seen: Pieces | None = None
    ) -> None:
        """All pieces get one grade; `seen` would be fewer than came."""
        graded = [
            {"line_no": no, "accepted": quantity if accepted else 0, grade: quantity}
            for no, quantity in (seen or lines).items()
        ]
        await self.do("fulfilment", f"/returns/{parcel}/inspect", {"lines": graded})

    async def takes_back(self, parcel: str, lines: Pieces) -> None:
        """Received, found good, and back on the shelf."""
        await self.comes_back(parcel, lines)
        await self.inspect(parcel, lines)

    # What can be seen

    async def order(self, order: str) -> Item:
        found: Item = await self.get("order", f"/orders/{order}")
        return found

    async def status(self, order: str) -> str:
        return str((await self.order(order))["status"])

    async def why(self, order: str) -> str:
        return str((await self.order(order))["why_not_moving"])

    async def line(self, order: str, line_no: int = 1) -> Item:
        return next(line for line in (await self.order(order))["lines"] if line["line_no"] == line_no)

    async def said(self, order: str) -> list[str]:
        """What the order's history tells: status after status."""
        entries = (await self.get("order", f"/orders/{order}/history"))["items"]
        return list(dict.fromkeys(str(entry["after"]) for entry in entries if entry["after"] != entry["before"]))

    async def stock(self, sku: str = "mug") -> dict[str, tuple[int, int]]:
        """By warehouse: on hand, and how much of it is promised."""
        rows = (await self.get("inventory", f"/stock?sku={sku}"))["items"]
        return {row["warehouse"]: (row["on_hand"], row["reserved"]) for row in rows}

    async def account(self, order: str) -> Item:
        found: Item = await self.get("billing", f"/accounts/{order}")
        return found

    async def money(self, order: str) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Invoiced, credited, captured, refunded."""
        seen = await self.account(order)
        invoiced = sum((Decimal(each["gross"]) for each in seen["invoiced"]), NIL)
        credited = sum((Decimal(each["gross"]) for each in seen["credited"]), NIL)
        return invoiced, credited, Decimal(seen["captured"]), Decimal(seen["refunded"])

    async def heard(self, key: str) -> int:
        """How many messages of a kind have gone out to whoever listens."""
        service = key.partition(".")[0]
        return int(await self.books[service].fetchval("select coalesce(sum(count), 0) from outbox where key = $1", key))

    async def parked(self) -> list[str]:
        reasons = []
        for name, connection in self.books.items():
            rows = await connection.fetch("select key, reason from parked where state = 'parked'")
            reasons += [f"{name}: {row['key']}: {row['reason']}" for row in rows]
        return reasons

    # Time

    async def pass_time(self, **span: float) -> None:
        """Timers that are due by then have fired and everything that follows has happened."""
        self.clock.ahead += timedelta(**span)
        await self.settle()

    async def settle(self, within_s: float = 30.0) -> None:
        """Waits until every packet was handled by all its readers, no call is open and no timer is due."""
        quiet = 0

        async def still() -> bool:
            nonlocal quiet
            moves = await self.moving()
            quiet = 0 if moves else quiet + 1
            assert not moves, f"still moving: {moves}"
            return quiet == 2

        await eventually(still, within_s, 0.005)

    async def moving(self) -> dict[str, int]:
        """What is on its way, by kind; empty at rest."""
        expected, handled, calls, due = self.from_outside, 0, 0, 0
        now = self.clock()
        for connection in self.books.values():
            handled += await connection.fetchval("select count(*) from inbox")
        for name, connection in self.books.items():
            for row in await connection.fetch("select key, count(*) as n from outbox group by key"):
                expected += row["n"] * len(readers_of(row["key"]))
            calls += await connection.fetchval("select count(*) from calls")
            if waiting := await connection.fetchval("select count(*) from timers where due_at <= $1", now):
                due += waiting
                self.suite[name].timekeeper.wake.set()  # the clock was put forward: look again
        found = {"unread": expected - handled, "calls": calls, "due": due}
        if not all(running.desk.idle() for running in self.suite.running.values()):
            found["busy"] = 1
        return {kind: number for kind, number in found.items() if number}

    # The end of every story

    async def all_is_well(self, *, parked: int = 0) -> None:
        """At rest; nothing below zero, the ledger balances, no invariant is broken, nothing waits for a person."""
        await self.settle()
        await at_rest(self.books, 30, 0.05)
        reasons = await self.parked()
        assert len(reasons) == parked, reasons
        for level in await self.books["inventory"].fetch("select * from levels"):
            assert 0 <= level["reserved"] <= level["on_hand"], dict(level)
        balances = await self.books["billing"].fetch("select sum(amount) as sum from postings group by currency")
        assert [row["sum"] for row in balances if row["sum"]] == []
        breaches = [f"{found.name}: {breach}" for found in await verify(self.books) for breach in found.breaches]
        assert not breaches, breaches


def _lines(lines: Pieces | None) -> list[Item]:
    return [{"line_no": no, "quantity": quantity} for no, quantity in (lines or {}).items()]


@asynccontextmanager
async def town_at(
    database_url: str, bus: BusName, *, names: tuple[str, ...] = NAMES, now: TownClock | None = None, **settings: Any
) -> AsyncIterator[Town]:
    """Services on migrated databases; their warehouses wait for people, their timers for the town's clock."""
    now = now or TownClock()
    async with AsyncExitStack() as stack:
        suite = await stack.enter_async_context(started(names, bus=bus, now=now, database_url=database_url, **settings))
        for running in suite.running.values():
            caller = getattr(running.service.caller, "__self__", None)
            if isinstance(caller, InstantProvider):
                caller.now = now  # what it authorises ends by the town's clock
        books = await stack.enter_async_context(Connected(database_url, NAMES))
        http = {
            name: await stack.enter_async_context(
                httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{name}", timeout=60)
            )
            for name, app in suite.applications().items()
        }
        yield Town(suite, now, books, http)
