"""One shipment: its packing slip, and what people do with it beside packing."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Form, Query
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api import shown
from services.backoffice.api.frame import Refused, Visit, allowed, pages
from services.backoffice.phrases import LANGUAGES
from services.backoffice.views import shipments as view
from services.backoffice.views import slip as slip_view

router = pages()
Item = dict[str, Any]
Seeing = Annotated[Visit, allowed("shipments")]
Act = Literal["reject", "report", "label"]


def _area(visit: Visit) -> str:
    return "pack" if visit.person.may("pack") else "orders"


async def _shipment(visit: Visit, id: UUID) -> Item:
    return dict(await visit.office.owners.get("fulfilment", f"/shipments/{id}"))


@router.get("/shipments/{id}/slip")
async def slip(visit: Seeing, id: UUID, lang: Annotated[str, Query(max_length=10)] = "") -> Response:
    """The packing slip, to be printed, in the customer's language or in the one that is asked for."""
    office = visit.office
    page, p = await slip_view.slip(office.owners, office.pages, id, lang)
    page |= {"seller": office.seller, "contact": office.contact, "online": bool(office.public_url)}
    page["spoken"] = tuple(LANGUAGES.items())
    return visit.page("slip.html", _area(visit), page, p=p)


@router.get("/shipments/{id}")
async def shipment(visit: Seeing, id: UUID, done: str = "") -> Response:
    """Where a shipment is, and what may be done with it."""
    page, w = view.page(visit.office.pages, visit.person, await _shipment(visit, id)), visit.office.pages.words
    toast = w.say(view.DEEDS[done].done) if done in view.DEEDS else ""
    return visit.page("shipment.html", _area(visit), page, toast=toast)


@router.get("/shipments/{id}/{act}")
async def ask(visit: Seeing, id: UUID, act: Act) -> Response:
    """What an act does, before it is done."""
    if not visit.person.may(act):
        raise Refused(act)
    of = await _shipment(visit, id)
    error = None if view.DEEDS[act].can(of) else _too_late(visit)
    return _asking(visit, of, act, "", "", shown.new_key(visit), error, 409 if error else 200)


def _too_late(visit: Visit) -> Item:
    w = visit.office.pages.words
    return {
        "kind": "bad",
        "title": w.say("This cannot be done now."),
        "text": w.say("The shipment is further than that."),
    }


def _asking(
    visit: Visit, of: Item, act: str, way: str, note: str, key: str, error: Item | None, status: int
) -> Response:
    page = view.question(visit.office.pages, of, act, way, note, key, error)
    return visit.page("shipment_act.html", _area(visit), page, status=status)


@router.post("/shipments/{id}/{act}")
async def do(
    visit: Seeing,
    id: UUID,
    act: Act,
    key: Annotated[str, Form(min_length=8, max_length=64)],
    way: Annotated[str, Form(max_length=20)] = "",
    note: Annotated[str, Form(max_length=500, pattern=r"^[^\x00]*$")] = "",
) -> Response:
    """Exactly that, in the person's name; 409 when the shipment is further, 503 when it is not known yet."""
    if not visit.person.may(act):
        raise Refused(act)
    of = await _shipment(visit, id)
    if way not in view.DEEDS[act].ways:
        w = visit.office.pages.words
        return _asking(visit, of, act, "", note, key, shown.nothing(w, w.say("Choose what is the matter.")), 422)
    wish = shown.Act("fulfilment", view.shipment_path(id, act), view.body(act, way, note.strip(), visit.now))
    done = await shown.do(visit, wish, key, None)
    if isinstance(done, shown.Undone):
        return _asking(visit, of, act, way, note, done.key, done.notice, done.status)
    await visit.office.look(UUID(of["order_id"]))
    return RedirectResponse(f"/shipments/{id}?done={act}", 303)
