"""Write-offs by the staff over the pages: typed, shown, done once; above a limit another person approves."""

import re
from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest

from comptoir.staffing import set_account
from tests.backoffice.shop import HASH, Item, logged_in, shop_at
from tests.backoffice.test_changes import hidden
from tests.backoffice.test_refunds import Office
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
STAFF = {"sam": ("support",), "flo": ("finance",), "fay": ("finance",)}


@pytest.fixture(scope="module")
async def office(databases: Databases) -> AsyncIterator[Office]:
    async with shop_at(databases, "writeoffs") as founded:
        await founded.open(mug=10_000)
        for name, roles in STAFF.items():
            await set_account(founded.database_url, name, name.title(), roles, HASH, True, "test")
        people: dict[str, httpx.AsyncClient] = {name: await logged_in(founded, name) for name in STAFF}
        yield Office(founded, people)
        for http in people.values():
            await http.aclose()


async def owed(office: Office, quantity: int = 2) -> Item:
    """An order on terms that is with the customer and not paid: 15.125 a piece with VAT."""
    return await office.sent(quantity, payment_method="terms")


LED = 'href="/money/write-offs?state=waiting"'


async def today(office: Office, name: str) -> str:
    office.shop.office.memory.asked = None  # of a moment ago, else
    return await office.page(name, "/")


async def test_typed_shown_done_once_and_told(office: Office) -> None:
    placed = await owed(office)
    where = f"/orders/{placed['number']}"
    assert f'href="{where}/write-off"' in await office.page("flo", where)
    assert f'href="{where}/write-off"' not in await office.page("sam", where), "finance alone"
    await office.page("sam", f"{where}/write-off", status=403)
    form = {"amount": "30,25", "reason": "bankrupt"}
    assert 'value="30.25"' in await office.page("flo", f"{where}/write-off"), "all that is owed is offered"
    shown = (await office.post("flo", f"{where}/write-off", form, status=200)).text
    assert "Billing would write off €30.25 of what is owed: a loss in the ledger, and no document." in shown
    assert "billing.debt_written_off.v1" in shown
    assert Decimal((await office.account(placed))["written_off"]) == 0, "looking does nothing"
    for _ in range(2):
        done = await office.post("flo", f"{where}/write-off", {**hidden(shown), "reason": "bankrupt"})
        assert done.headers["location"] == f"{where}?done=write-off"
    await office.shop.rest()
    account = await office.account(placed)
    assert (Decimal(account["owed"]), Decimal(account["written_off"]), account["settled"]) == (
        0,
        Decimal("30.25"),
        True,
    )
    page = (await office.page("flo", f"{where}?done=write-off")).replace("\u00a0", " ")
    assert "It is written off; nobody is reminded of it any more." in page
    assert re.search(r"<b>flo:</b> Wrote off €30.25; nobody is reminded of it any more", page)
    assert f'href="{where}/write-off"' not in page, "nothing is owed any more"
    assert "Nothing of it is owed" in await office.page("flo", f"{where}/write-off")
    listed = await office.page("flo", "/money/write-offs?state=done")
    assert placed["number"] in listed
    assert "losses on debts" in await office.page("flo", "/money/trial-balance")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"amount": "much"}, "much is no amount"),
        ({"amount": "-1"}, "-1 is no amount"),
        ({"amount": "0"}, "This cannot be done now."),
        ({"amount": "0.001"}, "amounts are multiples of €0.01"),
        ({"amount": "30.26"}, "€30.26 cannot be written off, €30.25 is owed for goods that are out"),
        ({"reason": " "}, "Say why; the reason stays with the write-off."),
    ],
)
async def test_what_makes_no_sense_is_asked_again_with_what_was_typed(office: Office, typed: Item, says: str) -> None:
    placed = await owed(office)
    form = {"amount": "1", "reason": "bankrupt", **typed}
    told = (await office.post("flo", f"/orders/{placed['number']}/write-off", form, status=422)).text
    assert says in told
    assert 'role="alert"' in told
    assert f'value="{form["amount"]}"' in told


async def test_above_the_limit_another_person_approves_or_refuses(office: Office) -> None:
    placed = await owed(office, 20)  # 302.50, and finance may give up 250 alone
    where = f"/orders/{placed['number']}"
    form = {"amount": "302.50", "reason": "bankrupt"}
    shown = (await office.post("flo", f"{where}/write-off", form, status=200)).text
    assert "Ask for approval" in shown
    done = await office.post("flo", f"{where}/write-off", {**hidden(shown), "reason": "bankrupt"})
    assert done.headers["location"] == f"{where}?done=write-off-asked"
    await office.shop.rest()
    assert LED in await today(office, "fay")
    assert LED not in await today(office, "sam"), "who may not decide it is not bothered"
    listed = await office.page("fay", "/money/write-offs?state=waiting")
    (one,) = set(re.findall(rf'href="({where}/write-offs/[0-9a-f-]+)"', listed))
    own = await office.page("flo", one)
    assert "You asked for it, so another person must approve it." in own
    assert "Approve the write-off" not in own
    await office.post("flo", f"{one}/approve", {"key": "flo-approves-it"}, status=403)
    assert Decimal((await office.account(placed))["written_off"]) == 0
    assert "Approve the write-off" in await office.page("fay", one)
    await office.post("fay", f"{one}/refuse", {"key": "fay-refuses-it", "reason": " "}, status=422)
    await office.post("fay", f"{one}/approve", {"key": "fay-approves-it", "reason": "as agreed"})
    await office.shop.rest()
    assert Decimal((await office.account(placed))["written_off"]) == Decimal("302.50")
    assert LED not in await today(office, "fay")
    page = (await office.page("fay", where)).replace("\u00a0", " ")
    assert "Asked to write off €302.50; another person must approve it." in page
    assert "Approved by fay. As agreed." in page or "Approved by fay. as agreed." in page
    assert "Approve the write-off" not in await office.page("fay", one)


async def test_a_waiting_one_is_taken_back_by_who_asked(office: Office) -> None:
    placed = await owed(office, 20)
    where = f"/orders/{placed['number']}"
    shown = (await office.post("flo", f"{where}/write-off", {"amount": "300", "reason": "x"}, status=200)).text
    await office.post("flo", f"{where}/write-off", {**hidden(shown), "reason": "x"})
    await office.shop.rest()
    listed = await office.page("flo", "/money/write-offs?state=waiting")
    one = next(iter(re.findall(rf'href="({where}/write-offs/[0-9a-f-]+)"', listed)))
    await office.post("flo", f"{one}/refuse", {"key": "flo-takes-it-back", "reason": "typed wrongly"})
    await office.shop.rest()
    assert "typed wrongly" in await office.page("flo", one)
    page = (await office.page("flo", where)).replace("\u00a0", " ")
    assert "€300.00 is not written off; it is still owed." in page
