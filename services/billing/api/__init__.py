"""Billing's HTTP API: the money of orders, documents, the journal, and what people and the provider tell."""

from fastapi import APIRouter

from services.billing.api import credit, documents, ledger, provider, receipts, refunds, writeoffs

router = APIRouter()
for area in (documents, receipts, refunds, writeoffs, credit, ledger, provider):
    router.include_router(area.router)
