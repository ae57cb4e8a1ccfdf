"""Orders: placed, listed, looked at."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, Field, StringConstraints

from services.order import queries, withdrawal
from services.order.api.channel import bound_to, of_the_number, of_the_order, of_the_orders, of_the_query
from services.order.api.fields import NO_NUL, AddressIn, Amount, LineIn, Name, OrderId, Short, Word
from shared.contracts.order import OrderStatus, PlaceOrder
from shared.contracts.values import MAX_LINES, PaymentMethod
from shared.guard import OtherChannel, by_its_body, needs
from shared.http import Ask, Body, NotFound, Paging, Reader, example, page_of

router = APIRouter()
MAX_ORDERS = 1000


class Caller(Protocol):
    """Who asks: the id for an order without one, the name for the history, the channel that the key is bound to."""

    @property
    def key_id(self) -> UUID: ...
    @property
    def actor(self) -> str: ...
    @property
    def channel(self) -> str | None: ...


class OrderIn(Body):
    """A new order. Without an id of its own it gets one from the Idempotency-Key."""

    model_config = example(
        channel="web",
        external_id="2026-000123",
        customer_id="anna",
        payment_method="card",
        payment_token="tok_visa",
        ship_to={
            "name": "Anna de Vries",
            "street": ["Oudegracht 1"],
            "postcode": "3511 AB",
            "city": "Utrecht",
            "country": "NL",
        },
        lines=[{"sku": "mug", "quantity": 2, "unit_price": "12.50", "vat_rate": "21"}],
    )

    order_id: UUID | None = None
    channel: Name = "web"
    external_id: Short = ""
    customer_id: Annotated[str, StringConstraints(max_length=64, pattern=NO_NUL)] = ""
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "EUR"
    prices_include_vat: bool = False
    payment_method: PaymentMethod = "card"
    payment_token: Short = ""
    ship_to: AddressIn = AddressIn()
    bill_to: AddressIn | None = None
    lines: Annotated[tuple[LineIn, ...], Field(min_length=1, max_length=MAX_LINES)]
    discount: Amount = Decimal(0)
    ship_complete: bool = False
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    service_level: Name = "standard"
    placed_at: (
        Annotated[AwareDatetime, Field(ge=datetime(1990, 1, 1, tzinfo=UTC), le=datetime(2100, 1, 1, tzinfo=UTC))] | None
    ) = None
    hold: Short = ""
    expected_gross: Amount | None = Field(None, description="what was shown: 409 when it comes to another sum by now")

    def command(self, ask: Caller, at: str = "") -> PlaceOrder:
        """Raises OtherChannel for a channel that the caller's key is not bound to; one that is not named is that one.

        `at`: where in the body the order stands.
        """
        if ask.channel is not None and "channel" in self.model_fields_set and self.channel != ask.channel:
            raise OtherChannel(ask.channel, f"{at}channel")
        fields = dict(self) | {
            "order_id": self.order_id or ask.key_id,
            "channel": ask.channel or self.channel,
            "ship_to": self.ship_to.value(),
            "bill_to": None if self.bill_to is None else self.bill_to.value(),
            "lines": tuple(line.value() for line in self.lines),
            "actor": ask.actor,
        }
        return PlaceOrder(**fields)


class OrdersIn(Body):
    model_config = example(
        orders=[
            {
                "order_id": "0198a1b2-0000-7000-8000-000000000001",
                "lines": [{"sku": "mug", "quantity": 1, "unit_price": "5.00"}],
            }
        ]
    )

    orders: Annotated[tuple[OrderIn, ...], Field(min_length=1, max_length=MAX_ORDERS)]


@router.post("/orders", status_code=201, tags=["orders"])
@needs("orders:place", by_its_body)
async def place(body: OrderIn, ask: Ask) -> Response:
    """Stored, numbered, and its saga has begun. Sent again it gets the same answer."""
    return await ask(body.command(ask))


@router.post("/orders/batch", tags=["orders"])
@needs("orders:place", by_its_body)
async def place_many(body: OrdersIn, ask: Ask) -> Response:
    """Up to 1,000 orders, each with its own outcome. Each needs its `order_id`, so that a repeat finds it."""
    for i, order in enumerate(body.orders):
        if order.order_id is None:
            missing = {"type": "missing", "loc": ("body", "orders", i, "order_id"), "msg": "Field required"}
            raise RequestValidationError([missing])
    return await ask.each([order.command(ask, f"orders.{i}.") for i, order in enumerate(body.orders)])


@router.get("/orders", tags=["orders"])
@needs("orders:read", of_the_query)
async def list_orders(
    request: Request,
    conn: Reader,
    paging: Paging,
    status: OrderStatus | None = None,
    channel: Word = None,
    customer: Word = None,
    sku: Word = None,
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to", description="not included")] = None,
    number: Word = None,
) -> dict[str, Any]:
    """Orders, the newest first."""
    found = await queries.orders(
        conn,
        status=status,
        channel=bound_to(request) or channel,
        customer=customer,
        sku=sku,
        since=_utc(since),
        until=_utc(until),
        number=number,
        after=paging.place(datetime, UUID),
        limit=paging.limit + 1,
    )
    return page_of(found, paging, key=lambda row: (row["placed_at"], row["id"]))


@router.get("/orders/summaries", tags=["orders"])
@needs("orders:read", of_the_orders)
async def get_summaries(
    conn: Reader, id: Annotated[list[UUID], Query(min_length=1, max_length=queries.MOST_SUMMARIES)]
) -> dict[str, Any]:
    """What a list shows of each of these orders, why it does not move, and which statements it knows.

    Orders that are not there are left out.
    """
    return {"items": await queries.summaries(conn, id)}


def _utc(moment: datetime | None) -> datetime | None:
    """PostgreSQL knows fewer moments than a query may name; near the ends of time nothing was ordered."""
    if moment is None:
        return None
    return min(max(moment, datetime(1900, 1, 2, tzinfo=UTC)), datetime(9000, 1, 1, tzinfo=UTC))


@router.get("/orders/by-number/{number}", tags=["orders"])
@needs("orders:read", of_the_number)
async def by_number(number: Annotated[str, Path(max_length=64, pattern=NO_NUL)], conn: Reader) -> Response:
    """The order with this number."""
    order_id = await queries.id_of(conn, number)
    if order_id is None:
        raise NotFound("order", number)
    return await get_order(order_id, conn)


@router.get("/orders/{order_id}", tags=["orders"])
@needs("orders:read", of_the_order)
async def get_order(order_id: OrderId, conn: Reader) -> Response:
    """One order: where every piece is, shipments, money, returns, history, and why it does not move.

    `kit` of a line is the `no` of the kit that it is a component of. Of `kits` complete sets alone are `shipped` and
    `delivered`; `leftovers` are pieces that are out besides.
    """
    found = await queries.order(conn, order_id)
    if found is None:
        raise NotFound("order", order_id)
    return JSONResponse(found, headers={"ETag": f'"{found["version"]}"'})


@router.get("/orders/{order_id}/history", tags=["orders"])
@needs("orders:read", of_the_order)
async def get_history(order_id: OrderId, conn: Reader) -> dict[str, Any]:
    """Who did what, why, when, caused by which message."""
    entries = await queries.history(conn, order_id)
    if not entries:
        raise NotFound("order", order_id)
    return {"items": entries}


@router.get("/orders/{order_id}/withdrawal", tags=["orders"])
@needs("orders:read", of_the_order)
async def get_withdrawal(order_id: OrderId, conn: Reader, request: Request) -> dict[str, Any]:
    """Until when the customer may withdraw, and which goods of delivered parcels can still come back.

    `until` is the last day, null as long as goods are still to be delivered; `send_by` holds for who withdraws now.
    """
    found = await queries.load(conn, order_id)
    if found is None:
        raise NotFound("order", order_id)
    running = request.app.state.running
    return withdrawal.described(found, running.service.policy.withdrawal, running.now())
