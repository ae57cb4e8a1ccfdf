"""Who reads what: the one place that says where messages go. Used by both buses, the deploy job and the tests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.contracts.message import Command, Internal, Message

SERVICES = ("order", "inventory", "fulfilment", "billing")
OPTIONAL = ("backoffice",)
"""Services that only listen: the suite is complete without them, and a broker has a queue for them once they ran."""

FORMER: Mapping[str, tuple[str, ...]] = {"inventory": ("fulfilment.shipment_planned.v1",)}
"""What a service read in an earlier version: `declare` takes these bindings off its queue."""

_reads: dict[str, tuple[str, ...]] = {}


@dataclass(frozen=True, slots=True)
class Names:
    """Names on the broker. Another prefix makes another suite on the same broker: a test, a rehearsal."""

    prefix: str = "comptoir"

    @property
    def exchange(self) -> str:
        return self.prefix

    @property
    def dead(self) -> str:
        """The exchange of dead letters."""
        return f"{self.prefix}.dead"

    def queue(self, service: str) -> str:
        return f"{self.prefix}.{service}"

    def dead_queue(self, service: str) -> str:
        return f"{self.prefix}.{service}.dead"


@dataclass(frozen=True, slots=True)
class Queue:
    """One work queue per service, bound to the keys it handles, with a dead-letter queue below it."""

    service: str
    keys: tuple[str, ...]
    names: Names = Names()

    @property
    def name(self) -> str:
        return self.names.queue(self.service)

    @property
    def dead(self) -> str:
        return self.names.dead_queue(self.service)

    @property
    def former(self) -> tuple[str, ...]:
        """Keys that it may still be bound to and does not read any more."""
        return tuple(key for key in FORMER.get(self.service, ()) if key not in self.keys)


def handled_keys(handlers: Iterable[type[Message]]) -> tuple[str, ...]:
    """The keys a service binds: all it handles but its words to itself."""
    return tuple(sorted(kind.key for kind in handlers if not issubclass(kind, Internal)))


def register(handlers: Mapping[str, Iterable[type[Message]]]) -> None:
    """Tells the topology what each service handles. Raises when a command has no home or two."""
    reads: dict[str, list[str]] = {}
    for service, kinds in handlers.items():
        for key in handled_keys(kinds):
            reads.setdefault(key, []).append(service)
    for key, services in reads.items():
        if is_command(key) and services != [key.partition(".")[0]]:
            raise ValueError(f"{key} is handled by {', '.join(services)}, not by its owner alone")
    _reads.clear()
    _reads.update({key: tuple(services) for key, services in reads.items()})


def readers_of(key: str) -> tuple[str, ...]:
    """The services that read a message; none for an event to which nobody listens."""
    return _reads.get(key, ())


def is_command(key: str) -> bool:
    kind = Message.registry.get(key)
    return kind is not None and issubclass(kind, Command)


def home_of(command: type[Command]) -> str:
    """The one service that obeys a command."""
    homes = readers_of(command.key)
    if len(homes) != 1:
        raise LookupError(f"{command.key} has {len(homes)} homes")
    return homes[0]


def queues(names: Names = Names()) -> list[Queue]:
    """All work queues with their bindings."""
    services = sorted({service for readers in _reads.values() for service in readers})
    return [
        Queue(service, tuple(sorted(key for key, readers in _reads.items() if service in readers)), names)
        for service in services
    ]
