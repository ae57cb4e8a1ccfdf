"""The suite as processes that may die at any moment, a supervisor that starts them again, and one story to tell."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from comptoir.processes import Processes
from comptoir.rest import at_rest, plain
from comptoir.runs import Run, running
from comptoir.verify import verify
from shared.settings import database_of

Item = dict[str, Any]
ANNA = {"name": "Anna", "street": ["Oudegracht 1"], "postcode": "3511 AB", "city": "Utrecht", "country": "NL"}
LONGEST_RETRY = "interval '11 minutes'"
"""A timer that is due sooner belongs to what is on its way; the next one of an order is due after 15 minutes."""
STOCK = "select sku, sum(on_hand), sum(reserved) from levels group by 1 order by 1"
MOVEMENTS = "select kind, count(*), sum(on_hand) from movements group by 1 order by 1"


@dataclass
class Works:
    """Services that are started again when they die; requests that are repeated until they are answered."""

    run: Run
    plans: Path
    http: httpx.AsyncClient
    database_url: str = ""
    deaths: list[str] = field(default_factory=list)
    ready_after_s: list[float] = field(default_factory=list)
    then: dict[str, str] = field(default_factory=dict)  # what a service is armed with when it starts again
    repeated: int = 0

    @property
    def processes(self) -> Processes:
        assert self.run.processes is not None
        return self.run.processes

    @property
    def prefix(self) -> str:
        """Of our names on the broker."""
        return self.processes.environment["COMPTOIR_RABBITMQ_PREFIX"]

    # Dying, and being started again

    def arm(self, name: str, plan: str) -> None:
        """What this service's process does from its next hit on; the one that is started after it does nothing."""
        path = self.plans / str(self.processes.running[name].popen.pid)
        making = path.with_suffix(".new")
        making.write_text(plan)
        making.rename(path)

    def hits(self) -> dict[str, Counter[str]]:
        """By service: how often each point was passed by the process that runs now."""
        found: dict[str, Counter[str]] = {}
        for name, process in self.processes.running.items():
            path = self.plans / f"{process.popen.pid}.hits"
            found[name] = Counter(path.read_text().split() if path.exists() else ())
        return found

    async def kill(self, name: str) -> None:
        """kill -9; the supervisor does the rest."""
        os.kill(self.processes.running[name].popen.pid, signal.SIGKILL)

    async def reconnect(self) -> None:
        """Our own connections to the databases, after the server was away. Pays no regard to the old ones."""
        books: Any = self.run.connections
        for name, old in list(books.items()):
            old.terminate()
            books[name] = await asyncpg.connect(plain(database_of(self.database_url, name)), timeout=30)

    async def supervise(self) -> None:
        while True:
            for name, process in list(self.processes.running.items()):
                if process.popen.poll() is not None:
                    died = time.monotonic()
                    self.deaths.append(name)
                    self.processes.start(name, process.port)
                    if plan := self.then.pop(name, ""):
                        self.arm(name, plan)
                        continue  # it may die before it is ready
                    await self.ready(name)
                    self.ready_after_s.append(time.monotonic() - died)
            await asyncio.sleep(0.02)

    async def ready(self, name: str, within_s: float = 60.0) -> None:
        """Until it serves, or has died again."""
        end = time.monotonic() + within_s
        process = self.processes.running[name]
        while process.popen.poll() is None:
            with suppress(httpx.HTTPError):
                if (await self.http.get(f"{process.url}/health/ready", timeout=2)).status_code == 200:
                    return
            if time.monotonic() > end:
                raise TimeoutError(f"{name} is not ready:\n{process.log.read_text()[-3000:]}")
            await asyncio.sleep(0.02)

    # People, who repeat a request that was not answered

    async def ask(
        self, service: str, method: str, path: str, body: Any = None, key: str = "", *, within_s: float = 60.0
    ) -> Any:
        headers = {"Idempotency-Key": key or uuid4().hex, "X-Actor": "sam"}
        end = time.monotonic() + within_s
        pause_s = 0.05
        while True:
            url = f"{self.processes.running[service].url}{path}"
            try:
                response = await self.http.request(method, url, json=body, headers=headers)
                if response.status_code < 400:
                    return response.json() if response.content else None
                passing = response.status_code == 503 or "still in flight" in response.text
                if not passing or time.monotonic() > end:
                    raise AssertionError(f"{method} {service}{path}: {response.status_code} {response.text[:300]}")
            except httpx.TransportError:
                if time.monotonic() > end:
                    raise
            self.repeated += 1
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 1.0)

    async def opens(self, stock: int = 1000) -> None:
        """Two products, two warehouses."""
        listed = [{"sku": sku, "name": sku, "price": "12.35", "vat_rate": "20"} for sku in ("mug", "pot")]
        await self.ask("order", "PUT", "/products", {"products": listed})
        await self.ask("inventory", "PUT", "/items", {"items": [{"sku": "mug"}, {"sku": "pot"}]})
        for rank, code in enumerate(("north", "south")):
            await self.ask("inventory", "PUT", f"/warehouses/{code}", {"country": "NL", "rank": rank})
            lines = [{"sku": sku, "quantity": stock} for sku in ("mug", "pot")]
            await self.ask(
                "inventory", "POST", "/receipts", {"warehouse": code, "reference": f"PO-{code}", "lines": lines}
            )
        await at_rest(self.run.connections, 30, 0.05)

    async def place(self, i: int, *, within_s: float = 60.0, **more: Any) -> str:
        lines = [{"sku": "mug", "quantity": 1 + i % 3}, {"sku": "pot", "quantity": 1}]
        wish = {"ship_to": ANNA, "payment_token": "tok", "lines": lines, "external_id": f"{i}"} | more
        return str((await self.ask("order", "POST", "/orders", wish, f"place-{i}", within_s=within_s))["id"])

    async def shows(self, order: str, *, within_s: float = 60.0) -> Item:
        found: Item = await self.ask("order", "GET", f"/orders/{order}", within_s=within_s)
        return found

    async def story(self, orders: int = 12) -> None:
        """Orders at the same time; the last is on hold and then cancelled, the first comes back in part."""
        holds = [""] * (orders - 1) + ["fraud check"]
        ids = await asyncio.gather(*(self.place(i, hold=hold) for i, hold in enumerate(holds)))
        await self.ask("order", "POST", f"/orders/{ids[-1]}/cancel", {"reason": "changed my mind"}, "cancel")
        end = time.monotonic() + 60
        while (await self.shows(ids[0]))["status"] != "completed":
            if time.monotonic() > end:
                raise TimeoutError(f"{ids[0]} was not completed in 60 s")
            await asyncio.sleep(0.03)
        shipment = (await self.shows(ids[0]))["shipments"][0]["shipment_id"]
        wish = {"shipment_id": shipment, "lines": [{"line_no": 1, "quantity": 1}], "reason": "too blue"}
        await self.ask("order", "POST", f"/orders/{ids[0]}/returns", wish, "return")
        await self.rests()

    # The end of every story

    async def rests(self, within_s: float = 90.0) -> None:
        """Nothing moves, and nothing will move by itself soon."""

        async def no_timer_soon() -> bool:
            for connection in self.run.connections.values():
                if await connection.fetchval(f"select count(*) from timers where due_at < now() + {LONGEST_RETRY}"):
                    return False
            return True

        end = time.monotonic() + within_s
        while True:
            await at_rest(self.run.connections, max(1.0, end - time.monotonic()), 0.05)
            if await no_timer_soon():
                await at_rest(self.run.connections, max(1.0, end - time.monotonic()), 0.03)
                return
            if time.monotonic() > end:
                raise TimeoutError("timers of what is on its way are still armed")
            await asyncio.sleep(0.1)

    async def breaches(self, poison: frozenset[UUID] = frozenset()) -> list[str]:
        """`poison`: ids of events that had to be parked."""
        found = await verify(self.run.connections, poison=poison)
        return [f"{finding.name}: {breach}" for finding in found for breach in finding.breaches]

    async def figures(self) -> Item:
        """What a story comes to, without anything that two tellings may differ in."""
        books = self.run.connections

        async def rows(name: str, sql: str) -> list[list[Any]]:
            return [[str(v) if isinstance(v, Decimal) else v for v in r.values()] for r in await books[name].fetch(sql)]

        return {
            "orders": await rows("order", "select status, count(*) from progress group by 1 order by 1"),
            "stock": await rows("inventory", STOCK),
            "movements": await rows("inventory", MOVEMENTS),
            "shipments": await rows("fulfilment", "select state, count(*) from shipments group by 1 order by 1"),
            "returns": await rows("fulfilment", "select state, count(*) from returns group by 1 order by 1"),
            "invoices": await rows("billing", "select count(*), sum(gross), max(serial) from invoices"),
            "credit notes": await rows("billing", "select count(*), sum(gross), max(serial) from credit_notes"),
            "ledger": await rows("billing", "select account, sum(amount) from postings group by 1 order by 1"),
            "parked": [[name, await books[name].fetchval("select count(*) from parked")] for name in books],
        }

    def said(self) -> str:
        """The end of what each service logged, for a test that failed."""
        return "\n".join(
            f"--- {name}\n{process.log.read_text()[-1500:]}" for name, process in self.processes.running.items()
        )


@contextmanager
def told(works: Works) -> Iterator[None]:
    """A failure inside comes with what the services said."""
    try:
        yield
    except (AssertionError, TimeoutError, asyncpg.PostgresError) as error:
        error.add_note(works.said())
        raise


@asynccontextmanager
async def works_at(
    database_url: str, folder: Path, *, disturbed: bool = False, office: bool = False, **settings: Any
) -> AsyncIterator[Works]:
    """The suite as processes, with a supervisor, and a broker as COMPTOIR_RABBITMQ_URL says.

    `office`: with the back office, which is supervised too.
    """
    plans = folder / "plans"
    plans.mkdir(parents=True, exist_ok=True)
    given: Item = {"failpoint": f"@{plans}"} | settings
    async with (
        running(
            database_url,
            "rabbit",
            folder / "logs",
            disturbed=disturbed,
            prefix=f"faults-{uuid4().hex[:8]}",
            settings=given,
            office=office,
        ) as run,
        httpx.AsyncClient(timeout=15, limits=httpx.Limits(max_connections=200)) as http,
    ):
        works = Works(run, plans, http, database_url)
        supervising = asyncio.create_task(works.supervise())
        try:
            yield works
        finally:
            supervising.cancel()
            await asyncio.gather(supervising, return_exceptions=True)
