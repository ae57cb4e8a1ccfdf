"""What people change of an order: another address, goods that come back. First typed, then shown, then done."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.api.order import Name, order_called
from services.backoffice.api.wishes import not_done, not_known
from services.backoffice.owners import Away, Said
from services.backoffice.views import changes

router = pages()
Item = dict[str, Any]
Key = Annotated[str, Form(max_length=64)]
Quote = Annotated[str, Form(max_length=64)]
Reason = Annotated[str, Form(max_length=200)]
Asking = Callable[[Item | None, Item | None, str], Item]
"""The page with the question, of a preview, a notice and the key that it is done under."""


async def _order(visit: Visit, name: str) -> Item:
    async with visit.office.reading() as conn:
        order_id = await order_called(conn, name)
    return dict(await visit.office.owners.get("order", f"/orders/{order_id}"))


@router.get("/orders/{name}/address")
async def address(visit: Annotated[Visit, allowed("edit")], name: Name) -> Response:
    """The address there is, to be changed."""
    order = await _order(visit, name)
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
    order = await _order(visit, name)
    typed = changes.typed_address(await request.form())
    body = {"ship_to": typed, "reason": reason}
    key = key or str(office.running.new_id())

    def asking(told: Item | None, error: Item | None, key: str) -> Item:
        return changes.address_question(office.pages, order["number"], typed, told, reason, key, error)

    def typing(error: Item) -> Response:
        page = changes.address_form(office.pages, order, typed, reason, error)
        return visit.page("address.html", "orders", page, status=422)

    return await _change(visit, order, "address", "edit", body, key, quote, asking, typing)


@router.get("/orders/{name}/take-back")
async def take_back(visit: Annotated[Visit, allowed("take-back")], name: Name) -> Response:
    """What is out, parcel by parcel."""
    page = changes.take_back_form(visit.office.pages, await _order(visit, name), {}, None)
    return visit.page("take_back.html", "orders", page)


@router.post("/orders/{name}/take-back")
async def do_take_back(
    request: Request,
    visit: Annotated[Visit, allowed("take-back")],
    name: Name,
    key: Key = "",
    quote: Quote = "",
    reason: Reason = "",
) -> Response:
    """Without a quote: what it would do. With it: exactly that, or 409 with the new effect."""
    office, w = visit.office, visit.office.pages.words
    order, form = await _order(visit, name), dict(await request.form())
    key = key or str(office.running.new_id())

    def typing(error: Item) -> Response:
        page = changes.take_back_form(office.pages, order, form, error)
        return visit.page("take_back.html", "orders", page, status=422)

    try:
        wish = changes.typed_pieces(order, form)
    except ValueError:
        told = w.say("Say of one parcel how many pieces come back, at most what was in it.")
        return typing({"kind": "bad", "title": w.say("Nothing was done."), "text": told})

    def asking(told: Item | None, error: Item | None, key: str) -> Item:
        return changes.take_back_question(office.pages, order["number"], wish, told, reason, key, error)

    body = {**wish, "reason": reason}
    return await _change(visit, order, "take-back", "returns", body, key, quote, asking, typing)


async def _change(
    visit: Visit,
    order: Item,
    act: str,
    path: str,
    body: Item,
    key: str,
    quote: str,
    asking: Asking,
    typing: Callable[[Item], Response],
) -> Response:
    """Previewed, or done as it was previewed. What the owner refuses as typed goes back to where it was typed."""
    office, w = visit.office, visit.office.pages.words
    where, actor, error, status = f"/orders/{order['id']}/{path}", visit.person.name, None, 200
    if quote:
        try:
            await office.owners.post("order", where, {**body, "quote": quote}, actor=actor, key=key)
        except Said as refused:
            error, status = not_done(w, refused), refused.status
            key = str(office.running.new_id())  # the answer to the other one is kept, and is this refusal
        except Away:
            page = {**asking(None, not_known(w), key), "quote": quote}
            return visit.page("wish.html", "orders", page, status=503)
        else:
            await office.look(order["id"])
            return RedirectResponse(f"/orders/{order['number']}?done={act}", 303)
    try:
        told = await office.owners.post("order", f"{where}/preview", body, actor=actor)
    except Said as refused:
        if not error:
            error = {"kind": "bad", "title": w.say("This cannot be done now."), "text": refused.title}
        return typing(error)
    return visit.page("wish.html", "orders", asking(told, error, key), status=status)
