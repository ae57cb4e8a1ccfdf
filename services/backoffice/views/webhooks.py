"""Webhooks as their admins see them: who is told of what, how each fares, and every delivery with its answers."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from services.backoffice.pages import English, Pages
from services.backoffice.public import PUBLIC, TEST
from services.backoffice.views.cells import Cell, Column, Table, cursor
from services.backoffice.words import N_

Item = dict[str, Any]
SHOWN = 50
STATES = {
    "active": (N_("Active"), "good"),
    "paused": (N_("Paused"), "hold"),
    "gone": (N_("Ended by its receiver"), "bad"),
    "removed": (N_("Removed"), ""),
}
DELIVERIES = {
    "waiting": (N_("Waits"), "wait"),
    "delivered": (N_("Delivered to it"), "good"),
    "given_up": (N_("Given up"), "bad"),
    "overtaken": (N_("Overtaken by a newer one"), ""),
}
"""State of a delivery -> its words, and their colour."""
OUTCOMES = {"delivered": N_("taken by the receiver"), "failed": N_("not taken"), "gone": N_("wants nothing more")}
DONE = {
    "changed": N_("The webhook was changed."),
    "pause": N_("Nothing is sent to it now. What happens meanwhile waits."),
    "resume": N_("It is sent what waits."),
    "remove": N_("The webhook is removed."),
    "retire": N_("Only the new secret signs now."),
    "test": N_("A test is on its way; its answer stands below in a moment."),
    "again": N_("It is sent again."),
    "nothing": N_("Nothing of that time is there to be sent again."),
}


def where(hook: Item) -> str:
    return f"/webhooks/{hook['webhook_id']}"


def state_of(w: English, hook: Item) -> tuple[str, str]:
    """How it stands, and the colour: what fails is amber before it is paused."""
    if hook["state"] == "active" and hook["failures"]:
        return w.say("Takes nothing now"), "wait"
    if hook["state"] == "paused" and hook["why"]:
        return w.say("Paused: it took nothing"), "bad"
    text, colour = STATES[hook["state"]]
    return w.say(text), colour


def listed(pages: Pages, hooks: list[Item]) -> Table:
    """All webhooks."""
    w = pages.words
    columns = (N_("Name"), N_("Address"), N_("Events"), N_("State"), N_("Waiting"), N_("Taken last"))
    rows = []
    for of in hooks:
        text, colour = state_of(w, of)
        some = ", ".join([*of["kinds"][:2], *(["…"] if of["kinds"][2:] else [])])
        waits = w.number(of["waiting"]) if of["waiting"] else "–"
        since = w.say("since %(moment)s", moment=w.moment(of["oldest"])) if of["oldest"] else ""
        rows.append(
            [
                Cell(of["name"], where(of)),
                Cell(of["url"]),
                Cell(w.number(len(of["kinds"])), sub=some),
                Cell(text, badge=colour, sub=w.heard(of["why"])),
                Cell(waits, sub=since),
                Cell(w.moment(of["delivered_at"]) if of["delivered_at"] else "–"),
            ]
        )  # fmt: skip
    titles = tuple(Column(w.say(title)) for title in columns)
    return Table(w.say("Who is told of events"), titles, rows)


def choices(pages: Pages, chosen: Collection[str]) -> list[Item]:
    """The kinds of events to choose from."""
    w = pages.words
    return [{"name": of.name, "means": w.say(of.means), "chosen": of.name in chosen} for of in PUBLIC.values()]


def one(pages: Pages, hook: Item, now: datetime) -> Item:
    """What the page of a webhook shows of it."""
    w = pages.words
    text, colour = state_of(w, hook)
    facts = [(w.say("Added"), w.say("%(moment)s by %(who)s", moment=w.moment(hook["added_at"]), who=hook["added_by"]))]
    facts.append((w.say("Taken last"), w.moment(hook["delivered_at"]) if hook["delivered_at"] else "–"))
    if hook["waiting"]:
        facts.append((w.say("Waiting"), f"{w.number(hook['waiting'])}, {w.moment(hook['oldest'])}"))
    if hook["given_up"]:
        facts.append((w.say("Given up"), w.number(hook["given_up"])))
    old = hook["old_until"] if hook["old_until"] and hook["old_until"] > now else None
    return {
        **hook,
        "where": where(hook),
        "state_said": text,
        "colour": colour,
        "facts": facts,
        "failing": w.moment(hook["failing_since"]) if hook["failing_since"] else "",
        "both_until": w.moment(old) if old else "",
    }


def log(pages: Pages, hook: Item, rows: list[Item], state: str, first: bool) -> Item:
    """The deliveries of a webhook, a page of them."""
    w = pages.words
    shown = rows[:SHOWN]
    columns = (N_("When"), N_("Event"), N_("About"), N_("State"), N_("Answer"), N_("Tries"))
    cells = []
    for of in shown:
        text, colour = DELIVERIES[of["state"]]
        again = w.say("sent again by %(who)s", who=of["again_by"]) if of["again_by"] else ""
        next_try = w.say("next try %(moment)s", moment=w.moment(of["due_at"])) if of["tries"] else ""
        cells.append(
            [
                Cell(w.moment(of["at"]), f"{where(hook)}/deliveries/{of['delivery_id']}", again),
                Cell(of["kind"]),
                Cell("–" if of["kind"] == TEST else of["subject"]),
                Cell(w.say(text), badge=colour, sub=next_try if of["state"] == "waiting" else ""),
                Cell(str(of["code"] or "–"), sub=w.heard(of["why"])),
                Cell(w.number(of["tries"])),
            ]
        )
    path = where(hook) + "?" + (f"state={state}&" if state else "")
    older = f"{path}after={cursor(shown[-1]['wanted_at'], shown[-1]['delivery_id'])}" if len(rows) > SHOWN else ""
    return {
        "table": Table(w.say("Deliveries, newest first"), tuple(Column(w.say(title)) for title in columns), cells),
        "state": state,
        "tabs": [("", w.say("All")), *((name, w.say(text)) for name, (text, _) in DELIVERIES.items())],
        "first": "" if first else path.rstrip("?&"),
        "older": older,
    }


def delivery(pages: Pages, hook: Item, of: Item, attempts: list[Item]) -> Item:
    """One delivery: what was sent, and what was answered to each try."""
    w = pages.words
    text, colour = DELIVERIES[of["state"]]
    facts = [
        (w.say("Event"), of["kind"]),
        (w.say("Id (webhook-id)"), str(of["fact_id"])),
        (w.say("Happened"), w.moment(of["at"])),
        (w.say("Tries"), w.number(of["tries"])),
    ]
    if of["state"] == "waiting":
        facts.append((w.say("Next try"), w.moment(of["due_at"])))
    return {
        "hook": {"name": hook["name"], "where": where(hook)},
        "facts": facts,
        "state_said": w.say(text),
        "colour": colour,
        "waits": of["state"] == "waiting",
        "why": of["why"],
        "body": of["body"],
        "again": f"{where(hook)}/deliveries/{of['delivery_id']}/again",
        "attempts": [
            {
                "when": w.moment(a["at"]),
                "said": w.say(OUTCOMES[a["outcome"]]),
                "colour": "good" if a["outcome"] == "delivered" else "bad",
                "code": a["code"] or "–",
                "took": w.say("%(n)s ms", n=w.number(a["took_ms"])),
                "why": a["why"],
                "answer": a["answer"],
            }
            for a in attempts
        ],
    }
