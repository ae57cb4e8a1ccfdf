"""Placing: the order is made, numbered, and its prices are frozen (R-07, R-09)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from hashlib import blake2b
from typing import Any
from uuid import UUID

from services.order.domain import Ctx, find_order, settle, to_order
from services.order.facts import INCOMPLETE, lacking
from services.order.kits import lines_of_kit, unsellable
from services.order.quantities import Order, priced
from services.order.rows import (
    Counter,
    Customer,
    External,
    Header,
    Line,
    Money,
    Product,
    Progress,
    Stock,
)
from services.order.saga import react
from services.order.vat import sold_with
from shared.contracts.money import Totals, allocate, line_amount, rounded, totals, unit_of
from shared.contracts.order import (
    NewLine,
    PlaceOrder,
)
from shared.contracts.values import MAX_LINES, Address
from shared.messaging.decision import Effect, Needs, Refused, Reply, Rows

MOST_WORTH = 10**10
"""Amounts of messages have at most ten digits before the point (`Money`)."""


def to_place(m: PlaceOrder) -> Needs:
    yield from to_order(m)
    if m.external_id:
        yield External, _ref(m)
    if m.customer_id:
        yield Customer, m.customer_id
    yield from products_of(m.lines)
    yield Counter, "order"


def _ref(m: PlaceOrder) -> str:
    return f"{m.channel}:{m.external_id}"


def products_of(lines: Iterable[NewLine]) -> Needs:
    """Also of a line that says everything: its SKU may be that of a kit."""
    return ((Product, line.sku) for line in lines)


def components_of(lines: Iterable[NewLine], rows: Rows) -> Needs:
    """What the kits among these consist of; nothing further is read where there are none."""
    for line in lines:
        product = rows.find(Product, line.sku)
        if product is not None and product.components:
            yield from ((Product, component.sku) for component in product.components)


def to_place_kits(m: PlaceOrder, rows: Rows) -> Needs:
    return components_of(m.lines, rows)


def place_order(m: PlaceOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Stored, numbered, prices frozen, and its saga begins. Sent again it gets the same answer."""
    fingerprint = _fingerprint(m)
    if known := find_order(rows, m.order_id):
        if known.header.fingerprint != fingerprint:
            raise Refused(f"Order {m.order_id} was placed before with other content.", field="order_id", status=409)
        yield Reply(placed(known), 201)
        return
    if m.external_id:
        external = rows.find(External, _ref(m))
        if external is not None:
            raise Refused(
                f"{m.channel} sent {m.external_id} before, as order {external.order_id}.",
                field="external_id",
                status=409,
            )
        yield External(_ref(m), m.order_id)
    customer = rows.find(Customer, m.customer_id) if m.customer_id else None
    ship_to = m.ship_to
    if customer is not None and ship_to == Address() and customer.addresses:
        ship_to = customer.addresses[0]
    lines = frozen(m.order_id, m.lines, rows, 1, m.currency)
    if ctx.policy.postage_vat == "goods":
        lines = with_vat_of_goods(m.lines, lines, m.currency)
    lines = discounted(lines, m.discount, m.currency)
    whole = worth_of(lines, m.prices_include_vat, m.currency)
    if m.expected_gross is not None and m.expected_gross != whole.gross:
        raise Refused(
            f"The order comes to {whole.gross:f} {m.currency} now, not to {m.expected_gross:f} {m.currency}. "
            "Nothing was done; look at it again.",
            field="expected_gross",
            status=409,
        )
    counter = rows.find(Counter, "order") or Counter("order", 0)
    counter = replace(counter, last=counter.last + 1)
    placed_at = m.placed_at or ctx.now
    header = Header(
        order_id=m.order_id,
        number=f"C-{counter.last}",
        channel=m.channel,
        external_id=m.external_id,
        customer_id=m.customer_id,
        currency=m.currency,
        prices_include_vat=m.prices_include_vat,
        method=m.payment_method,
        token=m.payment_token,
        ship_to=ship_to,
        bill_to=m.bill_to or ship_to,
        placed_at=placed_at if placed_at.tzinfo else placed_at.replace(tzinfo=UTC),
        ship_complete=m.ship_complete,
        service_level=m.service_level,
        priority=m.priority,
        net=whole.net,
        vat=whole.vat,
        gross=whole.gross,
        fingerprint=fingerprint,
    )
    new = Order(header, tuple(lines), Progress(m.order_id), Stock(m.order_id), Money(m.order_id))
    if ctx.policy.address_check and (missing := lacking(new, ship_to)):
        new = new.moved(holds=(missing.join(INCOMPLETE),))  # taken all the same: an order must not be lost
    after, effects = settle(None, *react(new, m), m, ctx)
    yield from effects
    yield counter
    yield Reply(placed(after), 201)


def worth_of(lines: Sequence[Line], inclusive: bool, currency: str) -> Totals:
    """The sums of an order. Refused when they are more than messages carry."""
    whole = totals(priced(lines), inclusive=inclusive, unit=unit_of(currency))
    if whole.gross >= MOST_WORTH:
        raise Refused(
            f"An order is worth less than {MOST_WORTH} {currency}, not {whole.gross:f} {currency}.", field="lines"
        )
    return whole


def placed(order: Order) -> dict[str, Any]:
    header = order.header
    return {
        "id": str(order.id),
        "number": header.number,
        "status": order.progress.status,
        "currency": header.currency,
        "net": f"{header.net:f}",
        "vat": f"{header.vat:f}",
        "gross": f"{header.gross:f}",
    }


def _fingerprint(m: PlaceOrder) -> str:
    """Of what the order is. Who places it and what they were shown is no part of it."""
    return blake2b(m.model_dump_json(exclude={"actor", "expected_gross"}).encode(), digest_size=16).hexdigest()


def frozen(
    order_id: UUID, lines: Sequence[NewLine], rows: Rows, first_no: int, currency: str, place: str = "lines"
) -> list[Line]:
    """Copies what the channel left open from the catalogue; later changes there alter no order (R-09).

    A kit becomes lines of its components. Refused with every fault of every line.
    """
    unit = unit_of(currency)
    made: list[Line] = []
    faults: list[tuple[str, str]] = []
    for i, line in enumerate(lines):
        product = rows.find(Product, line.sku)
        if product is None and line.unit_price is None:
            faults.append((f"{place}.{i}.sku", f"{line.sku} is not in the catalogue and has no price."))
            continue
        known = product or UNKNOWN
        category, rate, reason = sold_with(line.vat_category, line.vat_rate, known.vat_category, known.vat_rate)
        if reason:
            faults.append((f"{place}.{i}.vat_rate", reason))
            continue
        row = Line(
            order_id=order_id,
            line_no=first_no + len(made),
            sku=line.sku,
            text=known.name if line.text is None else line.text,
            kind=known.kind if line.kind is None else line.kind,
            quantity=line.quantity,
            unit_price=known.price if line.unit_price is None else line.unit_price,
            discount=line.discount,
            vat_category=category,
            vat_rate=rate,
        )
        if line_amount(priced([row])[0], unit) < 0:
            faults.append((f"{place}.{i}.discount", f"The discount of {line.sku} is more than its price."))
        elif known.components:
            parts = [rows.find(Product, component.sku) for component in known.components]
            if reason := unsellable(known, parts):
                faults.append((f"{place}.{i}.sku", reason))
            else:
                made += lines_of_kit(row, known, parts, unit)
        else:
            made.append(row)
    if len(made) > MAX_LINES:
        faults.append((place, f"An order has at most {MAX_LINES} lines, those of the components of kits included."))
    if faults:
        (field, reason), *others = faults
        raise Refused(reason, field=field, also=others)
    return made


UNKNOWN = Product("", "", "", "", "goods", Decimal(0), "S", Decimal(0))
"""What is taken for a line whose SKU is not in the catalogue."""


def with_vat_of_goods(asked: Sequence[NewLine], lines: list[Line], currency: str) -> list[Line]:
    """Splits postage over the VAT rates of the goods by their amounts: where law takes it for part of the sale (R-07).

    Only postage whose rate the channel left open. Its parts are lines of their own, the first in its place and the
    others at the end; they sum to it exactly, and are refunded like any line.
    """
    unit = unit_of(currency)
    amounts = [line_amount(price, unit) for price in priced(lines)]
    worth: dict[tuple[str, Decimal], Decimal] = {}
    for line, amount in zip(lines, amounts, strict=True):
        if line.kind == "goods":
            key = (line.vat_category, line.vat_rate)
            worth[key] = worth.get(key, Decimal(0)) + amount
    if not any(worth.values()):
        return lines
    kept: list[Line] = []
    further: list[Line] = []
    open_rates = iter([new.vat_rate is None for new in asked])
    for line, amount in zip(lines, amounts, strict=True):
        of_its_own = line.kit is None or line.kit.no == line.line_no
        left_open = next(open_rates) if of_its_own else False
        if line.kind != "shipping" or not left_open:
            kept.append(line)
            continue
        if line.discount or line.unit_price % unit:  # only whole units can be spread so that parts sum to the whole
            line = replace(line, quantity=1, unit_price=amount, discount=Decimal(0))
        shares = zip(worth, allocate(line.unit_price, list(worth.values()), unit), strict=True)
        parts = [
            replace(line, unit_price=share, vat_category=category, vat_rate=rate)
            for (category, rate), share in shares
            if share or len(worth) == 1
        ]
        kept.append(parts[0] if parts else line)
        further += parts[1:]
    return kept + [replace(line, line_no=len(kept) + i) for i, line in enumerate(further, 1)]


def discounted(lines: list[Line], discount: Decimal, currency: str) -> list[Line]:
    """Spreads an order-level discount over the lines by their amounts, once and for good (R-07).

    A line that is given away gets its exact price as discount: rounded up it would be half a unit more, and what is
    left, half a unit below zero, is rounded away from it.
    """
    unit = unit_of(currency)
    if not discount:
        return lines
    weights = [line_amount(price, unit) for price in priced(lines)]
    if discount < 0 or rounded(discount, unit) > sum(weights):
        raise Refused("The discount is more than the order is worth, or negative.", field="discount")
    shares = allocate(rounded(discount, unit), weights, unit)
    return [
        replace(line, discount=line.quantity * line.unit_price if 0 < share == weight else line.discount + share)
        for line, share, weight in zip(lines, shares, weights, strict=True)
    ]
