"""Reads the databases of all services and checks every invariant of comptoir.invariants over them.

It only reads, in one snapshot per database, and holds no lock that anybody waits for. What can be summed is summed by
PostgreSQL; orders are read some hundred at a time with all that the four services have of them. The auditor
(comptoir.auditor) reads and judges some orders of a suite at work with the same functions.
"""

import asyncio
import gc
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import aio_pika
import asyncpg
import httpx

from comptoir.invariants import LAWS, across, messages, money, orders, stock
from comptoir.rest import motion
from services.billing.domain import rows as billing
from services.billing.domain import rule
from services.billing.domain.journal import BANK, PREPAYMENTS, PROVIDER, RECEIVABLE
from services.billing.store import BOOKS as BILLING
from services.fulfilment.domain import rows as fulfilment
from services.fulfilment.store import BOOKS as FULFILMENT
from services.inventory.domain import rows as inventory
from services.inventory.store import BOOKS as INVENTORY
from services.order import rows as order_rows
from services.order.quantities import Order
from services.order.store import BOOKS as ORDER
from shared import clock
from shared.contracts.billing import MoneyStatement
from shared.contracts.fulfilment import ReturnStatement, ShipmentStatement
from shared.contracts.message import Statement
from shared.messaging.books import Book, Books
from shared.messaging.decision import Row
from shared.messaging.topology import Names, queues, readers_of

Connections = Mapping[str, "asyncpg.Connection[asyncpg.Record]"]
R = TypeVar("R", bound=Row)

ORDERS_AT_ONCE = 400
RECORDS_AT_ONCE = 20_000
PATIENCE = 4
"""So often, a second apart, it is looked whether a packet that was confirmed and not handled is still on its way."""


@dataclass
class Finding:
    """What one invariant came to. Not applicable: it holds at rest only, and something is on its way."""

    name: str
    checked: int = 0
    breaches: list[str] = field(default_factory=list)
    applicable: bool = True

    @property
    def good(self) -> bool:
        return not self.breaches


class Audit:
    """The findings so far, one per invariant."""

    def __init__(self, at_rest: bool) -> None:
        self.findings = {check: Finding(law.name, applicable=at_rest or not law.at_rest) for check, law in LAWS.items()}

    def check(self, check: Any, *things: Any) -> None:
        """One invariant over one snapshot. Data so wrong that the check itself fails is a breach too."""
        finding = self.findings[check]
        if not finding.applicable:
            return
        finding.checked += 1
        try:
            finding.breaches.extend(check(*things))
        except Exception as error:
            name = getattr(things[0], "name", None) or str(things[0])
            finding.breaches.append(f"{name}: cannot be checked: {error}")

    def each(self, check: Any, things: Iterable[Any]) -> None:
        for thing in things:
            self.check(check, thing)


async def verify(
    connections: Connections, *, provider_url: str = "", poison: frozenset[UUID] = frozenset()
) -> list[Finding]:
    """All invariants over the four databases, with every breach by the name of its document.

    `provider_url`: a payment provider whose book (GET /book) is compared with ours. `poison`: ids of events that may
    be parked. The topology must be known (comptoir.suite.know_topology).
    """
    still = await settled(connections)
    with without_collector():
        async with snapshots(connections):
            return await findings_of(connections, still, provider_url, poison)


@asynccontextmanager
async def snapshots(connections: Connections) -> AsyncIterator[None]:
    """One moment of each database, read only: copies first, then what they were made of."""
    async with AsyncExitStack() as stack:
        for name in sorted(connections, key=lambda name: name != "order"):
            connection = connections[name]
            await stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
            await connection.fetchval("select 1 from outbox limit 1")  # takes the snapshot
        yield


async def findings_of(
    connections: Connections, still: frozenset[UUID] | None, provider_url: str, poison: frozenset[UUID]
) -> list[Finding]:
    packets = await reconcile(connections)
    moving = await motion(connections)
    at_rest = still == packets.open and not (moving.unsent or moving.calls or moving.due)
    audit = Audit(at_rest)
    check_messages(audit, packets)
    await asyncio.gather(
        check_stock(audit, connections["inventory"]),
        check_books(audit, connections["billing"]),
        check_documents(audit, connections["fulfilment"]),
    )
    await check_desks(audit, connections, poison)
    await check_orders(audit, connections)
    await check_provider(audit, connections["billing"], provider_url)
    return [audit.findings[check] for check in sorted(LAWS, key=lambda check: int(LAWS[check].number[1:]))]


@contextmanager
def without_collector() -> Iterator[None]:
    """Snapshots have no cycles; looking for them among a million rows would take a fifth of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


# Packets, and whether anything moves


@dataclass(frozen=True, slots=True)
class Packets:
    """All packets of the suite, matched by id."""

    sent: list[messages.Sent]
    handled: list[messages.Handled]

    @property
    def open(self) -> frozenset[UUID]:
        """What has no counterpart: on its way for a moment, lost or a ghost if it stays so."""
        missing = frozenset(packet.id for packet in self.sent if packet.unhandled)
        return missing | {packet.id for packet in self.handled if packet.ghost}


async def reconcile(connections: Connections) -> Packets:
    """Matches all outboxes with all inboxes. Exact, where sums could hide a loss behind an import."""
    now = clock.now()
    outboxes = {
        name: await connection.fetch("select id, key, sent_at is not null as sent, created_at from outbox")
        for name, connection in connections.items()
    }
    inboxes = {
        name: {record["id"] for record in await connection.fetch("select id from inbox")}
        for name, connection in connections.items()
    }
    known: set[UUID] = set()
    sent: list[messages.Sent] = []
    for name, records in outboxes.items():
        for id, key, confirmed, created_at in records:
            known.add(id)
            if confirmed:
                readers = [inboxes[reader] for reader in readers_of(key) if reader in inboxes]
                if all(id in inbox for inbox in readers):
                    missing: tuple[str, ...] = ()
                else:
                    missing = tuple(r for r in readers_of(key) if r in inboxes and id not in inboxes[r])
                sent.append(messages.Sent(id, key, name, 0.0, missing))
            else:
                sent.append(messages.Sent(id, key, name, (now - created_at).total_seconds(), ()))
    handled = [messages.Handled(id, name, id in known) for name, inbox in inboxes.items() for id in inbox]
    return Packets(sent, handled)


async def settled(connections: Connections) -> frozenset[UUID] | None:
    """None while something moves. At rest: the packets that stay without a counterpart, so none if all is well.

    A packet that was confirmed and not handled is on its way for a moment. If it is the same one second after second
    and nothing else moves, it is lost, and that is for the invariants to say.
    """
    before: frozenset[UUID] | None = None
    for _ in range(PATIENCE):
        moving = await motion(connections)
        if moving.unsent or moving.calls or moving.due:
            return None
        now = (await reconcile(connections)).open
        if not now or now == before:
            return now
        before = now
        await asyncio.sleep(1.0)
    return None


def check_messages(audit: Audit, packets: Packets) -> None:
    audit.each(messages.every_reader_handled_it, packets.sent)
    audit.each(messages.sent_in_time, packets.sent)
    audit.each(messages.no_ghosts, packets.handled)


async def check_desks(audit: Audit, connections: Connections, poison: frozenset[UUID]) -> None:
    """What is parked, and the requests that were answered."""
    for name, connection in connections.items():
        for record in await connection.fetch(
            "select id, key, event_id, at, reason, body, state, resolved_at from parked order by at"
        ):
            id, *rest = record
            audit.check(messages.only_poison_is_parked, messages.Parked(id, name, *rest), poison)
        for record in await connection.fetch("select id, fingerprint, status, left(reply, 1) as reply from requests"):
            id, *rest = record
            audit.check(messages.requests_are_answered, messages.Request(id, name, *rest))


# Stock

ALL = "true"
"""Where a statement may be narrowed down, and is not."""
SOME_ORDERS = "order_id = any($1::uuid[])"
SOME_SKUS = "sku = any($1::text[])"

SHELVES = """
    select sku, warehouse, coalesce(l.on_hand, 0), coalesce(l.reserved, 0), coalesce(l.quarantined, 0),
           coalesce(m.on_hand, 0), coalesce(m.quarantined, 0), coalesce(r.reserved, 0)
    from (select * from levels where {chosen}) l
    full join (select sku, warehouse, sum(on_hand)::bigint as on_hand, sum(quarantined)::bigint as quarantined
               from movements where {chosen} group by 1, 2) m using (sku, warehouse)
    full join (select sku, warehouse, sum(reserved)::bigint as reserved
               from reservations where stocked and {chosen} group by 1, 2
               having sum(reserved) <> 0) r using (sku, warehouse)
    order by sku, warehouse
"""

LINE_SUMS = """
    select order_id, line_no, coalesce(d.sku, r.sku, ''), coalesce(d.wanted, 0), coalesce(d.backordered, 0),
           coalesce(d.rejected, 0), coalesce(r.reserved, 0), coalesce(r.issued, 0), coalesce(r.kept, 0),
           coalesce(r.issued_stocked, 0), coalesce(r.lost_stocked, 0), coalesce(m.issued, 0), coalesce(m.lost, 0)
    from (select * from demands where {chosen}) d
    full join (select order_id, line_no, min(sku) as sku, sum(reserved)::bigint as reserved,
                      sum(issued)::bigint as issued, sum(least(reserved, greatest(0, kept - issued - lost)))::bigint
                      as kept, (sum(issued) filter (where stocked))::bigint as issued_stocked,
                      (sum(lost) filter (where stocked))::bigint as lost_stocked
               from reservations where {chosen} group by 1, 2) r using (order_id, line_no)
    full join ({moved}) m using (order_id, line_no)
"""
MOVED = """
    select order_id, line_no, -(sum(on_hand) filter (where kind = 'issue'))::bigint as issued,
           -(sum(on_hand) filter (where kind = 'loss'))::bigint as lost
    from movements where order_id is not null and kind in ('issue', 'loss') group by 1, 2
"""
NOT_LOOKED_UP = f"""
    select order_id, line_no, (sum(issued) filter (where stocked))::bigint as issued, 0::bigint as lost
    from reservations where {SOME_ORDERS} group by 1, 2
"""
"""In place of MOVED for some orders: movements know no order by index."""


async def stream(connection: "asyncpg.Connection[asyncpg.Record]", sql: str) -> AsyncIterator[asyncpg.Record]:
    """Many records, some thousand at a time."""
    cursor = await connection.cursor(sql)
    while records := await cursor.fetch(RECORDS_AT_ONCE):
        for record in records:
            yield record


async def check_stock(audit: Audit, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    async for record in stream(connection, SHELVES.format(chosen=ALL)):
        check_shelf(audit, stock.Shelf(*record))
    async for record in stream(connection, LINE_SUMS.format(chosen=ALL, moved=MOVED)):
        audit.check(stock.reservations_end_once, stock.LineSums(*record))


def check_shelf(audit: Audit, shelf: stock.Shelf) -> None:
    audit.check(stock.on_hand_is_the_sum_of_movements, shelf)
    audit.check(stock.reserved_is_the_sum_of_reservations, shelf)
    audit.check(stock.never_oversold, shelf)


# Ledger, series, guards

ENTRIES = "select entry_id, currency, sum(amount) from postings where {chosen} group by 1, 2"
NUMBERS = "select series, year, serial, number, issued_at from {} order by series, year, serial, number"
CREDITS = """
    select c.invoice, min(i.gross), sum(c.gross)
    from (select * from credit_notes where {chosen}) c left join invoices i on i.number = c.invoice
    group by 1 order by 1
"""
GUARDED = ("invoices", "credit_notes", "postings", "refunds")
"""Tables whose rows, of refunds those that were decided, no statement changes."""
GUARDS = """
    select tgrelid::regclass::text from pg_trigger
    where tgenabled in ('O', 'A')
      and tgname in (tgrelid::regclass::text || '_never_change', tgrelid::regclass::text || '_decided_stands')
"""


async def check_books(audit: Audit, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    balance: dict[str, Decimal] = defaultdict(Decimal)
    async for record in stream(connection, ENTRIES.format(chosen=ALL)):
        entry = money.Entry(*record)
        balance[entry.currency] += entry.total
        audit.check(money.entries_balance, entry)
    for currency, total in balance.items():
        audit.check(money.trial_balances, currency, total)
    standing = {record[0] for record in await connection.fetch(GUARDS)}
    audit.each(money.guards_stand, (money.Guard(table, table in standing) for table in GUARDED))
    counters = {
        (record["series"], record["year"]): record["last"]
        for record in await connection.fetch("select series, year, last from series")
    }
    runs: dict[tuple[str, int], list[money.Numbered]] = {key: [] for key in counters}
    for table in ("invoices", "credit_notes"):
        async for series, year, *document in stream(connection, NUMBERS.format(table)):
            runs.setdefault((series, year), []).append(money.Numbered(*document))
    for (series, year), documents in runs.items():
        audit.check(money.numbers_have_no_hole, money.Run(series, year, counters.get((series, year)), documents))
    credited = await connection.fetch(CREDITS.format(chosen=ALL))
    audit.each(money.credited_within_invoice, [money.Credits(*record) for record in credited])


DOCUMENTS = """
    select '{kind}', d.{id}, d.version, d.state, coalesce(h.versions, 0), coalesce(h.newest, 0), coalesce(h.state, '')
    from (select * from {table} where {chosen}) d
    left join (select document_id, count(distinct version)::int as versions, max(version) as newest,
                      (array_agg(state order by version desc, at desc))[1] as state
               from history where {documents} group by 1) h on h.document_id = d.{id}
"""


async def check_documents(audit: Audit, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for kind, table in (("shipment", "shipments"), ("return", "returns")):
        sql = DOCUMENTS.format(kind=kind, id=f"{kind}_id", table=table, chosen=ALL, documents=ALL)
        async for record in stream(connection, sql):
            audit.check(orders.documents_have_their_history, orders.Document(*record))


# Orders, with all that the services have of them

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
BILLING_KINDS = (billing.Account, billing.Operation, billing.Invoice, billing.CreditNote, billing.Refund)
EXTERNALS = """
    select o.channel, o.external_id, array_agg(o.order_id order by o.order_id), min(e.order_id::text)::uuid
    from orders o left join externals e on e.ref = o.channel || ':' || o.external_id
    where o.external_id <> '' and {chosen} group by 1, 2
"""
RECEIPTS = """
    select order_id, sum(amount) from (
        select order_id, amount from bank_entries where state = 'matched' and {entries}
        union all select order_id, amount from remittances where {chosen}) each
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
BOOKED = f"""
    select order_id, split_part(entry_id, ':', 2)::int as no, sum(amount) from postings
    where kind in ('capture', 'refund') and account in ('{PROVIDER}', '{BANK}') and {{chosen}} group by 1, 2
"""


@dataclass(frozen=True, slots=True)
class Background:
    """What is small enough to be read at once."""

    timers: Mapping[UUID, frozenset[str]]
    parked: frozenset[str]
    labels: frozenset[str]  # timers of labels
    received: Mapping[UUID, Decimal]
    ledger: Mapping[UUID, Decimal]
    booked: Mapping[UUID, Mapping[int, Decimal]]


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


INVENTORY_KINDS = (inventory.StockOrder, inventory.Demand, inventory.Reservation)


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
    )


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
    for refund in purses.of(billing.Refund, order_id):
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
    )
    for check in (
        money.refunded_within_captured,
        money.held_is_billed,
        money.ledger_is_the_account,
        money.nothing_is_unknown,
        money.booked_once,
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


# The provider's book


async def check_provider(audit: Audit, connection: "asyncpg.Connection[asyncpg.Record]", url: str) -> None:
    finding = audit.findings[money.provider_agrees]
    if not url:
        finding.applicable = False
    if not finding.applicable:
        return
    ours = {
        f"{order_id}:{no}": money.Charge(kind, amount, currency, state == "done")
        for order_id, no, kind, amount, currency, state in await connection.fetch(
            "select order_id, no, kind, amount, currency, state from operations"
        )
    }
    try:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            book = (await client.get("/book")).raise_for_status().json()
        theirs = {
            of["key"]: money.Charge(of["kind"], Decimal(of["amount"]), of["currency"], of["outcome"] == "ok")
            for of in book["operations"]
        }
    except (httpx.HTTPError, ValueError, KeyError, TypeError, ArithmeticError) as error:
        finding.breaches.append(f"the provider's book at {url} cannot be read: {error!r}")
        return
    for key in Counter((*ours, *theirs)):
        audit.check(money.provider_agrees, key, ours.get(key), theirs.get(key))


async def dead_letters(rabbitmq_url: str, prefix: str = "comptoir") -> Finding:
    """The net below everything: what the broker itself gave up on lies in a service's dead-letter queue (I22)."""
    finding = Finding("I22 no message was given up by the broker")
    connection = await aio_pika.connect(rabbitmq_url, timeout=5)
    async with connection:
        channel = await connection.channel()
        for queue in queues(Names(prefix)):
            try:
                dead = await channel.declare_queue(queue.dead, passive=True)
            except aio_pika.exceptions.ChannelNotFoundEntity:
                finding.breaches.append(f"{queue.dead}: no such queue; run `comptoir topology`")
                channel = await connection.channel()
                continue
            finding.checked += 1
            if count := dead.declaration_result.message_count:
                finding.breaches.append(f"{queue.dead}: {count} messages")
    return finding
