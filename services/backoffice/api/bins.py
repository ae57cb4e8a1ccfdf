"""Bins and barcodes of products, set by whoever keeps the shelves."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.owners import Said
from services.backoffice.views import bins
from services.backoffice.views.lines import Mistyped

router = pages()
Some = Annotated[str, Query(max_length=64)]
Sku = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]


@router.get("/bins")
async def listed(
    visit: Annotated[Visit, allowed("place")],
    warehouse: Some = "",
    q: Annotated[str, Query(max_length=200)] = "",
    after: Annotated[str, Query(max_length=500)] = "",
    done: Some = "",
) -> Response:
    """Products with their bin and barcode, to be searched."""
    w = visit.office.pages.words
    page = await bins.listed(visit.office.owners, warehouse, q.replace("\x00", "").strip(), after)
    said = w.say("Bin and barcode of %(sku)s are set.", sku=done) if done else ""
    return visit.page("bins.html", "place", page, toast=said)


@router.get("/bins/{sku:path}")
async def one(visit: Annotated[Visit, allowed("place")], sku: Sku, warehouse: Some = "") -> Response:
    """The bin of one product in a warehouse and its barcode, to be changed; who changed them before."""
    return await _one(visit, sku, warehouse, {}, "", 200)


async def _one(visit: Visit, sku: str, warehouse: str, form: dict[str, str], error: str, status: int) -> Response:
    page = await bins.one(visit.office.owners, sku, warehouse, form, error)
    page["key"] = str(visit.office.running.new_id())  # under the old one a refusal would be told again
    return visit.page("bin.html", "place", page, status=status)


@router.post("/bins/{sku:path}")
async def place(
    request: Request,
    visit: Annotated[Visit, allowed("place")],
    sku: Sku,
    key: Annotated[str, Form(min_length=8, max_length=64)],
) -> Response:
    """Set in the person's name; refused when the barcode stands for another product."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    try:
        work = bins.typed(visit.office.pages.words, sku, form)
    except Mistyped as wrong:
        return await _one(visit, sku, form.get("warehouse", ""), form, str(wrong), 422)
    try:
        await visit.office.owners.post("inventory", "/placements", work, actor=visit.person.name, key=key)
    except Said as refused:
        if refused.status == 404:
            raise
        return await _one(visit, sku, work["warehouse"], work, refused.title, refused.status)
    return RedirectResponse(f"/bins?{urlencode({'warehouse': work['warehouse'], 'done': sku})}", 303)
