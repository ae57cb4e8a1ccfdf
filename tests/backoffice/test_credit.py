"""What a customer may owe on account: set by finance on the customer's page, held against all open orders."""

from html import unescape

import pytest

from services.backoffice.pages import NBSP
from services.backoffice.rights import ROLES, Person
from tests.backoffice.shop import Item, Shop

pytestmark = pytest.mark.postgres
HERE = "/customers/K-1/credit"


async def why(shop: Shop, order: Item) -> str:
    return unescape(await shop.page(f"/orders/{order['number']}")).replace(NBSP, " ")


async def test_a_limit_is_set_by_page_and_held_against_open_orders(shop: Shop) -> None:
    first = await shop.place(customer_id="K-1", payment_method="terms")
    due = (await shop.ask("GET", f"/billing/accounts/{first['id']}"))["due"]
    customer = unescape(await shop.page("/customers/K-1"))
    assert f'href="{HERE}"' in customer
    assert f"€{due} of €5,000.00" in customer
    shown = unescape(await shop.page(HERE))
    assert f"€{due} is owed, open orders included" in shown
    assert "Empty: €5,000.00, as for everybody." in shown
    form = {"currency": "EUR", "limit": "40,00", "reason": "pays late"}
    response = await shop.post(HERE, form)
    assert response.headers["location"] == f"{HERE}?done=credit"
    shown = unescape(await shop.page(f"{HERE}?done=credit"))
    assert "The limit is set." in shown
    assert 'name="limit" inputmode="decimal" maxlength="20" value="40.00"' in shown
    assert 'value="pays late"' in shown
    assert "Set by local" in shown
    second = await shop.place(customer_id="K-1", payment_method="terms")
    said = await why(shop, second)
    assert f"(€{due} and €{due} of other orders would be owed, €40.00 may be)" in said
    assert "Set what the customer K-1 may owe on account." in await shop.page("/acts")
    await shop.post(HERE, {"currency": "EUR", "limit": "", "reason": ""})
    await shop.ask("POST", f"/billing/orders/{second['id']}/pay-again", {})
    await shop.rest()
    assert (await shop.ask("GET", f"/billing/accounts/{second['id']}"))["state"] == "ok"
    assert 'name="limit" inputmode="decimal" maxlength="20" value=""' in await shop.page(HERE)


async def test_another_currency_has_a_limit_of_its_own(shop: Shop) -> None:
    where = "/customers/K-2/credit"
    await shop.post(where, {"currency": "JPY", "limit": "9000", "reason": ""})
    shown = unescape(await shop.page(where)).replace(NBSP, " ")
    assert "¥0 is owed, open orders included; ¥9,000 is left." in shown
    assert "Empty: nothing can be bought on account in this currency." in shown


@pytest.mark.parametrize(
    ("currency", "limit", "said"),
    [
        ("euro", "5", "euro is no currency; write it as EUR."),
        ("", "5", "– is no currency; write it as EUR."),
        ("EUR", "much", "much is no amount"),
        ("EUR", "1.234", "1.234 may be thousands or a part"),
        ("JPY", "0.5", "amounts are multiples of ¥1"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_sentence(shop: Shop, currency: str, limit: str, said: str) -> None:
    answer = await shop.post(HERE, {"currency": currency, "limit": limit, "reason": "as typed"}, status=422)
    shown = unescape(answer.text)
    assert said in shown
    assert 'value="as typed"' in shown


def test_credit_is_given_by_finance() -> None:
    assert {role for role in ROLES if Person(role, "", frozenset([role])).may("credit")} == {"finance", "admin"}
