"""Transfers between warehouses: typed, shown once more with what a step does, then done under the person's name."""

from functools import partial
from typing import Annotated, Any
from urllib.parse import quote as quoted
from uuid import NAMESPACE_URL, uuid5

from fastapi import Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice import queries
from services.backoffice.api import shown
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.api.purchases import CHANGED, KEPT, typed
from services.backoffice.owners import Said
from services.backoffice.views import papers, transfers
from services.backoffice.views.lines import Mistyped, text
from shared.contracts.backoffice import NoteBought
from shared.http import NotFound

router = pages()
Item = dict[str, Any]
Some = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]
Number = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]
Key = Annotated[str, Form(max_length=64)]
ACTS = ("send", "close", "cancel")
AREA = "purchasing"


@router.get("/transfers")
async def listed(
    visit: Annotated[Visit, allowed(AREA)],
    view: Some = "",
    sku: Some = "",
    after: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """Transfers, the newest first: those on their way, drafts, all."""
    wanted = transfers.Wanted(view, sku.strip())
    page = await transfers.listed(visit.office.owners, visit.office.pages, wanted, after)
    return visit.page("transfers.html", AREA, page)


# Drafts


@router.get("/transfers/new")
async def new(visit: Annotated[Visit, allowed("transfer")]) -> Response:
    """The form of a new transfer."""
    return await _draft(visit, {}, "", None, shown.new_key(visit), "")


async def _draft(visit: Visit, form: Item, number: str, error: Item | None, key: str, etag: str) -> Response:
    page = await transfers.draft_page(visit.office.owners, form, number, error, key, etag)
    return visit.page("transfer_edit.html", AREA, page, status=422 if error else 200)


@router.post("/transfers/new")
async def create(request: Request, visit: Annotated[Visit, allowed("transfer")], key: Key = "") -> Response:
    """A draft in the person's name, once however often it is sent."""
    form, w = await typed(request, visit), visit.office.pages.words
    key = key or shown.new_key(visit)
    if form.get("more"):
        return await _draft(visit, form, "", None, key, "")
    try:
        body = transfers.draft(w, form)
    except ValueError as wrong:
        return await _draft(visit, form, "", shown.nothing(w, str(wrong)), key, "")
    done = await shown.do(visit, shown.Act("inventory", "/transfers", body), key, None)
    if isinstance(done, shown.Undone):
        return await _draft(visit, form, "", done.notice, done.key, "")
    return await _done(visit, "create", done["number"], key)


@router.get("/transfers/{number}/edit")
async def edit(visit: Annotated[Visit, allowed("transfer")], number: Number) -> Response:
    """The form of a draft."""
    transfer = await visit.office.owners.get("inventory", transfers.path(number))
    return await _draft(visit, transfers.form_of(transfer), number, None, "", transfer["etag"])


@router.post("/transfers/{number}/edit")
async def do_edit(
    request: Request, visit: Annotated[Visit, allowed("transfer")], number: Number, etag: Key = ""
) -> Response:
    """The draft as it was typed. When somebody was faster, nothing is done, and what he did is said."""
    owners, w = visit.office.owners, visit.office.pages.words
    form = await typed(request, visit)
    again = partial(_draft, visit, form, number)
    if form.get("more"):
        return await again(None, "", etag)
    try:
        body = transfers.draft(w, form)
        await owners.put("inventory", transfers.path(number), body, actor=visit.person.name, if_match=etag)
    except ValueError as wrong:
        return await again(shown.nothing(w, str(wrong)), "", etag)
    except Said as refused:
        notice = shown.nothing(w, refused.title)
        if refused.status == 412:
            notice = {"kind": "wait", "title": w.say(CHANGED), "text": f"{await _newest(visit, number)} {w.say(KEPT)}"}
            etag = (await owners.get("inventory", transfers.path(number)))["etag"]
        return await again(notice, "", etag)
    return await _done(visit, "edit", number, shown.new_key(visit))


async def _newest(visit: Visit, number: str) -> str:
    """Who did what to a transfer last, in a sentence."""
    w = visit.office.pages.words
    for act in (await visit.office.owners.get("inventory", transfers.path(number, "history"), limit=1))["items"]:
        told = transfers.retold(w, act)
        return f"{act['actor'] or '–'}, {w.moment(act['at'])}: {'; '.join([told['text'], *told['lines']])}."
    return ""


# One


@router.get("/transfers/{number}")
async def one(visit: Annotated[Visit, allowed(AREA)], number: Number, done: Some = "") -> Response:
    """One transfer: where its pieces are, what happened, what may be done."""
    page = await transfers.one(visit.office.owners, visit.office.pages, number)
    said = transfers.DONE.get(done, "")
    return visit.page("transfer.html", AREA, page, toast=visit.office.pages.words.say(said) if said else "")


@router.get("/transfers/{number}/{act}")
async def ask(visit: Annotated[Visit, allowed("transfer")], number: Number, act: Number) -> Response:
    """What sending, closing or cancelling it does."""
    if act == "send":
        return await _send(visit, number, "", "")
    return await _ask(visit, number, act, {}, shown.new_key(visit), None, 200)


async def _ask(visit: Visit, number: str, act: str, form: Item, key: str, error: Item | None, status: int) -> Response:
    if act not in ACTS:
        raise NotFound("page", act)
    page = await transfers.question(visit.office.owners, visit.office.pages, act, number, form, key, error)
    return visit.page("book.html", AREA, page, status=status)


@router.post("/transfers/{number}/{act}")
async def do(
    request: Request,
    visit: Annotated[Visit, allowed("transfer")],
    number: Number,
    act: Number,
    key: Key = "",
    quote: Key = "",
) -> Response:
    """Exactly what was shown. `quote`: of the preview of sending, else the tag of the transfer that was looked at; of
    another one nothing is done."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    w, key = visit.office.pages.words, key or shown.new_key(visit)
    if act == "send":
        return await _send(visit, number, key, quote)
    if act not in ACTS or not quote:
        return await _ask(visit, number, act, form, key, None, 200)
    try:
        reason = text(w, form, "reason", w.say("Reason"), 64)
    except Mistyped as wrong:
        return await _ask(visit, number, act, form, key, shown.nothing(w, str(wrong)), 422)
    if act == "close" and not reason:
        return await _ask(visit, number, act, form, key, shown.nothing(w, w.say("Say why it is lost.")), 422)
    asked = shown.Act("inventory", transfers.path(number, act), {"reason": reason}, if_match=quote)
    done = await shown.do(visit, asked, key, None)
    if isinstance(done, shown.Undone):
        notice = done.notice
        if done.fate == "stale":
            notice = {**notice, "title": w.say(CHANGED), "text": f"{await _newest(visit, number)} {notice['text']}"}
        return await _ask(visit, number, act, form, done.key, notice, done.status)
    return await _done(visit, act, number, key)


async def _send(visit: Visit, number: str, key: str, quote: str) -> Response:
    """Without a quote: what sending it would do. With it: exactly that, or 409 with the new effect."""
    office, w = visit.office, visit.office.pages.words
    key = key or shown.new_key(visit)

    async def typing(error: Item) -> Response:
        page = await transfers.one(office.owners, office.pages, number)
        return visit.page("transfer.html", AREA, {**page, "error": error}, status=422)

    async def asking(told: Item | None, error: Item | None, key: str) -> Item:
        said: list[Item] = []
        if told is not None:
            async with office.reading() as conn:
                numbers = await queries.numbers_of(conn, papers.named(told))
            said = transfers.effects(office.pages, told, numbers, visit.person.may("orders"))
        if error is not None and error["kind"] == "wait" and told is not None:
            error = {**error, "title": w.say(CHANGED), "text": f"{await _newest(visit, number)} {error['text']}"}
        return await transfers.question(office.owners, office.pages, "send", number, {}, key, error, told, said)

    asked = shown.Act("inventory", transfers.path(number, "send"), {}, template="book.html", area=AREA)
    done = await shown.shown_or_done(visit, asked, key, quote, asking, typing)
    return done if isinstance(done, Response) else await _done(visit, "send", number, key)


async def _done(visit: Visit, what: str, number: str, key: str) -> Response:
    """Notes it for the audit, once per act; the transfer has it in its history, too."""
    noted = NoteBought(what=f"transfer-{what}", name=number, actor=visit.person.name)
    await visit.office.running.desk.ask(noted, id=uuid5(NAMESPACE_URL, f"transfer:{number}:{what}:{key}"))
    return RedirectResponse(f"/transfers/{quoted(number, safe='')}?done={what}", 303)
