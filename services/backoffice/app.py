"""Composition root of the back office."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI

from services.backoffice import api, tables
from services.backoffice.api.frame import Office
from services.backoffice.handlers import HANDLERS
from services.backoffice.lookout import Lookout
from services.backoffice.owners import Looker, Owners, clients, key_now
from services.backoffice.pages import Pages
from services.backoffice.post import Postman
from services.backoffice.settings import Settings
from services.backoffice.store import BOOKS
from services.backoffice.webhooks.courier import Courier
from shared.contracts.backoffice import LookAtOrder, MailAnswered, OrderSeen, SendMail
from shared.service import Figure, Running, Service, Worker

if TYPE_CHECKING:
    from services.backoffice.oidc import SignOn


@dataclass(frozen=True)
class Errands:
    """Makes the outside calls: looks at orders, and e-mails."""

    owners: Owners
    looker: Looker
    postman: Postman

    async def perform(self, m: LookAtOrder | SendMail) -> OrderSeen | MailAnswered:
        return await (self.postman.perform(m) if isinstance(m, SendMail) else self.looker.perform(m))


def sign_on(settings: Settings) -> "SignOn | None":
    """The identity provider, where one is set."""
    provider = settings.provider()
    if provider is None:
        return None
    from services.backoffice.oidc import SignOn  # takes a while, which the others save

    return SignOn(provider)


def build(settings: Settings, owners: Owners | None = None) -> Service:
    """The service, assembled; nothing is started. `owners`: another way to the owners than over the network."""
    reached = owners or Owners(clients(settings.owners(), settings.owner_timeout_s, settings.api_key, key_now))
    looker = Looker(reached, settings.gather_ms / 1000)
    pages = Pages(settings.time_zone, settings.shop_name, settings.languages.partition(",")[0])
    postman = Postman(reached, pages, settings.sender())
    errands = Errands(reached, looker, postman)
    couriers: dict[Running, Courier] = {}

    def workers(running: Running) -> list[Worker]:
        couriers[running] = Courier(running, settings.webhooks())
        wanted = bool(settings.policy().low_stock_to)
        return [couriers[running], Lookout(running, reached, pages.zone, settings.low_stock_hour, wanted)]

    async def figures(running: Running) -> list[Figure]:
        courier = couriers.get(running)
        return [*await postman.figures(running), *(await courier.figures() if courier else ())]

    def extend(app: FastAPI, running: Running) -> None:
        office = Office(
            running,
            pages,
            reached,
            settings.seller(),
            tuple(settings.languages.split(",")),
            links=settings.links(),
            public_url=settings.public_url,
            contact=settings.shop_contact,
            carriers=settings.carriers(),
            signon=sign_on(settings),
            weigh=settings.weigh_parcels,
            webhooks=settings.webhooks(),
        )
        api.extend(app, office)

    return Service(
        name="backoffice",
        handlers=HANDLERS,
        books=BOOKS,
        metadata=tables.metadata,
        policy=settings.policy(),
        router=APIRouter(),  # pages take what an address says, and refuse nothing that is misspelt
        settings=settings,
        caller=errands.perform,
        closer=looker.close,
        calls_at_once=256,
        joined=postman.join,
        figures=figures,
        workers=workers,
        extend=extend,
        by_key=False,  # its pages are for people, who log in
        description="Pages for the people of the shop, on read tables that the events of all services fill",
    )
