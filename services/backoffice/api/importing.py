"""Orders from a file: uploaded and looked at, then all good ones placed or none; faults go back as a file to be mended.

The file is kept here between the two; what is placed goes by that copy. Each order has an id of its own, made of its
channel and reference, so that the same file again places nothing twice.
"""

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import File, Form, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from services.backoffice import order_sheets, sheets
from services.backoffice.api import shown, uploading
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.api.uploading import Code, csv_file
from services.backoffice.languages import SOURCE
from services.backoffice.order_sheets import Judged, Orders, judged, orders_of
from services.backoffice.owners import Away, Said
from services.backoffice.sheets import MOST_BYTES, Mark, Unreadable
from services.backoffice.views import importing as view
from services.backoffice.views import uploads
from services.backoffice.views.orders import COLUMNS as EXPORTED

router = pages()
Item = dict[str, Any]
AT_ONCE = 100
"""Orders of one request to the order service."""


@router.get("/orders/import")
async def choose_file(visit: Annotated[Visit, allowed("enter")], done: str = "") -> Response:
    """The form, and which columns a file has."""
    said = {"drop": visit.office.pages.words.say("Nothing was placed; the file is gone.")}
    return visit.page("import.html", "orders", view.form(visit.office.pages, None), toast=said.get(done, ""))


@router.get("/orders/import/template.csv")
async def template(visit: Annotated[Visit, allowed("enter")]) -> Response:
    """A file to begin with, as the reader's spreadsheet writes it."""
    delimiter, rows = order_sheets.template(visit.office.pages.language != SOURCE)
    return csv_file(sheets.written(rows, delimiter), "orders-template.csv")


@router.post("/orders/import")
async def upload(
    visit: Annotated[Visit, allowed("enter")],
    file: Annotated[UploadFile, File()],
    mark: Annotated[Literal["", ".", ","], Form()] = "",
) -> Response:
    """Read and kept, or refused with where it makes no sense; nothing is placed."""
    try:
        code = await uploading.keep(visit, "orders", file, mark, partial(_read, visit), MOST_BYTES)
    except Unreadable as error:
        told = uploads.unreadable(visit.office.pages.words, error)
        return visit.page("import.html", "orders", view.form(visit.office.pages, told), status=422)
    return RedirectResponse(f"/orders/import/{code}", 303)


def _read(visit: Visit, raw: bytes, mark: Mark) -> Orders:
    return orders_of(raw, visit.office.pages.zone, EXPORTED, mark)


async def _kept(visit: Visit, code: str) -> tuple[Item, Orders]:
    """The person's own file. Raises NotFound when it is gone."""
    kept, raw = await uploading.kept(visit, "orders", code)
    return kept, await run_in_threadpool(_read, visit, raw, kept["mark"])


async def _judged(visit: Visit, orders: Orders) -> Judged:
    """What the order service says of them now."""
    owners, outcomes = visit.office.owners, []
    for i in range(0, len(orders.drafts), AT_ONCE):
        asked = {"orders": [draft.body for draft in orders.drafts[i : i + AT_ONCE]]}
        outcomes += (await owners.post("order", "/orders/batch/preview", asked, actor=visit.person.name))["outcomes"]
    return judged(orders, outcomes)


@router.get("/orders/import/{code}")
async def preview(visit: Annotated[Visit, allowed("enter")], code: Code) -> Response:
    """What would be placed, and each fault with its row and column."""
    return await _asking(visit, *await _kept(visit, code))


async def _asking(visit: Visit, kept: Item, orders: Orders, error: Item | None = None) -> Response:
    told = await _judged(visit, orders)
    page = view.page(visit.office.pages, kept, orders, told, shown.new_key(visit), error)
    return visit.page("import_one.html", "orders", page, status=409 if error else 200)


@router.get("/orders/import/{code}/errors.csv")
async def faulty_rows(visit: Annotated[Visit, allowed("enter")], code: Code) -> Response:
    """All rows of orders that cannot be placed, with what is wrong beside; mended, it is uploaded again."""
    kept, orders = await _kept(visit, code)
    told = await _judged(visit, orders)
    said = [(fault, uploads.fault(visit.office.pages.words, fault)) for fault in told.faults]
    rows = order_sheets.with_faults(orders, told.faulty, said)
    return csv_file(sheets.written(rows, orders.sheet.delimiter), uploading.beside(kept, "errors"))


@router.post("/orders/import/{code}")
async def place(
    visit: Annotated[Visit, allowed("enter")],
    code: Code,
    key: Annotated[str, Form(min_length=8, max_length=64)],
    quote: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Places all good orders as they were shown, each once; 409 with how they are now when that is something else."""
    kept, orders = await _kept(visit, code)
    told = await _judged(visit, orders)
    if told.quote != quote and told.good:
        return await _asking(visit, kept, orders, uploads.stale(visit.office.pages.words))
    fates = await _placed(visit, told, key)
    counts = {code: sum(of[0] == code for of in fates) for code, _, _ in view.FATES}
    await uploading.note(visit, kept, orders.sheet.digest, key, counts)
    page = view.done(visit.office.pages, kept, told, fates)
    return visit.page("import_done.html", "orders", page, status=503 if counts["unknown"] else 200)


async def _placed(visit: Visit, told: Judged, key: str) -> list[view.Fated]:
    """Some at a time, until the owner does not answer: then nobody knows of the others, and asking again is safe."""
    fates: list[view.Fated] = [("repeated", draft, body["number"], "") for draft, body in told.repeated]
    away = False
    for i in range(0, len(told.good), AT_ONCE):
        some = told.good[i : i + AT_ONCE]
        outcomes: list[Item] = []
        if not away:
            body = {"orders": order_sheets.placing(some)}
            try:
                asked = await visit.office.owners.post(
                    "order", "/orders/batch", body, actor=visit.person.name, key=f"{key}-{some[0][0].order_id}"
                )
                outcomes = asked["outcomes"]
            except Away:
                away = True
            except Said as refused:
                if refused.status != 409:  # still in flight
                    raise
                away = True
        for n, (draft, _) in enumerate(some):
            if not outcomes:
                fates.append(("unknown", draft, "", ""))
            elif outcomes[n]["status"] < 400:
                fates.append(("done", draft, outcomes[n]["body"]["number"], ""))
            elif outcomes[n]["status"] >= 500:
                fates.append(("unknown", draft, "", ""))
            else:
                fates.append(("refused", draft, "", str(outcomes[n]["body"].get("title", ""))))
    return fates


@router.post("/orders/import/{code}/drop")
async def drop(visit: Annotated[Visit, allowed("enter")], code: Code) -> Response:
    """Nothing is placed, and the file is gone."""
    await uploading.drop(visit, code)
    return RedirectResponse("/orders/import?done=drop", 303)
