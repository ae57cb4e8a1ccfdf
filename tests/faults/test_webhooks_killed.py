"""kill -9 of the back office as it sends webhooks (RELIABILITY F1): the other side hears of everything, in order.

The suite runs as processes on RabbitMQ and PostgreSQL, the receiver is an HTTP server of this test. What it must have
got is read from what the owners sent on the bus, not from the tables of webhooks.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from comptoir.chaos.works import Works, told, works_at
from comptoir.rest import plain
from services.backoffice.public import KINDS, PUBLIC, fact_id
from shared import clock
from shared.contracts.inventory import AvailabilityChanged
from shared.messaging.envelope import read
from shared.parked import connected
from shared.settings import database_of
from tests.backoffice.receiver import Got, Receiver, receiver_at
from tests.backoffice.shop import field
from tests.conftest import Databases
from tests.eventually import eventually, settled
from tests.journeys.town import NAMES

pytestmark = [pytest.mark.rabbit, pytest.mark.slow]

TIMEOUT_S = 5.0
LEASE = timedelta(seconds=2 * TIMEOUT_S + 30)
"""As the courier has it: so long nobody else sends what the dead process had claimed."""
NEWEST_ONLY = "stock.available.v1"
CLAIMED, SENT = "webhook_claimed", "webhook_sent_before_answer"


@dataclass
class Office:
    """The suite with a back office that may die, and the database of that."""

    works: Works
    own: "asyncpg.Connection[asyncpg.Record]"
    orders: int = 0

    async def subscribe(self, receiver: Receiver) -> UUID:
        """Over the page, as a person does."""
        await self.works.ready("backoffice")
        async with httpx.AsyncClient(base_url=self.works.processes.urls("backoffice")[0]) as http:
            page = (await http.get("/webhooks")).text
            hook = uuid4()
            form = {"csrf": field(page, "csrf"), "key": str(hook), "name": "R", "url": receiver.here}
            added = await http.post("/webhooks", data={**form, "kind": list(KINDS)})
            assert added.status_code == 200, added.text[:500]
        return hook

    async def story(self, orders: int = 6) -> None:
        """Orders at the same time: the last waits and is cancelled, the first comes back in part."""
        first, works = self.orders, self.works
        self.orders += orders
        holds = [""] * (orders - 1) + ["fraud check"]
        ids = await asyncio.gather(*(works.place(first + i, hold=hold) for i, hold in enumerate(holds)))
        await works.ask("order", "POST", f"/orders/{ids[-1]}/cancel", {"reason": "changed my mind"})

        async def completed() -> bool:
            return (await works.shows(ids[0]))["status"] == "completed"

        await eventually(completed, 60)
        shipment = (await works.shows(ids[0]))["shipments"][0]["shipment_id"]
        wish = {"shipment_id": shipment, "lines": [{"line_no": 1, "quantity": 1}], "reason": "too blue"}
        await works.ask("order", "POST", f"/orders/{ids[0]}/returns", wish)
        await works.rests()

    async def died(self, before: int) -> datetime:
        await eventually(lambda: len(self.works.deaths) > before, 60)
        assert set(self.works.deaths) == {"backoffice"}
        return clock.now()

    async def held(self, died_at: datetime) -> int:
        """Deliveries that the dead process had claimed, and that nobody may send before its lease is over."""
        found = await self.own.fetchval(
            "select count(*) from webhook_deliveries where state = 'waiting' and claimed_until <= $1", died_at + LEASE
        )
        return int(found)

    async def lease_ends(self, died_at: datetime) -> None:
        """Once all is told that waits for none of these. What the successor has claimed is left alone."""

        async def told() -> int:
            return int(
                await self.own.fetchval(
                    "select count(*) from webhook_deliveries where state in ('delivered', 'overtaken')"
                )
            )

        await settled(told, 1.5)
        await self.own.execute(
            "update webhook_deliveries set claimed_until = now() where state = 'waiting' and claimed_until <= $1",
            died_at + LEASE,
        )

    async def all_told(self, hook: UUID, within_s: float) -> None:
        """The rows come to rest: nothing waits, nothing is claimed."""

        async def rest() -> bool:
            rows = await self.own.fetch(
                "select state, claimed_until is not null as claimed, count(*) as n from webhook_deliveries "
                "where webhook_id = $1 group by 1, 2",
                hook,
            )
            assert {row["state"] for row in rows} <= {"delivered", "overtaken"}, rows
            assert not any(row["claimed"] for row in rows), rows
            return bool(rows)

        await eventually(rest, within_s)

    async def owed(self, hook: UUID) -> dict[str, str]:
        """Kinds of what must be told, by id: all that the owners sent since then, of stock the newest of each SKU."""
        since = await self.own.fetchval("select added_at from webhooks where webhook_id = $1", hook)
        keys = [kind.key for kind in PUBLIC]
        found: dict[str, str] = {}
        newest: dict[str, AvailabilityChanged] = {}
        for name in NAMES:
            sent = await self.works.run.connections[name].fetch(
                "select key, body from outbox where key = any($1::text[])", keys
            )
            for event in (event for record in sent for event in read(record["key"], record["body"])):
                m = event.data
                if event.time < since:
                    continue
                if isinstance(m, AvailabilityChanged):
                    newest[m.sku] = max(newest.get(m.sku, m), m, key=lambda of: of.version)
                else:
                    found[str(fact_id(PUBLIC[type(m)], m))] = PUBLIC[type(m)].name
        return found | {str(fact_id(PUBLIC[type(m)], m)): NEWEST_ONLY for m in newest.values()}


@pytest.fixture(scope="module")
async def office(
    databases: Databases, rabbit_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    run = uuid4().hex[:8]
    url = databases.url(f"hooked_{run}_SERVICE").replace("SERVICE", "{service}")
    databases.made += [f"hooked_{run}_{name}" for name in (*NAMES, "backoffice")]
    settings = {"webhook_keys": "k" * 32, "webhook_inside": True, "webhook_timeout_s": TIMEOUT_S}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COMPTOIR_RABBITMQ_URL", rabbit_url)
        async with (
            works_at(url, tmp_path_factory.mktemp("hooked"), office=True, **settings) as works,
            connected(plain(database_of(url, "backoffice"))) as own,
        ):
            await works.opens()
            yield Office(works, own)


@pytest.fixture
async def receiver(office: Office) -> AsyncIterator[Receiver]:
    async with receiver_at() as receiver:
        yield receiver
    await office.own.execute("update webhooks set state = 'removed'")


def in_order(got: list[Got]) -> None:
    """Of one order nothing comes before its elder, repeats included."""
    by_subject: defaultdict[str, list[str]] = defaultdict(list)
    for each in got:
        if each.kind != NEWEST_ONLY:
            by_subject[each.event["subject"]].append(each.event["time"])
    assert len(by_subject) > 3
    for subject, times in by_subject.items():
        assert times == sorted(times), subject


def repeated(got: list[Got]) -> set[str]:
    """Ids that came more than once; each time the same bytes."""
    bodies: defaultdict[str, list[bytes]] = defaultdict(list)
    for each in got:
        assert each.id == each.event["id"]
        bodies[each.id].append(each.body)
    assert [id for id, of in bodies.items() if len(set(of)) > 1] == []
    return {id for id, of in bodies.items() if len(of) > 1}


async def killed(office: Office, receiver: Receiver, *plans: str, waits: bool) -> set[str]:
    """The story, with the back office killed by each plan in turn; the ids that came again.

    `waits`: until the leases are over by themselves.
    """
    works = office.works
    hook, before = await office.subscribe(receiver), len(works.deaths)
    with told(works):
        works.arm("backoffice", plans[0])
        if len(plans) > 1:
            works.then["backoffice"] = plans[1]
        async with asyncio.TaskGroup() as both:
            both.create_task(office.story())
            for n, _ in enumerate(plans):
                died_at = await office.died(before + n)
                assert await office.held(died_at) > 0
        if not waits:
            await office.lease_ends(died_at)
        await office.all_told(hook, 30 + 2 * LEASE.total_seconds())
        assert len(works.deaths) == before + len(plans)
        owed = await office.owed(hook)
        got = {each.id for each in receiver.got}
        assert {kind for id, kind in owed.items() if id not in got} == set()
        assert {each.kind for each in receiver.got if each.id not in owed} <= {NEWEST_ONLY}
        assert len(set(owed.values())) > 8, "a story with few kinds of events shows little"
        in_order(receiver.got)
        return repeated(receiver.got)


@pytest.mark.timeout(180)
async def test_f01_who_dies_with_webhooks_claimed_has_them_sent_by_its_successor(
    office: Office, receiver: Receiver
) -> None:
    await killed(office, receiver, f"{CLAIMED}=kill@3", waits=False)


@pytest.mark.timeout(180)
async def test_f01_who_dies_between_sending_a_webhook_and_noting_it_sends_the_same_again(
    office: Office, receiver: Receiver
) -> None:
    assert await killed(office, receiver, f"{SENT}=kill@3", waits=False)


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("k", [1, 2, 9])
async def test_f01_webhooks_of_a_back_office_that_dies_twice_wait_for_their_leases_and_go_out(
    office: Office, receiver: Receiver, k: int
) -> None:
    assert await killed(office, receiver, f"{SENT}=kill@{k}", f"{CLAIMED}=kill@{k}", waits=True)
