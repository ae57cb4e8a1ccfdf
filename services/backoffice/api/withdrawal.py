"""Sending something back, by the customer's link: chosen, shown with what it means, then announced in her own name."""

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.backoffice.api.frame import Office, pages
from services.backoffice.api.status import CUSTOMER, Lang, Token, opened, told
from services.backoffice.owners import Away, Said
from services.backoffice.phrases import Phrases, language_of
from services.backoffice.views import withdrawal as view

router = pages()
Item = dict[str, Any]


@router.get("/s/{token}/return")
async def choose(request: Request, token: Token, lang: Lang = "") -> Response:
    """Which pieces of which parcel; after the period, that it is over and whom to ask."""
    office: Office = request.app.state.office
    found = opened(request, token)
    if isinstance(found, Response):
        return found
    try:
        order, period, p = await _known(office, found[0], lang)
    except Said:
        return told(office, 404)
    except Away:
        return told(office, 503)
    if not period["parcels"]:
        return RedirectResponse(f"/s/{token}?{urlencode({'lang': lang})}", 303)
    return _choosing(office, token, order, period, p, {}, "", 200)


async def _known(office: Office, order_id: UUID, lang: str) -> tuple[Item, Item, Phrases]:
    order = dict(await office.owners.get("order", f"/orders/{order_id}"))
    period = dict(await office.owners.get("order", f"/orders/{order_id}/withdrawal"))
    return order, period, Phrases(language_of(order["bill_to"], order["ship_to"], lang), office.pages.zone)


def _choosing(
    office: Office, token: str, order: Item, period: Item, p: Phrases, form: Item, error: str, status: int
) -> Response:
    page = view.choosing(order, period, p, f"/s/{token}", form, error)
    page["contact"] = office.contact
    return HTMLResponse(office.pages.render("withdraw.html", page=page, p=p), status)


@router.post("/s/{token}/return")
async def withdraw(
    request: Request,
    token: Token,
    key: Annotated[str, Form(max_length=64)] = "",
    quote: Annotated[str, Form(max_length=64)] = "",
    reason: Annotated[str, Form(max_length=200)] = "",
    lang: Lang = "",
) -> Response:
    """Without a quote: what it would do. With it: exactly that, or 409 with the new effect; 503 when not known yet."""
    office: Office = request.app.state.office
    found = opened(request, token)
    if isinstance(found, Response):
        return found
    form = dict(await request.form())
    try:
        order, period, p = await _known(office, found[0], lang)
        try:
            wish = view.typed(order, form)
        except ValueError:
            return _choosing(office, token, order, period, p, form, p.phrase("withdraw wrong"), 422)
        body = {**wish, "reason": reason.strip(), "withdrawal": True}
        if quote and await _done(office, found[0], {**body, "quote": quote}, key):
            await office.look(found[0])
            return RedirectResponse(f"/s/{token}?{urlencode({'lang': lang, 'done': 'withdraw'})}", 303)
        return await _asking(office, token, order, period, p, body, stale=bool(quote))
    except Said:
        return told(office, 404)
    except Away:
        return told(office, 503)


async def _done(office: Office, order_id: UUID, body: Item, key: str) -> bool:
    """Whether the owner did it; no when it is another order now than the one that was shown, or too late."""
    try:
        await office.owners.post("order", f"/orders/{order_id}/returns", body, actor=CUSTOMER, key=key)
    except Said:
        return False
    return True


async def _asking(
    office: Office, token: str, order: Item, period: Item, p: Phrases, body: Item, *, stale: bool
) -> Response:
    where, owners = f"/orders/{order['id']}/returns/preview", office.owners
    error, status = (p.phrase("stale"), 409) if stale else ("", 200)
    try:
        would = await owners.post("order", where, body, actor=CUSTOMER)
        worth = await owners.post("billing", where, would["returns"][0], actor=CUSTOMER)
    except Said:
        return _choosing(office, token, order, period, p, body, error or p.phrase("withdraw wrong"), 409)
    key, address = str(office.running.new_id()), office.seller.address
    page = view.asking(order, period, body, would, worth, p, f"/s/{token}", body["reason"], key, address, error)
    return HTMLResponse(office.pages.render("withdraw_ask.html", page=page, p=p), status)
