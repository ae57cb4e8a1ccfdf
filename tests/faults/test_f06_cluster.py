"""F6: nodes of a broker's cluster of three are killed while orders come in; the queues are quorum queues.

Run by `make chaos`: three nodes and the suite fill a small machine.
"""

import asyncio
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from comptoir.chaos.monkey import until_an_order_walks_through
from comptoir.rabbit import OwnRabbit
from shared.messaging.topology import Names, queues
from tests.eventually import eventually, settled
from tests.faults.load import all_is_well, all_live, goes_on, under_load, waiting
from tests.faults.own import Own, own_at

pytestmark = [pytest.mark.rabbit, pytest.mark.postgres, pytest.mark.chaos, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
async def cluster() -> AsyncIterator[Own]:
    folder = Path(tempfile.mkdtemp(prefix="comptoir-cluster-"))
    folder.chmod(0o755)  # the servers' own users go there too
    try:
        async with own_at(folder, nodes=3) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def leaders(cluster: Own, *, asked: OwnRabbit) -> dict[str, str]:
    """By work queue of ours: the node that leads it."""
    told = await asyncio.to_thread(asked.ctl, "list_queues", "name", "leader", "--formatter", "json")
    ours = {queue.name for queue in queues(Names(cluster.works.prefix))}
    return {row["name"]: row["leader"] for row in json.loads(told) if row["name"] in ours}


async def leader(cluster: Own) -> OwnRabbit:
    """The node that leads most of our queues."""
    found = Counter((await leaders(cluster, asked=cluster.rabbit)).values()).most_common(1)[0][0]
    return next(node for node in cluster.nodes if node.name == found)


async def back(cluster: Own, *nodes: OwnRabbit) -> None:
    """The nodes run again, and every queue has all its members."""
    await asyncio.gather(*(asyncio.to_thread(node.start) for node in nodes))

    async def whole() -> bool:
        told = await asyncio.to_thread(cluster.rabbit.ctl, "list_queues", "name", "online", "--formatter", "json")
        return all(len(row["online"]) == len(cluster.nodes) for row in json.loads(told))

    await eventually(whole, 60, 0.5)


async def walks_through(cluster: Own, i: int, what: str) -> None:
    """An order that is placed now is completed; how long that took is printed."""
    began = time.monotonic()
    await until_an_order_walks_through(cluster.works, i)
    print(f"F6: {what}: the next order was completed after {time.monotonic() - began:.1f} s")


async def test_f06_every_queue_has_a_member_on_each_node(cluster: Own) -> None:
    told = await asyncio.to_thread(cluster.rabbit.ctl, "list_queues", "name", "members", "--formatter", "json")
    members = {row["name"]: set(row["members"]) for row in json.loads(told)}
    for queue in queues(Names(cluster.works.prefix)):
        for name in (queue.name, queue.dead):
            assert members[name] == {node.name for node in cluster.nodes}


async def test_f06_the_leader_is_killed_and_another_leads(cluster: Own) -> None:
    async with under_load(cluster.works) as load:
        lost = await leader(cluster)
        await asyncio.to_thread(lost.kill)
        await walks_through(cluster, 3_000_001, "the leader killed")
        load.placed.append("the one that walked through")
        await all_live(cluster.works)
        left = next(node for node in cluster.nodes if node is not lost)
        assert lost.name not in (await leaders(cluster, asked=left)).values()
        await back(cluster, lost)
    assert not cluster.works.deaths
    assert not any((await waiting(cluster.works, dead=True)).values())


async def test_f06_a_follower_is_killed_and_nobody_waits(cluster: Own) -> None:
    async with under_load(cluster.works) as load:
        leading = await leader(cluster)
        lost = next(node for node in cluster.nodes if node is not leading and node is not cluster.rabbit)
        await asyncio.to_thread(lost.kill)
        await walks_through(cluster, 3_000_002, "a follower killed")
        load.placed.append("the one that walked through")
        await back(cluster, lost)
    assert not cluster.works.deaths


async def test_f06_without_a_majority_orders_are_taken_and_wait(cluster: Own) -> None:
    works = cluster.works
    books = works.run.connections["order"]
    async with under_load(works) as load:
        lost = cluster.nodes[:2]
        await asyncio.gather(*(asyncio.to_thread(node.kill) for node in lost))
        await goes_on(load)

        async def completed() -> int:
            return int(await books.fetchval("select count(*) from progress where status = 'completed'"))

        before = await settled(completed)  # what was confirmed before is through
        await goes_on(load, 2 * 15)
        assert await completed() == before
        assert await books.fetchval("select count(*) from outbox where sent_at is null") > 0
        await all_live(works)
        await back(cluster, *lost)
        await walks_through(cluster, 3_000_003, "a majority killed and back")
        load.placed.append("the one that walked through")
    assert not works.deaths
    await all_is_well(works, int(await books.fetchval("select count(*) from orders")))
