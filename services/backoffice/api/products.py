"""The catalogue: its list and the same as a CSV file; a file looked at, then taken over exactly as it was shown."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import File, Form, Query, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from services.backoffice import columns, product_sheets, sheets
from services.backoffice.api import shown, uploading
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.api.uploading import CSV, Code, csv_file
from services.backoffice.owners import Away, Said
from services.backoffice.product_sheets import MOST_BYTES, Judged, Products, judged, parts, products_of
from services.backoffice.sheets import Unreadable
from services.backoffice.views import products as view
from services.backoffice.views import uploads
from services.backoffice.views.cells import delimiter_of, mark_of

router = pages()
Item = dict[str, Any]


@router.get("/products")
async def listed(
    visit: Annotated[Visit, allowed("products")], after: Annotated[str, Query(max_length=500)] = ""
) -> Response:
    """By SKU, or found by the beginning of a SKU, a part of a name, a brand or a category."""
    asked, office = view.Asked.of(visit.request.query_params), visit.office
    linked = visit.person.may("stock")
    page = await view.listed(office.pages, office.owners, asked, after.replace("\x00", ""), linked=linked)
    return visit.page("products.html", "stock", page)


@router.get("/products.csv")
async def as_csv(visit: Annotated[Visit, allowed("products")]) -> Response:
    """All that is asked for, as the reader's spreadsheet writes it; edited, it is uploaded again."""
    office = visit.office
    lines = view.as_csv(office.pages, office.owners, view.Asked.of(visit.request.query_params))
    first = [await anext(lines), await anext(lines)]  # an owner that is away is told as such, not by half a file

    async def all_lines() -> AsyncIterator[str]:
        for line in first:
            yield line
        async for line in lines:
            yield line

    headers = {"Content-Disposition": 'attachment; filename="products.csv"'}
    return StreamingResponse(all_lines(), media_type=CSV, headers=headers)


@router.get("/products/import")
async def choose_file(visit: Annotated[Visit, allowed("catalogue")], done: str = "") -> Response:
    """The form, and which columns a file has."""
    said = {"drop": visit.office.pages.words.say("Nothing was changed; the file is gone.")}
    return visit.page("import.html", "stock", view.form(visit.office.pages, None), toast=said.get(done, ""))


@router.post("/products/import")
async def upload(
    visit: Annotated[Visit, allowed("catalogue")],
    file: Annotated[UploadFile, File()],
    mark: Annotated[Literal["", ".", ","], Form()] = "",
) -> Response:
    """Read and kept, or refused with where it makes no sense; nothing is changed."""
    try:
        code = await uploading.keep(visit, "products", file, mark, products_of, MOST_BYTES)
    except Unreadable as error:
        told = uploads.unreadable(visit.office.pages.words, error)
        return visit.page("import.html", "stock", view.form(visit.office.pages, told), status=422)
    return RedirectResponse(f"/products/import/{code}", 303)


async def _judged(visit: Visit, code: str) -> tuple[Item, Products, Judged]:
    """The person's own file, and what the order service says of it now. Raises NotFound when it is gone."""
    kept, raw = await uploading.kept(visit, "products", code)
    products = await run_in_threadpool(products_of, raw, kept["mark"])
    outcomes: list[Item] = []
    for part in parts(draft.body for draft in products.drafts):
        path, asked = "/products/batch/preview", {"products": part}
        outcomes += (await visit.office.owners.post("order", path, asked, actor=visit.person.name))["outcomes"]
    return kept, products, await run_in_threadpool(judged, products, outcomes)


@router.get("/products/import/{code}")
async def preview(visit: Annotated[Visit, allowed("catalogue")], code: Code) -> Response:
    """What would be new, what would change from what to what, and each fault with its row and column."""
    return await _asking(visit, *await _judged(visit, code))


async def _asking(visit: Visit, kept: Item, products: Products, told: Judged, error: Item | None = None) -> Response:
    page = view.page(visit.office.pages, kept, products, told, shown.new_key(visit), error)
    return visit.page("import_one.html", "stock", page, status=409 if error else 200)


@router.get("/products/import/{code}/errors.csv")
async def faulty_rows(visit: Annotated[Visit, allowed("catalogue")], code: Code) -> Response:
    """All rows that cannot be taken over, with what is wrong beside; mended, they are uploaded again."""
    kept, products, told = await _judged(visit, code)
    said = [(fault, uploads.fault(visit.office.pages.words, fault)) for fault in told.faults]
    rows = columns.with_faults(products.sheet, (), said)
    return csv_file(sheets.written(rows, products.sheet.delimiter), uploading.beside(kept, "errors"))


@router.get("/products/import/{code}/changes.csv")
async def changed_cells(visit: Annotated[Visit, allowed("catalogue")], code: Code) -> Response:
    """Each cell that would become another one, of however many products."""
    kept, _, told = await _judged(visit, code)
    there = visit.office.pages
    rows = product_sheets.changes(told.good, mark_of(there))
    return csv_file(sheets.written(rows, delimiter_of(there)), uploading.beside(kept, "changes"))


@router.post("/products/import/{code}")
async def take_over(
    visit: Annotated[Visit, allowed("catalogue")],
    code: Code,
    key: Annotated[str, Form(min_length=8, max_length=64)],
    quote: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Does what was shown, each product only if it is the one that was shown; 409 with how it is now otherwise."""
    kept, products, told = await _judged(visit, code)
    fates = await _taken(visit, told) if told.quote == quote else None
    if fates is None and told.good:
        now = await _judged(visit, code)
        return await _asking(visit, *now, uploads.stale(visit.office.pages.words))
    fates = [*(fates or ()), *(("repeated", draft.sku) for draft in told.unchanged)]
    counts = {code: sum(fate == code for fate, _ in fates) for code, _, _ in view.FATES}
    await uploading.note(visit, kept, products.sheet.digest, key, counts)
    page = view.done(visit.office.pages, kept, told, fates)
    return visit.page("import_done.html", "stock", page, status=503 if counts["unknown"] else 200)


async def _taken(visit: Visit, told: Judged) -> list[view.Fated] | None:
    """What became of each, some at a time; None when the first of them were changed meanwhile, and so nothing is done.

    When the owner does not answer nobody knows of those that were asked for, and the others are not asked for.
    """
    fates: list[view.Fated] = []
    away = False
    for part in parts(product_sheets.taking(told.good)):
        fate = "unknown"
        if not away:
            try:
                body = {"products": part, "way": "file"}
                await visit.office.owners.put("order", "/products", body, actor=visit.person.name)
                fate = "done"
            except Away:
                away = True
            except Said as refusal:
                if refusal.status != 412:
                    raise
                if not fates:
                    return None
                fate = "refused"
        fates += [(fate, product["sku"]) for product in part]
    return fates


@router.post("/products/import/{code}/drop")
async def drop(visit: Annotated[Visit, allowed("catalogue")], code: Code) -> Response:
    """Nothing is changed, and the file is gone."""
    await uploading.drop(visit, code)
    return RedirectResponse("/products/import?done=drop", 303)
