"""Accounts of the pages, from the command line: through the same decisions as always."""

import json
from typing import Any

import asyncpg

from comptoir.operating import deciding, dsn
from services.backoffice.login import hashed
from services.backoffice.rights import ROLES
from shared import clock
from shared.contracts.backoffice import Role, SetAccount
from shared.messaging.envelope import envelope
from shared.messaging.unit import Arrival
from shared.serve import NotHere, migrated

__all__ = ["ROLES", "accounts", "hashed", "let_in", "set_account"]


async def set_account(
    url: str, name: str, shown: str, roles: tuple[Role, ...] | tuple[str, ...], password: str, active: bool, by: str
) -> None:
    """`password` is a hash; empty: it stays as it is. Raises NotHere when the account cannot be so."""
    word = SetAccount.model_validate(
        {"name": name, "shown": shown, "roles": roles, "password": password, "active": active, "actor": by}
    )
    await _decided(url, word, by)


async def let_in(url: str, name: str, active: bool, by: str) -> None:
    """Takes access away or gives it back; roles and password stay. Raises NotHere where there is no such account."""
    await _decided(url, SetAccount(name=name, active=active, keeps=("roles",), actor=by), by)


async def _decided(url: str, word: SetAccount, by: str) -> None:
    await migrated("backoffice", dsn(url, "backoffice"))
    async with deciding(url, "backoffice") as unit:
        event = envelope(word, id=clock.new_id(), source=unit.source, now=clock.now(), actor=by)
        arrival = Arrival("request", clock.new_id(), [event], fingerprint="staff")
        for outcome in await unit.work([arrival]):
            for _, reply in outcome.answers:
                if reply.status >= 400:
                    raise NotHere(str(reply.body.get("title", "it was refused")))


async def accounts(url: str) -> list[dict[str, Any]]:
    """All accounts, without their passwords."""
    await migrated("backoffice", dsn(url, "backoffice"))
    connection = await asyncpg.connect(dsn(url, "backoffice"))
    try:
        rows = await connection.fetch("select name, shown, roles, active from accounts order by name")
    finally:
        await connection.close()
    return [{**row, "roles": json.loads(row["roles"])} for row in rows]
