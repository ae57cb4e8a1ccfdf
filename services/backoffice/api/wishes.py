"""What people ask of an order: first what it would do, then exactly that."""

from typing import Annotated, Any, Literal

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api.frame import Refused, Visit, allowed, pages
from services.backoffice.api.order import Name, order_called
from services.backoffice.owners import Away, Said
from services.backoffice.pages import English
from services.backoffice.views import wishes

router = pages()
Item = dict[str, Any]
Wish = Literal["cancel", "hold", "release"]


@router.get("/orders/{name}/{wish}")
async def wish(
    request: Request, visit: Annotated[Visit, allowed("orders")], name: Name, wish: Wish, hold: str = ""
) -> Response:
    """What cancelling, holding or releasing would do, before anything is done."""
    return await _asking(visit, name, wish, {"hold": hold}, 200)


async def _asking(
    visit: Visit, name: str, wish: str, form: Item, status: int, error: Item | None = None, key: str = ""
) -> Response:
    if not visit.person.may(wish):
        raise Refused(wish)
    office, w = visit.office, visit.office.pages.words
    async with office.reading() as conn:
        order_id = await order_called(conn, name)
    found = dict(await office.owners.get("order", f"/orders/{order_id}"))
    if wish == "release" and form.get("hold") not in found["holds"]:
        form = {**form, "hold": found["holds"][0] if found["holds"] else ""}
    told = None
    try:
        told = await wishes.previewed(office.owners, wish, str(order_id), form.get("hold", ""), visit.person.name)
    except Said as refused:
        error = error or {"kind": "bad", "title": w.say("This cannot be done now."), "text": refused.title}
        status = max(status, 409)
    key = key or str(office.running.new_id())
    page = wishes.page(office.pages, wish, found, told, form, key, error)
    return visit.page("wish.html", "orders", page, status=status)


def not_done(w: English, refused: Said) -> Item:
    """The notice of what the owner refused, also because the order is another one than was looked at."""
    stale = refused.status == 409 and "stale" in refused.title
    title = w.say("The order changed since you looked. Nothing was done.") if stale else w.say("Nothing was done.")
    text = w.say("This is the effect now; look at it and decide again.") if stale else refused.title
    return {"kind": "wait" if stale else "bad", "title": title, "text": text}


def not_known(w: English) -> Item:
    """The notice when the owner did not answer."""
    text = w.say("The order service did not answer in time. Pressing again is safe: it is done once.")
    return {"kind": "wait", "title": w.say("It is not known yet whether it was done."), "text": text}


@router.post("/orders/{name}/{wish}")
async def do_wish(
    visit: Annotated[Visit, allowed("orders")],
    name: Name,
    wish: Wish,
    key: Annotated[str, Form(min_length=8, max_length=64)],
    quote: Annotated[str, Form(max_length=64)] = "",
    reason: Annotated[str, Form(max_length=200)] = "",
    hold: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Exactly what was shown; 409 with the new effect when the order changed since; 503 when it is not known yet."""
    if not visit.person.may(wish):
        raise Refused(wish)
    office, w = visit.office, visit.office.pages.words
    form = {"key": key, "quote": quote, "reason": reason, "hold": hold}
    async with office.reading() as conn:
        order_id = await order_called(conn, name)
    try:
        await wishes.done(office.owners, wish, str(order_id), form, visit.person.name)
    except Said as refused:
        return await _asking(visit, name, wish, form, refused.status, not_done(w, refused))
    except Away:
        error = not_known(w)
        page = wishes.page(
            office.pages, wish, {"number": name, "holds": [hold] if hold else []}, None, form, key, error
        )
        return visit.page("wish.html", "orders", page, status=503)
    await office.look(order_id)
    return RedirectResponse(f"/orders/{name}?done={wish}", 303)
