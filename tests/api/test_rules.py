"""What every service's HTTP API promises, checked on all routes of all services."""

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.api.conftest import Api
from tests.eventually import eventually

pytestmark = pytest.mark.postgres

PROBLEM = "application/problem+json"
WITHOUT_KEY = {
    ("billing", "/orders/{order_id}/refunds/preview"): "changes nothing",
    ("billing", "/orders/{order_id}/refunds/{refund_id}/approve/preview"): "changes nothing",
    ("billing", "/orders/{order_id}/returns/preview"): "changes nothing",
    ("billing", "/orders/{order_id}/write-offs/preview"): "changes nothing",
    ("billing", "/cash-remittances/batch/preview"): "changes nothing",
    ("inventory", "/adjustments/preview"): "changes nothing",
    ("inventory", "/counts/preview"): "changes nothing",
    ("inventory", "/receipts/preview"): "changes nothing",
    ("billing", "/webhooks/provider"): "known by the provider's own event id",
    ("fulfilment", "/webhooks/carrier"): "known by the carrier's own webhook id",
    ("order", "/orders/batch/preview"): "changes nothing",
    ("order", "/products/batch/preview"): "changes nothing",
    ("inventory", "/purchase-orders/{number}/cancel/preview"): "changes nothing",
    ("inventory", "/purchase-orders/{number}/changes/preview"): "changes nothing",
    ("inventory", "/purchase-orders/{number}/close/preview"): "changes nothing",
    ("inventory", "/purchase-orders/{number}/send/preview"): "changes nothing",
    ("inventory", "/transfers/{number}/send/preview"): "changes nothing",
    ("order", "/orders/{order_id}/cancel/preview"): "changes nothing",
    ("order", "/orders/{order_id}/edit/preview"): "changes nothing",
    ("order", "/orders/{order_id}/hold/preview"): "changes nothing",
    ("order", "/orders/{order_id}/release/preview"): "changes nothing",
    ("order", "/orders/{order_id}/returns/preview"): "changes nothing",
}
"""POSTs that are safe to repeat without an Idempotency-Key, and why. Reviewed one by one."""
INSIDE = ("Traceback", "sqlalchemy", "asyncpg", "psycopg", 'File "', "services.", "relation ")


def filled(path: str) -> str:
    for name in ("order_id", "shipment_id", "return_id", "refund_id", "write_off_id", "id"):
        path = path.replace(f"{{{name}}}", str(uuid4()))
    path = path.replace("{currency}", "EUR")
    return path.replace("{", "").replace("}", "")


def a_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert not [word for word in INSIDE if word in answer.text]
    for error in body.get("errors", ()):
        assert re.fullmatch(r"[\w-]+(\.[\w-]+)*", error["field"]), f"a path in dots, as lines.0.sku: {error}"
        assert error.get("in") or error["pointer"] == "#/" + error["field"].replace(".", "/")
    return body


async def test_every_post_needs_an_idempotency_key(api: Api) -> None:
    posts = [path for path, method, _ in api.operations() if method == "post"]
    needing = [path for path in posts if (api.name, path) not in WITHOUT_KEY]
    assert len(needing) >= 3
    for path in needing:
        body = a_problem(await api.http.post(filled(path), json={}), 400)
        assert "Idempotency-Key" in body["title"], path


async def test_the_reviewed_exceptions_exist(apis: Mapping[str, Api]) -> None:
    there = {(api.name, path) for api in apis.values() for path, method, _ in api.operations() if method == "post"}
    assert set(WITHOUT_KEY) <= there


async def test_unknown_paths_and_methods_are_problems(api: Api) -> None:
    a_problem(await api.http.get("/no/such/page"), 404)
    refused = await api.http.delete("/health/live")
    a_problem(refused, 405)
    assert "GET" in refused.headers["allow"]


async def test_a_body_that_is_not_json_is_a_problem(api: Api) -> None:
    for path, method, _ in api.operations():
        if method != "post" or (api.name, path) in WITHOUT_KEY:
            continue
        headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
        answer = await api.http.post(filled(path), content=b"{", headers=headers)
        if answer.status_code != 404 and "requestBody" in api.described["paths"][path]["post"]:
            a_problem(answer, 400)


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(api: Api) -> None:
    path = next(path for path, method, said in api.operations() if method == "post" and "requestBody" in said)
    large = b" " * (4 * 1024 * 1024 + 1)
    a_problem(await api.http.post(filled(path), content=large, headers={"Idempotency-Key": "k"}), 413)

    async def pieces() -> Any:
        for _ in range(5):
            yield b" " * 1024 * 1024

    a_problem(await api.http.post(filled(path), content=pieces(), headers={"Idempotency-Key": "k"}), 413)


async def test_every_list_pages_and_bounds_its_pages(api: Api) -> None:
    lists = {
        path: {each["name"]: "something" for each in said["parameters"] if each.get("required")}
        for path, method, said in api.operations()
        if method == "get" and {"limit", "after"} <= {parameter["name"] for parameter in said.get("parameters", [])}
    }
    assert lists
    for path, must in lists.items():
        if "{" in path:
            continue
        assert (await api.http.get(path, params=must | {"limit": 200})).status_code == 200, path
        too_many = a_problem(await api.http.get(path, params=must | {"limit": 201}), 422)
        assert (too_many["errors"][0]["field"], too_many["errors"][0]["in"]) == ("query.limit", "query")
        for cursor in ("no cursor", base64.urlsafe_b64encode(b'["x","y","z","u","v"]').decode(), "W10", "\x00"):
            wrong = a_problem(await api.http.get(path, params=must | {"after": cursor}), 422)
            assert wrong["errors"][0]["field"] == "query.after", path


LISTS_WITHOUT_PAGES = {
    ("inventory", "/availability"): "as many as were asked for, at most 200",
    ("fulfilment", "/pick-list"): "the next 200 of one warehouse: what a picker fetches now",
    ("billing", "/trial-balance"): "one row per account and currency",
    ("billing", "/vat"): "one row per currency, country, category and rate",
}


async def test_what_gives_items_gives_pages(api: Api) -> None:
    for path, method, said in api.operations():
        names = {parameter["name"] for parameter in said.get("parameters", [])}
        if method != "get" or "{" in path or (api.name, path) in LISTS_WITHOUT_PAGES or "limit" in names:
            continue
        answer = await api.http.get(path)
        assert not (answer.headers["content-type"] == "application/json" and "items" in answer.json()), path


async def test_health_and_metrics(api: Api) -> None:
    assert (await api.http.get("/health/live")).json() == {"live": True, "ended": []}
    assert (await api.http.get("/health/ready")).json() == {"ready": True, "database": True, "bus": True}
    text = (await api.http.get("/metrics")).text
    for name in ("units_total", "outbox_unsent", "outbox_oldest_seconds", "parked", "database_up", "bus_connected"):
        assert f'comptoir_{name}{{service="{api.name}"}}' in text


async def test_not_ready_without_the_bus_or_the_database(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    bus, pool = api.running.bus, api.running.store.pool
    assert bus is not None
    monkeypatch.setattr(bus, "connected", lambda: False)
    answer = await api.http.get("/health/ready")
    assert (answer.status_code, answer.json()["bus"], answer.json()["database"]) == (503, False, True)
    monkeypatch.undo()
    away = await asyncpg.create_pool(min_size=0, host="127.0.0.1", port=1, database="nowhere")
    try:
        api.running.store.pool = away
        answer = await api.http.get("/health/ready")
        assert (answer.status_code, answer.json()["database"]) == (503, False)
        metrics = await api.http.get("/metrics")
        assert f'comptoir_database_up{{service="{api.name}"}} 0.0' in metrics.text
        assert "comptoir_parked" not in metrics.text
    finally:
        api.running.store.pool = pool
        await away.close()


async def test_openapi_names_every_operation_once_with_tag_and_refusals(api: Api) -> None:
    ids = [said["operationId"] for _, _, said in api.operations()]
    assert sorted(set(ids)) == sorted(ids)
    for path, method, said in api.operations():
        assert re.fullmatch("[a-z]+(_[a-z]+)*", said["operationId"]), said["operationId"]
        assert said.get("tags"), path
        assert said.get("description") or said["tags"] == ["health"], f"{method} {path} says nothing"
        for status, answer in said["responses"].items():
            if status >= "4" and not path.startswith("/health"):
                assert answer["content"] == {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}, path
        if path not in ("/health/live", "/health/ready"):
            assert "503" in said["responses"]


async def test_every_request_body_has_an_example_that_is_valid(api: Api) -> None:
    schemas = api.described["components"]["schemas"]
    for path, method, said in api.operations():
        if "requestBody" not in said:
            continue
        schema = said["requestBody"]["content"]["application/json"]["schema"]
        model = schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
        examples = model.get("examples") or [model[key] for key in ("example",) if key in model]
        nested = all("examples" in field or "example" in field for field in model.get("properties", {}).values())
        assert examples or nested, f"{method} {path}: {model.get('title')} has no example"
        for example in examples:
            headers = {"Idempotency-Key": uuid4().hex, "X-Actor": "example"}
            answer = await api.http.request(method, filled(path), json=example, headers=headers)
            wrong = answer.status_code == 422 and "the request is not valid" in answer.text
            assert not wrong, f"{method} {path}: {answer.text}"


def bodies(api: Api) -> list[tuple[str, str, dict[str, Any]]]:
    """(path, method, schema) of what each operation takes, with the schemas inside it in place."""
    schemas = api.described["components"]["schemas"]

    def inside(schema: Any) -> Any:
        if isinstance(schema, list):
            return [inside(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            return inside(schemas[schema["$ref"].rsplit("/", 1)[1]])
        return {name: inside(part) for name, part in schema.items()}

    taking = [(path, method, said) for path, method, said in api.operations() if "requestBody" in said]
    return [
        (path, method, inside(said["requestBody"]["content"]["application/json"]["schema"]))
        for path, method, said in taking
    ]


async def test_unknown_fields_are_refused_at_every_depth(api: Api) -> None:
    def open_objects(schema: Any, at: str) -> list[str]:
        if isinstance(schema, list):
            return [found for part in schema for found in open_objects(part, at)]
        if not isinstance(schema, dict):
            return []
        named = [at] if "properties" in schema and schema.get("additionalProperties") is not False else []
        return named + [found for name, part in schema.items() for found in open_objects(part, f"{at}/{name}")]

    taking = bodies(api)
    assert taking
    assert [found for path, method, schema in taking for found in open_objects(schema, f"{method} {path}")] == []
    path, method, _ = taking[0]
    headers = {"Idempotency-Key": uuid4().hex}
    answer = await api.http.request(method, filled(path), json={"no_such_field": 1}, headers=headers)
    assert "no_such_field" in [each["field"] for each in a_problem(answer, 422)["errors"]]


async def test_unknown_query_parameters_are_refused(api: Api) -> None:
    """A misspelt filter must not give all there is."""
    gets = [path for path, method, said in api.operations() if method == "get" and "health" not in said["tags"]]
    assert len(gets) > 5
    for path in gets:
        said = a_problem(await api.http.get(filled(path), params={"limits": "1"}), 422)
        assert "query.limits" in [each["field"] for each in said["errors"]], path
    assert (await api.http.get("/parked", params={"limit": 1})).status_code == 200


async def test_a_condition_is_heeded_or_refused(api: Api) -> None:
    """Who names a version must not be told that all is well by a route that never looked at it."""
    heeded = 0
    for path, method, said in api.operations():
        if method == "get":
            continue
        headers = {"Idempotency-Key": uuid4().hex, "If-Match": '"0"'}
        answer = await api.http.request(method, filled(path), json={}, headers=headers)
        if any(each["name"] == "if-match" for each in said.get("parameters", ())):
            heeded += 1
            continue
        fields = [each["field"] for each in a_problem(answer, 422)["errors"]]
        assert fields == ["header.if-match"], f"{method} {path}"
    assert heeded == {"order": 14, "inventory": 17}.get(api.name, 0)


EDITS: dict[tuple[str, str], tuple[str, dict[str, Any], dict[str, Any]]] = {
    ("order", "/products/{sku}"): ("/products/a/b", {"name": "A", "price": "1.00"}, {"name": "B", "price": "1.00"}),
    ("order", "/customers/{customer_id}"): ("/customers/c", {"name": "A"}, {"addresses": [{"city": "Utrecht"}]}),
    ("order", "/channels/{code}"): ("/channels/c", {"name": "A"}, {"name": "B"}),
    ("inventory", "/items/{sku}"): ("/items/a/b", {"name": "A"}, {"name": "A", "lead_days": 3}),
    ("inventory", "/warehouses/{code}"): ("/warehouses/w", {"name": "A"}, {"name": "A", "rank": 1}),
    ("inventory", "/suppliers/{code}"): ("/suppliers/a/b", {"name": "A"}, {"name": "A", "lead_days": 3}),
}
"""Every PUT of one thing: where, how it is made, and how it is changed."""
MADE_OTHERWISE = {
    ("inventory", "/purchase-orders/{number}"),
    ("inventory", "/transfers/{number}"),
    ("billing", "/customers/{customer_id}/credit/{currency}"),
}
"""PUTs of what another request made; test_purchases_service.py and test_transfers_service.py of tests/inventory edit
drafts by their tag. Of a credit limit, one amount that always was something, the last one said stands."""


async def test_an_edit_of_what_was_changed_meanwhile_is_refused(api: Api) -> None:
    puts = {
        (api.name, path.replace(":path", "")) for path, method, _ in api.operations() if method == "put" and "{" in path
    }
    puts -= MADE_OTHERWISE
    assert puts == {edit for edit in EDITS if edit[0] == api.name}
    for edit in puts:
        path, first, second = EDITS[edit]
        a_problem(await api.http.put(path, json=first, headers={"If-Match": "*"}), 412)
        made = await api.http.put(path, json=first)
        seen = await api.http.get(path)
        old = seen.headers["etag"]
        assert made.headers["etag"] == old
        changed = await api.http.put(path, json=second, headers={"If-Match": old})
        assert changed.status_code == 200, changed.text
        assert changed.headers["etag"] != old
        assert (await api.http.get(path)).headers["etag"] == changed.headers["etag"]
        refused = a_problem(await api.http.put(path, json=first, headers={"If-Match": old}), 412)
        assert "changed meanwhile" in refused["title"]
        again = await api.http.put(path, json=second, headers={"If-Match": old})
        assert again.status_code == 200, "the answer to this very request may have been lost"
        assert (await api.http.get(path)).json().items() >= {**second}.items() or "addresses" in second
        assert (await api.http.put(path, json=first, headers={"If-Match": "*"})).status_code == 200


async def test_an_order_is_edited_by_the_tag_that_it_was_read_with(apis: Mapping[str, Api]) -> None:
    order = apis["order"]
    await apis["inventory"].http.put("/warehouses/north", json={"name": "North"})
    await apis["inventory"].http.put("/items/jug", json={})
    wish = {"lines": [{"sku": "jug", "quantity": 1, "unit_price": "5.00"}], "payment_method": "bank_transfer"}
    placed = (await order.post("/orders", wish)).json()
    path = f"/orders/{placed['id']}"

    async def waits_for_its_transfer() -> bool:
        said = (await order.http.get(path)).json()
        return bool(said["lines"][0]["backordered"] and said["money"])

    await eventually(waits_for_its_transfer)
    tag = (await order.http.get(path)).headers["etag"]
    headers = {"Idempotency-Key": uuid4().hex, "If-Match": tag}
    edited = await order.http.post(f"{path}/edit", json={"priority": 3}, headers=headers)
    assert edited.status_code == 200, edited.text
    assert edited.headers["etag"] != tag
    headers["Idempotency-Key"] = uuid4().hex
    a_problem(await order.http.post(f"{path}/edit", json={"priority": 4}, headers=headers), 412)
    headers |= {"Idempotency-Key": uuid4().hex, "If-Match": '"abc"'}
    a_problem(await order.http.post(f"{path}/edit", json={"priority": 4}, headers=headers), 412)


async def test_a_batch_of_orders_is_answered_again_and_another_under_its_key_is_refused(
    apis: Mapping[str, Api],
) -> None:
    order = apis["order"]
    one, two = ({"order_id": str(uuid4()), **MUG} for _ in range(2))
    first = await order.post("/orders/batch", {"orders": [one]}, "many")
    assert [each["status"] for each in first.json()["outcomes"]] == [201]
    assert (await order.post("/orders/batch", {"orders": [one]}, "many")).json() == first.json()
    for other in ([one, two], [two], [{**one, "priority": 3}]):
        said = a_problem(await order.post("/orders/batch", {"orders": other}, "many"), 422)
        assert "Idempotency-Key" in said["title"]
    a_problem(await order.http.get(f"/orders/{two['order_id']}"), 404)


async def test_a_batch_that_is_still_in_flight_is_409(apis: Mapping[str, Api]) -> None:
    order = apis["order"]
    body = {"orders": [{"order_id": str(uuid4()), **MUG}]}
    connection = await asyncpg.connect(order.running.dsn)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("lock table requests in access exclusive mode")
        first = asyncio.create_task(order.post("/orders/batch", body, "slow batch"))
        await eventually(lambda: order.running.desk.asked)
        a_problem(await order.post("/orders/batch", body, "slow batch"), 409)
        await transaction.rollback()
        assert [each["status"] for each in (await first).json()["outcomes"]] == [201]
        assert (await order.post("/orders/batch", body, "slow batch")).json() == (await first).json()
    finally:
        await connection.close()


async def test_a_colleague_may_repeat_a_request(apis: Mapping[str, Api]) -> None:
    """Who asks is no part of the content: the first one's session may have ended before the answer came."""
    order, body = apis["order"].http, {"order_id": str(uuid4()), **MUG}
    answers = [
        await order.post("/orders", json=body, headers={"Idempotency-Key": "shared", "X-Actor": who})
        for who in ("anna", "ben")
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


async def test_a_count_says_why(apis: Mapping[str, Api]) -> None:
    inventory = apis["inventory"]
    await inventory.http.put("/warehouses/north", json={"name": "North"})
    await inventory.http.put("/items/cup", json={})
    count = {"warehouse": "north", "reference": "C-1", "sku": "cup", "counted": 3}
    missing = a_problem(await inventory.post("/counts", count), 422)
    assert missing["errors"][0]["field"] == "reason"
    assert (await inventory.post("/counts", {**count, "reason": "yearly count"})).status_code == 201
    (movement,) = (await inventory.http.get("/movements", params={"sku": "cup"})).json()["items"]
    assert (movement["kind"], movement["on_hand"], movement["reason"]) == ("count", 3, "yearly count")


MUG = {"lines": [{"sku": "mug", "quantity": 1, "unit_price": "5.00"}]}


async def test_the_same_request_gets_the_same_answer_and_another_is_refused(apis: Mapping[str, Api]) -> None:
    inventory = apis["inventory"].http
    await inventory.put("/warehouses/north", json={"name": "North"})
    await inventory.put("/items", json={"items": [{"sku": "mug"}]})
    entry = {"entry_id": "e1", "reference": "r", "amount": "5.00", "booked_on": "2026-03-02"}
    receipt = {"warehouse": "north", "reference": "PO-1", "lines": [{"sku": "mug", "quantity": 5}]}
    cases = [
        ("order", "/orders", MUG, {**MUG, "priority": 5}),
        ("inventory", "/receipts", receipt, {**receipt, "reference": "PO-2"}),
        ("billing", "/bank-entries", entry, {**entry, "amount": "6.00"}),
    ]
    for name, path, body, other in cases:
        first = await apis[name].post(path, body, "k")
        again = await apis[name].post(path, body, "k")
        assert first.status_code in (200, 201, 202), first.text
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        a_problem(await apis[name].post(path, other, "k"), 422)
    found = (await inventory.get("/stock/mug")).json()
    assert found["on_hand"] == 5 if "on_hand" in found else "5" in json.dumps(found)


async def test_the_same_request_while_the_first_is_in_flight_is_409(apis: Mapping[str, Api]) -> None:
    order = apis["order"]
    connection = await asyncpg.connect(order.running.dsn)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("lock table requests in access exclusive mode")
        first = asyncio.create_task(order.post("/orders", MUG, "slow"))
        await eventually(lambda: order.running.desk.working)
        a_problem(await order.post("/orders", MUG, "slow"), 409)
        await transaction.rollback()
        assert (await first).status_code == 201
        assert (await order.post("/orders", MUG, "slow")).json() == (await first).json()
    finally:
        await connection.close()


async def test_errors_name_the_field_with_a_pointer(apis: Mapping[str, Api]) -> None:
    body = {"lines": [{"sku": "mug", "quantity": 0, "unit_price": "5.00"}]}
    said = a_problem(await apis["order"].post("/orders", body), 422)["errors"][0]
    assert (said["field"], said["pointer"]) == ("lines.0.quantity", "#/lines/0/quantity")
    unknown = {"lines": [{"sku": "nobody knows it", "quantity": 1}]}
    said = a_problem(await apis["order"].post("/orders", unknown), 422)["errors"][0]
    assert said["pointer"] == "#/lines/0/sku"


async def test_a_fault_of_ours_says_nothing_of_our_insides(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """S27: no stack trace, no name of a library or a table, whatever breaks."""

    def broken(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError('asyncpg: relation "orders" does not exist in services.order')

    paths = [path for path, method, _ in api.operations() if method == "get" and "{" not in path]
    lists = {"order": "/orders", "inventory": "/stock", "fulfilment": "/shipments", "billing": "/invoices"}
    assert lists[api.name] in paths
    monkeypatch.setattr(api.running, "reads", SimpleNamespace(connect=broken))
    a_problem(await api.http.get(lists[api.name]), 500)
