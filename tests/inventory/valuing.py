"""Values stock at once, where tests do not wait for the service to do it."""

from datetime import timedelta

from services.inventory.settings import Settings
from services.inventory.valuer import Valuer
from shared.service import Running
from tests.eventually import eventually


def valuer(inventory: Running, currency: str = "") -> Valuer:
    settings = inventory.service.settings
    assert isinstance(settings, Settings)
    currency = currency or settings.currency
    return Valuer(inventory.store, settings.house(), currency, timedelta(), inventory.now)


async def value(inventory: Running) -> None:
    """All that moved until now; the service's own valuer may have the turn for a moment."""
    one, now = valuer(inventory), inventory.now()

    async def done() -> bool:
        await one.round()
        async with inventory.store.connection() as connection:
            until = await connection.fetchval("select until from valued")
        return until is not None and until >= now

    await eventually(done)
