"""F31: whatever comes to a webhook, over real HTTP: refused without an effect, and the service goes on."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from services.billing.webhooks import SIGNATURE, TIMESTAMP, sign
from services.fulfilment.webhook import headers as carrier_headers
from tests.journeys.conftest import Founder
from tests.journeys.neighbours import SECRET, Neighbours, town_with_neighbours

pytestmark = pytest.mark.postgres

GOOD = json.dumps({"event_id": "evt-1", "key": "nobody:1", "outcome": "ok"}).encode()
LARGE = b'{"event_id": "' + b"x" * 10_000_000 + b'"}'


@pytest.fixture
async def neighbours(founder: Founder, tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with town_with_neighbours(founder, tmp_path) as around:
        await around.town.opens()
        yield around
        await around.town.all_is_well()


def provider_headers(body: bytes, *, secret: str = SECRET, age_s: int = 0) -> dict[str, str]:
    stamp = str(int(datetime.now(UTC).timestamp()) - age_s)
    return {TIMESTAMP: stamp, SIGNATURE: sign(secret, stamp, body)}


async def test_f31_no_bad_webhook_has_an_effect(neighbours: Neighbours) -> None:
    town = neighbours.town
    order = await town.place()
    before = await town.account(order)
    now = town.clock()
    provider = "/webhooks/provider"
    carrier = "/webhooks/carrier"
    tries: list[tuple[str, str, bytes, dict[str, str], set[int]]] = [
        ("billing", provider, GOOD, provider_headers(GOOD, secret="guess"), {401}),
        ("billing", provider, GOOD, provider_headers(GOOD, age_s=3600), {401}),
        ("billing", provider, GOOD + b" ", provider_headers(GOOD), {401}),
        ("billing", provider, GOOD, {}, {401}),
        ("billing", provider, b"\xff\xfe{", provider_headers(b"\xff\xfe{"), {400}),
        ("billing", provider, b"", provider_headers(b""), {400}),
        ("billing", provider, b"[" * 100_000, provider_headers(b"[" * 100_000), {400}),
        ("billing", provider, LARGE, provider_headers(LARGE), {413}),
        ("fulfilment", carrier, GOOD, carrier_headers("guess", "evt", now, GOOD), {401}),
        ("fulfilment", carrier, GOOD, carrier_headers(SECRET, "evt", now - timedelta(hours=1), GOOD), {401}),
        ("fulfilment", carrier, GOOD, {}, {401}),
        ("fulfilment", carrier, GOOD + b" ", carrier_headers(SECRET, "evt", now, GOOD), {401}),
        ("fulfilment", carrier, b"\xff\xfe{", carrier_headers(SECRET, "evt", now, b"\xff\xfe{"), {400, 422}),
        ("fulfilment", carrier, b"[" * 100_000, carrier_headers(SECRET, "evt", now, b"[" * 100_000), {400, 422}),
        ("fulfilment", carrier, LARGE, carrier_headers(SECRET, "evt", now, LARGE), {413}),
    ]
    for service, path, body, headers, expected in tries:
        answer: httpx.Response = await town.http[service].post(path, content=body, headers=headers)
        assert answer.status_code in expected, (service, body[:20], headers, answer.text[:300])
    await town.settle()
    assert await town.account(order) == before
    assert not await town.books["billing"].fetchval("select count(*) from hints where event_id = 'evt-1'")
