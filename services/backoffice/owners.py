"""The services that own the facts, over HTTP: looks at many orders in one request, and what people ask for."""

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any
from uuid import UUID

import httpx
import structlog
from pydantic import ValidationError

from shared.contracts.backoffice import LookAtOrder, OrderSeen, OrderSummary
from shared.outward import outward
from shared.settings import WrongSetting, setting

log = structlog.get_logger("comptoir.backoffice")
MOST = 200
"""Orders that one request looks at, as the order service allows."""

SKUS_AT_ONCE = 200
"""SKUs that one request asks about, as inventory and order allow."""

Clients = Mapping[str, httpx.AsyncClient]
Item = dict[str, Any]


class Away(Exception):
    """An owner does not answer now, or its answer makes no sense. What was asked of it may or may not have happened."""

    def __init__(self, owner: str, why: str) -> None:
        super().__init__(f"{owner}: {why}")
        self.owner = owner


class Said(Exception):
    """An owner refused: its status, its one sentence for people, and what it says of each field."""

    def __init__(self, owner: str, status: int, title: str, errors: Iterable[Item] = ()) -> None:
        super().__init__(title)
        self.owner, self.status, self.title, self.errors = owner, status, title, tuple(errors)


class ByKey(httpx.Auth):
    """Shows our API key. When it is not taken, the one that the setting names by then is shown once: it may be new."""

    def __init__(self, key: str, key_now: Callable[[], str]) -> None:
        self.key, self.key_now = key, key_now

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self.key:
            request.headers["Authorization"] = f"Bearer {self.key}"
        answer = yield request
        if answer.status_code == 401 and (fresh := self.key_now()) not in ("", self.key):
            self.key = fresh
            request.headers["Authorization"] = f"Bearer {self.key}"
            yield request


def clients(
    addresses: Mapping[str, str], timeout_s: float, key: str = "", key_now: Callable[[], str] = str
) -> dict[str, httpx.AsyncClient]:
    """One client per owner, which all show the same key."""
    shown = ByKey(key, key_now)
    found = {name: outward(url, timeout_s=timeout_s) for name, url in addresses.items()}
    for client in found.values():
        client.auth = shown
    return found


def key_now() -> str:
    """The key as COMPTOIR_API_KEY or its file say now; empty when they cannot be read."""
    try:
        return setting("API_KEY")
    except WrongSetting as error:
        log.error("the API key cannot be read", error=str(error))
        return ""


def _named(actor: str, if_match: str) -> dict[str, bytes]:
    """Who asks, and of what that was looked at."""
    return {"X-Actor": actor.encode()} | ({"If-Match": f'"{if_match}"'.encode()} if if_match else {})


class Owners:
    """What pages ask of the owners. Every method raises Away or Said."""

    def __init__(self, over: Clients) -> None:
        self.over = over

    async def get(self, owner: str, path: str, **query: Any) -> Any:
        """The JSON answer; what is None or empty is not asked for."""
        asked = {name: value for name, value in query.items() if value not in (None, "")}
        return await self._answer(owner, "GET", path, params=asked)

    async def by_sku(self, owner: str, path: str, skus: Iterable[str], **query: Any) -> dict[str, Item]:
        """What an owner tells of each of these SKUs that it knows, so many at a time, one request after the other."""
        wanted = list(dict.fromkeys(skus))
        found: dict[str, Item] = {}
        for i in range(0, len(wanted), SKUS_AT_ONCE):
            answer = await self.get(owner, path, sku=wanted[i : i + SKUS_AT_ONCE], **query)
            found |= {of["sku"]: of for of in answer["items"]}
        return found

    async def post(
        self,
        owner: str,
        path: str,
        body: Item,
        *,
        actor: str,
        key: str = "",
        roles: Iterable[str] = (),
        if_match: str = "",
    ) -> Any:
        """Asks for something in a person's name; the key makes asking twice safe. `roles`: where limits go by them.

        `if_match`: as in `put`.
        """
        headers = _named(actor, if_match) | ({"Idempotency-Key": key.encode()} if key else {})
        if roles:
            headers["X-Roles"] = ",".join(roles).encode()
        return await self._answer(owner, "POST", path, json=body, headers=headers)

    async def file(self, owner: str, path: str) -> bytes:
        """An answer that is no JSON, as it comes."""
        return (await self._response(owner, "GET", path)).content

    async def put(self, owner: str, path: str, body: Item, *, actor: str, if_match: str = "") -> Any:
        """States in a person's name what is to be so; saying it twice is safe.

        `if_match`: only if it is what was looked at; Said with 412 if not.
        """
        return await self._answer(owner, "PUT", path, json=body, headers=_named(actor, if_match))

    async def _answer(self, owner: str, method: str, path: str, **asked: Any) -> Any:
        response = await self._response(owner, method, path, **asked)
        try:
            return response.json() if response.content else {}
        except ValueError as error:
            raise Away(owner, repr(error)) from error

    async def _response(self, owner: str, method: str, path: str, **asked: Any) -> httpx.Response:
        try:
            response = await self.over[owner].request(method, path, **asked)
            said = response.json() if response.content and response.status_code >= 400 else {}
        except (httpx.HTTPError, ValueError) as error:
            raise Away(owner, repr(error)) from error
        if response.status_code >= 500:
            raise Away(owner, f"{response.status_code}")
        if response.status_code == 401:  # nothing that whoever sits at a page did or can mend
            log.error("an owner does not take our API key", owner=owner, said=said)
            raise Away(owner, "it does not take our API key")
        if response.status_code >= 400:
            said = said if isinstance(said, dict) else {}
            title = str(said.get("title") or response.status_code)
            raise Said(owner, response.status_code, title, said.get("errors") or ())
        return response

    async def close(self) -> None:
        for client in self.over.values():
            await client.aclose()


class Looker:
    """Makes the outside call of LookAtOrder: looks that are wanted at about the same time go in one request."""

    def __init__(self, owners: Owners, gather_s: float) -> None:
        self.owners, self.gather_s = owners, gather_s
        self.wanted: dict[UUID, asyncio.Future[OrderSummary | None]] = {}
        self.task: asyncio.Task[None] | None = None
        self.asked = self.seen = 0  # requests, and orders in their answers

    async def perform(self, message: LookAtOrder) -> OrderSeen:
        """Never raises for a failed look: it answers that nothing was seen."""
        waits = self.wanted.get(message.order_id)
        if waits is None:
            waits = self.wanted[message.order_id] = asyncio.get_running_loop().create_future()
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._gather())
        return OrderSeen(order_id=message.order_id, order=await asyncio.shield(waits))

    async def _gather(self) -> None:
        await asyncio.sleep(self.gather_s)
        while self.wanted:
            batch = {order_id: self.wanted.pop(order_id) for order_id in list(self.wanted)[:MOST]}
            found: dict[UUID, OrderSummary] = {}
            try:
                found = await self.look(list(batch))
            except Exception as error:
                log.warning("orders were not seen, they are looked at again", orders=len(batch), error=repr(error))
            for order_id, waits in batch.items():
                if not waits.done():
                    waits.set_result(found.get(order_id))

    async def look(self, ids: list[UUID]) -> dict[UUID, OrderSummary]:
        """These orders as they stand now; those that nobody knows are left out."""
        said = await self.owners.get("order", "/orders/summaries", id=[str(order_id) for order_id in ids])
        self.asked += 1
        try:
            found = [OrderSummary.model_validate(item) for item in said["items"]]
        except (KeyError, TypeError, ValidationError) as error:
            raise Away("order", repr(error)) from error
        self.seen += len(found)
        return {order.order_id: order for order in found}

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.owners.close()
