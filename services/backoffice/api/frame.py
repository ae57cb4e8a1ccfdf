"""The frame of every page: who asks, what may they see, what stands around it."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import login, queries
from services.backoffice.accounts import stands
from services.backoffice.costly import Costly
from services.backoffice.languages import LANGUAGES, SOURCE, preferred
from services.backoffice.links import Links
from services.backoffice.live import Live, Rows
from services.backoffice.owners import Owners
from services.backoffice.pages import Pages
from services.backoffice.paper import Seller
from services.backoffice.rights import LOCAL, Person, known
from services.backoffice.views import today as today_view
from services.backoffice.webhooks.sending import Ways
from services.backoffice.words import N_
from shared.contracts.backoffice import KeepSession, LookAgain
from shared.contracts.message import Internal
from shared.rate import Rate
from shared.service import Running

if TYPE_CHECKING:
    from services.backoffice.oidc import SignOn

Item = dict[str, Any]
SAFE = ("GET", "HEAD", "OPTIONS")

NAV: tuple[tuple[str, tuple[tuple[str, str, str, str, str], ...]], ...] = (
    ("", (("today", "/", "today", N_("Today"), "t"), ("orders", "/orders", "orders", N_("Orders"), "o"))),
    (
        N_("Warehouse"),
        (
            ("pick", "/pick", "pick", N_("Pick"), ""),
            ("pack", "/pack", "truck", N_("Pack and hand over"), ""),
            ("returns", "/returns", "back", N_("Returns"), ""),
            ("receive", "/receive", "down", N_("Receive"), ""),
            ("count", "/count", "scale", N_("Count"), ""),
            ("adjust", "/adjust", "edit", N_("Correct stock"), ""),
            ("place", "/bins", "scan", N_("Bins and barcodes"), ""),
            ("stock", "/stock", "stock", N_("Stock"), "s"),
            ("purchasing", "/purchasing", "truck", N_("Purchasing"), ""),
        ),
    ),
    (
        N_("Office"),
        (
            ("money", "/money", "money", N_("Money"), "m"),
            ("refunds", "/refunds", "hand", N_("Refunds"), ""),
            ("mail", "/mails", "mail", N_("E-mails not sent"), ""),
            ("customers", "/customers", "people", N_("Customers"), "c"),
            ("reports", "/reports", "report", N_("Reports"), "r"),
        ),
    ),
    (
        N_("System"),
        (
            ("parked", "/parked-messages", "parked", N_("Parked"), "p"),
            ("staff", "/staff", "staff", N_("Staff"), ""),
            ("webhooks", "/webhooks", "bolt", N_("Webhooks"), ""),
            ("audit", "/acts", "people", N_("Audit"), ""),
        ),
    ),
)
"""Groups of (area, address, icon, text, key after g)."""


BARE: Item = {
    "nav": [], "area": "", "person": None, "may": lambda right: False, "csrf": "", "notice": None, "toast": "",
    "languages": [], "here": "/",
}  # fmt: skip
"""The frame of a page that is for everybody."""


class Refused(Exception):
    """Whoever asks may not: 403, with a sentence."""


class LoginNeeded(Exception):
    """Nobody is logged in, and there are accounts: to the login page, and back to where it was."""


ASKED_EVERY = timedelta(seconds=2)
"""How often the owners are asked for what waits with them."""
LANGUAGE = "comptoir-language"
"""The cookie of a browser in which somebody chose a language."""
USED_EVERY = timedelta(minutes=1)
"""How often the use of a session is written down."""


@dataclass
class Memory:
    """What is remembered between requests, in whichever language they come."""

    asked: tuple[datetime, today_view.Asked] | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    today: tuple[frozenset[UUID], dict[tuple[str, frozenset[str]], dict[str, str]]] = (frozenset(), {})  # of a round
    day: Costly[Item] = field(default_factory=lambda: Costly(today_view.stands_s))
    closed: bool = False  # there is an account or a provider, so nobody gets in without


@dataclass
class Office:
    """All that the pages need of a running service, in one language."""

    running: Running
    pages: Pages
    owners: Owners
    seller: Seller = field(default_factory=lambda: Seller("Comptoir"))
    languages: tuple[str, ...] = (SOURCE,)
    links: Links = field(default_factory=lambda: Links((), 1))
    public_url: str = ""  # where customers reach the pages; empty: as whoever asks does
    contact: str = ""
    carriers: Mapping[str, str] = field(default_factory=dict)  # where each tells of a parcel
    signon: "SignOn | None" = None  # the identity provider, where there is one
    webhooks: Ways = field(default_factory=Ways)  # how other programs are told of events
    weigh: bool = True  # whether a parcel's weight is asked for when it is packed

    def __post_init__(self) -> None:
        self.memory = Memory(closed=self.signon is not None)
        self.spoken = {self.pages.language: self}
        self.live, self.rows = Live(self.running, self.standing), Rows(self.running)
        self.wrong_passwords = Rate(30, timedelta(minutes=10))
        self.visits = Rate(120, timedelta(minutes=1))
        self.wrong_links = Rate(20, timedelta(minutes=10))

    def speaking(self, language: str) -> "Office":
        """The same office in another language; the two share all that they remember."""
        if language not in self.spoken:
            other = copy(self)
            other.pages = self.pages.speaking(language)
            self.spoken[language] = other
        return self.spoken[language]

    def heard(self, request: Request, person: Person | None = None) -> "Office":
        """The office in the language of who asks: what the person chose, else this browser, else what it asks for."""
        chosen = (person.language if person else "", request.cookies.get(LANGUAGE, ""))
        asked = preferred(request.headers.get("accept-language", ""), self.languages)
        return self.speaking(next((one for one in chosen if one in self.languages), asked))

    async def has_accounts(self) -> bool:
        if not self.memory.closed:
            async with self.reading() as conn:
                self.memory.closed = await queries.any_account(conn)
        return self.memory.closed

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with self.running.reads.connect() as connection:
            yield connection

    async def person(self, request: Request) -> Person:
        """Who asks; it is a use of the session, which therefore lasts longer. Raises LoginNeeded."""
        token = request.cookies.get(cookie_name(request), "")
        session = login.digest(token)
        person = (await self.standing({session})).get(session) if token else None
        if person is not None:
            if person.used_at and self.running.now() - person.used_at > USED_EVERY:
                await self.note(KeepSession(session=session))
            return person
        if await self.has_accounts():
            raise LoginNeeded
        return LOCAL

    async def standing(self, sessions: Collection[str]) -> dict[str, Person]:
        """Whose sessions these are, without those that are over; the empty one is good until there are accounts."""
        async with self.reading() as conn:
            found = await queries.sessions_of(conn, sessions)
        now = self.running.now()
        persons = {
            of["session"]: Person(
                account["name"],
                account["shown"],
                known(account["roles"]),
                of["session"],
                of["csrf"],
                account["language"],
                of["used_at"],
            )
            for of, account in found
            if stands(of, account, now)
        }
        return persons if "" not in sessions or await self.has_accounts() else {**persons, "": LOCAL}

    async def asked_now(self) -> today_view.Asked:
        """What waits at the owners for a person; asked once in a while, however many look at today."""
        async with self.memory.asking:  # who comes meanwhile takes the same answer
            now = self.running.now()
            if self.memory.asked is None or now - self.memory.asked[0] > ASKED_EVERY:
                self.memory.asked = now, await today_view.asked(self.owners)
            return self.memory.asked[1]

    async def day_sums(self, now: datetime) -> Item:
        """What the day came to; where it has many orders, as of a moment ago."""

        async def make() -> Item:
            async with self.reading() as conn:
                return await today_view.day_sums(conn, self.pages, now)

        return await self.memory.day.get(self.pages.day_of(now), make)

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
            **choice(self.office, self.request),
        }


def choice(office: Office, request: Request) -> Item:
    """The languages to choose from, and where the choice leads back to."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    offered = [(code, LANGUAGES.get(code, code)) for code in office.languages]
    return {"languages": offered if len(offered) > 1 else [], "here": here if request.method in SAFE else "/"}


def allowed(right: str) -> Any:
    """The visit of somebody who may; everybody else gets a sentence and nothing more.

    What changes something must come from a form of the session itself.
    """

    async def visit(request: Request) -> Visit:
        office: Office = request.app.state.office
        person = await office.person(request)
        office = request.state.office = office.heard(request, person)
        if not person.may(right):
            raise Refused(right)
        if request.method not in SAFE and person.session:
            sent = (await request.form()).get("csrf", "")
            if not isinstance(sent, str) or not login.same(sent, person.csrf):
                raise Refused("the form is not of this session")
        return Visit(request, office, person)

    visit.right = right  # type: ignore[attr-defined]
    return Depends(visit)


def cookie_name(request: Request) -> str:
    return login.SECURE if request.url.scheme == "https" else login.PLAIN


def spoken(request: Request) -> Office:
    """The office in the language of the request, also where nobody knows who asks."""
    office: Office = request.app.state.office
    return getattr(request.state, "office", None) or office.heard(request)


def pages() -> APIRouter:
    """A router for pages of one area."""
    return APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
