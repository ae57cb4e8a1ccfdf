"""Purchase orders and suppliers: typed, shown with what a step would do, then exactly that, under the person's name."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote as quoted
from uuid import NAMESPACE_URL, UUID, uuid5

from fastapi import Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice import purchase_paper, queries
from services.backoffice.api import shown
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.owners import Said
from services.backoffice.views import papers, purchase_mails, purchases, scanning
from services.backoffice.words import N_
from shared.contracts.backoffice import MailSupplier, NoteBought, SendMailAgain
from shared.http import NotFound

router = pages()
Item = dict[str, Any]
Some = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]
Number = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]
Key = Annotated[str, Form(max_length=64)]
ACTS = ("send", "changes", "close", "cancel")


@router.get("/purchasing")
async def listed(
    visit: Annotated[Visit, allowed("purchasing")],
    view: Some = "",
    sku: Some = "",
    supplier: Some = "",
    after: Annotated[str, Query(max_length=500)] = "",
    done: Some = "",
) -> Response:
    """Purchase orders, the newest first: those on their way, drafts, all."""
    wanted = purchases.Wanted(view, sku.strip(), supplier.strip())
    page = await purchases.listed(visit.office.owners, visit.office.pages, wanted, after)
    said = purchases.DONE.get(done, "")
    return visit.page("purchases.html", "purchasing", page, toast=visit.office.pages.words.say(said) if said else "")


# Suppliers


@router.get("/purchasing/suppliers")
async def suppliers(visit: Annotated[Visit, allowed("purchasing")], done: Some = "") -> Response:
    """All suppliers, and the form of a new one."""
    return await _suppliers(visit, {}, None, done)


async def _suppliers(visit: Visit, form: Mapping[str, Any], error: Item | None, done: str = "") -> Response:
    rows = await purchases.all_suppliers(visit.office.owners)
    for row in rows:
        row["href"] = purchases.supplier_address(row["code"])
    names = ("code", "name", "email", "lead_days", "currency")
    page = {"rows": rows, "form": {name: form.get(name, "") for name in names}, "error": error}
    said = visit.office.pages.words.say("Supplier %(code)s is set.", code=done) if done else ""
    return visit.page("suppliers.html", "purchasing", page, status=422 if error else 200, toast=said)


@router.post("/purchasing/suppliers")
async def add_supplier(request: Request, visit: Annotated[Visit, allowed("buy")]) -> Response:
    """A new supplier; a code that is taken is refused, so that nobody changes another one by mistake."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    w, code = visit.office.pages.words, form.get("code", "").strip()
    if not code or len(code) > 64:
        return await _suppliers(
            visit, form, shown.nothing(w, w.say("Give the supplier a code of up to 64 characters."))
        )
    try:
        await visit.office.owners.get("inventory", f"/suppliers/{quoted(code, safe='')}")
        there = w.say("There is a supplier %(code)s already.", code=code)
        return await _suppliers(visit, form, shown.nothing(w, there))
    except Said as refused:
        if refused.status != 404:
            raise
    return await _set_supplier(visit, code, form, partial(_suppliers, visit, form), "")


@router.get("/purchasing/suppliers/{code:path}")
async def one_supplier(visit: Annotated[Visit, allowed("purchasing")], code: Number) -> Response:
    """One supplier, to be changed."""
    return await _supplier(visit, code, {}, None)


async def _supplier(visit: Visit, code: str, form: Mapping[str, Any], error: Item | None) -> Response:
    page = await purchases.supplier_page(visit.office.owners, code, form, error)
    return visit.page("supplier.html", "purchasing", page, status=422 if error else 200)


@router.post("/purchasing/suppliers/{code:path}")
async def set_supplier(request: Request, visit: Annotated[Visit, allowed("buy")], code: Number) -> Response:
    form = {name: str(value) for name, value in (await request.form()).items()}
    return await _set_supplier(visit, code, form, partial(_supplier, visit, code, form), form.get("etag", "*"))


async def _set_supplier(visit: Visit, code: str, form: Item, again: Any, if_match: str) -> Response:
    w = visit.office.pages.words
    try:
        body = purchases.supplier(w, form)
        await visit.office.owners.put(
            "inventory", f"/suppliers/{quoted(code, safe='')}", body, actor=visit.person.name, if_match=if_match
        )
    except ValueError as wrong:
        return await again(shown.nothing(w, str(wrong)))  # type: ignore[no-any-return]
    except Said as refused:
        form.pop("etag", None)  # of what was looked at; the page shows it as it is now
        return await again(shown.nothing(w, refused.title))  # type: ignore[no-any-return]
    await _note(visit, "supplier", code, shown.new_key(visit))
    return RedirectResponse(f"/purchasing/suppliers?done={quoted(code, safe='')}", 303)


# Drafts


@router.get("/purchasing/new")
async def new(visit: Annotated[Visit, allowed("buy")], supplier: Some = "") -> Response:
    """The form of a new purchase order."""
    return await _draft(visit, {"supplier": supplier}, "", None, shown.new_key(visit), "")


async def _draft(visit: Visit, form: Item, number: str, error: Item | None, key: str, etag: str) -> Response:
    page = await purchases.draft_page(visit.office.owners, form, number, error, key, etag)
    return visit.page("purchase_edit.html", "purchasing", page, status=422 if error else 200)


@router.post("/purchasing/new")
async def create(request: Request, visit: Annotated[Visit, allowed("buy")], key: Key = "") -> Response:
    """A draft in the person's name, once however often it is sent."""
    form = await typed(request, visit)
    w, key = visit.office.pages.words, key or shown.new_key(visit)
    if form.get("more"):
        return await _draft(visit, form, "", None, key, "")
    try:
        body = purchases.draft(w, form, await purchases.all_suppliers(visit.office.owners))
    except ValueError as wrong:
        return await _draft(visit, form, "", shown.nothing(w, str(wrong)), key, "")
    done = await shown.do(visit, shown.Act("inventory", "/purchase-orders", body), key, None)
    if isinstance(done, shown.Undone):
        return await _draft(visit, form, "", done.notice, done.key, "")
    await _note(visit, "create", done["number"], key)
    return RedirectResponse(f"{purchases.address(done['number'])}?done=create", 303)


async def typed(request: Request, visit: Visit) -> Item:
    """What was typed, with the SKU of each barcode."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    for name, typed in list(form.items()):
        if name.startswith("sku-") and typed.strip():
            form[name] = await scanning.sku_of(visit.office.owners, typed.strip())
    return form


@router.get("/purchasing/{number}/edit")
async def edit(visit: Annotated[Visit, allowed("buy")], number: Number) -> Response:
    """The form of a draft."""
    order = await visit.office.owners.get("inventory", f"/purchase-orders/{quoted(number, safe='')}")
    return await _draft(visit, purchases.form_of(order), number, None, "", order["etag"])


@router.post("/purchasing/{number}/edit")
async def do_edit(
    request: Request, visit: Annotated[Visit, allowed("buy")], number: Number, etag: Key = ""
) -> Response:
    """The draft as it was typed. When somebody was faster, nothing is done, and what he did is said."""
    owners, w = visit.office.owners, visit.office.pages.words
    form = await typed(request, visit)
    if form.get("more"):
        return await _draft(visit, form, number, None, "", etag)
    try:
        body = purchases.draft(w, form, await purchases.all_suppliers(owners))
    except ValueError as wrong:
        return await _draft(visit, form, number, shown.nothing(w, str(wrong)), "", etag)
    path = f"/purchase-orders/{quoted(number, safe='')}"
    try:
        await owners.put("inventory", path, body, actor=visit.person.name, if_match=etag)
    except Said as refused:
        notice = shown.nothing(w, refused.title)
        if refused.status == 412:
            said = await _newest(visit, number)
            notice = {"kind": "wait", "title": w.say(CHANGED), "text": f"{said} {w.say(KEPT)}"}
            etag = (await owners.get("inventory", path))["etag"]
        return await _draft(visit, form, number, notice, "", etag)
    await _note(visit, "edit", number, shown.new_key(visit))
    return RedirectResponse(f"{purchases.address(number)}?done=edit", 303)


CHANGED = N_("Somebody changed it since you looked. Nothing was done.")
KEPT = N_("What you typed is below; keeping it now replaces that.")


async def _newest(visit: Visit, number: str) -> str:
    """Who did what to an order last, in a sentence."""
    w = visit.office.pages.words
    path = f"/purchase-orders/{quoted(number, safe='')}/history"
    for act in (await visit.office.owners.get("inventory", path, limit=1))["items"]:
        told = purchases.retold(w, act)
        parts = "; ".join([told["text"], *told["lines"]])
        return f"{act['actor'] or '–'}, {w.moment(act['at'])}: {parts}."
    return ""


# One


@router.get("/purchasing/{number}")
async def one(visit: Annotated[Visit, allowed("purchasing")], number: Number, done: Some = "") -> Response:
    """One purchase order: what came, what is to come, what happened, what may be done."""
    page = await _one(visit, number)
    said = purchases.DONE.get(done, "")
    return visit.page("purchase.html", "purchasing", page, toast=visit.office.pages.words.say(said) if said else "")


async def _one(visit: Visit, number: str) -> Item:
    page = await purchases.one(visit.office.owners, visit.office.pages, number)
    async with visit.office.reading() as conn:
        rows = await queries.mails_of(conn, UUID(page["purchase_id"]))
    told = purchase_mails.told(visit.office.pages, page["number"], rows, again=visit.person.may("buy"))
    return {**page, "mails": told}


@router.get("/purchasing/{number}/paper")
async def paper(visit: Annotated[Visit, allowed("buy")], number: Number) -> Response:
    """The order on paper, for the supplier."""
    page = await purchases.one(visit.office.owners, visit.office.pages, number)
    return visit.page("purchase_paper.html", "purchasing", {**page, "seller": visit.office.seller})


@router.get("/purchasing/{number}/pdf")
async def as_pdf(
    visit: Annotated[Visit, allowed("buy")], number: Number, lang: Annotated[str, Query(max_length=10)] = ""
) -> Response:
    """The same as a file, in the shop's language or in the one that is asked for."""
    office = visit.office
    order, place = await purchases.printed(office.owners, number)
    lang = purchase_paper.language(lang, office.languages[0])
    # Making it takes the processor for a while, which nobody else shall wait for.
    body = await asyncio.to_thread(purchase_paper.pdf, order, place, office.seller, office.pages.zone, lang)
    headers = {"Content-Disposition": f'inline; filename="{order["number"]}.pdf"'}
    return Response(body, media_type="application/pdf", headers=headers)


@router.get("/purchasing/{number}/mail")
async def mailing(visit: Annotated[Visit, allowed("buy")], number: Number) -> Response:
    """What its supplier would be e-mailed, and to which address."""
    return await _mailing(visit, number, None, shown.new_key(visit))


async def _mailing(visit: Visit, number: str, error: Item | None, key: str, status: int = 200) -> Response:
    order = await visit.office.owners.get("inventory", f"/purchase-orders/{quoted(number, safe='')}")
    page = purchase_mails.question(visit.office.pages, order, _offer(visit, order), key, error)
    return visit.page("purchase_mail.html", "purchasing", page, status=status)


def _offer(visit: Visit, order: Item, *, ticked: bool = True) -> Item:
    office, on = visit.office, bool(visit.office.running.service.policy.mails)
    return purchase_mails.offer(office.pages, order, usual=office.languages[0], on=on, ticked=ticked)


@router.post("/purchasing/{number}/mail")
async def mail(
    visit: Annotated[Visit, allowed("buy")],
    number: Number,
    key: Annotated[str, Form(max_length=64)],
    email: Annotated[str, Form(max_length=320)] = "",
) -> Response:
    """E-mails it to its supplier, at the address that was shown: once more than before, once however often pressed."""
    w = visit.office.pages.words
    order = await visit.office.owners.get("inventory", f"/purchase-orders/{quoted(number, safe='')}")
    if order["state"] not in ("sent", "partly_received"):
        return await _mailing(visit, number, shown.nothing(w, w.say(NOT_NOW)), shown.new_key(visit), 409)
    if not email or email != order["supplier_email"]:
        return await _mailing(visit, number, shown.nothing(w, w.say(ELSEWHERE)), shown.new_key(visit), 409)
    refused = await _mail(visit, order, email, key)
    if refused:
        return await _mailing(visit, number, shown.nothing(w, refused), shown.new_key(visit), 409)
    return RedirectResponse(f"{purchases.address(number)}?done=mail", 303)


NOT_NOW = N_("Only an order that is on its way is e-mailed.")
ELSEWHERE = N_("The supplier has another e-mail address now than was shown.")


async def _mail(visit: Visit, order: Item, to: str, mark: str) -> str:
    """Has it e-mailed; a sentence where that was refused. The same mark asks for the same e-mail."""
    office = visit.office
    lang = purchase_paper.language("", office.languages[0])
    word = MailSupplier(
        purchase_id=order["purchase_id"], number=order["number"], to=to, lang=lang, mark=mark, actor=visit.person.name
    )
    reply = await office.running.desk.ask(word, id=uuid5(NAMESPACE_URL, f"mailed:{order['number']}:{mark}"))
    return "" if reply.status < 300 else str(reply.body.get("title", reply.status))


@router.post("/purchasing/{number}/mails/{mail_id}/again")
async def mail_again(visit: Annotated[Visit, allowed("buy")], number: Number, mail_id: UUID) -> Response:
    """Tries an e-mail again that was given up; one that was sent meanwhile is left alone."""
    order = await visit.office.owners.get("inventory", f"/purchase-orders/{quoted(number, safe='')}")
    await visit.office.note(SendMailAgain(order_id=order["purchase_id"], mail_id=mail_id, actor=visit.person.name))
    return RedirectResponse(purchases.address(number), 303)


@router.get("/purchasing/{number}/changes")
async def changing(visit: Annotated[Visit, allowed("buy")], number: Number) -> Response:
    """The form of other days and quantities."""
    return await _changing(visit, number, {}, None)


async def _changing(visit: Visit, number: str, form: Item, error: Item | None) -> Response:
    page = await purchases.one(visit.office.owners, visit.office.pages, number)
    page |= {"form": form, "error": error}
    return visit.page("purchase_change.html", "purchasing", page, status=422 if error else 200)


@router.get("/purchasing/{number}/{act}")
async def ask(visit: Annotated[Visit, allowed("buy")], number: Number, act: Number) -> Response:
    """What sending, closing or cancelling it would do."""
    return await _act(visit, number, act, {}, "", "")


@router.post("/purchasing/{number}/{act}")
async def do(
    request: Request,
    visit: Annotated[Visit, allowed("buy")],
    number: Number,
    act: Number,
    key: Key = "",
    quote: Key = "",
) -> Response:
    """Without a quote: what it would do. With it: exactly that, or 409 with the new effect."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    return await _act(visit, number, act, form, key, quote)


async def _act(visit: Visit, number: str, act: str, form: Item, key: str, quote: str) -> Response:
    if act not in ACTS:
        raise NotFound("page", act)
    office, w = visit.office, visit.office.pages.words
    key = key or shown.new_key(visit)

    async def typing(error: Item) -> Response:
        if act == "changes":
            return await _changing(visit, number, form, error)
        page = await _one(visit, number)
        return visit.page("purchase.html", "purchasing", {**page, "error": error}, status=422)

    body: Item = {"reason": form.get("reason", "").strip()} if act in ("close", "cancel") else {}
    if act == "changes":
        path = f"/purchase-orders/{quoted(number, safe='')}"
        try:
            body = purchases.changes(w, form, await office.owners.get("inventory", path))
        except ValueError as wrong:
            return await typing(shown.nothing(w, str(wrong)))

    order: Item = {}
    if act == "send":
        order = await office.owners.get("inventory", f"/purchase-orders/{quoted(number, safe='')}")
    mails = bool(quote and form.get("mail"))
    if mails and form.get("email") != order["supplier_email"]:
        return await typing(shown.nothing(w, w.say(ELSEWHERE)))

    async def asking(told: Item | None, error: Item | None, key: str) -> Item:
        said: list[Item] = []
        if told is not None:
            async with office.reading() as conn:
                numbers = await queries.numbers_of(conn, papers.named(told))
            said = purchases.effects(office.pages, told, numbers, visit.person.may("orders"))
        if error is not None and error["kind"] == "wait" and told is not None:
            error = {**error, "title": w.say(CHANGED), "text": f"{await _newest(visit, number)} {error['text']}"}
        asks = purchases.question(office.pages, act, number, told, form, key, said, error)
        if act == "send":
            asks["mail"] = _offer(visit, order, ticked=mails or not quote)
            if asks["mail"]["to"]:
                asks["button"] = w.say("Send")
        return asks

    path = f"/purchase-orders/{quoted(number, safe='')}/{act}"
    template = "purchase_send.html" if act == "send" else "book.html"
    asked = shown.Act("inventory", path, body, template=template, area="purchasing")
    done = await shown.shown_or_done(visit, asked, key, quote, asking, typing)
    if isinstance(done, Response):
        return done
    await _note(visit, act, number, key)
    if mails:  # after the order is sent, never before; pressed again it is the same e-mail
        act = "unmailed" if await _mail(visit, order, form["email"], "") else "mailed"
    return RedirectResponse(f"{purchases.address(number)}?done={act}", 303)


async def _note(visit: Visit, what: str, name: str, key: str) -> None:
    """For the audit, once per act; the purchase order has it in its history, too."""
    noted = NoteBought(what=what, name=name, actor=visit.person.name)
    await visit.office.running.desk.ask(noted, id=uuid5(NAMESPACE_URL, f"bought:{name}:{what}:{key}"))
