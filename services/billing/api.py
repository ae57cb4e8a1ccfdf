"""Billing's HTTP API: the money of orders, documents, the journal, and what people and the provider tell."""

import asyncio
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, ValidationError

from services.billing import queries, tables
from services.billing.domain.rows import CreditNote, Invoice
from services.billing.einvoice import Syntax, checked
from services.billing.einvoice.made import made
from services.billing.preview import credited, preview
from services.billing.settings import Settings
from services.billing.webhooks import genuine
from shared.clock import new_id
from shared.contracts.billing import (
    ApproveRefund,
    BankMoneyArrived,
    CashRemitted,
    CreditLine,
    PayAgain,
    ProviderWebhook,
    RecordCredit,
    RefundLine,
    RefundReturn,
    RefuseRefund,
    RequestRefund,
    ResumeOperation,
)
from shared.contracts.values import MAX_LINES, LineQuantity
from shared.guard import needs, signed
from shared.http import (
    KEYS,
    Ask,
    Body,
    NotFound,
    Paging,
    Reader,
    Rehearse,
    Rehearser,
    answered,
    example,
    jsonable,
    no_cursor,
    page_of,
    problem,
    wrong,
)
from shared.messaging.effects import effects

router = APIRouter()
Item = dict[str, Any]
Amount = Annotated[Decimal, Field(gt=0, max_digits=16, decimal_places=3)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]
Line = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Filter = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]


Quote = Annotated[
    str,
    Field(
        max_length=64,
        pattern=r"^[^\x00]*$",
        description="`quote` of the preview that was looked at: 409, and nothing done, when the money changed since",
    ),
]
State = Annotated[str, Query(pattern="^(waiting|done|refused)?$")]
FORBIDDEN: dict[int | str, dict[str, Any]] = {403: {"description": "Not by this person or these roles"}}


async def _roles(
    x_roles: Annotated[
        str, Header(max_length=200, description="the roles of the person of X-Actor, divided by commas")
    ] = "",
) -> tuple[str, ...]:
    return tuple(filter(None, (role.strip() for role in x_roles.split(","))))


Roles = Annotated[tuple[str, ...], Depends(_roles)]


def _within_reach(at: datetime) -> datetime:
    if not 1900 <= at.year <= 2200:
        raise ValueError("between the years 1900 and 2200")
    return at


Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]


class BankEntryIn(Body):
    """One credit entry of the bank statement. Without an order it is matched by its reference, the order's number."""

    model_config = example(
        entry_id="2026-03-02/17", reference="O-100045", amount="59.90", currency="EUR", booked_on="2026-03-02"
    )
    entry_id: Code
    order_id: UUID | None = None
    reference: Line = ""
    amount: Amount
    currency: Currency = "EUR"
    booked_on: date


class RemittanceIn(Body):
    """What the carrier paid out of what it collected at one door, and the fee that it kept of it."""

    model_config = example(
        order_id="0198a1b2-0000-7000-8000-000000000001",
        shipment_id="0198a1b2-0000-7000-8000-000000000002",
        amount="56.90",
        fee="3.00",
        reference="PAYOUT-7",
    )
    order_id: UUID
    shipment_id: UUID
    amount: Amount
    fee: Annotated[Decimal, Field(ge=0, max_digits=16, decimal_places=3)] = Decimal(0)
    reference: Code


class CreditLineIn(Body):
    sku: Code
    text: Line = ""
    quantity: Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000)]
    unit_price: Annotated[Decimal, Field(max_digits=16, decimal_places=6)]


class CreditIn(Body):
    """A credit that belongs to no order we know. It waits for review and pays nothing out."""

    model_config = example(
        reference="C536379",
        customer_id="14527",
        currency="GBP",
        amount="27.50",
        reason="discount",
        lines=[{"sku": "D", "quantity": 1, "unit_price": "27.50"}],
    )
    reference: Code
    customer_id: Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")] = ""
    currency: Currency = "EUR"
    amount: Annotated[Decimal, Field(max_digits=16, decimal_places=3)]
    reason: Line = ""
    lines: Annotated[list[CreditLineIn], Field(min_length=1, max_length=1000)]


class RefundLineIn(Body):
    """Of one invoice line: so many pieces, or an amount. Either the one or the other."""

    line_no: Annotated[int, Field(ge=1, le=1_000_000)]
    quantity: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    amount: Annotated[
        Decimal,
        Field(ge=0, max_digits=16, decimal_places=3, description="with VAT when the invoice's prices include it"),
    ] = Decimal(0)


class RefundIn(Body):
    """What is given back of one invoice without goods that come back; postage is a line like any other."""

    model_config = example(
        invoice="INV-2026-000001",
        lines=[{"line_no": 1, "amount": "5.00"}, {"line_no": 2, "quantity": 1}],
        reason="the cup had a scratch",
    )
    invoice: Code
    lines: Annotated[list[RefundLineIn], Field(min_length=1, max_length=MAX_LINES)]
    reason: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]
    quote: Quote = ""

    def command(self, order_id: UUID, refund_id: UUID, actor: str, roles: tuple[str, ...]) -> RequestRefund:
        lines = tuple(RefundLine(**line.model_dump()) for line in self.lines)
        fields = self.model_dump(exclude={"lines"})
        return RequestRefund(order_id=order_id, refund_id=refund_id, lines=lines, actor=actor, roles=roles, **fields)


class PiecesIn(Body):
    line_no: Annotated[int, Field(ge=1, le=1_000_000)]
    quantity: Annotated[int, Field(gt=0, le=1_000_000)]


class ComesBackIn(Body):
    """Pieces of one shipment that may come back; postage that is given back with them is a line like any other."""

    model_config = example(shipment_id="0198a1b2-0000-7000-8000-000000000002", lines=[{"line_no": 1, "quantity": 1}])
    shipment_id: UUID
    lines: Annotated[list[PiecesIn], Field(min_length=1, max_length=MAX_LINES)]


class ApprovalIn(Body):
    model_config = example(note="she has been a customer for ten years")
    note: Line = ""
    quote: Quote = ""

    def command(self, order_id: UUID, refund_id: UUID, actor: str, roles: tuple[str, ...]) -> ApproveRefund:
        return ApproveRefund(order_id=order_id, refund_id=refund_id, actor=actor, roles=roles, **self.model_dump())


class RefusalIn(Body):
    model_config = example(reason="the photo shows another cup")
    reason: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]


class PayAgainIn(Body):
    model_config = example(token="tok_visa")
    token: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""


class HintIn(BaseModel):
    """The provider's webhook. Not a Body: the provider may say more tomorrow than we read today."""

    event_id: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
    key: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}:[0-9]{1,9}$")]
    outcome: Annotated[str, Field(pattern="^(ok|refused)$")]
    reference: Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$")] = ""
    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""
    expires_at: Moment | None = None


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
async def invoices(
    conn: Reader,
    paging: Paging,
    order_id: UUID | None = None,
    customer_id: Filter = "",
    issued_from: Moment | None = None,
    issued_before: Moment | None = None,
    newest: bool = False,
) -> Item:
    """Issued invoices, by number; `newest`: from the last one back."""
    rows = await queries.invoices(
        conn,
        paging.limit,
        _cursor(paging.after, _year, _number),
        order_id=order_id,
        customer_id=customer_id,
        issued_from=issued_from,
        issued_before=issued_before,
        newest=newest,
    )
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
async def credit_notes(
    conn: Reader,
    paging: Paging,
    order_id: UUID | None = None,
    customer_id: Filter = "",
    issued_from: Moment | None = None,
    issued_before: Moment | None = None,
    newest: bool = False,
) -> Item:
    """Issued credit notes, by number; `newest`: from the last one back."""
    rows = await queries.credit_notes(
        conn,
        paging.limit,
        _cursor(paging.after, _year, _number),
        order_id=order_id,
        customer_id=customer_id,
        issued_from=issued_from,
        issued_before=issued_before,
        newest=newest,
    )
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
        return problem(409, title, [wrong(finding.rule, finding.says) for finding in broken])
    name = f"{number}-{syntax}.xml"
    return Xml(body, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.get("/payments", tags=["money"])
@needs("money:read")
async def payments(conn: Reader, paging: Paging, state: Filter = "", kind: Filter = "", newest: bool = False) -> Item:
    """Operations at the payment provider, by order; `newest`: from the last order back."""
    after = _cursor(paging.after, UUID, _number)
    rows = await queries.operations(conn, paging.limit, after, state=state, kind=kind, newest=newest)
    return page_of(rows, paging, key=lambda row: (row["order_id"], row["no"]))


@router.post("/bank-entries", tags=["receipts"], responses={202: {"description": "kept for review"}})
@needs("money:write")
async def bank_entry(body: BankEntryIn, ask: Ask, conn: Reader) -> Response:
    """Money on the bank account. Matched at once, or kept for review; sent again with an order it is matched to it."""
    order_id = body.order_id or await queries.order_of(conn, body.reference)
    fields = body.model_dump(exclude={"order_id"})
    return await ask(BankMoneyArrived(order_id=order_id, **fields))


@router.get("/bank-entries", tags=["receipts"])
@needs("money:read")
async def bank_entries(conn: Reader, paging: Paging, state: Filter = "", entry_id: Filter = "") -> Item:
    """Entries of the bank statement; state=review are those that wait for a person. `entry_id`: that one alone."""
    after = _cursor(paging.after, _word)
    rows = await queries.bank_entries(conn, paging.limit, after, state=state, entry_id=entry_id)
    return page_of(rows, paging, key=lambda row: (row["entry_id"],))


@router.post("/cash-remittances", tags=["receipts"])
@needs("money:write")
async def cash_remittance(body: RemittanceIn, ask: Ask) -> Response:
    """The carrier pays out what it collected, less its fee: the order is paid with both."""
    return await ask(CashRemitted(**body.model_dump()))


@router.post("/credits", tags=["receipts"], status_code=201, responses={200: {"description": "known already"}})
@needs("money:write")
async def record_credit(body: CreditIn, ask: Ask) -> Response:
    """Keeps a credit without an order for review."""
    lines = tuple(CreditLine(**line.model_dump()) for line in body.lines)
    return await ask(RecordCredit(**body.model_dump(exclude={"lines"}), lines=lines))


@router.get("/credits", tags=["receipts"])
@needs("money:read")
async def credits(conn: Reader, paging: Paging, state: Filter = "") -> Item:
    """Credits without an order."""
    rows = await queries.credits(conn, paging.limit, _cursor(paging.after, _word), state=state)
    return page_of(rows, paging, key=lambda row: (row["reference"],))


@router.post("/orders/{order_id}/pay-again", tags=["money"], status_code=202)
@needs("money:write")
async def pay_again(order_id: UUID, body: PayAgainIn, ask: Ask) -> Response:
    """The customer tries again after a decline, perhaps with another card."""
    return await ask(PayAgain(order_id=order_id, token=body.token))


@router.post("/orders/{order_id}/resume", tags=["money"], status_code=202)
@needs("money:write")
async def resume(order_id: UUID, ask: Ask) -> Response:
    """Tries a parked operation again, or asks about an unknown one now."""
    return await ask(ResumeOperation(order_id=order_id, actor=ask.actor))


@router.get("/orders/{order_id}/refundable", tags=["refunds"])
@needs("money:read")
async def refundable(order_id: UUID, conn: Reader) -> Item:
    """What may still be given back: per line of each invoice, and the order's money that is here (`free`).

    `left` is what of a line is not credited yet, in the mode of the prices; `piece` is what one more piece comes to.
    """
    found = await queries.refundable(conn, order_id)
    if found is None:
        raise NotFound("money of order", order_id)
    return found


@router.post("/orders/{order_id}/returns/preview", tags=["refunds"])
@needs("refunds:write")
async def preview_return(order_id: UUID, body: ComesBackIn, rehearse: Rehearse) -> Response:
    """What the customer is credited once these pieces came back and were accepted. Really decided, and undone.

    `back` is the part of `gross` that is paid back; the rest was never paid.
    """
    accepted = tuple(LineQuantity(**line.model_dump()) for line in body.lines)
    m = RefundReturn(order_id=order_id, return_id=new_id(), shipment_id=body.shipment_id, accepted=accepted)
    outcome = await rehearse(m)
    ((_, reply),) = outcome.answers
    if reply.status >= 400:
        return answered(reply)
    return JSONResponse(jsonable(credited(outcome.rows, m)))


@router.post(
    "/orders/{order_id}/refunds",
    tags=["refunds"],
    status_code=201,
    responses={202: {"description": "kept until another person approves it"}},
)
@needs("refunds:write")
async def request_refund(order_id: UUID, body: RefundIn, ask: Ask, roles: Roles) -> Response:
    """Gives money back without goods that come back: credit note, ledger entry and refund at once (201).

    Above what the roles may give back of one order alone it waits for another person (202). Never more than was
    captured and not given back, nor than what of the line and of the invoice is not credited yet (409).
    """
    return await ask(body.command(order_id, ask.key_id, ask.actor, roles))


@router.post("/orders/{order_id}/refunds/preview", tags=["refunds"])
@needs("refunds:write")
async def preview_refund(order_id: UUID, body: RefundIn, rehearse: Rehearse, roles: Roles) -> Response:
    """What the refund would do: money, VAT, document, messages. Really decided, and undone."""
    return await _previewed(body.command(order_id, new_id(), rehearse.actor, roles), rehearse)


async def _previewed(m: RequestRefund | ApproveRefund, rehearse: Rehearser) -> Response:
    outcome = await rehearse(m)
    ((_, reply),) = outcome.answers
    if reply.status >= 400:
        return answered(reply)
    shown = preview(outcome.rows, m, reply.body["quote"], [event.data for event, _ in outcome.sent])
    return JSONResponse(jsonable({**shown, "effects": effects(outcome)}))


@router.get("/refunds", tags=["refunds"])
@needs("money:read")
async def refunds(
    conn: Reader, paging: Paging, state: State = "", order_id: UUID | None = None, newest: bool = False
) -> Item:
    """Refunds by the staff as they were asked for, with who asked, who approved, when and why; `newest`: from the
    last one back; state=waiting are those that another person must decide."""
    after = _cursor(paging.after, _moment, UUID)
    rows = await queries.refunds(conn, paging.limit, after, state=state, order_id=order_id, newest=newest)
    return page_of(rows, paging, key=lambda row: (row["asked_at"], row["refund_id"]))


@router.get("/orders/{order_id}/refunds/{refund_id}", tags=["refunds"])
@needs("money:read")
async def refund(order_id: UUID, refund_id: UUID, conn: Reader) -> Item:
    """One refund: what was asked for, by whom and why, and what was decided."""
    found = await queries.refund(conn, order_id, refund_id)
    if found is None:
        raise NotFound("refund", refund_id)
    return found


@router.post("/orders/{order_id}/refunds/{refund_id}/approve", tags=["refunds"], responses=FORBIDDEN)
@needs("refunds:write")
async def approve_refund(order_id: UUID, refund_id: UUID, body: ApprovalIn, ask: Ask, roles: Roles) -> Response:
    """Has a waiting refund done exactly as it was asked for; never by who asked for it (403)."""
    return await ask(body.command(order_id, refund_id, ask.actor, roles))


@router.post("/orders/{order_id}/refunds/{refund_id}/approve/preview", tags=["refunds"], responses=FORBIDDEN)
@needs("refunds:write")
async def preview_approval(
    order_id: UUID, refund_id: UUID, body: ApprovalIn, rehearse: Rehearse, roles: Roles
) -> Response:
    """What approving would do: money, VAT, document, messages. Really decided, and undone."""
    return await _previewed(body.command(order_id, refund_id, rehearse.actor, roles), rehearse)


@router.post("/orders/{order_id}/refunds/{refund_id}/refuse", tags=["refunds"], responses=FORBIDDEN)
@needs("refunds:write")
async def refuse_refund(order_id: UUID, refund_id: UUID, body: RefusalIn, ask: Ask, roles: Roles) -> Response:
    """Refuses a waiting refund, with the reason; who asked may take it back."""
    return await ask(
        RefuseRefund(order_id=order_id, refund_id=refund_id, reason=body.reason, actor=ask.actor, roles=roles)
    )


@router.get("/ledger", tags=["ledger"])
@needs("ledger:read")
async def ledger(
    conn: Reader, paging: Paging, account: Filter = "", order_id: UUID | None = None, newest: bool = False
) -> Item:
    """The journal: postings, debit positive; `newest`: from the last one back."""
    after = _cursor(paging.after, _moment, _word, _number)
    rows = await queries.postings(conn, paging.limit, after, account=account, order_id=order_id, newest=newest)
    return page_of(rows, paging, key=lambda row: (row["booked_at"], row["entry_id"], row["posting_no"]))


@router.get("/trial-balance", tags=["ledger"])
@needs("ledger:read")
async def trial_balance(conn: Reader) -> Item:
    """Debit, credit and balance per account; each currency's balances sum to zero."""
    return await queries.trial_balance(conn)


@router.get("/vat", tags=["ledger"])
@needs("ledger:read")
async def vat(conn: Reader, issued_from: Moment | None = None, issued_before: Moment | None = None) -> Item:
    """What was invoiced and credited per currency, country of the buyer, VAT category and rate, by date of issue."""
    return {"items": await queries.vat(conn, issued_from, issued_before)}


@router.get("/open-items", tags=["ledger"])
@needs("ledger:read")
async def open_items(conn: Reader, paging: Paging) -> Item:
    """Money owed for goods that are out, and what waits for a person."""
    rows = await queries.open_items(conn, paging.limit, _cursor(paging.after, UUID))
    return page_of(rows, paging, key=lambda row: (row["order_id"],))


@router.post("/webhooks/provider", tags=["provider"], responses={401: {"description": "Not signed by the provider"}})
@signed
async def webhook(
    request: Request,
    x_timestamp: Annotated[str, Header(max_length=20)] = "",
    x_signature: Annotated[str, Header(max_length=200)] = "",
) -> Response:
    """A result at the provider. Verified over the raw body; stored before it is answered, acted on as a hint (R-17)."""
    running = request.app.state.running
    settings: Settings = running.service.settings
    body = await request.body()
    secrets = [secret for secret in settings.payment_webhook_secrets.split(",") if secret]
    if not genuine(secrets, x_timestamp, body, x_signature, running.now()):
        return problem(401, "the signature is not valid")
    try:
        hint = HintIn.model_validate(json.loads(body))
        order_id, _, no = hint.key.partition(":")
        message = ProviderWebhook(
            order_id=UUID(order_id), operation_no=int(no), raw=body.decode(), **hint.model_dump(exclude={"key"})
        )
    except (ValidationError, ValueError, RecursionError):
        return problem(400, "the event cannot be read")
    return answered(await running.desk.ask(message, id=uuid5(KEYS, f"webhook:{hint.event_id}"), actor="provider"))


def _cursor(after: list[Any] | None, *kinds: Callable[[str], Any]) -> list[Any] | None:
    """The sort values of the last row seen. A cursor of another list is refused."""
    if after is None:
        return None
    try:
        return [kind(str(part)) for kind, part in zip(kinds, after, strict=True)]
    except (ValueError, OverflowError):
        raise no_cursor() from None


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**31:
        raise ValueError(text)
    return number


def _year(text: str) -> int:
    year = int(text)
    if not 1900 <= year <= 2200:
        raise ValueError(text)
    return year


def _word(text: str) -> str:
    if "\x00" in text:
        raise ValueError(text)
    return text


def _moment(text: str) -> datetime:
    at = _within_reach(datetime.fromisoformat(text))
    if at.tzinfo is None:
        raise ValueError(text)
    return at
