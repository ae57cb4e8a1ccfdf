"""A service as a process of its own: it says whether it demands keys, and takes what `comptoir key` does meanwhile."""

import json
from pathlib import Path

import httpx
import pytest

from comptoir.keys import KeyFiles, make, revoke, rotate
from comptoir.postgres import free_port
from comptoir.suite import migrate
from shared import clock
from tests.cli.test_commands import command, ended
from tests.conftest import Databases
from tests.eventually import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.rabbit]


@pytest.mark.parametrize("by_key", [True, False])
async def test_a_process_says_who_gets_in_and_reads_its_keys_again(
    databases: Databases, rabbit_url: str, rabbit_prefix: str, tmp_path: Path, by_key: bool
) -> None:
    url, port = await databases.fresh(), free_port()
    await migrate(url, ("inventory",))
    files = KeyFiles(tmp_path / "api_keys")
    first = make(files, "shop", ["stock:read"], clock.now())
    service = command(
        "serve",
        "inventory",
        COMPTOIR_DATABASE_URL=url,
        COMPTOIR_RABBITMQ_URL=rabbit_url,
        COMPTOIR_RABBITMQ_PREFIX=rabbit_prefix,
        COMPTOIR_PORT=str(port),
        **({"COMPTOIR_API_KEYS_FILE": str(files.place)} if by_key else {}),
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as http:

        async def status(key: str = "") -> int:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            try:
                return (await http.get("/stock", headers=headers)).status_code
            except httpx.TransportError:
                return 0

        async def ready() -> bool:
            return await status() == (401 if by_key else 200)

        await eventually(ready, within_s=60)
        if by_key:
            assert await status(first) == 200
            second = rotate(files, "shop", clock.now())

            async def taken() -> bool:
                return await status(second) == 200

            await eventually(taken, within_s=20)
            assert await status(first) == 200, "both work until one is revoked"
            revoke(files, "shop", next(key.id for key in files.read()))

            async def refused() -> bool:
                return await status(first) == 401

            await eventually(refused, within_s=20)
            assert await status(second) == 200
        service.terminate()
    code, said = ended(service)
    assert code == 0
    lines = [json.loads(line) for line in said.splitlines()]
    events = [line["event"] for line in lines]
    assert events.count("API keys are demanded") == int(by_key)
    assert events.count("no API keys: whoever reaches this service is believed") == int(not by_key)
    assert first not in said
