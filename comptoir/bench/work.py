"""The work that is measured: seeded two-line orders over 200 products in two warehouses."""

import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from comptoir.sender import Sender
from shared.contracts.inventory import Item, ReceiveStock, RegisterItems, RegisterWarehouse, StockLine
from shared.contracts.order import NewLine, PlaceOrder, Product, RegisterProducts
from shared.contracts.values import Address

SKUS = 200
CHANNEL = "bench"
SEED = 4711
ADDRESS = Address(name="A. Customer", street=("1 High Street",), postcode="AB1 2CD", city="Town", country="GB")


def two_lines(sender: Sender, i: int, draw: random.Random) -> PlaceOrder:
    first, second = draw.sample(range(SKUS), 2)
    return PlaceOrder(
        order_id=sender.id_of(f"order/{i}"),
        channel=CHANNEL,
        external_id=f"bench-{i}",
        currency="GBP",
        payment_token="tok_bench",
        ship_to=ADDRESS,
        lines=(
            NewLine(sku=f"SKU-{first:03}", quantity=draw.randint(1, 3)),
            NewLine(sku=f"SKU-{second:03}", quantity=1),
        ),
    )


def wishes(sender: Sender, orders: int, begin: int = 0) -> list[PlaceOrder]:
    """Orders `begin` and on, the same in every run."""
    draw = random.Random(SEED + begin)
    return [two_lines(sender, i, draw) for i in range(begin, begin + orders)]


def arrivals(draw: random.Random, per_s: float, seconds: float) -> list[float]:
    """Seconds from the start at which something comes, as a Poisson process."""
    found, moment = [], 0.0
    while per_s and (moment := moment + draw.expovariate(per_s)) < seconds:
        found.append(moment)
    return found


def body(order: PlaceOrder) -> dict[str, Any]:
    """The same order as the API takes it."""
    wanted = {"order_id", "channel", "external_id", "currency", "payment_token", "ship_to"}
    lines = [{"sku": line.sku, "quantity": line.quantity} for line in order.lines]
    return {**order.model_dump(mode="json", include=wanted), "lines": lines}


async def prepare(sender: Sender, orders: int, known: Callable[[], Awaitable[object]] | None = None) -> None:
    """Two warehouses, 200 products at 20 % VAT, stock for all orders.

    `known` waits until warehouses and products are stored: with copies of a service, a receipt could be handled first.
    """
    skus = [f"SKU-{i:03}" for i in range(SKUS)]
    for code, rank in (("north", 1), ("south", 2)):
        await sender.send([RegisterWarehouse(code=code, country="GB", rank=rank)])
    await sender.send([RegisterItems(items=tuple(Item(sku=sku) for sku in skus))])
    price = Decimal("12.35")
    products = tuple(Product(sku=sku, name=f"Product {sku}", price=price, vat_rate=Decimal(20)) for sku in skus)
    await sender.send([RegisterProducts(products=products)])
    if known is not None:
        await known()
    for code in ("north", "south"):
        lines = tuple(StockLine(sku=sku, quantity=orders * 4 + 100) for sku in skus)
        await sender.send([ReceiveStock(warehouse=code, reference=f"opening-{code}", lines=lines)])
