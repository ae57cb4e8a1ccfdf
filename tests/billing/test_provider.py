"""The provider port against the provider of development: real HTTP in process, a real book on disk."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request

from services.billing.development_provider import create_app
from services.billing.devservices.psp.app import Settings, build
from services.billing.devservices.psp.book import Book
from services.billing.providers import HttpProvider, InstantProvider
from services.billing.webhooks import SIGNATURE, TIMESTAMP, genuine, sign
from shared.contracts.billing import CallProvider
from tests.eventually import eventually

ORDER = UUID(int=1)


def call(no: int, kind: str = "authorise", amount: str = "10.00", **more: Any) -> CallProvider:
    return CallProvider(
        order_id=ORDER,
        operation_no=no,
        kind=kind,  # type: ignore[arg-type]
        idempotency_key=f"{ORDER}:{no}",
        amount=Decimal(amount),
        currency="EUR",
        **more,
    )


@asynccontextmanager
async def psp(
    path: Path, hooks: list[tuple[dict[str, str], bytes]] | None = None, hang_s: float = 0
) -> AsyncIterator[tuple[httpx.AsyncClient, HttpProvider]]:
    """The provider on a book, a plain client, and billing's adapter; `hooks` collects what it sends."""
    shop = FastAPI()

    @shop.post("/hook")
    async def hook(request: Request) -> None:
        assert hooks is not None
        hooks.append((dict(request.headers), await request.body()))

    settings = Settings(
        path=path / "psp.sqlite", webhook_url="http://shop/hook" if hooks is not None else "", hang_s=hang_s
    )
    app = build(settings, httpx.ASGITransport(shop))
    transport = httpx.ASGITransport(app)
    provider = HttpProvider("http://psp", transport)
    async with httpx.AsyncClient(base_url="http://psp", transport=transport) as client:
        yield client, provider
    await provider.close()
    await app.state.psp.close()


async def the_book(client: httpx.AsyncClient) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = (await client.get("/book")).json()
    return found


async def test_a_life_at_the_provider(tmp_path: Path) -> None:
    async with psp(tmp_path) as (client, provider):
        hold = await provider.perform(call(1))
        assert hold.outcome == "ok"
        assert hold.expires_at
        assert hold.expires_at > datetime.now(UTC) + timedelta(days=6)
        for no, kind, amount, outcome, reason in (
            (2, "capture", "6.00", "ok", ""),
            (3, "capture", "4.01", "refused", "more than authorised"),
            (4, "capture", "4.00", "ok", ""),
            (5, "refund", "10.01", "refused", "more than captured"),
            (6, "refund", "10.00", "ok", ""),
            (7, "refund", "0.01", "refused", "more than captured"),
        ):
            got = await provider.perform(call(no, kind, amount, authorisation=hold.reference))
            assert (got.outcome, got.reason) == (outcome, reason), no
        (authorisation,) = (await the_book(client))["authorisations"]
        assert Decimal(authorisation["captured"]) == Decimal(authorisation["refunded"]) == 10


async def test_i15_the_same_key_happens_once_even_when_asked_at_once(tmp_path: Path) -> None:
    async with psp(tmp_path) as (client, provider):
        hold = await provider.perform(call(1))
        capture = call(2, "capture", authorisation=hold.reference)
        answers = await asyncio.gather(*(provider.perform(capture) for _ in range(20)))
        assert len(set(answers)) == 1
        assert answers[0].outcome == "ok"
        book = await the_book(client)
        assert [o["key"] for o in book["operations"]] == [f"{ORDER}:1", f"{ORDER}:2"]
        other = await client.post(
            "/operations",
            json={"kind": "refund", "amount": "1", "currency": "EUR"},
            headers={"Idempotency-Key": f"{ORDER}:2"},
        )
        assert other.status_code == 409


async def test_the_book_survives_a_restart(tmp_path: Path) -> None:
    async with psp(tmp_path) as (_, provider):
        hold = await provider.perform(call(1))
    async with psp(tmp_path) as (client, provider):
        assert await provider.perform(call(1)) == hold
        assert (await provider.perform(call(2, "void", authorisation=hold.reference))).outcome == "ok"
        assert (await provider.perform(call(3, "capture", authorisation=hold.reference))).reason == "voided"
        assert len((await the_book(client))["operations"]) == 3


async def test_what_is_answered_is_on_disk_before_the_answer(tmp_path: Path) -> None:
    async with psp(tmp_path) as (_, provider):
        await provider.perform(call(1))
        other = Book(tmp_path / "psp.sqlite")  # another reader, while the first still has it open
        assert await other.find(f"{ORDER}:1")
        await other.close()


async def test_declined_by_token_and_by_switch(tmp_path: Path) -> None:
    async with psp(tmp_path) as (client, provider):
        assert (await provider.perform(call(1, token="tok_decline"))).outcome == "refused"
        await client.put("/switches", json={"decline": True})
        assert (await provider.perform(call(2))).reason == "declined"
        await client.put("/switches", json={})
        assert (await provider.perform(call(3))).outcome == "ok"


@pytest.mark.parametrize("switch", ["timeout_after_charge", "error_500", "garbage"])
async def test_f28_charged_but_not_answered_is_unknown_and_the_same_key_finds_it(tmp_path: Path, switch: str) -> None:
    async with psp(tmp_path) as (client, provider):
        got = await provider.perform(call(1, token=f"tok_{switch}"))
        assert (got.outcome, got.operation_no) == ("unknown", 1)
        asked = await provider.perform(call(1, token=f"tok_{switch}", query=True))
        assert asked.outcome == "ok"
        assert len((await the_book(client))["operations"]) == 1


async def test_f28_a_provider_that_hangs_is_unknown_within_the_deadline(tmp_path: Path) -> None:
    async with psp(tmp_path, hang_s=5) as (_, provider):
        provider.timeout_s = 0.05
        assert (await provider.perform(call(1, token="tok_timeout_after_charge"))).outcome == "unknown"
        assert (await provider.perform(call(1, query=True))).outcome == "ok"


async def test_asking_about_an_operation_that_never_arrived_performs_it(tmp_path: Path) -> None:
    async with psp(tmp_path) as (client, provider):
        assert (await provider.perform(call(1, query=True))).outcome == "ok"
        assert len((await the_book(client))["operations"]) == 1


async def test_a_provider_that_is_away_is_unknown() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    provider = HttpProvider("http://psp", httpx.MockTransport(refuse))
    assert (await provider.perform(call(1))).outcome == "unknown"
    await provider.close()


async def test_an_expired_authorisation_is_refused_by_name(tmp_path: Path) -> None:
    async with psp(tmp_path) as (_, provider):
        hold = await provider.perform(call(1, token="tok_expire"))
        assert hold.outcome == "ok"
        capture = await provider.perform(call(2, "capture", authorisation=hold.reference))
        assert (capture.outcome, capture.reason) == ("refused", "expired")


async def test_a_refund_without_authorisation_is_a_payout(tmp_path: Path) -> None:
    async with psp(tmp_path) as (_, provider):
        assert (await provider.perform(call(1, "refund"))).outcome == "ok"
        assert (await provider.perform(call(2, "capture"))).outcome == "refused"


async def test_f29_webhooks_are_signed_over_the_raw_body_and_may_come_twice(tmp_path: Path) -> None:
    hooks: list[tuple[dict[str, str], bytes]] = []
    async with psp(tmp_path, hooks) as (client, provider):
        await client.put("/switches", json={"duplicate_webhook": True})
        await provider.perform(call(1))
        await eventually(lambda: len(hooks) == 2)
    now = datetime.now(UTC)
    assert {json.loads(body)["event_id"] for _, body in hooks} == {f"evt_{ORDER}:1"}
    for headers, body in hooks:
        stamp, signature = headers[TIMESTAMP.lower()], headers[SIGNATURE.lower()]
        assert genuine(["development"], stamp, body, signature, now)
        assert genuine(["new", "development"], stamp, body, signature, now), "both are valid during a rotation"
        assert not genuine(["other"], stamp, body, signature, now)
        assert not genuine([], stamp, body, signature, now)
        assert not genuine(["development"], stamp, body + b" ", signature, now)
        assert not genuine(["development"], stamp, body, signature, now + timedelta(seconds=302))
        assert not genuine(["development"], str(int(stamp) + 1), body, signature, now)


def test_a_webhook_is_taken_up_to_300_seconds_from_now_and_not_beyond() -> None:
    now = datetime.fromtimestamp(1_000_000, UTC)
    for stamp, ok in ((999_700, True), (999_699, False), (1_000_300, True), (1_000_301, False)):
        assert genuine(["s"], str(stamp), b"{}", sign("s", str(stamp), b"{}"), now) is ok
    assert not genuine(["s"], "soon", b"{}", sign("s", "soon", b"{}"), now)


async def test_the_instant_provider_approves_all_but_one_token() -> None:
    provider = InstantProvider()
    assert (await provider.perform(call(1))).outcome == "ok"
    assert (await provider.perform(call(1, token="tok_decline"))).outcome == "refused"
    assert (await provider.perform(call(2, "capture"))).expires_at is None


async def test_the_provider_works_below_a_path_of_another_application(tmp_path: Path) -> None:
    door = FastAPI()
    inner = create_app(tmp_path / "psp.sqlite")
    door.mount("/development/provider", inner)
    provider = HttpProvider("http://here/development/provider", httpx.ASGITransport(door))
    assert (await provider.perform(call(1))).outcome == "ok"
    assert (await provider.perform(call(1, query=True))).reference == f"psp_{ORDER}:1"
    await provider.close()
    await inner.state.psp.close()
