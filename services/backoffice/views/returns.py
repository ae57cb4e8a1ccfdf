"""The returns desk: what is expected, what came and waits to be looked at, and what it was found to be worth."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.backoffice.owners import Owners
from services.backoffice.words import N_

Item = dict[str, Any]
SHOWN = 100
GRADES = ("restock", "quarantine", "scrap")
STATES = (
    ("received", N_("To inspect"), N_("Nothing waits to be inspected.")),
    ("expected", N_("Expected"), N_("Nothing is expected.")),
    ("inspected", N_("More to come"), N_("Nothing is half done.")),
)
"""The lists of the desk: the state, its title, and what stands there when it is empty."""


async def desk(owners: Owners) -> dict[str, list[Item]]:
    """Returns that are not closed, by state, the oldest first. Raises Away or Said."""
    states = [state for state, _, _ in STATES]
    said = await asyncio.gather(
        *(owners.get("fulfilment", "/returns", state=state, oldest="true", limit=SHOWN) for state in states)
    )
    return {state: [_shown(of) for of in of_state["items"]] for state, of_state in zip(states, said, strict=True)}


def _shown(of: Item) -> Item:
    lines = [{**line, "due": line["expected"] - line["received"], "waiting": waiting(line)} for line in of["lines"]]
    return {
        "id": of["return_id"],
        "order_id": UUID(of["order_id"]),
        "warehouse": of["warehouse"],
        "reason": of["reason"],
        "state": of["state"],
        "since": of["opened_at"],
        "lines": lines,
        "expected": sum(line["expected"] for line in lines),
        "received": sum(line["received"] for line in lines),
        "waiting": sum(line["waiting"] for line in lines),
        "history": of.get("history", []),
    }


def waiting(line: Mapping[str, int]) -> int:
    """Pieces that came and were not graded yet."""
    return line["received"] - sum(line[grade] for grade in GRADES)


async def one(owners: Owners, return_id: UUID) -> Item:
    """One return with its history. Raises Away or Said."""
    return _shown(await owners.get("fulfilment", f"/returns/{return_id}"))


def received(lines: list[Item], form: Mapping[str, Any]) -> list[Item]:
    """How many more came, per line. Raises ValueError when none did, or what is not a number of pieces was typed."""
    found = [{"line_no": line["line_no"], "quantity": _pieces(form, "came", line)} for line in lines]
    found = [line for line in found if line["quantity"]]
    if not found:
        raise ValueError("nothing came")
    return found


def inspected(lines: list[Item], form: Mapping[str, Any]) -> list[Item]:
    """The grades of what was looked at, per line, and how many the customer gets money for. Raises ValueError."""
    found = []
    for line in lines:
        grades = {grade: _pieces(form, grade, line) for grade in GRADES}
        accepted = _pieces(form, "accepted", line)
        pieces = sum(grades.values())
        if pieces > line["waiting"] or accepted > pieces:
            raise ValueError(line["sku"])
        if pieces:
            found.append({"line_no": line["line_no"], "accepted": accepted, **grades})
    if not found:
        raise ValueError("nothing was looked at")
    return found


def _pieces(form: Mapping[str, Any], what: str, line: Item) -> int:
    number = int(str(form.get(f"{what}-{line['line_no']}", "0") or "0"))
    if not 0 <= number <= 1_000_000:
        raise ValueError(line["sku"])
    return number
