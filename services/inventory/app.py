"""Inventory, assembled."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.inventory import api, queries, tables
from services.inventory.handlers import HANDLERS
from services.inventory.settings import Settings
from services.inventory.store import BOOKS
from services.inventory.valuer import Valuer
from shared.contracts.inventory import FindHolders, HoldersFound
from shared.contracts.message import Internal
from shared.database import normalised, reading_engine
from shared.http import answers_beside
from shared.service import Figure, Running, Service, Worker
from shared.settings import database_of


class Finder:
    """Looks up who holds promises of a stock that a count did not find."""

    def __init__(self, settings: Settings) -> None:
        self.url = normalised(database_of(settings.database_url, "inventory"))
        self.engine: AsyncEngine | None = None

    async def __call__(self, m: FindHolders) -> Internal:
        if self.engine is None:
            self.engine = reading_engine(self.url, name="comptoir-holders", size=1)
        async with self.engine.connect() as connection:
            orders = await queries.youngest_holders(connection, m.sku, m.warehouse)
        return HoldersFound(
            warehouse=m.warehouse,
            reference=m.reference,
            sku=m.sku,
            counted=m.counted,
            reason=m.reason,
            orders=tuple(orders),
            actor=m.actor,
            attempt=m.attempt,
        )

    async def close(self) -> None:
        if self.engine is not None:
            await self.engine.dispose()


def build(settings: Settings) -> Service:
    finder = Finder(settings)
    after = timedelta(seconds=settings.valued_after_s)
    valuers: dict[Running, Valuer] = {}

    def workers(running: Running) -> list[Worker]:
        valuers[running] = Valuer(running.store, settings.house(), settings.currency, after, running.now)
        return [valuers[running]]

    async def figures(running: Running) -> Sequence[Figure]:
        valuer = valuers.get(running)
        return await valuer.figures() if valuer else ()

    return Service(
        name="inventory",
        handlers=HANDLERS,
        books=BOOKS,
        metadata=tables.metadata,
        policy=settings.policy(),
        router=api.router,
        settings=settings,
        caller=finder,
        closer=finder.close,
        figures=figures,
        workers=workers,
        answers=answers_beside(__file__),
        description="Stock per SKU and warehouse, promises, backorders, purchase orders, transfers, receipts, value",
    )
