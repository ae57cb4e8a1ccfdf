"""What an arrival cost, as a person says it later: the supplier's invoice came, or nobody knew it before."""

from collections.abc import Iterator

from services.inventory.domain.costing import ARRIVALS
from services.inventory.domain.rows import CostChange, Ctx, Valuation
from shared.contracts.inventory import ChangeCost
from shared.messaging.decision import Effect, Needs, Refused, Reply, Rows


def to_change_cost(m: ChangeCost) -> Needs:
    yield Valuation, m.arrival


def change_cost(m: ChangeCost, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The cost per piece in all, never a difference, so that of two people the last one is right.

    It counts from now on: what was reported stays as it was (R-28).
    """
    key = (m.sku, m.warehouse, m.line_no, m.kind)
    of = next(
        (v for v in rows.group(Valuation, m.arrival) if (v.sku, v.warehouse, v.line_no, v.kind) == key),
        None,
    )
    if of is None:
        raise Refused(f"no such arrival of {m.sku} is valued", field="arrival", status=404)
    if of.pieces <= 0 or (of.kind not in ARRIVALS and of.unit_cost is not None):
        raise Refused("only what came in has a cost that can be said", field="kind", status=409)
    yield CostChange(
        ctx.cause,
        m.sku,
        m.arrival,
        m.warehouse,
        m.line_no,
        m.kind,
        m.unit_cost,
        m.reason,
        m.actor or ctx.actor,
        ctx.now,
    )
    yield Reply(
        {"sku": m.sku, "arrival": m.arrival, "pieces": of.pieces, "unit_cost": m.unit_cost, "reason": m.reason}, 201
    )
