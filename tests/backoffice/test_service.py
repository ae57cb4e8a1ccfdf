"""The read tables follow the owners, on real databases; made anew they are equal to before."""

import asyncpg
import pytest

from comptoir.rebuilding import is_new, rebuild
from comptoir.suite import BUILD
from tests.backoffice.shop import Shop
from tests.eventually import eventually

pytestmark = pytest.mark.postgres


async def shown(shop: Shop, number: str) -> dict[str, object]:
    return (await shop.rows("select * from orders where number = $1", number))[0]


async def test_an_order_is_shown_as_its_owner_has_it(shop: Shop) -> None:
    placed = await shop.place(external_id="A-1", customer_id="anna", channel="market")
    kept = await shown(shop, placed["number"])
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert kept["status"] == owner["status"] == "in_fulfilment"
    assert kept["why"] == owner["why_not_moving"]
    assert (kept["name"], kept["city"], kept["channel"], kept["external_id"]) == (
        "Anna de Vries",
        "Utrecht",
        "market",
        "A-1",
    )
    assert f"{kept['gross']:.2f}" == f"{float(owner['gross']):.2f}" == "30.25"
    assert (kept["ordered"], kept["released"], kept["who"]) == (2, 2, "warehouse")


async def test_every_step_of_an_order_is_followed(shop: Shop) -> None:
    placed = await shop.place()
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    for step, state in (("pick", "picked"), ("pack", "packed"), ("dispatch", "dispatched")):
        await shop.ask("POST", f"/fulfilment/shipments/{shipment['shipment_id']}/{step}", {})
        await shop.rest()
        (row,) = await shop.rows("select state from shipments where order_id = $1", placed["id"])
        assert row["state"] == state
    kept = await shown(shop, placed["number"])
    assert (kept["status"], kept["shipped"]) == ("shipped", 2)
    assert kept["tracking"] not in ("[]", None)


async def test_an_owner_that_is_behind_is_asked_until_it_knows(shop: Shop) -> None:
    """What inventory said is known here before the order service has handled it; the row still ends up right."""
    placed = await shop.place()
    await shop.ask("POST", f"/order/orders/{placed['id']}/cancel", {"reason": "changed her mind"})
    await shop.rest()
    kept = await shown(shop, placed["number"])
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert (kept["status"], kept["final"]) == (owner["status"], True)


async def test_made_anew_the_tables_are_equal(shop: Shop) -> None:
    await shop.place(external_id="R-1", hold="look at it")
    await shop.place("cup", 3)
    await shop.rest()
    before = await shop.everything()
    assert all(before[table] for table in ("orders", "money", "shipments", "entries"))
    done = await rebuild(shop.database_url)
    assert done.events >= len(before["entries"])
    await shop.rest()
    assert await shop.everything() == before


async def test_made_anew_without_kept_messages_the_orders_are_there_all_the_same(shop: Shop) -> None:
    """Sent messages are dropped one day; orders are not."""
    placed = await shop.place()
    before = (await shop.everything())["orders"]
    for owner in BUILD:
        connection = await asyncpg.connect(shop.database_url.format(service=owner))
        await connection.execute("delete from outbox where sent_at is not null")
        await connection.close()
    assert (await rebuild(shop.database_url)).events == 0
    await shop.rest()
    after = (await shop.everything())["orders"]
    assert [row["order_id"] for row in after] == [row["order_id"] for row in before]
    assert not await is_new(shop.database_url)
    assert (await shown(shop, placed["number"]))["seen"] > 0


async def test_an_owner_that_does_not_answer_is_asked_later(shop: Shop) -> None:
    """The address of the order service is wrong for a while: rows wait, and catch up by themselves."""
    caller = shop.suite["backoffice"].service.caller
    assert caller is not None
    owners = caller.__self__.owners  # type: ignore[attr-defined]
    over = owners.over["order"]
    owners.over["order"] = type(over)(base_url="http://127.0.0.1:9", trust_env=False, timeout=1)
    try:
        placed = await shop.ask("POST", "/order/orders", {"lines": [{"sku": "mug", "quantity": 1, "unit_price": "1"}]})
        await eventually(lambda: _tried(shop, placed["id"]))
    finally:
        await owners.over["order"].aclose()
        owners.over["order"] = over
    await shop.rest()
    assert (await shown(shop, placed["number"]))["seen"] > 0


async def _tried(shop: Shop, order_id: str) -> bool:
    rows = await shop.rows("select seen, tries from orders where order_id = $1", order_id)
    return bool(rows) and rows[0]["tries"] > 0 and rows[0]["seen"] == 0
