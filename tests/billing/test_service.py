"""Billing as it runs: tables, timers, outside calls and webhooks on PostgreSQL, and its HTTP API."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from services.billing import tables
from services.billing.app import build
from services.billing.devservices.psp import app as psp
from services.billing.domain.documents import fingerprint
from services.billing.domain.rows import Invoice
from services.billing.providers import HttpProvider
from services.billing.settings import Settings
from services.billing.store import BOOKS
from services.billing.webhooks import SIGNATURE, TIMESTAMP, sign
from shared.contracts.billing import MoneyStatement
from shared.contracts.message import Message
from shared.messaging.envelope import Packet, read
from shared.service import Running, application
from tests.billing.book import ask, give_back, ship
from tests.conftest import Databases
from tests.eventually import eventually

pytestmark = pytest.mark.postgres


class Told:
    """A bus with nobody on it: keeps what was published."""

    deadline_s: float | None = None

    def __init__(self) -> None:
        self.packets: list[Packet] = []

    async def publish(self, packet: Packet) -> None:
        self.packets.append(packet)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def healthy(self) -> bool:
        return True

    def connected(self) -> bool:
        return True


class House:
    """A running billing, its API, and a provider that it calls over HTTP and that sends webhooks back."""

    def __init__(self, database: str, folder: Path, webhooks: bool, **known: Any) -> None:
        settings = Settings(_env_file=None, database_url=database, payment_webhook_secrets="old,development", **known)
        self.database, self.webhooks = database, webhooks
        self.psp = psp.build(
            psp.Settings(
                path=folder / "psp.sqlite",
                webhook_url="http://billing/webhooks/provider" if webhooks else "",
                hang_s=0,
            ),
            _Late(lambda: self.transport),
        )
        provider = HttpProvider("http://psp", httpx.ASGITransport(self.psp))
        service = replace(build(settings), caller=provider.perform, closer=provider.close)
        self.running, self.bus = Running(service), Told()
        self.transport: httpx.AsyncBaseTransport = httpx.ASGITransport(application(self.running))
        self.http = httpx.AsyncClient(base_url="http://billing", transport=self.transport)
        self.provider = httpx.AsyncClient(base_url="http://psp", transport=httpx.ASGITransport(self.psp))

    async def say(self, *messages: Message) -> None:
        for message in messages:
            reply = await self.running.desk.ask(message, id=uuid4())
            assert reply.status < 400, reply

    async def post(self, path: str, body: Any = None, key: str = "") -> httpx.Response:
        return await self.http.post(path, json=body or {}, headers={"Idempotency-Key": key or str(uuid4())})

    async def sql(self, statement: str) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self.database)
        try:
            return [dict(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    async def account(self, order: UUID) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get(f"/accounts/{order}")).json()
        return found

    async def settled(self, order: UUID) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            account = await self.account(order)
            return account if account.get("settled") and account["invoiced"] else None

        found = await eventually(look)
        assert found
        return found

    def told(self, order: UUID) -> list[MoneyStatement]:
        said = [event.data for packet in self.bus.packets for event in read(packet.key, packet.body)]
        return [m for m in said if isinstance(m, MoneyStatement) and m.order_id == order]


class _Late(httpx.AsyncBaseTransport):
    """A transport that is known only later."""

    def __init__(self, find: Any) -> None:
        self.find = find

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = await self.find().handle_async_request(request)
        return response


@pytest.fixture(params=[False, True], ids=["answers", "answers and webhooks"])
async def house(databases: Databases, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    limits = "support=EUR 50, finance=EUR 250, admin=EUR 250, admin=JPY 30000"
    made = House(await databases.fresh(tables.metadata), tmp_path, request.param, refund_limits=limits)
    await made.running.start(made.bus)
    made.running.start_workers()
    yield made
    await made.http.aclose()
    await made.provider.aclose()
    await made.psp.state.psp.close()
    await made.running.stop()


def of(message: Any, order: UUID) -> Any:
    """The same message about another order; shipments and returns get ids of their own."""
    changes: dict[str, Any] = {"order_id": order}
    for name in ("shipment_id", "return_id"):
        if hasattr(message, name):
            changes[name] = UUID(int=getattr(message, name).int ^ order.int)
    return message.model_copy(update=changes)


async def test_a_card_order_from_ask_to_refund_and_both_books_agree(house: House) -> None:
    order = uuid4()
    await house.say(of(ask(1, 100), order))
    await eventually(lambda: [m for m in house.told(order) if m.secured == 100])
    await house.say(of(ship(1, l1=4), order), of(ship(2, l1=6), order))
    account = await house.settled(order)
    assert Decimal(account["captured"]) == 100
    await house.say(of(give_back(1, 1, l1=3), order))

    async def refunded() -> bool:
        return Decimal((await house.account(order))["refunded"]) == 30

    await eventually(refunded)
    account = await house.settled(order)
    assert Decimal(account["captured"]) - Decimal(account["refunded"]) == 70

    theirs = {
        o["key"]: (o["kind"], Decimal(o["amount"])) for o in (await house.provider.get("/book")).json()["operations"]
    }
    ours = await house.sql("select * from operations where state = 'done'")
    assert theirs == {f"{o['order_id']}:{o['no']}": (o["kind"], o["amount"]) for o in ours}, "I14"
    assert not await house.sql("select 1 from operations where state not in ('done', 'refused')")
    assert not await house.sql("select entry_id from postings group by entry_id having sum(amount) <> 0")
    assert not await house.sql("select 1 from parked where state = 'parked'")
    if house.webhooks:
        assert len(await eventually(lambda: house.sql("select 1 from hints"))) <= len(ours)


async def test_issued_documents_and_postings_never_change_and_fit_their_hash(house: House) -> None:
    order = uuid4()
    await house.say(of(ask(1, 100), order), of(ship(1, l1=10), order))
    await house.settled(order)
    for table in ("invoices", "postings"):
        for change in (f"update {table} set currency = 'USD'", f"delete from {table}"):
            with pytest.raises(asyncpg.RaiseError):
                await house.sql(change)
    connection = await asyncpg.connect(house.database)
    book = BOOKS[Invoice]
    stored = [book.row(record) for record in await connection.fetch(book.select, [order])]
    await connection.close()
    assert [row.hash for row in stored if isinstance(row, Invoice)] == [fingerprint(row) for row in stored]  # type: ignore[arg-type]


async def test_sc29_twenty_orders_billed_at_once_have_numbers_without_hole(house: House) -> None:
    orders = [uuid4() for _ in range(20)]
    await asyncio.gather(*(house.say(of(ask(1, 100), order)) for order in orders))
    outcomes = await asyncio.gather(
        *(house.running.desk.ask(of(ship(1, l1=10), order), id=uuid4()) for order in orders),
        *(house.running.desk.ask(of(ship(2, l1=11), order), id=uuid4()) for order in orders[:5]),
    )
    assert [reply.status for reply in outcomes[20:]] == [409] * 5, "what cannot be takes no number"
    numbers = [row["number"] for row in await house.sql("select number from invoices order by serial")]
    year = datetime.now(UTC).year
    assert numbers == [f"INV-{year}-{n:06d}" for n in range(1, 21)]


async def test_sc29_two_copies_of_the_service_take_numbers_from_one_counter(databases: Databases) -> None:
    settings = Settings(_env_file=None, database_url=await databases.fresh(tables.metadata))
    copies = [Running(build(settings)) for _ in range(2)]
    for copy in copies:
        await copy.start(Told())
    orders = [uuid4() for _ in range(20)]
    try:
        for message in (ask(1, 100, "terms"), ship(1, l1=10)):
            asked = (copies[i % 2].desk.ask(of(message, order), id=uuid4()) for i, order in enumerate(orders))
            assert {reply.status for reply in await asyncio.gather(*asked)} == {200}
        connection = await asyncpg.connect(copies[0].dsn)
        serials = [row["serial"] for row in await connection.fetch("select serial from invoices order by serial")]
        await connection.close()
    finally:
        for copy in copies:
            await copy.stop()
    assert serials == list(range(1, 21))


async def test_orders_of_a_customer_that_come_at_once_to_two_copies_never_have_more_than_the_limit(
    databases: Databases,
) -> None:
    """Nobody knew these customers before, so that both copies want to make their rows, too."""
    url = await databases.fresh(tables.metadata)
    settings = Settings(_env_file=None, database_url=url, credit_limit="EUR 500")
    copies = [Running(build(settings)) for _ in range(2)]
    for copy in copies:
        await copy.start(Told())
    orders = [(uuid4(), f"C{n % 4}") for n in range(40)]
    try:
        for n, (kind, status) in enumerate((("asks", 200), ("ships", 200), ("asks", 200))):
            wishes = []
            for i, (order, customer) in enumerate(orders):
                wish = ask(1 + n, 100, "terms", customer_id=customer) if kind == "asks" else ship(1, l1=10)
                wishes.append(copies[i // 4 % 2].desk.ask(of(wish, order), id=uuid4()))
            assert {reply.status for reply in await asyncio.gather(*wishes)} == {status}
        connection = await asyncpg.connect(copies[0].dsn)
        granted = await connection.fetch(
            "select debtor, count(*) filter (where granted = 100) as n, sum(granted) as granted from accounts "
            "group by 1"
        )
        owed = await connection.fetch("select customer_id, currency, owed from debtors")
        await connection.close()
    finally:
        for copy in copies:
            await copy.stop()
    assert sorted((row["debtor"], row["n"], row["granted"]) for row in granted) == [(f"C{n}", 5, 500) for n in range(4)]
    assert sorted(tuple(row) for row in owed) == [(f"C{n}", "EUR", 1000) for n in range(4)], (
        "all are out and none is paid"
    )


async def test_amounts_have_the_decimals_of_their_currency(house: House) -> None:
    order, yen = uuid4(), {"currency": "JPY"}
    await house.say(of(ask(1, 100, "bank_transfer", **yen), order), of(ship(1, l1=4), order))
    entry = {"entry_id": "J1", "order_id": str(order), "amount": "100", "booked_on": "2026-03-02", **yen}
    assert (await house.post("/bank-entries", entry)).status_code == 200
    account = await house.account(order)
    names = ("secured", "captured", "refunded", "owed", "due", "granted", "custody")
    assert [account[name] for name in names] == ["100", "100", "0", "0", "100", "0", "0"]
    balance = (await house.http.get("/trial-balance")).json()
    assert {(row["account"], row["debit"], row["credit"], row["balance"]) for row in balance["accounts"]} == {
        ("bank", "100", "0", "100"),
        ("customer_prepayments", "0", "60", "-60"),
        ("receivable", "40", "40", "0"),
        ("revenue", "0", "40", "-40"),
    }
    assert balance["totals"] == {"JPY": "0"}
    (rate,) = (await house.http.get("/vat")).json()["items"]
    assert [rate[name] for name in ("net", "vat", "credited_net", "credited_vat")] == ["40", "0", "0", "0"]
    left = (await house.http.get(f"/orders/{order}/refundable")).json()
    assert (left["free"], left["owed"], left["invoices"][0]["credited"]) == ("100", "0", "0")


async def test_a_person_sets_what_a_customer_may_owe(house: House) -> None:
    path, order = "/customers/C1/credit", uuid4()
    assert (await house.http.get(path)).json() == {
        "customer_id": "C1",
        "credit": [
            {"currency": "EUR", "limit": "5000.00", "own": False, "general": "5000.00", "owed": "0.00",
             "left": "5000.00", "reason": "", "set_by": "", "set_at": None}
        ],
    }  # fmt: skip
    asked = {"limit": "150.00", "reason": "pays late"}
    done = await house.http.put(f"{path}/EUR", json=asked, headers={"X-Actor": "flo"})
    assert (done.status_code, done.json()["limit"], done.json()["set_by"]) == (200, "150.00", "flo")
    await house.say(
        of(ask(1, 100, "terms", customer_id="C1"), order), of(ask(1, 60, "terms", customer_id="C1"), uuid4())
    )
    assert (await house.http.put(f"{path}/JPY", json={"limit": "9000"})).status_code == 200
    euro, yen = (await house.http.get(path)).json()["credit"]
    assert [euro[name] for name in ("limit", "own", "owed", "left", "reason")] == [
        "150.00", True, "100.00", "50.00", "pays late"
    ]  # fmt: skip
    assert (yen["limit"], yen["owed"], yen["left"]) == ("9000", "0", "9000")
    assert (await house.http.put(f"{path}/EUR", json={"limit": None})).json()["limit"] == "5000.00"
    for currency, limit in (("EUR", "-1"), ("EUR", "0.001"), ("JPY", "0.5"), ("euro", "5"), ("EUR", "x")):
        assert (await house.http.put(f"{path}/{currency}", json={"limit": limit})).status_code == 422


async def test_f28_charged_but_not_answered_is_found_by_its_key(house: House) -> None:
    order = uuid4()
    await house.say(of(ask(1, 100, token="tok_error_500"), order))

    async def known() -> bool:
        account = await house.account(order)
        if account.get("state") == "unknown":
            await house.post(f"/orders/{order}/resume")
        return account.get("state") == "ok"

    await eventually(known)
    assert len((await house.provider.get("/book")).json()["operations"]) == 1


async def test_declined_then_paid_again(house: House) -> None:
    order = uuid4()
    await house.say(of(ask(1, 100, token="tok_decline"), order))
    await eventually(lambda: [m for m in house.told(order) if m.state == "declined"])
    answered = await house.post(f"/orders/{order}/pay-again", {"token": "tok_visa"}, key="again")
    assert answered.status_code == 202
    await eventually(lambda: [m for m in house.told(order) if m.state == "ok"])
    assert (
        await house.post(f"/orders/{order}/pay-again", {"token": "tok_visa"}, key="again")
    ).json() == answered.json()
    assert (await house.post(f"/orders/{order}/pay-again", {"token": "tok_visa"})).status_code == 409
    assert (await house.post(f"/orders/{uuid4()}/pay-again", {})).status_code == 404
    assert (await house.post(f"/orders/{order}/resume")).status_code == 409


async def test_bank_money_is_matched_by_the_number_of_the_order(house: House) -> None:
    order, other = uuid4(), uuid4()
    await house.say(of(ask(1, 100, "bank_transfer", number="O-77"), order))
    entry = {"entry_id": "E1", "reference": " O-77 ", "amount": "100.00", "currency": "EUR", "booked_on": "2026-03-02"}
    first = await house.post("/bank-entries", entry, key="e1")
    assert (first.status_code, first.json()["order_id"]) == (200, str(order))
    assert (await house.post("/bank-entries", entry, key="e1")).json() == first.json()
    assert (await house.post("/bank-entries", {**entry, "amount": "1.00"}, key="e1")).status_code == 422
    assert (await house.post("/bank-entries", {**entry, "entry_id": "E2", "reference": "?"})).status_code == 202
    waiting = (await house.http.get("/bank-entries", params={"state": "review"})).json()["items"]
    assert [e["entry_id"] for e in waiting] == ["E2"]
    await house.say(of(ask(1, 100, "bank_transfer", number="O-78"), other))
    matched = await house.post("/bank-entries", {**entry, "entry_id": "E2", "order_id": str(other)})
    assert matched.json()["state"] == "matched"
    assert (await house.account(other))["state"] == "ok"


async def test_an_amount_that_is_too_large_or_too_fine_is_named_and_nothing_fails(house: House) -> None:
    order = str(uuid4())
    entry = {"entry_id": "E1", "booked_on": "2026-03-02"}
    remitted = {"order_id": order, "shipment_id": str(uuid4()), "reference": "P"}
    credit = {"reference": "C1", "lines": [{"sku": "d", "quantity": 1, "unit_price": "1"}]}
    refund = {"invoice": "INV-1", "reason": "why"}
    for amount in ("9999999999999", "99999999999", "1.0000001"):
        for path, body, field in (
            ("/bank-entries", {**entry, "amount": amount}, "amount"),
            ("/cash-remittances", {**remitted, "amount": amount}, "amount"),
            ("/cash-remittances", {**remitted, "amount": "1", "fee": amount}, "fee"),
            ("/credits", {**credit, "amount": amount}, "amount"),
            (f"/orders/{order}/refunds", {**refund, "lines": [{"line_no": 1, "amount": amount}]}, "lines.0.amount"),
        ):
            answer = await house.post(path, body)
            assert (answer.status_code, [e["field"] for e in answer.json()["errors"]]) == (422, [field])
    unit = await house.post("/bank-entries", {**entry, "amount": "9.995"})
    assert (unit.status_code, unit.json()["errors"][0]["field"]) == (422, "amount")
    fine = {**entry, "entry_id": "E2", "amount": "9.0421", "currency": "CLF"}
    assert (await house.post("/bank-entries", fine)).status_code == 202


async def test_what_people_read(house: House) -> None:
    order = uuid4()
    await house.say(
        of(ask(1, 100, "terms", customer_id="C1"), order), of(ship(1, l1=4), order), of(ship(2, l1=6), order)
    )
    await house.say(of(give_back(1, 1, l1=1), order))
    get = house.http.get
    page = (await get("/invoices", params={"limit": 1})).json()
    rest = (await get("/invoices", params={"limit": 1, "after": page["next"]})).json()
    assert [page["items"][0]["serial"], rest["items"][0]["serial"], rest["next"]] == [1, 2, None]
    number = page["items"][0]["number"]
    assert (await get(f"/invoices/{number}")).json()["lines"][0]["quantity"] == 4
    assert (await get("/invoices/INV-1999-000001")).status_code == 404
    assert len((await get("/invoices", params={"customer_id": "C1"})).json()["items"]) == 2
    assert (await get("/invoices", params={"customer_id": "C2"})).json()["items"] == []
    (note,) = (await get("/credit-notes", params={"order_id": str(order)})).json()["items"]
    assert note["invoice"] == number
    (item,) = (await get("/open-items")).json()["items"]
    assert (item["order_id"], Decimal(item["owed"])) == (str(order), 90)
    balance = (await get("/trial-balance")).json()
    assert Decimal(balance["totals"]["EUR"]) == 0
    assert {a["account"]: Decimal(a["balance"]) for a in balance["accounts"]} == {"receivable": 90, "revenue": -90}
    seen, after = [], None
    while True:
        got = (await get("/ledger", params={"limit": 2, **({"after": after} if after else {})})).json()
        seen += [(p["entry_id"], p["posting_no"]) for p in got["items"]]
        if (after := got["next"]) is None:
            break
    assert len(seen) == len(set(seen)) == 6
    for path in ("/invoices", "/payments", "/ledger", "/open-items"):
        assert (await get(path, params={"after": "WyJ4Il0"})).status_code in (404, 422), path
    newest = (await get("/invoices", params={"limit": 1, "newest": "true"})).json()
    older = (await get("/invoices", params={"limit": 1, "newest": "true", "after": newest["next"]})).json()
    assert [newest["items"][0]["serial"], older["items"][0]["serial"], older["next"]] == [2, 1, None]
    back = (await get("/ledger", params={"newest": "true"})).json()["items"]
    assert [(p["entry_id"], p["posting_no"]) for p in back] == seen[::-1]
    (rate,) = (await get("/vat")).json()["items"]
    assert (rate["invoices"], rate["credit_notes"]) == (2, 1)
    assert [Decimal(rate[name]) for name in ("net", "vat", "credited_net", "credited_vat")] == [100, 0, 10, 0]
    assert (await get("/vat", params={"issued_from": "2100-01-01T00:00:00Z"})).json()["items"] == []
    credit = {"reference": "C9", "amount": "27.50", "lines": [{"sku": "D", "quantity": 1, "unit_price": "27.50"}]}
    assert (await house.post("/credits", credit)).status_code == 201
    assert [c["reference"] for c in (await get("/credits")).json()["items"]] == ["C9"]


async def test_a_webhook_is_taken_only_with_a_valid_signature_and_once(house: House) -> None:
    order = uuid4()
    await house.say(of(ask(1, 100), order))
    await eventually(lambda: [m for m in house.told(order) if m.state == "ok"])
    body = json.dumps({"event_id": "evt-own", "key": f"{order}:1", "outcome": "ok"}).encode()

    async def send(content: bytes, secret: str = "development", age: int = 0) -> int:
        stamp = str(int(datetime.now(UTC).timestamp()) - age)
        headers = {TIMESTAMP: stamp, SIGNATURE: sign(secret, stamp, content)}
        return (await house.http.post("/webhooks/provider", content=content, headers=headers)).status_code

    assert await send(body, "wrong") == 401
    assert await send(body, age=400) == 401
    assert (await house.http.post("/webhooks/provider", content=body)).status_code == 401
    assert await send(b"not json") == 400
    assert await send(b'{"event_id": "x"}') == 400
    assert not await house.sql("select 1 from hints where event_id = 'evt-own'")
    assert [await send(body), await send(body, "old")] == [200, 200]
    assert [h["raw"] for h in await house.sql("select raw from hints where event_id = 'evt-own'")] == [body.decode()]
    unknown = json.dumps({"event_id": "evt-2", "key": f"{uuid4()}:1", "outcome": "ok"}).encode()
    assert await send(unknown) == 404, "it will come again"
