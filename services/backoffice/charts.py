"""Pictures from figures: where bars and lines of a chart go. Pure; the template draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Bar:
    x: str
    y: str
    width: str
    height: str
    label: str
    n: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart in its own coordinates, with a grid of nice figures."""

    width: int
    height: int
    left: int
    bottom: int
    bars: tuple[Bar, ...]
    grid: tuple[tuple[str, int], ...]  # y, figure
    labels: tuple[tuple[str, str], ...]  # x, text


def nice_step(most: int, steps: int = 3) -> int:
    """The smallest of 1, 2, 5, 10, 20, ... of which so many reach the largest figure."""
    factor = 1
    while True:
        for base in (1, 2, 5):
            if base * factor * steps >= most:
                return base * factor
        factor *= 10


def bars(
    rows: Sequence[tuple[str, int]], *, width: int = 640, height: int = 170, left: int = 34, every: int = 3
) -> Chart:
    """One bar per (label, figure); each `every`th label is written below."""
    bottom, top = height - 22, 10
    most = max((n for _, n in rows), default=0)
    step = nice_step(max(most, 1))
    ceiling = step * 3
    room = Decimal(width - left) / max(1, len(rows))

    def y(n: int) -> Decimal:
        return bottom - Decimal(bottom - top) * n / ceiling

    made = tuple(
        Bar(
            f"{left + room * i + room / 6:.1f}",
            f"{y(n):.1f}",
            f"{room * 2 / 3:.1f}",
            f"{bottom - y(n):.1f}",
            label,
            n,
        )
        for i, (label, n) in enumerate(rows)
    )
    grid = tuple((f"{y(step * i):.1f}", step * i) for i in range(4))
    labels = tuple((f"{left + room * i + room / 2:.1f}", label) for i, (label, _) in enumerate(rows) if not i % every)
    return Chart(width, height, left, bottom, made, grid, labels)
