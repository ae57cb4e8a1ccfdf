"""What only a real database can show: units side by side, connections that die, every type of column."""

import asyncio
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import ARRAY, Column, MetaData, Table, Text
from sqlalchemy.engine import make_url

from shared.messaging.books import mapping
from shared.messaging.decision import Rows
from shared.messaging.desk import Desk
from shared.messaging.store import PostgresStore
from shared.messaging.topology import SERVICES
from shared.messaging.unit import Arrival, Outcome, Unit
from tests.conftest import Databases
from tests.eventually import eventually
from tests.messaging import depot
from tests.messaging.depot import BOOKS, NOW, Box, Part, Put, Sheet, arrival, event, request, unit_on
from tests.messaging.harness import OnPostgres
from tests.proxy import Proxy

pytestmark = pytest.mark.postgres


class Held:
    """Stops units at their save until it is let go, so that two can be in their transactions together."""

    def __init__(self, unit: Unit) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        decide = unit.load

        async def load(*args: Any) -> None:
            await decide(*args)
            self.reached.set()
            await self.go.wait()

        unit.load = load  # type: ignore[assignment, method-assign]


async def waiting_for_locks(shop: OnPostgres) -> int:
    rows = await shop.fetch(
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    )
    return int(rows[0][0])


Make = Callable[[OnPostgres, list[UUID]], Arrival]


def _packet(shop: OnPostgres, ids: list[UUID]) -> Arrival:
    return Arrival("packet", UUID(int=77), [event(shop.clock, Put(box="a", add=1))])


def _call(shop: OnPostgres, ids: list[UUID]) -> Arrival:
    return Arrival("call", ids[0], [event(shop.clock, Put(box="a", add=1))])


def _parked(shop: OnPostgres, ids: list[UUID]) -> Arrival:
    return Arrival("parked", ids[1], [event(shop.clock, Put(box="a", add=1))])


def _timer(shop: OnPostgres, ids: list[UUID]) -> Arrival:
    at = NOW + timedelta(seconds=9)
    return Arrival("timer", UUID(int=78), [event(shop.clock, Put(box="a", add=1))], timer=("wake:a", at))


def _request(shop: OnPostgres, ids: list[UUID]) -> Arrival:
    return request(shop.clock, Put(box="a", add=1), UUID(int=79))


@pytest.mark.parametrize("make", [_packet, _call, _parked, _timer, _request], ids=lambda make: make.__name__[1:])
async def test_of_two_replicas_with_the_same_arrival_the_second_waits_and_sees_nothing_new(
    on_postgres: OnPostgres, make: Make
) -> None:
    shop = on_postgres
    await shop.put(Put(box="a", call=True, wake_s=9))
    await shop.put(Put(box="x", fail="bug"))
    seen = await shop.seen()
    ids = [seen.calls[0], seen.parked_ids[0]]
    other = unit_on(shop.store, shop.clock)
    held = Held(shop.unit)
    first = asyncio.create_task(shop.unit.work([make(shop, ids)]))
    await held.reached.wait()
    second = asyncio.create_task(other.work([make(shop, ids)]))
    await eventually(lambda: waiting_for_locks(shop))
    assert not second.done()
    held.go.set()
    (one,), (two,) = await first, await second
    assert [len(packet.body) > 0 for packet in one.packets] == [True]
    assert two.packets == []
    assert (await shop.seen()).boxes["a"].amount == 1
    if make is _request:
        assert one.answers[0][1].body == two.answers[0][1].body


async def test_f23_no_update_is_lost_between_replicas(on_postgres: OnPostgres) -> None:
    shop = on_postgres
    await shop.put(Put(box="a", add=1))
    replicas = [unit_on(shop.store, shop.clock) for _ in range(3)]
    await asyncio.gather(
        *(unit.work([arrival(shop.clock, Put(box="a", add=1))]) for unit in replicas for _ in range(20))
    )
    seen = await shop.seen()
    assert seen.boxes["a"].amount == 61
    assert not seen.parked


async def test_two_replicas_that_make_the_same_row_at_once_both_count(on_postgres: OnPostgres) -> None:
    """Neither found it, both insert it: the second is refused once, and finds it at its second try."""
    shop = on_postgres
    other = unit_on(shop.store, shop.clock)
    held = Held(shop.unit)
    first = asyncio.create_task(shop.unit.work([arrival(shop.clock, Put(box="new", add=1))]))
    await held.reached.wait()
    held_too = Held(other)
    second = asyncio.create_task(other.work([arrival(shop.clock, Put(box="new", add=2))]))
    await held_too.reached.wait()
    held.go.set()
    held_too.go.set()
    await asyncio.gather(first, second)
    seen = await shop.seen()
    assert seen.boxes["new"].amount == 3
    assert not seen.parked


async def test_f23_a_deadlock_that_somebody_else_makes_ends_a_unit_and_not_for_good(on_postgres: OnPostgres) -> None:
    """Units lock in one order, whoever else locks these rows may not: PostgreSQL ends the unit, it is tried again."""
    shop = on_postgres
    await shop.put(Put(box="a"), Put(box="b"))
    desk = Desk(shop.unit, lambda outcome: None)
    task = asyncio.create_task(desk.run())
    other = await asyncpg.connect(shop.url)
    await other.execute("set deadlock_timeout = '1min'")  # it finds nothing out, so it is not the one that is ended
    async with other.transaction():
        await other.execute("select from boxes where name = 'b' for update")
        desk.put(arrival(shop.clock, Put(box="a", add=1), Put(box="b", add=1)))
        await eventually(lambda: waiting_for_locks(shop))
        await other.execute("select from boxes where name = 'a' for update")
    await eventually(desk.idle)
    assert desk.retries >= 1
    await other.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    seen = await shop.seen()
    assert (seen.boxes["a"].amount, seen.boxes["b"].amount) == (1, 1)
    assert not seen.parked


@pytest.mark.parametrize("when", ["while it decides", "at commit"])
async def test_a_connection_that_dies_has_the_whole_unit_tried_again(
    on_postgres: OnPostgres, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = on_postgres
    await shop.put(Put(box="a", add=1))
    killed: list[int] = []

    async def kill(connection: Any) -> None:
        if not killed:
            killed.append(connection.get_server_pid())
            await shop.fetch("select pg_terminate_backend($1)", killed[0])
            await eventually(
                lambda: shop.fetch("select 1 where not exists (select from pg_stat_activity where pid = $1)", killed[0])
            )

    if when == "at commit":
        commit = asyncpg.transaction.Transaction.commit

        async def commit_after_a_kill(self: Any) -> None:
            await kill(self._connection)
            await commit(self)

        monkeypatch.setattr(asyncpg.transaction.Transaction, "commit", commit_after_a_kill)
    else:
        begin = shop.store.begin

        def begin_and_be_killed(**how: bool) -> Any:
            context = begin(**how)

            class Killed:
                async def __aenter__(self) -> Any:
                    transaction = await context.__aenter__()
                    save = transaction.save

                    async def save_after_a_kill(outcome: Outcome) -> None:
                        await kill(transaction.connection)
                        await save(outcome)

                    transaction.save = save_after_a_kill
                    return transaction

                async def __aexit__(self, *error: Any) -> Any:
                    return await context.__aexit__(*error)

            return Killed()

        monkeypatch.setattr(shop.store, "begin", begin_and_be_killed)
    finished: list[Outcome] = []
    desk = Desk(shop.unit, finished.append)
    task = asyncio.create_task(desk.run())
    reply = await desk.ask(Put(box="a", add=10), id=UUID(int=5))
    task.cancel()
    assert killed
    assert (reply.status, reply.body["amount"]) == (201, 11)
    assert len(finished) == 1
    seen = await shop.seen()
    assert seen.boxes["a"].amount == 11
    assert not seen.parked


async def test_a_commit_whose_answer_was_lost_is_not_done_twice(
    on_postgres: OnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = on_postgres
    commit = asyncpg.transaction.Transaction.commit
    lost = [True]

    async def commit_and_lose_the_answer(self: Any) -> None:
        await commit(self)
        if lost.pop() if lost else False:
            raise ConnectionResetError("the answer never came")

    monkeypatch.setattr(asyncpg.transaction.Transaction, "commit", commit_and_lose_the_answer)
    desk = Desk(shop.unit, lambda outcome: None)
    task = asyncio.create_task(desk.run())
    reply = await desk.ask(Put(box="a", add=1), id=UUID(int=5))
    task.cancel()
    assert not lost
    assert reply.body == {"box": "a", "amount": 1}
    assert (await shop.seen()).boxes["a"].amount == 1


STATES = {
    "22003": True, "22021": True, "23505": True, "23514": True, "21000": True, "54000": True, "P0001": True,
    "40001": False, "40P01": False, "55P03": False, "57014": False, "57P01": False, "53300": False, "08006": False,
    "25P02": False, "58030": False, "42P01": False, "42501": False, "XX000": False,
}  # fmt: skip


@pytest.mark.parametrize(("state", "guilty"), STATES.items())
def test_who_is_guilty_is_told_by_the_class_of_the_state(state: str, guilty: bool) -> None:
    store = PostgresStore("postgresql://", BOOKS)
    error = asyncpg.PostgresError.new({"C": state, "M": "?"})
    assert store.is_guilty(error) is guilty


@pytest.mark.parametrize(
    ("error", "guilty"),
    [
        (ConnectionRefusedError(), False),
        (TimeoutError(), False),
        (asyncpg.InterfaceError("connection is closed"), False),
        (asyncpg.InternalClientError("got result for unknown protocol state"), False),
        (asyncpg.DataError("invalid input for query argument"), True),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), True),
        (LookupError("not in the books"), True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_of_the_network_are_nobodys_fault(error: Exception, guilty: bool) -> None:
    assert PostgresStore("postgresql://", BOOKS).is_guilty(error) is guilty


HALF_SAID = """select 1 from pg_stat_activity where datname = current_database() and state = 'active'
    and wait_event = 'ClientRead' and query = 'select name from boxes'"""


async def test_one_connection_that_is_silent_takes_all_as_old_with_it(
    on_postgres: OnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are in use, too: what waits there is tried again on a new one."""
    url = make_url(on_postgres.url)
    async with Proxy(url.host or "127.0.0.1", url.port or 5432) as network:
        monkeypatch.setattr("shared.messaging.store.ANSWER_WITHIN_S", 0.5)
        store = PostgresStore(url.set(port=network.address).render_as_string(hide_password=False), BOOKS)
        await store.open()
        monkeypatch.undo()
        async with store.connection(), store.connection(), store.connection():
            assert network.accepted == 3
        async with store.connection() as used, store.connection() as idle:
            await used.execute("begin")
            await used.execute("lock table boxes")
            network.black_hole(ways=("back",))
            preparing = asyncio.create_task(used.fetch("select name from boxes"))  # the server waits for its parameters
            await eventually(lambda: on_postgres.fetch(HALF_SAID))
            network.black_hole()
            network.healthy()  # for those who come from now on
            with pytest.raises(TimeoutError):
                await store.parked_count()
            with pytest.raises((TimeoutError, asyncpg.PostgresConnectionError)):
                await preparing
            with pytest.raises(asyncpg.InterfaceError):
                await idle.fetch("select 1")
        assert await asyncio.gather(*(store.parked_count() for _ in range(3))) == [0, 0, 0]
        await eventually(lambda: on_postgres.fetch(f"select 1 where not exists ({HALF_SAID})"))  # it had locks
        await store.close()


async def test_a_table_that_is_not_there_yet_makes_messages_wait_and_parks_none(on_postgres: OnPostgres) -> None:
    """A service that starts before its migration has run."""
    shop = on_postgres
    await shop.fetch("alter table boxes rename to boxes_not_yet")
    desk = Desk(shop.unit, lambda outcome: None)
    task = asyncio.create_task(desk.run())
    asking = asyncio.create_task(desk.ask(Put(box="a", add=1), id=UUID(int=5)))
    await eventually(lambda: desk.retries > 1)
    assert not desk.idle(), "it is still at work on it"
    await shop.fetch("alter table boxes_not_yet rename to boxes")
    assert (await asking).status == 201
    task.cancel()
    assert not (await shop.seen()).parked


async def test_a_connection_that_went_back_in_the_middle_of_a_transaction_is_not_used_again(
    on_postgres: OnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off while it rolled back: the next user's commit would otherwise be that of a savepoint."""
    shop = on_postgres
    entered = asyncio.Event()

    async def never(self: Any) -> None:
        entered.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.transaction.Transaction, "rollback", never)
        task = asyncio.create_task(shop.unit.attempt([arrival(shop.clock, Put(box="a", add=1))], dry=True))
        await entered.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await shop.put(Put(box="b", add=1))
    connection = await asyncpg.connect(shop.url)
    try:
        assert [r[0] for r in await connection.fetch("select name from boxes")] == ["b"]
    finally:
        await connection.close()


# Columns

POSTGRES_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
MONEY = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9)
WHEN = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants it
PARTS = st.builds(Part, name=POSTGRES_TEXT, price=MONEY, since=st.dates())
SHEETS = st.builds(
    Sheet,
    id=st.uuids(),
    text=POSTGRES_TEXT,
    short=POSTGRES_TEXT,
    number=st.integers(-(2**31), 2**31 - 1),
    big=st.integers(-(2**63), 2**63 - 1),
    small=st.integers(-(2**15), 2**15 - 1),
    yes=st.booleans(),
    amount=MONEY,
    at=WHEN,
    day=st.dates(),
    part=PARTS,
    parts=st.lists(PARTS, max_size=3).map(tuple),
    pairs=st.lists(st.tuples(POSTGRES_TEXT, st.integers(-(2**53), 2**53)), max_size=3).map(tuple),
    amounts=st.lists(MONEY, max_size=3).map(tuple),
    by_name=st.dictionaries(POSTGRES_TEXT, PARTS, max_size=3),
    by_number=st.dictionaries(st.integers(0, 1000), MONEY, max_size=3),
    days=st.lists(st.dates(), max_size=3).map(tuple),
    ids=st.lists(st.uuids(), max_size=3).map(tuple),
    other=st.none() | PARTS,
    maybe=st.none() | WHEN,
    word=st.none() | POSTGRES_TEXT,
    whole=st.none() | st.integers(-(2**63), 2**63 - 1),
    sum=st.none() | st.decimals(allow_nan=False, allow_infinity=False),
    ref=st.none() | st.uuids(),
)


@pytest.fixture(scope="module")
async def sheets(databases: Databases) -> Any:
    store = PostgresStore(await databases.fresh(depot.metadata), BOOKS)
    await store.open()
    yield store
    await store.close()


async def loaded(store: PostgresStore, ids: list[UUID]) -> dict[UUID, Sheet]:
    rows = Rows()
    async with store.begin(dry=True) as transaction:
        for id in ids:
            rows.declare(Sheet, id)
        await transaction.load(rows, {Sheet: list(ids)})
    return {id: sheet for id in ids if (sheet := rows.find(Sheet, id))}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    made=st.lists(SHEETS, min_size=1, max_size=4, unique_by=lambda s: s.id),
    others=st.lists(SHEETS, min_size=4, max_size=4),
)
async def test_every_type_of_column_comes_back_equal_inserted_and_updated(
    sheets: PostgresStore, made: list[Sheet], others: list[Sheet]
) -> None:
    ids = [sheet.id for sheet in made]
    for version in (made, [replace(other, id=id) for other, id in zip(others, ids, strict=False)]):
        rows = Rows()
        async with sheets.begin() as transaction:
            for id in ids:
                rows.declare(Sheet, id)
            await transaction.load(rows, {Sheet: list(ids)})
            rows.put(version)
            await transaction.save(Outcome(rows, NOW))
        assert await loaded(sheets, ids) == {sheet.id: sheet for sheet in version}


def test_a_text_that_is_too_long_is_refused_by_its_column_and_not_cut_by_a_cast() -> None:
    short = next(column for column in BOOKS[Sheet].columns if column.name == "short")
    assert short.parameter_type == "varchar"


def test_an_array_column_is_refused_when_the_books_are_made() -> None:
    table = Table("boxes", MetaData(), *(Column(field.name, ARRAY(Text)) for field in fields(Box)))
    with pytest.raises(TypeError, match="JSONB"):
        mapping((Box, table, True))


def test_the_kinds_of_row_in_these_tests_cover_what_a_service_may_use() -> None:
    types = {type(column.type) for column in depot.sheets.columns}
    for service in SERVICES:
        for book in import_module(f"services.{service}.store").BOOKS.values():
            assert {type(column.type) for column in book.table.columns} <= types, book.table.name
