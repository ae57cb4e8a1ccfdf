"""New orders, looked at before they are placed: each really decided, and undone."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field, ValidationError

from services.order.api.orders import OrderIn
from services.order.preview import new_order
from shared.contracts.order import PlaceOrder
from shared.guard import by_its_body, needs
from shared.http import Body, Rehearse, Rehearser, example, invalid, refusal
from shared.messaging.decision import Reply

router = APIRouter()
Item = dict[str, Any]
MAX_PREVIEWED = 200
"""Orders of one preview: while it is decided, nobody else can place one."""


class PreviewsIn(Body):
    """Each of `orders` is a body of POST /orders; one that is none is told so, and the others are looked at."""

    model_config = example(
        orders=[
            {
                "order_id": "0198a1b2-0000-7000-8000-000000000001",
                "lines": [{"sku": "mug", "quantity": 1, "unit_price": "5.00"}],
            }
        ]
    )

    orders: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=MAX_PREVIEWED)]


@router.post("/orders/batch/preview", tags=["orders"])
@needs("orders:place", by_its_body)
async def preview_many(body: PreviewsIn, rehearse: Rehearse) -> dict[str, Any]:
    """What each order would be if all were placed in turn: prices, sums, holds; or what is wrong with it, and where.

    `body` of an outcome below 400 is the order, with `repeated` where it was placed before; above, a problem whose
    errors name the fields of that order.
    """
    return {"outcomes": await previewed(body.orders, rehearse)}


async def previewed(orders: Sequence[Mapping[str, Any]], rehearse: Rehearser) -> list[Item]:
    """The outcomes of these, in their order: {"status", "body"}."""
    read = [_read(order, rehearse, f"orders.{i}.") for i, order in enumerate(orders)]
    decided = iter(await _rehearsed([of for of in read if isinstance(of, PlaceOrder)], rehearse))
    return [next(decided) if isinstance(of, PlaceOrder) else of for of in read]


def _read(order: Mapping[str, Any], rehearse: Rehearser, at: str) -> PlaceOrder | Item:
    """The order as it is placed, or the outcome that says why it is none."""
    try:
        return OrderIn.model_validate(order).command(rehearse, at)
    except ValidationError as error:
        return {"status": 422, "body": invalid(error)}


async def _rehearsed(orders: Sequence[PlaceOrder], rehearse: Rehearser) -> list[Item]:
    if not orders:
        return []
    outcome = await rehearse(*orders)
    replies = [reply for _, reply in outcome.answers]
    if len(orders) > 1 and all("error" in reply.body for reply in replies):
        # the database refused one of them, which undoes all: halving finds it
        middle = len(orders) // 2
        return [*await _rehearsed(orders[:middle], rehearse), *await _rehearsed(orders[middle:], rehearse)]

    def told(order: PlaceOrder, reply: Reply) -> Item:
        body = refusal(reply) if reply.status >= 400 else new_order(outcome.rows, order.order_id)
        return {"status": reply.status, "body": body}

    return [told(order, reply) for order, reply in zip(orders, replies, strict=True)]
