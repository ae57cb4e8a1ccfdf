"""What the services have of some orders, read some hundred orders at a time."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from comptoir.invariants import orders
from comptoir.verify.audit import ALL, SOME_ORDERS, Connections
from services.billing.domain import rows as billing
from services.billing.domain.journal import BAD_DEBTS, BANK, PREPAYMENTS, PROVIDER, RECEIVABLE
from services.billing.store import BOOKS as BILLING
from services.fulfilment.domain import rows as fulfilment
from services.fulfilment.store import BOOKS as FULFILMENT
from services.inventory.domain import rows as inventory
from services.inventory.store import BOOKS as INVENTORY
from services.order import rows as order_rows
from services.order.store import BOOKS as ORDER
from shared.messaging.books import Book, Books
from shared.messaging.decision import Row

R = TypeVar("R", bound=Row)
ORDER_KINDS = (
    order_rows.Progress,
    order_rows.Header,
    order_rows.Line,
    order_rows.Stock,
    order_rows.Money,
    order_rows.Shipment,
    order_rows.Return,
    order_rows.History,
)
BILLING_KINDS = (
    billing.Account,
    billing.Operation,
    billing.Invoice,
    billing.CreditNote,
    billing.Refund,
    billing.WriteOff,
)
RECEIPTS = """
    select order_id, sum(amount) from (
        select order_id, amount from bank_entries where state = 'matched' and {entries}
        union all select order_id, amount + fee from remittances where {chosen}) each
    group by 1
"""
BANK_ENTRIES = f"""
    {SOME_ORDERS} and entry_id = any(array(
        select regexp_replace(substr(entry_id, 6), ending, '') from postings, unnest(array['', ':matched$']) ending
        where {SOME_ORDERS} and kind = 'receipt' and entry_id like 'bank:%'))
"""
"""Bank entries know no order by index; what they booked does, under their name."""
LEDGER = f"""
    select order_id, sum(amount) from postings
    where order_id is not null and account in ('{RECEIVABLE}', '{PREPAYMENTS}') and {{chosen}} group by 1
"""
GIVEN_UP = f"""
    select order_id, sum(amount) from postings
    where order_id is not null and account = '{BAD_DEBTS}' and {{chosen}} group by 1
"""
BOOKED = f"""
    select order_id, split_part(entry_id, ':', 2)::int as no, sum(amount) from postings
    where kind in ('capture', 'refund') and account in ('{PROVIDER}', '{BANK}') and {{chosen}} group by 1, 2
"""
INVENTORY_KINDS = (inventory.StockOrder, inventory.Demand, inventory.Reservation)


@dataclass(frozen=True, slots=True)
class Background:
    """What is small enough to be read at once."""

    timers: Mapping[UUID, frozenset[str]]
    parked: frozenset[str]
    labels: frozenset[str]  # timers of labels
    received: Mapping[UUID, Decimal]
    ledger: Mapping[UUID, Decimal]
    booked: Mapping[UUID, Mapping[int, Decimal]]
    bad_debts: Mapping[UUID, Decimal]


class Group:
    """Rows of some orders, by kind and order."""

    def __init__(self) -> None:
        self.rows: dict[type[Row], dict[UUID, list[Any]]] = {}

    async def load(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        books: Books,
        kinds: Iterable[type[Row]],
        ids: Sequence[UUID],
        narrowed: str = ALL,
    ) -> None:
        for kind in kinds:
            book, groups = books[kind], defaultdict(list)
            json = [(i, column.adapter.validate_json) for i, column in enumerate(book.columns) if column.adapter]
            for record in await connection.fetch(select(book, narrowed), ids):
                values = list(record)
                for i, decode in json:  # not by the store's own cache: each text is read once, and there are many
                    if values[i] is not None:
                        values[i] = decode(values[i])
                row: Any = kind(*values)
                groups[row.order_id].append(row)
            self.rows[kind] = groups

    def of(self, kind: type[R], order_id: UUID) -> list[R]:
        return self.rows[kind].get(order_id, [])

    def first(self, kind: type[R], order_id: UUID) -> R | None:
        rows = self.of(kind, order_id)
        return rows[0] if rows else None


def select(book: Book, narrowed: str = ALL) -> str:
    """All rows of some orders, without a lock."""
    names = ", ".join(f'"{column.name}"' for column in book.columns)
    key = ", ".join(book.kind.KEY)
    return f'select {names} from "{book.table.name}" where {SOME_ORDERS} and {narrowed} order by {key}'


class Files:
    """What the four services have of some orders."""

    def __init__(self) -> None:
        self.ours, self.theirs, self.goods, self.purses = Group(), Group(), Group(), Group()

    async def load(self, connections: Connections, ids: Sequence[UUID], returned: str = ALL) -> None:
        """`returned` narrows down the returns, which fulfilment knows by their shipment."""
        await asyncio.gather(
            self.ours.load(connections["order"], ORDER, ORDER_KINDS, ids),
            self.theirs.load(connections["inventory"], INVENTORY, INVENTORY_KINDS, ids),
            self.goods.load(connections["fulfilment"], FULFILMENT, (fulfilment.Shipment,), ids),
            self.purses.load(connections["billing"], BILLING, BILLING_KINDS, ids),
        )
        await self.goods.load(connections["fulfilment"], FULFILMENT, (fulfilment.Return,), ids, returned)


async def read_background(connections: Connections, ids: Sequence[UUID] | None = None) -> Background:
    """Of all orders; or of some, and then each statement goes by key."""
    order, bills, goods = connections["order"], connections["billing"], connections["fulfilment"]
    chosen, entries, among = (ALL, ALL, []) if ids is None else (SOME_ORDERS, BANK_ENTRIES, [ids])
    set_for, label_of, soon = ALL, ALL, ALL
    keys: list[list[str]] = []
    labels: list[list[str]] = []
    if ids is not None:
        set_for = label_of = "key = any($1::text[])"
        soon = "due_at < now() + interval '15 minutes'"  # the ladder's longest step is shorter
        keys = [[f"{timer}:{id}" for id in ids for timer in orders.TIMERS]]
        shipments = await goods.fetch(f"select shipment_id from shipments where {SOME_ORDERS}", ids)
        labels = [[f"label:{record[0]}" for record in shipments]]
    timers: dict[UUID, set[str]] = defaultdict(set)
    for record in await order.fetch(f"select key from timers where {set_for}", *keys):
        name, _, order_id = record["key"].partition(":")
        if name in orders.TIMERS:
            timers[UUID(order_id)].add(name)
    waiting = await order.fetch("select subject from parked where state = 'parked'")
    retried = await order.fetch(f"select body::jsonb->>'subject' from timers where key like 'retry:%' and {soon}")
    labelled = await goods.fetch(f"select key from timers where key like 'label:%' and {label_of}", *labels)
    booked: dict[UUID, dict[int, Decimal]] = defaultdict(dict)
    for order_id, no, amount in await bills.fetch(BOOKED.format(chosen=chosen), *among):
        booked[order_id][no] = amount
    receipts = await bills.fetch(RECEIPTS.format(chosen=chosen, entries=entries), *among)
    return Background(
        {order_id: frozenset(names) for order_id, names in timers.items()},
        frozenset(record[0] for record in (*waiting, *retried)),
        frozenset(record[0] for record in labelled),
        {r[0]: r[1] for r in receipts},
        {r[0]: r[1] for r in await bills.fetch(LEDGER.format(chosen=chosen), *among)},
        booked,
        {r[0]: r[1] for r in await bills.fetch(GIVEN_UP.format(chosen=chosen), *among)},
    )
