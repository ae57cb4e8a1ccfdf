"""Refunds by the staff over the pages: typed, shown, done once or told stale; above a limit another person approves."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

from comptoir.rebuilding import rebuild
from comptoir.staffing import set_account
from tests.backoffice.shop import HASH, Item, Shop, field, logged_in, shop_at
from tests.backoffice.test_changes import hidden
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
STAFF = {"sam": ("support",), "sue": ("support",), "flo": ("finance",), "fay": ("finance",), "pia": ("picker",)}


@dataclass
class Office:
    """The shop, and everybody's browser."""

    shop: Shop
    of: dict[str, httpx.AsyncClient]

    async def page(self, who: str, path: str, status: int = 200) -> str:
        response = await self.of[who].get(path)
        assert response.status_code == status, f"{response.status_code} {response.text[:300]}"
        return response.text

    async def post(self, who: str, path: str, form: Item, status: int = 303) -> httpx.Response:
        """A form of this person's session."""
        csrf = field(await self.page(who, "/orders"), "csrf")
        response = await self.of[who].post(path, data={**form, "csrf": csrf})
        assert response.status_code == status, f"{response.status_code} {response.text[:900]}"
        return response

    async def sent(self, quantity: int = 2, **more: Any) -> Item:
        """An order that is with the customer and paid."""
        placed = await self.shop.place(quantity=quantity, **more)
        (shipment,) = (await self.shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
        await self.shop.ship(shipment["shipment_id"])
        return placed

    async def account(self, placed: Item) -> Item:
        found: Item = await self.shop.ask("GET", f"/billing/accounts/{placed['id']}")
        return found

    async def typed(self, who: str, placed: Item, reason: str = "a scratch", **lines: str) -> str:
        """The question after this was typed."""
        where = f"/orders/{placed['number']}/refund"
        invoice = field(await self.page(who, where), "invoice")
        form = {"invoice": invoice, "reason": reason, **{name.replace("_", "-"): text for name, text in lines.items()}}
        return (await self.post(who, where, form, status=200)).text

    async def waiting(self, placed: Item) -> str:
        """The address of the one refund of this order that waits."""
        (refund,) = (await self.shop.ask("GET", f"/billing/refunds?order_id={placed['id']}&state=waiting"))["items"]
        return f"/refunds/{refund['refund_id']}"


@pytest.fixture(scope="module")
async def office(databases: Databases) -> AsyncIterator[Office]:
    async with shop_at(databases, "refunds") as founded:
        await founded.open(mug=10_000)
        for name, roles in STAFF.items():
            await set_account(founded.database_url, name, name.title(), roles, HASH, True, "test")
        made = Office(founded, {name: await logged_in(founded, name) for name in STAFF if name != "pia"})
        yield made
        for http in made.of.values():
            await http.aclose()


async def test_typed_shown_done_once_and_told(office: Office) -> None:
    placed = await office.sent()
    where = f"/orders/{placed['number']}"
    assert f'href="{where}/refund"' in await office.page("sam", where)
    shown = await office.typed("sam", placed, amount_1="5,00")
    assert "Billing would issue a credit note over €6.05 to INV-" in shown
    assert "Billing would take back €1.05 VAT at 21% on €5.00." in shown
    assert "Billing would give back €6.05 the way it was paid." in shown
    assert "billing.refund_granted.v1" in shown
    assert Decimal((await office.account(placed))["refunded"]) == 0, "looking does nothing"
    form = {**hidden(shown), "reason": "a scratch"}
    for _ in range(2):
        done = await office.post("sam", f"{where}/refund", form)
        assert done.headers["location"] == f"{where}?done=refund"
    await office.shop.rest()
    account = await office.account(placed)
    assert (Decimal(account["refunded"]), len(account["credited"])) == (Decimal("6.05"), 1)
    page = await office.page("sam", f"{where}?done=refund")
    assert "The money goes back to the customer." in page
    assert re.search(r"<b>sam:</b> Gave back €6.05 of INV-\d+-\d+", page.replace("\u00a0", " "))
    assert "A scratch." in page
    assert "Refunds by the staff" in page
    (refund,) = (await office.shop.ask("GET", f"/billing/refunds?order_id={placed['id']}"))["items"]
    assert refund["credit_note"] in page
    paper = await office.page("flo", f"/documents/{refund['credit_note']}")
    assert "part of the price" in paper
    one = await office.page("sam", f"/refunds/{refund['refund_id']}")
    assert "nobody had to: within the limit" in one
    assert "Approve the refund" not in one


async def test_what_makes_no_sense_is_asked_again_with_what_was_typed(office: Office) -> None:
    placed = await office.sent()
    where = f"/orders/{placed['number']}/refund"
    invoice = field(await office.page("sam", where), "invoice")
    wrong: list[tuple[Item, str]] = [
        ({}, "Type of one invoice what is given back"),
        ({"amount-1": "many"}, "many is no amount"),
        ({"amount-1": "-1"}, "-1 is no amount"),
        ({"amount-1": "NaN"}, "NaN is no amount"),
        ({"amount-1": "1e1"}, "1e1 is no amount"),
        ({"pieces-1": "1.5"}, "type an amount, or how many pieces"),
        ({"amount-1": "1", "pieces-1": "1"}, "type an amount, or how many pieces"),
        ({"amount-1": "1.2345"}, "amounts are multiples of €0.01"),
        ({"amount-1": "1.250"}, "1.250 may be thousands or a part: write 1250 or 1.2500."),
        ({"amount-1": "1,250"}, "1,250 may be thousands or a part: write 1250 or 1,2500."),
        ({"amount-1": "1.250,00"}, "€25.00 of €25.00 is not credited yet"),
        ({"amount-1": "25.01"}, "€25.00 of €25.00 is not credited yet"),
        ({"pieces-1": "3"}, "2 of 2 pieces are not credited yet"),
    ]
    for typed, says in wrong:
        form = {"invoice": invoice, "reason": "a scratch", **typed}
        told = (await office.post("sam", where, form, status=422)).text
        assert says in told
        assert 'role="alert"' in told
        assert all(f'value="{text}"' in told for text in typed.values())
    told = (await office.post("sam", where, {"invoice": invoice, "amount-1": "1", "reason": " "}, status=422)).text
    assert "Say why" in told
    await office.post("sam", where, {"invoice": "INV-1", "amount-1": "1", "reason": "x"}, status=422)
    assert Decimal((await office.account(placed))["refunded"]) == 0


async def test_a_preview_that_went_stale_does_nothing_and_shows_the_new_effect(office: Office) -> None:
    placed = await office.sent()
    shown = await office.typed("sam", placed, pieces_1="1")
    other = await office.typed("sue", placed, amount_1="2.50")
    where = f"/orders/{placed['number']}/refund"
    await office.post("sue", where, {**hidden(other), "reason": "kind"})
    await office.shop.rest()
    late = (await office.post("sam", where, {**hidden(shown), "reason": "a scratch"}, status=409)).text
    assert "The order changed since you looked. Nothing was done." in late
    assert "credit note over €13.61" in late, "a piece is worth 11.25 now"
    assert Decimal((await office.account(placed))["credited"][0]["gross"]) == Decimal("3.03")
    await office.post("sam", where, {**hidden(late), "reason": "a scratch"})
    await office.shop.rest()
    assert Decimal((await office.account(placed))["refunded"]) == Decimal("16.64")


async def test_above_the_limit_another_person_approves_and_nobody_their_own(office: Office) -> None:
    placed = await office.sent(10)
    where = f"/orders/{placed['number']}"
    shown = await office.typed("sam", placed, amount_1="60")
    assert "sam may give back €50.00 of an order alone" in shown
    assert "Ask for approval" in shown
    done = await office.post("sam", f"{where}/refund", {**hidden(shown), "reason": "broken"})
    assert done.headers["location"] == f"{where}?done=refund-asked"
    await office.shop.rest()
    assert Decimal((await office.account(placed))["refunded"]) == 0
    one = await office.waiting(placed)
    assert "another person must approve it" in await office.page("sam", where)
    today = await office.page("flo", "/")
    assert re.search(r'href="/refunds"', today)
    assert "Refunds to approve" in today
    listed = await office.page("flo", "/refunds")
    assert one in listed
    assert placed["number"] in listed
    assert "What you asked for yourself another person must approve." in await office.page("sam", "/refunds")
    # Who asked, and who has not the right, find no button; and what is sent all the same is refused.
    for who in ("sam", "sue"):
        page = await office.page(who, one)
        assert "Approve the refund" not in page
        await office.post(who, f"{one}/approve", {"key": f"by-hand-{who}"}, status=403)
    page = await office.page("flo", one)
    assert "Billing would issue a credit note over €72.60" in page
    form = {"key": field(page, "key"), "quote": field(page, "quote"), "reason": "fair"}
    for _ in range(2):
        await office.post("flo", f"{one}/approve", form)
    await office.shop.rest()
    account = await office.account(placed)
    assert (Decimal(account["refunded"]), len(account["credited"])) == (Decimal("72.60"), 1)
    timeline = await office.page("sam", where)
    assert "Approved by flo. fair." in timeline
    assert "<b>sam:</b> Asked for a refund of" in timeline
    assert one not in await office.page("flo", "/refunds")
    done_list = await office.page("sam", "/refunds?state=done")
    assert "approved by flo" in done_list


async def test_finance_cannot_approve_its_own_although_it_has_the_right(office: Office) -> None:
    placed = await office.sent(30)
    shown = await office.typed("flo", placed, amount_1="300")
    await office.post("flo", f"/orders/{placed['number']}/refund", {**hidden(shown), "reason": "broken"})
    await office.shop.rest()
    one = await office.waiting(placed)
    page = await office.page("flo", one)
    assert "You asked for it, so another person must approve it." in page
    assert "Approve the refund" not in page
    refused = await office.post("flo", f"{one}/approve", {"key": "by-hand-flo-2"}, status=403)
    assert "who asked for a refund cannot approve it" in refused.text
    page = await office.page("fay", one)
    await office.post("fay", f"{one}/refuse", {"key": field(page, "key"), "reason": " "}, status=422)
    await office.post("fay", f"{one}/refuse", {"key": field(page, "key"), "reason": "no photo"})
    await office.shop.rest()
    assert Decimal((await office.account(placed))["refunded"]) == 0
    assert "no photo" in await office.page("flo", one)
    again = await office.post("fay", f"{one}/refuse", {"key": "by-hand-fay-2", "reason": "again"}, status=409)
    assert "was refused already, by fay" in again.text
    assert "was refused; nothing was given back" in await office.page("flo", f"/orders/{placed['number']}")


async def test_an_approval_goes_stale_too(office: Office) -> None:
    placed = await office.sent(10)
    shown = await office.typed("sam", placed, amount_1="60")
    await office.post("sam", f"/orders/{placed['number']}/refund", {**hidden(shown), "reason": "broken"})
    await office.shop.rest()
    one = await office.waiting(placed)
    seen = await office.page("flo", one)
    other = await office.typed("sue", placed, amount_1="10")
    await office.post("sue", f"/orders/{placed['number']}/refund", {**hidden(other), "reason": "kind"})
    await office.shop.rest()
    form = {"key": field(seen, "key"), "quote": field(seen, "quote")}
    late = (await office.post("flo", f"{one}/approve", form, status=409)).text
    assert "The order changed since you looked. Nothing was done." in late
    form = {"key": "a-new-decision", "quote": field(late, "quote")}
    await office.post("flo", f"{one}/approve", form)
    await office.shop.rest()
    assert Decimal((await office.account(placed))["refunded"]) == Decimal("84.70")


async def test_a_return_of_what_was_given_back_gives_nothing_twice(office: Office) -> None:
    placed = await office.sent(2)
    shown = await office.typed("sam", placed, pieces_1="2")
    await office.post("sam", f"/orders/{placed['number']}/refund", {**hidden(shown), "reason": "lost"})
    await office.shop.rest()
    ask = office.shop.ask
    (shipment,) = (await ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    wish = {"shipment_id": shipment["shipment_id"], "lines": [{"line_no": 1, "quantity": 2}]}
    back = (await ask("POST", f"/order/orders/{placed['id']}/returns", wish))["return_id"]
    await office.shop.rest()
    lines = [{"line_no": 1, "quantity": 2}]
    await ask("POST", f"/fulfilment/returns/{back}/receive", {"lines": lines})
    await ask("POST", f"/fulfilment/returns/{back}/inspect", {"lines": [{"line_no": 1, "accepted": 2, "restock": 2}]})
    await office.shop.rest()
    account = await office.account(placed)
    assert Decimal(account["refunded"]) == Decimal(account["captured"]) == Decimal("30.25")
    owner = await ask("GET", f"/order/orders/{placed['id']}")
    assert owner["returns"][0]["state"] == "closed"
    assert owner["waits"] == [] or "credited" not in owner["why_not_moving"]


async def test_the_read_tables_are_the_same_when_made_anew(office: Office) -> None:
    before = await office.shop.rows("select * from refunds order by refund_id")
    assert {row["state"] for row in before} >= {"done", "refused"}
    await rebuild(office.shop.database_url)
    await office.shop.rest()
    assert await office.shop.rows("select * from refunds order by refund_id") == before
