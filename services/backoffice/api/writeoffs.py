"""Debts that staff give up: first typed, then shown, then done, or kept until another person approves."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice import queries
from services.backoffice.api import shown
from services.backoffice.api.frame import Refused, Visit, allowed, pages
from services.backoffice.api.order import Name, order_called
from services.backoffice.views import writeoffs
from services.backoffice.views.lines import Mistyped, amount

router = pages()
Item = dict[str, Any]
Text = Annotated[str, Form(max_length=200)]


@router.get("/orders/{name}/write-off")
async def write_off(visit: Annotated[Visit, allowed("write-off")], name: Name) -> Response:
    """What of the order is owed for goods that are out, to be given up."""
    _, number, account = await _order(visit, name)
    return visit.page("write_off.html", "orders", writeoffs.form_page(visit.office.pages, number, account, {}, None))


@router.post("/orders/{name}/write-off")
async def do_write_off(
    request: Request,
    visit: Annotated[Visit, allowed("write-off")],
    name: Name,
    key: Text = "",
    quote: Text = "",
    reason: Text = "",
) -> Response:
    """Without a quote: what it would do. With it: exactly that, or 409 with the new effect; 202 becomes a wait."""
    office, w = visit.office, visit.office.pages.words
    order_id, number, account = await _order(visit, name)
    form = dict(await request.form())

    async def typing(error: Item) -> Response:
        page = writeoffs.form_page(office.pages, number, account, form, error)
        return visit.page("write_off.html", "orders", page, status=422)

    typed = str(form.get("amount", "")).strip()
    try:
        sum_ = amount(w, typed, account["currency"])
    except Mistyped as wrong:
        return await typing(shown.nothing(w, str(wrong)))
    if not reason.strip():
        return await typing(shown.nothing(w, w.say("Say why; the reason stays with the write-off.")))

    async def asking(told: Item | None, error: Item | None, key: str) -> Item:
        return writeoffs.write_off_question(office.pages, number, {"typed": typed}, told, reason, key, error)

    act = shown.Act("billing", f"/orders/{order_id}/write-offs", {"amount": sum_, "reason": reason})
    done = await shown.shown_or_done(visit, act, key, quote, asking, typing)
    if isinstance(done, Response):
        return done
    said = "write-off-asked" if done["state"] == "waiting" else "write-off"
    return RedirectResponse(f"/orders/{number}?done={said}", 303)


async def _order(visit: Visit, name: str) -> tuple[UUID, str, Item]:
    """The order's id and number, and its money as billing says. Raises NotFound, Away or Said."""
    async with visit.office.reading() as conn:
        order_id = await order_called(conn, name)
        numbers = await queries.numbers_of(conn, [order_id])
    account = dict(await visit.office.owners.get("billing", f"/accounts/{order_id}"))
    return order_id, numbers.get(order_id) or name, account


@router.get("/orders/{name}/write-offs/{id}")
async def one(visit: Annotated[Visit, allowed("write-off")], name: Name, id: UUID) -> Response:
    """One write-off, to be looked at or decided."""
    return await _one(visit, name, id)


async def _one(
    visit: Visit, name: str, id: UUID, status: int = 200, error: Item | None = None, key: str = ""
) -> Response:
    async with visit.office.reading() as conn:
        order_id = await order_called(conn, name)
    of = dict(await visit.office.owners.get("billing", f"/orders/{order_id}/write-offs/{id}"))
    page = writeoffs.one_page(visit.office.pages, visit.person, of, key or shown.new_key(visit), error)
    return visit.page("write_off_one.html", "money", page, status=status)


@router.post("/orders/{name}/write-offs/{id}/{act}")
async def decide(
    visit: Annotated[Visit, allowed("write-off")],
    name: Name,
    id: UUID,
    act: Literal["approve", "refuse"],
    key: Annotated[str, Form(min_length=8, max_length=64)],
    reason: Text = "",
) -> Response:
    """Approves it as it was asked for, or refuses it with a reason. That nobody approves their own is billing's law."""
    w = visit.office.pages.words
    if act == "approve" and not visit.person.may("approve"):
        raise Refused(act)
    async with visit.office.reading() as conn:
        order_id = await order_called(conn, name)
    if act == "refuse" and not reason.strip():
        return await _one(visit, name, id, 422, shown.nothing(w, w.say("Say why; who asked for it reads it.")), key)
    body = {"note": reason} if act == "approve" else {"reason": reason}
    asked = shown.Act("billing", f"/orders/{order_id}/write-offs/{id}/{act}", body)
    done = await shown.do(visit, asked, f"{key}-{act}", None)
    if isinstance(done, shown.Undone):
        return await _one(visit, name, id, done.status, done.notice, key if done.fate == "unknown" else done.key)
    return RedirectResponse(f"/orders/{name}/write-offs/{id}", 303)
