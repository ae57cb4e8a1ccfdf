"""Messages: I17, I18, I20, I22 and I24, over packets, parked messages and requests."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from comptoir.invariants.law import law

UNSENT_S = 30.0
"""A packet may wait so long to be sent."""
NUMBERED = 7
"""Version of the UUIDs that services give their packets. What comes from outside is named by its content (5)."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A packet in an outbox. `waits_s`: for so long the bus has not confirmed it; 0 when it has.

    `unhandled`: the readers of a confirmed packet that have not handled it.
    """

    id: UUID
    key: str
    sender: str
    waits_s: float
    unhandled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Handled:
    """A packet that a service has handled. `known`: some service's outbox has it, or may have cleared it away."""

    id: UUID
    reader: str
    known: bool

    @property
    def ghost(self) -> bool:
        """Numbered by a service, and in no outbox."""
        return not self.known and self.id.version == NUMBERED


@dataclass(frozen=True, slots=True)
class Parked:
    """A message that a person must look at, or had to."""

    id: UUID
    service: str
    key: str
    event_id: UUID | None
    at: datetime
    reason: str
    body: str
    state: str
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Request:
    """A request with an Idempotency-Key, and the answer that a repeat gets."""

    id: UUID
    service: str
    fingerprint: str
    status: int | None
    reply: str | None


@law("I17", "every packet was handled by all its readers", at_rest=True)
def every_reader_handled_it(packet: Sent) -> Iterator[str]:
    for reader in packet.unhandled:
        yield f"packet {packet.id} ({packet.key}): {packet.sender} sent it, {reader} has not handled it"


@law("I18", "no packet waits for longer than 30 s to be sent")
def sent_in_time(packet: Sent) -> Iterator[str]:
    if packet.waits_s > UNSENT_S:
        yield f"packet {packet.id} ({packet.key}): waits in {packet.sender}'s outbox for {packet.waits_s:.0f} s"


@law("I20", "every handled packet has a sender", at_rest=True)
def no_ghosts(packet: Handled) -> Iterator[str]:
    """Packets that came from outside (an import, a benchmark) are not in any outbox, and say so by their name."""
    if packet.ghost:
        yield f"packet {packet.id}: {packet.reader} handled it, no service has it in its outbox"


@law("I22", "nothing is parked but what was meant to be", at_rest=True)
def only_poison_is_parked(parked: Parked, poison: Collection[UUID] = ()) -> Iterator[str]:
    """Whatever is parked says why and what it was. `poison`: ids of events that are known to be bad."""
    name = f"parked message {parked.id} ({parked.key}) of {parked.service}"
    if not parked.reason or not parked.body:
        yield f"{name}: has no {'reason' if not parked.reason else 'content'}"
    if (parked.state == "parked") != (parked.resolved_at is None):
        yield f"{name}: is {parked.state}, resolved at {parked.resolved_at}"
    if parked.state == "parked" and parked.event_id not in poison:
        yield f"{name}: waits for a person since {parked.at:%Y-%m-%d %H:%M}: {parked.reason}"


@law("I24", "every request has the answer that its repeat will get")
def requests_are_answered(request: Request) -> Iterator[str]:
    name = f"request {request.id} to {request.service}"
    if request.status is None or request.reply is None:
        yield f"{name}: was taken, but its answer is {'without status' if request.status is None else 'empty'}"
    if not request.fingerprint:
        yield f"{name}: has no fingerprint, so another request could pass for it"
