"""When to buy again (R-29): rules that people set, what is proposed for them, and drafts of what is below."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from services.inventory.domain.purchases import (
    SERIES,
    act,
    numbered,
    shown,
    told_of,
)
from services.inventory.domain.rows import (
    REALM,
    Ctx,
    Item,
    Policy,
    PurchaseLine,
    PurchaseOrder,
    ReorderRule,
    Series,
    Supplier,
    Warehouse,
)
from services.inventory.domain.warehouse import check_place, check_sku
from shared.contracts.inventory import DraftProposed, SetReorderRules
from shared.messaging.decision import Effect, Needs, Refused, Reply, Rows

STALE = "The preview went stale: the rule of %s is another one now, or somebody ordered by it. Nothing was done."


@dataclass(frozen=True, slots=True)
class Demand:
    """Pieces that left a warehouse in so many days: their sum, and the sum of the squares of each day's pieces."""

    days: int
    pieces: int
    squares: int


def propose(demand: Demand, lead_days: int, policy: Policy) -> tuple[int, int]:
    """Reorder point and order-up-to level by the demand of the last weeks (R-29); 0 and 0 where there was none.

    The point is what leaves within the lead time, and a safety stock z x sd x sqrt(lead time): the lead time of a
    supplier is a given figure here, so its own deviation is 0.
    """
    if not demand.pieces or not demand.days:
        return 0, 0
    mean = Decimal(demand.pieces) / demand.days
    variance = max(Decimal(0), Decimal(demand.squares) / demand.days - mean * mean)
    point = _up(mean * lead_days + policy.safety * (variance * lead_days).sqrt())
    return point, point + max(1, _up(mean * policy.cover_days))


def _up(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_CEILING))


def to_set_rules(m: SetReorderRules) -> Needs:
    yield Warehouse, REALM
    for rule in m.rules:
        yield ReorderRule, rule.sku
        yield Item, rule.sku
        yield Supplier, rule.supplier


def set_rules(m: SetReorderRules, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    wanted: dict[tuple[str, str], ReorderRule] = {}
    for n, rule in enumerate(m.rules):
        check_sku(rule.sku, rows, f"rules.{n}.sku")
        if all(place.code != rule.warehouse for place in rows.group(Warehouse, REALM)):
            raise Refused(f"there is no warehouse {rule.warehouse}", field=f"rules.{n}.warehouse")
        if rows.find(Supplier, rule.supplier) is None:
            raise Refused(f"there is no supplier {rule.supplier}", field=f"rules.{n}.supplier")
        if 0 < rule.up_to <= rule.point:
            raise Refused(
                f"{rule.sku}: the order-up-to level must be above the reorder point", field=f"rules.{n}.up_to"
            )
        known = known_rule(rows, rule.sku, rule.warehouse)
        version = known.version if known else 0
        row = ReorderRule(rule.sku, rule.warehouse, rule.point, rule.up_to, rule.supplier, version + 1)
        if known is None or (known.point, known.up_to, known.supplier) != (rule.point, rule.up_to, rule.supplier):
            wanted[rule.sku, rule.warehouse] = row
        else:
            wanted.pop((rule.sku, rule.warehouse), None)
    yield from wanted.values()
    yield Reply({"set": len(m.rules)})


def known_rule(rows: Rows, sku: str, warehouse: str) -> ReorderRule | None:
    return next((rule for rule in rows.group(ReorderRule, sku) if rule.warehouse == warehouse), None)


def to_draft_proposed(m: DraftProposed) -> Needs:
    yield Warehouse, REALM
    yield Series, SERIES
    for order in m.orders:
        yield PurchaseOrder, order.purchase_id
        yield PurchaseLine, order.purchase_id
        yield Supplier, order.supplier
        for line in order.lines:
            yield ReorderRule, line.sku
            yield Item, line.sku


def draft_proposed(m: DraftProposed, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """One draft per supplier and warehouse, and each rule once: who ordered by it meanwhile was first."""
    series = rows.find(Series, SERIES)
    rules: dict[tuple[str, str], ReorderRule] = {}
    made = []
    for wanted in m.orders:
        supplier = rows.find(Supplier, wanted.supplier)
        if supplier is None:
            raise Refused(f"there is no supplier {wanted.supplier}", field="supplier")
        check_place(wanted.warehouse, rows)
        series, order = numbered(series, wanted, supplier, ctx)
        lines = []
        for n, line in enumerate(wanted.lines, 1):
            check_sku(line.sku, rows, "sku")
            rule = known_rule(rows, line.sku, wanted.warehouse)
            key = (line.sku, wanted.warehouse)
            if rule is None or key in rules or (rule.version, rule.supplier) != (line.version, wanted.supplier):
                raise Refused(STALE % line.sku, field="quote", status=409)
            rules[key] = ReorderRule(rule.sku, rule.warehouse, rule.point, rule.up_to, rule.supplier, rule.version + 1)
            lines.append(PurchaseLine(order.purchase_id, n, line.sku, line.quantity, line.unit_cost, line.expected_on))
        yield order
        yield from lines
        told = {"lines": [told_of(line) for line in lines], "proposed": True}
        yield act(m.actor, order, "created", told, ctx)
        made.append(shown(order, lines))
    yield from rules.values()
    if series is not None:
        yield series
    yield Reply({"orders": made}, 201)
