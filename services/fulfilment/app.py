"""Fulfilment, put together."""

from services.fulfilment import api, tables
from services.fulfilment.carriers import carrier_at
from services.fulfilment.handlers import HANDLERS
from services.fulfilment.settings import Settings
from services.fulfilment.store import BOOKS
from shared.http import answers_beside
from shared.service import Service


def build(settings: Settings) -> Service:
    carrier = carrier_at(settings.carrier_url, settings.carrier_timeout_s)
    return Service(
        name="fulfilment",
        handlers=HANDLERS,
        books=BOOKS,
        metadata=tables.metadata,
        policy=settings.policy(),
        router=api.router,
        settings=settings,
        caller=carrier.perform,
        closer=carrier.close,
        answers=answers_beside(__file__),
        description="Shipments from the pick list to the customer's door, and what comes back.",
    )
