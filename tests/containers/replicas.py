"""Orders per second through the door with one copy of each service and with two: `python -m tests.containers.replicas`.

Both on fresh projects, one after the other, on the same machine. Nothing may be doubled: each order once, billed once.
"""

import asyncio
import json
import sys
import time
from uuid import uuid4

from comptoir.postgres import free_port
from shared.messaging.topology import SERVICES
from tests.containers import engine
from tests.containers.door import Door
from tests.containers.engine import VERIFY, Project, undertaker

ORDERS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
AT_ONCE = 32


async def measured(project: Project) -> dict[str, float]:
    door = Door(project.url, project.key())
    await door.opens({"mug": 10 * ORDERS})
    numbers = iter(range(ORDERS))
    placed: list[str] = []

    async def customer() -> None:
        for i in numbers:
            placed.append(await door.place(i))

    began = time.monotonic()
    await asyncio.gather(*(customer() for _ in range(AT_ONCE)))
    taken = time.monotonic() - began
    await door.completed(placed, 600)
    completed = time.monotonic() - began
    assert set(await door.statuses()) == set(placed), "an order was doubled or lost"
    said = project.tools(*VERIFY)
    assert "not at rest" not in said, said
    await door.http.aclose()
    return {"taken_per_s": round(ORDERS / taken, 1), "completed_per_s": round(ORDERS / completed, 1)}


def main() -> None:
    if not engine.there():
        sys.exit("no container engine with the image postgres:18 here")
    for copies in (1, 2):
        project = Project(f"{engine.PREFIX}{uuid4().hex[:8]}", free_port())
        watch = undertaker(project.name)
        assert watch.stdin
        try:
            project.compose("build", within_s=600)
            scale = [part for name in SERVICES for part in ("--scale", f"{name}={copies}")]
            project.compose("up", "--wait", *scale)
            print(json.dumps({"copies": copies, "orders": ORDERS, **asyncio.run(measured(project))}), flush=True)
        finally:
            watch.stdin.close()
            watch.wait(120)


if __name__ == "__main__":
    main()
