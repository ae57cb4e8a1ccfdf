"""What a process keeps of the aggregates that it committed, and when it reads them again."""

from collections.abc import AsyncIterator, Iterator
from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from shared.messaging.books import REVISION, aggregate
from shared.messaging.decision import Effect, Handler, Rows
from shared.messaging.kept import LARGEST, Shelf
from shared.messaging.store import PostgresStore
from shared.messaging.unit import Unit
from tests.messaging import depot
from tests.messaging.depot import BOOKS, Box, Put, Tag, arrival, unit_on
from tests.messaging.harness import OnPostgres


@pytest.fixture
async def elsewhere(on_postgres: OnPostgres) -> AsyncIterator[Unit]:
    """Another process on the same database."""
    store = PostgresStore(on_postgres.url, BOOKS)
    await store.open()
    yield unit_on(store, on_postgres.clock)
    await store.close()


async def revision(shop: OnPostgres, box: str = "a") -> int:
    ((number,),) = await shop.fetch(f"select {REVISION} from boxes where name = $1", box)
    return int(number)


@pytest.mark.postgres
async def test_what_was_committed_here_is_not_read_again(on_postgres: OnPostgres) -> None:
    shop, shelf = on_postgres, on_postgres.store.shelf
    await shop.put(Put(box="a", add=1, tag="t"))
    await shop.fetch("update tags set times = 90")  # by hand, past the revision: nobody notices
    await shop.put(Put(box="a", add=1, tag="t"))
    seen = await shop.seen()
    assert (seen.boxes["a"].amount, [tag.times for tag in seen.tags]) == (2, [2])
    assert (shelf.hits, shelf.misses) == (1, 0)


@pytest.mark.postgres
async def test_what_another_process_committed_is_read(on_postgres: OnPostgres, elsewhere: Unit) -> None:
    shop, shelf = on_postgres, on_postgres.store.shelf
    await shop.put(Put(box="a", add=1, tag="t"))
    await elsewhere.work([arrival(shop.clock, Put(box="a", add=10, tag="t"))])
    await shop.put(Put(box="a", add=100, tag="t"))
    seen = await shop.seen()
    assert (seen.boxes["a"].amount, [tag.times for tag in seen.tags]) == (111, [3])
    assert (shelf.hits, shelf.misses) == (0, 1)


@pytest.mark.postgres
async def test_a_part_that_changes_alone_raises_the_revision_of_its_root(
    on_postgres: OnPostgres, elsewhere: Unit
) -> None:
    shop = on_postgres
    await shop.put(Put(box="a", tag="t"), Put(box="b", tag="t"))
    assert await revision(shop) == 1
    await elsewhere.work([arrival(shop.clock, Put(box="a", tag="t"), Put(box="a", tag="u"))])
    assert (await revision(shop), await revision(shop, "b")) == (2, 1)
    await shop.put(Put(box="a", tag="t"))
    assert [tag.times for tag in (await shop.seen()).tags] == [3, 1, 1]


@pytest.mark.postgres
async def test_nothing_that_was_not_committed_is_kept(on_postgres: OnPostgres) -> None:
    shop = on_postgres
    await shop.put(Put(box="a", add=1, tag="t"))
    await shop.unit.attempt([arrival(shop.clock, Put(box="a", add=10, tag="t"))], dry=True)
    await shop.put(Put(box="a", add=1, tag="t"))
    seen = await shop.seen()
    assert (seen.boxes["a"].amount, [tag.times for tag in seen.tags]) == (2, [2])


@pytest.mark.postgres
async def test_an_update_writes_the_columns_that_changed_and_no_other(on_postgres: OnPostgres) -> None:
    shop = on_postgres
    await shop.put(Put(box="a", add=1))
    await shop.fetch("update boxes set link = 'set by hand'")
    await shop.put(Put(box="a", add=1))
    assert [tuple(row) for row in await shop.fetch("select amount, link from boxes")] == [(2, "set by hand")]


@pytest.mark.postgres
@pytest.mark.parametrize("known", [True, False])
async def test_a_part_cannot_change_unless_its_root_was_declared_and_is_there(
    on_postgres: OnPostgres, known: bool
) -> None:
    shop = on_postgres

    def tag_alone(m: Put, rows: Rows, ctx: Any) -> Iterator[Effect]:
        yield Tag(m.box, "alone", 1)

    def its_tags(m: Put) -> Any:
        return [(Box, m.box), (Tag, m.box)] if known else [(Tag, m.box)]

    shop.unit.handlers = {Put: Handler(its_tags, tag_alone)}
    await shop.put(Put(box="a"))
    seen = await shop.seen()
    assert not seen.tags
    expected = "which is not there" if known else "which was not declared"
    assert [expected in reason for _, reason, _ in seen.parked] == [True]


def test_a_root_must_be_one_row_that_counts() -> None:
    with pytest.raises(TypeError, match=REVISION):
        aggregate(Tag, depot.tags)


def test_at_most_so_many_updates_of_one_kind_are_told_apart() -> None:
    book = copy(BOOKS[depot.Sheet])
    book.updates = {}  # other tests of this process have taken some of the eight
    names = [column.name for column in book.moving]
    blank = depot.Sheet(*[None] * (1 + len(names)))  # type: ignore[arg-type]
    updates = [book.update([blank], [replace(blank, **{name: object()})]) for name in names]
    texts = {update.sql for update in updates if update}
    assert len(texts) == 9, "eight of their own, and one for all others"


# The shelf


def rows_of(box: str, tags: int) -> dict[Any, Any]:
    return {Tag: {(box, str(i)): Tag(box, str(i), 1) for i in range(tags)}}


def test_a_shelf_gives_only_what_is_of_that_revision() -> None:
    shelf = Shelf(10)
    shelf.put(Box, "a", 3, rows_of("a", 2))
    assert shelf.find(Box, "a", 3) == rows_of("a", 2)
    assert shelf.find(Box, "a", 4) == shelf.find(Box, "b", 3) == shelf.find(Tag, "a", 3) == {}


def test_a_shelf_holds_so_many_rows_and_not_more() -> None:
    shelf = Shelf(1000)
    for round in range(3):
        for i in range(400):
            shelf.put(Box, i, round, rows_of(str(i), 9))
            assert shelf.rows == 10 * len(shelf.kept) == 10 * len(shelf.keys) <= 1000
    assert [shelf.kept[key].place for key in shelf.keys] == list(range(100))
    assert 20 < sum(bool(shelf.find(Box, i, 2)) for i in range(200, 300)) < 80, "some of them, whichever came last"


def test_what_is_too_large_or_has_no_room_is_not_kept() -> None:
    shelf = Shelf(10_000)
    shelf.put(Box, "a", 1, rows_of("a", 5))
    shelf.put(Box, "a", 2, rows_of("a", LARGEST))
    assert (shelf.rows, shelf.find(Box, "a", 2)) == (0, {})
    nothing = Shelf(0)
    nothing.put(Box, "a", 1, rows_of("a", 5))
    assert (nothing.rows, nothing.keys) == (0, [])
