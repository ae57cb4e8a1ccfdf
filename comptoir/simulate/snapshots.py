"""What laws look at: the rows of a machine as they are."""

from collections.abc import Iterable, Iterator
from typing import Any

from comptoir.invariants import LAWS
from comptoir.simulate.machine import Broken, Machine
from shared.messaging.decision import Row

ORDER, INVENTORY, FULFILMENT, BILLING = range(4)
NUMBERS = {check: law.number for check, law in LAWS.items()}


class Snapshots:
    """Rows of each service, by kind and by group; counts what was checked, and raises at the first breach."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.rows = [node.books.rows for node in machine.nodes]
        self.groups = [node.books.groups for node in machine.nodes]
        self.checked = 0

    def each(self, sentences: Iterator[str] | Iterable[str], law: Any) -> None:
        self.checked += 1
        for sentence in sentences:
            number = law if isinstance(law, str) else NUMBERS[law]
            raise Broken(f"{number}: {sentence}")

    def all(self, service: int, kind: type[Row]) -> Iterable[Any]:
        return self.rows[service].get(kind, {}).values()

    def of(self, service: int, kind: type[Row], group: Any) -> list[Any]:
        rows = self.rows[service].get(kind)
        if rows is None:
            return []
        return [rows[key] for key in self.groups[service][kind].get(group, ())]

    def one(self, service: int, kind: type[Row], group: Any) -> Any:
        rows = self.of(service, kind, group)
        return rows[0] if rows else None
