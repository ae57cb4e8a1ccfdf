"""What people wish of an order: each is shown before it is done, really decided and undone."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import Field, StringConstraints

from services.order.api.channel import of_the_order
from services.order.api.fields import NO_NUL, AddressIn, LineIn, Long, Name, OrderId, Pieces
from services.order.preview import preview
from shared.clock import new_id
from shared.contracts.order import AcceptDate, CancelOrder, EditOrder, HoldOrder, ReleaseHold, ReturnGoods
from shared.contracts.values import MAX_LINES, LineQuantity
from shared.etag import ANY
from shared.guard import needs
from shared.http import Ask, Body, IfMatch, Rehearse, Rehearser, answered, example, jsonable
from shared.messaging.effects import effects

router = APIRouter()


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
    """No lines: everything that is not out. Of a kit all lines are named, each by the pieces of whole kits."""

    model_config = example(lines=[{"line_no": 1, "quantity": 1}], reason="the customer changed her mind")

    lines: LinesIn = ()
    reason: Long = ""
    quote: Quote = ""

    def command(self, order_id: UUID, actor: str, version: int | None) -> CancelOrder:
        lines = tuple(line.value() for line in self.lines)
        return CancelOrder(
            order_id=order_id, lines=lines, reason=self.reason, actor=actor, quote=self.quote, version=version
        )


HoldName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]


class HoldIn(Body):
    model_config = example(reason="check the address")

    reason: HoldName
    quote: Quote = ""

    def command(self, order_id: UUID, actor: str, version: int | None) -> HoldOrder:
        return HoldOrder(order_id=order_id, reason=self.reason, actor=actor, quote=self.quote, version=version)


class ReleaseIn(Body):
    model_config = example(reason="check the address")

    reason: HoldName
    note: Long = ""
    quote: Quote = ""

    def command(self, order_id: UUID, actor: str, version: int | None) -> ReleaseHold:
        return ReleaseHold(
            order_id=order_id, reason=self.reason, note=self.note, actor=actor, quote=self.quote, version=version
        )


class EditIn(Body):
    model_config = example(more=[{"line_no": 1, "quantity": 1}], priority=10, reason="a birthday present")

    more: LinesIn = ()
    less: LinesIn = ()
    add: Annotated[tuple[LineIn, ...], Field(max_length=MAX_LINES)] = ()
    ship_to: AddressIn | None = None
    service_level: Name | None = None
    ship_complete: bool | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    reason: Long = ""
    quote: Quote = ""

    def command(self, order_id: UUID, actor: str, version: int | None) -> EditOrder:
        return EditOrder(
            order_id=order_id,
            version=version,
            more=tuple(line.value() for line in self.more),
            less=tuple(line.value() for line in self.less),
            service_level=self.service_level,
            ship_complete=self.ship_complete,
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

    def command(self, order_id: UUID, actor: str, key_id: UUID, version: int | None) -> ReturnGoods:
        return ReturnGoods(
            order_id=order_id,
            return_id=self.return_id or key_id,
            shipment_id=self.shipment_id,
            lines=tuple(line.value() for line in self.lines),
            reason=self.reason,
            actor=actor,
            quote=self.quote,
            withdrawal=self.withdrawal,
            version=version,
        )


@router.post("/orders/{order_id}/cancel", tags=["wishes"])
@needs("orders:change", of_the_order)
async def cancel(order_id: OrderId, body: CancelIn, ask: Ask, if_match: IfMatch) -> Response:
    """Cancels what is not out; 409 when everything asked for was handed over already."""
    return await ask(body.command(order_id, ask.actor, _version(if_match)))


@router.post("/orders/{order_id}/cancel/preview", tags=["wishes"])
@needs("orders:change", of_the_order)
async def preview_cancel(order_id: OrderId, body: CancelIn, rehearse: Rehearse, if_match: IfMatch) -> Response:
    """What cancelling would do: pieces, stock, money, shipments, messages. Really decided, and undone."""
    return await _previewed(body.command(order_id, rehearse.actor, _version(if_match)), rehearse)


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
@needs("orders:change", of_the_order)
async def hold(order_id: OrderId, body: HoldIn, ask: Ask, if_match: IfMatch) -> Response:
    """Stops the order and pulls back what is not out."""
    return await ask(body.command(order_id, ask.actor, _version(if_match)))


@router.post("/orders/{order_id}/hold/preview", tags=["wishes"])
@needs("orders:change", of_the_order)
async def preview_hold(order_id: OrderId, body: HoldIn, rehearse: Rehearse, if_match: IfMatch) -> Response:
    """What this hold would do: pieces, stock, money, shipments, messages. Really decided, and undone."""
    return await _previewed(body.command(order_id, rehearse.actor, _version(if_match)), rehearse)


@router.post("/orders/{order_id}/release", tags=["wishes"])
@needs("orders:change", of_the_order)
async def release(order_id: OrderId, body: ReleaseIn, ask: Ask, if_match: IfMatch) -> Response:
    """Takes one hold away."""
    return await ask(body.command(order_id, ask.actor, _version(if_match)))


@router.post("/orders/{order_id}/release/preview", tags=["wishes"])
@needs("orders:change", of_the_order)
async def preview_release(order_id: OrderId, body: ReleaseIn, rehearse: Rehearse, if_match: IfMatch) -> Response:
    """What taking this hold away would do: pieces, stock, money, shipments, messages. Really decided, and undone."""
    return await _previewed(body.command(order_id, rehearse.actor, _version(if_match)), rehearse)


@router.post("/orders/{order_id}/edit", tags=["wishes"])
@needs("orders:change", of_the_order)
async def edit(order_id: OrderId, body: EditIn, ask: Ask, if_match: IfMatch) -> Response:
    """More or less of a line, new lines, another address, delivery or priority: all of it, or nothing."""
    return await ask(body.command(order_id, ask.actor, _version(if_match)))


@router.post("/orders/{order_id}/edit/preview", tags=["wishes"])
@needs("orders:change", of_the_order)
async def preview_edit(order_id: OrderId, body: EditIn, rehearse: Rehearse, if_match: IfMatch) -> Response:
    """What the edit would do: pieces, stock, money, shipments, messages. Really decided, and undone."""
    return await _previewed(body.command(order_id, rehearse.actor, _version(if_match)), rehearse)


def _version(if_match: str) -> int | None:
    """The version of an order that its ETag names; one that no order has, if it is no tag of ours."""
    if if_match in ("", ANY):
        return None
    return int(if_match) if if_match.isdecimal() and len(if_match) < 10 else 0


@router.post("/orders/{order_id}/returns", status_code=201, tags=["wishes"])
@needs("orders:change", of_the_order)
async def return_goods(order_id: OrderId, body: ReturnIn, ask: Ask, if_match: IfMatch) -> Response:
    """The customer sends back pieces of one shipment."""
    return await ask(body.command(order_id, ask.actor, ask.key_id, _version(if_match)))


@router.post("/orders/{order_id}/returns/preview", tags=["wishes"])
@needs("orders:change", of_the_order)
async def preview_return(order_id: OrderId, body: ReturnIn, rehearse: Rehearse, if_match: IfMatch) -> Response:
    """What taking these pieces back would do. Really decided, and undone."""
    return await _previewed(body.command(order_id, rehearse.actor, new_id(), _version(if_match)), rehearse)


@router.post("/orders/{order_id}/accept-date", tags=["wishes"])
@needs("orders:change", of_the_order)
async def accept_date(order_id: OrderId, ask: Ask, if_match: IfMatch) -> Response:
    """The customer accepts the newest promised date."""
    return await ask(AcceptDate(order_id=order_id, actor=ask.actor, version=_version(if_match)))
