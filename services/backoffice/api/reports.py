"""Reports, on a page and as a file."""

from typing import Annotated, Literal

from fastapi.responses import Response

from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.views import reports as reports_view

router = pages()
What = Literal[
    "revenue", "products", "brands", "categories", "customers", "countries", "channels", "weekdays", "hours",
    "lead-times", "returns", "perfect-orders", "errors", "backorders", "stock-value", "cost-of-sales", "dead-stock",
    "vat", "outlook",
]  # fmt: skip


def _asked(visit: Visit) -> reports_view.Asked:
    today = visit.now.astimezone(visit.office.pages.zone).date()
    return reports_view.Asked.of(visit.request.query_params, today)


@router.get("/reports")
async def reports(visit: Annotated[Visit, allowed("reports")]) -> Response:
    """The first of them."""
    return await _shown(visit, "revenue")


@router.get("/reports/{what}.csv")
async def report_csv(visit: Annotated[Visit, allowed("reports")], what: What) -> Response:
    """The table of a report that other programs want."""
    office = visit.office
    report, *_ = await reports_view.made(office.reading, office.pages, office.owners, what, _asked(visit))
    headers = {"Content-Disposition": f'attachment; filename="{what}.csv"'}
    return Response(
        reports_view.as_csv(office.pages, report.csv), media_type="text/csv; charset=utf-8", headers=headers
    )


@router.get("/reports/{what}")
async def report(visit: Annotated[Visit, allowed("reports")], what: What) -> Response:
    """One report: the answer, a picture, the table."""
    return await _shown(visit, what)


async def _shown(visit: Visit, what: str) -> Response:
    office, today = visit.office, visit.now.astimezone(visit.office.pages.zone).date()
    page = await reports_view.page(office.reading, office.pages, office.owners, what, _asked(visit), today)
    return visit.page("report.html", "reports", page)
