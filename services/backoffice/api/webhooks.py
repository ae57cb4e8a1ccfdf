"""Webhooks: who is told of which events, shown once the secret that proves it, and every delivery."""

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from fastapi import Form, Query
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.api.shown import nothing
from services.backoffice.public import KINDS
from services.backoffice.views import webhooks as view
from services.backoffice.views.cells import place
from services.backoffice.webhooks import reads
from services.backoffice.webhooks.again import again as once_more
from services.backoffice.webhooks.again import all_again
from services.backoffice.webhooks.sending import LONGEST_URL, wrong
from services.backoffice.webhooks.signing import shown as secret_shown
from shared.contracts.backoffice import (
    ActOnWebhook,
    AddWebhook,
    ChangeWebhook,
    OfWebhook,
)
from shared.http import NotFound
from shared.messaging.decision import Reply

router = pages()
Item = dict[str, Any]
Errors = dict[str, str]
Seeing = Annotated[Visit, allowed("webhooks")]
Key = Annotated[UUID, Form()]
Typed = Annotated[str, Form(max_length=LONGEST_URL + 100, pattern=r"^[^\x00]*$")]
Kinds = Annotated[tuple[str, ...], Form(max_length=100)]


@router.get("/webhooks")
async def webhooks(visit: Seeing, done: str = "") -> Response:
    """All webhooks, and the form for another one."""
    return await _all(visit, done=done)


async def _all(
    visit: Visit, typed: Item | None = None, errors: Errors | None = None, status: int = 200, done: str = ""
) -> Response:
    office = visit.office
    async with office.reading() as conn:
        hooks = await reads.all_webhooks(conn)
    typed = {"name": "", "url": "", "kinds": (), **(typed or {})}
    page = {
        "can": bool(office.webhooks.keys),
        "hooks": len(hooks),
        "table": view.listed(office.pages, hooks),
        "typed": typed,
        "kinds": view.choices(office.pages, typed["kinds"]),
        "errors": errors or {},
        "key": office.running.new_id(),
    }
    return visit.page("webhooks.html", "webhooks", page, status=status, toast=_toast(visit, done))


def _toast(visit: Visit, done: str) -> str:
    return visit.office.pages.words.say(view.DONE[done]) if done in view.DONE else ""


def _wrong(visit: Visit, name: str, url: str, kinds: tuple[str, ...]) -> Errors:
    """What is wrong with what was typed, by field."""
    w, errors = visit.office.pages.words, Errors()
    if not 1 <= len(name) <= 60 or not name.isprintable():
        errors["name"] = w.say("A name has 1 to 60 characters.")
    if why := wrong(url, inside=visit.office.webhooks.inside):
        errors["url"] = w.heard(why)
    if not kinds or not set(kinds) <= set(KINDS):
        errors["kind"] = w.say("Choose at least one event.")
    return errors


async def _asked(visit: Visit, word: OfWebhook, id: UUID) -> Reply:
    return await visit.office.running.desk.ask(word, id=id, actor=visit.person.name)


@router.post("/webhooks")
async def add(visit: Seeing, key: Key, name: Typed = "", url: Typed = "", kind: Kinds = ()) -> Response:
    """Another webhook, and its secret. The same form twice adds one."""
    office, name, url = visit.office, " ".join(name.split()), url.strip()
    if not office.webhooks.keys:
        return await _all(visit, status=409)
    typed = {"name": name, "url": url, "kinds": kind}
    if errors := _wrong(visit, name, url, kind):
        return await _all(visit, typed, errors, 422)
    first, kinds = office.webhooks.keys.first, tuple(of for of in KINDS if of in kind)
    word = AddWebhook(webhook_id=key, name=name, url=url, kinds=kinds, made_of=first, actor=visit.person.name)
    reply = await _asked(visit, word, key)
    if reply.status >= 400:
        said = {"name": office.pages.words.heard(reply.body["title"])}
        return await _all(visit, typed, said, reply.status)
    return await _secret(visit, key, 1, first, new=True)


async def _secret(visit: Visit, webhook_id: UUID, generation: int, made_of: str, *, new: bool) -> Response:
    """The one page that shows it."""
    hook = await _hook(visit, webhook_id)
    secret = secret_shown(visit.office.webhooks.keys.secret(webhook_id, generation, made_of))
    page = {"name": hook["name"], "where": view.where(hook), "secret": secret, "new": new}
    return visit.page("webhook_secret.html", "webhooks", page)


async def _hook(visit: Visit, webhook_id: UUID) -> Item:
    async with visit.office.reading() as conn:
        found = await reads.all_webhooks(conn, webhook_id)
    if not found:
        raise NotFound("webhook", str(webhook_id))
    return found[0]


@router.get("/webhooks/{webhook_id}")
async def webhook(
    visit: Seeing,
    webhook_id: UUID,
    state: str = "",
    after: Annotated[str, Query(max_length=200)] = "",
    done: str = "",
) -> Response:
    """One webhook: how it fares, what it is told, what was delivered."""
    return await _one(visit, webhook_id, state=state, after=after, done=done)


async def _one(
    visit: Visit,
    webhook_id: UUID,
    *,
    typed: Item | None = None,
    errors: Errors | None = None,
    notice: Item | None = None,
    status: int = 200,
    state: str = "",
    after: str = "",
    done: str = "",
) -> Response:
    office = visit.office
    hook = await _hook(visit, webhook_id)
    state = state if state in view.DELIVERIES else ""
    async with office.reading() as conn:
        rows = await reads.deliveries(conn, webhook_id, state=state, after=place(after), limit=view.SHOWN + 1)
    typed = {"name": hook["name"], "url": hook["url"], "kinds": hook["kinds"], **(typed or {})}
    page = {
        **view.one(office.pages, hook, visit.now),
        "log": view.log(office.pages, hook, rows, state, not after),
        "typed": typed,
        "choices": view.choices(office.pages, typed["kinds"]),
        "errors": errors or {},
        "days": office.webhooks.days,
        "key": office.running.new_id(),
    }
    return visit.page("webhook.html", "webhooks", page, status=status, notice=notice, toast=_toast(visit, done))


@router.post("/webhooks/{webhook_id}")
async def change(
    visit: Seeing, webhook_id: UUID, key: Key, name: Typed = "", url: Typed = "", kind: Kinds = ()
) -> Response:
    """Another name, address or choice of events."""
    name, url = " ".join(name.split()), url.strip()
    if errors := _wrong(visit, name, url, kind):
        typed = {"name": name, "url": url, "kinds": kind}
        return await _one(visit, webhook_id, typed=typed, errors=errors, status=422)
    kinds = tuple(of for of in KINDS if of in kind)
    word = ChangeWebhook(webhook_id=webhook_id, name=name, url=url, kinds=kinds, actor=visit.person.name)
    return await _answer(visit, webhook_id, await _asked(visit, word, uuid5(webhook_id, str(key))), "changed")


async def _answer(visit: Visit, webhook_id: UUID, reply: Reply, done: str) -> Response:
    if reply.status == 404:
        raise NotFound("webhook", str(webhook_id))
    if reply.status >= 400:
        w = visit.office.pages.words
        return await _one(visit, webhook_id, notice=nothing(w, w.heard(reply.body["title"])), status=reply.status)
    return RedirectResponse(f"/webhooks/{webhook_id}?done={done}", 303)


@router.post("/webhooks/{webhook_id}/replay")
async def replay(
    visit: Seeing, webhook_id: UUID, key: Key, since: Annotated[str, Form(max_length=40)] = ""
) -> Response:
    """All that happened since then, once more: the oldest first, so many at a time."""
    office, w = visit.office, visit.office.pages.words
    hook = await _hook(visit, webhook_id)
    try:
        begins = datetime.fromisoformat(since).replace(tzinfo=office.pages.zone)
        begins = max(begins, visit.now - timedelta(days=office.webhooks.days))
    except (ValueError, OverflowError):
        return await _one(visit, webhook_id, errors={"since": w.say("Say since when.")}, status=422)

    async def some(after: tuple[datetime, UUID] | None, limit: int) -> list[Item]:
        async with office.reading() as conn:
            return await reads.to_redeliver(conn, webhook_id, begins, after, limit)

    n, refused = await all_again(partial(_asked, visit), some, webhook_id, key, begins, visit.person.name)
    if refused is not None:
        return await _answer(visit, webhook_id, refused, "")
    return RedirectResponse(f"{view.where(hook)}?done={'again' if n else 'nothing'}", 303)


@router.get("/webhooks/{webhook_id}/deliveries/{delivery_id}")
async def delivery(visit: Seeing, webhook_id: UUID, delivery_id: UUID) -> Response:
    """One delivery: what was sent, and what was answered to each try."""
    hook, of = await _hook(visit, webhook_id), await _delivery(visit, webhook_id, delivery_id)
    async with visit.office.reading() as conn:
        attempts = await reads.attempts(conn, delivery_id)
    page = view.delivery(visit.office.pages, hook, of, attempts)
    return visit.page("webhook_delivery.html", "webhooks", {**page, "key": visit.office.running.new_id()})


async def _delivery(visit: Visit, webhook_id: UUID, delivery_id: UUID) -> Item:
    async with visit.office.reading() as conn:
        found = await reads.delivery(conn, webhook_id, delivery_id)
    if found is None:
        raise NotFound("delivery", str(delivery_id))
    return found


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/again")
async def again(visit: Seeing, webhook_id: UUID, delivery_id: UUID, key: Key) -> Response:
    """The same event once more, under the same id."""
    hook, of = await _hook(visit, webhook_id), await _delivery(visit, webhook_id, delivery_id)
    if of["state"] == "waiting":
        return RedirectResponse(f"{view.where(hook)}/deliveries/{delivery_id}", 303)
    reply = await once_more(partial(_asked, visit), webhook_id, [of], key, None, visit.person.name)
    return await _answer(visit, webhook_id, reply, "again")


@router.post("/webhooks/{webhook_id}/{act}")
async def act(
    visit: Seeing,
    webhook_id: UUID,
    act: Literal["pause", "resume", "remove", "rotate", "retire", "test"],
    key: Key,
) -> Response:
    """What a person does to a webhook; the same form twice does it once."""
    keys = visit.office.webhooks.keys
    if act == "rotate" and not keys:
        return await _one(visit, webhook_id, status=409)
    made_of = keys.first if act == "rotate" else ""
    word = ActOnWebhook(webhook_id=webhook_id, act=act, made_of=made_of, actor=visit.person.name)
    reply = await _asked(visit, word, uuid5(webhook_id, str(key)))
    if reply.status < 400 and act == "rotate":
        return await _secret(visit, webhook_id, reply.body["generation"], reply.body["made_of"], new=False)
    if reply.status < 400 and act == "remove":
        return RedirectResponse("/webhooks?done=remove", 303)
    return await _answer(visit, webhook_id, reply, act)
