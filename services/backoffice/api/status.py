"""The customer's page, by a signed link: one order, no account, no script, nothing of another site."""

import asyncio
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.backoffice import paper, queries
from services.backoffice.api.frame import Office, Visit, allowed, pages
from services.backoffice.api.order import Name, order_called
from services.backoffice.owners import Away, Said
from services.backoffice.phrases import LANGUAGES, Phrases, language_of
from services.backoffice.views import documents as documents_view
from services.backoffice.views import status as view
from services.backoffice.views.cells import address
from shared.contracts.backoffice import NoteView

router = pages()
Token = Annotated[str, Path(max_length=400)]
Lang = Annotated[str, Query(max_length=10)]
CUSTOMER = "customer"
"""Who acts by a link and looks at documents there, as the history and the list of views name it."""
DONE = ("wait", "stop", "withdraw")
"""What a customer is told to have done."""


def told(office: Office, status: int) -> Response:
    """What is said instead: 404 for any wrong link, 429 and 503 for later. In every language, as nobody knows whose."""
    title, text = ("no link", "no link why") if status == 404 else ("not now", "not now why")
    spoken = [Phrases(lang, office.pages.zone) for lang in LANGUAGES]
    said = [{"lang": p.lang, "title": p.phrase(title), "text": p.phrase(text)} for p in spoken]
    page = {"title": " · ".join(of["title"] for of in said), "told": said}
    answer = HTMLResponse(office.pages.render("no_link.html", page=page, p=spoken[-1]), status)
    if status in (429, 503):
        answer.headers["Retry-After"] = "60"
    return answer


def opened(request: Request, token: str) -> "tuple[UUID, datetime] | Response":
    """The order of a link and when it ends; or what is said instead, which does not tell what is wrong with it.

    Wrong links are counted by address, good ones by address and by order.
    """
    office: Office = request.app.state.office
    now, who = office.running.now(), request.client.host if request.client else ""
    if office.wrong_links.full(who, now) or office.visits.full(who, now):
        return told(office, 429)
    found = office.links.read(token, now)
    if found is None:
        office.wrong_links.add(who, now)
        return told(office, 404)
    if office.visits.full(found[0].hex, now):
        return told(office, 429)
    office.visits.add(who, now)
    office.visits.add(found[0].hex, now)
    return found


@router.get("/s/{token}")
async def status(
    request: Request, token: Token, lang: Lang = "", done: Annotated[str, Query(max_length=10)] = ""
) -> Response:
    """Where the order is, what comes later, what it costs."""
    office: Office = request.app.state.office
    found = opened(request, token)
    if isinstance(found, Response):
        return found
    order_id, ends = found
    try:
        known = await view.facts(office.reading, office.owners, order_id)
    except Said:
        return told(office, 404)
    except Away:
        return told(office, 503)
    order = known["order"]
    p = Phrases(language_of(order["bill_to"], order["ship_to"], lang), office.pages.zone)
    page = view.page(known, p, office.carriers, f"/s/{token}", ends)
    said = p.phrase(f"done {done}") if done in DONE else ""
    page |= {"contact": office.contact, "key": str(office.running.new_id()), "done": said}
    return HTMLResponse(office.pages.render("status.html", page=page, p=p))


Key = Annotated[str, Form(min_length=8, max_length=64)]


@router.post("/s/{token}/wait")
async def wait(request: Request, token: Token, key: Key, lang: Lang = "") -> Response:
    """The customer agrees to the newest date."""
    office: Office = request.app.state.office
    found = opened(request, token)
    if isinstance(found, Response):
        return found
    try:
        await office.owners.post("order", f"/orders/{found[0]}/accept-date", {}, actor=CUSTOMER, key=key)
    except Said:
        return RedirectResponse(f"/s/{token}?{urlencode({'lang': lang})}", 303)  # over meanwhile: as it stands now
    except Away:
        return told(office, 503)
    await office.look(found[0])
    return RedirectResponse(f"/s/{token}?{urlencode({'lang': lang, 'done': 'wait'})}", 303)


@router.get("/s/{token}/stop")
async def about_stop(request: Request, token: Token, lang: Lang = "") -> Response:
    """What cancelling what comes later would do, before anything is done."""
    return await _stop(request, token, lang, "", "")


@router.post("/s/{token}/stop")
async def stop(
    request: Request, token: Token, key: Key, quote: Annotated[str, Form(max_length=64)], lang: Lang = ""
) -> Response:
    """Exactly what was shown; 409 with the new effect when the order changed since; 503 when it is not known yet."""
    return await _stop(request, token, lang, key, quote)


async def _stop(request: Request, token: str, lang: str, key: str, quote: str) -> Response:
    office: Office = request.app.state.office
    found = opened(request, token)
    if isinstance(found, Response):
        return found
    order_id, where, status = found[0], f"/orders/{found[0]}/cancel", 200
    here = f"/s/{token}"
    try:
        order = dict(await office.owners.get("order", f"/orders/{order_id}"))
        p = Phrases(language_of(order["bill_to"], order["ship_to"], lang), office.pages.zone)
        body = {"lines": view.late_pieces(order), "reason": "the customer does not wait any longer"}
        if not body["lines"]:
            return RedirectResponse(
                f"{here}?{urlencode({'lang': lang})}", 303
            )  # nothing comes later; no lines would mean all
        if quote:
            try:
                await office.owners.post("order", where, {**body, "quote": quote}, actor=CUSTOMER, key=key)
            except Said:
                status = 409
            else:
                await office.look(order_id)
                return RedirectResponse(f"{here}?{urlencode({'lang': lang, 'done': 'stop'})}", 303)
        preview = await office.owners.post("order", f"{where}/preview", body, actor=CUSTOMER)
    except Said:
        return told(office, 404)
    except Away:
        return told(office, 503)
    error = p.phrase("stale") if status == 409 else ""
    page = view.stopping(order, preview, p, here, str(office.running.new_id()), error)
    return HTMLResponse(office.pages.render("stop.html", page=page, p=p), status)


@router.get("/s/{token}/documents/{number}")
async def document(
    request: Request, token: Token, number: Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")], lang: Lang = ""
) -> Response:
    """An invoice or credit note of this order as PDF; of another order there is none."""
    office: Office = request.app.state.office
    found = opened(request, token)
    if isinstance(found, Response):
        return found
    try:
        of = await documents_view.document(office.owners, number)
    except Said:
        of = {}
    except Away:
        return told(office, 503)
    if of.get("order_id") != str(found[0]):
        return told(office, 404)
    # Making it takes the processor for a while, which nobody else shall wait for.
    body = await asyncio.to_thread(paper.pdf, of, address(of["bill_to"]), office.seller, office.pages.zone, lang)
    await office.note(NoteView(number=of["number"], form="pdf", actor=CUSTOMER))
    headers = {"Content-Disposition": f'attachment; filename="{of["number"]}.pdf"'}
    return Response(body, media_type="application/pdf", headers=headers)


@router.get("/s/{token}/documents/{number}/xml")
async def document_xml(
    request: Request, token: Token, number: Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")], lang: Lang = ""
) -> Response:
    """The same document in UBL, for who reads it by program; 409 while billing cannot write it."""
    office: Office = request.app.state.office
    found = opened(request, token)
    if isinstance(found, Response):
        return found
    try:
        of = await documents_view.document(office.owners, number)
        if of["order_id"] != str(found[0]):
            return told(office, 404)
        body = await documents_view.einvoice(office.owners, number, "ubl")
    except Said as refused:
        return told(office, 409 if refused.status == 409 else 404)
    except Away:
        return told(office, 503)
    await office.note(NoteView(number=of["number"], form="ubl", actor=CUSTOMER))
    headers = {"Content-Disposition": f'attachment; filename="{of["number"]}-ubl.xml"'}
    return Response(body, media_type="application/xml", headers=headers)


@router.get("/orders/{name}/link")
async def about_link(visit: Annotated[Visit, allowed("orders")], name: Name) -> Response:
    """What the customer's link is, before one is made."""
    return await _link(visit, name, made=False)


@router.post("/orders/{name}/link")
async def link(visit: Annotated[Visit, allowed("orders")], name: Name) -> Response:
    """The customer's link, to be copied. Who asked for it is kept, as who looked at a document is."""
    return await _link(visit, name, made=True)


async def _link(visit: Visit, name: str, *, made: bool) -> Response:
    office = visit.office
    async with office.reading() as conn:
        order_id = await order_called(conn, name)
        number = (await queries.numbers_of(conn, [order_id])).get(order_id, name)
    page = {"number": number, "can": bool(office.links), "url": "", "until": ""}
    if made and office.links:
        now = office.running.now()
        base = office.public_url or str(visit.request.base_url).rstrip("/")
        page["url"] = f"{base}/s/{office.links.token(order_id, now)}"
        page["until"] = office.pages.words.day(now + office.links.lasts)
        await office.note(NoteView(number=number, form="link", actor=visit.person.name))
    return visit.page("link.html", "orders", page)
