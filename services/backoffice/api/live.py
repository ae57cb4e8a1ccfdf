"""Pages that change while somebody looks."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import Response, StreamingResponse

from services.backoffice import queries
from services.backoffice.api.frame import Office, Refused, pages
from services.backoffice.api.today import now_shown, seen
from services.backoffice.live import Watcher
from services.backoffice.rights import Person
from services.backoffice.views import bulk
from services.backoffice.views import order as order_view
from services.backoffice.views.cells import place
from shared.http import NotFound

router = pages()


@router.get("/live")
async def live(
    request: Request,
    page: Literal["today", "orders", "order"],
    ids: Annotated[str, Query(max_length=4000)] = "",
    newest: Annotated[str, Query(max_length=200)] = "",
    id: UUID | None = None,
    show: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """What changes of a page, as it changes."""
    office: Office = request.app.state.office
    right = "today" if page == "today" else "orders"
    person = await office.person(request)
    office = office.heard(request, person)
    if not person.may(right):
        raise Refused(page)
    if page == "today":
        watcher = Watcher(page, person, right, _today_parts(office, person))
    elif page == "orders":
        shown = frozenset(UUID(each) for each in ids.split(".") if queries.as_id(each))
        watcher = Watcher(page, person, right, _list_parts(office, person, newest), shown)
    else:
        if id is None:
            raise NotFound("order", "")
        watcher = Watcher(page, person, right, _order_parts(office, person, id, show), frozenset([id]))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(office.live.stream(watcher), media_type="text/event-stream", headers=headers)


Parts = Callable[[Watcher, frozenset[UUID]], Awaitable[str]]


def _today_parts(office: Office, person: Person) -> Parts:
    names = {"head": "head", "worklists": "lists", "kpis": "figures", "feed": "feed", "flow": "flow"}

    async def parts(watcher: Watcher, changed: frozenset[UUID]) -> str:
        if office.memory.today[0] is not changed:  # another round: what is made in it is for all who see the same
            office.memory.today = changed, {}
        made, key = office.memory.today[1], (office.pages.language, seen(person))
        if key not in made:
            page = await now_shown(office, person, office.running.now())
            made[key] = {target: office.pages.part("_today.html", macro, page) for target, macro in names.items()}
        return "".join(watcher.fresh(target, html) for target, html in made[key].items())

    return parts


def _list_parts(office: Office, person: Person, newest: str) -> Parts:
    top = place(newest) if newest != "none" else None
    chosen = bool(bulk.bar(office.pages, person.may))

    async def parts(watcher: Watcher, changed: frozenset[UUID]) -> str:
        rows = await office.rows.of(changed)
        now = office.running.now()
        html = [
            watcher.fresh(f"o-{id.hex[-16:]}", office.pages.part("_orders.html", "row", rows[id], now, chosen))
            for id in watcher.ids & rows.keys()
        ]
        if newest:
            async with office.reading() as conn:  # counted, not heard: also what another copy of us has committed
                came = await queries.newer(conn, top)
            if came:
                html.append(watcher.fresh("arrivals", office.pages.part("_orders.html", "arrivals", came, "/orders")))
        return "".join(html)

    return parts


def _order_parts(office: Office, person: Person, order_id: UUID, show: str) -> Parts:
    async def parts(watcher: Watcher, changed: frozenset[UUID]) -> str:
        if order_id not in changed:
            return ""
        page = await order_view.page(office.reading, office.pages, office.owners, person, order_id, show)
        return "" if page is None else watcher.fresh("order", office.pages.part("_order.html", "whole", page))

    return parts
