"""What happened, in plain words: one entry of the timeline from one event and what was said of the same thing before.

Pure: the words come as a function, so that a translation can be put in its place; so do amounts and days.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

Facts = Mapping[str, Any]
NOTHING: Facts = {}


def N_(text: str) -> str:
    """Marks a text of a table for the catalogues; it is said in the reader's language where it is shown."""
    return text


def NN_(one: str, more: str) -> tuple[str, str]:
    """The same for a text that depends on a number, for `many`."""
    return one, more


class Words(Protocol):
    """A language: sentences with what stands in them, plurals, amounts and days."""

    def say(self, sentence: str, /, **values: object) -> str: ...
    def many(self, one: str, more: str, n: int, /, **values: object) -> str: ...
    def money(self, amount: Decimal, currency: str = "", /) -> str: ...
    def day(self, iso: str) -> str: ...
    def amid(self, title: str) -> str: ...
    def heard(self, text: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a timeline. `kind`: person, ok, wait, bad, undo or nothing; `group`: people, stock, money, goods."""

    text: str
    kind: str = ""
    group: str = ""
    why: str = ""
    effects: tuple[tuple[str, str], ...] = ()  # an icon and a few words


def line(key: str, facts: Facts, before: Facts, w: Words) -> Line:
    """What one event says. `before`: the facts of the newest earlier event about the same thing."""
    name = key.split(".")[1]
    return SAYINGS.get(name, _plain)(facts, before, w) if name in SAYINGS else _plain(facts, before, w, name)


def _plain(facts: Facts, before: Facts, w: Words, name: str = "") -> Line:
    """A kind of event that is younger than these words."""
    return Line(name.replace("_", " ").capitalize() + ".", why=str(facts.get("reason") or ""))


def pieces(w: Words, n: int) -> str:
    return w.many("%(n)d piece", "%(n)d pieces", n)


# The order's own words


def _placed(f: Facts, b: Facts, w: Words) -> Line:
    said = w.many("%(n)d line", "%(n)d lines", f["lines"])
    return Line(w.say("The order was placed."), "person", "people", f"{said}, {pieces(w, f['pieces'])}.")


def _held(f: Facts, b: Facts, w: Words) -> Line:
    return Line(w.say("The order is on hold; nothing of it goes out."), "wait", "people", _reason(f, w))


def _released(f: Facts, b: Facts, w: Words) -> Line:
    return Line(w.say("The hold is gone; the order goes on."), "ok", "people", _reason(f, w))


def _confirmed(f: Facts, b: Facts, w: Words) -> Line:
    return Line(w.say("Confirmed: money is secured and stock has answered."), "ok", "people")


def _refused(f: Facts, b: Facts, w: Words) -> Line:
    return Line(w.say("Not all of it could be cancelled."), "bad", "people", _reason(f, w))


def _expired(f: Facts, b: Facts, w: Words) -> Line:
    return Line(w.say("Not paid in time; what is not out is cancelled."), "undo", "people", _reason(f, w))


def _cancelled(f: Facts, b: Facts, w: Words) -> Line:
    return Line(w.say("Cancelled and settled; nothing more happens."), "undo", "people", _reason(f, w))


def _completed(f: Facts, b: Facts, w: Words) -> Line:
    return Line(w.say("Completed: everything is delivered and settled."), "ok", "people")


def _reason(f: Facts, w: Words) -> str:
    return _sentence(str(f.get("reason") or ""), w)


def _sentence(text: str, w: Words) -> str:
    said = w.heard(text).strip().rstrip(".")
    return f"{said[:1].upper()}{said[1:]}." if said else ""


# Stock


def _stock(f: Facts, b: Facts, w: Words) -> Line:
    reserved, late, gone = f["reserved"], f["backordered"], f["rejected"]
    effects = tuple(_moved("stock", w.say("reserved"), reserved - b.get("reserved", 0)))
    places = ", ".join(f.get("warehouses", ()))
    where = w.say("In %(places)s.", places=places) if places else ""
    if gone:
        said = w.say("%(pieces)s cannot be had.", pieces=pieces(w, gone))
        return Line(said, "bad", "stock", _reason(f, w), effects)
    if late:
        if late == b.get("backordered") and f["promised_on"] != b.get("promised_on") and b.get("promised_on"):
            was = w.day(b["promised_on"])
            if not f["promised_on"]:
                said = w.say("%(day)s is promised no longer: the supplier is late, and no new day is known.", day=was)
                return Line(said, "bad", "stock")
            now = w.day(f["promised_on"])
            return Line(w.say("The promise moved from %(was)s to %(now)s.", was=was, now=now), "bad", "stock")
        kept = w.say("Reserved %(pieces)s, ", pieces=pieces(w, reserved)) if reserved else ""
        said = w.say("%(kept)s%(late)s on backorder.", kept=kept, late=pieces(w, late))
        day = f["promised_on"]
        return Line(said, "wait", "stock", w.say("Promised for %(day)s.", day=w.day(day)) if day else where, effects)
    if reserved < b.get("reserved", 0) and f["issued"] == b.get("issued", 0):
        back = pieces(w, b["reserved"] - reserved)
        return Line(w.say("Gave back %(pieces)s to the shelf.", pieces=back), "undo", "stock", where, effects)
    if not reserved and not f["issued"]:
        return Line(w.say("No stock is held for the order any more."), "undo", "stock", effects=effects)
    return Line(w.say("Reserved %(pieces)s.", pieces=pieces(w, reserved)), "ok", "stock", where, effects)


def _issued(f: Facts, b: Facts, w: Words) -> Line:
    out = f["issued"] - b.get("issued", 0)
    said = w.say("%(pieces)s left the shelf.", pieces=pieces(w, out if out > 0 else f["issued"]))
    return Line(said, "", "stock", effects=tuple(_moved("stock", w.say("on hand"), -out)))


def _moved(icon: str, what: str, by: int) -> Iterator[tuple[str, str]]:
    if by:
        yield icon, f"{what} {'+' if by > 0 else '−'}{abs(by)}"


# Money


def _amount(f: Facts, name: str) -> Decimal:
    return Decimal(f.get(name) or 0)


def _gained(f: Facts, b: Facts, name: str) -> Decimal:
    return _amount(f, name) - _amount(b, name)


def _money_effects(f: Facts, b: Facts, w: Words) -> tuple[tuple[str, str], ...]:
    said = []
    words = {"secured": w.say("secured"), "captured": w.say("taken"), "refunded": w.say("refunded")}
    for name, word in words.items():
        if (by := _gained(f, b, name)) != 0:
            said.append(("money", f"{word} {'+' if by > 0 else '−'}{w.money(abs(by))}"))
    return tuple(said)


def _parked(f: Facts, w: Words) -> str:
    return w.say("It needs a person: %(why)s.", why=w.heard(f["parked"])) if f.get("parked") else ""


def _money(sentence: str, kind: str, name: str) -> Callable[[Facts, Facts, Words], Line]:
    """A saying whose %(amount)s is by how much an amount rose, or the amount."""

    def said(f: Facts, b: Facts, w: Words) -> Line:
        by = _gained(f, b, name)
        amount = w.money(by if by > 0 else _amount(f, name))
        why = _parked(f, w) or (w.heard(f["reason"]) if f.get("reason") else "")
        return Line(w.say(sentence, amount=amount), kind, "money", why, _money_effects(f, b, w))

    return said


def _invoice(f: Facts, b: Facts, w: Words) -> Line:
    fresh = [number for number in f["invoices"] if number not in b.get("invoices", ())] or f["invoices"]
    said = w.say("Issued invoice %(number)s.", number=", ".join(fresh))
    return Line(said, "", "money", _parked(f, w), (("doc", w.say("invoice")), *_money_effects(f, b, w)))


def _refund(sentence: str, kind: str) -> Callable[[Facts, Facts, Words], Line]:
    """A refund by the staff: how much of which invoice, why, and who let it happen."""

    def said(f: Facts, b: Facts, w: Words) -> Line:
        text = w.say(sentence, amount=w.money(_amount(f, "amount")), invoice=f["invoice"])
        by = w.say("Approved by %(name)s.", name=f["approver"]) if f.get("approver") else ""
        note = f"{str(f['note']).strip().rstrip('.')}." if f.get("note") else ""
        papers = (("doc", f["credit_note"]),) if f.get("credit_note") else ()
        return Line(text, kind, "money", " ".join(part for part in (_reason(f, w), by, note) if part), papers)

    return said


def _write_off(sentence: str, kind: str) -> Callable[[Facts, Facts, Words], Line]:
    """A write-off by the staff: how much, why, and who let it happen."""

    def said(f: Facts, b: Facts, w: Words) -> Line:
        by = w.say("Approved by %(name)s.", name=f["approver"]) if f["approver"] else ""
        note = f"{str(f['note']).strip().rstrip('.')}." if f["note"] else ""
        why = " ".join(part for part in (_reason(f, w), by, note) if part)
        return Line(w.say(sentence, amount=w.money(_amount(f, "amount"))), kind, "money", why)

    return said


# Goods on their way


def _shipment(sentence: str, kind: str) -> Callable[[Facts, Facts, Words], Line]:
    def said(f: Facts, b: Facts, w: Words) -> Line:
        parcel = " ".join(part for part in (f["carrier"], f["tracking"]) if part) or w.say("parcel")
        text = w.say(sentence, pieces=pieces(w, f["pieces"]), warehouse=f["warehouse"], parcel=parcel)
        short = w.many("%(n)d piece was not found.", "%(n)d pieces were not found.", f["short"]) if f["short"] else ""
        missing = [_sentence(each, w) for each in f.get("short_why", ())]
        why = " ".join(part for part in (short, *missing, _reason(f, w), _parked(f, w)) if part)
        return Line(text, "bad" if f["short"] and not kind else kind, "goods", why)

    return said


def _return(sentence: str, kind: str) -> Callable[[Facts, Facts, Words], Line]:
    def said(f: Facts, b: Facts, w: Words) -> Line:
        counts = {name: pieces(w, f[name]) for name in ("expected", "received", "accepted")}
        return Line(w.say(sentence, **counts), kind, "goods", _reason(f, w))

    return said


def _view(text: str) -> Callable[[Facts, Facts, Words], Line]:
    """What a person did to a saved view, and whose it is."""

    def said(f: Facts, b: Facts, w: Words) -> Line:
        whose = N_("Of %(owner)s, for everybody who sees orders.") if f["shared"] else N_("Of %(owner)s alone.")
        return Line(w.say(text, **f), "person", "people", w.say(whose, owner=f["owner"]))

    return said


def _resumed(f: Facts, b: Facts, w: Words) -> Line:
    return Line(w.say("Had billing try again what it had parked."), "person", "people")


def _imported(f: Facts, b: Facts, w: Words) -> Line:
    """What came of a file, and which file that was."""
    counted = {name: f[name] for name in ("repeated", "refused", "unknown")}
    if f["kind"] == "products":
        one = NN_("Took over %(n)d product of %(file)s.", "Took over %(n)d products of %(file)s.")
        counts = w.say(
            "%(repeated)s stayed as they were, %(refused)s were changed meanwhile, of %(unknown)s it was not known.",
            **counted,
        )
    else:
        one = NN_("Had %(n)d order of %(file)s placed.", "Had %(n)d orders of %(file)s placed.")
        counts = w.say(
            "%(repeated)s were there before, %(refused)s were refused, of %(unknown)s it was not known.", **counted
        )
    return Line(w.many(*one, f["done"], file=f["file"]), "person", "people", counts)


def _matched(f: Facts, b: Facts, w: Words) -> Line:
    return Line(w.say("Matched the transfer %(entry)s to the order.", entry=f["entry"]), "person", "people")


BOUGHT: dict[str, str] = {
    "create": N_("Made the purchase order %(name)s."),
    "edit": N_("Changed the draft of the purchase order %(name)s."),
    "send": N_("Sent the purchase order %(name)s."),
    "changes": N_("Changed days or quantities of the purchase order %(name)s."),
    "close": N_("Closed the purchase order %(name)s short."),
    "cancel": N_("Cancelled the purchase order %(name)s."),
    "transfer-create": N_("Made the stock transfer %(name)s."),
    "transfer-edit": N_("Changed the draft of the stock transfer %(name)s."),
    "transfer-send": N_("Sent the stock transfer %(name)s."),
    "transfer-close": N_("Closed the stock transfer %(name)s; what did not come is lost."),
    "transfer-cancel": N_("Cancelled the stock transfer %(name)s."),
    "supplier": N_("Set the supplier %(name)s."),
    "rules": N_("Set when %(name)s is ordered."),
    "costs": N_("Said what %(name)s cost."),
    "payout": N_("Booked the payout %(name)s of a carrier."),
    "credit": N_("Set what the customer %(name)s may owe on account."),
}


def _bought(f: Facts, b: Facts, w: Words) -> Line:
    return Line(w.say(BOUGHT.get(f["what"], "%(name)s"), name=f["name"]), "person", "people")


def _mailed(f: Facts, b: Facts, w: Words) -> Line:
    text = w.say(N_("Had the purchase order %(name)s e-mailed to %(to)s."), name=f["name"], to=f["to"])
    return Line(text, "person", "people")


def _account(f: Facts, b: Facts, w: Words) -> Line:
    """What became of the account of a person, by the staff or by what the login service said."""

    def named(roles: Iterable[str]) -> str:
        return ", ".join(map(w.heard, roles)) or w.say("none")

    moved = f["roles"] != f["were"]
    if f["new"]:
        text = N_("Made the account %(name)s.")
    elif f["active"] != f["was_active"]:
        text = N_("Enabled the account %(name)s again.") if f["active"] else N_("Disabled the account %(name)s.")
    elif moved:
        text = N_("Changed the roles of %(name)s.")
    elif f.get("password") and f.get("own"):
        text = N_("%(name)s changed the own password.")
    elif f.get("password"):
        text = N_("Reset the password of %(name)s.")
    else:
        text = N_("Changed the account %(name)s.")
    why = []
    if f["new"]:
        why.append(w.say("Roles: %(roles)s.", roles=named(f["roles"])))
    elif moved:
        why.append(w.say("Roles: %(roles)s instead of %(were)s.", roles=named(f["roles"]), were=named(f["were"])))
    if not f["new"] and f["shown"] != f["was_shown"]:
        why.append(w.say("It is called %(now)s instead of %(was)s.", now=f["shown"], was=f["was_shown"]))
    if f.get("password") and not f["new"] and not f.get("own"):
        why.append(w.say("The password is a new one."))
    if f.get("ended"):
        why.append(w.say("Open sessions ended."))
    if f.get("provider"):
        why.append(w.say("The login service said so."))
    return Line(w.say(text, name=f["name"]), "person", "people", " ".join(why))


ON_WEBHOOK: Mapping[str, str] = {
    "pause": N_("Paused the webhook %(name)s."),
    "resume": N_("Resumed the webhook %(name)s."),
    "remove": N_("Removed the webhook %(name)s."),
    "rotate": N_("Made a new secret for the webhook %(name)s."),
    "retire": N_("Ended the old secret of the webhook %(name)s."),
    "test": N_("Sent a test to the webhook %(name)s."),
}


def _webhook(text: str) -> Callable[[Facts, Facts, Words], Line]:
    """What a person did to a webhook, and where it leads."""

    def said(f: Facts, b: Facts, w: Words) -> Line:
        why = [f["url"]]
        if f.get("was_url", f["url"]) != f["url"]:
            why.append(w.say("It went to %(url)s before.", url=f["was_url"]))
        if f.get("facts"):
            why.append(w.many("%(n)d event", "%(n)d events", f["facts"]))
        return Line(w.say(text or ON_WEBHOOK[f["act"]], name=f["name"]), "person", "people", " ".join(why))

    return said


SAYINGS: dict[str, Callable[[Facts, Facts, Words], Line]] = {
    "order_placed": _placed,
    "order_held": _held,
    "order_released": _released,
    "order_confirmed": _confirmed,
    "cancellation_refused": _refused,
    "order_expired": _expired,
    "order_cancelled": _cancelled,
    "order_completed": _completed,
    "stock_reserved": _stock,
    "stock_backordered": _stock,
    "stock_rejected": _stock,
    "stock_released": _stock,
    "stock_issued": _issued,
    "payment_pending": _money(N_("Waits for %(amount)s."), "wait", "due"),
    "payment_authorised": _money(N_("%(amount)s is secured."), "ok", "secured"),
    "payment_declined": _money(N_("The payment was declined; the customer may pay again."), "bad", "secured"),
    "payment_expired": _money(
        N_("The hold on the customer's money ended before the goods went out."), "bad", "secured"
    ),
    "payment_captured": _money(N_("Took %(amount)s."), "ok", "captured"),
    "payment_refunded": _money(N_("Refunded %(amount)s."), "undo", "refunded"),
    "capture_failed": _money(N_("The goods are out and the money did not come."), "bad", "captured"),
    "refund_failed": _money(N_("A refund was refused."), "bad", "refunded"),
    "payment_overdue": _money(N_("Still %(amount)s to pay; the customer is reminded."), "wait", "owed"),
    "invoice_issued": _invoice,
    "credit_note_issued": _money(N_("Issued a credit note over %(amount)s."), "undo", "credited"),
    "refund_requested": _refund(
        N_("Asked for a refund of %(amount)s of %(invoice)s; another person must approve it."), "wait"
    ),
    "refund_granted": _refund(N_("Gave back %(amount)s of %(invoice)s."), "undo"),
    "refund_denied": _refund(N_("The refund of %(amount)s of %(invoice)s was refused; nothing was given back."), "bad"),
    "write_off_requested": _write_off(N_("Asked to write off %(amount)s; another person must approve it."), "wait"),
    "debt_written_off": _write_off(N_("Wrote off %(amount)s; nobody is reminded of it any more."), "bad"),
    "write_off_denied": _write_off(N_("%(amount)s is not written off; it is still owed."), "undo"),
    "shipment_planned": _shipment(N_("%(pieces)s to be picked in %(warehouse)s."), ""),
    "shipment_picked": _shipment(N_("Picked in %(warehouse)s."), ""),
    "shipment_packed": _shipment(N_("Packed and labelled in %(warehouse)s: %(parcel)s."), ""),
    "shipment_dispatched": _shipment(N_("Handed over in %(warehouse)s: %(parcel)s."), "ok"),
    "shipment_delivered": _shipment(N_("Delivered: %(parcel)s."), "ok"),
    "shipment_refused": _shipment(N_("The parcel comes back: %(parcel)s."), "bad"),
    "shipment_cancelled": _shipment(N_("The shipment from %(warehouse)s was pulled back."), "undo"),
    "shipment_rejected": _shipment(N_("%(warehouse)s cannot ship it."), "bad"),
    "return_expected": _return(N_("A return of %(expected)s was announced."), ""),
    "return_received": _return(N_("%(received)s came back."), ""),
    "return_inspected": _return(N_("Inspected: %(accepted)s accepted."), "ok"),
    "return_closed": _return(N_("The return is closed: %(accepted)s accepted."), ""),
    "save_view": _view(N_("Saved the view %(name)s.")),
    "change_view": _view(N_("Changed the saved view %(name)s; it is called %(now)s.")),
    "remove_view": _view(N_("Removed the saved view %(name)s.")),
    "note_resumed": _resumed,
    "note_imported": _imported,
    "note_matched": _matched,
    "add_webhook": _webhook(N_("Added the webhook %(name)s.")),
    "change_webhook": _webhook(N_("Changed the webhook %(name)s.")),
    "act_on_webhook": _webhook(""),
    "redeliver": _webhook(N_("Had events sent again to the webhook %(name)s.")),
    "note_bought": _bought,
    "mail_supplier": _mailed,
    "set_account": _account,
    "signed_on": _account,
}

WISHES: dict[str, str] = {
    "cancel_order": N_("Asked to cancel."),
    "hold_order": N_("Put the order on hold."),
    "release_hold": N_("Took a hold away."),
    "edit_order": N_("Changed the order."),
    "return_goods": N_("Announced a return."),
    "accept_date": N_("Agreed to the new date."),
    "pay_by_due": N_("The time to pay was over."),
    "consent_due": N_("The time to agree to a later date was over."),
    "answer_due": N_("An answer was overdue; asked again."),
    "refusal_due": N_("A warehouse that was closed is asked again."),
}
"""What the order's own history says of wishes and timers, which are no events."""


@dataclass(frozen=True, slots=True)
class Told:
    """A line with when it was, whose it is, and the messages behind it."""

    at: Any
    line: Line
    actor: str
    key: str
    event_id: str
    cause: str
    thing: str
    version: int
    status: str = ""  # what the order became by it
    again: bool = False  # nothing in it is newer than what was said before


def timeline(entries: Sequence[Mapping[str, Any]], history: Iterable[Mapping[str, Any]], w: Words) -> list[Told]:
    """All that is known of an order, the newest first: events, and the wishes and timers of the order's own history."""
    became = {str(of["cause"]): str(of["after"]) for of in history if of["before"] != of["after"]}
    known = {str(entry["event_id"]) for entry in entries}
    newest: dict[str, tuple[int, Facts]] = {}
    told: list[Told] = []
    for entry in sorted(entries, key=lambda e: (e["at"], e["version"], str(e["event_id"]))):
        version, before = newest.get(entry["thing"], (0, NOTHING))
        again = entry["version"] <= version
        said = line(entry["key"], entry["facts"], before, w)
        told.append(
            Told(
                entry["at"], said, entry["actor"], entry["key"], str(entry["event_id"]),
                "" if entry["cause"] is None else str(entry["cause"]), entry["thing"], entry["version"],
                became.get(str(entry["event_id"]), ""), again,
            )
        )  # fmt: skip
        if not again:
            newest[entry["thing"]] = entry["version"], entry["facts"]
    for of in history:
        name = str(of["trigger"]).split(".")[1] if "." in str(of["trigger"]) else ""
        if str(of["cause"]) in known or name not in WISHES:
            continue
        kind = "person" if of["actor"] else ""
        said = Line(w.say(WISHES[name]), kind, "people", str(of["note"]))
        status = str(of["after"]) if of["before"] != of["after"] else ""
        told.append(Told(of["at"], said, str(of["actor"]), str(of["trigger"]), str(of["cause"]), "", "", 0, status))
    return sorted(told, key=lambda each: each.at, reverse=True)
