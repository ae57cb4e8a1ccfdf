"""What an order owes and what was issued for it: its money, invoices, credit notes, each also as XML by EN 16931."""

import asyncio
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from services.billing import queries, tables
from services.billing.api.fields import Code, Filter, Item, Moment, as_year
from services.billing.domain.rows import CreditNote, Invoice
from services.billing.einvoice import Syntax, checked
from services.billing.einvoice.made import made
from services.billing.settings import Settings
from shared.contracts.money import unit_of
from shared.guard import needs
from shared.http import NotFound, Paging, Reader, page_of, problem, wrong

router = APIRouter()


async def _which(
    order_id: UUID | None = None,
    customer_id: Filter = "",
    issued_from: Moment | None = None,
    issued_before: Moment | None = None,
    newest: bool = False,
) -> Item:
    return {
        "order_id": order_id,
        "customer_id": customer_id,
        "issued_from": issued_from,
        "issued_before": issued_before,
        "newest": newest,
    }


Which = Annotated[Item, Depends(_which)]
"""Which documents a list shows, as its query takes them."""


@router.get("/accounts/{order_id}", tags=["money"])
@needs("money:read")
async def account(order_id: UUID, conn: Reader) -> Item:
    """All the money of one order: what is due, secured, captured, refunded, invoiced and credited, and why it waits."""
    found = await queries.account(conn, order_id)
    if found is None:
        raise NotFound("money of order", order_id)
    return found


@router.get("/invoices", tags=["documents"])
@needs("documents:read")
async def invoices(conn: Reader, which: Which, paging: Paging) -> Item:
    """Issued invoices, by number; `newest`: from the last one back."""
    rows = await queries.invoices(conn, paging.limit, paging.place(as_year, int), **which)
    return page_of(rows, paging, key=lambda row: (row["year"], row["serial"]))


@router.get("/invoices/{number}", tags=["documents"])
@needs("documents:read")
async def invoice(number: Code, conn: Reader) -> Item:
    """One invoice with its lines and VAT breakdown."""
    found = await queries.document(conn, tables.invoices, number)
    if found is None:
        raise NotFound("invoice", number)
    return found


@router.get("/credit-notes", tags=["documents"])
@needs("documents:read")
async def credit_notes(conn: Reader, which: Which, paging: Paging) -> Item:
    """Issued credit notes, by number; `newest`: from the last one back."""
    rows = await queries.credit_notes(conn, paging.limit, paging.place(as_year, int), **which)
    return page_of(rows, paging, key=lambda row: (row["year"], row["serial"]))


@router.get("/credit-notes/{number}", tags=["documents"])
@needs("documents:read")
async def credit_note(number: Code, conn: Reader) -> Item:
    """One credit note with its lines, VAT breakdown and the invoice that it corrects."""
    found = await queries.document(conn, tables.credit_notes, number)
    if found is None:
        raise NotFound("credit note", number)
    return found


class Xml(Response):
    media_type = "application/xml"


XML: dict[str, Any] = {
    "tags": ["documents"],
    "response_class": Xml,
    "responses": {409: {"description": "A term that EN 16931 wants is missing, or cannot be said: `errors` name each"}},
}


@router.get("/invoices/{number}/{syntax}", **XML)
@needs("documents:read")
async def invoice_as_xml(number: Code, syntax: Syntax, conn: Reader, request: Request) -> Response:
    """The invoice as it was issued, by EN 16931, always the same bytes: in UBL 2.1, as Peppol BIS Billing 3 where both
    parties have an address there, or in UN/CEFACT CII."""
    return await _xml(await queries.issued(conn, Invoice, number), "invoice", number, syntax, request)


@router.get("/credit-notes/{number}/{syntax}", **XML)
@needs("documents:read")
async def credit_note_as_xml(number: Code, syntax: Syntax, conn: Reader, request: Request) -> Response:
    """The credit note, type 381, with the invoice that it corrects; else as for invoices."""
    return await _xml(await queries.issued(conn, CreditNote, number), "credit note", number, syntax, request)


async def _xml(
    found: tuple[Invoice | CreditNote, Invoice, str] | None, kind: str, number: str, syntax: Syntax, request: Request
) -> Response:
    if found is None:
        raise NotFound(kind, number)
    settings: Settings = request.app.state.running.service.settings
    document, invoice, method = found
    zone = ZoneInfo(settings.time_zone)
    # A document of many lines takes the processor for a while, which nobody else shall wait for.
    broken, body = await asyncio.to_thread(
        lambda: checked(made(document, invoice, settings.seller(), method=method, zone=zone), syntax)
    )
    if broken:
        title = f"{number} is no electronic invoice yet. {' '.join(finding.says for finding in broken[:3])}"
        if any(finding.rule.startswith("BR-DEC-") for finding in broken):
            title = (
                f"{number} cannot be an electronic invoice: EN 16931 has two decimals for amounts, those in "
                f"{document.currency} have {-int(unit_of(document.currency).as_tuple().exponent)}."
            )
        return problem(409, title, [wrong(finding.rule, finding.says) for finding in broken])
    name = f"{number}-{syntax}.xml"
    return Xml(body, headers={"Content-Disposition": f'attachment; filename="{name}"'})
