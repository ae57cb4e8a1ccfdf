"""Replays a file of real invoices through the whole suite: sales as orders, cancellations as returns and refunds.

Everything is sent as commands on the bus, as any other service would, under ids made from the file. So a replay that
was killed goes on where it stopped, and a second one of the same file changes nothing.
"""

import gzip
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import UUID

import asyncpg

from comptoir.rest import at_rest
from comptoir.retail.plan import (
    Adjustment,
    CreditWithoutOrder,
    Plan,
    Refund,
    Sale,
    ample_opening,
    oracle_cutoff,
    oracle_opening,
    plan,
)
from comptoir.retail.reader import RetailLine, read
from comptoir.sender import Sender
from shared.contracts.billing import CreditLine, RecordCredit
from shared.contracts.inventory import AdjustStock, Item, ReceiveStock, RegisterItems, RegisterWarehouse, StockLine
from shared.contracts.message import Message
from shared.contracts.order import (
    Channel,
    Customer,
    NewLine,
    PlaceOrder,
    Product,
    RegisterChannel,
    RegisterCustomers,
    RegisterProducts,
    ReturnGoods,
)
from shared.contracts.values import Address, LineKind, LineQuantity

Opening = Literal["ample", "oracle"]
Connections = Mapping[str, "asyncpg.Connection[asyncpg.Record]"]
Progress = Callable[[str, int, int], None]
T = TypeVar("T")

WAREHOUSE = "main"
NOT_SAID = "not in the file"
"""Of an address: invoices name a country only, and an order without an address is held."""
CHANNEL = "retail"
CURRENCY = "GBP"
CHUNK = 1000

# Reasons of stock corrections, so that they can be told apart afterwards
ENTRY_OUT = "entry_out"  # a line without a price that takes from stock: samples, gifts, corrections
ENTRY_IN = "entry_in"  # a line without a price and a quantity below zero
RETURN_WITHOUT_ORDER = "return_without_order"


@dataclass(frozen=True, slots=True)
class Retail:
    """A file and what has to be done with it."""

    path: Path
    lines: tuple[RetailLine, ...]
    plan: Plan

    @property
    def name(self) -> str:
        """Of the run: the same content is the same run, wherever the file lies."""
        opener: Any = gzip.open if self.path.suffix == ".gz" else open
        with opener(self.path, "rb") as file:
            return f"{zlib.crc32(file.read()):08x}"


def read_retail(path: Path) -> Retail:
    lines = tuple(read(path))
    return Retail(path, lines, plan(lines))


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterable[Sequence[T]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def kind_of(code: str, stocked: bool) -> LineKind:
    if stocked:
        return "goods"
    return "shipping" if code in ("POST", "DOT", "C2") else "service"


class Replay:
    """One file on one running suite."""

    def __init__(
        self,
        retail: Retail,
        sender: Sender,
        connections: Connections,
        opening: Opening,
        progress: Progress,
        settled: Callable[[Connections, float], Awaitable[object]] = at_rest,
    ) -> None:
        self.retail, self.sender, self.connections = retail, sender, connections
        self.opening, self.progress, self.settled = opening, progress, settled

    def order_id(self, invoice: str) -> UUID:
        return self.sender.id_of(f"order/{invoice}")

    def return_id(self, cancellation: str, shipment_id: UUID) -> UUID:
        return self.sender.id_of(f"return/{cancellation}/{shipment_id}")

    async def go(self, within_s: float = 3600.0) -> None:
        """All of it, until nothing moves any more."""
        await self.master_data()
        await self.stock()
        await at_rest(self.connections, within_s)
        await self.sales()
        await self.rest("orders to rest", within_s)
        if self.opening == "ample":  # the oracle's rule knows no returns and no other stock entries
            await self.returns()
            await self.corrections()
            await self.rest("returns to rest", within_s)

    async def rest(self, what: str, within_s: float) -> None:
        """Waits until nothing moves by itself any more."""
        self.progress(what, 0, 1)
        await self.settled(self.connections, within_s)
        self.progress(what, 1, 1)

    async def master_data(self) -> None:
        plan = self.retail.plan
        products, services = plan.products(), plan.services()
        items = [Item(sku=sku, name=name) for sku, name in products.items()]
        items += [Item(sku=sku, name=name, stocked=False) for sku, name in services.items()]
        catalogue = [Product(sku=sku, name=name) for sku, name in products.items()]
        catalogue += [Product(sku=sku, name=name, kind=kind_of(sku, False)) for sku, name in services.items()]
        messages: list[Message] = [
            RegisterWarehouse(code=WAREHOUSE, name="Main warehouse", country="GB"),
            RegisterChannel(channel=Channel(code=CHANNEL, name="Online retail")),
        ]
        messages += [RegisterItems(items=tuple(part)) for part in chunks(items)]
        messages += [RegisterProducts(products=tuple(part)) for part in chunks(catalogue)]
        customers = [Customer(customer_id=id, name=f"Customer {id}") for id in plan.customers()]
        messages += [RegisterCustomers(customers=tuple(part)) for part in chunks(customers)]
        for message in messages:
            await self.sender.send([message])

    async def stock(self) -> None:
        plan = self.retail.plan
        if self.opening == "oracle":
            assert plan.first_day is not None
            opening = oracle_opening(plan.actions, oracle_cutoff(plan.first_day))
        else:
            opening = ample_opening(plan.actions, counting_returns=False)
        lines = [StockLine(sku=sku, quantity=units) for sku, units in opening.items() if units > 0]
        for i, part in enumerate(chunks(lines)):
            await self.sender.send([ReceiveStock(warehouse=WAREHOUSE, reference=f"opening-{i}", lines=tuple(part))])

    async def sales(self) -> None:
        sales = [action for action in self.retail.plan.actions if isinstance(action, Sale)]
        done = 0
        for part in chunks(sales, 64):
            await self.sender.send([self.placing(sale) for sale in part], actor="replay")
            done += len(part)
            self.progress("orders placed", done, len(sales))

    def placing(self, sale: Sale) -> PlaceOrder:
        return PlaceOrder(
            order_id=self.order_id(sale.invoice),
            channel=CHANNEL,
            external_id=sale.invoice,
            customer_id=sale.customer,
            currency=CURRENCY,
            payment_method="card",
            payment_token="tok_replay",
            ship_to=Address(
                name=f"Customer {sale.customer}".rstrip(), street=(NOT_SAID,), city=NOT_SAID, country=sale.country
            ),
            lines=tuple(
                NewLine(
                    sku=line.code,
                    quantity=line.quantity,
                    unit_price=line.price,
                    text=line.text,
                    kind=kind_of(line.code, line.stocked),
                    vat_category=line.vat.category,
                    vat_rate=line.vat.rate,
                )
                for line in sale.lines
            ),
            placed_at=sale.at,
        )

    async def returns(self) -> None:
        refunds = [action for action in self.retail.plan.actions if isinstance(action, Refund)]
        orders = {self.order_id(invoice) for refund in refunds for invoice in refund.by_sale()}
        shipped = await self.shipped(orders)
        done = 0
        for part in chunks(refunds, 64):
            messages: list[Message] = []
            for refund in part:
                for invoice, wanted in refund.by_sale().items():
                    messages += self.returning(refund.invoice, self.order_id(invoice), wanted, shipped)
            await self.sender.send(messages, actor="replay")
            done += len(part)
            self.progress("returns", done, len(refunds))

    def returning(
        self, cancellation: str, order_id: UUID, wanted: Mapping[int, int], shipped: dict[UUID, list[Any]]
    ) -> list[ReturnGoods]:
        """One return per shipment, oldest first, until all pieces have a shipment."""
        left = dict(wanted)
        messages: list[ReturnGoods] = []
        for shipment_id, lines in shipped.get(order_id, []):
            taken: list[LineQuantity] = []
            for no, units in sorted(left.items()):
                take = min(units, lines.get(no, 0))
                if take:
                    left[no] -= take
                    lines[no] -= take
                    taken.append(LineQuantity(line_no=no, quantity=take))
            if taken:
                messages.append(
                    ReturnGoods(
                        order_id=order_id,
                        return_id=self.return_id(cancellation, shipment_id),
                        shipment_id=shipment_id,
                        lines=tuple(taken),
                        reason=cancellation,
                    )
                )
        if any(left.values()):
            raise RuntimeError(f"{cancellation}: order {order_id} has not shipped {left}")
        return messages

    async def shipped(self, orders: Iterable[UUID]) -> dict[UUID, list[Any]]:
        """Per order its shipments that are out, oldest first: (id, {line number: pieces})."""
        rows = await self.connections["order"].fetch(
            """select s.order_id, s.shipment_id, (l->>'line_no')::int as line_no, (l->>'shipped')::int as shipped
               from shipments s, jsonb_array_elements(s.heard->'lines') l
               where s.order_id = any($1::uuid[]) and s.heard->>'state' in ('dispatched', 'delivered')
               order by s.order_id, s.seq""",
            list(orders),
        )
        shipped: dict[UUID, list[Any]] = {}
        for row in rows:
            shipments = shipped.setdefault(row["order_id"], [])
            if not shipments or shipments[-1][0] != row["shipment_id"]:
                shipments.append((row["shipment_id"], {}))
            shipments[-1][1][row["line_no"]] = row["shipped"]
        return shipped

    async def corrections(self) -> None:
        """Credits that belong to no order we know, and stock entries without a price."""
        messages: list[Message] = []
        for action in self.retail.plan.actions:
            if isinstance(action, CreditWithoutOrder):
                messages.append(self.credit(action))
                back = [StockLine(sku=line.code, quantity=line.movement) for line in action.lines if line.movement]
                messages += self.adjusting(action.invoice, RETURN_WITHOUT_ORDER, back)
            elif isinstance(action, Adjustment):
                moved = [StockLine(sku=line.code, quantity=line.movement) for line in action.lines if line.movement]
                messages += self.adjusting(action.invoice, ENTRY_OUT, [line for line in moved if line.quantity < 0])
                messages += self.adjusting(action.invoice, ENTRY_IN, [line for line in moved if line.quantity > 0])
        done = 0
        for part in chunks(messages, 256):
            await self.sender.send(part, actor="replay")
            done += len(part)
            self.progress("corrections", done, len(messages))

    @staticmethod
    def credit(action: CreditWithoutOrder) -> RecordCredit:
        return RecordCredit(
            reference=action.invoice,
            customer_id=action.customer,
            currency=CURRENCY,
            amount=sum((line.units * line.price for line in action.lines), Decimal(0)),
            reason=", ".join(sorted({line.reason for line in action.lines})),
            lines=tuple(
                CreditLine(sku=line.code, text=line.text, quantity=line.units, unit_price=line.price)
                for line in action.lines
            ),
        )

    @staticmethod
    def adjusting(reference: str, reason: str, lines: Sequence[StockLine]) -> list[Message]:
        return [
            AdjustStock(warehouse=WAREHOUSE, reference=reference, reason=reason, lines=tuple(part), actor="replay")
            for part in chunks(lines)
        ]
