"""One order."""

from typing import Annotated
from uuid import UUID

from fastapi import Path
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import queries
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.views import order as order_view
from shared.http import NotFound

router = pages()
Name = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]


async def order_called(conn: AsyncConnection, name: str) -> UUID:
    order_id = await queries.order_id_of(conn, name)
    if order_id is None:
        raise NotFound("order", name)
    return order_id


@router.get("/orders/{name}")
async def order(visit: Annotated[Visit, allowed("orders")], name: Name, show: str = "", done: str = "") -> Response:
    """Everything about one order. If the read tables turn out to be behind its owner, they are told to look again."""
    async with visit.office.reading() as conn:
        order_id = await order_called(conn, name)
    office = visit.office
    page = await order_view.page(office.reading, office.pages, office.owners, visit.person, order_id, show)
    if page is None:
        raise NotFound("order", name)
    if page["stale"]:
        await visit.office.look(order_id)
    w = visit.office.pages.words
    said = {"cancel": w.say("The order was asked to cancel."), "hold": w.say("The order is on hold.")}
    said["release"] = w.say("The hold is gone.")
    said["address"] = w.say("The address was changed.")
    said["edit"] = w.say("The order was changed.")
    said["refund"] = w.say("The money goes back to the customer.")
    said["refund-asked"] = w.say("The refund waits until another person approves it.")
    said["write-off"] = w.say("It is written off; nobody is reminded of it any more.")
    said["write-off-asked"] = w.say("The write-off waits until another person approves it.")
    said["match"] = w.say("The transfer is matched.")
    said["resume"] = w.say("It is tried again.")
    said["take-back"] = w.say("The goods are expected back.")
    return visit.page("order.html", "orders", page, toast=said.get(done, ""))
