"""Composition root of the order service."""

from services.order import api, tables
from services.order.handlers import HANDLERS
from services.order.settings import Settings
from services.order.store import BOOKS
from shared.http import answers_beside
from shared.service import Service


def build(settings: Settings) -> Service:
    """The service, assembled; nothing is started."""
    return Service(
        name="order",
        handlers=HANDLERS,
        books=BOOKS,
        metadata=tables.metadata,
        policy=settings.policy(),
        router=api.router,
        settings=settings,
        answers=answers_beside(__file__),
        description="Orders and their saga, customers, channels, catalogue",
    )
