"""The payment provider and the carrier of development beside a town, reached over real HTTP."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from services.billing.devservices.psp.app import Settings, build
from services.fulfilment.development_carrier import development_carrier
from shared.serve import address_of, listening, serving
from shared.service import application
from tests.journeys.conftest import Founder
from tests.journeys.town import Town

SECRET = "whsec-of-this-town"
HANG_S = 1.0


@dataclass
class Neighbour:
    """A development service: its switches and its book."""

    client: httpx.AsyncClient

    async def switch(self, **switches: Any) -> None:
        (await self.client.put("/switches", json=switches)).raise_for_status()

    async def book(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = (await self.client.get("/book")).json()
        return found

    async def post(self, path: str) -> None:
        (await self.client.post(path)).raise_for_status()


@dataclass
class Neighbours:
    town: Town
    provider: Neighbour
    carrier: Neighbour

    async def operations(self) -> list[tuple[str, str, str]]:
        """What the provider's own book says it did: kind, amount, outcome."""
        rows = (await self.provider.book())["operations"]
        return [(row["kind"], row["amount"], row["outcome"]) for row in rows]

    async def labels(self) -> list[str]:
        """The states of all labels that the carrier's own book has."""
        return [label["state"] for label in (await self.carrier.book())["labels"]]


@asynccontextmanager
async def town_with_neighbours(founder: Founder, folder: Path, **settings: Any) -> AsyncIterator[Neighbours]:
    """Billing and fulfilment answer over HTTP too, so that webhooks reach them."""
    async with AsyncExitStack() as stack:
        doors = {name: listening("127.0.0.1", 0) for name in ("provider", "carrier", "billing", "fulfilment")}
        at = {name: address_of(bound) for name, bound in doors.items()}
        provider = build(
            Settings(
                path=folder / "provider.sqlite",
                webhook_url=f"{at['billing']}/webhooks/provider",
                webhook_secret=SECRET,
                hang_s=HANG_S,
            )
        )
        carrier = development_carrier(
            folder / "carrier.sqlite", webhook_url=f"{at['fulfilment']}/webhooks/carrier", secret=SECRET
        )
        await stack.enter_async_context(serving(provider, doors["provider"], lifespan=True))
        await stack.enter_async_context(serving(carrier, doors["carrier"], lifespan=True))
        given: dict[str, Any] = {
            "payment_provider_url": at["provider"],
            "payment_webhook_secrets": SECRET,
            "carrier_url": at["carrier"],
            "carrier_webhook_secrets": SECRET,
        }
        town = await stack.enter_async_context(founder(**given | settings))
        for name in ("billing", "fulfilment"):
            await stack.enter_async_context(serving(application(town.suite[name]), doors[name]))
        clients = {
            name: await stack.enter_async_context(httpx.AsyncClient(base_url=at[name], timeout=10))
            for name in ("provider", "carrier")
        }
        yield Neighbours(town, Neighbour(clients["provider"]), Neighbour(clients["carrier"]))
