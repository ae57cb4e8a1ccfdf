"""Money: lists of documents, payments and postings, and one document."""

import asyncio
from typing import Annotated, Literal

from fastapi import Path, Query
from fastapi.responses import RedirectResponse, Response

from services.backoffice import paper, queries
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.owners import Said
from services.backoffice.views import documents as documents_view
from services.backoffice.views import money as money_view
from services.backoffice.views.cells import address
from shared.contracts.backoffice import NoteView

router = pages()
List = Literal[
    "invoices",
    "credit-notes",
    "open-items",
    "payments",
    "refunds",
    "write-offs",
    "transfers",
    "credits",
    "journal",
    "trial-balance",
]
Number = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]


@router.get("/money")
async def money(visit: Annotated[Visit, allowed("money")]) -> Response:
    """The newest documents."""
    return await _list(visit, "invoices")


@router.get("/money/{what}")
async def money_list(visit: Annotated[Visit, allowed("money")], what: List) -> Response:
    """One list; the number of a document opens it."""
    return await _list(visit, what)


async def _list(visit: Visit, what: str) -> Response:
    office = visit.office
    asked = money_view.Asked.of(visit.request.query_params)
    if asked.q and what in ("invoices", "credit-notes") and not asked.after:
        try:
            hit = await documents_view.document(office.owners, asked.q.upper())
            return RedirectResponse(f"/documents/{hit['number']}", 303)
        except Said:
            pass  # no number of a document: then it is an order or a customer
    page = await money_view.page(office.reading, office.pages, office.owners, what, asked)
    return visit.page("money.html", "money", page)


@router.get("/documents/{number}")
async def document(visit: Annotated[Visit, allowed("money")], number: Number) -> Response:
    """One invoice or credit note."""
    office = visit.office
    page = await documents_view.paper(office.owners, office.pages, number)
    await office.note(NoteView(number=page["of"]["number"], form="page", actor=visit.person.name))
    views = []
    if visit.person.may("audit"):
        async with office.reading() as conn:
            views = await queries.views(conn, number=page["of"]["number"], limit=10)
    w = office.pages.words
    views = [{**view, "form": w.say(documents_view.FORMS[view["form"]])} for view in views]
    return visit.page("document.html", "money", {**page, "views": views})


@router.get("/documents/{number}/pdf")
async def document_pdf(
    visit: Annotated[Visit, allowed("money")], number: Number, lang: Annotated[str, Query(max_length=10)] = ""
) -> Response:
    """The same as a file, in the language of the customer's country or in the one that is asked for."""
    office = visit.office
    of = await documents_view.document(office.owners, number)
    buyer = address(of["bill_to"])
    # Making it takes the processor for a while, which nobody else shall wait for.
    body = await asyncio.to_thread(paper.pdf, of, buyer, office.seller, office.pages.zone, lang)
    await office.note(NoteView(number=of["number"], form="pdf", actor=visit.person.name))
    headers = {"Content-Disposition": f'inline; filename="{of["number"]}.pdf"'}
    return Response(body, media_type="application/pdf", headers=headers)


@router.get("/documents/{number}/{syntax}")
async def document_xml(
    visit: Annotated[Visit, allowed("money")], number: Number, syntax: Literal["ubl", "cii"]
) -> Response:
    """The same for programs, as billing writes it: by EN 16931, in UBL or in CII. What is missing for that is shown."""
    office = visit.office
    try:
        body = await documents_view.einvoice(office.owners, number, syntax)
    except Said as refused:
        if refused.status != 409:
            raise
        page = documents_view.lacking(office.pages.words, number, refused)
        return visit.page("no_einvoice.html", "money", page, status=409)
    await office.note(NoteView(number=number, form=syntax, actor=visit.person.name))
    headers = {"Content-Disposition": f'attachment; filename="{number}-{syntax}.xml"'}
    return Response(body, media_type="application/xml", headers=headers)
