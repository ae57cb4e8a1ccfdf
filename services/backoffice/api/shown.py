"""Shown, then done, or stale: the one way in which people have an owner change something.

Without a quote the owner says what an act would do, and gives a quote of what it looked at. With the quote exactly that
is done, under the key of the page, so that pressing again does it once. When the owner's things changed since, nothing
is done, and the new effect is shown; when it did not answer, the page keeps quote and key, to be pressed again.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from fastapi.responses import Response

from services.backoffice.api.frame import Visit
from services.backoffice.owners import Away, Said
from services.backoffice.pages import English
from services.backoffice.words import N_

Item = dict[str, Any]
Question = Callable[[Item | None, Item | None, str], Awaitable[Item]]
"""The page that asks once more, of a preview (None: not known), a notice and the key that it is done under."""
CHANGED = {"inventory": N_("The stock changed since you looked. Nothing was done.")}
SILENT = {
    "order": N_("The order service did not answer in time. Pressing again is safe: it is done once."),
    "billing": N_("Billing did not answer in time. Pressing again is safe: it is done once."),
    "fulfilment": N_("Fulfilment did not answer in time. Pressing again is safe: it is done once."),
    "inventory": N_("The service that owns the stock did not answer in time. Pressing again is safe: it is done once."),
}


@dataclass(frozen=True, slots=True)
class Act:
    """What a person asks of an owner. `also` is said only when it is done; `template` and `area`: of its question."""

    owner: str
    path: str
    body: Item
    also: Item = field(default_factory=dict)
    template: str = "wish.html"
    area: str = "orders"
    if_match: str = ""  # the tag of what was looked at, where the owner goes by it instead of a quote


@dataclass(frozen=True, slots=True)
class Undone:
    """An act that was refused, that went stale, or of which nothing is known yet, as the owner did not answer.

    `key` is the one to go on with: the same where nothing is known, else another, as the refusal is kept as the answer.
    """

    fate: Literal["refused", "stale", "unknown"]
    notice: Item
    status: int
    key: str


async def preview(visit: Visit, act: Act) -> Item:
    """What the act would do, and its quote, as the owner says. Raises Away or Said."""
    return dict(await _post(visit, act, f"{act.path}/preview", act.body))


async def do(visit: Visit, act: Act, key: str, quote: str | None) -> Item | Undone:
    """Does exactly what the quote stands for, and gives the owner's answer. None: of an act that has no quote."""
    w, quoted = visit.office.pages.words, {} if quote is None else {"quote": quote}
    try:
        return dict(await _post(visit, act, act.path, {**act.body, **act.also, **quoted}, key))
    except Said as refused:
        return not_done(visit, refused)
    except Away:
        title = w.say("It is not known yet whether it was done.")
        return Undone("unknown", {"kind": "wait", "title": title, "text": w.say(SILENT[act.owner])}, 503, key)


async def _post(visit: Visit, act: Act, path: str, body: Item, key: str = "") -> Any:
    person, owners = visit.person, visit.office.owners
    return await owners.post(
        act.owner, path, body, actor=person.name, key=key, roles=sorted(person.roles), if_match=act.if_match
    )


async def shown_or_done(
    visit: Visit, act: Act, key: str, quote: str, question: Question, typing: Callable[[Item], Awaitable[Response]]
) -> Response | Item:
    """The page to answer with, or the owner's answer when it was done.

    `typing`: the page on which it was typed, which gets back what the owner refuses to show the effect of.
    """
    notice, status, key = None, 200, key or new_key(visit)
    if quote:
        done = await do(visit, act, key, quote)
        if not isinstance(done, Undone):
            return done
        notice, status, key = done.notice, done.status, done.key
        if done.fate == "unknown":
            page = {**await question(None, notice, key), "quote": quote}
            return visit.page(act.template, act.area, page, status=status)
    try:
        told = await preview(visit, act)
    except Said as refused:
        return await typing(notice or cannot(visit.office.pages.words, refused))
    return visit.page(act.template, act.area, await question(told, notice, key), status=status)


def new_key(visit: Visit) -> str:
    """The key of one act, however often it is sent."""
    return str(visit.office.running.new_id())


def not_done(visit: Visit, refused: Said) -> Undone:
    """What the owner refused to do, also because its things are others than were looked at."""
    w, key = visit.office.pages.words, new_key(visit)
    if refused.status == 412 or (refused.status == 409 and "stale" in refused.title):
        text = w.say("This is the effect now; look at it and decide again.")
        changed = CHANGED.get(refused.owner, N_("The order changed since you looked. Nothing was done."))
        return Undone("stale", {"kind": "wait", "title": w.say(changed), "text": text}, 409, key)
    return Undone("refused", nothing(w, refused.title), refused.status, key)


def nothing(w: English, why: str) -> Item:
    """The notice that nothing was done, and why."""
    return {"kind": "bad", "title": w.say("Nothing was done."), "text": why}


def cannot(w: English, refused: Said) -> Item:
    """The notice of what the owner does not even show the effect of."""
    return {"kind": "bad", "title": w.say("This cannot be done now."), "text": refused.title}
