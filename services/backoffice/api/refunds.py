"""Refunds by the staff: first typed, then shown, then done, or kept until another person approves."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice import queries
from services.backoffice.api import shown
from services.backoffice.api.frame import Refused, Visit, allowed, pages
from services.backoffice.api.order import Name, order_called
from services.backoffice.owners import Said
from services.backoffice.views import refunds
from services.backoffice.views.lines import Mistyped
from shared.http import NotFound

router = pages()
Item = dict[str, Any]
Key = Annotated[str, Form(max_length=64)]
Quote = Annotated[str, Form(max_length=64)]
Reason = Annotated[str, Form(max_length=200)]
State = Literal["waiting", "done", "refused", ""]


@router.get("/orders/{name}/refund")
async def refund(visit: Annotated[Visit, allowed("refund")], name: Name) -> Response:
    """What of the order may still be given back, invoice by invoice."""
    order, left = await _order(visit, name)
    return visit.page("refund.html", "orders", refunds.form_page(visit.office.pages, order, left, {}, None))


@router.post("/orders/{name}/refund")
async def do_refund(
    request: Request,
    visit: Annotated[Visit, allowed("refund")],
    name: Name,
    key: Key = "",
    quote: Quote = "",
    reason: Reason = "",
) -> Response:
    """Without a quote: what it would do. With it: exactly that, or 409 with the new effect; 202 becomes a wait."""
    office, w = visit.office, visit.office.pages.words
    order, left = await _order(visit, name)
    form = dict(await request.form())

    async def typing(error: Item) -> Response:
        page = refunds.form_page(office.pages, order, left, form, error)
        return visit.page("refund.html", "orders", page, status=422)

    try:
        wish = refunds.typed(w, left, form)
    except Mistyped as wrong:
        return await typing(shown.nothing(w, str(wrong)))
    except refunds.Wrong as wrong:
        text = w.say("Type of one invoice what is given back: an amount or pieces of at least one line.")
        if str(wrong):
            text = w.say("%(product)s: type an amount, or how many pieces; not both.", product=str(wrong))
        return await typing(shown.nothing(w, text))
    if not reason.strip():
        return await typing(shown.nothing(w, w.say("Say why; the reason stays with the refund.")))

    async def asking(told: Item | None, error: Item | None, key: str) -> Item:
        return refunds.refund_question(office.pages, order["number"], wish, told, reason, key, error)

    act = shown.Act("billing", f"/orders/{order['id']}/refunds", {**wish, "reason": reason})
    done = await shown.shown_or_done(visit, act, key, quote, asking, typing)
    if isinstance(done, Response):
        return done
    said = "refund-asked" if done["state"] == "waiting" else "refund"
    return RedirectResponse(f"/orders/{order['number']}?done={said}", 303)


async def _order(visit: Visit, name: str) -> tuple[Item, Item]:
    """The order's number and id, and what of it may be given back. Raises NotFound, Away or Said."""
    async with visit.office.reading() as conn:
        order_id = await order_called(conn, name)
        numbers = await queries.numbers_of(conn, [order_id])
    left = await refunds.refundable(visit.office.owners, order_id)
    return {"id": order_id, "number": numbers.get(order_id) or name}, left


@router.get("/refunds")
async def listed(
    visit: Annotated[Visit, allowed("refunds")],
    state: State = "waiting",
    after: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Refunds that wait for approval, and those that were decided."""
    async with visit.office.reading() as conn:
        page = await refunds.list_page(conn, visit.office.pages, visit.person, state, after)
    return visit.page("refunds.html", "refunds", page)


@router.get("/refunds/{id}")
async def one(visit: Annotated[Visit, allowed("refunds")], id: UUID) -> Response:
    """One refund; who may decide about it sees what approving it would do."""
    return await _one(visit, id)


async def _one(visit: Visit, id: UUID, status: int = 200, error: Item | None = None, key: str = "") -> Response:
    office, person = visit.office, visit.person
    order_id, number = await _found(visit, id)
    of = dict(await office.owners.get("billing", f"/orders/{order_id}/refunds/{id}"))
    told = None
    own = of["asker"].strip().casefold() == person.name.strip().casefold()
    if of["state"] == "waiting" and person.may("approve") and not own:
        try:
            told = await shown.preview(visit, shown.Act("billing", f"/orders/{order_id}/refunds/{id}/approve", {}))
        except Said as refused:
            title = office.pages.words.say("It cannot be approved now.")
            error = error or {"kind": "bad", "title": title, "text": refused.title}
    page = refunds.one_page(office.pages, person, of, number, told, key or shown.new_key(visit), error)
    return visit.page("refund_one.html", "refunds", page, status=status)


async def _found(visit: Visit, id: UUID) -> tuple[UUID, str]:
    """The order of a refund, and its number. Raises NotFound."""
    async with visit.office.reading() as conn:
        order_id = await queries.order_of_refund(conn, id)
        if order_id is None:
            raise NotFound("refund", id)
        numbers = await queries.numbers_of(conn, [order_id])
    return order_id, numbers.get(order_id) or str(order_id)


@router.post("/refunds/{id}/{act}")
async def decide(
    visit: Annotated[Visit, allowed("refunds")],
    id: UUID,
    act: Literal["approve", "refuse"],
    key: Annotated[str, Form(min_length=8, max_length=64)],
    quote: Quote = "",
    reason: Reason = "",
) -> Response:
    """Approves exactly what was shown, or refuses it with a reason. That nobody approves their own is billing's law."""
    w, person = visit.office.pages.words, visit.person
    if act == "approve" and not person.may("approve"):
        raise Refused(act)
    order_id, _ = await _found(visit, id)
    if act == "refuse" and not reason.strip():
        return await _one(visit, id, 422, shown.nothing(w, w.say("Say why; who asked for the refund reads it.")), key)
    body = {"note": reason} if act == "approve" else {"reason": reason}
    asked = shown.Act("billing", f"/orders/{order_id}/refunds/{id}/{act}", body)
    done = await shown.do(visit, asked, f"{key}-{act}", quote if act == "approve" else None)
    if isinstance(done, shown.Undone):
        return await _one(visit, id, done.status, done.notice, key if done.fate == "unknown" else done.key)
    return RedirectResponse(f"/refunds/{id}", 303)
