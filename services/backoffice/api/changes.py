"""What people change of an order: another address, goods that come back. First typed, then shown, then done."""

from typing import Annotated, Any

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api import shown
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.api.order import Name, order_called
from services.backoffice.views import changes
from services.backoffice.views.lines import Mistyped

router = pages()
Item = dict[str, Any]
Key = Annotated[str, Form(max_length=64)]
Quote = Annotated[str, Form(max_length=64)]
Reason = Annotated[str, Form(max_length=200)]


async def order_of(visit: Visit, name: str) -> Item:
    """The order as its owner says."""
    async with visit.office.reading() as conn:
        order_id = await order_called(conn, name)
    return dict(await visit.office.owners.get("order", f"/orders/{order_id}"))


async def changed(visit: Visit, order: Item, how: str) -> Response:
    """Back to the order, which says what was done."""
    await visit.office.look(order["id"])
    return RedirectResponse(f"/orders/{order['number']}?done={how}", 303)


@router.get("/orders/{name}/address")
async def address(visit: Annotated[Visit, allowed("edit")], name: Name) -> Response:
    """The address there is, to be changed."""
    order = await order_of(visit, name)
    page = changes.address_form(visit.office.pages, order, order["ship_to"], "", None)
    return visit.page("address.html", "orders", page)


@router.post("/orders/{name}/address")
async def change_address(
    request: Request,
    visit: Annotated[Visit, allowed("edit")],
    name: Name,
    key: Key = "",
    quote: Quote = "",
    reason: Reason = "",
) -> Response:
    """Without a quote: what it would do. With it: exactly that, or 409 with the new effect."""
    office = visit.office
    order = await order_of(visit, name)
    typed = changes.typed_address(await request.form())

    async def asking(told: Item | None, error: Item | None, key: str) -> Item:
        return changes.address_question(office.pages, order["number"], typed, told, reason, key, error)

    async def typing(error: Item) -> Response:
        page = changes.address_form(office.pages, order, typed, reason, error)
        return visit.page("address.html", "orders", page, status=422)

    act = shown.Act("order", f"/orders/{order['id']}/edit", {"ship_to": typed, "reason": reason})
    done = await shown.shown_or_done(visit, act, key, quote, asking, typing)
    return done if isinstance(done, Response) else await changed(visit, order, "address")


@router.get("/orders/{name}/take-back")
async def take_back(visit: Annotated[Visit, allowed("take-back")], name: Name) -> Response:
    """What is out, parcel by parcel."""
    page = changes.take_back_form(visit.office.pages, await order_of(visit, name), {}, None)
    return visit.page("take_back.html", "orders", page)


@router.post("/orders/{name}/take-back")
async def do_take_back(
    request: Request,
    visit: Annotated[Visit, allowed("take-back")],
    name: Name,
    key: Key = "",
    quote: Quote = "",
    reason: Reason = "",
    blamed: Annotated[str, Form(alias="error", max_length=50)] = "",
) -> Response:
    """Without a quote: what it would do. With it: exactly that, or 409 with the new effect."""
    office, w = visit.office, visit.office.pages.words
    order, form = await order_of(visit, name), dict(await request.form())

    async def typing(error: Item) -> Response:
        page = changes.take_back_form(office.pages, order, form, error)
        return visit.page("take_back.html", "orders", page, status=422)

    try:
        reason = changes.reason_of(w, blamed, reason)
        wish = changes.typed_pieces(order, form)
    except Mistyped as wrong:
        return await typing(shown.nothing(w, str(wrong)))
    except ValueError:
        told = w.say("Say of one parcel how many pieces come back, at most what was in it.")
        return await typing(shown.nothing(w, told))

    async def asking(told: Item | None, error: Item | None, key: str) -> Item:
        return changes.take_back_question(office.pages, order["number"], wish, told, reason, key, error)

    act = shown.Act("order", f"/orders/{order['id']}/returns", {**wish, "reason": reason})
    done = await shown.shown_or_done(visit, act, key, quote, asking, typing)
    return done if isinstance(done, Response) else await changed(visit, order, "take-back")
