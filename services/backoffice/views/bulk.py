"""Many orders at once: what it would do in sum, which orders it cannot be done on and why; then what became of each."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from services.backoffice.pages import STATUSES, English, Pages
from services.backoffice.words import N_, NN_

Item = dict[str, Any]
MOST = 100
"""Orders that are changed at once: each is asked about, shown and done by itself."""
BAR = (
    ("hold", N_("Hold"), "pause", ""),
    ("release", N_("Release"), "check", ""),
    ("cancel", N_("Cancel"), "x", "danger-quiet"),
)
"""Acts on chosen orders: the right, the button, its icon and its look."""
TITLES = {
    "cancel": NN_("Cancel %(n)d order?", "Cancel %(n)d orders?"),
    "hold": NN_("Hold %(n)d order?", "Hold %(n)d orders?"),
    "release": NN_("Release %(n)d order?", "Release %(n)d orders?"),
}
BUTTONS = {
    "cancel": NN_("Cancel what is not out of %(n)d order", "Cancel what is not out of %(n)d orders"),
    "hold": NN_("Hold %(n)d order", "Hold %(n)d orders"),
    "release": NN_("Take the hold of %(n)d order away", "Take the holds of %(n)d orders away"),
}
FATES = {
    "stale": (NN_("%(n)d order changed since you looked", "%(n)d orders changed since you looked"), "wait"),
    "refused": (NN_("%(n)d order was refused", "%(n)d orders were refused"), "bad"),
    "unknown": (NN_("Of %(n)d order it is not known yet", "Of %(n)d orders it is not known yet"), "wait"),
}
DONE = {
    "cancel": NN_("%(n)d order was asked to cancel", "%(n)d orders were asked to cancel"),
    "hold": NN_("%(n)d order is on hold", "%(n)d orders are on hold"),
    "release": NN_("The hold of %(n)d order is gone", "The holds of %(n)d orders are gone"),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """One of the chosen orders: what the owner says that would happen, or why it takes no part."""

    number: str
    order_id: UUID | None = None
    hold: str = ""  # the one that is taken away
    told: Item | None = None
    why: str = ""

    @property
    def carried(self) -> str:
        """What the page carries along to do exactly this."""
        return f"{self.order_id} {self.told['quote'] if self.told else ''} {self.hold}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One order as the page carried it along. Raises ValueError for what no page of ours carries."""

    order_id: UUID
    quote: str
    hold: str

    @classmethod
    def of(cls, carried: str) -> "Wanted":
        id, quote_, hold = carried.split(" ", 2)
        if not quote_ or "\x00" in carried:
            raise ValueError(carried)
        return cls(UUID(id), quote_, hold)

    @property
    def carried(self) -> str:
        return f"{self.order_id} {self.quote} {self.hold}"


def bar(pages: Pages, may: Callable[[str], bool]) -> list[Item]:
    """The acts that a person may do on chosen orders."""
    return [
        {"act": act, "text": pages.words.say(text), "icon": icon, "css": css}
        for act, text, icon, css in BAR
        if may(act)
    ]


def one_hold(w: English, holds: Sequence[str]) -> tuple[str, str]:
    """The hold that is taken away with many others, or why that must be decided on the order's own page."""
    if len(holds) > 1:
        return "", w.say("It is held for several reasons (%(holds)s): decide on its own page.", holds=", ".join(holds))
    return (holds[0], "") if holds else ("", w.say("It is not on hold."))


def changes(told: Item) -> bool:
    """Whether anything would happen at all."""
    return bool(told["effects"]["messages"]) or told["holds"][0] != told["holds"][1]


def address(act: str, numbers: Sequence[str], back: str) -> str:
    """The page that shows what it would do."""
    more = [("from", back)] if back != "/orders" else []
    return f"/orders/bulk?{urlencode([('act', act), *(('id', number) for number in numbers), *more])}"


def asking(
    pages: Pages, act: str, chosen: Sequence[Chosen], reason: str, key: str, back: str, error: Item | None
) -> Item:
    """The one page for all of them: what would happen in sum, the orders, and those that take no part."""
    w, part = pages.words, [of for of in chosen if of.told is not None]
    left = [of for of in chosen if of.told is None]
    messages = Counter(m["type"] for of in part if of.told for m in of.told["effects"]["messages"])
    if chosen and not part:
        text = w.say("Below stands why, order by order.")
        error = {"kind": "bad", "title": w.say("This cannot be done now."), "text": text}
    return {
        "act": act,
        "title": w.many(*TITLES[act], len(part) or len(chosen)),
        "back": back,
        "key": key,
        "reason": reason,
        "reason_label": w.say("Why are they held?") if act == "hold" else w.say("Reason"),
        "reason_hint": w.say("It is kept with each order."),
        "reason_needed": act == "hold",
        "button": w.many(*BUTTONS[act], len(part)),
        "danger": act == "cancel",
        "effects": list(summed(w, act, [of.told for of in part if of.told])),
        "orders": [{**_named(of.number), "do": of.carried, "sentences": (of.told or {})["sentences"]} for of in part],
        "orders_said": w.many("%(n)d order changes", "%(n)d orders change", len(part)),
        "messages": sorted(messages.items()),
        "messages_said": w.many("%(n)d message will be sent", "%(n)d messages will be sent", messages.total()),
        "left": [{**_named(of.number if of.order_id else ""), "number": of.number, "why": of.why} for of in left],
        "left_said": w.many("%(n)d order takes no part", "%(n)d orders take no part", len(left)),
        "error": error,
    }


def _named(number: str) -> Item:
    return {"number": number, "href": f"/orders/{quote(number)}" if number else ""}


def summed(w: English, act: str, told: Sequence[Item]) -> Iterator[Item]:
    """What all of them come to, in sentences under what they are about."""
    moves = Counter((of["status"][0], of["status"][1]) for of in told)
    yield from _about("orders", w.say("Orders"), [_move(w, was, now, n) for (was, now), n in sorted(moves.items())])
    sent = [message for of in told for message in of["effects"]["messages"]]
    yield from _about("stock", w.say("Stock"), list(_stock(w, told)))
    yield from _about("truck", w.say("Goods"), list(_goods(w, sent)))
    yield from _about("card", w.say("Money"), list(_money(w, told)))
    if act == "cancel":
        none = w.say("No invoice and no credit note: what is not out was not invoiced.")
        yield from _about("doc", w.say("Documents"), [none])


def _about(icon: str, what: str, sentences: list[str]) -> Iterator[Item]:
    if sentences:
        yield {"icon": icon, "what": what, "sentences": sentences}


def _move(w: English, was: str, now: str, n: int) -> str:
    names = [w.say(STATUSES[status][0]) if status in STATUSES else status for status in (was, now)]
    if was == now:
        return w.many("%(n)d order stays: %(now)s.", "%(n)d orders stay: %(now)s.", n, now=names[1])
    return w.many("%(n)d order: %(was)s → %(now)s.", "%(n)d orders: %(was)s → %(now)s.", n, was=names[0], now=names[1])


def _stock(w: English, told: Sequence[Item]) -> Iterator[str]:
    if pieces := sum(of["given_up"]["pieces"] for of in told):
        yield w.many(
            "%(n)d piece is given up; what is reserved for it goes back to stock.",
            "%(n)d pieces are given up; what is reserved for them goes back to stock.", pieces,
        )  # fmt: skip


def _goods(w: English, sent: Sequence[Item]) -> Iterator[str]:
    if parcels := sum(message["type"] == "fulfilment.cancel_shipment.v1" for message in sent):
        yield w.many(
            "%(n)d parcel is pulled back, if it is not out.", "%(n)d parcels are pulled back, if they are not out.",
            parcels,
        )  # fmt: skip
    planned = [message["data"]["lines"] for message in sent if message["type"] == "fulfilment.plan_shipment.v1"]
    if planned:
        pieces = sum(line["quantity"] for lines in planned for line in lines)
        said = w.many("%(n)d piece", "%(n)d pieces", pieces)
        yield w.many(
            "%(n)d parcel goes to the warehouse, with %(pieces)s.",
            "%(n)d parcels go to the warehouse, with %(pieces)s.", len(planned), pieces=said,
        )  # fmt: skip


def _money(w: English, told: Sequence[Item]) -> Iterator[str]:
    back: defaultdict[str, Decimal] = defaultdict(Decimal)
    for of in told:
        back[of["currency"]] += Decimal(of["given_up"]["money"])
    for currency, amount in sorted(back.items()):
        if amount:
            shown = w.money(amount, currency)
            yield w.say("%(amount)s is given back or not taken, if nothing of it is out.", amount=shown)


# What became of them

Fate = tuple[str, Wanted, str, str]
"""done, stale, refused or unknown; the order, its number, and the owner's sentence where it refused."""


def outcome(pages: Pages, act: str, fates: Sequence[Fate], reason: str, key: str, back: str) -> Item:
    """The page that says of each order by name what became of it, and how to go on."""
    w = pages.words
    by = {name: [of for of in fates if of[0] == name] for name in ("done", *FATES)}
    groups = []
    for name, found in by.items():
        words, css = (DONE[act], "good") if name == "done" else FATES[name]
        if found:
            orders = [{**_named(number), "why": why} for _, _, number, why in found]
            groups.append({"name": name, "css": css, "title": w.many(*words, len(found)), "orders": orders})
    return {
        "act": act,
        "title": w.many(*DONE[act], len(by["done"])),
        "all_done": len(by["done"]) == len(fates),
        "back": back,
        "key": key,
        "reason": reason,
        "groups": groups,
        "again": [wanted.carried for _, wanted, _, _ in by["unknown"]],
        "anew": address(act, [number for _, _, number, _ in by["stale"]], back) if by["stale"] else "",
    }
