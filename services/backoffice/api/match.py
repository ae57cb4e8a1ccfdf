"""A transfer that nobody could place: first which order it is for, then what that does, then done."""

from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import Form, Query
from fastapi.responses import RedirectResponse, Response

from services.backoffice import queries
from services.backoffice.api import shown
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.views import match as view
from shared.contracts.backoffice import NoteMatched
from shared.http import NotFound

router = pages()
Item = dict[str, Any]
Entry = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]
Number = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]


@router.get("/money/match")
async def match(visit: Annotated[Visit, allowed("match")], entry: Entry = "", order: Number = "") -> Response:
    """Without an order: those that wait for this amount. With one: what matching does. What is matched: its order."""
    of = await view.entry(visit.office.owners, entry) if entry else None
    if of is None:
        raise NotFound("bank entry", entry)
    if of["state"] == "matched":
        return RedirectResponse(f"/orders/{of['order_id']}", 303)
    if not order.strip():
        return await _choosing(visit, of, "", None)
    return await _asking(visit, of, order.strip(), None)


async def _choosing(visit: Visit, of: Item, typed: str, error: Item | None) -> Response:
    async with visit.office.reading() as conn:
        page = await view.choose(conn, visit.office.pages, of, typed, error)
    return visit.page("match.html", "money", page, status=422 if error else 200)


async def _asking(visit: Visit, of: Item, number: str, undone: shown.Undone | None) -> Response:
    office, w = visit.office, visit.office.pages.words
    async with office.reading() as conn:
        order = await queries.payable(conn, number)
    if order is None:
        return await _choosing(visit, of, number, shown.nothing(w, w.say(view.NO_ORDER)))
    if order["currency"] != of["currency"]:
        text = w.say(view.OTHER_CURRENCY, currency=order["currency"])
        return await _choosing(visit, of, number, shown.nothing(w, text))
    left = await view.still_open(office.owners, order)
    key, notice, status = (undone.key, undone.notice, undone.status) if undone else (shown.new_key(visit), None, 200)
    page = view.question(office.pages, of, order, left, key, notice)
    return visit.page("book.html", "money", page, status=status)


@router.post("/money/match")
async def matched(
    visit: Annotated[Visit, allowed("match")],
    key: Annotated[str, Form(min_length=8, max_length=64)],
    entry: Annotated[str, Form(min_length=1, max_length=64, pattern=r"^[^\x00]*$")],
    order: Annotated[str, Form(min_length=1, max_length=64, pattern=r"^[^\x00]*$")],
) -> Response:
    """Once, however often it is sent: billing knows the entry. Somebody else's match is shown, not changed."""
    office = visit.office
    of = await view.entry(office.owners, entry)
    async with office.reading() as conn:
        found = await queries.payable(conn, order)
    if of is None or found is None:
        raise NotFound("bank entry or order", f"{entry}, {order}")
    order_id: UUID = found["order_id"]
    done = await shown.do(visit, shown.Act("billing", "/bank-entries", view.body(of, order_id)), key, None)
    if isinstance(done, shown.Undone):
        return await _asking(visit, of, order, done)
    if done["state"] != "matched" or done["order_id"] != str(order_id):
        return RedirectResponse(view.address(entry), 303)
    noted = NoteMatched(order_id=order_id, number=found["number"], entry_id=entry, actor=visit.person.name)
    await office.running.desk.ask(noted, id=uuid5(order_id, f"{key}:match"))
    await office.look(order_id)
    return RedirectResponse(f"/orders/{found['number']}?done=match", 303)
