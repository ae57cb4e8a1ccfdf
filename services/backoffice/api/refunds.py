"""Refunds by the staff: first typed, then shown, then done, or kept until another person approves."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice import queries
from services.backoffice.api.frame import Refused, Visit, allowed, pages
from services.backoffice.api.order import Name, order_called
from services.backoffice.api.wishes import not_done
from services.backoffice.owners import Away, Said
from services.backoffice.pages import English
from services.backoffice.views import refunds
from shared.http import NotFound

router = pages()
Item = dict[str, Any]
Key = Annotated[str, Form(max_length=64)]
Quote = Annotated[str, Form(max_length=64)]
Reason = Annotated[str, Form(max_length=200)]
State = Literal["waiting", "done", "refused", ""]


def not_known(w: English) -> Item:
    """The notice when billing did not answer."""
    text = w.say("Billing did not answer in time. Pressing again is safe: it is done once.")
    return {"kind": "wait", "title": w.say("It is not known yet whether it was done."), "text": text}


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
    key = key or str(office.running.new_id())

    def typing(text: str, title: str = "") -> Response:
        error = {"kind": "bad", "title": title or w.say("Nothing was done."), "text": text}
        return visit.page(
            "refund.html", "orders", refunds.form_page(office.pages, order, left, form, error), status=422
        )

    try:
        wish = refunds.typed(left, form)
    except refunds.Wrong as wrong:
        if str(wrong):
            text = w.say("%(product)s: type an amount, or how many pieces; not both.", product=str(wrong))
            return typing(text)
        return typing(w.say("Type of one invoice what is given back: an amount or pieces of at least one line."))
    if not reason.strip():
        return typing(w.say("Say why; the reason stays with the refund."))
    where, body = f"/orders/{order['id']}/refunds", {**wish, "reason": reason}
    asks: Item = {"actor": visit.person.name, "roles": sorted(visit.person.roles)}
    error, status = None, 200
    if quote:
        try:
            told = await office.owners.post("billing", where, {**body, "quote": quote}, key=key, **asks)
        except Said as refused:
            error, status = not_done(w, refused), refused.status
            key = str(office.running.new_id())  # the answer to the other one is kept, and is this refusal
        except Away:
            asked = refunds.refund_question(office.pages, order["number"], wish, None, reason, key, not_known(w))
            return visit.page("wish.html", "orders", {**asked, "quote": quote}, status=503)
        else:
            done = "refund-asked" if told["state"] == "waiting" else "refund"
            return RedirectResponse(f"/orders/{order['number']}?done={done}", 303)
    try:
        told = await office.owners.post("billing", f"{where}/preview", body, **asks)
    except Said as refused:
        return typing(refused.title, w.say("This cannot be done now."))
    asked = refunds.refund_question(office.pages, order["number"], wish, told, reason, key, error)
    return visit.page("wish.html", "orders", asked, status=status)


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
    office, person, w = visit.office, visit.person, visit.office.pages.words
    order_id, number = await _found(visit, id)
    of = dict(await office.owners.get("billing", f"/orders/{order_id}/refunds/{id}"))
    told = None
    own = of["asker"].strip().casefold() == person.name.strip().casefold()
    if of["state"] == "waiting" and person.may("approve") and not own:
        where = f"/orders/{order_id}/refunds/{id}/approve/preview"
        try:
            told = await office.owners.post("billing", where, {}, actor=person.name, roles=sorted(person.roles))
        except Said as refused:
            error = error or {"kind": "bad", "title": w.say("It cannot be approved now."), "text": refused.title}
    key = key or str(office.running.new_id())
    page = refunds.one_page(office.pages, person, of, number, told, key, error)
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
    office, w, person = visit.office, visit.office.pages.words, visit.person
    if act == "approve" and not person.may("approve"):
        raise Refused(act)
    order_id, _ = await _found(visit, id)
    body = {"note": reason, "quote": quote} if act == "approve" else {"reason": reason}
    if act == "refuse" and not reason.strip():
        text = w.say("Say why; who asked for the refund reads it.")
        return await _one(visit, id, 422, {"kind": "bad", "title": w.say("Nothing was done."), "text": text}, key)
    try:
        await office.owners.post(
            "billing",
            f"/orders/{order_id}/refunds/{id}/{act}",
            body,
            actor=person.name,
            roles=sorted(person.roles),
            key=f"{key}-{act}",
        )
    except Said as refused:
        return await _one(visit, id, refused.status, not_done(w, refused))
    except Away:
        return await _one(visit, id, 503, not_known(w), key)
    return RedirectResponse(f"/refunds/{id}", 303)
