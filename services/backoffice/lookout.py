"""Asks inventory again and again what runs low, so that staff hear of it."""

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from services.backoffice.owners import Away, Owners, Said
from shared.contracts.backoffice import Low, LowStockSeen
from shared.service import Running

log = structlog.get_logger("comptoir.backoffice")


class Lookout:
    """Any number of copies may run: what is new is decided once."""

    EVERY_S = 600.0
    MOST, AT_ONCE = 2000, 200
    """Products that are looked at, the first by SKU, and those of one request."""

    def __init__(self, running: Running, owners: Owners, zone: ZoneInfo, hour: int, wanted: bool) -> None:
        self.running, self.owners, self.zone, self.hour, self.wanted = running, owners, zone, hour, wanted

    async def run(self) -> None:
        """Until cancelled. Where nobody wants to hear of it, nobody is asked."""
        if not self.wanted:
            await asyncio.Event().wait()
        while True:
            try:
                await self.look(self.running.now())
            except (Away, Said) as error:
                log.warning("what runs low is not known, it is asked again later", error=str(error))
            except Exception as error:
                log.warning("what runs low was not looked at, it is later", error=repr(error))
            await asyncio.sleep(self.EVERY_S)

    async def look(self, now: datetime) -> None:
        """Once. Raises Away or Said."""
        here, low = now.astimezone(self.zone), await self.low()
        seen = LowStockSeen(day=here.date(), tells=here.hour >= self.hour, low=low)
        reply = await self.running.desk.ask(seen, id=self.running.new_id())
        if reply.status >= 300:
            raise RuntimeError(f"what runs low was not stored: {reply.body}")

    async def low(self) -> tuple[Low, ...]:
        """What is at its reorder point or below, with what is in drafts; the same that /purchasing shows."""
        found: list[Low] = []
        after = ""
        while len(found) < self.MOST:
            said = await self.owners.get("inventory", "/reorder-advice", limit=self.AT_ONCE, after=after)
            for of in said["items"]:
                position = of["position"] + of["drafted"]
                found.append(Low.model_validate({**of, "position": position}))
            if not (after := said.get("next") or ""):
                break
        return tuple(found[: self.MOST])
