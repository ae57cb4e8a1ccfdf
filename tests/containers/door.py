"""What comes in by the door: stock, orders at a steady rate, and what has become of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from comptoir.chaos.works import ANNA
from tests.eventually import eventually

Item = dict[str, Any]
ANSWERS_WITHIN_S = 60.0
"""As long as the door itself waits for a service."""


class Door:
    """A shop that talks to the suite by the door only."""

    def __init__(self, url: str, key: str) -> None:
        limits = httpx.Limits(max_connections=400, max_keepalive_connections=100)
        shown = {"Authorization": f"Bearer {key}"}
        self.http = httpx.AsyncClient(
            base_url=url, timeout=ANSWERS_WITHIN_S, limits=limits, headers=shown, trust_env=False
        )
        self.run = uuid4().hex[:8]  # before the names of this shop's orders

    async def ask(self, method: str, path: str, body: Any = None, key: str = "") -> Any:
        response = await self.http.request(method, path, json=body, headers={"Idempotency-Key": key or uuid4().hex})
        assert response.status_code < 400, f"{method} {path}: {response.status_code} {response.text[:300]}"
        return response.json() if response.content else None

    async def opens(self, stock: dict[str, int]) -> None:
        await self.ask("PUT", "/inventory/items", {"items": [{"sku": sku} for sku in stock]})
        await self.ask("PUT", "/inventory/warehouses/north", {"name": "North", "country": "NL"})
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in stock.items()]
        receipt = {"warehouse": "north", "reference": f"PO-{self.run}", "lines": lines}
        await self.ask("POST", "/inventory/receipts", receipt)

    async def place(self, i: int) -> str:
        """Asked once: who places orders sees no restart."""
        wish = {
            "external_id": f"{self.run}-{i}",
            "payment_token": "tok_visa",
            "ship_to": ANNA,
            "lines": [{"sku": "mug", "quantity": 1 + i % 3, "unit_price": "12.35", "vat_rate": "21"}],
        }
        return str((await self.ask("POST", "/order/orders", wish, f"{self.run}-{i}"))["id"])

    async def statuses(self) -> dict[str, str]:
        """Of all orders of all shops, by id."""
        found: dict[str, str] = {}
        after: str | None = ""
        while after is not None:
            page = await self.ask("GET", f"/order/orders?limit=200{f'&after={after}' if after else ''}")
            found |= {order["id"]: order["status"] for order in page["items"]}
            after = page["next"]
        return found

    async def completed(self, placed: list[str], within_s: float = 90.0) -> None:
        async def all_are() -> bool:
            now = await self.statuses()
            missing = {order: now.get(order, "unknown") for order in placed if now.get(order) != "completed"}
            assert not missing, f"{len(missing)} of {len(placed)} are not completed: {list(missing.items())[:3]}"
            return True

        await eventually(all_are, within_s, 0.5)


@dataclass
class Load:
    """Orders at a steady rate, each asked once."""

    door: Door
    per_s: float
    first: int = 0
    placed: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    asking: set["asyncio.Task[None]"] = field(default_factory=set)

    async def place(self, i: int) -> None:
        began = time.monotonic()
        try:
            self.placed.append(await self.door.place(i))
            self.seconds.append(time.monotonic() - began)
        except (AssertionError, httpx.HTTPError) as error:
            self.errors.append(f"order {i}: {error!r}")

    async def run(self) -> None:
        """Until cancelled."""
        i, due = self.first, time.monotonic()
        while True:
            task = asyncio.create_task(self.place(i))
            self.asking.add(task)
            task.add_done_callback(self.asking.discard)
            i, due = i + 1, due + 1 / self.per_s
            with suppress(TimeoutError):  # the time until the next is due is not waited for in vain
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + max(0.0, due - time.monotonic())):
                    await asyncio.Event().wait()

    async def goes_on(self, orders: int = 10, within_s: float = 60.0) -> None:
        """So many more are taken."""
        until = len(self.placed) + orders
        await eventually(lambda: len(self.placed) >= until, within_s)


@asynccontextmanager
async def under_load(door: Door, per_s: float = 5.0) -> AsyncIterator[Load]:
    """Orders come in before, during and after what happens in the block. None is refused, and each is completed."""
    before = await door.statuses()
    load = Load(door, per_s, first=len(before))
    loading = asyncio.create_task(load.run())
    try:
        await load.goes_on()
        yield load
        await load.goes_on()
    finally:
        loading.cancel()
        with suppress(asyncio.CancelledError):
            await loading
        await asyncio.gather(*load.asking)
    assert not load.errors, load.errors[:5]
    await door.completed(load.placed)
    assert set(await door.statuses()) == {*before, *load.placed}, "an order that nobody was told of"
