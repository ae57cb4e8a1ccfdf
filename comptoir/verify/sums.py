"""What PostgreSQL sums: stock, ledger, series, documents and their history."""

from collections import defaultdict
from decimal import Decimal

import asyncpg

from comptoir.invariants import money, orders, purchases, stock, transfers, value
from comptoir.verify.audit import ALL, SOME_ORDERS, Audit, stream

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
BOUGHT_LINES = """
    select coalesce(l.number, e.reference), coalesce(l.state, ''), coalesce(l.sku, e.sku), coalesce(l.quantity, 0),
           coalesce(l.received, 0), coalesce(r.pieces, 0), coalesce(greatest(0, e.quantity - e.received), 0),
           l.expected_on, e.expected_on
    from (select * from purchase_lines join purchase_orders using (purchase_id) where {chosen}) l
    full join (select * from expected where purchase_id is not null and {chosen}) e
         on (e.purchase_id, e.sku, e.warehouse) = (l.purchase_id, l.sku, l.warehouse)
    left join (select purchase_id, sku, sum(on_hand)::bigint as pieces from movements join purchase_acts using (cause)
               where kind = 'receipt' and what = 'received' and {chosen} group by 1, 2) r
         on (r.purchase_id, r.sku) = (coalesce(l.purchase_id, e.purchase_id), coalesce(l.sku, e.sku))
    order by 1, 3
"""
BOUGHT = """
    select number, state, version, l.open, l.received, a.acts, a.newest
    from purchase_orders o
    join lateral (select coalesce(sum(greatest(0, quantity - received)), 0)::bigint as open,
                         coalesce(sum(received), 0)::bigint as received
                  from purchase_lines l where l.purchase_id = o.purchase_id) l on true
    join lateral (select count(*)::int as acts, coalesce(max(version), 0) as newest
                  from purchase_acts a where a.purchase_id = o.purchase_id) a on true
    order by number
"""
MOVED_LINES = """
    select coalesce(l.number, e.reference, m.number), coalesce(l.state, ''), coalesce(l.sku, e.sku, m.sku),
           coalesce(l.sent, 0), coalesce(l.received, 0), coalesce(l.lost, 0),
           coalesce(m.out, 0), coalesce(m.came, 0), coalesce(m.gone, 0), coalesce(m.under_way, 0),
           coalesce(greatest(0, e.quantity - e.received), 0)
    from (select * from transfer_lines join transfers using (transfer_id) where {chosen}) l
    full join (select * from expected where transfer_id is not null and {chosen}) e
         on (e.transfer_id, e.sku, e.warehouse) = (l.transfer_id, l.sku, l.destination)
    full join (select transfer_id, number, sku,
                      -(sum(on_hand) filter (where warehouse = source and in_transit > 0))::bigint as out,
                      (sum(on_hand) filter (where warehouse = destination and in_transit < 0))::bigint as came,
                      -(sum(in_transit) filter (where kind = 'transfer_loss'))::bigint as gone,
                      sum(in_transit)::bigint as under_way
               from movements join transfer_acts using (cause) join transfers using (transfer_id)
               where kind in ('transfer', 'transfer_loss') and {chosen} group by 1, 2, 3) m
         on (m.transfer_id, m.sku) = (coalesce(l.transfer_id, e.transfer_id), coalesce(l.sku, e.sku))
    order by 1, 3
"""
WORTHS = """
    select sku, coalesce(c.seq, 0), coalesce(c.pieces, 0), coalesce(c.value, 0), coalesce(v.n, 0),
           coalesce(v.newest, 0), coalesce(v.pieces, 0), coalesce(v.value, 0), coalesce(v.sold, 0),
           coalesce(m.pieces, 0), coalesce(m.left_out, 0), coalesce(d.value, 0), coalesce(d.sold, 0),
           coalesce(d.last_pieces, 0), coalesce(d.last_value, 0)
    from (select * from costings where {chosen}) c
    full join (select sku, count(*) as n, max(seq) as newest, sum(pieces)::bigint as pieces, sum(value) as value,
                      coalesce(-sum(pieces) filter (where kind = 'issue'), 0)::bigint as sold
               from valuations where {chosen} group by 1) v using (sku)
    full join (select sku, sum(received_value - sold_value + returned_value + adjusted_value + changed_value) as value,
                      sum(sold)::bigint as sold, (array_agg(pieces order by day desc))[1] as last_pieces,
                      (array_agg(value order by day desc))[1] as last_value
               from costing_days where {chosen} group by 1) d using (sku)
    left join (select m.sku, (sum(m.on_hand + m.quarantined + m.in_transit)
                                filter (where v.cause is not null))::bigint as pieces,
                      count(*) filter (where v.cause is null and m.at < (
                        select looked_back_at - interval '10 minutes' from valued where name = 'stock')) as left_out
               from (select * from movements where {chosen}) m
               left join (select * from valuations where {chosen}) v on (v.cause, v.sku, v.warehouse, v.line_no, v.kind)
                                       = (m.cause, m.sku, m.warehouse, m.line_no, m.kind)
               group by 1) m using (sku)
    order by sku
"""
MOVED_WHOLE = """
    select number, state, version, l.sent, l.received, l.lost, a.acts, a.newest
    from transfers t
    join lateral (select coalesce(sum(sent), 0)::bigint as sent, coalesce(sum(received), 0)::bigint as received,
                         coalesce(sum(lost), 0)::bigint as lost
                  from transfer_lines l where l.transfer_id = t.transfer_id) l on true
    join lateral (select count(*)::int as acts, coalesce(max(version), 0) as newest
                  from transfer_acts a where a.transfer_id = t.transfer_id) a on true
    order by number
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
ENTRIES = "select entry_id, currency, sum(amount) from postings where {chosen} group by 1, 2"
NUMBERS = "select series, year, serial, number, issued_at from {} order by series, year, serial, number"
CREDITS = """
    select c.invoice, min(i.gross), sum(c.gross)
    from (select * from credit_notes where {chosen}) c left join invoices i on i.number = c.invoice
    group by 1 order by 1
"""
DEBTS = """
    select customer_id, currency, coalesce(d.owed, 0), coalesce(a.orders, 0)
    from debtors d
    full join (select debtor as customer_id, currency,
                      sum(greatest(0, least(granted, due) - invoiced)
                          + greatest(0, invoiced - credited - captured + refunded + refunding)) as orders
               from accounts where debtor <> '' and method = 'terms' group by 1, 2) a using (customer_id, currency)
    order by 1, 2
"""
GUARDED = ("invoices", "credit_notes", "postings", "refunds", "write_offs")
"""Tables whose rows, of refunds and write-offs those that were decided, no statement changes."""
GUARDS = """
    select tgrelid::regclass::text from pg_trigger
    where tgenabled in ('O', 'A')
      and tgname in (tgrelid::regclass::text || '_never_change', tgrelid::regclass::text || '_decided_stands')
"""
DOCUMENTS = """
    select '{kind}', d.{id}, d.version, d.state, coalesce(h.versions, 0), coalesce(h.newest, 0), coalesce(h.state, '')
    from (select * from {table} where {chosen}) d
    left join (select document_id, count(distinct version)::int as versions, max(version) as newest,
                      (array_agg(state order by version desc, at desc))[1] as state
               from history where {documents} group by 1) h on h.document_id = d.{id}
"""


async def check_stock(audit: Audit, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    async for record in stream(connection, SHELVES.format(chosen=ALL)):
        check_shelf(audit, stock.Shelf(*record))
    async for record in stream(connection, LINE_SUMS.format(chosen=ALL, moved=MOVED)):
        audit.check(stock.reservations_end_once, stock.LineSums(*record))
    async for record in stream(connection, BOUGHT_LINES.format(chosen=ALL)):
        check_bought(audit, purchases.BoughtLine(*record))
    async for record in stream(connection, BOUGHT):
        audit.check(purchases.state_is_what_came, purchases.Bought(*record))
    async for record in stream(connection, MOVED_LINES.format(chosen=ALL)):
        audit.check(transfers.sent_is_received_lost_or_in_transit, transfers.MovedLine(*record))
    async for record in stream(connection, MOVED_WHOLE):
        audit.check(transfers.transfers_state_is_what_came, transfers.Moved(*record))
    async for record in stream(connection, WORTHS.format(chosen=ALL)):
        check_worth(audit, value.Worth(*record))


def check_worth(audit: Audit, worth: value.Worth) -> None:
    audit.check(value.pieces_are_those_of_movements, worth)
    audit.check(value.value_is_the_sum_of_movements, worth)


def check_shelf(audit: Audit, shelf: stock.Shelf) -> None:
    audit.check(stock.on_hand_is_the_sum_of_movements, shelf)
    audit.check(stock.reserved_is_the_sum_of_reservations, shelf)
    audit.check(stock.never_oversold, shelf)


def check_bought(audit: Audit, line: purchases.BoughtLine) -> None:
    audit.check(purchases.received_is_the_sum_of_receipts, line)
    audit.check(purchases.incoming_is_what_is_left, line)


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
    async for record in stream(connection, DEBTS):
        audit.check(money.debt_is_what_orders_owe, money.Debt(*record))


async def check_documents(audit: Audit, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for kind, table in (("shipment", "shipments"), ("return", "returns")):
        sql = DOCUMENTS.format(kind=kind, id=f"{kind}_id", table=table, chosen=ALL, documents=ALL)
        async for record in stream(connection, sql):
            audit.check(orders.documents_have_their_history, orders.Document(*record))
