"""Customers: who ordered, how often, what for; one customer with the history of orders."""

from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import figures, queries
from services.backoffice.owners import Away, Owners, Said
from services.backoffice.pages import STATUSES, English, Pages
from services.backoffice.queries import Filter, Reading
from services.backoffice.views import credit
from services.backoffice.views.cells import Cell, Column, Table, address
from services.backoffice.views.reports import share

Item = dict[str, Any]
SHOWN = 50


def where(customer_id: str) -> str:
    return f"/customers/{quote(customer_id, safe='')}"


async def page(conn: AsyncConnection, pages: Pages, q: str, after: str) -> Item:
    """The list, by number; or those whose orders a search finds."""
    w = pages.words
    if q:
        hits = await queries.list_orders(conn, Filter(q=q), limit=200)
        names = sorted({row["customer_id"] for row in hits if row["customer_id"]})[:SHOWN]
        rows = await figures.customers_named(conn, names)
    else:
        rows = await figures.customer_list(conn, after, SHOWN + 1)
    shown = rows[:SHOWN]
    columns = (
        Column(w.say("Customer")),
        Column(w.say("Place")),
        Column(w.say("Orders"), True),
        Column(w.say("First order")),
        Column(w.say("Last order")),
        Column(w.say("Returning")),
    )
    cells = [
        [
            Cell(of["name"] or of["customer_id"], where(of["customer_id"]), of["customer_id"]),
            Cell(", ".join(part for part in (of["city"], of["country"]) if part)),
            Cell(w.number(of["orders"])),
            Cell(w.day(of["first_at"])),
            Cell(w.day(of["last_at"])),
            _returning(w, of["orders"]),
        ]
        for of in shown
    ]
    older = urlencode({"after": shown[-1]["customer_id"]}) if len(rows) > SHOWN else ""
    return {
        "q": q,
        "table": Table(w.say("Customers by their number"), columns, cells),
        "first": "/customers" if after else "",
        "older": f"/customers?{older}" if older else "",
    }


def _returning(w: English, orders: int) -> Cell:
    return Cell(w.say("Returning"), badge="good") if orders > 1 else Cell(w.say("First order"), badge="")


async def one(reading: Reading, pages: Pages, owners: Owners, customer_id: str) -> Item | None:
    """All that is known of one customer; None when nobody knows this number."""
    w = pages.words
    try:
        known = dict(await owners.get("order", f"/customers/{quote(customer_id, safe='')}"))
    except (Away, Said, TypeError, ValueError):
        known = {}
    async with reading() as conn:
        sums = await figures.customer_sums(conn, customer_id)
        if not known and not sums:
            return None
        rows = await queries.list_orders(conn, Filter(customer=customer_id), limit=SHOWN + 1)
        last = rows[0] if rows else {}
        email = str(known.get("email") or last.get("email", ""))
        elsewhere = await figures.same_email(conn, email, customer_id)
    n = sum(of["orders"] for of in sums)
    first = min((of["first_at"] for of in sums), default=None)
    says = w.say("No order yet.")
    if first is not None:
        says = w.many("%(n)d order since %(day)s.", "%(n)d orders since %(day)s.", n, day=w.day(first))
    return {
        "customer_id": customer_id,
        "name": str(known.get("name") or last.get("name") or customer_id),
        "email": email,
        "says": says,
        "returning": n > 1,
        "facts": [fact for of in sums for fact in _facts(w.within(of["currency"]), of)],
        "addresses": [address({"name": "", "company": "", **a}) for a in known.get("addresses", ())],
        "elsewhere": elsewhere,
        "elsewhere_href": f"/orders?{urlencode({'q': email})}",
        "table": _orders(w, rows[:SHOWN]),
        "all": f"/orders?{urlencode({'customer': customer_id})}" if len(rows) > SHOWN else "",
        "credit": await credit.facts(owners, w, customer_id),
        "credit_href": credit.where(customer_id),
        "documents": f"/money/invoices?{urlencode({'q': customer_id})}",
    }


def _facts(w: English, of: Item) -> list[tuple[str, str]]:
    counted = of["orders"] - of["cancelled"]
    rate = share(w, of["returned"], of["shipped"]).text
    each = of["net"] / counted if counted else of["net"]
    return [
        (w.say("Bought, without VAT"), w.money(of["net"])),
        (w.say("An order, on average"), w.money(round(each, 2))),
        (w.say("Open orders"), w.number(of["open"])),
        (w.say("Cancelled orders"), w.number(of["cancelled"])),
        (
            w.say("Pieces that came back"),
            f"{w.number(of['returned'])} ({rate})",
        ),
        (w.say("Owed"), w.money(of["owed"])),
    ]


def _orders(w: English, rows: list[Item]) -> Table:
    columns = (
        Column(w.say("Order")),
        Column(w.say("State")),
        Column(w.say("Channel")),
        Column(w.say("Pieces"), True),
        Column(w.say("Total"), True),
    )
    cells = []
    for of in rows:
        text, css = STATUSES.get(of["status"], (of["status"], ""))
        cells.append(
            [
                Cell(of["number"], f"/orders/{quote(of['number'])}", w.day(of["placed_at"])),
                Cell(w.say(text), badge=css),
                Cell(of["channel"]),
                Cell(w.number(of["ordered"])),
                Cell(w.money(of["gross"], of["currency"])),
            ]
        )
    return Table(w.say("Orders, newest first"), columns, cells)
