"""The pages over HTTP: who asks, what may they see, which view, which template. Every page works without script."""

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, FastAPI, Form, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.backoffice import login, queries
from services.backoffice.accounts import stands
from services.backoffice.live import Live, Rows, Watcher, newer
from services.backoffice.owners import Away, Owners, Said
from services.backoffice.pages import Pages, assets
from services.backoffice.rights import LOCAL, SEES, Person, known
from services.backoffice.views import order as order_view
from services.backoffice.views import orders as orders_view
from services.backoffice.views import parked as parked_view
from services.backoffice.views import stock as stock_view
from services.backoffice.views import today as today_view
from services.backoffice.views import warehouse as warehouse_view
from services.backoffice.views import wishes
from shared.contracts.backoffice import KeepSession, LookAgain, OpenSession, RefuseLogin
from shared.contracts.message import Internal
from shared.http import NotFound
from shared.service import Running

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
log = structlog.get_logger("comptoir.backoffice")
Item = dict[str, Any]
Word = Annotated[str, Form(max_length=1000)]

NAV: tuple[tuple[str, tuple[tuple[str, str, str, str, str], ...]], ...] = (
    ("", (("today", "/", "today", "Today", "t"), ("orders", "/orders", "orders", "Orders", "o"))),
    (
        "Warehouse",
        (
            ("pick", "/pick", "pick", "Pick", ""),
            ("pack", "/pack", "truck", "Pack and hand over", ""),
            ("stock", "/stock", "stock", "Stock", "s"),
        ),
    ),
    ("System", (("parked", "/parked-messages", "parked", "Parked", "p"),)),
)
"""Groups of (area, address, icon, text, key after g)."""


BARE: Item = {
    "nav": [], "area": "", "person": None, "may": lambda right: False, "csrf": "", "notice": None, "toast": "",
}  # fmt: skip
"""The frame of a page that is for everybody."""


class Refused(Exception):
    """Whoever asks may not: 403, with a sentence."""


class LoginNeeded(Exception):
    """Nobody is logged in, and there are accounts: to the login page, and back to where it was."""


ASKED_EVERY = timedelta(seconds=2)
"""How often the owners are asked for what is parked with them."""
USED_EVERY = timedelta(minutes=1)
"""How often the use of a session is written down."""


@dataclass
class Office:
    """All that the pages need of a running service."""

    running: Running
    pages: Pages
    owners: Owners
    live: Live

    def __post_init__(self) -> None:
        self.rows = Rows(self.running)
        self.tries = login.Tries()
        self.parked: tuple[datetime, dict[str, list[Item]]] | None = None
        self.closed = False  # there is an account, so nobody gets in without

    async def has_accounts(self) -> bool:
        if not self.closed:
            async with self.reading() as conn:
                self.closed = await queries.any_account(conn)
        return self.closed

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with self.running.reads.connect() as connection:
            yield connection

    async def person(self, request: Request) -> Person:
        """Who asks. Raises LoginNeeded."""
        token = request.cookies.get(cookie_name(request), "")
        if token:
            async with self.reading() as conn:
                session = await queries.session(conn, login.digest(token))
                account = await queries.account(conn, session["name"]) if session else None
            now = self.running.now()
            if session and account and stands(session, account, now):
                if now - session["used_at"] > USED_EVERY:
                    await self.note(KeepSession(session=session["session"]))
                roles = known(account["roles"])
                return Person(account["name"], account["shown"], roles, session["session"], session["csrf"])
        if await self.has_accounts():
            raise LoginNeeded
        return LOCAL

    async def parked_now(self) -> dict[str, list[Item]]:
        """What is parked anywhere; asked of the owners once in a while, however many look at today."""
        now = self.running.now()
        if self.parked is None or now - self.parked[0] > ASKED_EVERY:
            self.parked = now, await today_view.parked_counts(self.owners)
        return self.parked[1]

    async def note(self, word: Internal) -> None:
        """Has something decided that nobody waits for an answer of."""
        await self.running.desk.ask(word, id=self.running.new_id())

    async def look(self, order_id: UUID) -> None:
        """Has the order looked at again, because it changed or was seen to be another one."""
        await self.note(LookAgain(order_id=order_id))


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a person."""

    request: Request
    office: Office
    person: Person

    @property
    def now(self) -> datetime:
        return self.office.running.now()

    def page(self, template: str, area: str, page: Any, *, status: int = 200, **more: Any) -> HTMLResponse:
        html = self.office.pages.render(template, page=page, **{**self.frame(area), **more})
        return HTMLResponse(html, status)

    def frame(self, area: str) -> Item:
        """What the frame around every page needs."""
        w = self.office.pages.words
        nav = [
            (
                w.say(title) if title else "",
                [
                    {"name": name, "href": href, "icon": icon, "text": w.say(text), "key": key}
                    for name, href, icon, text, key in links
                    if self.person.may(name)
                ],
            )
            for title, links in NAV
        ]
        return {
            "nav": [(title, links) for title, links in nav if links],
            "area": area,
            "person": self.person,
            "may": self.person.may,
            "csrf": self.person.csrf,
            "notice": None,
            "toast": "",
        }


def allowed(right: str) -> Any:
    """The visit of somebody who may; everybody else gets a sentence and nothing more.

    What changes something must come from a form of the session itself.
    """

    async def visit(request: Request) -> Visit:
        office: Office = request.app.state.office
        person = await office.person(request)
        if not person.may(right):
            raise Refused(right)
        if request.method not in SAFE and person.session:
            sent = (await request.form()).get("csrf", "")
            if not isinstance(sent, str) or not login.same(sent, person.csrf):
                raise Refused("the form is not of this session")
        return Visit(request, office, person)

    visit.right = right  # type: ignore[attr-defined]
    return Depends(visit)


# Login


def cookie_name(request: Request) -> str:
    return login.SECURE if request.url.scheme == "https" else login.PLAIN


def _login_page(office: Office, onward: str, name: str = "", error: str = "", status: int = 200) -> Response:
    page = {"onward": onward, "name": name, "error": error}
    return HTMLResponse(office.pages.render("login.html", page=page, **BARE), status)


@router.get("/login")
async def login_page(request: Request, onward: Annotated[str, Query(max_length=500)] = "/") -> Response:
    """A name and a password."""
    return _login_page(request.app.state.office, login.onward(onward))


@router.post("/login")
async def log_in(
    request: Request,
    name: Annotated[str, Form(max_length=64, pattern=r"^[^\x00]*$")],
    password: Annotated[str, Form(max_length=login.LONGEST)],
    onward: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """A new session. Wrong, unknown and locked get the same answer; many tries wait ever longer."""
    office: Office = request.app.state.office
    now, w, goes = office.running.now(), office.pages.words, login.onward(onward)
    address = request.client.host if request.client else ""
    async with office.reading() as conn:
        account = await queries.account(conn, name.strip())
    locked = bool(account and account["locked_until"] and account["locked_until"] > now)
    usable = account is not None and account["active"] and not locked and not office.tries.too_many(address, now)
    good = await login.right(account["password"] if usable and account else "", password)
    if not good or account is None:
        office.tries.add(address, now)
        if account is not None and not locked:
            await office.note(RefuseLogin(name=account["name"]))
        log.warning("a login was refused", name=name[:64], address=address)
        said = w.say("The name or the password is wrong, or there were too many tries. Wait a moment and try again.")
        return _login_page(office, goes, name, said, 401)
    if goes == "/":
        goes = Person(account["name"], "", known(account["roles"])).begins
    token = login.token()
    await office.note(OpenSession(name=account["name"], session=login.digest(token), csrf=login.token()))
    answer = RedirectResponse(goes, 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(cookie_name(request), token, path="/", httponly=True, secure=secure, samesite="lax")
    return answer


@router.post("/logout")
async def log_out(request: Request, csrf: Annotated[str, Form(max_length=100)] = "") -> Response:
    """The session ends, here and in the table."""
    office: Office = request.app.state.office
    person = await office.person(request)
    if person.session:
        if not login.same(csrf, person.csrf):
            raise Refused("the form is not of this session")
        await office.note(KeepSession(session=person.session, ends=True))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(cookie_name(request), path="/", httponly=True, samesite="lax")
    return answer


# Today


@router.get("/")
async def today(visit: Annotated[Visit, allowed("today")]) -> Response:
    """Worklists, figures, where orders are, what just happened."""
    return visit.page("today.html", "today", await _today(visit.office, visit.person, visit.now))


async def _today(office: Office, person: Person, now: datetime) -> Item:
    sees = frozenset(area for area in SEES if person.may(area))
    parked = await office.parked_now() if "parked" in sees else {}
    async with office.reading() as conn:
        return await today_view.today(conn, office.pages, now, parked, sees)


# Orders


@router.get("/orders")
async def orders(visit: Annotated[Visit, allowed("orders")]) -> Response:
    """The list; a search that can only mean one order opens it."""
    query = visit.request.query_params
    wanted, since = orders_view.asked(query, visit.office.pages)
    async with visit.office.reading() as conn:
        if wanted.q and "HX-Request" not in visit.request.headers:
            hit = await queries.exactly(conn, wanted.q)
            if hit is not None:
                return RedirectResponse(f"/orders/{hit['number']}", 303)
        page = await orders_view.page(conn, visit.office.pages, visit.now, wanted, since, query)
    return visit.page("orders.html", "orders", page)


@router.get("/orders.csv")
async def orders_csv(visit: Annotated[Visit, allowed("export")]) -> Response:
    """The whole filter, streamed."""
    wanted, _ = orders_view.asked(visit.request.query_params, visit.office.pages)
    lines = orders_view.as_csv(visit.office.reading, wanted)
    headers = {"Content-Disposition": 'attachment; filename="orders.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


Name = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]


async def _found(conn: AsyncConnection, name: str) -> UUID:
    order_id = await queries.order_id_of(conn, name)
    if order_id is None:
        raise NotFound("order", name)
    return order_id


@router.get("/orders/{name}")
async def order(visit: Annotated[Visit, allowed("orders")], name: Name, show: str = "", done: str = "") -> Response:
    """Everything about one order. If the read tables turn out to be behind its owner, they are told to look again."""
    async with visit.office.reading() as conn:
        order_id = await _found(conn, name)
        page = await order_view.page(conn, visit.office.pages, visit.office.owners, visit.person, order_id, show)
    if page is None:
        raise NotFound("order", name)
    if page["stale"]:
        await visit.office.look(order_id)
    w = visit.office.pages.words
    said = {"cancel": w.say("The order was asked to cancel."), "hold": w.say("The order is on hold.")}
    said["release"] = w.say("The hold is gone.")
    return visit.page("order.html", "orders", page, toast=said.get(done, ""))


Wish = Literal["cancel", "hold", "release"]


@router.get("/orders/{name}/{wish}")
async def wish(
    request: Request, visit: Annotated[Visit, allowed("orders")], name: Name, wish: Wish, hold: str = ""
) -> Response:
    """What cancelling, holding or releasing would do, before anything is done."""
    return await _asking(visit, name, wish, {"hold": hold}, 200)


async def _asking(
    visit: Visit, name: str, wish: str, form: Item, status: int, error: Item | None = None, key: str = ""
) -> Response:
    if not visit.person.may(wish):
        raise Refused(wish)
    office, w = visit.office, visit.office.pages.words
    async with office.reading() as conn:
        order_id = await _found(conn, name)
    found = dict(await office.owners.get("order", f"/orders/{order_id}"))
    if wish == "release" and form.get("hold") not in found["holds"]:
        form = {**form, "hold": found["holds"][0] if found["holds"] else ""}
    told = None
    try:
        told = await wishes.previewed(office.owners, wish, str(order_id), form.get("hold", ""), visit.person.name)
    except Said as refused:
        error = error or {"kind": "bad", "title": w.say("This cannot be done now."), "text": refused.title}
        status = max(status, 409)
    key = key or str(office.running.new_id())
    page = wishes.page(office.pages, wish, found, told, form, key, error)
    return visit.page("wish.html", "orders", page, status=status)


@router.post("/orders/{name}/{wish}")
async def do_wish(
    visit: Annotated[Visit, allowed("orders")],
    name: Name,
    wish: Wish,
    key: Annotated[str, Form(min_length=8, max_length=64)],
    quote: Annotated[str, Form(max_length=64)] = "",
    reason: Annotated[str, Form(max_length=200)] = "",
    hold: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Exactly what was shown; 409 with the new effect when the order changed since; 503 when it is not known yet."""
    if not visit.person.may(wish):
        raise Refused(wish)
    office, w = visit.office, visit.office.pages.words
    form = {"key": key, "quote": quote, "reason": reason, "hold": hold}
    async with office.reading() as conn:
        order_id = await _found(conn, name)
    try:
        await wishes.done(office.owners, wish, str(order_id), form, visit.person.name)
    except Said as refused:
        stale = refused.status == 409 and "stale" in refused.title
        title = w.say("The order changed since you looked. Nothing was done.") if stale else w.say("Nothing was done.")
        text = w.say("This is the effect now; look at it and decide again.") if stale else refused.title
        error = {"kind": "wait" if stale else "bad", "title": title, "text": text}
        return await _asking(visit, name, wish, form, refused.status, error)
    except Away:
        error = {
            "kind": "wait",
            "title": w.say("It is not known yet whether it was done."),
            "text": w.say("The order service did not answer in time. Pressing again is safe: it is done once."),
        }
        page = wishes.page(
            office.pages, wish, {"number": name, "holds": [hold] if hold else []}, None, form, key, error
        )
        return visit.page("wish.html", "orders", page, status=503)
    await office.look(order_id)
    return RedirectResponse(f"/orders/{name}?done={wish}", 303)


# Stock


@router.get("/stock")
async def stock(
    visit: Annotated[Visit, allowed("stock")],
    sku: Annotated[str, Query(max_length=64)] = "",
    warehouse: Annotated[str, Query(max_length=64)] = "",
    view: Annotated[str, Query(max_length=20)] = "",
    after: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """Levels, backorders, what is to be counted."""
    office = visit.office
    page = await stock_view.levels(office.owners, office.pages, sku.strip(), warehouse, view, after)
    if view == "backorders":
        await _name_orders(office, page["rows"])
    return visit.page("stock.html", "stock", page)


async def _name_orders(office: Office, rows: list[Item]) -> None:
    """Gives each row the number and the customer of its order."""
    async with office.reading() as conn:
        found = await queries.rows_of(conn, [UUID(str(row["order_id"])) for row in rows])
    names = {str(row["order_id"]): row for row in found}
    for row in rows:
        known = names.get(str(row["order_id"]), {})
        row |= {"number": known.get("number", ""), "name": known.get("name", "")}


@router.get("/stock/{sku:path}")
async def product(
    visit: Annotated[Visit, allowed("stock")],
    sku: Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")],
    after: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """One product: levels, what is coming, who waits, movements."""
    page = await stock_view.product(visit.office.owners, visit.office.pages, sku, after)
    await _name_orders(visit.office, page["queue"])
    return visit.page("product.html", "stock", page)


# Pick, pack, hand over


@router.get("/pick")
async def pick_list(
    visit: Annotated[Visit, allowed("pick")], warehouse: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """What to fetch, most urgent first, and all of it together."""
    return visit.page("pick.html", "pick", await warehouse_view.to_pick(visit.office.owners, warehouse))


@router.get("/pick/{id}")
async def picking(visit: Annotated[Visit, allowed("pick")], id: UUID) -> Response:
    """One parcel to pick: each product with its pieces."""
    return await _picking(visit, id)


async def _picking(visit: Visit, id: UUID, status: int = 200, error: str = "") -> Response:
    found = await warehouse_view.one(visit.office.owners, id)
    page = {**found, "error": error, "key": str(visit.office.running.new_id())}
    return visit.page("pick_one.html", "pick", page, status=status)


@router.post("/pick/{id}")
async def picked(
    request: Request,
    visit: Annotated[Visit, allowed("pick")],
    id: UUID,
    key: Annotated[str, Form(min_length=8, max_length=64)],
) -> Response:
    """Picked, with what was not found."""
    w, form = visit.office.pages.words, await request.form()
    shipment = await warehouse_view.one(visit.office.owners, id)
    try:
        found = {line["line_no"]: int(str(form[f"found-{line['line_no']}"])) for line in shipment["lines"]}
        short = warehouse_view.missing(shipment["lines"], found)
    except (KeyError, ValueError):
        return await _picking(
            visit, id, 422, w.say("Say for each product how many were found, at most what is wanted.")
        )
    try:
        who = visit.person.name
        await visit.office.owners.post("fulfilment", f"/shipments/{id}/pick", {"short": short}, actor=who, key=key)
    except Said as refused:
        return await _picking(visit, id, refused.status, refused.title)
    return RedirectResponse("/pick", 303)


@router.get("/pack")
async def packing(visit: Annotated[Visit, allowed("pack")]) -> Response:
    """What waits for its parcel, and what waits for the carrier."""
    return await _packing(visit)


async def _packing(visit: Visit, status: int = 200, error: str = "") -> Response:
    found = await warehouse_view.to_pack(visit.office.owners)
    return visit.page(
        "pack.html", "pack", {**found, "error": error, "key": str(visit.office.running.new_id())}, status=status
    )


@router.post("/pack/{id}/{act}")
async def packed(
    visit: Annotated[Visit, allowed("pack")],
    id: UUID,
    act: Literal["pack", "dispatch"],
    key: Annotated[str, Form(min_length=8, max_length=64)],
) -> Response:
    """Packed, which asks for the label; or handed over, the point of no return."""
    try:
        await visit.office.owners.post("fulfilment", f"/shipments/{id}/{act}", {}, actor=visit.person.name, key=key)
    except Said as refused:
        return await _packing(visit, refused.status, refused.title)
    return RedirectResponse("/pack", 303)


# Parked messages


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


# Live


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
    person = await office.person(request)
    if not person.may("today" if page == "today" else "orders"):
        raise Refused(page)
    if page == "today":
        watcher = Watcher(page, _today_parts(office, person))
    elif page == "orders":
        shown = frozenset(UUID(each) for each in ids.split(",") if queries.as_id(each))
        watcher = Watcher(page, _list_parts(office, newest), shown)
    else:
        if id is None:
            raise NotFound("order", "")
        watcher = Watcher(page, _order_parts(office, person, id, show), frozenset([id]))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(office.live.stream(watcher), media_type="text/event-stream", headers=headers)


Parts = Callable[[Watcher, frozenset[UUID]], Awaitable[str]]


def _today_parts(office: Office, person: Person) -> Parts:
    names = {"head": "head", "worklists": "lists", "kpis": "figures", "feed": "feed", "flow": "flow"}

    async def parts(watcher: Watcher, changed: frozenset[UUID]) -> str:
        page = await _today(office, person, office.running.now())
        made = ((target, office.pages.part("_today.html", macro, page)) for target, macro in names.items())
        return "".join(watcher.fresh(target, html) for target, html in made)

    return parts


def _list_parts(office: Office, newest: str) -> Parts:
    top = orders_view.place(newest) if newest not in ("", "none") else None
    came: set[UUID] = set()

    async def parts(watcher: Watcher, changed: frozenset[UUID]) -> str:
        rows = await office.rows.of(changed)
        now = office.running.now()
        html = [
            watcher.fresh(f"o-{id}", office.pages.part("_orders.html", "row", rows[id], now))
            for id in watcher.ids & rows.keys()
        ]
        if newest:
            came.update(id for id, row in rows.items() if id not in watcher.ids and newer(row, top))
            if came:
                html.append(
                    watcher.fresh("arrivals", office.pages.part("_orders.html", "arrivals", len(came), "/orders"))
                )
        return "".join(html)

    return parts


def _order_parts(office: Office, person: Person, order_id: UUID, show: str) -> Parts:
    async def parts(watcher: Watcher, changed: frozenset[UUID]) -> str:
        if order_id not in changed:
            return ""
        async with office.reading() as conn:
            page = await order_view.page(conn, office.pages, office.owners, person, order_id, show)
        return "" if page is None else watcher.fresh("order", office.pages.part("_order.html", "whole", page))

    return parts


# Files, headers, errors


@router.get("/static/{digest}/{name:path}")
async def static(request: Request, digest: str, name: str) -> Response:
    """A file under the name of its content: it may be kept for ever."""
    found = assets().get(name)
    if found is None or found.digest != digest:
        raise HTTPException(404, "no such file")
    zipped = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return Response(found.zipped if zipped else found.body, media_type=found.media, headers=headers)


POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
OPEN = ("/health/", "/metrics")
"""What probes ask for, from wherever they are."""


class Guard:
    """Security headers on every answer; nothing is for other sites; without accounts nothing is for other machines.

    Other machines get in over HTTPS only, where the cookie of a session cannot be read on the way.
    """

    def __init__(self, app: ASGIApp, office: Office) -> None:
        self.app, self.office = app, office

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                more = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in there]
                if b"cache-control" not in there:
                    more.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        why = "" if scope["path"].startswith(OPEN) else refusal(scope, headers)
        if why is ALONE and scope["scheme"] == "https" and await self.office.has_accounts():
            why = foreign(scope, headers)
        if why:
            await HTMLResponse(why, 403, media_type="text/plain; charset=utf-8")(scope, receive, sealed)
            return
        await self.app(scope, receive, sealed)


SAFE = ("GET", "HEAD", "OPTIONS")


def refusal(scope: Scope, headers: Mapping[str, str]) -> str:
    """Why a request is not answered; empty for those that are.

    A name of another machine in `Host` would let a foreign site read the pages through the browser of whoever sits
    here; a request that another site made would act in that person's name.
    """
    client = (scope.get("client") or ("127.0.0.1", 0))[0]
    host = (
        headers.get("host", "").rpartition(":")[0]
        if headers.get("host", "")[-1:].isdigit()
        else headers.get("host", "")
    )
    if not (loopback(client) and (loopback(host.strip("[]")) or host == "localhost")):
        return ALONE
    return foreign(scope, headers)


ALONE = (
    "Without accounts and HTTPS these pages are only for the machine itself: open them at 127.0.0.1. "
    "`comptoir staff add` makes the first account."
)


def foreign(scope: Scope, headers: Mapping[str, str]) -> str:
    """Why a request of another site is not answered; empty for all others."""
    if scope["method"] not in SAFE:
        site = headers.get("sec-fetch-site", "same-origin")
        origin = headers.get("origin", "")
        if site not in ("same-origin", "none") or (origin and origin.partition("://")[2] != headers.get("host", "")):
            return "This request came from another site."
    return ""


def loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def extend(app: FastAPI, office: Office) -> None:
    """Gives the service's application its office, its guard, and pages for what goes wrong."""
    app.state.office = office
    app.include_router(router)
    app.add_middleware(Guard, office=office)
    w = office.pages.words

    def told(status: int, title: str, text: str) -> Response:
        return HTMLResponse(office.pages.render("error.html", page={"title": title, "text": text}, **BARE), status)

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        try:
            person = await office.person(request)
        except LoginNeeded:
            person = LOCAL
        page = {"title": w.say("Not for your role"), "text": w.say("Ask somebody who looks after the accounts.")}
        return Visit(request, office, person).page("error.html", "", page, status=403)

    @app.exception_handler(LoginNeeded)
    async def login_needed(request: Request, error: LoginNeeded) -> Response:
        where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        address = f"/login?{urlencode({'onward': where if request.method in SAFE else '/'})}"
        if "HX-Request" in request.headers or "text/html" not in request.headers.get("accept", "text/html"):
            return Response(status_code=401, headers={"HX-Redirect": address})
        return RedirectResponse(address, 303)

    @app.exception_handler(Away)
    async def away(request: Request, error: Away) -> Response:
        text = w.say("The service %(name)s does not answer now. Try again in a moment.", name=error.owner)
        return told(503, w.say("Not now"), text)

    @app.exception_handler(Said)
    async def said(request: Request, error: Said) -> Response:
        if error.status == 404:
            return told(
                404, w.say("There is no such thing"), w.say("Perhaps it was never there, or the address is wrong.")
            )
        return told(error.status, w.say("Refused"), error.title)

    for kind in (NotFound, DBAPIError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _as_page(app.exception_handlers[kind], told, w.say))


def _as_page(plain: Any, told: Callable[[int, str, str], Response], say: Callable[[str], str]) -> Any:
    """The same refusal, as a page where a browser asks for one."""

    async def handle(request: Request, error: Exception) -> Response:
        answer: Response = await plain(request, error)
        answer.headers.update(HEADERS)  # what nobody expected is answered outside of the guard
        if "text/html" not in request.headers.get("accept", ""):
            return answer
        if answer.status_code == 404:
            return told(404, say("There is no such thing"), say("Perhaps it was never there, or the address is wrong."))
        if answer.status_code == 503:
            return told(503, say("Not now"), say("The database does not answer. Try again in a moment."))
        page = told(answer.status_code, say("This did not work"), say("Go back and try again."))
        page.headers.update(HEADERS)
        return page

    return handle
