"""What a replay came to, read from the databases of the services, under the names of figures.json."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import asyncpg

from comptoir.replay import ENTRY_IN, ENTRY_OUT, RETURN_WITHOUT_ORDER, Connections, Opening, Replay, Retail
from comptoir.retail.figures import Figures, figures_of, invoice_rows, movement_row, net_stock_movement, refund_matching
from comptoir.retail.plan import CreditWithoutOrder, Refund, oracle_cutoff
from comptoir.retail.reader import is_product, kind_of
from comptoir.retail.writers import InvoiceRow, MovementRow

Tree = dict[str, Any]
ZERO = Decimal(0)

SOLD = """
    select o.order_id, o.external_id, o.customer_id, o.ship_to->>'country' as country,
           to_char(o.placed_at at time zone 'UTC', 'YYYY-MM') as month,
           extract(isodow from o.placed_at at time zone 'UTC')::int - 1 as weekday,
           count(*) as lines, sum(s.shipped)::bigint as units, sum(s.shipped * l.unit_price) as amount,
           sum(round(l.quantity * l.unit_price - l.discount, 2)) as rounded
    from orders o
    join (select order_id, (x->>'line_no')::int as line_no, sum((x->>'shipped')::bigint) as shipped
          from shipments, jsonb_array_elements(heard->'lines') x
          where heard->>'state' in ('dispatched', 'delivered') group by 1, 2) s on s.order_id = o.order_id
    join lines l on l.order_id = o.order_id and l.line_no = s.line_no
    where o.channel = 'retail' and s.shipped > 0
    group by o.order_id
"""


async def sold(order: "asyncpg.Connection[asyncpg.Record]") -> dict[str, asyncpg.Record]:
    """What went out per invoice of the file, from the orders and what fulfilment stated of them."""
    return {row["external_id"]: row for row in await order.fetch(SOLD)}


def grouped(rows: Mapping[str, asyncpg.Record], key: str) -> Tree:
    groups: Tree = {}
    for row in rows.values():
        group = groups.setdefault(str(row[key]), {"invoices": 0, "lines": 0, "units": 0, "amount": ZERO})
        group["invoices"] += 1
        group["lines"] += row["lines"]
        group["units"] += row["units"]
        group["amount"] += row["amount"]
    return {name: {**group, "amount": f"{group['amount']:f}"} for name, group in sorted(groups.items())}


async def figures(replay: Replay, opening: Opening) -> Figures:
    """Only what the services can tell; the rest stays empty and is not compared."""
    connections, retail = replay.connections, replay.retail
    own = Figures()
    if opening == "oracle":
        own.allocation_oracle_partial = await allocation(connections)
        return own
    rows = await sold(connections["order"])
    invoiced = await connections["billing"].fetchrow("select count(*) as n, coalesce(sum(net), 0) as net from invoices")
    assert invoiced is not None
    own.valid_sale = {
        "lines": sum(row["lines"] for row in rows.values()),
        "invoices": invoiced["n"],
        "units": sum(row["units"] for row in rows.values()),
        "amount": f"{sum((row['amount'] for row in rows.values()), ZERO):f}",
    }
    named = [row for row in rows.values() if row["customer_id"]]
    own.valid_sale_named_customer = {
        "lines": sum(row["lines"] for row in named),
        "invoices": len(named),
        "customers": len({row["customer_id"] for row in named}),
        "units": sum(row["units"] for row in named),
        "amount": f"{sum((row['amount'] for row in named), ZERO):f}",
    }
    own.valid_sale_by_month = grouped(rows, "month")
    own.valid_sale_by_weekday_0_is_monday = grouped(rows, "weekday")
    own.refund_matching_fifo = await refunds(connections, retail)
    moved = await movements(connections, retail)
    own.net_stock_movement = net_stock_movement(moved)
    own.vat_oracle_uk_20pct = {"tax_rounded_once_per_invoice": f"{await vat(connections):f}"}
    return own


async def allocation(connections: Connections) -> Tree:
    """What inventory promised and what waits, against the oracle's opening stock."""
    inventory = connections["inventory"]
    line = await inventory.fetchrow(
        """select count(*) as lines, count(*) filter (where missing = 0) as filled,
                  count(*) filter (where missing > 0 and got > 0) as partly, count(*) filter (where got = 0) as none,
                  coalesce(sum(got), 0)::bigint as units, coalesce(sum(missing), 0)::bigint as backordered
           from (select d.backordered as missing, coalesce(sum(r.reserved + r.issued), 0) as got
                 from demands d join items i on i.sku = d.sku and i.stocked
                 left join reservations r on r.order_id = d.order_id and r.line_no = d.line_no
                 group by d.order_id, d.line_no) each"""
    )
    left = await inventory.fetchval("select coalesce(sum(on_hand - reserved), 0)::bigint from levels")
    opening = await inventory.fetchrow(
        "select coalesce(sum(on_hand), 0)::bigint as units, count(*) as skus from movements where kind = 'receipt'"
    )
    whole = await inventory.fetchrow(
        """select count(*) as n, count(*) filter (where missing = 0) as filled
           from (select d.order_id, sum(d.backordered) as missing from demands d
                 join items i on i.sku = d.sku and i.stocked group by d.order_id) each"""
    )
    assert line is not None
    assert opening is not None
    assert whole is not None
    return {
        "opening_units": opening["units"],
        "opening_skus": opening["skus"],
        "lines": line["lines"],
        "lines_filled": line["filled"],
        "lines_partly_filled": line["partly"],
        "lines_backordered": line["none"],
        "units_filled": line["units"],
        "units_backordered": line["backordered"],
        "invoices_filled_completely": whole["filled"],
        "invoices_all": whole["n"],
        "units_left": left,
    }


async def refunds(connections: Connections, retail: Retail) -> Tree:
    """Which line of the file matches which is the plan's word; units and money are what billing credited."""
    credited = await connections["billing"].fetchrow(
        """select coalesce(sum(net), 0) as net, coalesce(sum(units), 0)::bigint as units
           from (select net, (select sum((x->>'quantity')::bigint) from jsonb_array_elements(lines) x) as units
                 from credit_notes) each"""
    )
    assert credited is not None
    counted = refund_matching(retail.lines)
    return {
        **{name: counted[name] for name in ("cancellation_lines_considered", "fully_matched", "partly_matched")},
        "unmatched": counted["unmatched"],
        "units_matched": credited["units"],
        "amount_matched": f"{credited['net']:f}",
    }


async def vat(connections: Connections) -> Decimal:
    """VAT on all invoices: only UK product lines have any."""
    total: Decimal = await connections["billing"].fetchval("select coalesce(sum(vat), 0) from invoices")
    return total


async def movements(connections: Connections, retail: Retail) -> list[MovementRow]:
    """Per stock code what left and came back: products from the movements of inventory, the rest from orders and money.

    Lines that reached no service (entries without a price that are no product, bad debt) are added from the file.
    """
    counts: dict[str, list[int]] = {}  # sold, returned, written off

    def add(code: str, column: int, units: int) -> None:
        counts.setdefault(code, [0, 0, 0])[column] += units

    for row in await connections["inventory"].fetch(
        "select sku, kind, reason, sum(on_hand + quarantined)::bigint as units from movements group by 1, 2, 3"
    ):
        if row["kind"] == "issue" or row["reason"] == ENTRY_OUT:
            add(row["sku"], 0, -row["units"])
        elif row["kind"] in ("restock", "quarantine") or row["reason"] == RETURN_WITHOUT_ORDER:
            add(row["sku"], 1, row["units"])
        elif row["reason"] == ENTRY_IN:
            add(row["sku"], 2, row["units"])
    for row in await connections["order"].fetch(
        """select l.sku, sum((x->>'shipped')::bigint)::bigint as units
           from shipments s, jsonb_array_elements(s.heard->'lines') x
           join lines l on l.order_id = order_id and l.line_no = (x->>'line_no')::int
           where s.order_id = l.order_id and l.kind <> 'goods' group by 1"""
    ):
        add(row["sku"], 0, row["units"])
    for row in await connections["billing"].fetch(
        """select x->>'sku' as sku, sum((x->>'quantity')::bigint)::bigint as units
           from (select lines from credit_notes union all select lines from unmatched_credits) all_credits,
                jsonb_array_elements(lines) x group by 1"""
    ):
        if not is_product(row["sku"]):
            add(row["sku"], 1, row["units"])
    for line in retail.lines:
        if (kind_of(line) in ("no_price_out", "no_price_in") and not is_product(line.code)) or kind_of(line) in (
            "bad_debt",
            "other",
        ):
            add(line.code, 0 if line.quantity > 0 else 2, abs(line.quantity))
    return [movement_row(code, *numbers) for code, numbers in sorted(counts.items())]


async def invoices(replay: Replay) -> list[InvoiceRow]:
    """Who and when as the file has it; every amount from our own invoices, credit notes and unmatched credits."""
    connections, retail = replay.connections, replay.retail
    rows = await sold(connections["order"])
    net = {
        row["order_id"]: row["net"]
        for row in await connections["billing"].fetch("select order_id, sum(net) as net from invoices group by 1")
    }
    credited: dict[str, Decimal] = {}
    notes = {
        row["return_id"]: row["net"]
        for row in await connections["billing"].fetch("select return_id, sum(net) as net from credit_notes group by 1")
    }
    for row in await connections["order"].fetch("select return_id, reason from returns"):
        credited[row["reason"]] = credited.get(row["reason"], ZERO) + notes.get(row["return_id"], ZERO)
    for row in await connections["billing"].fetch("select reference, amount from unmatched_credits"):
        credited[row["reference"]] = credited.get(row["reference"], ZERO) + row["amount"]
    touched = {a.invoice for a in retail.plan.actions if isinstance(a, Refund | CreditWithoutOrder)}
    result: list[InvoiceRow] = []
    for of in invoice_rows(retail.lines):
        if sale := rows.get(of.invoice):
            amounts = (sale["amount"], net.get(sale["order_id"], ZERO), sale["lines"], sale["amount"])
        elif of.invoice in touched:
            amounts = (-credited.get(of.invoice, ZERO), -credited.get(of.invoice, ZERO), 0, ZERO)
        else:  # nothing of it reached a service: entries without a price, bad debt
            amounts = (of.amount_exact, of.amount_lines_rounded, 0, ZERO)
        result.append(
            replace(
                of,
                amount_exact=shaped(amounts[0], of.amount_exact),
                amount_lines_rounded=shaped(amounts[1], of.amount_lines_rounded),
                sale_lines_valid=amounts[2],
                sale_amount_valid=shaped(amounts[3], of.sale_amount_valid),
            )
        )
    return result


def shaped(amount: Decimal, like: Decimal) -> Decimal:
    """The same value written with as many decimals as the other, where it has no more itself."""
    return amount.quantize(like) if amount == like else amount


def expected(retail: Retail, opening: Opening) -> Tree:
    """What the file itself says, computed without the services."""
    first = retail.plan.first_day
    return figures_of(retail.lines, oracle_before=oracle_cutoff(first) if first else None).as_tree()
