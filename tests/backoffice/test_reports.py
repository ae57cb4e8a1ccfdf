"""Reports and customers: figures are sums of what the owners say, in the reader's days, and nothing is left out."""

import csv
import io
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from comptoir.rebuilding import rebuild
from services.backoffice import figures, tables
from services.backoffice.owners import SKUS_AT_ONCE
from services.backoffice.views.reports import TITLES, Asked
from shared.clock import now
from shared.database import normalised
from tests.backoffice.shop import ANNA, Shop
from tests.backoffice.shop import field as field_of
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
MARCH = "since=2025-03-01&until=2025-03-31"


def total(body: str, column: str) -> Decimal:
    return sum((Decimal(row[column]) for row in csv.DictReader(io.StringIO(body.removeprefix("\ufeff")))), Decimal(0))


async def imported(shop: Shop, at: str, **more: Any) -> None:
    await shop.place(placed_at=at, **more)


async def always(shop: Shop, *skus: str) -> None:
    """These can be sold without stock."""
    await shop.ask("PUT", "/inventory/items", {"items": [{"sku": sku, "stocked": False} for sku in skus]})


@pytest.fixture(scope="module")
async def filled(shop: Shop) -> Shop:
    """Some orders of one month, one at each of its ends, and some that are not of it."""
    await imported(shop, "2025-02-28T23:59:59Z", customer_id="early")
    await imported(shop, "2025-03-01T00:00:00Z", customer_id="C1", quantity=3)
    await imported(shop, "2025-03-03T10:30:00Z", customer_id="C1", channel="market")
    await imported(shop, "2025-03-31T23:59:59Z", customer_id="C2", ship_to={**ANNA, "country": "BE"})
    await imported(shop, "2025-04-01T00:00:00Z", customer_id="late")
    return shop


async def report(shop: Shop, what: str, more: str = "") -> list[dict[str, str]]:
    response = await shop.http.get(f"/reports/{what}.csv?{MARCH}{more}")
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"))))


@pytest.mark.parametrize(
    ("what", "key", "expected"),
    [
        ("revenue", "Day", {"2025-03-01": "37.50", "2025-03-03": "25.00", "2025-03-31": "25.00"}),
        ("products", "Product", {"mug": "87.50"}),
        ("customers", "Customer", {"C1": "62.50", "C2": "25.00"}),
        ("countries", "Country", {"NL": "62.50", "BE": "25.00"}),
        ("channels", "Channel", {"web": "62.50", "market": "25.00"}),
    ],
)
async def test_a_report_sums_what_was_placed_within_its_days(
    filled: Shop, what: str, key: str, expected: dict[str, str]
) -> None:
    rows = await report(filled, what)
    assert {row[key]: row["Without VAT"] for row in rows} == expected
    assert sum(int(row["Pieces"]) for row in rows) == 7
    html = await filled.page(f"/reports/{what}?{MARCH}")
    assert "<svg" in html
    for name in expected:
        assert name in html


async def test_brands_and_categories_are_summed_as_the_catalogue_names_them_now(filled: Shop) -> None:
    days = "since=2025-09-01&until=2025-09-30"

    async def rows(what: str, more: str = "") -> list[tuple[str, ...]]:
        response = await filled.http.get(f"/reports/{what}.csv?{days}{more}")
        assert response.status_code == 200, response.text
        return [tuple(row)[:4] for row in list(csv.reader(io.StringIO(response.text.removeprefix("\ufeff"))))[1:]]

    assert await rows("brands") == []
    assert "Nothing was sold." in await filled.page(f"/reports/brands?{days}")
    lines = [
        {"sku": sku, "quantity": quantity, "unit_price": price, "vat_rate": "21"}
        for sku, quantity, price in (("plate", 2, "10.00"), ("bowl", 1, "15.00"), ("x/y", 9, "1.00"))
    ]
    await always(filled, *(str(line["sku"]) for line in lines))
    await imported(filled, "2025-09-01T10:00:00Z", lines=lines)
    await imported(filled, "2025-09-02T10:00:00Z", lines=lines[:1])
    await imported(filled, "2025-09-03T10:00:00Z", lines=lines[1:2], currency="GBP")
    assert await rows("brands") == [("not named", "2", "14", "64.00")]
    assert "The catalogue names no brand of what was sold." in await filled.page(f"/reports/brands?{days}")
    listed = [
        {"sku": "plate", "brand": "Delft", "category": "Table"},
        {"sku": "bowl", "brand": "=Oak", "category": "Table"},
        {"sku": "x/y", "category": "Paper"},
    ]
    await filled.ask("PUT", "/order/products", {"products": listed})
    brands = [("Delft", "2", "4", "40.00"), ("'=Oak", "1", "1", "15.00"), ("not named", "1", "9", "9.00")]
    assert await rows("brands") == brands
    assert await rows("brands", "&by=pieces") == [brands[2], brands[0], brands[1]]
    assert await rows("categories") == [("Table", "2", "5", "55.00"), ("Paper", "1", "9", "9.00")], (
        "an order counts once"
    )
    html = await filled.page(f"/reports/categories?{days}")
    assert "Table sold most: 5 pieces for €55.00." in html
    assert "by=pieces" in html
    assert "<svg" in html
    product = await filled.page("/stock/plate")
    assert "Delft" in product
    assert "Table" in product
    assert await rows("brands", "&currency=GBP") == [("'=Oak", "1", "1", "15.00")]


async def test_a_report_asks_the_catalogue_about_more_products_than_fit_in_one_request(filled: Shop) -> None:
    many = [f"S{n:03d}" for n in range(SKUS_AT_ONCE + 1)]
    await filled.ask("PUT", "/order/products", {"products": [{"sku": sku, "category": "Many"} for sku in many]})
    lines = [{"sku": sku, "quantity": 1, "unit_price": "1.00", "vat_rate": "21"} for sku in many]
    await always(filled, *many)
    await imported(filled, "2025-10-01T10:00:00Z", lines=lines)
    body = (await filled.http.get("/reports/categories.csv?since=2025-10-01&until=2025-10-31")).text
    assert [
        (row["Category"], row["Orders"], row["Pieces"])
        for row in csv.DictReader(io.StringIO(body.removeprefix("\ufeff")))
    ] == [("Many", "1", str(len(many)))]


async def test_weekdays_and_hours_name_also_those_without_an_order(filled: Shop) -> None:
    days = await report(filled, "weekdays")
    assert [(row["Weekday"], row["Orders"]) for row in days if row["Orders"] != "0"] == [
        ("Monday", "2"),
        ("Saturday", "1"),
    ]
    assert len(days) == 7
    hours = await report(filled, "hours")
    assert {row["Hour"]: row["Orders"] for row in hours if row["Orders"] != "0"} == {
        "00:00": "1", "10:00": "1", "23:00": "1",
    }  # fmt: skip


async def test_a_cancelled_order_is_no_revenue(filled: Shop) -> None:
    placed = await filled.place(placed_at="2025-05-05T10:00:00Z")
    path = "/reports/revenue.csv?since=2025-05-01&until=2025-05-31"
    assert total((await filled.http.get(path)).text, "Orders") == 1
    await filled.ask("POST", f"/order/orders/{placed['id']}/cancel", {"reason": "changed her mind"})
    await filled.rest()
    assert total((await filled.http.get(path)).text, "Orders") == 0


async def test_vat_is_the_sum_of_billings_documents(filled: Shop) -> None:
    placed = await filled.place(quantity=4)
    owner = await filled.ask("GET", f"/order/orders/{placed['id']}")
    await filled.ship(owner["shipments"][0]["shipment_id"])
    invoices = (await filled.ask("GET", "/billing/invoices?limit=200"))["items"]
    body = (await filled.http.get("/reports/vat.csv")).text
    assert total(body, "VAT") == sum(Decimal(of["vat"]) for of in invoices) > 0
    assert total(body, "Invoiced") == sum(Decimal(of["net"]) for of in invoices)
    assert [row["VAT"] for row in await report(filled, "vat")] == [], "issued today, whenever they were placed"


async def test_lead_times_and_faults_come_from_what_happened(filled: Shop) -> None:
    placed = await filled.place(placed_at="2025-06-01T10:00:00Z")
    owner = await filled.ask("GET", f"/order/orders/{placed['id']}")
    await filled.ship(owner["shipments"][0]["shipment_id"])
    days = "since=2025-06-01&until=2025-06-30"
    steps = list(
        csv.DictReader(
            io.StringIO((await filled.http.get(f"/reports/lead-times.csv?{days}")).text.removeprefix("\ufeff"))
        )
    )
    assert {"planned → picked", "picked → packed", "packed → handed over"} <= {row["Step"] for row in steps}
    assert all(row["Orders"] == "1" and Decimal(row["Median"]) >= 0 for row in steps)
    back = list(
        csv.DictReader(io.StringIO((await filled.http.get(f"/reports/returns.csv?{days}")).text.removeprefix("\ufeff")))
    )
    assert [(row["Pieces out"], row["Pieces back"]) for row in back] == [("2", "0")]
    lost = await filled.place(placed_at="2025-07-01T10:00:00Z")
    await filled.ask("POST", f"/order/orders/{lost['id']}/cancel", {"reason": "no"})
    await filled.rest()
    rows = (await filled.http.get("/reports/perfect-orders.csv?since=2025-07-01&until=2025-07-31")).text
    found = {row["What"]: row["Orders"] for row in csv.DictReader(io.StringIO(rows.removeprefix("\ufeff")))}
    assert (found["Without a fault"], found["Pieces were given up"]) == ("0", "1")


async def test_errors_name_the_orders_and_what_went_wrong_with_each(filled: Shop) -> None:
    shop, days = filled, "since=2025-11-01&until=2025-11-30"

    async def placed(day: int, quantity: int = 2) -> tuple[dict[str, Any], str]:
        order = await shop.place(quantity=quantity, placed_at=f"2025-11-{day:02d}T10:00:00Z")
        (shipment,) = (await shop.ask("GET", f"/order/orders/{order['id']}"))["shipments"]
        return order, f"/fulfilment/shipments/{shipment['shipment_id']}"

    async def rows() -> list[dict[str, str]]:
        return list(
            csv.DictReader(
                io.StringIO((await shop.http.get(f"/reports/errors.csv?{days}")).text.removeprefix("\ufeff"))
            )
        )

    good, where = await placed(1)
    await shop.ship(where.rpartition("/")[2])
    assert await rows() == []
    assert "0 of 1 orders had an error: 0%." in await shop.page(f"/reports/errors?{days}")
    wrong, where = await placed(2)
    shipment = where.rpartition("/")[2]
    await shop.ship(shipment)
    form = {"shipment_id": shipment, "back-1": "1", "error": "wrong item", "reason": "a cup came"}
    shown = (await shop.post(f"/orders/{wrong['number']}/take-back", form, status=200)).text
    assert 'value="wrong item: a cup came"' in shown
    sent = {name: field_of(shown, name) for name in ("key", "quote", "shipment_id", "back-1")}
    await shop.post(f"/orders/{wrong['number']}/take-back", {**sent, "reason": "wrong item: a cup came"})
    bin_, where = await placed(3, 3)
    why = {"reason": "wrong_product", "note": "cups"}
    await shop.ask("POST", f"{where}/pick", {"short": [{"line_no": 1, "quantity": 1, "why": why}]})
    await shop.ask("POST", f"{where}/pack", {})
    await shop.rest()
    await shop.ask("POST", f"{where}/dispatch", {})
    address, where = await placed(4)
    await shop.ask("POST", f"{where}/reject", {"reason": "address"})
    back, where = await placed(5)
    await shop.ship(where.rpartition("/")[2])
    await shop.ask("POST", f"{where}/tracking", {"status": "refused", "at": "2026-01-02T10:00:00Z"})
    await shop.ask("PUT", "/inventory/items", {"items": [{"sku": "vase", "name": "Vase"}]})
    in_time, late, gone = [await shop.place("vase", placed_at=f"2025-11-0{day}T11:00:00Z") for day in (6, 7, 8)]
    for order in (late, gone):
        assert (await shop.ask("GET", f"/order/orders/{order['id']}"))["accepted_on"]
        promise = "update progress set accepted_on = '2025-11-20', revision = revision + 1 where order_id = $1"
        await shop.change("order", promise, order["id"])
    await shop.ask("POST", f"/order/orders/{gone['id']}/cancel", {"reason": "no"})
    await shop.receive(vase=6)
    await shop.rest()
    for order in (in_time, late):
        (shipment,) = (await shop.ask("GET", f"/order/orders/{order['id']}"))["shipments"]
        await shop.ship(shipment["shipment_id"])
        where = f"/fulfilment/shipments/{shipment['shipment_id']}/tracking"
        await shop.ask("POST", where, {"status": "delivered", "at": now().isoformat()})
    await shop.rest()
    found = {row["Order"]: row["Error"] for row in await rows()}
    assert found == {
        late["number"]: "late", back["number"]: "parcel refused", address["number"]: "wrong address",
        bin_["number"]: "wrong bin", wrong["number"]: "wrong item",
    }  # fmt: skip
    assert list(found) == [order["number"] for order in (late, back, address, bin_, wrong)], "the newest first"
    assert (await rows())[0]["Promised"] == "2025-11-20"
    html = await shop.page(f"/reports/errors?{days}")
    assert "5 of 7 orders had an error: 71.4%." in html
    assert "<svg" in html
    for text in ("Another product was sent", "Another product lay in the bin", "The address was wrong"):
        assert re.search(rf"{text}</td><td[^>]*>1</td><td[^>]*>14.3%</td>", html), text
    assert f'href="/orders/{late["number"]}"' in html
    assert not {good["number"], in_time["number"]} & set(found)
    ended = csv.DictReader(
        io.StringIO((await shop.http.get(f"/reports/perfect-orders.csv?{days}")).text.removeprefix("\ufeff"))
    )
    assert {row["What"]: row["Orders"] for row in ended}["Handed over after the promised day"] == "1"
    html = await shop.page(f"/orders/{late['number']}")
    assert "<span>promised <b>Thu 20 Nov 2025</b></span>" in html
    assert "handed over on" in html
    await rebuild(shop.database_url)
    await shop.rest()
    assert (await rows())[0]["Promised"] == "2025-11-20", "the order service keeps what was promised"
    assert "wrong item: a cup came" in await shop.page(f"/reports/returns?{days}")
    assert "falscher Artikel: a cup came" in await shop.page(f"/reports/returns?{days}", **{"Accept-Language": "de"})


async def test_backorders_are_what_inventory_said_and_the_owners_have(filled: Shop) -> None:
    """Every figure against what stands in the databases of inventory and order, counted piece by piece."""
    shop = filled
    names = {"items": [{"sku": sku, "name": sku.title()} for sku in ("lamp", "=fan")]}
    await shop.ask("PUT", "/inventory/items", names)
    served, part, gone, less = [await shop.place("lamp", n) for n in (2, 5, 3, 4)]
    await shop.place("=fan", 6, currency="GBP")
    await shop.receive(lamp=3)
    await shop.rest()
    await shop.ask("POST", f"/order/orders/{gone['id']}/cancel", {"reason": "too long"})
    await shop.ask("POST", f"/order/orders/{less['id']}/edit", {"less": [{"line_no": 1, "quantity": 1}]})
    await shop.rest()
    late = await shop.place("lamp", 1)
    await shop.receive(lamp=4)
    await shop.rest()
    own = await counted_at_the_owners(shop)
    assert {order for order, _ in own} >= {UUID(of["id"]) for of in (served, part, gone, less, late)}

    async def rows(query: str = "") -> dict[str, dict[str, str]]:
        body = (await shop.http.get(f"/reports/backorders.csv?{query}")).text
        return {row["Product"]: row for row in csv.DictReader(io.StringIO(body.removeprefix("\ufeff")))}

    for currency in ("EUR", "GBP"):
        found = await rows(f"currency={currency}")
        for sku in {line.sku for line in own.values()}:
            lines = {key: line for key, line in own.items() if line.sku == sku}
            spans = sorted(line.seconds for line in lines.values() if line.promised and not line.waiting)
            worth = sum((line.lost * line.price for line in lines.values() if line.currency == currency), Decimal(0))
            shown = found[f"'{sku}" if sku.startswith("=") else sku]
            assert int(shown["Orders"]) == len({order for order, _ in lines}), sku
            assert int(shown["Pieces"]) == sum(line.pieces for line in lines.values()), sku
            assert int(shown["Still wait"]) == sum(line.waiting for line in lines.values()), sku
            assert int(shown["Lost"]) == sum(line.lost for line in lines.values()), sku
            assert Decimal(shown[f"Worth in {currency}"]) == worth.quantize(Decimal("0.01")), sku
            assert (shown["Longest"] == "") == (not spans), sku
            if spans:
                assert abs(int(shown["Longest"]) - spans[-1]) <= 1, sku
                assert abs(int(shown["Median"]) - median(spans)) <= 1, sku
    lamp = (await rows("currency=EUR"))["lamp"]
    assert [lamp[name] for name in ("Orders", "Pieces", "Still wait", "Lost", "Worth in EUR")] == [
        "5", "15", "4", "4", "50.00",
    ]  # fmt: skip
    html = await shop.page("/reports/backorders?currency=EUR")
    lost, waiting = sum(line.lost for line in own.values()), sum(line.waiting for line in own.values())
    assert f"{lost} were cancelled meanwhile, {waiting} still wait." in html
    assert "<svg" in html
    assert "Nothing had to wait for stock." in await shop.page(f"/reports/backorders?{MARCH}"), "none began then"
    before = await rows()
    await rebuild(shop.database_url)
    await shop.rest()
    assert await rows() == before


@dataclass
class Waited:
    """A line at its owners: when each piece began to wait, and how long those did that were promised."""

    sku: str
    currency: str
    price: Decimal
    queue: list[datetime] = field(default_factory=list)
    pieces: int = 0
    promised: int = 0
    lost: int = 0
    waiting: int = 0
    began: datetime | None = None
    seconds: float = 0
    kept: int = 0


async def counted_at_the_owners(shop: Shop) -> dict[tuple[UUID, int], Waited]:
    """What waited, piece by piece over what inventory sent, with what it still holds and what the order service sold.

    It must agree with the rows that inventory has: who waits there is who waits here.
    """
    inventory = await asyncpg.connect(shop.database_url.format(service="inventory"))
    orders = await asyncpg.connect(shop.database_url.format(service="order"))
    try:
        sent = [
            told
            for record in await inventory.fetch("select body from outbox where key like 'inventory.stock\\_%'")
            for told in json.loads(record["body"])
            if "version" in told["data"]
        ]
        waits = await inventory.fetch("select order_id, line_no, backordered from demands where backordered > 0")
        sold = await orders.fetch(
            "select l.order_id, l.line_no, l.sku, l.unit_price, h.currency from lines l join orders h using (order_id)"
        )
    finally:
        await inventory.close()
        await orders.close()
    known = {(of["order_id"], of["line_no"]): of for of in sold}
    found: dict[tuple[UUID, int], Waited] = {}
    for told in sorted(sent, key=lambda told: int(told["data"]["version"])):
        data, order, at = told["data"], UUID(told["data"]["order_id"]), datetime.fromisoformat(told["time"])
        for key, line in known.items():
            if key[0] != order:
                continue
            now_waits = sum(of.get("backordered", 0) for of in data.get("lines", ()) if of["line_no"] == key[1])
            kept = sum(
                of.get(state, 0)
                for of in data.get("promises", ())
                if of["line_no"] == key[1]
                for state in ("reserved", "issued", "lost")
            )
            one = found.get(key) or Waited(line["sku"], line["currency"], line["unit_price"])
            if now_waits or key in found:
                found[key] = one
                if now_waits and not one.queue:
                    one.began = at
                while len(one.queue) < now_waits:
                    one.queue.append(at)
                    one.pieces += 1
                came = kept - one.kept
                while len(one.queue) > now_waits:
                    one.queue.pop(0)
                    one.promised, one.lost = (one.promised + 1, one.lost) if came > 0 else (one.promised, one.lost + 1)
                    came -= 1
                    if not one.queue and one.began:
                        one.seconds += (at - one.began).total_seconds()
                one.kept = kept
    held = {(of["order_id"], of["line_no"]): of["backordered"] for of in waits}
    for key, one in found.items():
        one.waiting = held.pop(key, 0)
        assert one.waiting == len(one.queue)
    assert not held
    return found


async def test_backorders_of_a_period_are_found_by_an_index_among_many_orders(databases: Databases) -> None:
    dsn = str(await databases.emptied(tables.metadata)).replace("+asyncpg", "")
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            """
            create temp table ids as select gen_random_uuid() as id, n from generate_series(1, 60000) n;
            insert into orders (order_id, seen, number, channel, external_id, customer_id, name, email, city, country,
              placed_at, status, final, holds, currency, method, gross, due, why, who, waits, skus, tracking, ordered,
              cancelled, waiting, backordered, reserved, released, shipped, returned, heard, looking, tries)
              select id, 1, 'C-' || n, '', '', '', '', '', '', '', now() - n * interval '10 minutes', 'completed', true,
              '[]', 'EUR', '', 1, 1, '', '', '[]', '[]', '[]', 1, 0, 0, 0, 0, 0, 1, 0, '[]', false, 0 from ids;
            insert into sold select id, 1, 'S' || n % 500, 'a thing', 'goods', 1, 1, 'S', 21 from ids;
            insert into backorders select id, 1, now() - n * interval '10 minutes', 1, 1, 0, 0, 60 from ids
              where n % 20 = 0;
            analyze orders; analyze sold; analyze backorders;
            """
        )
        asked: list[tuple[str, Any]] = []

        async def plan_of(figure: Callable[[AsyncConnection, figures.Period], Awaitable[Any]]) -> str:
            engine = create_async_engine(normalised(dsn))
            event.listen(engine.sync_engine, "before_cursor_execute", lambda *of: asked.append((of[2], of[3])))
            try:
                async with engine.connect() as conn:
                    await figure(conn, figures.Period(now() - timedelta(days=7), now(), "UTC", "EUR"))
            finally:
                await engine.dispose()
            statement, values = asked[-1]
            return "\n".join([row[0] for row in await connection.fetch(f"explain {statement}", *values)])

        for of in (figures.backorders, figures.backordered):
            plan = await plan_of(of)
            assert "ix_backorders_since" in plan, plan
            assert "Seq Scan" not in plan, plan
    finally:
        await connection.close()


async def test_the_outlook_sets_what_was_sold_against_what_is_free(filled: Shop) -> None:
    rows = await report(filled, "outlook")
    [there] = (await filled.ask("GET", "/inventory/availability?sku=mug"))["items"]
    free = there["available"]
    assert rows == [
        {
            "Product": "mug",
            "Sold": "7",
            "Second half against first": "-60.0",  # 5 pieces until the middle of the month, 2 after it
            "Expected in 28 days": "7",  # 6.3
            "Free": str(free),
            "Lasts days": str(free * 31 // 7),
            "Short": str(max(0, 7 - free)),
            "More from": there["more_from"] or "",
        }
    ]
    assert "sell on as in these 31 days" in await filled.page(f"/reports/outlook?{MARCH}")


async def test_lines_equal_the_orders_and_come_back_by_a_rebuild(filled: Shop) -> None:
    sums = "select o.order_id, o.net, sum(s.net) as lines from orders o join sold s using (order_id) group by 1, 2"
    before = await filled.rows(sums)
    assert before
    assert all(row["net"] == row["lines"] > 0 for row in before)
    for row in before:
        owner = await filled.ask("GET", f"/order/orders/{row['order_id']}")
        assert Decimal(owner["net"]) == row["net"]
    await rebuild(filled.database_url)
    await filled.rest()
    assert sorted(map(str, await filled.rows(sums))) == sorted(map(str, before))


async def test_an_edited_order_counts_as_it_is_now(filled: Shop) -> None:
    placed = await filled.place(placed_at="2025-08-01T10:00:00Z", hold="wait")
    where = f"/order/orders/{placed['id']}"
    await filled.ask("POST", f"{where}/edit", {"more": [{"line_no": 1, "quantity": 1}]})
    await filled.rest()
    body = (await filled.http.get("/reports/products.csv?since=2025-08-01&until=2025-08-31")).text
    assert (total(body, "Pieces"), total(body, "Without VAT")) == (3, Decimal("37.50"))


@pytest.mark.parametrize("query", ["since=x&until=y", "since=2026-03-31&until=2026-03-01", "days=0", "currency=<b>"])
async def test_days_that_make_no_sense_do_no_harm(filled: Shop, query: str) -> None:
    for what in TITLES:
        await filled.page(f"/reports/{what}?{query}")
    assert Asked.of({"since": "x"}, datetime(2026, 3, 31, tzinfo=UTC).date()).since.isoformat() == "2026-03-02"


# Customers


async def test_customers_go_by_number_and_lead_to_their_orders(filled: Shop) -> None:
    html = await filled.page("/customers")
    shown = re.findall(r'href="/customers/([^"?]+)"', html)
    assert shown == sorted(shown)
    assert {"C1", "C2", "early", "late"} <= set(shown)
    assert (
        re.findall(r'href="/customers/([^"?]+)"', await filled.page("/customers?after=C1"))
        == shown[shown.index("C1") + 1 :]
    )
    one = await filled.page("/customers/C1")
    assert "Returning" in one
    assert "2 orders since Sat 1 Mar 2025" in one
    assert "€62.50" in one
    assert one.count('href="/orders/') >= 2
    assert "Returning" not in await filled.page("/customers/C2")
    await filled.page("/customers/nobody", status=404)


async def test_a_customer_is_found_by_name_and_known_by_the_owner_too(filled: Shop) -> None:
    customer = {"customer_id": "C9", "name": "Zoë Brûlé", "addresses": [ANNA]}
    await filled.ask("PUT", "/order/customers", {"customers": [customer]})
    one = await filled.page("/customers/C9")
    assert "Zoë Brûlé" in one
    assert "Oudegracht 1" in one
    assert "/customers/C2" in await filled.page("/customers?q=anna")
    assert "No customer fits" in await filled.page("/customers?q=qqqqq")


async def test_orders_under_the_same_email_without_the_number_are_named(filled: Shop) -> None:
    await filled.place(customer_id="M1", ship_to={**ANNA, "email": "same@example.org"})
    await filled.place(ship_to={**ANNA, "email": "Same@example.org"})
    assert "1 more order under the same e-mail" in await filled.page("/customers/M1")
