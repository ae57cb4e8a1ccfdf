"""The books: postings, balances, VAT, what is owed still."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter

from services.billing import queries
from services.billing.api.fields import Filter, Item, Moment
from shared.guard import needs
from shared.http import Paging, Reader, page_of

router = APIRouter()


@router.get("/ledger", tags=["ledger"])
@needs("ledger:read")
async def ledger(
    conn: Reader, paging: Paging, account: Filter = "", order_id: UUID | None = None, newest: bool = False
) -> Item:
    """The journal: postings, debit positive; `newest`: from the last one back."""
    after = paging.place(datetime, str, int)
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
    rows = await queries.open_items(conn, paging.limit, paging.place(UUID))
    return page_of(rows, paging, key=lambda row: (row["order_id"],))
