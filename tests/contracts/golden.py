"""The shape of every message as it was agreed, kept beside one example; and the gate that guards it.

`python -m tests.contracts.golden` writes golden/<key>.json anew after a planned change, and says what the change
breaks. A message that breaks its readers needs a new key (`...v2`), not a new golden file.
"""

import importlib
import json
import pkgutil
import types
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import shared.contracts
from shared.contracts.message import Message

FOLDER = Path(__file__).with_name("golden")
Field = dict[str, Any]
Shape = dict[str, Field]
"""Path ("lines[].sku") to what JSON Schema says of the field there."""


def messages() -> dict[str, type[Message]]:
    """Every message of the contracts by key; those that tests make up are not among them."""
    for module in pkgutil.iter_modules(shared.contracts.__path__):
        importlib.import_module(f"shared.contracts.{module.name}")
    ours = {key: kind for key, kind in Message.registry.items() if kind.__module__.startswith("shared.contracts.")}
    return dict(sorted(ours.items()))


# Examples

KNOWN: dict[str, Any] = {
    "sku": "CUP-BLUE",
    "currency": "EUR",
    "country": "NL",
    "email": "eva@example.com",
    "vat_category": "S",
    "vat_rate": Decimal(21),
    "line_no": 1,
    "warehouse": "antwerp",
}


def example(kind: type[BaseModel], path: str = "") -> Any:
    """One value with every field set, the same on every run."""
    kind.model_rebuild()  # some name a class that stands below them
    values = {name: _value(name, field, f"{path or kind.__name__}.{name}") for name, field in kind.model_fields.items()}
    return kind.model_validate(values)


def _value(name: str, field: FieldInfo, path: str) -> Any:
    return _of(field.annotation, list(field.metadata), name, path)


def _of(annotation: Any, bounds: list[Any], name: str, path: str) -> Any:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        nested = [m for b in args[1:] for m in (b.metadata if isinstance(b, FieldInfo) else [b])]
        return _of(args[0], [*bounds, *nested], name, path)
    if origin in (Union, types.UnionType):
        return _of(next(one for one in args if one is not type(None)), bounds, name, path)
    if origin is Literal:
        return args[-1]
    if origin is tuple:
        inner = args[:1] if len(args) == 2 and args[1] is Ellipsis else args
        return tuple(_of(one, [], name, f"{path}[]") for one in inner)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return example(annotation, path)
    if name in KNOWN:
        return KNOWN[name]
    if annotation is bool:
        return True
    simple: dict[Any, Any] = {
        UUID: uuid5(NAMESPACE_URL, path),
        datetime: datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC),
        date: date(2026, 3, 14),
        Decimal: Decimal("12.34"),
        int: 2,
        str: name[: _longest(bounds)],
    }
    if annotation not in simple:
        raise TypeError(f"{path}: no example for {annotation}")
    return simple[annotation]


def _longest(bounds: list[Any]) -> int | None:
    return min((b.max_length for b in bounds if getattr(b, "max_length", None) is not None), default=None)


# Shapes

_WORDS = {"title", "description", "default"}
_STRUCTURE = _WORDS | {"properties", "required", "$defs", "$ref", "anyOf", "items", "prefixItems"}


def shape(kind: type[BaseModel], mode: Literal["validation", "serialization"]) -> Shape:
    """All fields of a message as it is read (validation) or written (serialization), nested ones by their path."""
    schema = kind.model_json_schema(mode=mode)
    found: Shape = {}
    _fields(schema, schema.get("$defs", {}), "", found)
    return found


def _fields(schema: Mapping[str, Any], defs: Mapping[str, Any], path: str, found: Shape) -> None:
    for name, below in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        found[here] = {**_node(below, defs, here, found), "required": name in schema.get("required", ())}


def _node(schema: Mapping[str, Any], defs: Mapping[str, Any], path: str, found: Shape) -> Field:
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    node = {key: value for key, value in schema.items() if key not in _STRUCTURE}
    if "anyOf" in schema:
        variants = [_node(one, defs, path, found) for one in schema["anyOf"]]
        node["anyOf"] = sorted(variants, key=lambda one: json.dumps(one, sort_keys=True))
    if "items" in schema:
        node["items"] = _node(schema["items"], defs, f"{path}[]", found)
    if "prefixItems" in schema:
        node["prefixItems"] = [_node(one, defs, f"{path}[{i}]", found) for i, one in enumerate(schema["prefixItems"])]
    _fields(schema, defs, path, found)
    return node


# The gate


def breaks(old: Shape, new: Shape) -> list[str]:
    """Why messages of the old shape and readers of it cannot live with the new one; nothing for additions.

    Broken by: a field that is gone or renamed, a new required one, a changed type, format, pattern or list of values,
    a bound that is tighter. Allowed: a new optional field with whatever is below it, a wider bound, a required field
    that becomes optional.
    """
    reasons = [f"{path} is gone" for path in old if path not in new]
    for path, field in new.items():
        if path not in old:
            parent = path.rpartition(".")[0].rstrip("[]0123456789")
            if field["required"] and (not parent or parent in old):
                reasons.append(f"{path} is new and required")
            continue
        if field["required"] and not old[path]["required"]:
            reasons.append(f"{path} is required now")
        reasons += _narrowed(path, old[path], field)
    return reasons


_UPPER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems"}
_LOWER = {"minimum", "exclusiveMinimum", "minLength", "minItems"}


def _narrowed(path: str, old: Field, new: Field) -> list[str]:
    reasons = []
    for key in sorted((old.keys() | new.keys()) - {"required", "items"}):
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        if key in _UPPER | _LOWER:
            tighter = now is not None and (was is None or (now < was if key in _UPPER else now > was))
            if tighter:
                reasons.append(f"{path}: {key} is tighter, {was} before and {now} now")
        else:
            reasons.append(f"{path}: {key} was {was} and is {now}")
    if "items" in old and "items" in new:
        reasons += _narrowed(f"{path}[]", old["items"], new["items"])
    elif "items" in old or "items" in new:
        reasons.append(f"{path}: it is a list on one side only")
    return reasons


# Files


def golden(kind: type[Message]) -> dict[str, Any]:
    """What is kept of a message."""
    return {
        "key": kind.key,
        "example": example(kind).model_dump(mode="json"),
        "sent": shape(kind, "serialization"),
        "accepted": shape(kind, "validation"),
    }


def path_of(key: str) -> Path:
    return FOLDER / f"{key}.json"


def load(key: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(path_of(key).read_text(encoding="utf-8"))
    return kept


def text_of(kept: Mapping[str, Any]) -> str:
    """JSON with one line per field, so that a change shows as the line that it is."""
    parts = [f'"key": {json.dumps(kept["key"])}', f'"example": {json.dumps(kept["example"], indent=2)}']
    for name in ("sent", "accepted"):
        rows = ",\n".join(f"  {json.dumps(path)}: {json.dumps(field)}" for path, field in kept[name].items())
        parts.append(f'"{name}": {{\n{rows}\n}}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def broken(kept: Mapping[str, Any], kind: type[BaseModel]) -> list[str]:
    """What of the agreed shape the present class breaks, each reason once."""
    reasons = breaks(kept["sent"], shape(kind, "serialization")) + breaks(kept["accepted"], shape(kind, "validation"))
    return list(dict.fromkeys(reasons))


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    kinds = messages()
    for path in sorted(FOLDER.glob("*.json")):
        if path.stem not in kinds:
            print(f"{path.stem}: gone")
            path.unlink()
    for key, kind in kinds.items():
        for reason in broken(load(key), kind) if path_of(key).exists() else ["new"]:
            print(f"{key}: {reason}")
        path_of(key).write_text(text_of(golden(kind)), encoding="utf-8")


if __name__ == "__main__":
    main()
