"""Trying again what billing or fulfilment has parked of an order, as `comptoir order resume --service` does."""

from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from fastapi import Form
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api import shown
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.api.order import Name, order_called
from services.backoffice.views import resume as view
from shared.contracts.backoffice import NoteResumed

router = pages()
Item = dict[str, Any]


@router.get("/orders/{name}/resume")
async def parked(visit: Annotated[Visit, allowed("resume")], name: Name) -> Response:
    """What is parked of the order, and what trying again does; of nothing, the order itself."""
    return await _asking(visit, name, await _order(visit, name))


async def _order(visit: Visit, name: str) -> UUID:
    async with visit.office.reading() as conn:
        return await order_called(conn, name)


async def _asking(visit: Visit, name: str, order_id: UUID, undone: shown.Undone | None = None) -> Response:
    things = await view.parked(visit.office.owners, order_id)
    if not things and undone is None:
        return RedirectResponse(f"/orders/{name}", 303)
    key, notice, status = (undone.key, undone.notice, undone.status) if undone else (shown.new_key(visit), None, 200)
    return visit.page("book.html", "orders", view.page(visit.office.pages, name, things, key, notice), status=status)


@router.post("/orders/{name}/resume")
async def resume(
    visit: Annotated[Visit, allowed("resume")],
    name: Name,
    key: Annotated[str, Form(min_length=8, max_length=64)],
    thing: Annotated[list[Literal["billing"] | UUID], Form(min_length=1, max_length=100)],
) -> Response:
    """Just what was shown, each under a key of its own; an owner refuses what is parked no more."""
    order_id = await _order(visit, name)
    for of in thing:
        owner, path = ("billing", f"/orders/{order_id}") if of == "billing" else ("fulfilment", f"/shipments/{of}")
        done = await shown.do(visit, shown.Act(owner, f"{path}/resume", {}), f"{key}-{of}", None)
        if isinstance(done, shown.Undone):
            again = shown.Undone(done.fate, done.notice, done.status, key if done.fate == "unknown" else done.key)
            return await _asking(visit, name, order_id, again)
        if of == "billing":  # which states nothing of it; fulfilment tells by whom
            noted = NoteResumed(order_id=order_id, number=name, actor=visit.person.name)
            await visit.office.running.desk.ask(noted, id=uuid5(order_id, key))
    await visit.office.look(order_id)
    return RedirectResponse(f"/orders/{name}?done=resume", 303)
