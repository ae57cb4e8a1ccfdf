"""When to buy again: the formula, the position, drafts by one act and never twice (IMS-06, IMS-07, R-29)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.inventory.domain import PastDemand, Policy, propose
from shared import clock
from tests.inventory.test_service import Depot, wish

Item = dict[str, Any]
MOVED = (
    "insert into movements (cause, sku, warehouse, line_no, kind, on_hand, quarantined, reason, reference, actor, at)"
)


@pytest.mark.parametrize(
    ("demand", "lead", "point", "up_to"),
    [
        (PastDemand(84, 168, 336), 10, 20, 48),  # 2 a day, always
        (PastDemand(84, 168, 672), 10, 31, 59),  # 0 and 4 in turn: sd 2, and 1.65 x 2 x sqrt(10) = 10.4 are safety
        (PastDemand(84, 1, 1), 14, 1, 2),  # one piece in twelve weeks: 0.17 and 0.67 of safety
        (PastDemand(84, 168, 672), 0, 0, 28),  # it comes at once
        (PastDemand(84, 0, 0), 10, 0, 0),
    ],
)
def test_a_proposal_is_demand_in_the_lead_time_and_a_safety_stock(
    demand: PastDemand, lead: int, point: int, up_to: int
) -> None:
    assert propose(demand, lead, Policy()) == (point, up_to)


def test_safety_and_cover_are_the_operators() -> None:
    demand = PastDemand(84, 168, 672)
    assert propose(demand, 10, Policy(safety=Decimal(0), cover_days=1)) == (20, 22)


@pytest.fixture
async def depot(database: str) -> AsyncIterator[Depot]:
    async with Depot(database) as depot:
        for code, currency in (("mugs", "USD"), ("pots", "EUR")):
            body = {"lead_days": 10, "currency": currency}
            assert (await depot.http.put(f"/suppliers/{code}", json=body)).status_code == 200
        yield depot


async def rule(
    depot: Depot, sku: str, point: int, up_to: int, warehouse: str = "north", supplier: str = "mugs"
) -> None:
    body = {"rules": [{"sku": sku, "warehouse": warehouse, "point": point, "up_to": up_to, "supplier": supplier}]}
    answer = await depot.http.put("/reorder-rules", json=body)
    assert answer.status_code == 200, answer.text


async def advised(depot: Depot, *skus: str, **more: Any) -> list[Item]:
    found, after = [], None
    while True:
        page = await depot.get("/reorder-advice", limit=2, **more, **({"after": after} if after else {}))
        found += [row for row in page["items"] if row["sku"] in skus]
        if not (after := page["next"]):
            return found


def named(row: Item, **more: Any) -> Item:
    return {**{name: row[name] for name in ("sku", "warehouse", "quantity", "version")}, **more}


@pytest.mark.postgres
async def test_the_position_counts_what_is_promised_on_order_waited_for_and_in_drafts(depot: Depot) -> None:
    sku = await depot.sku(lead_days=3)
    await depot.receive(sku, 20)
    await rule(depot, sku, 10, 50)
    assert await advised(depot, sku) == []
    (row,) = await advised(depot, sku, all=True)
    assert (row["position"], row["quantity"], row["order_by"]) == (20, 30, None)
    await depot.say(wish(sku, 14, uuid4()))
    (row,) = await advised(depot, sku)
    assert (row["on_hand"], row["reserved"], row["position"], row["quantity"]) == (20, 14, 6, 44)
    await depot.say(wish(sku, 9, uuid4(), minute=1))
    (row,) = await advised(depot, sku)
    assert (row["reserved"], row["waiting"], row["position"], row["quantity"]) == (20, 3, -3, 53)
    line = {"sku": sku, "quantity": 12, "expected_on": "2030-03-08"}
    bought = await depot.post("/purchase-orders", {"supplier": "mugs", "warehouse": "north", "lines": [line]})
    (row,) = await advised(depot, sku)
    assert (row["drafted"], row["position"], row["quantity"]) == (12, -3, 41), (
        "a draft is not ordered yet, nor forgotten"
    )
    await depot.post(f"/purchase-orders/{bought.json()['number']}/send", {})
    (row,) = await advised(depot, sku)
    assert (row["drafted"], row["incoming"], row["position"], row["quantity"]) == (0, 12, 9, 41)
    loose = {"warehouse": "north", "reference": "DN-1", "sku": sku, "quantity": 2, "expected_on": "2030-03-02"}
    await depot.post("/expected-receipts", loose)
    assert await advised(depot, sku) == [], "11 are above 10"
    elsewhere = {**loose, "warehouse": "south", "reference": "DN-2"}
    await depot.post("/expected-receipts", elsewhere)
    (row,) = await advised(depot, sku, all=True)
    assert row["incoming"] == 14, "what comes elsewhere is of the other warehouse"


@pytest.mark.postgres
async def test_who_waits_counts_once_at_the_preferred_warehouse(depot: Depot) -> None:
    sku = await depot.sku()
    for warehouse in ("south", "north"):
        await rule(depot, sku, 5, 10, warehouse)
    await depot.say(wish(sku, 4, uuid4()))
    assert [(row["warehouse"], row["waiting"], row["quantity"]) for row in await advised(depot, sku)] == [
        ("north", 4, 14), ("south", 0, 10),
    ]  # fmt: skip
    await rule(depot, sku, 0, 0, "north")
    assert [(row["warehouse"], row["waiting"]) for row in await advised(depot, sku)] == [("south", 4)]


@pytest.mark.postgres
async def test_one_act_makes_a_draft_per_supplier_and_warehouse_at_the_last_cost(depot: Depot) -> None:
    skus = [await depot.sku() for _ in range(4)]
    line = {"sku": skus[0], "quantity": 1, "unit_cost": "2.35", "expected_on": "2030-03-08"}
    await depot.post("/purchase-orders", {"supplier": "mugs", "warehouse": "south", "lines": [line]})
    places = ["mugs/north", "mugs/north", "pots/north", "mugs/south"]
    for sku, place in zip(skus, places, strict=True):
        supplier, _, warehouse = place.partition("/")
        await rule(depot, sku, 5, 10, warehouse, supplier)
    rows = await advised(depot, *skus)
    body = {"lines": [named(row) for row in rows]}
    body["lines"][0]["quantity"] = 12  # a person knows better
    key = uuid4().hex
    first, again = [await depot.post("/reorder-advice/drafts", body, key) for _ in range(2)]
    assert (first.status_code, first.json()) == (201, again.json())
    made = first.json()["orders"]
    assert sorted((of["supplier"], of["warehouse"], len(of["lines"]), of["currency"]) for of in made) == [
        ("mugs", "north", 2, "USD"), ("mugs", "south", 1, "USD"), ("pots", "north", 1, "EUR"),
    ]  # fmt: skip
    lines = {line["sku"]: line for of in made for line in of["lines"]}
    assert {sku: lines[sku]["quantity"] for sku in skus} == {
        row["sku"]: n for row, n in zip(rows, (12, 10, 10, 10), strict=True)
    }
    assert (lines[skus[0]]["unit_cost"], lines[skus[1]]["unit_cost"]) == ("2.35", "0")
    day = (clock.now().date() + timedelta(days=10)).isoformat()
    assert {line["expected_on"] for line in lines.values()} == {day}
    assert await advised(depot, *skus) == [], "what is in a draft is not proposed again"


@pytest.mark.postgres
async def test_of_two_who_order_the_same_at_once_the_second_hears_it_and_orders_nothing(depot: Depot) -> None:
    sku, other = await depot.sku(), await depot.sku()
    for one in (sku, other):
        await rule(depot, one, 5, 10)
    rows = await advised(depot, sku, other)
    answers = await asyncio.gather(
        *(depot.post("/reorder-advice/drafts", {"lines": [named(row) for row in rows]}) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    found = await depot.get("/purchase-orders", sku=sku)
    assert len(found["items"]) == 1
    (row,) = await advised(depot, sku, all=True)
    await rule(depot, sku, 6, 20)
    late = await depot.post("/reorder-advice/drafts", {"lines": [named(row, quantity=3)]})
    assert (late.status_code, "went stale" in late.text) == (409, True), "the rule is another one"


@pytest.mark.postgres
async def test_a_rule_that_cannot_be_is_refused(depot: Depot) -> None:
    sku, post = await depot.sku(), await depot.sku(stocked=False)
    good = {"sku": sku, "warehouse": "north", "point": 5, "up_to": 10, "supplier": "mugs"}
    for bad, field in (
        ({"up_to": 5}, "up_to"),
        ({"supplier": "nobody"}, "supplier"),
        ({"warehouse": "moon"}, "warehouse"),
        ({"sku": post}, "sku"),
        ({"sku": "unknown"}, "sku"),
    ):
        answer = await depot.http.put("/reorder-rules", json={"rules": [good, {**good, **bad}]})
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == f"rules.1.{field}"
    none = await depot.post("/reorder-advice/drafts", {"lines": [{**named({**good, "quantity": 1, "version": 1})}]})
    assert (none.status_code, "no rule" in none.text) == (422, True)
    for rules in ([good], [good], [good, {**good, "point": 6}, good]):
        await depot.http.put("/reorder-rules", json={"rules": rules})
        (row,) = await advised(depot, sku, all=True)
        assert (row["version"], row["point"]) == (1, 5), "set to what it is, it is the same rule"


@pytest.mark.postgres
async def test_what_left_in_the_last_weeks_is_the_demand(depot: Depot, database: str) -> None:
    sku = await depot.sku()
    await rule(depot, sku, 5, 500)
    today = clock.now()
    connection = await asyncpg.connect(database)
    try:
        moved = ((1, "issue", -4), (1, "issue", -2), (8, "issue", -6), (0, "issue", -9), (85, "issue", -9))
        for days, kind, pieces in (*moved, (2, "loss", -9), (3, "receipt", 40)):
            await connection.execute(
                f"{MOVED} values ($1, $2, 'north', 0, $3, $4, 0, '', '', '', $5)",
                uuid4(), sku, kind, pieces, today - timedelta(days=days),
            )  # fmt: skip
    finally:
        await connection.close()
    (row,) = await advised(depot, sku)
    assert (row["demand"], row["demand_days"]) == (12, 84)
    point, up_to = propose(PastDemand(84, 12, 36 + 36), 10, Policy())
    assert (row["proposed_point"], row["proposed_up_to"]) == (point, up_to)
    places = (await depot.get(f"/reorder-rules/{sku}"))["items"]
    assert [(of["warehouse"], of["up_to"], of["demand"]) for of in places] == [("north", 500, 12), ("south", 0, 0)]
    assert (places[0]["proposed_point"], places[1]["version"]) == (point, 0)
    assert (await depot.http.get("/reorder-rules/unknown")).status_code == 404


@pytest.mark.postgres
async def test_until_when_to_order_is_told_by_the_demand(depot: Depot, database: str) -> None:
    sku = await depot.sku()
    await depot.receive(sku, 30)
    await rule(depot, sku, 10, 50)
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(
            f"{MOVED} values ($1, $2, 'north', 0, 'issue', -168, 0, '', '', '', $3)",
            uuid4(), sku, clock.now() - timedelta(days=5),
        )  # fmt: skip
    finally:
        await connection.close()
    (row,) = await advised(depot, sku, all=True)
    assert row["order_by"] == (clock.now().date() + timedelta(days=10)).isoformat(), "2 a day from 30 down to 10"
