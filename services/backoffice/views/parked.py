"""Parked messages of all services: by cause, one with how it differs from the contract, a trial run, replay, drop."""

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from services.backoffice.owners import Away, Owners, Said

Item = dict[str, Any]
MOST = 200


async def page(owners: Owners, state: str) -> Item:
    """What waits, or waited, at each owner; those that do not answer are named."""

    async def of(name: str) -> tuple[str, list[Item] | None]:
        try:
            said = await owners.get(name, "/parked", limit=MOST, state=state)
            return name, [{**item, "service": name} for item in said["items"]]
        except (Away, Said, KeyError, TypeError):
            return name, None

    found = dict(await asyncio.gather(*(of(name) for name in owners.over)))
    items = [item for at in found.values() if at for item in at]
    return {
        "state": state,
        "causes": causes(items),
        "n": len(items),
        "away": [name for name, at in found.items() if at is None],
    }


def causes(items: Iterable[Item]) -> list[Item]:
    """Grouped by service, kind of message and cause, the largest first: people repair causes, not messages."""
    groups: dict[tuple[str, str, str], list[Item]] = {}
    for item in items:
        groups.setdefault((item["service"], item["key"], item["cause"]), []).append(item)
    found: list[Item] = [
        {"service": service, "key": key, "cause": cause, "items": sorted(held, key=lambda item: str(item["at"]))}
        for (service, key, cause), held in groups.items()
    ]
    return sorted(found, key=lambda group: -len(list(group["items"])))


async def one(owners: Owners, service: str, id: UUID) -> Item:
    """One message with all that its owner knows of it. Raises Away or Said."""
    return {**await owners.get(service, f"/parked/{id}"), "service": service}


async def trial(owners: Owners, service: str, id: UUID, actor: str, key: str) -> Item:
    """What a replay would come to; nothing is done. Raises Away or Said."""
    said = await owners.post(service, f"/parked/{id}/replay", {"dry_run": True}, actor=actor, key=key)
    return {"reason": "", "effects": None, **said}


async def replay(owners: Owners, service: str, id: UUID, reason: str, actor: str, key: str) -> Item:
    """Decides it again. Raises Away or Said; Said with 409 when it fails again."""
    return dict(await owners.post(service, f"/parked/{id}/replay", {"reason": reason}, actor=actor, key=key))


async def drop(owners: Owners, service: str, id: UUID, reason: str, actor: str, key: str) -> Item:
    """Puts it aside for good, with the reason. Raises Away or Said."""
    return dict(await owners.post(service, f"/parked/{id}/drop", {"reason": reason}, actor=actor, key=key))
