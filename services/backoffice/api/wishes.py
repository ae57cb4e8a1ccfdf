"""What people ask of an order: first what it would do, then exactly that."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Form
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api import shown
from services.backoffice.api.frame import Refused, Visit, allowed, pages
from services.backoffice.api.order import Name, order_called
from services.backoffice.owners import Said
from services.backoffice.views import wishes

router = pages()
Wish = Literal["cancel", "hold", "release"]


@router.get("/orders/{name}/{wish}")
async def wish(visit: Annotated[Visit, allowed("orders")], name: Name, wish: Wish, hold: str = "") -> Response:
    """What cancelling, holding or releasing would do, before anything is done."""
    return await _asking(visit, await _order(visit, name, wish), wish, hold)


async def _order(visit: Visit, name: str, wish: str) -> UUID:
    if not visit.person.may(wish):
        raise Refused(wish)
    async with visit.office.reading() as conn:
        return await order_called(conn, name)


def act_of(wish: str, order_id: UUID, hold: str, reason: str) -> shown.Act:
    """A wish as its owner takes it; `hold`: which one is released."""
    return shown.Act("order", f"/orders/{order_id}/{wish}", *wishes.said(wish, hold, reason))


async def _asking(
    visit: Visit, order_id: UUID, wish: str, hold: str, reason: str = "", undone: shown.Undone | None = None
) -> Response:
    office = visit.office
    order = dict(await office.owners.get("order", f"/orders/{order_id}"))
    if wish == "release" and hold not in order["holds"]:
        hold = order["holds"][0] if order["holds"] else ""
    told, notice, status = None, undone.notice if undone else None, undone.status if undone else 200
    try:
        told = await shown.preview(visit, act_of(wish, order_id, hold, reason))
    except Said as refused:
        notice, status = notice or shown.cannot(office.pages.words, refused), max(status, 409)
    key = undone.key if undone else shown.new_key(visit)
    page = wishes.page(office.pages, wish, order, told, hold, reason, key, notice)
    return visit.page("wish.html", "orders", page, status=status)


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
    order_id = await _order(visit, name, wish)
    done = await shown.do(visit, act_of(wish, order_id, hold, reason), key, quote)
    if isinstance(done, shown.Undone) and done.fate == "unknown":
        order = {"number": name, "holds": [hold] if hold else []}  # who would say more of it does not answer
        page = wishes.page(visit.office.pages, wish, order, None, hold, reason, key, done.notice)
        return visit.page("wish.html", "orders", {**page, "quote": quote}, status=503)
    if isinstance(done, shown.Undone):
        return await _asking(visit, order_id, wish, hold, reason, done)
    await visit.office.look(order_id)
    return RedirectResponse(f"/orders/{name}?done={wish}", 303)
