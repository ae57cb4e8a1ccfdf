"""What the simulation found, each as a test of its own."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from comptoir.simulate.machine import run
from shared.messaging.decision import Row, Rows
from shared.messaging.memory import MemoryStore
from shared.messaging.unit import Outcome

NOW = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place(Row):
    KEY: ClassVar[tuple[str, ...]] = ("name",)
    GROUP: ClassVar[str] = "page"
    UPSERT: ClassVar[bool] = True  # as a place in the queue: in the table, though its new page does not show it

    name: str
    page: str


async def stored(store: MemoryStore, *places: Place) -> None:
    async with store.begin() as transaction:
        rows = Rows()
        await transaction.claim([], NOW)
        for place in places:
            rows.declare(Place, place.page)
        await transaction.load(rows, {Place: [place.page for place in places]})
        rows.put(places)
        await transaction.save(Outcome(rows, NOW))


async def found(store: MemoryStore, page: str) -> list[str]:
    async with store.begin(dry=True) as transaction:
        rows = Rows()
        rows.declare(Place, page)
        await transaction.load(rows, {Place: [page]})
    return [place.name for place in rows.group(Place, page)]


def test_seed_167_a_row_whose_group_changes_is_found_under_the_new_one_alone() -> None:
    """An order whose priority rose was lost from the queue: the memory store looked for it on its old page."""
    store = MemoryStore()
    run(stored(store, Place("one", "old"), Place("two", "old")))

    async def moved() -> None:
        async with store.begin() as transaction:
            rows = Rows()
            await transaction.claim([], NOW)
            for page in ("old", "new"):
                rows.declare(Place, page)
            await transaction.load(rows, {Place: ["old", "new"]})
            rows.put([Place("one", "new")])
            await transaction.save(Outcome(rows, NOW))

    run(moved())
    assert run(found(store, "new")) == ["one"]
    assert run(found(store, "old")) == ["two"]
