"""What an invariant is: a pure function over one snapshot, which yields a sentence for each thing that is wrong."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

Check = Callable[..., Iterable[str]]
F = TypeVar("F", bound=Check)


@dataclass(frozen=True, slots=True)
class Law:
    """`at_rest`: it holds only when nothing is on its way; all others hold at any moment."""

    number: str
    title: str
    at_rest: bool

    @property
    def name(self) -> str:
        return f"{self.number} {self.title}"


LAWS: dict[Any, Law] = {}
"""Every invariant that is checked, by its function, in the order of its definition."""


def law(number: str, title: str, *, at_rest: bool = False) -> Callable[[F], F]:
    """Declares a function as an invariant."""

    def declare(check: F) -> F:
        LAWS[check] = Law(number, title, at_rest)
        return check

    return declare
