"""Refunds by the staff as they run: over HTTP, on PostgreSQL, with the provider."""

import asyncio
import re
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import structlog
from structlog.testing import LogCapture

from services.billing import metrics
from services.billing.settings import Settings
from tests.billing.book import ask, line, ship
from tests.billing.test_service import House, house, of  # noqa: F401 - the fixture
from tests.eventually import eventually

pytestmark = pytest.mark.postgres
GOODS = (line(1, "20.00", 3, rate="21"), line(2, "6.05", rate="21", kind="shipping"))


class Desk:
    """The refunds of one order that is out and paid."""

    def __init__(self, house: House, order: Any, invoice: str) -> None:  # noqa: F811
        self.house, self.order, self.invoice = house, order, invoice

    async def post(self, path: str, body: Any, actor: str, roles: str, key: str = "") -> httpx.Response:
        headers = {"Idempotency-Key": key or str(uuid4()), "X-Actor": actor, "X-Roles": roles}
        return await self.house.http.post(f"/orders/{self.order}/{path}", json=body, headers=headers)

    def body(self, *lines: Any, **more: Any) -> dict[str, Any]:
        return {"invoice": self.invoice, "lines": lines, "reason": "a scratch", **more}

    async def refunded(self, amount: str) -> None:
        async def look() -> bool:
            account = await self.house.account(self.order)
            return Decimal(account["refunded"]) == Decimal(amount) and account["settled"]

        await eventually(look)


async def desk_of(house: House) -> Desk:  # noqa: F811
    order = uuid4()
    whole = ask(1, "66.05", lines=GOODS, prices_include_vat=True)
    await house.say(of(whole, order), of(ship(1, l1=3, l2=1), order))
    account = await house.settled(order)
    return Desk(house, order, account["invoiced"][0]["number"])


async def test_amounts_of_a_currency_without_decimals_have_none(house: House) -> None:  # noqa: F811
    order = uuid4()
    whole = ask(1, "600", lines=(line(1, "500"),), currency="JPY")
    await house.say(of(whole, order), of(ship(1, l1=1), order))
    account = await house.settled(order)
    desk = Desk(house, order, account["invoiced"][0]["number"])
    said = (await desk.post("refunds/preview", desk.body({"line_no": 1, "amount": "100"}), "sam", "admin")).json()
    assert "Billing would give back 120 JPY the way it was paid." in said["sentences"]
    assert not [sentence for sentence in said["sentences"] if ".0" in sentence]


async def test_shown_done_once_and_told(house: House) -> None:  # noqa: F811
    desk = await desk_of(house)
    left = (await house.http.get(f"/orders/{desk.order}/refundable")).json()
    assert Decimal(left["free"]) == Decimal("66.05")
    assert [(of["line_no"], of["kind"], of["left"], of["pieces"]) for of in left["invoices"][0]["lines"]] == [
        (1, "goods", "60.00", 3),
        (2, "shipping", "6.05", 1),
    ]
    body = desk.body({"line_no": 1, "amount": "12.10"}, {"line_no": 2, "quantity": 1})
    shown = (await desk.post("refunds/preview", body, "sam", "support")).json()
    assert (shown["state"], shown["gross"], shown["vat"]) == ("done", "18.15", "3.15")
    assert shown["credited"] == ["0.00", "18.15"]
    assert shown["held"] == ["66.05", "47.90"]
    assert "Billing would give back 18.15 EUR the way it was paid." in shown["sentences"]
    assert "Billing would take back 3.15 EUR VAT at 21% on 15.00 EUR." in shown["sentences"]
    assert {m["type"] for m in shown["effects"]["messages"]} == {
        "billing.credit_note_issued.v1",
        "billing.refund_granted.v1",
    }
    assert not await house.sql("select 1 from refunds union all select 1 from credit_notes"), "looking does nothing"
    key = str(uuid4())
    for _ in range(2):
        done = await desk.post("refunds", {**body, "quote": shown["quote"]}, "sam", "support", key)
        assert done.status_code == 201, done.text
    told = done.json()
    note = (await house.http.get(f"/credit-notes/{told['credit_note']}")).json()
    assert (note["return_id"], note["gross"], note["invoice"]) == (told["refund_id"], "18.15", desk.invoice)
    await desk.refunded("18.15")
    assert not await house.sql("select entry_id from postings group by entry_id having sum(amount) <> 0")
    (refund,) = (await house.http.get(f"/refunds?order_id={desk.order}")).json()["items"]
    assert refund["refund_id"] == told["refund_id"]
    assert (await house.http.get(f"/orders/{desk.order}/refunds/{told['refund_id']}")).json() == refund
    sent = {packet.key for packet in house.bus.packets}
    assert "billing.refund_granted.v1" in sent
    stale = await desk.post("refunds", {**body, "quote": shown["quote"]}, "sam", "support")
    assert stale.status_code == 409


async def test_a_preview_that_went_stale_does_nothing(house: House) -> None:  # noqa: F811
    desk = await desk_of(house)
    body = desk.body({"line_no": 1, "amount": "5.00"})
    shown = (await desk.post("refunds/preview", body, "sam", "support")).json()
    await desk.post("refunds", desk.body({"line_no": 2, "amount": "0.05"}), "kim", "support")
    late = await desk.post("refunds", {**body, "quote": shown["quote"]}, "sam", "support")
    assert late.status_code == 409
    assert "went stale" in late.json()["title"]
    assert late.json()["errors"][0]["field"] == "quote"
    assert [row["gross"] for row in await house.sql("select gross from refunds")] == [Decimal("0.05")]


async def test_many_at_once_never_give_back_more_than_there_is(house: House) -> None:  # noqa: F811
    desk = await desk_of(house)
    wishes = [
        desk.post("refunds", desk.body({"line_no": 1, "amount": "7.00"}), f"sam {n}", "support") for n in range(12)
    ]
    answers = await asyncio.gather(*wishes)
    assert sorted(answer.status_code for answer in answers) == [201] * 8 + [409] * 4
    await desk.refunded("56.00")


async def test_four_eyes_hold_in_the_service_and_in_the_database(house: House) -> None:  # noqa: F811
    desk = await desk_of(house)
    body = desk.body({"line_no": 1, "amount": "50.01"})
    asked = await desk.post("refunds", body, "sam", "support")
    assert (asked.status_code, asked.json()["state"], asked.json()["limit"]) == (202, "waiting", "50.00")
    id = asked.json()["refund_id"]
    assert [of["refund_id"] for of in (await house.http.get("/refunds?state=waiting")).json()["items"]] == [id]
    for actor, roles, status in (
        ("sam", "finance,admin", 403),
        ("SAM", "admin", 403),
        ("kim", "support", 403),
        ("kim", "", 403),
        ("", "admin", 422),
    ):
        for path in ("approve/preview", "approve"):
            refused = await desk.post(f"refunds/{id}/{path}", {}, actor, roles)
            assert refused.status_code == status, (actor, roles, refused.text)
    with pytest.raises(asyncpg.CheckViolationError, match="four_eyes"):
        await house.sql(f"update refunds set approver = 'Sam' where refund_id = '{id}'")
    shown = (await desk.post(f"refunds/{id}/approve/preview", {}, "flo", "finance")).json()
    assert (shown["state"], shown["gross"]) == ("done", "50.01")
    done = await desk.post(f"refunds/{id}/approve", {"note": "fair", "quote": shown["quote"]}, "flo", "finance")
    assert (done.status_code, done.json()["approver"], done.json()["note"]) == (200, "flo", "fair")
    await desk.refunded("50.01")
    assert (await desk.post(f"refunds/{id}/approve", {}, "flo", "finance")).status_code == 409
    for change in ("update refunds set asker = 'kim'", "delete from refunds"):
        with pytest.raises(asyncpg.RaiseError, match="never changes"):
            await house.sql(change)


async def test_a_role_that_nobody_wrote_down_gives_nothing_back_alone(house: House) -> None:  # noqa: F811
    desk = await desk_of(house)
    for roles in ("", "packer", "Support"):
        asked = await desk.post("refunds", desk.body({"line_no": 1, "amount": "0.01"}), "pat", roles)
        assert asked.status_code == 202
    id = asked.json()["refund_id"]
    refused = await desk.post(f"refunds/{id}/refuse", {"reason": "not ours"}, "flo", "finance")
    assert (refused.status_code, refused.json()["state"]) == (200, "refused")
    assert Decimal((await house.account(desk.order))["refunded"]) == 0


async def test_each_is_counted_by_currency_and_told_in_the_log(
    house: House,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book = LogCapture()
    log = structlog.wrap_logger(None, processors=[book], wrapper_class=structlog.make_filtering_bound_logger("info"))
    monkeypatch.setattr(metrics, "log", log)
    desk = await desk_of(house)
    await desk.post("refunds/preview", desk.body({"line_no": 1, "amount": "9.00"}), "sam", "support")
    for cents in ("10.00", "2.10"):
        await desk.post("refunds", desk.body({"line_no": 1, "amount": cents}), "sam", "support")
    asked = await desk.post("refunds", desk.body({"line_no": 1, "amount": "45.00"}), "sam", "support")
    await desk.refunded("12.10")
    id = asked.json()["refund_id"]
    figures = await measured(house)
    assert figures["refunds_waiting"] == 1
    assert 0 < figures["refunds_oldest_seconds"] < 60
    await desk.post(f"refunds/{id}/refuse", {"reason": "no"}, "flo", "finance")
    figures = await measured(house)
    assert (figures["refunds_waiting"], figures["refunds_oldest_seconds"]) == (0, 0)
    assert figures.pop('paid_back_total{currency="EUR",state="done"}') in (1, 2), "one may do for both"
    assert {name: figures[name] for name in figures if "{" in name} == {
        'refunds_total{currency="EUR",state="done"}': 2,
        'refunds_total{currency="EUR",state="waiting"}': 1,
        'refunds_total{currency="EUR",state="refused"}': 1,
        'refunds_amount_total{currency="EUR",state="done"}': 12.1,
        'refunds_amount_total{currency="EUR",state="waiting"}': 45,
        'refunds_amount_total{currency="EUR",state="refused"}': 45,
        'paid_back_amount_total{currency="EUR",state="done"}': 12.1,
    }
    told = [
        (of["state"], of["amount"], of["asker"], of["decided_by"])
        for of in book.entries
        if "by the staff" in of["event"]
    ]
    assert told == [
        ("done", "10.00", "sam", "sam"),
        ("done", "2.10", "sam", "sam"),
        ("waiting", "45.00", "sam", ""),
        ("refused", "45.00", "sam", "flo"),
    ]
    paid = [of for of in book.entries if of["event"] == "a payment back"]
    assert sum(Decimal(of["amount"]) for of in paid) == Decimal("12.10")
    assert {(of["state"], of["currency"], of["order"]) for of in paid} == {("done", "EUR", str(desk.order))}


async def measured(house: House) -> dict[str, float]:  # noqa: F811
    """What /metrics says of money that goes back or is given up, without the name of the service."""
    lines = (await house.http.get("/metrics")).text.replace(',service="billing"', "").replace('{service="billing"}', "")
    said = (
        line.rpartition(" ")
        for line in lines.splitlines()
        if re.match("comptoir_(refunds|paid_back|write_offs)_", line)
    )
    return {name.removeprefix("comptoir_"): float(value) for name, _, value in said if "_created" not in name}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("support", "is no role=EUR 50"),
        ("=EUR 5", "is no role=EUR 50"),
        ("support=", "names no amount with its currency"),
        ("support=50", "names no amount with its currency"),
        ("support=EUR ten", "names no amount with its currency"),
        ("support=EUR -1", "names no amount with its currency"),
        ("support=EUR NaN", "names no amount with its currency"),
        ("support=EUX 5", "names no amount with its currency"),
        ("support=EUR 5, support=EUR 6", "support has EUR twice"),
    ],
)
def test_limits_that_cannot_be_read_are_refused_at_the_start(wrong: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings(_env_file=None, refund_limits=wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("5000", "'5000' names no amount with its currency"),
        ("EUR", "names no amount with its currency"),
        ("EUR 10, EUR 20", "EUR is there twice"),
    ],
)
def test_a_limit_of_credit_without_its_currency_is_refused_at_the_start(wrong: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings(_env_file=None, credit_limit=wrong)


def test_limits_are_of_currencies() -> None:
    policy = Settings(
        _env_file=None,
        credit_limit="EUR 1000, GBP 800.50",
        refund_limits="support=EUR 50, support=JPY 6000, admin=GBP 9",
    ).policy()
    assert policy.credit_limits == {"EUR": 1000, "GBP": Decimal("800.50")}
    assert policy.refund_limits == {"support": {"EUR": 50, "JPY": 6000}, "admin": {"GBP": 9}}
    assert Settings(_env_file=None, credit_limit="").policy().credit_limits == {}


async def test_what_is_not_there_is_not_found(house: House) -> None:  # noqa: F811
    for path in (f"/orders/{uuid4()}/refundable", f"/orders/{uuid4()}/refunds/{uuid4()}"):
        assert (await house.http.get(path)).status_code == 404
    desk = Desk(house, uuid4(), "INV-1")
    assert (await desk.post("refunds", desk.body({"line_no": 1, "quantity": 1}), "sam", "admin")).status_code == 404
    assert (await desk.post(f"refunds/{uuid4()}/approve", {}, "sam", "admin")).status_code == 404


async def test_a_return_is_worth_what_it_says_before_it_comes(house: House) -> None:  # noqa: F811
    desk = await desk_of(house)
    shipment = (await house.account(desk.order))["invoiced"][0]["shipment_id"]

    async def worth(*lines: tuple[int, int], shipment_id: str = shipment) -> httpx.Response:
        pieces = [{"line_no": line_no, "quantity": n} for line_no, n in lines]
        return await desk.post("returns/preview", {"shipment_id": shipment_id, "lines": pieces}, "", "")

    shown = (await worth((1, 2), (2, 1))).json()
    assert (shown["gross"], shown["vat"], shown["back"], shown["currency"]) == ("46.05", "7.99", "46.05", "EUR")
    assert shown["invoice"] == desk.invoice
    assert (await house.http.get(f"/credit-notes?order_id={desk.order}")).json()["items"] == [], "looking does nothing"
    await desk.post("refunds", desk.body({"line_no": 1, "amount": "30.00"}), "sam", "support")
    await desk.refunded("30.00")
    assert (await worth((1, 3))).json()["gross"] == "30.00", "what was given back before is not given back again"
    for lines, status in ((((1, 4),), 409), (((9, 1),), 409)):
        assert (await worth(*lines)).status_code == status
    assert (await worth((1, 1), shipment_id=str(uuid4()))).status_code == 404


async def test_what_was_never_paid_is_not_paid_back(house: House) -> None:  # noqa: F811
    order = uuid4()
    whole = ask(1, "66.05", lines=GOODS, prices_include_vat=True, method="terms")
    await house.say(of(whole, order), of(ship(1, l1=3, l2=1), order))

    async def invoiced() -> bool:
        return bool((await house.account(order))["invoiced"])

    await eventually(invoiced)
    shipment = (await house.account(order))["invoiced"][0]["shipment_id"]
    body = {"shipment_id": shipment, "lines": [{"line_no": 1, "quantity": 1}]}
    shown = (await house.http.post(f"/orders/{order}/returns/preview", json=body)).json()
    assert (shown["gross"], shown["back"]) == ("20.00", "0.00")
