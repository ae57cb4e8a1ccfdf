"""A shop with its back office: the whole suite behind one door, as `comptoir up` has it, on databases of its own."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from comptoir.commands import owners_at
from comptoir.staffing import set_account
from comptoir.suite import MEMBERS, Suite, know_topology, migrate, started
from comptoir.web import one_door
from services.backoffice.login import hashed
from shared.serve import address_of, listening, serving
from tests.conftest import Databases
from tests.eventually import eventually

Item = dict[str, Any]
READ = ("orders", "sold", "money", "shipments", "returns", "refunds", "entries", "stock_said", "backorders")
PASSWORD = "a long enough password"
HASH = hashed(PASSWORD)
BY_HAND: Item = {"warehouses_automatic": False}
ANNA: Item = {
    "name": "Anna de Vries", "street": ["Oudegracht 1"], "postcode": "3511 AB", "city": "Utrecht", "country": "NL",
    "email": "anna@example.org",
}  # fmt: skip


@dataclass
class Shop:
    """Everything a person or another program does here goes over HTTP."""

    suite: Suite
    here: str
    database_url: str
    http: httpx.AsyncClient
    office: Any  # all that the pages know of the running service

    def __post_init__(self) -> None:
        self.n = count(1)

    async def ask(self, method: str, path: str, body: Any = None, *, who: str = "") -> Any:
        """The JSON answer; fails when it is a refusal. `who`: in this person's name."""
        headers = {"Idempotency-Key": f"key-{next(self.n)}"} | ({"X-Actor": who} if who else {})
        response = await self.http.request(method, path, json=body, headers=headers)
        assert response.status_code < 300, response.text
        return response.json()

    async def open(self, **stock: int) -> None:
        """A warehouse, and so many pieces of each SKU."""
        await self.ask("PUT", "/inventory/warehouses/north", {"name": "North"})
        await self.ask("PUT", "/inventory/items", {"items": [{"sku": sku, "name": sku.title()} for sku in stock]})
        await self.receive(**stock)

    async def staff(self, *roles: str) -> None:
        """A person of each role, named like it, who logs in with PASSWORD."""
        for role in roles:
            await set_account(self.database_url, role, f"{role.title()} Person", (role,), HASH, True, "test")

    async def receive(self, **stock: int) -> None:
        lines = [{"sku": sku, "quantity": n} for sku, n in stock.items() if n]
        if lines:
            receipt = {"warehouse": "north", "reference": f"PO-{next(self.n)}", "lines": lines}
            await self.ask("POST", "/inventory/receipts", receipt)

    async def place(self, sku: str = "mug", quantity: int = 2, **more: Any) -> Item:
        """An order, once everybody has said what there is to say and the pages know it."""
        line = {"sku": sku, "quantity": quantity, "unit_price": "12.50", "vat_rate": "21"}
        order: Item = await self.ask("POST", "/order/orders", {"lines": [line], "ship_to": ANNA, **more})
        await self.rest()
        return order

    async def ship(self, shipment_id: str) -> None:
        """Picked, packed and handed over."""
        for step in ("pick", "pack", "dispatch"):
            await self.ask("POST", f"/fulfilment/shipments/{shipment_id}/{step}", {})
            await self.rest()

    async def rest(self) -> None:
        """Nothing moves by itself any more, and the read tables are as new as the owner."""
        await self.suite.rest()
        await eventually(self.seen)
        await self.suite.rest()

    async def seen(self) -> bool:
        left = await self.rows("select count(*) as n from orders where looking")
        return not left[0]["n"]

    async def rows(self, sql: str, *values: Any) -> list[Item]:
        """What the back office has in its tables."""
        connection = await asyncpg.connect(self.database_url.format(service="backoffice"))
        try:
            return [dict(row) for row in await connection.fetch(sql, *values)]
        finally:
            await connection.close()

    async def change(self, service: str, sql: str, *values: Any) -> None:
        """What no owner would do: a row changed behind its back."""
        connection = await asyncpg.connect(self.database_url.format(service=service))
        try:
            await connection.execute(sql, *values)
        finally:
            await connection.close()

    async def everything(self) -> dict[str, list[Item]]:
        """All read tables, without what only says how they were filled."""
        found = {}
        for table in READ:
            rows = await self.rows(f"select * from {table} order by 1, 2")
            found[table] = [{k: v for k, v in row.items() if k not in ("looking", "tries")} for row in rows]
        return found

    async def link(self, placed: Item) -> str:
        """The address of the customer's page, as a person of the shop copies it."""
        html = (await self.post(f"/orders/{placed['number']}/link", {}, status=200)).text
        found = re.search(r'value="(http[^"]+/s/[^"]+)"', html)
        assert found, "no link"
        assert found[1].startswith(self.here)
        return found[1].removeprefix(self.here)

    async def page(self, path: str, *, status: int = 200, **headers: str) -> str:
        response = await self.http.get(path, headers={"Accept": "text/html", **headers})
        assert response.status_code == status, f"{response.status_code} {response.text[:500]}"
        return response.text

    async def post(self, path: str, form: Item, *, status: int = 303, **headers: str) -> httpx.Response:
        """A form as the browser sends it."""
        response = await self.http.post(path, data=form, headers={"Accept": "text/html", **headers})
        assert response.status_code == status, f"{response.status_code} {response.text[:500]}"
        return response


def row_of(order: Item) -> str:
    """Where an order stands in the list, as style sheets and scripts say it."""
    return f"#o-{UUID(order['id']).hex[-16:]}"


async def logged_in(shop: Shop, name: str) -> httpx.AsyncClient:
    """A browser of its own in which this person is logged in."""
    http = httpx.AsyncClient(base_url=shop.here, timeout=20, headers={"Accept": "text/html"})
    response = await http.post("/login", data={"name": name, "password": PASSWORD, "onward": "/orders"})
    assert response.status_code == 303, response.text
    assert response.headers["location"] == "/orders"
    return http


def field(html: str, name: str) -> str:
    """What stands in the field of a form."""
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, f"no field {name}"
    return found[1]


@asynccontextmanager
async def shop_at(databases: Databases, what: str, **settings: Any) -> AsyncIterator[Shop]:
    """A shop on fresh databases, and gone afterwards."""
    pattern = f"{databases.run}_{what}_{{service}}"
    for service in MEMBERS:
        await databases.fresh(name=pattern.format(service=service))
    url = databases.url("SERVICE").replace("SERVICE", pattern)
    await migrate(url, tuple(MEMBERS))
    door = listening("127.0.0.1", 0)
    here = address_of(door)
    ways = {**BY_HAND, "gather_ms": 5, "link_keys": "k" * 32, **settings}
    try:
        async with (
            started(tuple(MEMBERS), database_url=url, **owners_at(here), **ways) as suite,
            serving(root := one_door(suite), door),
            httpx.AsyncClient(base_url=here, timeout=20) as http,
        ):
            pages = next(route.app for route in root.routes if getattr(route, "path", "/") == "")
            yield Shop(suite, here, url, http, pages.state.office)
    finally:
        know_topology()
