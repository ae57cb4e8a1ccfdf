"""What a carrier pays out of cash on delivery: typed or uploaded, shown parcel by parcel, then booked as shown."""

from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid5

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from services.backoffice.api import shown
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.owners import Said
from services.backoffice.sheets import MOST_BYTES, Mark, Unreadable, decoded
from services.backoffice.views import payouts as view
from services.backoffice.views import uploads
from services.backoffice.views.lines import Mistyped, text
from shared.contracts.backoffice import NoteBought

router = pages()
Item = dict[str, Any]
MARKS: dict[str, Mark] = {".": ".", ",": ","}


@router.get("/money/payouts")
async def payout(visit: Annotated[Visit, allowed("match")]) -> Response:
    """The form: which payout, and its parcels."""
    return _shown(visit, {"lines": "parcel;amount;fee\n"}, [], None)


def _shown(
    visit: Visit, form: Item, lines: list[view.Known], error: Item | None, *, status: int = 200, **more: Any
) -> Response:
    done = bool(more.pop("done", False))
    page = view.page(visit.office.pages, form, lines, error, done) | {"key": "", "quote": "", **more}
    return visit.page("payouts.html", "money", page, status=422 if error and status == 200 else status)


@router.post("/money/payouts")
async def paid_out(request: Request, visit: Annotated[Visit, allowed("match")]) -> Response:
    """Without a quote: what it would do with each parcel. With it: exactly that, each parcel once and answered."""
    office, w, sent = visit.office, visit.office.pages.words, await request.form()
    form = {name: value for name, value in sent.items() if isinstance(value, str)}
    key = form["key"] if 8 <= len(form.get("key", "")) <= 64 else shown.new_key(visit)
    file = sent.get("file")
    try:
        raw = await file.read(MOST_BYTES + 1) if isinstance(file, UploadFile) and file.size else b""
        raw = raw or form.get("lines", "").encode()
        form["lines"] = decoded(raw)[0]
        lines = view.lines_of(raw, MARKS.get(form.get("mark", ""), ""))
        reference = text(w, form, "reference", w.say("Number of the payout"), 64)
    except Unreadable as error:
        return _shown(visit, form, [], uploads.unreadable(w, error))
    except Mistyped as wrong:
        return _shown(visit, form, [], shown.nothing(w, str(wrong)))
    if not reference:
        return _shown(visit, form, [], shown.nothing(w, w.say("Say the number of the payout.")))
    async with office.reading() as conn:
        known = await view.known(conn, lines)
    try:
        known = await view.looked_at(office.owners, reference, known, visit.person.name)
    except Said as refused:
        return _shown(visit, form, [], shown.nothing(w, refused.title))
    quote, asked = view.quote_of(reference, known), [of for of in known if of.good]
    if not form.get("quote") or not asked:
        return _shown(visit, form, known, None, key=key, quote=quote)
    if form["quote"] != quote:
        return _shown(visit, form, known, uploads.stale(w), status=409, key=shown.new_key(visit), quote=quote)
    act = shown.Act(
        "billing", "/cash-remittances/batch", {"reference": reference, "parcels": [of.body for of in asked]}
    )
    done = await shown.do(visit, act, key, None)
    if isinstance(done, shown.Undone):
        return _shown(visit, form, known, done.notice, status=done.status, key=done.key, quote=quote)
    noted = NoteBought(what="payout", name=reference, actor=visit.person.name)
    await office.running.desk.ask(noted, id=uuid5(NAMESPACE_URL, f"payout:{reference}:{key}"))
    return _shown(visit, form, view.answered(known, asked, done["outcomes"]), None, done=True)
