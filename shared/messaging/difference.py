"""Why a message was parked, in a sentence, and where its text differs from the contract that we know. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg
from pydantic import ValidationError

from shared.contracts.message import Message
from shared.messaging.envelope import adapter

Verdict = Literal["missing", "unknown", "wrong"]
MOST = 50
"""Differences that are named; the first ones say enough."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field: what was agreed, what came. `unknown` ones are ignored when a message is read, so they do no harm."""

    event: int  # which of the packet, from 0
    field: str  # data.lines.0.quantity
    verdict: Verdict
    agreed: str
    came: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A message against its contract."""

    readable: bool
    known_versions: tuple[str, ...]  # keys of this message that this version of ours knows
    differences: tuple[Difference, ...]


# The cause, for people

KINDS: Mapping[str, tuple[str, str]] = {
    "Missing": (
        "It speaks of something that is not here: {rest}. It was tried {tries}.",
        "Find the document at its owner; if its message was lost, send it again with `comptoir resend`; then replay.",
    ),
    "Refused": (
        "It asks for what cannot be: {rest}.",
        "Compare both services' view of the document; mend it at the sender; then drop this with the reason.",
    ),
    "Impossible": (
        "It states what cannot be true: {rest}.",
        "Compare both services' view of the document; mend it at the sender; then drop this with the reason.",
    ),
    "Unreadable": (
        "Its text is not what was agreed: {rest}.",
        "A foreign sender, or a newer version of ours: after the upgrade replay; else drop it, and tell the sender.",
    ),
    "Misdirected": (
        "It does not belong on this queue: {rest}.",
        "Find who sent it, and tell them; then drop it.",
    ),
    "TooLarge": (
        "It, or what would follow from it, is too large to be sent: {rest}.",
        "Have the sender split it; then drop this with the reason.",
    ),
}
GUARD = (
    "The database refused what came of it, to protect the data: {rest}.",
    "Run `comptoir verify`; it is a fault of ours: report it with `comptoir parked show`, and do not drop it before.",
)
FAULT = (
    "Deciding it failed, which is a fault of ours: {reason}.",
    "Report it with `comptoir parked show`; replay it after the fix.",
)


def cause_of(reason: str, attempts: int) -> tuple[str, str]:
    """What is wrong, and what to do about it; one sentence each."""
    name, _, rest = reason.partition(": ")
    if name in KINDS:
        said, advice = KINDS[name]
    elif isinstance(found := getattr(asyncpg.exceptions, name, None), type) and issubclass(found, Exception):
        said, advice = GUARD
    else:
        said, advice = FAULT
    tries = "once" if attempts == 1 else f"{attempts} times"
    return said.format(rest=rest.strip().rstrip("."), reason=reason.strip().rstrip("."), tries=tries), advice


# The difference to the contract


def compare(key: str, body: str) -> Compared:
    """Every event of a parked message against the model of its key: what is missing, unknown, or of another type."""
    try:
        items = json.loads(body)
    except (ValueError, RecursionError) as error:
        return Compared(False, versions(key), (Difference(0, "", "wrong", "JSON", f"{error}"),))
    events = items if isinstance(items, list) else [items]
    found: list[Difference] = []
    for i, event in enumerate(events):
        found += [one for _, one in zip(range(MOST - len(found)), of_event(i, key, event), strict=False)]
    readable = bool(events) and all(one.verdict == "unknown" and one.field != "type" for one in found)
    return Compared(readable, versions(key), tuple(found))


def versions(key: str) -> tuple[str, ...]:
    stem = key.rpartition(".v")[0]
    return tuple(sorted(known for known in Message.registry if stem and known.rpartition(".v")[0] == stem))


def of_event(i: int, key: str, event: Any) -> Iterator[Difference]:
    kind = Message.registry.get(key)
    if kind is None:
        known = versions(key)
        agreed = " or ".join(known) if known else "a message that this service knows"
        yield Difference(i, "type", "unknown", agreed, excerpt(key))
        return
    if isinstance(event, dict) and isinstance(event.get("type"), str) and event["type"] != key:
        yield Difference(i, "type", "wrong", key, excerpt(event["type"]))
    whole = adapter(kind)
    schema = whole.json_schema()
    root, defs = schema["items"], schema.get("$defs", {})
    try:
        whole.validate_json(json.dumps([event]))
    except ValidationError as error:
        faults = error.errors(include_url=False)
        parents = {fault["loc"][:n] for fault in faults for n in range(len(fault["loc"]))}
        for fault in faults:
            if fault["loc"] in parents:
                continue  # the whole is wrong because a part of it is
            path = fault["loc"][1:]
            agreed = words(at(root, path, defs), defs) or fault["msg"]
            if fault["type"] == "missing":
                yield Difference(i, dotted(path), "missing", agreed, "")
            else:
                yield Difference(i, dotted(path), "wrong", f"{agreed} ({fault['msg']})", excerpt(fault["input"]))
    if isinstance(event, dict):
        data = at(root, ("data",), defs)
        for field, value in unknown(data, event.get("data"), defs, "data"):
            yield Difference(i, field, "unknown", "no such field", excerpt(value))


def unknown(schema: Any, value: Any, defs: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Fields that the contract does not name, at any depth."""
    schema = resolved(schema, defs)
    if isinstance(value, dict) and "properties" in schema:
        for name, inner in value.items():
            if name in schema["properties"]:
                yield from unknown(schema["properties"][name], inner, defs, f"{path}.{name}")
            else:
                yield f"{path}.{name}", inner
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for i, inner in enumerate(value):
            yield from unknown(schema["items"], inner, defs, f"{path}.{i}")


def resolved(schema: Any, defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema without its reference, and without the `or null` of an optional field."""
    while isinstance(schema, dict):
        if "$ref" in schema:
            schema = defs[schema["$ref"].rpartition("/")[2]]
        elif len(some := [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]) == 1:
            schema = some[0]
        else:
            return schema
    return {}


def at(schema: Any, path: tuple[int | str, ...], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a schema that describes the value at this path; empty when it does not say."""
    for step in path:
        schema = resolved(schema, defs)
        if isinstance(step, int):
            within = schema.get("prefixItems", ())
            schema = within[step] if step < len(within) else schema.get("items")
        else:
            schema = schema.get("properties", {}).get(step)
    return resolved(schema, defs)


TYPES = {
    "integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "array": "list",
    "object": "object", "null": "nothing",
}  # fmt: skip
BOUNDS = {
    "exclusiveMinimum": "more than {}", "minimum": "at least {}", "maximum": "at most {}",
    "exclusiveMaximum": "less than {}", "minLength": "at least {} characters", "maxLength": "at most {} characters",
    "minItems": "at least {} of them", "maxItems": "at most {} of them", "pattern": "like {}",
}  # fmt: skip


def words(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """What a field should hold, for people."""
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        options = dict.fromkeys(words(resolved(option, defs), defs) for option in schema["anyOf"])
        return " or ".join(option for option in options if option != "nothing")
    name = str(schema.get("format") or TYPES.get(str(schema.get("type", "")), ""))
    if name == "list" and (inner := words(resolved(schema.get("items"), defs), defs)):
        name = f"list of {inner}"
    bounds = [said.format(schema[bound]) for bound, said in BOUNDS.items() if bound in schema]
    return ", ".join([name, *bounds]) if name else ""


def dotted(path: tuple[int | str, ...]) -> str:
    return ".".join(map(str, path))


def excerpt(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else text[:200] + " ..."
