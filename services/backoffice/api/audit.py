"""Who did what, and who looked at which document."""

from typing import Annotated

from fastapi import Query
from fastapi.responses import Response, StreamingResponse

from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.views import acts as acts_view
from services.backoffice.views import documents as documents_view

router = pages()
Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]


@router.get("/acts")
async def acts(visit: Annotated[Visit, allowed("audit")], after: Text = "") -> Response:
    """What people did: when, who, what, to which order."""
    asked = acts_view.Asked.of(visit.request.query_params)
    async with visit.office.reading() as conn:
        page = await acts_view.acts(conn, visit.office.pages, asked, after)
    return visit.page("acts.html", "audit", page)


@router.get("/acts.csv")
async def acts_csv(visit: Annotated[Visit, allowed("audit")]) -> Response:
    """The same as a file, with all that is asked for."""
    office = visit.office
    lines = acts_view.as_csv(office.reading, office.pages, acts_view.Asked.of(visit.request.query_params))
    headers = {"Content-Disposition": 'attachment; filename="acts.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/document-views")
async def document_views(
    visit: Annotated[Visit, allowed("audit")],
    number: Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")] = "",
    after: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Who looked at which document, when and how."""
    async with visit.office.reading() as conn:
        page = await documents_view.views(conn, visit.office.pages, number.strip(), after)
    return visit.page("views.html", "audit", page)
