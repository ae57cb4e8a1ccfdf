"""Packets: what was sent and what was handled, whether anything moves, and what was given up."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import aio_pika

from comptoir.invariants import messages
from comptoir.rest import all_there, motion
from comptoir.verify.audit import Audit, Connections, Finding
from shared import clock
from shared.messaging.topology import Names, queues, readers_of

PATIENCE = 4
"""So often, a second apart, it is looked whether a packet that was confirmed and not handled is still on its way."""


@dataclass(frozen=True, slots=True)
class Packets:
    """All packets of the suite, matched by id."""

    sent: list[messages.Sent]
    handled: list[messages.Handled]

    @property
    def open(self) -> frozenset[UUID]:
        """What has no counterpart: on its way for a moment, lost or a ghost if it stays so."""
        missing = frozenset(packet.id for packet in self.sent if packet.unhandled)
        return missing | {packet.id for packet in self.handled if packet.ghost}


async def reconcile(connections: Connections) -> Packets:
    """Matches all outboxes with all inboxes. Exact, where sums could hide a loss behind an import.

    A packet is judged as far as what it is compared with is kept: its key at each reader, its row at its sender.
    """
    now = clock.now()
    sent_since = await all_there(connections, "outbox")
    handled_since = await all_there(connections, "inbox")
    outboxes = {
        name: await connection.fetch("select id, key, sent_at is not null as sent, created_at from outbox")
        for name, connection in connections.items()
    }
    inboxes = {
        name: {record["id"] for record in await connection.fetch("select id from inbox")}
        for name, connection in connections.items()
    }
    known: set[UUID] = set()
    sent: list[messages.Sent] = []
    for name, records in outboxes.items():
        for id, key, confirmed, created_at in records:
            known.add(id)
            if confirmed and id < handled_since:
                continue
            if confirmed:
                readers = [inboxes[reader] for reader in readers_of(key) if reader in inboxes]
                if all(id in inbox for inbox in readers):
                    missing: tuple[str, ...] = ()
                else:
                    missing = tuple(r for r in readers_of(key) if r in inboxes and id not in inboxes[r])
                sent.append(messages.Sent(id, key, name, 0.0, missing))
            else:
                sent.append(messages.Sent(id, key, name, (now - created_at).total_seconds(), ()))
    handled = [
        messages.Handled(id, name, id in known or id < sent_since) for name, inbox in inboxes.items() for id in inbox
    ]
    return Packets(sent, handled)


async def settled(connections: Connections) -> frozenset[UUID] | None:
    """None while something moves. At rest: the packets that stay without a counterpart, so none if all is well.

    A packet that was confirmed and not handled is on its way for a moment. If it is the same one second after second
    and nothing else moves, it is lost, and that is for the invariants to say.
    """
    before: frozenset[UUID] | None = None
    for _ in range(PATIENCE):
        moving = await motion(connections)
        if moving.unsent or moving.calls or moving.due:
            return None
        now = (await reconcile(connections)).open
        if not now or now == before:
            return now
        before = now
        await asyncio.sleep(1.0)
    return None


def check_messages(audit: Audit, packets: Packets) -> None:
    audit.each(messages.every_reader_handled_it, packets.sent)
    audit.each(messages.sent_in_time, packets.sent)
    audit.each(messages.no_ghosts, packets.handled)


async def check_desks(audit: Audit, connections: Connections, poison: frozenset[UUID]) -> None:
    """What is parked, and the requests that were answered."""
    for name, connection in connections.items():
        for record in await connection.fetch(
            "select id, key, event_id, at, reason, body, state, resolved_at from parked order by at"
        ):
            id, *rest = record
            audit.check(messages.only_poison_is_parked, messages.Parked(id, name, *rest), poison)
        for record in await connection.fetch("select id, fingerprint, status, left(reply, 1) as reply from requests"):
            id, *rest = record
            audit.check(messages.requests_are_answered, messages.Request(id, name, *rest))


async def dead_letters(rabbitmq_url: str, prefix: str = "comptoir") -> Finding:
    """The net below everything: what the broker itself gave up on lies in a service's dead-letter queue (I22)."""
    finding = Finding("I22 no message was given up by the broker")
    connection = await aio_pika.connect(rabbitmq_url, timeout=5)
    async with connection:
        channel = await connection.channel()
        for queue in queues(Names(prefix)):
            try:
                dead = await channel.declare_queue(queue.dead, passive=True)
            except aio_pika.exceptions.ChannelNotFoundEntity:
                finding.breaches.append(f"{queue.dead}: no such queue; run `comptoir topology`")
                channel = await connection.channel()
                continue
            finding.checked += 1
            if count := dead.declaration_result.message_count:
                finding.breaches.append(f"{queue.dead}: {count} messages")
    return finding
