"""Suppliers and purchase orders over the pages: typed, shown with whose day moves, done once, under a name."""

import io
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pypdf import PdfReader

from tests.backoffice.shop import Item, Shop, field, logged_in, shop_at
from tests.backoffice.test_changes import hidden
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
ROLES = ("packer", "support", "finance", "admin", "picker")


@dataclass
class Office:
    """The shop, and the browser of one person of each role."""

    shop: Shop
    of: dict[str, httpx.AsyncClient]

    async def page(self, who: str, path: str, status: int = 200) -> str:
        response = await self.of[who].get(path)
        assert response.status_code == status, f"{response.status_code} {response.text[:300]}"
        return response.text

    async def post(self, who: str, path: str, form: Item, status: int = 303) -> httpx.Response:
        """A form of this person's session."""
        csrf = field(await self.page(who, "/purchasing"), "csrf")
        response = await self.of[who].post(path, data={**form, "csrf": csrf})
        assert response.status_code == status, f"{response.status_code} {response.text[:900]}"
        return response

    async def drafted(self, *lines: tuple[str, str, str, str], who: str = "finance") -> str:
        """The address of a new draft: (SKU, pieces, cost, day) each."""
        form = {"supplier": "mugs", "warehouse": "north", **typed(*lines)}
        return (await self.post(who, "/purchasing/new", form)).headers["location"].partition("?")[0]

    async def done(self, where: str, act: str, form: Item | None = None, who: str = "finance") -> str:
        """Shown, then done; what was shown."""
        said = (await self.post(who, f"{where}/{act}", form or {}, 200)).text
        await self.post(who, f"{where}/{act}", hidden(said))
        await self.shop.rest()
        return said

    async def order(self, where: str) -> Item:
        number = where.rpartition("/")[2]
        found: Item = await self.shop.ask("GET", f"/inventory/purchase-orders/{number}")
        return found


def typed(*lines: tuple[str, str, str, str]) -> dict[str, str]:
    form = {}
    for n, line in enumerate(lines):
        form |= {f"{name}-{n}": text for name, text in zip(("sku", "pieces", "cost", "day"), line, strict=True)}
    return form


@pytest.fixture(scope="module")
async def office(databases: Databases) -> AsyncIterator[Office]:
    async with (
        shop_at(databases, "purchases", time_zone="Europe/Brussels", shop_vat_number="NL1") as shop,
        AsyncExitStack() as stack,
    ):
        await shop.open(mug=5, cup=0, jug=0, pot=0, tea=0, pan=0)
        await shop.staff(*ROLES)
        supplier = {"name": "Mugs & Co", "email": "orders@mugs.example", "lead_days": 10, "currency": "USD"}
        await shop.ask("PUT", "/inventory/suppliers/mugs", supplier)
        people = {who: await stack.enter_async_context(aclosing(await logged_in(shop, who))) for who in ROLES}
        yield Office(shop, people)


def printed(body: bytes) -> str:
    """The text of a file, with plain spaces."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(body)).pages).split())


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


async def test_a_draft_is_typed_sent_moved_received_and_closed(office: Office) -> None:
    waits = await office.shop.place("cup", 3)
    where = await office.drafted(("cup", "10", "2,5", "2031-03-04"), ("jug", "4", "", ""))
    order = await office.order(where)
    assert [(line["sku"], line["quantity"], line["unit_cost"]) for line in order["lines"]] == [
        ("cup", 10, "2.5"), ("jug", 4, "0"),
    ]  # fmt: skip
    page = await office.page("finance", where)
    assert "It is a draft: nothing is expected until it is sent." in page
    assert "$25.00" in page
    shown = await office.page("finance", f"{where}/send")
    assert f"{waits['number']}</a>: 3 pieces of cup" in shown or f"<b>{waits['number']}</b>: 3 pieces of cup" in shown
    assert "cup: 0 → 10 pieces expected in all." in text_of(shown)
    for _ in range(2):  # pressed twice
        await office.post("finance", f"{where}/send", hidden(shown))
    await office.shop.rest()
    (stock,) = (await office.shop.ask("GET", f"/inventory/orders/{waits['id']}"))["lines"]
    assert stock["promised_on"] == "2031-03-04"

    line_no = order["lines"][0]["line_no"]
    shown = await office.done(where, "changes", {f"day-{line_no}": "2031-03-20", f"pieces-{line_no}": "10"})
    assert "→ Thu 20 Mar 2031; the customer is told." in text_of(shown)
    (stock,) = (await office.shop.ask("GET", f"/inventory/orders/{waits['id']}"))["lines"]
    assert stock["promised_on"] == "2031-03-20"

    number = order["number"]
    listed = await office.page("packer", "/receive")
    assert number in listed
    come = {"reference": number, "warehouse": "north", "sku-0": "cup", "pieces-0": "6"}
    booked = (await office.post("packer", "/receive", come, 200)).text
    assert "cup: 6 of 10 received then." in booked
    await office.post("packer", "/receive", hidden(booked))
    page = text_of(await office.page("packer", where))
    assert "6 of 14 pieces came; the next of 8 are expected on" in page
    assert "$" not in page, "whoever does not buy sees no cost"

    page = await office.page("finance", f"{where}/close")
    assert "Partly received → Closed short" in page
    await office.post("finance", f"{where}/close", {**hidden(page), "reason": "sold out"})
    page = text_of(await office.page("finance", where))
    for said in ("Closed short: sold out", "4 of cup did not come", "4 of jug did not come", "6 of cup", "Sent to the"):
        assert said in page
    assert re.search(r"6 of cup .{0,40}packer", page), "who received it"
    audit = text_of(await office.page("admin", "/acts"))
    for said in ("Made the purchase order", "Sent the purchase order", "Changed days or", "Closed the purchase order"):
        assert audit.count(f"{said}") == 1, said
    assert f"Sent the purchase order {number}." in audit


async def test_who_takes_in_goods_of_a_draft_is_told_that_it_was_never_sent(office: Office) -> None:
    number = (await office.drafted(("pot", "4", "1", "2031-03-04"))).rpartition("/")[2]
    come = {"reference": number.lower(), "warehouse": "north", "sku-0": "pot", "pieces-0": "4"}
    told = (await office.post("packer", "/receive", come, 422)).text
    assert f"{number} was never sent: send it first, or book what came under" in text_of(told)
    assert 'value="pot"' in told


async def test_more_than_was_ordered_is_asked_about(office: Office) -> None:
    where = await office.drafted(("pot", "4", "1", "2031-03-04"))
    await office.done(where, "send")
    come = {"reference": where.rpartition("/")[2], "warehouse": "north", "sku-0": "pot", "pieces-0": "6"}
    booked = (await office.post("packer", "/receive", come, 200)).text
    assert "2 pieces more than were ordered: it is meant so." in booked
    assert (await office.post("packer", "/receive", hidden(booked), 409)).status_code == 409
    booked = (await office.post("packer", "/receive", come, 200)).text
    await office.post("packer", "/receive", {**hidden(booked), "over": "yes"})
    page = text_of(await office.page("finance", where))
    assert "Received" in page
    assert "2 more than ordered" in page


async def test_the_second_of_two_sees_what_the_first_did(office: Office) -> None:
    where = await office.drafted(("tea", "4", "1", "2031-03-04"))
    mine = await office.page("finance", f"{where}/edit")
    theirs = await office.page("admin", f"{where}/edit")
    form = {"supplier": "mugs", "warehouse": "north"}
    change = {**form, **typed(("tea", "7", "1", "2031-03-04")), "etag": field(theirs, "etag")}
    await office.post("admin", f"{where}/edit", change)
    change = {**form, **typed(("tea", "9", "1", "2031-03-04")), "etag": field(mine, "etag")}
    late = (await office.post("finance", f"{where}/edit", change, 422)).text
    assert "Somebody changed it since you looked. Nothing was done." in late
    assert re.search(r"admin, .*: Draft changed; tea: 4 → 7\.", text_of(late))
    assert 'value="9"' in late, "what was typed is still there"
    assert (await office.order(where))["lines"][0]["quantity"] == 7
    await office.post("finance", f"{where}/edit", {**change, "etag": field(late, "etag")})
    assert (await office.order(where))["lines"][0]["quantity"] == 9

    shown = await office.page("finance", f"{where}/cancel")
    await office.done(where, "send", who="admin")
    stale = (await office.post("finance", f"{where}/cancel", hidden(shown), 409)).text
    assert re.search(r"admin, .*: Sent to the supplier\.", text_of(stale))
    assert "Sent → Cancelled" in stale
    assert (await office.order(where))["state"] == "sent"
    await office.post("finance", f"{where}/cancel", hidden(stale))
    assert (await office.order(where))["state"] == "cancelled"


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({}, "Say of at least one product how many pieces are ordered."),
        (typed(("pan", "", "", "")), "A line needs a product and how many pieces: pan."),
        (typed(("pan", "some", "", "")), "pan: some is no number of pieces."),
        (typed(("pan", "1", "cheap", "")), "cheap is no amount;"),
        (typed(("pan", "1", "NaN", "")), "NaN is no amount;"),
        (typed(("pan", "1", "1.250", "")), "1.250 may be thousands or a part: write 1250 or 1.2500."),
        (typed(("pan", "1", "1", "soon")), "pan: soon is no day."),
        (typed(("nothing", "1", "1", "")), "there is no SKU nothing"),
        (typed(("pan", "-1", "1", "")), "pan: -1 is no number of pieces."),
        (typed(("pan", "0", "1", "")), "pan: 0 is no number of pieces."),
        (typed(("pan", "9" * 30, "1", "")), "is no number of pieces."),
        (typed(("pan", "1", "1", ""), ("pan", "2", "1", "")), "pan is named twice"),
        ({**typed(("pan", "1", "1", "")), "note": "n" * 2001}, "supplier: at most 2,000 characters, not 2,001."),
    ],
)
async def test_what_makes_no_sense_is_said_and_stays_typed(office: Office, form: Item, says: str) -> None:
    page = (
        await office.post("finance", "/purchasing/new", {"supplier": "mugs", "warehouse": "north", **form}, 422)
    ).text
    assert says in text_of(page)
    for name in form.values():
        assert f'value="{name}"' in page


async def test_a_cost_is_read_as_it_was_written_and_a_form_that_is_not_changed_changes_none(office: Office) -> None:
    where = await office.drafted(("cup", "1", "1.234,56", ""), ("jug", "1", "1,250.5", ""), ("pot", "1", "1.1250", ""))
    costs = [line["unit_cost"] for line in (await office.order(where))["lines"]]
    assert [Decimal(cost) for cost in costs] == [Decimal("1234.56"), Decimal("1250.5"), Decimal("1.125")]
    line = {"sku": "cup", "quantity": 2, "unit_cost": "1.125", "expected_on": "2031-01-01"}
    body = {"supplier": "mugs", "warehouse": "north", "lines": [line]}
    number = (await office.shop.ask("POST", "/inventory/purchase-orders", body))["number"]
    page = await office.page("finance", f"/purchasing/{number}/edit")
    assert 'name="cost-0" inputmode="decimal" maxlength="20" value="1.1250"' in page
    form = {"supplier": "mugs", "warehouse": "north", **typed(("cup", "2", "1.1250", "2031-01-01"))}
    await office.post("finance", f"/purchasing/{number}/edit", {**hidden(page), **form})
    assert Decimal((await office.order(number))["lines"][0]["unit_cost"]) == Decimal("1.125")


async def test_a_form_that_is_sent_twice_makes_one_draft_and_has_room_for_more(office: Office) -> None:
    page = await office.page("finance", "/purchasing/new")
    form = {**hidden(page), "supplier": "mugs", "warehouse": "north", **typed(("pan", "3", "1", ""))}
    more = (await office.post("finance", "/purchasing/new", {**form, "more": "yes"}, 200)).text
    assert more.count("Cost of each") > page.count("Cost of each")
    assert 'value="pan"' in more
    places = {(await office.post("finance", "/purchasing/new", form)).headers["location"] for _ in range(2)}
    assert len(places) == 1
    listed = await office.page("finance", "/purchasing?view=drafts&sku=pan")
    assert listed.count("data-row") == 1


async def test_who_may_not_buy_looks_and_who_may_not_look_does_not(office: Office) -> None:
    where = await office.drafted(("pan", "4", "1.25", "2031-03-04"))
    for who in ("packer", "support"):
        page = await office.page(who, where)
        assert "$1.25" not in text_of(page)
        assert "/send" not in page
        assert "New purchase order" not in await office.page(who, "/purchasing")
        for path in (f"{where}/send", f"{where}/edit", f"{where}/paper", f"{where}/changes", "/purchasing/new"):
            await office.page(who, path, 403)
        await office.post(who, f"{where}/send", {}, 403)
        await office.post(who, "/purchasing/suppliers", {"code": "x", "lead_days": "1"}, 403)
    for path in ("/purchasing", where, "/purchasing/suppliers"):
        await office.page("picker", path, 403)


async def test_the_paper_names_everything_the_supplier_must_know(office: Office) -> None:
    where = await office.drafted(("pan", "4", "1.25", "2031-03-04"))
    paper = text_of(await office.page("finance", f"{where}/paper"))
    for said in (
        where.rpartition("/")[2],
        "Mugs & Co".replace("&", "&amp;"),
        "Pan",
        "Delivery to North",
        "$5.00",
        "Draft",
    ):
        assert said in paper, said


@pytest.mark.parametrize(
    ("lang", "says"),
    [
        ("", ("Purchase order %s (Draft)", "Delivery to North", "Total $5.55", "Expected", "VAT number NL1")),
        ("nl", ("Inkooporder %s (Concept)", "Levering aan North", "Totaal US$ 5,55", "Verwacht", "Btw-nummer NL1")),
        ("de", ("Bestellung %s (Entwurf)", "Lieferung an North", "Gesamtbetrag 5,55 $", "Erwartet", "USt-IdNr. NL1")),
        ("fr", ("Bon de commande %s (Brouillon)", "Livraison à North", "Total 5,55 $US", "Attendu", "N° de TVA NL1")),
    ],
)
async def test_the_file_of_a_purchase_order_names_all_that_its_page_does(
    office: Office, lang: str, says: tuple[str, ...]
) -> None:
    where = await office.drafted(("pan", "4", "1.3875", "2031-03-04"))
    number = where.rpartition("/")[2]
    for page in (where, f"{where}/paper"):
        assert f'href="{where}/pdf"' in await office.page("finance", page)
    response = await office.of["finance"].get(f"{where}/pdf", params={"lang": lang} if lang else {})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/pdf")
    assert response.headers["content-disposition"] == f'inline; filename="{number}.pdf"'
    text = printed(response.content)
    for said in (*(said.replace("%s", number) for said in says), "Mugs & Co", "orders@mugs.example", "Pan", "pan", "4"):
        assert said in text, said
    assert (await office.of["finance"].get(f"{where}/pdf", params={"lang": lang})).content == response.content


async def test_a_file_says_what_became_of_the_order_and_only_who_buys_has_it(office: Office) -> None:
    where = await office.drafted(("pan", "4", "1.25", "2031-03-04"))
    await office.done(where, "send")
    sent = printed((await office.of["finance"].get(f"{where}/pdf")).content)
    assert "Draft" not in sent
    assert "Cancelled" not in sent
    await office.done(where, "cancel")
    assert "(Cancelled)" in printed((await office.of["finance"].get(f"{where}/pdf")).content)
    for who in ("packer", "support"):
        await office.page(who, f"{where}/pdf", 403)
        assert f"{where}/pdf" not in await office.page(who, where)
    await office.page("finance", "/purchasing/PO-1/pdf", 404)


async def test_a_supplier_is_added_changed_and_never_overwritten_unseen(office: Office) -> None:
    new = {"code": "tea/ltd", "name": "Tea Ltd", "email": "tea@tea.example", "lead_days": "7", "currency": "gbp"}
    await office.post("finance", "/purchasing/suppliers", new)
    again = (await office.post("finance", "/purchasing/suppliers", {**new, "name": "Other"}, 422)).text
    assert "There is a supplier tea/ltd already." in again
    where = "/purchasing/suppliers/tea%2Fltd"
    mine, theirs = await office.page("finance", where), await office.page("admin", where)
    assert 'value="GBP"' in mine
    change = {**new, "name": "Teas", "etag": field(theirs, "etag")}
    await office.post("admin", where, change)
    late = (await office.post("finance", where, {**change, "lead_days": "9", "etag": field(mine, "etag")}, 422)).text
    assert "was changed meanwhile" in late
    for wrong, says in (({"lead_days": "soon"}, "Say in days"), ({"email": "x"}, "the request is not valid")):
        assert says in (await office.post("finance", where, {**change, **wrong, "etag": "*"}, 422)).text
    kept: Any = await office.shop.ask("GET", "/inventory/suppliers/tea%2Fltd")
    assert (kept["name"], kept["lead_days"], kept["currency"]) == ("Teas", 7, "GBP")
    assert "Set the supplier tea/ltd." in text_of(await office.page("admin", "/acts"))


async def test_what_there_is_not_is_not_found(office: Office) -> None:
    for path in ("/purchasing/PO-1", "/purchasing/PO-1/send", "/purchasing/suppliers/nobody"):
        await office.page("finance", path, 404)
    where = await office.drafted(("pan", "4", "1.25", "2031-03-04"))
    await office.page("finance", f"{where}/burn", 404)
    closing = (await office.post("finance", f"{where}/close", {}, 422)).text
    assert "cancel it instead" in closing
