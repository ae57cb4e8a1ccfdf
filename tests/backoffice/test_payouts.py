"""A carrier's payout of cash on delivery: typed or uploaded, shown, booked once, each parcel answered."""

import re
from html import unescape

import pytest

from services.backoffice.pages import NBSP
from tests.backoffice.shop import Item, Shop, field

pytestmark = pytest.mark.postgres
HERE = "/money/payouts"


async def delivered(shop: Shop) -> tuple[Item, str]:
    """An order that was paid at the door, and the tracking number of its parcel."""
    placed = await shop.place(payment_method="cash_on_delivery")
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    await shop.ship(shipment["shipment_id"])
    (of,) = (await shop.ask("GET", f"/fulfilment/shipments?order_id={placed['id']}"))["items"]
    said = {"status": "delivered", "at": of["dispatched_at"]}
    await shop.ask("POST", f"/fulfilment/shipments/{of['shipment_id']}/tracking", said)
    await shop.rest()
    return placed, str(of["tracking"])


async def captured(shop: Shop, placed: Item) -> str:
    return str((await shop.ask("GET", f"/billing/accounts/{placed['id']}"))["captured"])


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html))).replace(NBSP, " ")


def pressed(html: str, reference: str) -> Item:
    lines = re.search(r'<textarea name="lines" hidden>\n?(.*?)</textarea>', html, re.S)
    assert lines
    named = {name: field(html, name) for name in ("key", "quote")}
    return {**named, "reference": reference, "lines": unescape(lines[1]), "mark": ""}


async def test_a_payout_is_shown_then_booked_once_and_each_parcel_is_answered(shop: Shop) -> None:
    (one, parcel), (two, _) = await delivered(shop), await delivered(shop)
    lines = f"parcel;order;amount;fee\n{parcel};;27,25;3,00\n;{two['number']};20,00;\nT-404;;1,00;\n"
    shown = (await shop.post(HERE, {"reference": "P-1", "lines": lines}, status=200)).text
    told = text_of(shown)
    assert "The parcel is paid then." in told
    assert "€10.25 of it stays to be paid." in told
    assert "There is no parcel with this number that is out." in told
    assert "€47.25 paid out, €3.00 kept as fees" in told
    assert "Book 2 parcels" in told
    assert "1 row is left out." in told
    assert await captured(shop, one) == "0.00", "looking changes nothing"
    form = pressed(shown, "P-1")
    done = text_of((await shop.post(HERE, form, status=200)).text)
    assert "The payout P-1 is booked" in done
    assert "Booked; the parcel is paid." in done
    await shop.rest()
    assert (await captured(shop, one), await captured(shop, two)) == ("30.25", "20.00")
    again = text_of((await shop.post(HERE, form, status=200)).text)
    assert again.count("Booked before under this number; nothing happens.") == 2
    await shop.rest()
    assert (await captured(shop, one), await captured(shop, two)) == ("30.25", "20.00")
    assert (await shop.page("/acts")).count("Booked the payout P-1 of a carrier.") == 1
    more = (
        await shop.post(HERE, {"reference": "P-2", "lines": f"order;amount\n{two['number']};10.26\n"}, status=200)
    ).text
    assert "€20.00 of €30.25 were paid out or kept before" in text_of(more)
    assert "Book" not in text_of(more).partition("Parcels of the payout")[2].partition("Number of the payout")[0]


async def test_a_list_is_uploaded_and_what_changed_meanwhile_is_shown_anew(shop: Shop) -> None:
    placed, parcel = await delivered(shop)
    file = {"file": ("list.csv", f"parcel,amount,fee\n{parcel},30.25,\n")}
    shown = await shop.http.post(HERE, data={"reference": "P-3"}, files=file, headers={"Accept": "text/html"})
    assert shown.status_code == 200
    form = pressed(shown.text, "P-3")
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    ids = {"order_id": placed["id"], "shipment_id": shipment["shipment_id"]}
    await shop.ask("POST", "/billing/cash-remittances", {**ids, "amount": "10.00", "reference": "other"})
    stale = text_of((await shop.post(HERE, form, status=200)).text)
    assert "€10.00 of €30.25 were paid out or kept before" in stale
    await shop.rest()
    assert await captured(shop, placed) == "10.00", "nothing was booked"


@pytest.mark.parametrize(
    ("reference", "lines", "says"),
    [
        ("", "order;amount\nC-1;1,00\n", "Say the number of the payout."),
        ("P" * 65, "order;amount\nC-1;1,00\n", "Number of the payout: at most 64 characters, not 65."),
        ("P", "", "The file is empty"),
        ("P", "order;paid\nC-1;1,00\n", "There is no column paid"),
        ("P", "order;amount\nC-1;1.234\n", "choose the mark"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_a_sentence(
    shop: Shop, reference: str, lines: str, says: str
) -> None:
    assert says in text_of((await shop.post(HERE, {"reference": reference, "lines": lines}, status=422)).text)


async def test_rows_that_make_no_sense_are_named(shop: Shop) -> None:
    placed, parcel = await delivered(shop)
    card = await shop.place()
    (out,) = (await shop.ask("GET", f"/order/orders/{card['id']}"))["shipments"]
    await shop.ship(out["shipment_id"])
    rows = (
        "parcel;order;amount;fee", f"{parcel};;1,00;", f";{placed['number']};2,00;", ";O-404;1,00;", ";;1,00;",
        f";{card['number']};much;", f";{card['number']};1,00;",
    )  # fmt: skip
    told = text_of((await shop.post(HERE, {"reference": "P-4", "lines": "\n".join(rows)}, status=200)).text)
    for says in (
        "This parcel is there twice.",
        "There is no order with this number of which a parcel is out.",
        "Say which parcel or which order it is.",
        "much is no amount",
    ):
        assert says in told
