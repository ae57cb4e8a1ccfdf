"""One shipment, and what people do with it beside packing: reject it, report its parcel, try its label again.

Each act is shown with what it does before it is done.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from services.backoffice.pages import English, Pages
from services.backoffice.rights import Person
from services.backoffice.views.resume import TRIES, how
from services.backoffice.views.status import GONE
from services.backoffice.views.warehouse import weight
from services.backoffice.words import N_

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """A choice of an act: what it says, and what it does."""

    text: str
    does: str


@dataclass(frozen=True, slots=True)
class Deed:
    """An act on a shipment: when it can be done, its words, its choices (none: it is only one)."""

    path: str
    can: Callable[[Item], bool]
    icon: str
    name: str
    title: str
    button: str
    done: str
    ways: Mapping[str, Way]
    danger: bool = False


DEEDS: Mapping[str, Deed] = {
    "label": Deed(
        "resume",
        lambda of: bool(of["parked"]),
        "redo",
        N_("Try the label again"),
        N_("Try the label of %(number)s again?"),
        N_("Try again"),
        N_("It is tried again."),
        {"": Way(N_("Somebody saw to it"), "")},  # what it does goes by what is parked
    ),
    "report": Deed(
        "tracking",
        lambda of: of["state"] in ("packed", "dispatched"),
        "truck",
        N_("What became of it"),
        N_("What became of the parcel of %(number)s?"),
        N_("Report it"),
        N_("It is noted, and the order knows."),
        {
            "refused": Way(
                N_("The customer did not take it"),
                N_("It is expected back; money is given back for what is accepted when it is here."),
            ),
            "lost": Way(
                N_("The carrier lost it"),
                N_("It is expected back; when the return is closed as paid by the carrier, money is given back."),
            ),
            "delivered": Way(N_("It was delivered"), N_("The order counts it as delivered.")),
        },
    ),
    "reject": Deed(
        "reject",
        lambda of: of["state"] in ("planned", "picked", "packed"),
        "x",
        N_("Reject"),
        N_("Reject the shipment of %(number)s?"),
        N_("Reject the shipment"),
        N_("It was rejected; the order knows."),
        {
            "closed": Way(
                N_("The warehouse cannot ship it"),
                N_(
                    "It leaves the lists, and its label is voided. Stock is looked for in other warehouses; this one "
                    "is asked again later."
                ),
            ),
            "address": Way(
                N_("Nothing can be sent to its address"),
                N_("It leaves the lists, and its label is voided. The order is on hold until the address is another."),
            ),
        },
        danger=True,
    ),
}
"""What people do with a shipment; what each is called stands in the address, and is its right."""
LABELS: Mapping[str, str] = {
    "none": N_("none"),
    "wanted": N_("asked for"),
    "refused": N_("refused by the carrier"),
    "bought": N_("bought"),
    "void_wanted": N_("to be voided"),
    "voided": N_("voided"),
    "claimed": N_("claimed back"),
}
MOMENTS = (
    ("planned_at", N_("Planned")),
    ("picked_at", N_("Picked")),
    ("packed_at", N_("Packed")),
    ("dispatched_at", N_("Handed over")),
    ("delivered_at", N_("Delivered")),
)


def page(pages: Pages, person: Person, of: Item) -> Item:
    """What the page of a shipment shows, without whom it is for."""
    w, where = pages.words, f"/shipments/{of['shipment_id']}"
    short = {line["line_no"]: line["quantity"] for line in of["short"]}
    links = [
        {"href": f"{where}/{name}", "text": w.say(deed.name), "icon": deed.icon, "danger": deed.danger}
        for name, deed in DEEDS.items()
        if deed.can(of) and person.may(name)
    ]
    if of["state"] not in GONE:
        links.insert(0, {"href": f"{where}/slip", "text": w.say("Packing slip"), "icon": "print", "danger": False})
    return {
        "number": of["number"],
        "state": of["state"],
        "parked": of["parked"],
        "reason": of["reason"],
        "order": f"/orders/{quote(of['number'])}" if person.may("orders") else "",
        "pack": f"/pack/{of['shipment_id']}" if person.may("pack") and of["state"] in ("picked", "packed") else "",
        "actions": links,
        "facts": _facts(w, of),
        "lines": [{**line, "short": short.get(line["line_no"], 0)} for line in of["lines"]],
    }


def _facts(w: English, of: Item) -> list[tuple[str, str]]:
    found = [(w.say("Warehouse"), of["warehouse"])]
    found += [(w.say(text), w.moment(datetime.fromisoformat(of[at]))) for at, text in MOMENTS if of[at]]
    if of["weight_g"]:
        found.append((w.say("Weight"), weight(w, of["weight_g"])))
    if of["label"] != "none":
        found.append((w.say("Label"), w.say(LABELS.get(of["label"], of["label"]))))
    if of["tracking"]:
        found.append((w.say("Tracking number"), " ".join(filter(None, (of["carrier"], of["tracking"])))))
    return found


def question(pages: Pages, of: Item, act: str, way: str, note: str, key: str, error: Item | None) -> Item:
    """The page that says what an act does, choice by choice, and asks once more."""
    w, deed, where = pages.words, DEEDS[act], f"/shipments/{of['shipment_id']}"
    return {
        "number": of["number"],
        "title": w.say(deed.title, number=of["number"]),
        "back": where,
        "action": f"{where}/{act}",
        "key": key,
        "ways": [(code, w.say(one.text), w.say(one.does or TRIES[how(of)])) for code, one in deed.ways.items()],
        "way": way,
        "note": note if act == "report" else None,
        "button": w.say(deed.button),
        "danger": deed.danger,
        "parked": of["parked"] if act == "label" else "",
        "error": error,
    }


def body(act: str, way: str, note: str, at: datetime) -> Item:
    """An act as fulfilment takes it."""
    if act == "report":
        return {"status": way, "at": at.isoformat(), "text": note}
    return {"reason": way} if act == "reject" else {}


def shipment_path(shipment_id: UUID, act: str) -> str:
    """Where fulfilment takes it."""
    return f"/shipments/{shipment_id}/{DEEDS[act].path}"
