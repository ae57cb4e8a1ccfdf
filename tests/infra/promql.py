"""What alarms and dashboards ask Prometheus, and what of it must have data in a suite where all is well."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

OBSERVABILITY = Path(__file__).resolve().parents[2] / "infra/observability"
CHOOSE = {"==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"}
"""Operators that leave out what is well."""


@dataclass(frozen=True)
class Asked:
    """One expression. `shown`: the text beside its result, with labels in it."""

    where: str
    expr: str
    shown: str = ""
    panel: bool = False


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def name_of(rule: dict[str, Any]) -> str:
    """An alarm's or, where there is one, that of what is recorded."""
    return str(rule.get("alert") or rule["record"])


def all_asked() -> Iterator[Asked]:
    """Of every rule and every panel."""
    for rule in rules():
        yield Asked(f"rule {name_of(rule)}", rule["expr"], rule.get("annotations", {}).get("summary", ""))
    for path in sorted(OBSERVABILITY.glob("grafana/dashboards/*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                legend = target.get("legendFormat", "")
                yield Asked(f"{path.name}: {panel['title']}", target["expr"], legend, panel=True)


def inside(expression: Any) -> list[Any]:
    """The expressions that it is made of."""
    if isinstance(expression, promql_parser.MatrixSelector):
        return [expression.vector_selector]
    if isinstance(expression, promql_parser.BinaryExpr):
        return [expression.lhs, expression.rhs]
    if isinstance(expression, promql_parser.Call):
        return list(expression.args)
    if isinstance(expression, promql_parser.VectorSelector | promql_parser.NumberLiteral | promql_parser.StringLiteral):
        return []
    return [expression.expr]


def selectors(expression: Any) -> Iterator[Any]:
    """Where it looks at figures."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for part in inside(expression):
        yield from selectors(part)


def chooses(expression: Any) -> bool:
    """Whether it may leave something out, so that nothing may be left of it where all is well."""
    if isinstance(expression, promql_parser.BinaryExpr) and str(expression.op) in CHOOSE:
        return True
    if isinstance(expression, promql_parser.Call) and expression.func.name == "absent":
        return True
    return any(chooses(part) for part in inside(expression))


def always(expression: Any) -> Iterator[Any]:
    """The largest parts of it that have data whenever their figures are there."""
    if chooses(expression):
        for part in inside(expression):
            yield from always(part)
    elif any(selectors(expression)):
        yield expression
