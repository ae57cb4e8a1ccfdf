"""Pick, pack, hand over."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.owners import Said
from services.backoffice.views import warehouse as warehouse_view

router = pages()


@router.get("/pick")
async def pick_list(
    visit: Annotated[Visit, allowed("pick")], warehouse: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """What to fetch, most urgent first, and all of it together."""
    return visit.page("pick.html", "pick", await warehouse_view.to_pick(visit.office.owners, warehouse))


@router.get("/pick/{id}")
async def picking(visit: Annotated[Visit, allowed("pick")], id: UUID) -> Response:
    """One parcel to pick: each product with its pieces."""
    return await _picking(visit, id)


async def _picking(visit: Visit, id: UUID, status: int = 200, error: str = "") -> Response:
    found = await warehouse_view.one(visit.office.owners, id)
    page = {**found, "error": error, "key": str(visit.office.running.new_id())}
    return visit.page("pick_one.html", "pick", page, status=status)


@router.post("/pick/{id}")
async def picked(
    request: Request,
    visit: Annotated[Visit, allowed("pick")],
    id: UUID,
    key: Annotated[str, Form(min_length=8, max_length=64)],
) -> Response:
    """Picked, with what was not found."""
    w, form = visit.office.pages.words, await request.form()
    shipment = await warehouse_view.one(visit.office.owners, id)
    try:
        found = {line["line_no"]: int(str(form[f"found-{line['line_no']}"])) for line in shipment["lines"]}
        short = warehouse_view.missing(shipment["lines"], found)
    except (KeyError, ValueError):
        return await _picking(
            visit, id, 422, w.say("Say for each product how many were found, at most what is wanted.")
        )
    try:
        who = visit.person.name
        await visit.office.owners.post("fulfilment", f"/shipments/{id}/pick", {"short": short}, actor=who, key=key)
    except Said as refused:
        return await _picking(visit, id, refused.status, refused.title)
    return RedirectResponse("/pick", 303)


@router.get("/pack")
async def packing(visit: Annotated[Visit, allowed("pack")]) -> Response:
    """What waits for its parcel, and what waits for the carrier."""
    return await _packing(visit)


async def _packing(visit: Visit, status: int = 200, error: str = "") -> Response:
    found = await warehouse_view.to_pack(visit.office.owners)
    return visit.page(
        "pack.html", "pack", {**found, "error": error, "key": str(visit.office.running.new_id())}, status=status
    )


@router.post("/pack/{id}/{act}")
async def packed(
    visit: Annotated[Visit, allowed("pack")],
    id: UUID,
    act: Literal["pack", "dispatch"],
    key: Annotated[str, Form(min_length=8, max_length=64)],
) -> Response:
    """Packed, which asks for the label; or handed over, the point of no return."""
    try:
        await visit.office.owners.post("fulfilment", f"/shipments/{id}/{act}", {}, actor=visit.person.name, key=key)
    except Said as refused:
        return await _packing(visit, refused.status, refused.title)
    return RedirectResponse("/pack", 303)
