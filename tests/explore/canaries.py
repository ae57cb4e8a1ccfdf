"""Rules taken out on purpose: what the exploration must then find, and where."""

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from comptoir.explore.setups import SETUPS, TWO, Bought, SetUp
from services.billing.domain import asks, receipts, rule
from services.fulfilment.domain import returns, shipments
from services.inventory.domain import decisions, warehouse, working
from services.order import domain, facts, saga
from shared.contracts import message

Cut = tuple[Callable[..., Any], str, str]


@contextmanager
def without(*cuts: Cut) -> Iterator[None]:
    """Functions with a part of their text replaced, wherever they are known; whole again afterwards."""
    whole = [(function, function.__code__) for function, _, _ in cuts]
    try:
        for function, old, new in cuts:
            text = textwrap.dedent(inspect.getsource(function))
            assert old in text, f"{function.__qualname__} no longer says: {old}"
            space = dict(function.__globals__)
            exec(compile(text.replace(old, new), function.__code__.co_filename, "exec"), space)
            function.__code__ = space[function.__name__].__code__
        yield
    finally:
        for function, code in whole:
            function.__code__ = code


@dataclass(frozen=True)
class Canary:
    """A rule, the set-up that needs it, and a word of the breach that is found without it."""

    rule: str
    setup: SetUp
    cuts: tuple[Cut, ...]
    breach: str


def _of(name: str, **changes: Any) -> SetUp:
    return replace(SETUPS[name], **changes) if changes else SETUPS[name]


TWO_FROM_ONE_PLACE = SetUp(
    "2 units, the second arrives later, rejected as closed",
    method="cash_on_delivery",
    orders=TWO,
    wishes=(("receipt", 1),),
    faults=1,
    kinds=("closed",),
)

CANARIES: tuple[Canary, ...] = (
    Canary(
        "statements: newer wins",
        _of("cash: cancel"),
        ((message.newer, "heard if known is None or heard.version > known.version else known", "heard"),),
        "",
    ),
    Canary(
        "asks: newer wins, stock",
        _of("cash: cancel"),
        ((decisions.reserve_stock, "m.version <= known.answers", "False"),),
        "",
    ),
    Canary(
        "asks: newer wins, money",
        _of("card: cancel"),
        ((asks.authorise_payment, "m.version <= known.answers", "False"),),
        "",
    ),
    Canary(
        "final is final",
        _of("bank: nothing special"),
        ((saga.fold, "if progress.status in FINAL:", "if False:"),),
        "I7",
    ),
    Canary(
        "a return opened by fulfilment never ends silently",
        _of("cash: nothing special", faults=1, kinds=("door",)),
        ((returns.comes_back, 'reason, "fulfilment", ctx', 'reason, "customer", ctx'),),
        "rests in",
    ),
    Canary(
        "money on its way out secures nothing",
        SetUp(
            "2 units by bank, cancel 1, edit",
            method="bank_transfer",
            orders=TWO,
            stock=(("A", "W1", 3),),
            wishes=(("cancel 1", 1), ("edit", 1), ("transfer", 1)),
        ),
        ((rule.staying, "held(a) - a.refunding", "held(a)"),),
        "paid in advance",
    ),
    Canary(
        "nothing is done before the first ask",
        _of("bank: nothing special"),
        (
            (rule.next_operation, "not a.answers or ", ""),
            (receipts.bank_money_arrived, "if account.answers:", "if True:"),
            (rule.staying, "held(a) - a.refunding", "held(a)"),
        ),
        "",
    ),
    Canary(
        "tombstone",
        _of("cash: cancel"),
        (
            (
                shipments.cancel_shipment,
                'yield from told(s, "cancelled before it was planned", ctx, ShipmentCancelled)',
                "yield statement(replace(s, version=1), ShipmentCancelled)",
            ),
        ),
        "",
    ),
    Canary(
        "what is released is not cancelled without asking",
        _of("cash: cancel"),
        ((saga.decide_cancellations, "count.cancelled + count.unreleased)", "wanted[no])"),),
        "",
    ),
    Canary(
        "no cancel after hand-over",
        _of("cash: cancel"),
        ((shipments.cancel_shipment, "elif s.state in OPEN:", 'elif s.state in OPEN or s.state == "dispatched":'),),
        "",
    ),
    Canary(
        "what is kept in shipments is in the stock ask",
        _of("cash: 2 units in 2 warehouses, cancel 1"),
        ((saga.reserve_stock, "for (no, at), used in sorted(order.used.items()) if used", "for no, at, used in ()"),),
        "I4",
    ),
    Canary(
        "a limit is not below what is used",
        TWO_FROM_ONE_PLACE,
        (
            (facts.keep_shipment, "order.used.get((line_no, shipment.warehouse), 0)", "0"),
            (working.Promises.give_back, "max(r.most, r.kept)", "r.most"),
        ),
        "I4",
    ),
    Canary(
        "a rejection counts only when it answers the latest ask",
        _of("cash: 2 units, 1 in stock, not backorderable"),
        (
            (
                saga.decide_cancellations,
                "heard is not None and order.stock.answered and order.wanted == order.stock.wanted",
                "heard is not None",
            ),
        ),
        "cancelled",
    ),
    Canary(
        "release only when the latest stock ask is answered",
        _of("bank: 2 units in 2 warehouses, cancel 1"),
        ((saga.shipments_to_plan, "order.stock.answered and order.money.answered", "order.money.answered"),),
        "I4",
    ),
    Canary(
        "a loss takes back the youngest promise",
        _of("cash: nothing special", faults=1, kinds=("count",)),
        ((warehouse.count_stock, "level.reserved - m.counted", "0"),),
        "I3",
    ),
    Canary(
        "pay_by looks at what is secured",
        _of("card: 2 units, cancel 1"),
        (
            (domain.timed, "not final and not order.secured and order.open", "not final and order.open"),
            (facts.expire, "if order.secured or not order.open", "if order.money.answered or not order.open"),
        ),
        "expire",
    ),
    Canary("pay_by ends an unpaid order", _of("bank: nothing special", never=("pay_by",)), (), "awaiting_payment"),
)

__all__ = ["CANARIES", "Bought", "Canary", "without"]
