"""What a key that is bound to one channel sees: its own orders. Those of another channel are not there for it."""

from uuid import UUID

from fastapi import Request

from services.order import queries
from shared.guard import OtherChannel
from shared.http import CALLER, NotFound
from shared.keys import Key


def bound_to(request: Request) -> str | None:
    """The channel of the caller's key, if it has one."""
    caller: Key | None = request.scope.get(CALLER)
    return None if caller is None else caller.channel


async def of_the_query(request: Request, channel: str) -> None:
    """A list; without a channel in the query it is of this one."""
    if any(said != channel for said in request.query_params.getlist("channel")):
        raise OtherChannel(channel)


async def of_the_order(request: Request, channel: str) -> None:
    await _all_of(request, channel, [request.path_params["order_id"]])


async def of_the_orders(request: Request, channel: str) -> None:
    await _all_of(request, channel, request.query_params.getlist("id"))


async def of_the_number(request: Request, channel: str) -> None:
    number = request.path_params["number"]
    async with request.app.state.running.reads.connect() as conn:
        order_id = None if "\x00" in number else await queries.id_of(conn, number)
    if order_id is not None:
        await _all_of(request, channel, [str(order_id)], number)


async def _all_of(request: Request, channel: str, said: list[str], called: str = "") -> None:
    """Raises NotFound for the first of another channel, as if there were none, and for what is no id."""
    try:
        ids = [UUID(each) for each in said[: queries.MOST_SUMMARIES]]  # more are refused by the route
    except ValueError:
        raise NotFound("order", "of such an id") from None
    async with request.app.state.running.reads.connect() as conn:
        channels = await queries.channels_of(conn, ids)
    for order_id in ids:
        if channels.get(order_id, channel) != channel:
            raise NotFound("order", called or order_id)
