"""Kits: what may be one, how one becomes lines of its components, and that these are given up together. Pure.

No other service knows kits: each is asked for lines of components.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_UP, Decimal
from typing import Any

from services.order.quantities import Order, merged, pieces, shipped_by
from services.order.rows import Kit, Line, Product
from shared.contracts.money import allocate, rounded, unit_of
from shared.contracts.values import LineQuantity
from shared.messaging.decision import Refused

FINEST = Decimal("0.000001")
"""Prices of messages have six decimals (`Money`)."""


def misfits(
    products: Sequence[Product], known: Callable[[str], Product | None], kits_with: Callable[[str], Sequence[str]]
) -> Iterator[tuple[int, str, str]]:
    """What is wrong with kits and components among products that are to be so: (which of them, field, reason).

    Components are goods of the catalogue and no kits. `known`: a product as it is; `kits_with`: kits that it is in.
    """
    wanted = {product.sku: product for product in products}
    for i, product in enumerate(products):
        if product.components and product.kind != "goods":
            yield i, "kind", f"{product.sku} has components, so it is goods."
        if product.components or product.kind != "goods":
            for kit in kits_with(product.sku):
                if kit not in wanted or any(of.sku == product.sku for of in wanted[kit].components):
                    reason = f"{product.sku} is a component of the kit {kit}, so it is goods and no kit itself."
                    yield i, "components" if product.components else "kind", reason
        seen: set[str] = set()
        for j, component in enumerate(product.components):
            sku = component.sku
            found = wanted.get(sku) or known(sku)
            if sku == product.sku:
                reason = f"{sku} cannot be a component of itself."
            elif sku in seen:
                reason = f"{sku} is named twice; say how many pieces there are in all."
            elif found is None:
                reason = f"{sku} is not in the catalogue."
            elif found.components:
                reason = f"{sku} is a kit itself; name its components instead."
            elif found.kind != "goods":
                reason = f"{sku} is not goods."
            else:
                reason = ""
            seen.add(sku)
            if reason:
                yield i, f"components.{j}.sku", reason


# An order of kits


def unsellable(kit: Product, parts: Sequence[Product | None]) -> str:
    """Why a kit cannot be sold as it is; two who changed the catalogue at once may have left it so."""
    for component, part in zip(kit.components, parts, strict=True):
        if part is None or part.components or part.kind != "goods":
            return f"{kit.sku} is a kit, and its component {component.sku} is no goods of the catalogue."
    return ""


def lines_of_kit(sold: Line, kit: Product, parts: Sequence[Product | None], unit: Decimal) -> list[Line]:
    """A line of kits as lines of its components, worth exactly as much together, numbered on from its own number.

    Price and discount are shared once and for good by what the components cost alone (R-07), and by pieces where they
    cost nothing. VAT is that of the kit, which is what is sold.
    """
    known = [part for part in parts if part is not None]
    counts = [component.pieces for component in kit.components]
    weights = [part.price * count for part, count in zip(known, counts, strict=True)]
    of = Kit(sold.line_no, sold.sku, sold.text, sold.quantity, sold.unit_price)
    shares = shared_out(of, sold.discount, counts, weights, unit)
    return [
        replace(
            sold,
            line_no=sold.line_no + i,
            sku=part.sku,
            text=f"{sold.text or sold.sku}: {part.name or part.sku}"[:2000],
            kind="goods",
            quantity=of.count * count,
            unit_price=price,
            discount=discount,
            kit=of,
        )
        for i, (part, count, (price, discount)) in enumerate(zip(known, counts, shares, strict=True))
    ]


def shared_out(
    kit: Kit, discount: Decimal, counts: Sequence[int], weights: Sequence[Decimal], unit: Decimal
) -> list[tuple[Decimal, Decimal]]:
    """Per component the price of a piece and the discount of all its pieces, in the mode of the kit's price.

    `counts`: pieces per kit. A price of whole units is shared per kit, so that each kit has the same share of it. The
    price of a piece has six decimals; where they do not do for so many pieces, it is rounded up and a discount closes.
    """
    if not any(weights):
        weights = [Decimal(count) for count in counts]
    whole = rounded(kit.price * kit.count, unit)
    if kit.price % unit:
        amounts = allocate(whole, weights, unit)
    else:
        amounts = [share * kit.count for share in allocate(kit.price, weights, unit)]
    less = allocate(whole - rounded(kit.price * kit.count - discount, unit), amounts, unit)
    shares: list[tuple[Decimal, Decimal]] = []
    for count, amount, off in zip(counts, amounts, less, strict=True):
        number = kit.count * count
        price = rounded(amount / number, FINEST)
        if rounded(number * price, unit) != amount:
            price = (amount / number).quantize(FINEST, rounding=ROUND_UP)
            off += number * price - amount
        tidy = price.quantize(unit)
        shares.append((tidy if tidy == price else price.normalize(), off))
    return shares


def kits(lines: Sequence[Line]) -> dict[int, list[Line]]:
    """The lines of each kit of an order, by the kit's number; empty for nearly all orders."""
    found: dict[int, list[Line]] = {}
    for line in lines:
        if line.kit is not None:
            found.setdefault(line.kit.no, []).append(line)
    return found


def per_kit(line: Line) -> int:
    assert line.kit is not None
    return line.quantity // line.kit.count


def check_whole(order: Order, asked: Sequence[LineQuantity], name: str, *, less: bool = False) -> None:
    """Refused unless whole kits are named, with all their lines. `less`: of what is out, what is left will do."""
    wanted = dict(merged(tuple((of.line_no, of.quantity) for of in asked)))
    given_up = dict(order.progress.cancel_wanted)
    for lines in kits(order.lines).values():
        sets = max(-(-wanted.get(line.line_no, 0) // per_kit(line)) for line in lines)
        for line in lines:
            no, number, count = line.line_no, wanted.get(line.line_no, 0), order.counts[line.line_no]
            left = count.ordered - count.shipped - max(given_up.get(no, 0), count.cancelled)
            if number == sets * per_kit(line) or (less and number == min(sets * per_kit(line), max(left, 0))):
                continue
            i = next(i for i, of in enumerate(asked) if any(of.line_no == each.line_no for each in lines))
            raise Refused(_whole(lines), field=f"{name}.{i}.line_no")


def _whole(lines: Sequence[Line]) -> str:
    kit = lines[0].kit
    assert kit is not None
    numbers = ", ".join(str(line.line_no) for line in lines)
    parts = " + ".join(f"{per_kit(line)} x {line.sku}" for line in lines)
    return f"Lines {numbers} are the kit {kit.sku}, which is changed as a whole: {parts} for each."


def more_of(order: Order, more: Sequence[LineQuantity], next_no: int) -> list[Line]:
    """Lines of so many more pieces at the price that was frozen, without discounts; whole kits as kits of their own."""
    header, wanted = order.header, dict(merged(tuple((of.line_no, of.quantity) for of in more)))
    made: list[Line] = []
    known = kits(order.lines)
    for of in more:
        line = order.line(of.line_no)
        if line.kit is None:
            if of.quantity:
                made.append(replace(line, line_no=next_no + len(made), quantity=of.quantity, discount=Decimal(0)))
            continue
        lines = known.pop(line.kit.no, ())  # all its lines are named, and come together
        if not lines or not wanted.get(line.line_no):
            continue
        kit = replace(line.kit, no=next_no + len(made), count=wanted[line.line_no] // per_kit(line))
        counts = [per_kit(part) for part in lines]
        weights = [rounded(part.unit_price * per_kit(part), unit_of(header.currency)) for part in lines]
        shares = shared_out(kit, Decimal(0), counts, weights, unit_of(header.currency))
        for part, count, (price, discount) in zip(lines, counts, shares, strict=True):
            number, quantity = next_no + len(made), kit.count * count
            made.append(replace(part, line_no=number, quantity=quantity, unit_price=price, discount=discount, kit=kit))
    return made


def kits_follow(order: Order) -> Order:
    """A kit is given up as a whole: of each of its lines, as far as that is not out, however the first was lost."""
    if not order.progress.cancel_wanted or not (found := kits(order.lines)):
        return order
    cancelled, wanted = dict(order.progress.cancelled), dict(order.progress.cancel_wanted)
    for lines in found.values():
        sets = max(-(-wanted.get(line.line_no, 0) // per_kit(line)) for line in lines)
        for line in lines:
            no, count = line.line_no, order.counts[line.line_no]
            gone = min(sets * per_kit(line), count.ordered - count.shipped)
            if gone > wanted.get(no, 0):
                wanted[no] = gone
                cancelled[no] = max(count.cancelled, min(gone, count.cancelled + count.unreleased))
    if pieces(wanted) == order.progress.cancel_wanted:
        return order
    return order.moved(cancelled=pieces(cancelled), cancel_wanted=pieces(wanted))


def described(order: Order) -> list[dict[str, Any]]:
    """The kits of an order: how many are out and delivered as complete sets (R-30), and what is out besides."""
    out = dict(merged(*(shipped_by(shipment) for shipment in order.shipments)))
    there = dict(merged(*(shipped_by(of) for of in order.shipments if of.heard and of.heard.state == "delivered")))
    return [_described(order, lines, out, there) for lines in kits(order.lines).values()]


def _described(order: Order, lines: Sequence[Line], out: Mapping[int, int], there: Mapping[int, int]) -> dict[str, Any]:
    kit = lines[0].kit
    assert kit is not None
    shipped, delivered = (min(found.get(line.line_no, 0) // per_kit(line) for line in lines) for found in (out, there))
    left = {line: out.get(line.line_no, 0) - shipped * per_kit(line) for line in lines}
    return {
        "no": kit.no,
        "sku": kit.sku,
        "text": kit.text,
        "price": f"{kit.price:f}",
        "ordered": kit.count,
        "shipped": shipped,
        "delivered": delivered,
        "open": any(order.counts[line.line_no].open for line in lines),
        "lines": [{"line_no": line.line_no, "sku": line.sku, "pieces": per_kit(line)} for line in lines],
        "leftovers": [
            {"line_no": line.line_no, "sku": line.sku, "quantity": number} for line, number in left.items() if number
        ],
    }
