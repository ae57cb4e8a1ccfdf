"""API keys: every route of every API with no key, a wrong one, one without its scope and the right one."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from structlog.testing import capture_logs

from comptoir.keys import KeyFiles, make, revoke, rotate
from comptoir.suite import BUILD, know_topology
from shared import clock
from shared.guard import NEEDS, OPEN, REASONS, SIGNED, contexts, needs
from shared.keyring import Keyring
from shared.keys import ACT_AS, ALL, SCOPES
from shared.messaging.bus import LocalBus
from shared.service import application
from tests.api.conftest import Api, built
from tests.api.test_rules import a_problem, filled
from tests.conftest import Databases
from tests.eventually import eventually

pytestmark = pytest.mark.postgres

OPEN_BY_SIGNATURE = {("billing", "/webhooks/provider"), ("fulfilment", "/webhooks/carrier")}
"""Routes without a key. Reviewed one by one."""
MUG: dict[str, Any] = {"lines": [{"sku": "mug", "quantity": 1, "unit_price": "5.00"}]}


def bearer(key: str, **more: str) -> dict[str, str]:
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    return {"Authorization": f"Bearer {key}", "Idempotency-Key": uuid4().hex} | headers


@dataclass
class Guarded:
    """All four services with one file of keys."""

    apis: Mapping[str, Api]
    files: KeyFiles
    made: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def order(self) -> httpx.AsyncClient:
        return self.apis["order"].http

    def key(self, *scopes: str, name: str = "", **more: Any) -> str:
        """A key that all services know from now on."""
        made = make(self.files, name or f"caller-{uuid4().hex[:8]}", scopes, clock.now(), **more)
        self.looks()
        return made

    def with_scopes(self, scopes: Sequence[str]) -> str:
        """One for all tests that need just these."""
        wanted = tuple(sorted(scopes))
        if wanted not in self.made:
            self.made[wanted] = self.key(*wanted)
        return self.made[wanted]

    def looks(self) -> None:
        for api in self.apis.values():
            keyring = api.running.gate.keyring
            assert keyring is not None
            keyring.look()

    async def place(self, key: str, body: Any = MUG, **headers: str) -> httpx.Response:
        return await self.order.post("/orders", json=body, headers=bearer(key, **headers))

    async def denied(self, service: str, reason: str) -> float:
        text = (await self.apis[service].http.get("/metrics")).text
        said = f'comptoir_api_denied_total{{reason="{reason}",service="{service}"}} '
        return float(next(line for line in text.splitlines() if line.startswith(said)).removeprefix(said))


@pytest.fixture(scope="module")
async def guarded(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    file = tmp_path_factory.mktemp("keys") / "api_keys"
    file.write_text('{"keys": []}')
    know_topology()
    bus = LocalBus()
    made: dict[str, Api] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPTOIR_API_KEYS_FILE", str(file))
        for name, (kind, build) in BUILD.items():
            running = built(name, await databases.fresh(build(kind(_env_file=None)).metadata))
            bus.attach(running.reader)
            await running.start(bus)
            app = application(running)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            made[name] = Api(name, running, app, httpx.AsyncClient(base_url="http://us", transport=transport))
    for api in made.values():
        api.running.start_workers()
    everything = Guarded(made, KeyFiles(file))
    by = bearer(everything.with_scopes([ALL]))
    assert (await made["inventory"].http.put("/items", json={"items": [{"sku": "mug"}]}, headers=by)).is_success
    yield everything
    for api in made.values():
        await api.http.aclose()
        await api.running.stop()


def routes(api: Api) -> list[tuple[str, str, str]]:
    """(path, method, scope) of each route that a key opens."""
    found = [
        (route.path_format or "", method, NEEDS[route.endpoint].scope)
        for route in contexts(api.app.routes)
        if route.endpoint in NEEDS and NEEDS[route.endpoint] != SIGNED
        for method in sorted(route.methods or ())
    ]
    assert len(found) > 15
    return found


async def test_every_route_says_what_it_needs(guarded: Guarded) -> None:
    signed = set()
    used = set()
    for api in guarded.apis.values():
        for route in contexts(api.app.routes):
            if route.path in OPEN:
                continue
            assert route.endpoint in NEEDS, f"{api.name} {route.path} names no scope: @needs beside it"
            need = NEEDS[route.endpoint]
            used.add(need.scope)
            if need == SIGNED:
                signed.add((api.name, route.path))
    assert signed == OPEN_BY_SIGNATURE
    assert used - {""} == set(SCOPES) - {ALL, ACT_AS}, "a scope that opens nothing"


@pytest.mark.parametrize("name", list(BUILD))
async def test_every_route_is_opened_by_its_own_scope_only(guarded: Guarded, name: str) -> None:
    api = guarded.apis[name]
    everything_else = set(SCOPES) - {ALL, ACT_AS}
    for path, method, scope in routes(api):
        where = f"{method} {name}{path}"
        asked = (method, filled(path))
        nobody = await api.http.request(*asked, headers={"Idempotency-Key": "k"})
        assert "Authorization: Bearer" in a_problem(nobody, 401)["title"], where
        assert nobody.headers["www-authenticate"] == 'Bearer realm="comptoir"'
        wrong = await api.http.request(*asked, headers=bearer("comptoir_" + "0" * 49))
        a_problem(wrong, 401)
        assert 'error="invalid_token"' in wrong.headers["www-authenticate"], where
        other = await api.http.request(*asked, headers=bearer(guarded.with_scopes(everything_else - {scope})))
        assert scope in a_problem(other, 403)["title"], where
        assert f'scope="{scope}"' in other.headers["www-authenticate"]
        for key in (guarded.with_scopes([scope]), guarded.with_scopes([ALL])):
            let_in = await api.http.request(*asked, headers=bearer(key))
            assert let_in.status_code != 401, where
            assert "www-authenticate" not in let_in.headers, f"{where}: {let_in.text}"


async def test_what_is_no_key_of_ours_is_refused(guarded: Guarded) -> None:
    good = guarded.with_scopes(["orders:read"])
    assert (await guarded.order.get("/orders", headers={"Authorization": f"bearer {good}"})).status_code == 200
    shown = [
        good,
        f"Basic {good}",
        f"Bearer {good[:-1]}",
        f"Bearer {good}x",
        f"Bearer {good[:-1]}{'a' if good[-1] != 'a' else 'b'}",
        "Bearer",
        "Bearer \xff",
        f"Bearer {good}, Bearer {good}",
    ]
    for value in shown:
        a_problem(await guarded.order.get("/orders", headers={"Authorization": value.encode("latin-1")}), 401)
    twice = [("Authorization", f"Bearer {good}"), ("Authorization", "Bearer x")]
    a_problem(await guarded.order.get("/orders", headers=twice), 401)
    a_problem(await guarded.order.get(f"/orders?key={good}"), 401)


async def test_what_is_open_stays_open_and_webhooks_are_known_by_their_signature(guarded: Guarded) -> None:
    for api in guarded.apis.values():
        for path in ("/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs"):
            assert (await api.http.get(path)).status_code == 200, path
        for path in ("/metrics/", "//metrics", "/health/live/x", "/no/such/page"):
            a_problem(await api.http.get(path), 401)
    for service, path in OPEN_BY_SIGNATURE:
        refused = await guarded.apis[service].http.post(path, content=b"{}")
        assert "www-authenticate" not in refused.headers
        assert "signature" in a_problem(refused, 401)["title"]


async def test_a_body_is_not_read_of_who_has_no_key(guarded: Guarded) -> None:
    read = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"{"

    a_problem(await guarded.order.post("/orders", content=pieces(), headers={"Idempotency-Key": "k"}), 401)
    large = {"Content-Length": str(1 << 30), "Idempotency-Key": "k"}
    a_problem(await guarded.order.post("/orders", headers=large), 401)


async def history(guarded: Guarded, order_id: str, what: str = "actor") -> list[str]:
    said = await guarded.order.get(f"/orders/{order_id}/history", headers=bearer(guarded.with_scopes(["orders:read"])))
    return [entry[what] for entry in said.json()["items"]]


async def test_the_name_of_the_key_stands_in_the_history(guarded: Guarded) -> None:
    shop = guarded.key("orders:place", "orders:change", name="shop-nl")
    placed = await guarded.place(shop)
    assert placed.status_code == 201, placed.text
    assert "shop-nl" in await history(guarded, placed.json()["id"])
    same = await guarded.place(shop, X_Actor="shop-nl")
    assert same.status_code == 201, "its own name is no other's"
    for headers in ({"X_Actor": "anna"}, {"X_Roles": "admin"}, {"X_Actor": "shop-nl", "X_Roles": ""}):
        refused = await guarded.place(shop, **headers)
        assert ACT_AS in a_problem(refused, 403)["title"]


async def test_who_may_act_as_others_is_believed(guarded: Guarded) -> None:
    office = guarded.key("orders:place", "orders:change", ACT_AS, name="office")
    placed = (await guarded.place(office, X_Actor="anna")).json()["id"]
    assert "anna" in await history(guarded, placed)
    assert "office" not in await history(guarded, placed)
    path = f"/orders/{placed}/hold"
    held = await guarded.order.post(path, json={"reason": "look"}, headers=bearer(office))
    assert held.status_code == 200, held.text
    assert "office" in await history(guarded, placed), "without a name it acts for itself"


async def test_roles_are_believed_of_who_may_act_as_others_only(guarded: Guarded) -> None:
    """The limit of a refund goes by roles: a key that claims them would raise its own."""
    billing = guarded.apis["billing"]
    office = guarded.key("refunds:write", ACT_AS)
    body = {"refund_id": str(uuid4()), "currency": "EUR", "reason": "gift", "lines": [{"line_no": 1, "amount": "1.00"}]}
    for key, headers, status in (
        (guarded.with_scopes(["refunds:write"]), {"X_Roles": "finance"}, 403),
        (office, {"X_Roles": "finance", "X_Actor": "flo"}, 404),
    ):
        answer = await billing.http.post(f"/orders/{uuid4()}/refunds", json=body, headers=bearer(key, **headers))
        assert (answer.status_code == 403) == (status == 403), answer.text


async def test_two_callers_may_take_the_same_idempotency_key_and_a_new_key_of_one_may_not(guarded: Guarded) -> None:
    one, two = guarded.key("orders:place", name="north-shop"), guarded.key("orders:place", name="south-shop")
    first = await guarded.place(one, Idempotency_Key="order-1")
    other = await guarded.place(two, {**MUG, "priority": 5}, Idempotency_Key="order-1")
    assert (first.status_code, other.status_code) == (201, 201)
    assert first.json()["id"] != other.json()["id"]
    renewed = rotate(guarded.files, "north-shop", clock.now())
    guarded.looks()
    assert (await guarded.place(renewed, Idempotency_Key="order-1")).json() == first.json()


# Channels


async def test_a_key_of_a_channel_places_there_only(guarded: Guarded) -> None:
    key = guarded.key("orders:place", "orders:read", channel="market")
    refused = a_problem(await guarded.place(key, {**MUG, "channel": "web"}), 403)
    assert refused["errors"][0]["pointer"] == "#/channel"
    for body in (MUG, {**MUG, "channel": "market"}):
        placed = (await guarded.place(key, body)).json()["id"]
        assert (await guarded.order.get(f"/orders/{placed}", headers=bearer(key))).json()["channel"] == "market"
    orders = [{**MUG, "order_id": str(uuid4())}, {**MUG, "order_id": str(uuid4()), "channel": "web"}]
    for path in ("/orders/batch", "/orders/batch/preview"):
        answer = await guarded.order.post(path, json={"orders": orders}, headers=bearer(key))
        assert a_problem(answer, 403)["errors"][0]["pointer"] == "#/orders/1/channel"
    answer = await guarded.order.post("/orders/batch/preview", json={"orders": orders[:1]}, headers=bearer(key))
    assert [each["status"] for each in answer.json()["outcomes"]] == [201]
    a_problem(await guarded.order.get(f"/orders/{orders[0]['order_id']}", headers=bearer(key)), 404)
    answer = await guarded.order.post("/orders/batch", json={"orders": orders[:1]}, headers=bearer(key))
    assert [each["status"] for each in answer.json()["outcomes"]] == [201]


async def test_orders_of_another_channel_are_not_there_for_it(guarded: Guarded) -> None:
    key = guarded.key("orders:place", "orders:read", "orders:change", "stock:read", channel="fair")
    mine = (await guarded.place(key)).json()
    theirs = (await guarded.place(guarded.with_scopes(["orders:place"]), {**MUG, "channel": "web"})).json()
    http, by = guarded.order, bearer(key)
    seen = 0
    for path, method, scope in routes(guarded.apis["order"]):
        if scope not in ("orders:read", "orders:change") or "{" not in path:
            continue
        seen += 1
        there, not_there = (
            path.replace("{order_id}", each["id"]).replace("{number}", each["number"]) for each in (mine, theirs)
        )
        a_problem(await http.request(method, not_there, json={}, headers=bearer(key)), 404)
        assert (await http.request(method, there, json={}, headers=bearer(key))).status_code != 404, path
        for strange in ("{" + theirs["id"] + "}", "urn:uuid:" + theirs["id"], theirs["id"].replace("-", "")):
            if "{order_id}" in path:
                other = await http.request(method, path.replace("{order_id}", strange), json={}, headers=bearer(key))
                assert other.status_code in (404, 422), f"{path} {strange}"
    assert seen > 12
    listed = (await http.get("/orders?limit=200", headers=by)).json()["items"]
    assert [each["id"] for each in listed] == [mine["id"]]
    assert (await http.get("/orders?channel=fair", headers=by)).json()["items"] == listed
    a_problem(await http.get("/orders?channel=web", headers=by), 403)
    a_problem(await http.get("/orders?channel=fair&channel=web", headers=by), 403)
    assert (await http.get(f"/orders/summaries?id={mine['id']}", headers=by)).status_code == 200
    a_problem(await http.get(f"/orders/summaries?id={mine['id']}&id={theirs['id']}", headers=by), 404)
    a_problem(await http.get("/orders/by-number/%00", headers=by), 422)
    assert (await guarded.apis["inventory"].http.get("/availability?sku=mug", headers=by)).status_code == 200
    assert "order.cancel_order.v1" in await history(guarded, mine["id"], "trigger")
    assert not {each for each in await history(guarded, theirs["id"], "trigger") if "cancel" in each or "hold" in each}


async def test_a_key_of_a_channel_gets_no_scope_that_is_about_all(guarded: Guarded) -> None:
    for scope, about in SCOPES.items():
        if about.channels == "no":
            with pytest.raises(ValueError, match="bound to a channel"):
                guarded.key(scope, channel="market")
    with pytest.raises(ValueError, match="judge"):
        needs("orders:read")
    with pytest.raises(ValueError, match="no route needs it"):
        needs(ALL)


# Ends, limits, files


async def test_a_key_that_has_expired_says_so_and_opens_nothing(guarded: Guarded) -> None:
    key = guarded.key("orders:read", expires_at=clock.now() + timedelta(days=1))
    gate = guarded.apis["order"].running.gate
    assert (await guarded.order.get("/orders", headers=bearer(key))).status_code == 200
    assert gate.keyring is not None
    assert 86_000 < gate.keyring.ends_s(clock.now()) <= 86_400
    now, gate.now = gate.now, lambda: clock.now() + timedelta(days=1)
    try:
        assert "expired" in a_problem(await guarded.order.get("/orders", headers=bearer(key)), 401)["title"]
        assert gate.keyring.ends_s(gate.now()) == float("inf")
    finally:
        gate.now = now


async def test_a_key_is_replaced_without_a_gap_and_then_revoked(guarded: Guarded) -> None:
    old = guarded.key("orders:read", name="turning")
    new = rotate(guarded.files, "turning", clock.now())
    guarded.looks()
    for key in (old, new):
        assert (await guarded.order.get("/orders", headers=bearer(key))).status_code == 200
    ids = [key.id for key in guarded.files.read() if key.name == "turning"]
    revoke(guarded.files, "turning", ids[0])
    guarded.looks()
    a_problem(await guarded.order.get("/orders", headers=bearer(old)), 401)
    assert (await guarded.order.get("/orders", headers=bearer(new))).status_code == 200


async def test_a_changed_file_is_seen_by_a_request(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anybody who tells the service to look."""
    key = make(guarded.files, "fresh", ["orders:read"], clock.now())
    monkeypatch.setattr(Keyring, "LOOKS_EVERY_S", 0.0)
    assert (await guarded.order.get("/orders", headers=bearer(key))).status_code == 200
    revoke(guarded.files, "fresh")
    a_problem(await guarded.order.get("/orders", headers=bearer(key)), 401)


async def test_a_wrong_file_keeps_the_keys_from_before_and_alarms(guarded: Guarded) -> None:
    key, file = guarded.with_scopes(["orders:read"]), guarded.files.place
    good = file.read_text()

    async def figure() -> str:
        text = (await guarded.apis["order"].http.get("/metrics")).text
        return next(line[-3:] for line in text.splitlines() if line.startswith("comptoir_api_keys_wrong{"))

    assert await figure() == "0.0"
    record = json.loads(good)["keys"][0]
    broken = ["", "{", '{"keys": [{}]}', json.dumps({"keys": [record, record]}), json.dumps({"keys": [], "more": 1})]
    for text in broken:
        file.chmod(0o644)
        file.write_text(text)
        with capture_logs() as logs:
            assert await figure() == "1.0", text
        assert [line["log_level"] for line in logs] == ["error"], text
        assert record["sha256"] not in str(logs)
        assert (await guarded.order.get("/orders", headers=bearer(key))).status_code == 200
    file.unlink()
    assert await figure() == "1.0"
    file.write_text(good)
    assert await figure() == "0.0"
    assert (await guarded.order.get("/orders", headers=bearer(key))).status_code == 200


async def test_a_key_asks_as_often_as_it_may(guarded: Guarded) -> None:
    key = guarded.key("orders:read", per_minute=3, name="busy")
    other = rotate(guarded.files, "busy", clock.now())
    guarded.looks()
    gate = guarded.apis["order"].running.gate
    moment = clock.now()
    now, gate.now = gate.now, lambda: moment
    try:
        answers = [await guarded.order.get("/orders", headers=bearer(each)) for each in (key, other, key, other)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        a_problem(answers[-1], 429)
        assert answers[-1].headers["retry-after"] == "60"
        moment += timedelta(seconds=60)
        assert (await guarded.order.get("/orders", headers=bearer(key))).status_code == 200
    finally:
        gate.now = now


async def test_who_is_not_let_in_is_counted_and_told_of_without_the_key(guarded: Guarded) -> None:
    lost = guarded.key("orders:read", name="lost")
    revoke(guarded.files, "lost")
    poor = guarded.key("stock:read", name="poor")
    guarded.looks()
    guarded.apis["order"].running.gate.told.seen.clear()
    before = {reason: await guarded.denied("order", reason) for reason in REASONS}
    with capture_logs() as logs:
        for _ in range(30):
            await guarded.order.get("/orders", headers=bearer(lost))
        await guarded.order.get("/orders", headers=bearer(poor))
        await guarded.order.get("/orders", headers=bearer(poor, X_Actor="anna"))
    after = {reason: await guarded.denied("order", reason) - before[reason] for reason in REASONS}
    assert after == dict.fromkeys(REASONS, 0) | {"wrong": 30, "scope": 1, "actor": 1}
    assert len([line for line in logs if line["reason"] == "wrong"]) == 20, "the rest is only counted"
    assert lost not in str(logs)
    scope = next(line for line in logs if line["reason"] == "scope")
    assert (scope["key"], scope["needs"], scope["route"]) == ("poor", "orders:read", "GET /orders")


# From outside

OUTSIDE = {"X_Comptoir_Outside": "1"}


async def test_from_outside_nobody_acts_as_others(guarded: Guarded) -> None:
    shop, office = guarded.with_scopes(["orders:place"]), guarded.key(ALL, ACT_AS, name="inner")
    assert (await guarded.place(shop, **OUTSIDE)).status_code == 201
    assert "inside only" in a_problem(await guarded.place(office, **OUTSIDE), 403)["title"]


async def test_without_keys_all_is_as_it_was_and_nobody_comes_from_outside(apis: Mapping[str, Api]) -> None:
    for api in apis.values():
        assert "security" not in json.dumps(api.described)
        for path, method, scope in routes(api):
            outside = await api.http.request(method, filled(path), headers={"X-Comptoir-Outside": "1"})
            assert "no API keys" in a_problem(outside, 403)["title"], scope
    placed = await apis["order"].http.post("/orders", json=MUG, headers={"Idempotency-Key": "k", "X-Actor": "anna"})
    assert placed.status_code == 201
    said = (await apis["order"].http.get(f"/orders/{placed.json()['id']}/history")).json()["items"]
    assert "anna" in [entry["actor"] for entry in said]


async def test_openapi_names_the_scope_of_every_operation(guarded: Guarded) -> None:
    for api in guarded.apis.values():
        assert api.described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
        wanted = {(path, method.lower()): scope for path, method, scope in routes(api)}
        for path, method, said in api.operations():
            scope = wanted.pop((path, method), None)
            assert said.get("security") == ([{"key": [scope]}] if scope else None), path
            if scope:
                assert {"401", "403", "429"} <= set(said["responses"])
        assert not wanted


async def test_what_a_parked_message_needs_is_the_name_of_the_key(guarded: Guarded) -> None:
    """Acts on parked messages demand X-Actor; a key is its own."""
    key = guarded.with_scopes(["parked:write"])
    answer = await guarded.order.post("/parked/replay", json={}, headers=bearer(key))
    assert (answer.status_code, answer.json()) == (200, [])


async def test_events_go_on_between_guarded_services(guarded: Guarded) -> None:
    """Keys are for HTTP; the bus needs none."""
    placed = (await guarded.place(guarded.with_scopes(["orders:place"]))).json()["id"]
    reader = bearer(guarded.with_scopes(["warehouse:read"]))

    async def known() -> bool:
        return (await guarded.apis["inventory"].http.get(f"/orders/{placed}", headers=reader)).status_code == 200

    await eventually(known)
