"""Deliveries sent again, some at a time: for the page and for the command alike."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from shared.contracts.backoffice import OfWebhook, Redeliver, Redelivery
from shared.messaging.decision import Reply

Item = dict[str, Any]
Ask = Callable[[OfWebhook, UUID], Awaitable[Reply]]
"""Has a word decided under this id, so that saying it twice does it once."""
Place = tuple[datetime, UUID]
Some = Callable[[Place | None, int], Awaitable[list[Item]]]
"""The next facts behind a place, each with `fact_id`, `kind`, `subject`, `at` and `version`."""
AT_ONCE, MOST_AGAIN = 500, 5000
"""Facts of one unit of work, and of one replay."""


async def again(
    ask: Ask, webhook_id: UUID, facts: Sequence[Item], key: UUID, since: datetime | None, actor: str
) -> Reply:
    """These facts to this webhook, once more under their ids."""
    named = tuple(
        Redelivery(fact_id=of["fact_id"], kind=of["kind"], about=of["subject"], at=of["at"], version=of["version"])
        for of in facts
    )
    word = Redeliver(webhook_id=webhook_id, act_id=key, facts=named, since=since, actor=actor)
    return await ask(word, uuid5(webhook_id, str(key)))


async def all_again(
    ask: Ask, some: Some, webhook_id: UUID, key: UUID, since: datetime | None, actor: str
) -> tuple[int, Reply | None]:
    """All facts that there are, at most MOST_AGAIN: how many were sent again, and what refused the rest, if so."""
    n, after = 0, None
    while n < MOST_AGAIN:
        rows = await some(after, AT_ONCE)
        if not rows:
            break
        reply = await again(ask, webhook_id, rows, uuid5(key, str(n)), since, actor)
        if reply.status >= 400:
            return n, reply
        n, after = n + len(rows), (rows[-1]["at"], rows[-1]["fact_id"])
    return n, None
