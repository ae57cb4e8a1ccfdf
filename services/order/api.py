"""HTTP in: orders, wishes, catalogue, customers, channels. Parse, make one command, shape the answer."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, Field, StringConstraints

from services.order import queries, withdrawal
from services.order.preview import preview
from shared.clock import new_id
from shared.contracts.order import (
    AcceptDate,
    CancelOrder,
    Channel,
    Customer,
    EditOrder,
    HoldOrder,
    NewLine,
    OrderStatus,
    PlaceOrder,
    Product,
    RegisterChannel,
    RegisterCustomers,
    RegisterProducts,
    ReleaseHold,
    ReturnGoods,
)
from shared.contracts.values import MAX_LINES, Address, LineKind, LineQuantity, PaymentMethod
from shared.etag import ANY, etag_of
from shared.http import (
    Ask,
    Body,
    IfMatch,
    NotFound,
    Paging,
    Reader,
    Rehearse,
    Rehearser,
    Tell,
    answered,
    example,
    jsonable,
    no_cursor,
    page_of,
)
from shared.messaging.decision import Row
from shared.messaging.effects import effects

router = APIRouter()

NO_NUL = r"^[^\x00]*$"
Short = Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)]
Long = Annotated[str, StringConstraints(max_length=2000, pattern=NO_NUL)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]
Pieces = Annotated[int, Field(gt=0, le=1_000_000)]
Amount = Annotated[Decimal, Field(ge=0, max_digits=16, decimal_places=6)]
Rate = Annotated[Decimal, Field(ge=0, le=100, decimal_places=6)]
MAX_ORDERS = 1000


class AddressIn(Body):
    name: Short = ""
    company: Short = ""
    street: Annotated[tuple[Short, ...], Field(max_length=5)] = ()
    postcode: Annotated[str, StringConstraints(max_length=20, pattern=NO_NUL)] = ""
    city: Short = ""
    region: Short = ""
    country: Annotated[str, Field(pattern="^([A-Z]{2})?$")] = ""
    email: Short = ""
    phone: Short = ""

    def value(self) -> Address:
        return Address(**dict(self))


class LineIn(Body):
    """One line; what is left out is taken from the catalogue and frozen."""

    sku: Name
    quantity: Pieces
    unit_price: Amount | None = None
    discount: Amount = Decimal(0)
    text: Long | None = None
    kind: LineKind | None = None
    vat_category: Annotated[str, Field(pattern="^[A-Z]{1,2}$")] | None = None
    vat_rate: Rate | None = None

    def value(self) -> NewLine:
        return NewLine(**dict(self))


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

    def command(self, otherwise: UUID, actor: str) -> PlaceOrder:
        fields = dict(self) | {
            "order_id": self.order_id or otherwise,
            "ship_to": self.ship_to.value(),
            "bill_to": None if self.bill_to is None else self.bill_to.value(),
            "lines": tuple(line.value() for line in self.lines),
            "actor": actor,
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


class PiecesIn(Body):
    line_no: Annotated[int, Field(ge=1, le=1_000_000)]
    quantity: Pieces

    def value(self) -> LineQuantity:
        return LineQuantity(line_no=self.line_no, quantity=self.quantity)


LinesIn = Annotated[tuple[PiecesIn, ...], Field(max_length=MAX_LINES)]
Quote = Annotated[
    str,
    StringConstraints(max_length=64, pattern=NO_NUL),
    Field(description="`quote` of the preview that was looked at: 409, and nothing done, when the order changed since"),
]


class CancelIn(Body):
    """No lines: everything that is not out."""

    model_config = example(lines=[{"line_no": 1, "quantity": 1}], reason="the customer changed her mind")

    lines: LinesIn = ()
    reason: Long = ""
    quote: Quote = ""

    def command(self, order_id: UUID, actor: str) -> CancelOrder:
        lines = tuple(line.value() for line in self.lines)
        return CancelOrder(order_id=order_id, lines=lines, reason=self.reason, actor=actor, quote=self.quote)


HoldName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]


class HoldIn(Body):
    model_config = example(reason="check the address")

    reason: HoldName
    quote: Quote = ""

    def command(self, order_id: UUID, actor: str) -> HoldOrder:
        return HoldOrder(order_id=order_id, reason=self.reason, actor=actor, quote=self.quote)


class ReleaseIn(Body):
    model_config = example(reason="check the address")

    reason: HoldName
    note: Long = ""
    quote: Quote = ""

    def command(self, order_id: UUID, actor: str) -> ReleaseHold:
        return ReleaseHold(order_id=order_id, reason=self.reason, note=self.note, actor=actor, quote=self.quote)


class EditIn(Body):
    model_config = example(more=[{"line_no": 1, "quantity": 1}], priority=10, reason="a birthday present")

    more: LinesIn = ()
    add: Annotated[tuple[LineIn, ...], Field(max_length=MAX_LINES)] = ()
    ship_to: AddressIn | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    reason: Long = ""
    quote: Quote = ""

    def command(self, order_id: UUID, actor: str, version: int | None) -> EditOrder:
        return EditOrder(
            order_id=order_id,
            version=version,
            more=tuple(line.value() for line in self.more),
            add=tuple(line.value() for line in self.add),
            ship_to=None if self.ship_to is None else self.ship_to.value(),
            priority=self.priority,
            reason=self.reason,
            actor=actor,
            quote=self.quote,
        )


class ReturnIn(Body):
    model_config = example(
        shipment_id="0198a1b2-0000-7000-8000-000000000002", lines=[{"line_no": 1, "quantity": 1}], reason="does not fit"
    )

    return_id: UUID | None = None
    shipment_id: UUID
    lines: Annotated[tuple[PiecesIn, ...], Field(min_length=1, max_length=MAX_LINES)]
    reason: Long = ""
    quote: Quote = ""
    withdrawal: bool = Field(False, description="the customer's own word: 409 when the period of withdrawal is over")

    def command(self, order_id: UUID, actor: str, key_id: UUID) -> ReturnGoods:
        return ReturnGoods(
            order_id=order_id,
            return_id=self.return_id or key_id,
            shipment_id=self.shipment_id,
            lines=tuple(line.value() for line in self.lines),
            reason=self.reason,
            actor=actor,
            quote=self.quote,
            withdrawal=self.withdrawal,
        )


class ProductFields(Body):
    model_config = example(name="Mug", category="Kitchen", price="12.50", vat_rate="21")

    name: Long = ""
    category: Short = ""
    brand: Short = ""
    kind: LineKind = "goods"
    price: Amount = Decimal(0)
    vat_category: Annotated[str, Field(pattern="^[A-Z]{1,2}$")] = "S"
    vat_rate: Rate = Decimal(0)


class ProductIn(ProductFields):
    sku: Name


class ProductsIn(Body):
    model_config = example(products=[{"sku": "mug", "name": "Mug", "price": "12.50", "vat_rate": "21"}])

    products: Annotated[tuple[ProductIn, ...], Field(min_length=1, max_length=MAX_LINES)]


class CustomerFields(Body):
    model_config = example(name="Anna", email="anna@example.org", addresses=[{"city": "Utrecht", "country": "NL"}])

    name: Long = ""
    email: Short = ""
    addresses: Annotated[tuple[AddressIn, ...], Field(max_length=50)] = ()

    def value(self, customer_id: str) -> Customer:
        addresses = tuple(address.value() for address in self.addresses)
        return Customer(customer_id=customer_id, name=self.name, email=self.email, addresses=addresses)


class CustomerIn(CustomerFields):
    customer_id: Name


class CustomersIn(Body):
    model_config = example(
        customers=[{"customer_id": "anna", "name": "Anna", "addresses": [{"city": "Utrecht", "country": "NL"}]}]
    )

    customers: Annotated[tuple[CustomerIn, ...], Field(min_length=1, max_length=MAX_LINES)]


class ChannelIn(Body):
    model_config = example(name="Web shop")

    name: Short = ""


OrderId = Annotated[UUID, Path()]
Key = Annotated[str, Path(min_length=1, max_length=64, pattern=NO_NUL)]
Word = Annotated[str | None, Query(max_length=200, pattern=NO_NUL)]


@router.post("/orders", status_code=201, tags=["orders"])
async def place(body: OrderIn, ask: Ask) -> Response:
    """Stored, numbered, and its saga has begun. Sent again it gets the same answer."""
    return await ask(body.command(ask.key_id, ask.actor))


@router.post("/orders/batch", tags=["orders"])
async def place_many(body: OrdersIn, ask: Ask) -> Response:
    """Up to 1,000 orders, each with its own outcome. Each needs its `order_id`, so that a repeat finds it."""
    for i, order in enumerate(body.orders):
        if order.order_id is None:
            missing = {"type": "missing", "loc": ("body", "orders", i, "order_id"), "msg": "Field required"}
            raise RequestValidationError([missing])
    return await ask.each([order.command(ask.key_id, ask.actor) for order in body.orders])


@router.get("/orders", tags=["orders"])
async def list_orders(
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
        channel=channel,
        customer=customer,
        sku=sku,
        since=_utc(since),
        until=_utc(until),
        number=number,
        after=_moment_and_id(paging.after),
        limit=paging.limit + 1,
    )
    return page_of(found, paging, key=lambda row: (row["placed_at"], row["id"]))


@router.get("/orders/summaries", tags=["orders"])
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


def _moment_and_id(cursor: list[Any] | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    try:
        moment, order_id = cursor
        return datetime.fromisoformat(moment), UUID(order_id)
    except (ValueError, TypeError, AttributeError):
        raise no_cursor() from None


def _word(cursor: list[Any] | None) -> str | None:
    if cursor is None:
        return None
    if len(cursor) != 1 or not isinstance(cursor[0], str) or "\x00" in cursor[0]:
        raise no_cursor()
    return cursor[0]


@router.get("/orders/by-number/{number}", tags=["orders"])
async def by_number(number: Annotated[str, Path(max_length=64, pattern=NO_NUL)], conn: Reader) -> Response:
    """The order with this number."""
    order_id = await queries.id_of(conn, number)
    if order_id is None:
        raise NotFound("order", number)
    return await get_order(order_id, conn)


@router.get("/orders/{order_id}", tags=["orders"])
async def get_order(order_id: OrderId, conn: Reader) -> Response:
    """One order: where every piece is, shipments, money, returns, history, and why it does not move."""
    found = await queries.order(conn, order_id)
    if found is None:
        raise NotFound("order", order_id)
    return JSONResponse(found, headers={"ETag": f'"{found["version"]}"'})


@router.get("/orders/{order_id}/history", tags=["orders"])
async def get_history(order_id: OrderId, conn: Reader) -> dict[str, Any]:
    """Who did what, why, when, caused by which message."""
    entries = await queries.history(conn, order_id)
    if not entries:
        raise NotFound("order", order_id)
    return {"items": entries}


@router.get("/orders/{order_id}/withdrawal", tags=["orders"])
async def get_withdrawal(order_id: OrderId, conn: Reader, request: Request) -> dict[str, Any]:
    """Until when the customer may withdraw, and which goods of delivered parcels can still come back.

    `until` is the last day, null as long as goods are still to be delivered; `send_by` holds for who withdraws now.
    """
    found = await queries.load(conn, order_id)
    if found is None:
        raise NotFound("order", order_id)
    running = request.app.state.running
    return withdrawal.described(found, running.service.policy.withdrawal, running.now())


@router.post("/orders/{order_id}/cancel", tags=["wishes"])
async def cancel(order_id: OrderId, body: CancelIn, ask: Ask) -> Response:
    """Cancels what is not out; 409 when everything asked for was handed over already."""
    return await ask(body.command(order_id, ask.actor))


@router.post("/orders/{order_id}/cancel/preview", tags=["wishes"])
async def preview_cancel(order_id: OrderId, body: CancelIn, rehearse: Rehearse) -> Response:
    """What cancelling would do: pieces, stock, money, shipments, messages. Really decided, and undone."""
    return await _previewed(body.command(order_id, rehearse.actor), rehearse)


async def _previewed(
    wish: CancelOrder | HoldOrder | ReleaseHold | EditOrder | ReturnGoods, rehearse: Rehearser
) -> Response:
    outcome = await rehearse(wish)
    ((_, reply),) = outcome.answers
    if reply.status >= 400:
        return answered(reply)
    told = preview(outcome.rows, wish.order_id, [event.data for event, _ in outcome.sent])
    return JSONResponse(jsonable({**told, "effects": effects(outcome)}))


@router.post("/orders/{order_id}/hold", tags=["wishes"])
async def hold(order_id: OrderId, body: HoldIn, ask: Ask) -> Response:
    """Stops the order and pulls back what is not out."""
    return await ask(body.command(order_id, ask.actor))


@router.post("/orders/{order_id}/hold/preview", tags=["wishes"])
async def preview_hold(order_id: OrderId, body: HoldIn, rehearse: Rehearse) -> Response:
    """What this hold would do: pieces, stock, money, shipments, messages. Really decided, and undone."""
    return await _previewed(body.command(order_id, rehearse.actor), rehearse)


@router.post("/orders/{order_id}/release", tags=["wishes"])
async def release(order_id: OrderId, body: ReleaseIn, ask: Ask) -> Response:
    """Takes one hold away."""
    return await ask(body.command(order_id, ask.actor))


@router.post("/orders/{order_id}/release/preview", tags=["wishes"])
async def preview_release(order_id: OrderId, body: ReleaseIn, rehearse: Rehearse) -> Response:
    """What taking this hold away would do: pieces, stock, money, shipments, messages. Really decided, and undone."""
    return await _previewed(body.command(order_id, rehearse.actor), rehearse)


@router.post("/orders/{order_id}/edit", tags=["wishes"])
async def edit(order_id: OrderId, body: EditIn, ask: Ask, if_match: IfMatch) -> Response:
    """More of a line, new lines, another address or priority."""
    return await ask(body.command(order_id, ask.actor, _version(if_match)))


@router.post("/orders/{order_id}/edit/preview", tags=["wishes"])
async def preview_edit(order_id: OrderId, body: EditIn, rehearse: Rehearse, if_match: IfMatch) -> Response:
    """What the edit would do: pieces, stock, money, shipments, messages. Really decided, and undone."""
    return await _previewed(body.command(order_id, rehearse.actor, _version(if_match)), rehearse)


def _version(if_match: str) -> int | None:
    """The version of an order that its ETag names; one that no order has, if it is no tag of ours."""
    if if_match in ("", ANY):
        return None
    return int(if_match) if if_match.isdecimal() and len(if_match) < 10 else 0


@router.post("/orders/{order_id}/returns", status_code=201, tags=["wishes"])
async def return_goods(order_id: OrderId, body: ReturnIn, ask: Ask) -> Response:
    """The customer sends back pieces of one shipment."""
    return await ask(body.command(order_id, ask.actor, ask.key_id))


@router.post("/orders/{order_id}/returns/preview", tags=["wishes"])
async def preview_return(order_id: OrderId, body: ReturnIn, rehearse: Rehearse) -> Response:
    """What taking these pieces back would do. Really decided, and undone."""
    return await _previewed(body.command(order_id, rehearse.actor, new_id()), rehearse)


@router.post("/orders/{order_id}/accept-date", tags=["wishes"])
async def accept_date(order_id: OrderId, ask: Ask) -> Response:
    """The customer accepts the newest promised date."""
    return await ask(AcceptDate(order_id=order_id, actor=ask.actor))


@router.put("/products", tags=["catalogue"])
async def put_products(body: ProductsIn, tell: Tell) -> Response:
    """An import: creates or changes products; the last one wins. Orders keep what they were placed with."""
    return await tell(RegisterProducts(products=tuple(Product(**dict(product)) for product in body.products)))


@router.get("/products", tags=["catalogue"])
async def list_products(
    conn: Reader,
    paging: Paging,
    sku: Annotated[tuple[Name, ...], Query(max_length=200)] = (),
    search: Word = None,
    brand: Word = None,
    category: Word = None,
) -> dict[str, Any]:
    """Products by SKU: these SKUs, if any are named; `search` finds the beginning of a SKU or a part of a name."""
    found = await queries.products(
        conn, skus=sku, search=search, brand=brand, category=category, after=_word(paging.after),
        limit=paging.limit + 1,
    )  # fmt: skip
    return page_of(found, paging, key=lambda row: (row["sku"],))


@router.get("/products/{sku:path}", tags=["catalogue"])
async def get_product(sku: Key, conn: Reader) -> Response:
    """One product."""
    return _tagged("product", sku, await queries.product(conn, sku))


def _tagged(what: str, key: str, found: tuple[Row, queries.Item] | None) -> Response:
    """The thing with the entity tag that an edit names in If-Match."""
    if found is None:
        raise NotFound(what, key)
    row, item = found
    return JSONResponse(item, headers={"ETag": f'"{etag_of([row])}"'})


@router.put("/products/{sku:path}", tags=["catalogue"])
async def put_product(sku: Key, body: ProductFields, tell: Tell, if_match: IfMatch) -> Response:
    """Creates or changes one product; orders keep what they were placed with."""
    return await tell(RegisterProducts(products=(Product(sku=sku, **dict(body)),), if_match=if_match))


@router.put("/customers", tags=["customers"])
async def put_customers(body: CustomersIn, tell: Tell) -> Response:
    """An import: creates or changes customers; the last one wins."""
    customers = tuple(customer.value(customer.customer_id) for customer in body.customers)
    return await tell(RegisterCustomers(customers=customers))


@router.get("/customers", tags=["customers"])
async def list_customers(conn: Reader, paging: Paging, search: Word = None) -> dict[str, Any]:
    """Customers by id; `search` finds the beginning of an id, a part of a name, or an email address."""
    found = await queries.customers(conn, search=search, after=_word(paging.after), limit=paging.limit + 1)
    return page_of(found, paging, key=lambda row: (row["customer_id"],))


@router.get("/customers/{customer_id}", tags=["customers"])
async def get_customer(customer_id: Key, conn: Reader) -> Response:
    """One customer with all addresses."""
    return _tagged("customer", customer_id, await queries.customer(conn, customer_id))


@router.put("/customers/{customer_id}", tags=["customers"])
async def put_customer(customer_id: Key, body: CustomerFields, tell: Tell, if_match: IfMatch) -> Response:
    """Creates or changes one customer. Orders keep the addresses that they were placed with."""
    return await tell(RegisterCustomers(customers=(body.value(customer_id),), if_match=if_match))


@router.get("/channels", tags=["channels"])
async def list_channels(conn: Reader, paging: Paging) -> dict[str, Any]:
    """Sales channels by code."""
    found = await queries.channels(conn, after=_word(paging.after), limit=paging.limit + 1)
    return page_of(found, paging, key=lambda row: (row["code"],))


@router.get("/channels/{code}", tags=["channels"])
async def get_channel(code: Key, conn: Reader) -> Response:
    """One sales channel."""
    return _tagged("channel", code, await queries.channel(conn, code))


@router.put("/channels/{code}", tags=["channels"])
async def put_channel(code: Key, body: ChannelIn, tell: Tell, if_match: IfMatch) -> Response:
    """Creates or changes a sales channel."""
    return await tell(RegisterChannel(channel=Channel(code=code, name=body.name), if_match=if_match))
