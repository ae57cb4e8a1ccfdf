"""The service as it runs: real PostgreSQL, its HTTP API, the other services spoken for by hand."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.order import queries, tables
from services.order.app import build
from services.order.settings import Settings
from shared.contracts.billing import InvoiceIssued, PaymentAuthorised
from shared.contracts.fulfilment import ShipmentDelivered, ShipmentDispatched
from shared.contracts.inventory import StockReserved
from shared.contracts.message import Message
from shared.messaging.bus import LocalBus
from shared.messaging.kept import Shelf
from shared.service import Running, application
from tests.conftest import Databases
from tests.order.book import HOME
from tests.order.builders import money, shipment, stock

ADDRESS = HOME.model_dump(mode="json")

pytestmark = pytest.mark.postgres


class Shop:
    """A running order service whose messages nobody else hears."""

    def __init__(self, url: str) -> None:
        self.running = Running(build(Settings(_env_file=None, database_url=url)))
        transport = httpx.ASGITransport(app=application(self.running))
        self.http = httpx.AsyncClient(base_url="http://us", transport=transport)

    async def post(self, path: str, body: Any = None, key: str = "", **headers: str) -> httpx.Response:
        given = {"Idempotency-Key": key or uuid4().hex, "X-Actor": "Piet", **headers}
        return await self.http.post(path, json=body, headers=given)

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def say(self, message: Message, order_id: str) -> None:
        reply = await self.running.desk.ask(message.model_copy(update={"order_id": UUID(order_id)}), id=uuid4())
        assert reply.status < 400, reply

    async def place(self, **fields: Any) -> dict[str, Any]:
        body = {"lines": [{"sku": "mug", "quantity": 2, "unit_price": "5.00"}], "ship_to": ADDRESS, **fields}
        answer = await self.post("/orders", body)
        assert answer.status_code == 201, answer.text
        placed: dict[str, Any] = answer.json()
        return placed

    async def in_fulfilment(self) -> str:
        order_id: str = (await self.place())["id"]
        await self.say(StockReserved(**stock(1, (1, "north", 2)).__dict__), order_id)
        await self.say(PaymentAuthorised(**money(1, "10.00").__dict__), order_id)
        return order_id


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    made = Shop(await databases.fresh(tables.metadata))
    await made.running.start(LocalBus())
    yield made
    await made.http.aclose()
    await made.running.stop()


async def test_an_order_lives_from_placing_to_completion(shop: Shop) -> None:
    order_id = await shop.in_fulfilment()
    found = await shop.get(f"/orders/{order_id}")
    assert (found["status"], found["lines"][0]["released"], found["shipments"][0]["warehouse"]) == (
        "in_fulfilment", 2, "north",
    )  # fmt: skip
    assert found["why_not_moving"] == "A shipment was asked for and the warehouse has not confirmed it yet."
    async with shop.running.reads.connect() as conn:
        order = await queries.load(conn, UUID(order_id))
    assert order is not None
    await shop.say(ShipmentDelivered(**shipment(order, 1, "delivered", version=5).__dict__), order_id)
    id = order.shipments[0].shipment_id
    await shop.say(InvoiceIssued(**money(1, 10, version=2, invoiced=[id], settled=True).__dict__), order_id)
    found = await shop.get(f"/orders/{order_id}")
    assert (found["status"], found["waits"], found["money"]["secured"]) == ("completed", [], "10")
    entries = (await shop.get(f"/orders/{order_id}/history"))["items"]
    assert [(entry["version"], entry["after"]) for entry in entries] == [
        (1, "awaiting_payment"), (2, "in_fulfilment"), (3, "delivered"), (4, "completed"),
    ]  # fmt: skip
    assert entries[0]["actor"] == "Piet"
    assert await shop.get(f"/orders/by-number/{found['number']}") == found


async def test_a_statement_comes_back_from_the_table_as_it_was_kept(shop: Shop) -> None:
    order_id = await shop.in_fulfilment()
    async with shop.running.reads.connect() as conn:
        before = await queries.load(conn, UUID(order_id))
    await shop.say(StockReserved(**stock(1, (1, "north", 2)).__dict__), order_id)
    async with shop.running.reads.connect() as conn:
        assert await queries.load(conn, UUID(order_id)) == before
    assert before is not None
    assert before.stock.heard == stock(1, (1, "north", 2)).model_copy(update={"order_id": UUID(order_id)})


async def test_placing_again_with_the_same_key_is_the_same_order(shop: Shop) -> None:
    body = {"lines": [{"sku": "mug", "quantity": 1, "unit_price": "5.00"}]}
    first = await shop.post("/orders", body, key="k1")
    again = await shop.post("/orders", body, key="k1")
    assert (first.status_code, again.json()) == (201, first.json())
    other = await shop.post("/orders", {**body, "priority": 5}, key="k1")
    assert other.status_code == 422
    assert (await shop.http.post("/orders", json=body)).status_code == 400, "no key"


async def test_a_batch_answers_for_each_order(shop: Shop) -> None:
    good = {"order_id": str(uuid4()), "lines": [{"sku": "mug", "quantity": 1, "unit_price": "5.00"}]}
    bad = {"order_id": str(uuid4()), "lines": [{"sku": "nothing", "quantity": 1}]}
    answer = await shop.post("/orders/batch", {"orders": [good, bad, good]})
    assert [outcome["status"] for outcome in answer.json()["outcomes"]] == [201, 422, 201]
    nameless = await shop.post("/orders/batch", {"orders": [{"lines": good["lines"]}]})
    assert (nameless.status_code, nameless.json()["errors"][0]["field"]) == (422, "orders.0.order_id")


async def test_an_edit_needs_the_version_that_was_looked_at(shop: Shop) -> None:
    order_id = (await shop.place())["id"]
    seen = (await shop.http.get(f"/orders/{order_id}")).headers["etag"]
    body = {"more": [{"line_no": 1, "quantity": 1}]}
    assert (await shop.post(f"/orders/{order_id}/edit", body, **{"If-Match": seen})).status_code == 200
    late = await shop.post(f"/orders/{order_id}/edit", body, **{"If-Match": seen})
    assert (late.status_code, late.headers["content-type"]) == (412, "application/problem+json")
    assert "version 2, not 1" in late.json()["title"]
    assert len((await shop.get(f"/orders/{order_id}"))["lines"]) == 2


@pytest.mark.parametrize(
    ("act", "body"),
    [
        ("hold", {"reason": "second look"}),
        ("release", {"reason": "first look"}),
        ("cancel", {"lines": [{"line_no": 1, "quantity": 1}]}),
        ("returns", {"shipment_id": str(uuid4()), "lines": [{"line_no": 1, "quantity": 1}]}),
        ("edit", {"priority": 3}),
        ("accept-date", None),
    ],
)
async def test_every_act_on_an_order_heeds_the_version_that_was_looked_at(shop: Shop, act: str, body: Any) -> None:
    """A hold by a stale tag was set: the header was read by edits alone."""
    order_id = (await shop.place())["id"]
    seen = (await shop.http.get(f"/orders/{order_id}")).headers["etag"]
    await shop.post(f"/orders/{order_id}/hold", {"reason": "first look"})
    before = await shop.get(f"/orders/{order_id}")
    paths = [f"/orders/{order_id}/{act}", *([f"/orders/{order_id}/{act}/preview"] if body else [])]
    for path in paths:
        late = await shop.post(path, body, **{"If-Match": seen})
        assert late.status_code == 412, late.text
        (error,) = late.json()["errors"]
        assert (error["field"], error["in"]) == ("header.if-match", "header")
        assert "it is held at version 2, not 1" in error["message"]
    assert await shop.get(f"/orders/{order_id}") == before, "nothing was done"
    now = (await shop.http.get(f"/orders/{order_id}")).headers["etag"]
    assert (await shop.post(paths[0], body, **{"If-Match": now})).status_code != 412
    assert (await shop.post(paths[0], body, **{"If-Match": "*"})).status_code != 412


async def test_wishes_over_http(shop: Shop) -> None:
    order_id = await shop.in_fulfilment()
    held = await shop.post(f"/orders/{order_id}/hold", {"reason": "check"})
    assert held.json()["status"] == "held"
    assert (await shop.post(f"/orders/{order_id}/release", {"reason": "other"})).status_code == 409
    assert (await shop.post(f"/orders/{order_id}/release", {"reason": "check"})).status_code == 200
    shipment_id = (await shop.get(f"/orders/{order_id}"))["shipments"][0]["shipment_id"]
    early = {"shipment_id": shipment_id, "lines": [{"line_no": 1, "quantity": 1}]}
    assert (await shop.post(f"/orders/{order_id}/returns", early)).status_code == 409
    assert (await shop.post(f"/orders/{order_id}/accept-date")).status_code == 200
    assert (await shop.post(f"/orders/{order_id}/cancel", {})).json()["status"] == "cancelling"
    assert (await shop.post(f"/orders/{uuid4()}/cancel", {})).status_code == 404


async def test_lists_find_filter_and_page(shop: Shop) -> None:
    ids = [(await shop.place(channel="fair", customer_id="bob", external_id=f"F-{i}"))["id"] for i in range(3)]
    first = await shop.get("/orders", channel="fair", limit=2)
    rest = await shop.get("/orders", channel="fair", limit=2, after=first["next"])
    assert [row["id"] for row in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None
    assert {row["id"] for row in (await shop.get("/orders", customer="bob", sku="mug"))["items"]} == set(ids)
    assert (await shop.get("/orders", customer="bob", sku="cup"))["items"] == []
    assert [row["id"] for row in (await shop.get("/orders", number="f-1"))["items"]] == [ids[1]]
    assert (await shop.get("/orders", channel="fair", status="completed"))["items"] == []
    assert (await shop.get("/orders", channel="fair", to="2020-01-01T00:00:00Z"))["items"] == []
    assert (await shop.http.get("/orders", params={"after": "WzEsMl0"})).status_code == 422
    assert (await shop.http.get(f"/orders/{uuid4()}")).status_code == 404


async def test_catalogue_and_customers(shop: Shop) -> None:
    product = {"sku": "lamp", "name": "Lamp", "price": "30.00", "vat_rate": "21"}
    assert (await shop.http.put("/products", json={"products": [product]})).status_code == 200
    assert (await shop.get("/products", search="lam"))["items"][0]["price"] == "30.00"
    cup = {"sku": "cup", "name": "Cup", "brand": "Delft", "category": "Table"}
    assert (await shop.http.put("/products", json={"products": [cup]})).status_code == 200
    for asked in ({"brand": "Delft"}, {"category": "Table"}, {"sku": ["cup", "none"]}):
        assert [row["sku"] for row in (await shop.get("/products", **asked))["items"]] == ["cup"], asked
    assert (await shop.get("/products", sku=["cup", "lamp"], brand="Oak"))["items"] == []
    customer = {"customer_id": "carla", "name": "Carla", "addresses": [{"city": "Gent", "country": "BE"}]}
    assert (await shop.http.put("/customers", json={"customers": [customer]})).status_code == 200
    assert (await shop.get("/customers/carla"))["addresses"][0]["city"] == "Gent"
    assert [row["customer_id"] for row in (await shop.get("/customers", search="car"))["items"]] == ["carla"]
    assert (await shop.http.get("/customers/nobody")).status_code == 404
    assert (await shop.http.put("/channels/web", json={"name": "Web"})).status_code == 200
    order = await shop.place(lines=[{"sku": "lamp", "quantity": 1}], customer_id="carla", ship_to={})
    assert order["gross"] == "36.30"
    assert (await shop.get(f"/orders/{order['id']}"))["ship_to"]["city"] == "Gent"


async def test_spaces_around_a_sku_are_no_part_of_it(shop: Shop) -> None:
    """As in a file of products, which could not name such a product."""
    bowl = {"name": "Bowl", "price": "10.00", "vat_rate": "21"}
    assert (await shop.http.put("/products", json={"products": [{"sku": " bowl\u00a0", **bowl}]})).status_code == 200
    (known,) = (await shop.get("/products", search="bowl"))["items"]
    assert known["sku"] == "bowl"
    assert (await shop.http.put("/products/%20bowl ", json={**bowl, "price": "11.00"})).status_code == 200
    assert (await shop.get("/products/ bowl"))["price"] == (await shop.get("/products/bowl"))["price"] == "11.00"
    order = await shop.place(lines=[{"sku": "bowl ", "quantity": 1}])
    (line,) = (await shop.get(f"/orders/{order['id']}"))["lines"]
    assert (line["sku"], line["text"], order["net"]) == ("bowl", "Bowl", "11.00")
    nothing = await shop.http.put("/products", json={"products": [{"sku": "  ", **bowl}]})
    assert (nothing.status_code, nothing.json()["errors"][0]["field"]) == (422, "products.0.sku")


async def test_vat_categories_are_those_of_en_16931_and_go_with_their_rates(shop: Shop) -> None:
    wrong = {"name": "Stamp", "price": "1.00", "vat_category": "E", "vat_rate": "21"}
    one = await shop.http.put("/products/stamp", json=wrong)
    assert (one.status_code, one.json()["errors"][0]["field"]) == (422, "vat_rate")
    assert "VAT category E needs a rate of 0, not 21." in one.json()["errors"][0]["message"]
    bare = await shop.http.put("/products/stamp", json={"vat_category": "S"})
    assert (bare.status_code, bare.json()["errors"][0]["field"]) == (422, "vat_rate"), "no rate is a rate of 0"
    good = {"sku": "letter", "vat_category": "E"}
    many = await shop.http.put("/products", json={"products": [good, {"sku": "stamp", **wrong}]})
    assert (many.status_code, many.json()["errors"][0]["field"]) == (422, "products.1.vat_rate")
    unknown = await shop.http.put("/products/stamp", json={"vat_category": "X"})
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "vat_category")
    assert (await shop.get("/products", sku=["letter", "stamp"]))["items"] == []
    for sku, fields, category in (
        ("letter", good, "E"),
        ("pen", {"sku": "pen"}, "Z"),
        ("ink", {"sku": "ink", "vat_rate": 9}, "S"),
    ):
        assert (await shop.http.put("/products", json={"products": [fields]})).status_code == 200
        assert (await shop.get(f"/products/{sku}"))["vat_category"] == category
    line = {"sku": "mug", "quantity": 1, "unit_price": "100", "vat_category": "E", "vat_rate": "21"}
    single = await shop.post("/orders", {"lines": [line]})
    assert (single.status_code, single.json()["errors"][0]["field"]) == (422, "lines.0.vat_rate")
    fine = {"order_id": str(uuid4()), "lines": [{**line, "vat_rate": "0"}]}
    batch = (await shop.post("/orders/batch", {"orders": [fine, {"order_id": str(uuid4()), "lines": [line]}]})).json()
    assert [outcome["status"] for outcome in batch["outcomes"]] == [201, 422]
    assert "lines.0.vat_rate" in str(batch["outcomes"][1])


async def test_an_order_without_a_street_is_taken_and_held_until_the_address_is_whole_oms14(shop: Shop) -> None:
    placed = await shop.place(ship_to={**ADDRESS, "street": []})
    found = await shop.get(f"/orders/{placed['id']}")
    assert (placed["status"], found["holds"]) == ("held", ["address: street missing"])
    assert found["why_not_moving"] == "It is held (address: street missing); somebody must release the hold."
    path = f"/orders/{placed['id']}/edit"
    half = await shop.post(path, {"ship_to": {**ADDRESS, "city": ""}})
    assert (half.status_code, half.json()["errors"][0]["field"]) == (422, "ship_to")
    assert half.json()["title"] == "Nothing can be sent to this address: city missing."
    assert (await shop.post(path, {"ship_to": ADDRESS})).json()["holds"] == []


# Previews


async def left_behind(shop: Shop, order_id: str) -> Any:
    """All that a decision could leave."""
    counts = [
        await shop.running.store._fetch(f"select count(*) from {table}")
        for table in ("outbox", "timers", "requests", "history", "calls")
    ]
    return await shop.get(f"/orders/{order_id}"), [rows[0][0] for rows in counts]


async def test_a_preview_of_a_cancel_tells_stock_money_shipments_and_changes_nothing(shop: Shop) -> None:
    order_id = await shop.in_fulfilment()
    before = await left_behind(shop, order_id)
    answer = await shop.http.post(f"/orders/{order_id}/cancel/preview", json={"reason": "changed her mind"})
    assert answer.status_code == 200, answer.text
    would = answer.json()
    assert await left_behind(shop, order_id) == before
    assert would["status"] == ["in_fulfilment", "cancelling"]
    assert would["sentences"][0] == "The status would change from in_fulfilment to cancelling."
    assert (
        "Fulfilment would be asked to pull back shipment 1 from north (2 pieces), if it is not out."
        in (would["sentences"])
    )
    assert [message["type"] for message in would["effects"]["messages"]] == ["fulfilment.cancel_shipment.v1"]
    tables = {(row["table"], row["change"]) for row in would["effects"]["rows"]}
    assert tables == {("progress", "changed"), ("shipment", "changed"), ("history", "new")}


async def test_a_preview_before_anything_was_shipped_tells_what_stock_and_money_are_asked_for(shop: Shop) -> None:
    order_id = (await shop.place(payment_token="tok_visa"))["id"]
    await shop.say(StockReserved(**stock(1, (1, "north", 2)).__dict__), order_id)
    would = (await shop.http.post(f"/orders/{order_id}/cancel/preview", json={})).json()
    assert would["lines"] == [{"line_no": 1, "sku": "mug", "cancelled": [0, 2], "reserved": [2, 0]}]
    assert would["due"] == ["10.00", "0.00"]
    assert "Inventory would be asked for 0 of mug (line 1) instead of 2." in would["sentences"]
    assert "Billing would be asked to secure 0.00 EUR instead of 10.00; 0.00 EUR is secured now." in would["sentences"]
    assert "tok_visa" not in str(would["effects"])


async def test_what_was_previewed_is_exactly_what_is_done(shop: Shop) -> None:
    order_id = await shop.in_fulfilment()
    would = (await shop.http.post(f"/orders/{order_id}/cancel/preview", json={})).json()
    sent = len(await shop.running.store._fetch("select id from outbox"))
    answer = await shop.post(f"/orders/{order_id}/cancel", {"quote": would["quote"]})
    assert (answer.status_code, answer.json()["status"]) == (200, would["status"][1])
    rows = await shop.running.store._fetch("select key from outbox order by id offset $1", sent)
    assert [row["key"] for row in rows] == [message["type"] for message in would["effects"]["messages"]]
    found = await shop.get(f"/orders/{order_id}")
    for row in would["effects"]["rows"]:
        if row["table"] == "progress":
            assert [found["version"], found["status"]] == [row["fields"][name][1] for name in ("version", "status")]


async def test_a_quote_that_went_stale_does_nothing(shop: Shop) -> None:
    """Also when the version of the order is still the same: billing said more, which shows in no status."""
    order_id = await shop.in_fulfilment()
    path = f"/orders/{order_id}/cancel"
    would = (await shop.http.post(f"{path}/preview", json={})).json()
    await shop.say(PaymentAuthorised(**money(1, "10.00", version=2).__dict__), order_id)
    found = await shop.get(f"/orders/{order_id}")
    assert found["version"] == would["version"]
    late = await shop.post(path, {"quote": would["quote"]})
    assert (late.status_code, late.headers["content-type"]) == (409, "application/problem+json")
    assert "went stale" in late.json()["title"]
    assert await shop.get(f"/orders/{order_id}") == found
    again = (await shop.http.post(f"{path}/preview", json={})).json()
    assert again["quote"] != would["quote"]
    assert (await shop.post(path, {"quote": again["quote"]})).status_code == 200


async def test_a_quote_is_the_same_from_memory_and_from_the_tables(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has kept the order's rows and one that reads them must not disagree."""
    order_id = await shop.in_fulfilment()
    path = f"/orders/{order_id}/cancel/preview"
    kept = (await shop.http.post(path, json={})).json()["quote"]
    monkeypatch.setattr(shop.running.store, "shelf", Shelf(100))
    assert (await shop.http.post(path, json={})).json()["quote"] == kept


async def test_a_preview_of_a_resumed_order_plans_its_shipment(shop: Shop) -> None:
    order_id = (await shop.place(hold="check the address"))["id"]
    await shop.say(StockReserved(**stock(1, (1, "north", 2)).__dict__), order_id)
    await shop.say(PaymentAuthorised(**money(1, "10.00").__dict__), order_id)
    path, body = f"/orders/{order_id}/release", {"reason": "check the address"}
    would = (await shop.http.post(f"{path}/preview", json=body)).json()
    assert (would["holds"], would["status"]) == ([["check the address"], []], ["held", "in_fulfilment"])
    assert "Fulfilment would be asked to ship 2 pieces from north." in would["sentences"]
    assert (await shop.post(path, {**body, "quote": would["quote"]})).json()["status"] == "in_fulfilment"
    assert (await shop.http.post(f"{path}/preview", json=body)).status_code == 409
    assert (await shop.http.post(f"/orders/{uuid4()}/release/preview", json=body)).status_code == 404


async def test_a_hold_is_previewed_too_and_goes_stale_like_the_others(shop: Shop) -> None:
    order_id = await shop.in_fulfilment()
    path, body = f"/orders/{order_id}/hold", {"reason": "check the address"}
    would = (await shop.http.post(f"{path}/preview", json=body)).json()
    assert (would["holds"], would["status"]) == ([[], ["check the address"]], ["in_fulfilment", "held"])
    assert (
        "Fulfilment would be asked to pull back shipment 1 from north (2 pieces), if it is not out."
        in (would["sentences"])
    )
    assert would["given_up"] == {"pieces": 0, "money": "0"}, "a hold gives nothing back"
    assert (await shop.get(f"/orders/{order_id}"))["holds"] == []
    assert (await shop.post(path, {"reason": "somebody else"})).status_code == 200
    late = await shop.post(path, {**body, "quote": would["quote"]})
    assert (late.status_code, "went stale" in late.json()["title"]) == (409, True)
    again = (await shop.http.post(f"{path}/preview", json=body)).json()
    assert (await shop.post(path, {**body, "quote": again["quote"]})).json()["status"] == "held"
    assert (await shop.get(f"/orders/{order_id}"))["holds"] == ["somebody else", "check the address"]


async def test_a_preview_of_a_cancel_says_what_is_given_up_also_before_a_parcel_was_pulled_back(shop: Shop) -> None:
    order_id = await shop.in_fulfilment()
    path = f"/orders/{order_id}/cancel"
    some = (await shop.http.post(f"{path}/preview", json={"lines": [{"line_no": 1, "quantity": 1}]})).json()
    assert some["given_up"] == {"pieces": 1, "money": "5.00"}
    would = (await shop.http.post(f"{path}/preview", json={})).json()
    assert would["given_up"] == {"pieces": 2, "money": "10.00"}
    said = "Billing would give back or not take 10.00 EUR for 2 pieces, if nothing of it is out."
    assert said in would["sentences"]
    await shop.post(path, {"quote": would["quote"]})
    again = (await shop.http.post(f"{path}/preview", json={})).json()
    assert again["given_up"] == {"pieces": 0, "money": "0"}, "it is wanted already"


async def test_a_preview_of_another_address_says_both_and_is_then_done_or_stale(shop: Shop) -> None:
    order_id = (await shop.place())["id"]
    path = f"/orders/{order_id}/edit"
    there = {"name": "Anna", "street": ["Kade 1", "b"], "postcode": "9711 AA", "city": "Groningen", "country": "NL"}
    wish = {"ship_to": there}
    would = (await shop.http.post(f"{path}/preview", json=wish)).json()
    went = "It would go to Anna, Kade 1, b, 9711 AA Groningen, NL instead of Anna, Oudegracht 1, Utrecht, NL."
    assert would["sentences"][0] == went
    assert (await shop.get(f"/orders/{order_id}"))["ship_to"]["city"] == "Utrecht"
    assert (await shop.post(f"/orders/{order_id}/hold", {"reason": "somebody else"})).status_code == 200
    late = await shop.post(path, {**wish, "quote": would["quote"]})
    assert (late.status_code, "went stale" in late.json()["title"]) == (409, True)
    again = (await shop.http.post(f"{path}/preview", json=wish)).json()
    assert (await shop.post(path, {**wish, "quote": again["quote"]})).status_code == 200
    assert (await shop.get(f"/orders/{order_id}"))["ship_to"]["city"] == "Groningen"


async def test_a_preview_of_more_pieces_says_what_the_order_is_worth_then(shop: Shop) -> None:
    order_id = (await shop.place())["id"]
    wish = {"more": [{"line_no": 1, "quantity": 1}]}
    would = (await shop.http.post(f"/orders/{order_id}/edit/preview", json=wish)).json()
    assert "The order would be worth 15.00 EUR instead of 10.00." in would["sentences"]
    stale = await shop.http.post(f"/orders/{order_id}/edit/preview", json=wish, headers={"If-Match": '"99"'})
    assert stale.status_code == 412


async def test_a_preview_of_a_return_changes_nothing_and_refuses_what_is_not_out(shop: Shop) -> None:
    order_id = await shop.in_fulfilment()
    (parcel,) = (await shop.get(f"/orders/{order_id}"))["shipments"]
    wish = {"shipment_id": parcel["shipment_id"], "lines": [{"line_no": 1, "quantity": 1}], "reason": "too blue"}
    path = f"/orders/{order_id}/returns"
    early = await shop.http.post(f"{path}/preview", json=wish)
    assert (early.status_code, "not on its way" in early.json()["title"]) == (409, True)
    async with shop.running.reads.connect() as conn:
        order = await queries.load(conn, UUID(order_id))
    assert order is not None
    await shop.say(ShipmentDispatched(**shipment(order, 1, "dispatched", version=4).__dict__), order_id)
    would = (await shop.http.post(f"{path}/preview", json=wish)).json()
    said = "Fulfilment would be asked to expect 1 piece of shipment 1 back."
    assert f"{said} Money and stock change when they are inspected." in would["sentences"]
    assert (await shop.get(f"/orders/{order_id}"))["returns"] == []
    assert (await shop.post(path, {**wish, "quote": "another"})).status_code == 409
    assert (await shop.post(path, {**wish, "quote": would["quote"]})).status_code == 201
