"""A transfer that nobody could place is matched to its order from its page: shown, done once, with a name."""

from html import unescape

import pytest

from services.backoffice.rights import ROLES, Person
from tests.backoffice.shop import Item, Shop, field

pytestmark = pytest.mark.postgres


async def unpaid(shop: Shop) -> Item:
    """An order of two mugs that waits for a transfer, and the pages know."""
    placed = await shop.place(payment_method="bank_transfer")
    await shop.rest()
    return placed


async def arrives(shop: Shop, entry: str, amount: str, currency: str = "EUR") -> str:
    """Money on the account that says nothing of an order; where it is matched."""
    said = {
        "entry_id": entry,
        "reference": "thanks!",
        "amount": amount,
        "currency": currency,
        "booked_on": "2026-03-02",
    }
    await shop.ask("POST", "/billing/bank-entries", said | {"currency": currency})
    return f"/money/match?entry={entry}"


async def account(shop: Shop, placed: Item) -> Item:
    found: Item = await shop.ask("GET", f"/billing/accounts/{placed['id']}")
    return found


async def test_the_order_that_waits_for_the_amount_is_offered_shown_and_matched_once(shop: Shop) -> None:
    placed = await unpaid(shop)
    due = (await account(shop, placed))["due"]
    where = await arrives(shop, "N-1", due)
    assert f'href="{where}"' in await shop.page("/money/transfers?state=review")
    offered = unescape(await shop.page(where))
    assert f'href="{where}&order={placed["number"]}"' in offered
    assert "thanks!" in offered
    shown = unescape(await shop.page(f"{where}&order={placed['number']}"))
    assert "Then nothing of it stays to be paid." in shown
    assert float((await account(shop, placed))["captured"]) == 0, "looking changes nothing"
    form = {"key": field(shown, "key"), "entry": "N-1", "order": placed["number"]}
    for _ in range(2):
        response = await shop.post("/money/match", form)
        assert response.headers["location"] == f"/orders/{placed['number']}?done=match"
    await shop.rest()
    assert (await account(shop, placed))["captured"] == due
    assert (await shop.http.get(where)).headers["location"] == f"/orders/{placed['id']}"
    acts = await shop.page("/acts")
    assert acts.count("Matched the transfer N-1 to the order.") == 1
    assert f'href="/orders/{placed["number"]}"' in acts
    assert "The transfer is matched." in await shop.page(response.headers["location"])


@pytest.mark.parametrize(
    ("entry", "share", "says"),
    [("N-2", "0.5", "of it stays to be paid."), ("N-3", "2", "more came than it asks for; it goes back")],
)
async def test_too_little_and_too_much_are_said_before(shop: Shop, entry: str, share: str, says: str) -> None:
    placed = await unpaid(shop)
    due = float((await account(shop, placed))["due"])
    where = await arrives(shop, entry, f"{due * float(share):.2f}")
    assert f"order={placed['number']}" not in await shop.page(where), "only orders of just this amount are offered"
    assert says in unescape(await shop.page(f"{where}&order={placed['number']}"))


async def test_what_makes_no_sense_is_refused_with_a_sentence(shop: Shop) -> None:
    placed = await unpaid(shop)
    where = await arrives(shop, "N-4", "10.00", "GBP")
    assert "There is no order with this number." in await shop.page(f"{where}&order=O-404", status=422)
    other = await shop.page(f"{where}&order={placed['number']}", status=422)
    assert "This order is in EUR, the transfer is not." in other
    await shop.page("/money/match?entry=never-came", status=404)
    await shop.post("/money/match", {"key": "k" * 12, "entry": "never-came", "order": placed["number"]}, status=404)
    assert float((await account(shop, placed))["captured"]) == 0


def test_money_is_matched_by_finance() -> None:
    assert {role for role in ROLES if Person(role, "", frozenset([role])).may("match")} == {"finance", "admin"}
