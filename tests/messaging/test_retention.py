"""What is cleared away of the mechanism's own tables, and what is still known afterwards."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from shared.messaging.retention import AT_ONCE, DELETE, Tidier, first_id
from shared.messaging.unit import Arrival
from shared.settings import IN_QUEUE_DAYS, ServiceSettings
from tests.messaging.depot import Put, arrival
from tests.messaging.harness import OnPostgres

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
KEPT = {"outbox": timedelta(days=90), "inbox": timedelta(days=120), "requests": timedelta(days=30)}


def numbered(days_ago: float, n: int = 0) -> UUID:
    """A UUIDv7 of that moment."""
    moment = first_id(NOW - timedelta(days=days_ago)).int
    return UUID(int=moment | 7 << 76 | 2 << 62 | n)


def tidier(shop: OnPostgres, later: timedelta = timedelta(0), kept: Mapping[str, timedelta] = KEPT) -> Tidier:
    return Tidier(shop.store, kept, lambda: NOW + later)


async def sent(shop: OnPostgres, id: UUID, *, at: datetime | None = NOW) -> UUID:
    await shop.fetch(
        "insert into outbox (id, key, count, body, created_at, sent_at) values ($1, 'a.b.v1', 1, '[]', $2, $3)",
        id, NOW, at,
    )  # fmt: skip
    return id


async def handled(shop: OnPostgres, id: UUID, days_ago: float) -> UUID:
    await shop.fetch("insert into inbox (id, received_at) values ($1, $2)", id, NOW - timedelta(days=days_ago))
    return id


async def asked(shop: OnPostgres, days_ago: float) -> UUID:
    id = uuid4()
    await shop.fetch(
        "insert into requests (id, fingerprint, at, status, reply) values ($1, 'f', $2, 200, '{}')",
        id, NOW - timedelta(days=days_ago),
    )  # fmt: skip
    return id


async def ids(shop: OnPostgres, table: str) -> set[UUID]:
    return {record[0] for record in await shop.fetch(f"select id from {table}")}


async def test_what_was_sent_long_ago_goes_and_what_still_waits_does_not(on_postgres: OnPostgres) -> None:
    await sent(on_postgres, numbered(91))
    kept = {
        await sent(on_postgres, numbered(92), at=None),
        await sent(on_postgres, numbered(89)),
    }
    assert await tidier(on_postgres).tidy() == Counter(outbox=1)
    assert await ids(on_postgres, "outbox") == kept


async def test_a_key_goes_once_its_packet_is_old_and_was_handled_long_ago(on_postgres: OnPostgres) -> None:
    await handled(on_postgres, numbered(121), 121)
    kept = {
        await handled(on_postgres, numbered(200), 1),  # it lay in a queue for long, and may be delivered again
        await handled(on_postgres, numbered(119), 119),
        await handled(on_postgres, UUID("00000000-0000-5000-8000-000000000001"), 400),  # named by what it holds
    }
    assert await tidier(on_postgres).tidy() == Counter(inbox=1)
    assert await ids(on_postgres, "inbox") == kept


async def test_answers_go_by_their_own_time(on_postgres: OnPostgres) -> None:
    await asked(on_postgres, 30.1)
    kept = await asked(on_postgres, 29.9)
    there = tidier(on_postgres)
    assert await there.tidy() == Counter(requests=1)
    assert await ids(on_postgres, "requests") == {kept}
    assert there.cleared == Counter(requests=1)


async def test_it_is_written_down_from_when_on_all_is_there_and_never_taken_back(on_postgres: OnPostgres) -> None:
    await tidier(on_postgres).tidy()
    await tidier(on_postgres, -timedelta(days=5)).tidy()
    found = dict(tuple(record) for record in await on_postgres.fetch("select name, before from cleared"))
    assert found == {name: NOW - how_long for name, how_long in KEPT.items()}


async def test_much_goes_in_many_small_statements_and_copies_share_it(on_postgres: OnPostgres) -> None:
    n = 3 * AT_ONCE + 7
    rows = [numbered(100, i) for i in range(n)]
    await on_postgres.fetch(
        "insert into outbox (id, key, count, body, created_at, sent_at) "
        "select id, 'a.b.v1', 1, '[]', $2, $2 from unnest($1::uuid[]) as v(id)", rows, NOW,
    )  # fmt: skip
    await on_postgres.fetch(
        "insert into requests (id, fingerprint, at) "
        "select gen_random_uuid(), 'f', $2::timestamptz + i * interval '1 s' from generate_series(1, $1::int) i",
        n, NOW - timedelta(days=40),
    )  # fmt: skip
    copies = [tidier(on_postgres) for _ in range(3)]
    went = await asyncio.gather(*(copy.tidy() for copy in copies))
    assert sum(went, Counter()) == Counter(outbox=n, requests=n)
    assert await ids(on_postgres, "outbox") == await ids(on_postgres, "requests") == set()


async def test_rows_that_somebody_holds_are_left_for_the_next_round(on_postgres: OnPostgres) -> None:
    held = await sent(on_postgres, numbered(100))
    await sent(on_postgres, numbered(100, 1))
    async with on_postgres.store.connection() as other, other.transaction():
        await other.execute("select 1 from outbox where id = $1 for update", held)
        assert await tidier(on_postgres).tidy() == Counter(outbox=1)
        assert await ids(on_postgres, "outbox") == {held}
    assert await tidier(on_postgres).tidy() == Counter(outbox=1)


@pytest.mark.parametrize("name", DELETE)
async def test_it_goes_by_an_index_however_much_is_kept(on_postgres: OnPostgres, name: str) -> None:
    begins: Any = first_id(NOW) if name != "requests" else NOW
    values = [begins, begins, AT_ONCE, *([NOW] if name == "inbox" else [])]
    async with on_postgres.store.connection() as connection:
        plan = "\n".join(r[0] for r in await connection.fetch(f"explain {DELETE[name]}", *values))
    assert "Seq Scan" not in plan, plan
    assert plan.count("Index Scan") == 2, plan
    assert "Index Cond" in plan


def again(first: Arrival) -> Arrival:
    """The same packet, delivered another time."""
    return Arrival("packet", first.id, list(first.envelopes))


async def content(shop: OnPostgres) -> int:
    return (await shop.seen()).boxes["a"].amount


async def test_a_packet_that_comes_again_within_its_time_does_nothing_and_after_it_is_decided_again(
    on_postgres: OnPostgres,
) -> None:
    """`Put` adds: nothing but the inbox keeps it from being done twice. What the suite says bears it (tests/cli)."""
    first = arrival(on_postgres.clock, Put(box="a", add=3))
    first.id = numbered(0)
    await on_postgres.unit.work([first])
    received = (await on_postgres.fetch("select received_at from inbox"))[0][0]
    for days, expected in ((KEPT["inbox"] - timedelta(days=1), 3), (KEPT["inbox"] + timedelta(days=1), 6)):
        moment = max(received, NOW) + days
        await Tidier(on_postgres.store, KEPT, lambda moment=moment: moment).tidy()  # type: ignore[misc]
        await on_postgres.unit.work([again(first)])
        assert await content(on_postgres) == expected


async def test_a_request_that_comes_again_within_its_time_gets_its_answer_and_after_it_is_decided_again(
    on_postgres: OnPostgres,
) -> None:
    id = uuid4()
    await on_postgres.ask(Put(box="a", add=3), id)
    at = (await on_postgres.fetch("select at from requests"))[0][0]
    for days, expected in ((KEPT["requests"] - timedelta(days=1), 3), (KEPT["requests"] + timedelta(days=1), 6)):
        await Tidier(on_postgres.store, KEPT, lambda days=days: at + days).tidy()  # type: ignore[misc]
        await on_postgres.ask(Put(box="a", add=3), id)
        assert await content(on_postgres) == expected


def test_keys_that_would_not_outlive_packets_stop_the_start() -> None:
    with pytest.raises(ValidationError, match=r"COMPTOIR_INBOX_DAYS is 100 and COMPTOIR_OUTBOX_DAYS 90.*at least 104"):
        ServiceSettings(outbox_days=90, inbox_days=100)
    assert ServiceSettings(outbox_days=90, inbox_days=90 + IN_QUEUE_DAYS).kept()["inbox"] == timedelta(days=104)
    ServiceSettings().kept()  # the defaults may be left as they are


def test_the_first_id_of_a_moment_stands_between_those_before_and_after() -> None:
    before, after = numbered(1), numbered(1 - 1 / 86_400_000)
    assert before < first_id(NOW - timedelta(days=1) + timedelta(milliseconds=1)) <= after
