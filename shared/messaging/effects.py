"""What a unit of work would do or did, for people: rows, messages, timers, outside calls. Pure."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from shared.contracts.message import Command
from shared.messaging.decision import Row, key_of
from shared.messaging.envelope import read_one
from shared.messaging.unit import Outcome

Item = dict[str, Any]
SECRET = frozenset({"token", "payment_token"})
"""Fields that nobody has to see to judge what would happen."""


def effects(outcome: Outcome) -> Item:
    """Every row with what changes in it, every message with its content, timers, and calls to the outside."""
    rows = outcome.rows
    found: list[Item] = []
    for kind, changed in rows.changed.items():
        before = rows.before.get(kind, {})
        found += [changes(row, before.get(key)) for key, row in changed.items()]
    found += [changes(row, None) for appended in rows.inserted.values() for row in appended]
    timers = [timer for key, timer in outcome.timers.items() if not key.startswith("retry:")]
    return {
        "rows": found,
        "messages": [
            {
                "type": event.type,
                "to": event.data.owner if isinstance(event.data, Command) else "everybody",
                "subject": event.subject,
                "data": shown(event.data.model_dump(mode="json")),
            }
            for event, _ in outcome.sent
        ],
        "timers": [
            {
                "key": timer.key,
                "due_at": timer.due_at.isoformat() if timer.due_at else None,
                "type": read_one(timer.body).type if timer.body else "",
            }
            for timer in timers
        ],
        "calls": [
            {"type": event.type, "subject": event.subject, "data": shown(event.data.model_dump(mode="json"))}
            for event, _ in outcome.calls
        ],
    }


def changes(row: Row, before: Row | None) -> Item:
    """A new row with all that it holds, or a changed one with what it held before."""
    fields = shown({field.name: jsonable(getattr(row, field.name)) for field in dataclasses.fields(row)})  # type: ignore[arg-type]
    item: Item = {"table": type(row).__name__.lower(), "key": [jsonable(part) for part in key_of(row)]}
    if before is None:
        return {**item, "change": "new", "fields": {name: [None, value] for name, value in fields.items()}}
    was = {name: jsonable(getattr(before, name)) for name in fields}
    moved = {name: [was[name], value] for name, value in fields.items() if was[name] != value}
    return {**item, "change": "changed", "fields": moved}


def jsonable(value: Any) -> Any:
    return to_jsonable_python(value, fallback=str)


def shown(value: Any) -> Any:
    """Without what is secret, at any depth."""
    if isinstance(value, Mapping):
        return {name: "(not shown)" if name in SECRET and of else shown(of) for name, of in value.items()}
    return [shown(each) for each in value] if isinstance(value, list) else value


def in_short(found: Item) -> str:
    """Of the same, a line."""
    said = [
        f"{len(found[name])} {name if len(found[name]) != 1 else name[:-1]}"
        for name in ("rows", "messages", "timers", "calls")
        if found[name]
    ]
    return ", ".join(said) if said else "nothing would change"
