"""Parked messages of all services."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Form
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api.frame import Refused, Visit, allowed, pages
from services.backoffice.owners import Said
from services.backoffice.views import parked as parked_view

router = pages()
Item = dict[str, Any]


@router.get("/parked-messages")
async def parked(
    visit: Annotated[Visit, allowed("parked")], state: Literal["parked", "replayed", "dropped", "all"] = "parked"
) -> Response:
    """By cause."""
    return visit.page("parked.html", "parked", await parked_view.page(visit.office.owners, state))


Service = Literal["order", "inventory", "fulfilment", "billing"]


@router.get("/parked-messages/{service}/{id}")
async def parked_one(visit: Annotated[Visit, allowed("parked")], service: Service, id: UUID) -> Response:
    """One message: why, how it differs, what was done with it."""
    return await _message(visit, service, id)


async def _message(
    visit: Visit, service: str, id: UUID, status: int = 200, tried: Item | None = None, error: str = ""
) -> Response:
    found = await parked_view.one(visit.office.owners, service, id)
    page = {**found, "tried": tried, "error": error, "idempotency": str(visit.office.running.new_id())}
    return visit.page("message.html", "parked", page, status=status)


@router.post("/parked-messages/{service}/{id}/{act}")
async def decide_parked(
    visit: Annotated[Visit, allowed("parked")],
    service: Service,
    id: UUID,
    act: Literal["try", "replay", "drop"],
    key: Annotated[str, Form(min_length=8, max_length=64)],
    reason: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Tries, replays or drops one message in the person's name."""
    right = "drop" if act == "drop" else "replay"
    if not visit.person.may(right):
        raise Refused(right)
    owners, who = visit.office.owners, visit.person.name
    w = visit.office.pages.words
    try:
        if act == "try":
            return await _message(visit, service, id, tried=await parked_view.trial(owners, service, id, who, key))
        if act == "replay":
            await parked_view.replay(owners, service, id, reason, who, key)
        elif not reason.strip():
            return await _message(visit, service, id, 422, error=w.say("A reason is needed to drop a message."))
        else:
            await parked_view.drop(owners, service, id, reason, who, key)
    except Said as refused:
        return await _message(visit, service, id, refused.status, error=refused.title)
    return RedirectResponse(f"/parked-messages/{service}/{id}", 303)
