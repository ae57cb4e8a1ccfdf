"""Billing, assembled."""

from services.billing import api, metrics, providers, tables
from services.billing.handlers import HANDLERS
from services.billing.settings import Settings
from services.billing.store import BOOKS
from shared.http import answers_beside
from shared.service import Service


def build(settings: Settings) -> Service:
    provider = providers.provider(settings.payment_provider_url, settings.payment_provider_timeout_s)
    refunds = metrics.Refunds()
    return Service(
        name="billing",
        handlers=HANDLERS,
        books=BOOKS,
        metadata=tables.metadata,
        policy=settings.policy(),
        router=api.router,
        settings=settings,
        caller=provider.perform,
        closer=provider.close,
        joined=refunds.join,
        figures=refunds.figures,
        answers=answers_beside(__file__),
        description="Payments, invoices, credit notes and the ledger.",
    )
