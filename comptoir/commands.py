"""The longer commands behind the command line."""

import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console

from comptoir.auditing import auditor_application
from comptoir.auditor import Auditor, AuditorSettings
from comptoir.places import databases
from comptoir.postgres import EmbeddedPostgres, PostgresFailed
from comptoir.rebuilding import is_new, rebuild
from comptoir.rest import plain
from comptoir.suite import BUILD, MEMBERS, know_topology, migrate, settings_of, started
from comptoir.web import one_door
from services.billing.development_provider import create_app as payment_provider
from services.fulfilment.development_carrier import development_carrier
from shared import logging as logs
from shared.messaging.bus import Bus
from shared.messaging.rabbit import RabbitBus, declare
from shared.serve import (
    ToldToStop,
    address_of,
    listening,
    migrated,
    quiet_collector,
    serving,
    told_to_stop,
    unless,
    until_there,
)
from shared.settings import database_of, no_misspelt, setting

log = structlog.get_logger("comptoir.commands")

BY_ITSELF: dict[str, Any] = {"warehouses_automatic": True, "automatic_returns": True, "deliver_after_s": 2.0}
BY_HAND: dict[str, Any] = {"warehouses_automatic": False, "automatic_returns": False, "deliver_after_s": None}

TRY_IT = """
Try it:
  curl -X PUT  {here}/inventory/warehouses/north -H 'Content-Type: application/json' -d '{{"name": "North"}}'
  curl -X PUT  {here}/inventory/items -H 'Content-Type: application/json' -d '{{"items": [{{"sku": "mug"}}]}}'
  curl -X POST {here}/inventory/receipts -H 'Idempotency-Key: 1' -H 'Content-Type: application/json' \\
       -d '{{"warehouse": "north", "reference": "PO-1", "lines": [{{"sku": "mug", "quantity": 100}}]}}'
  curl -X POST {here}/order/orders -H 'Idempotency-Key: 1' -H 'Content-Type: application/json' \\
       -d '{{"lines": [{{"sku": "mug", "quantity": 2, "unit_price": "12.50", "vat_rate": "21"}}],
            "ship_to": {{"name": "Anna", "street": ["Kade 1"], "city": "Utrecht", "country": "NL"}}}}'
  curl         {here}/order/orders
"""


async def serve_suite(
    database_url: str, data: Path, host: str, port: int, out: Console, *, automatic: bool = True
) -> None:
    """All services behind one port, a payment provider and a carrier of development beside them, until told to stop."""
    with told_to_stop() as told, suppress(ToldToStop):
        door = listening(host, port)
        here = address_of(door)
        everybody = tuple(MEMBERS)
        ways = {**(BY_ITSELF if automatic else BY_HAND), **owners_at(here)}
        if not setting("LINK_KEYS"):
            ways["link_keys"] = kept_key(data / "link_key")
        if not setting("WEBHOOK_KEYS"):
            ways["webhook_keys"] = kept_key(data / "webhook_key")
        if not setting("PUBLIC_URL"):
            ways["public_url"] = here
        no_misspelt([AuditorSettings])
        auditor_settings = AuditorSettings(database_url=database_url)
        for name in everybody:
            settings_of(name, database_url=database_url, **ways)  # what is wrong is said before anything is changed
        await unless(told, migrate(database_url, everybody))
        if await is_new(database_url):
            out.print("The pages are new here: reading what happened before ...")
            await unless(told, rebuild(database_url))
        async with (
            developments(data, here) as outside,
            started(everybody, database_url=database_url, **outside, **ways) as suite,
            auditing(auditor_settings, suite.bus) as auditor,
            serving(one_door(suite, auditor), door),
        ):
            quiet_collector()
            out.print(f"[bold]Comptoir[/bold] at {here} (Ctrl-C ends it; its data stays in {data})")
            out.print(f"  {'the pages':<17} {here}/")
            for name in BUILD:
                out.print(f"  {name:<17} {here}/{name}/docs")
            if auditor is not None:
                out.print(f"  {'auditor':<17} {here}/auditor/docs")
            for name, url in (("payment provider", "payment_provider_url"), ("carrier", "carrier_url")):
                out.print(f"  {name:<17} {outside[url]}/docs (for development, with switches)")
            out.print(
                "Warehouses pick, pack and hand over by themselves; parcels arrive after 2 seconds."
                if automatic
                else "Warehouses wait for people: /fulfilment/shipments/ID/pick, pack, dispatch, tracking."
            )
            out.print(TRY_IT.format(here=here), highlight=False, markup=False, soft_wrap=True)
            await told.wait()
            out.print("ending ...")


def owners_at(here: str) -> dict[str, Any]:
    """Where the back office finds the owners of the facts behind one door."""
    return {f"{name}_url": f"{here}/{name}" for name in BUILD}


def kept_key(file: Path) -> str:
    """A key that is made once and lies in a file for whoever runs this, so that links work after a restart, too."""
    file.touch(0o600)
    if not file.read_text().strip():
        file.write_text(secrets.token_urlsafe(32))
    return file.read_text().strip()


@asynccontextmanager
async def developments(data: Path, here: str) -> AsyncIterator[dict[str, Any]]:
    """The payment provider and the carrier of development as servers of their own. Yields how services reach them.

    Their books lie in `data`; their secrets live as long as this process, as nobody else has to know them.
    """
    payment, parcels = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    provider = payment_provider(
        data / "payment_provider.sqlite",
        webhook_url=f"{here}/billing/webhooks/provider",
        webhook_secret=payment,
    )
    carrier = development_carrier(
        data / "carrier.sqlite", webhook_url=f"{here}/fulfilment/webhooks/carrier", secret=parcels
    )
    at_provider, at_carrier = listening("127.0.0.1", 0), listening("127.0.0.1", 0)
    async with serving(provider, at_provider, lifespan=True), serving(carrier, at_carrier, lifespan=True):
        yield {
            "payment_provider_url": address_of(at_provider),
            "payment_webhook_secrets": payment,
            "carrier_url": address_of(at_carrier),
            "carrier_webhook_secrets": parcels,
        }


@asynccontextmanager
async def auditing(settings: AuditorSettings, bus: Bus | None) -> AsyncIterator[Auditor | None]:
    """An auditor goes round inside the block, unless the settings say that there is none."""
    if not settings.audit:
        yield None
        return
    auditor = Auditor(settings, bus)
    auditor.start()
    try:
        yield auditor
    finally:
        await auditor.stop()


async def serve_auditor() -> None:
    """The auditor as a process of its own. It writes nothing; RabbitMQ is only needed to hold orders."""
    know_topology()
    no_misspelt([AuditorSettings])
    settings = AuditorSettings(audit=True)
    logs.configure(settings.log_level, as_json=settings.log_json)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    url, prefix, within_s = settings.rabbitmq_url, settings.rabbitmq_prefix, settings.start_within_s
    with told_to_stop() as told, suppress(ToldToStop):
        door = listening(settings.host, settings.port)
        for name in BUILD:
            dsn = plain(database_of(settings.database_url, name))
            await unless(told, until_there("PostgreSQL", partial(migrated, name, dsn), within_s))
        bus = RabbitBus(url, [], prefix=prefix) if settings.audit_holds else None
        try:
            if bus is not None:
                if settings.declare_topology:
                    await unless(told, until_there("RabbitMQ", lambda: declare(url, prefix), within_s))
                await unless(told, until_there("RabbitMQ", bus.start, within_s))
            async with auditing(settings, bus) as auditor:
                assert auditor is not None
                async with serving(auditor_application(auditor), door):
                    log.info("serving", service="auditor", at=address_of(door))
                    await told.wait()
                    log.info("told to stop", service="auditor")
        finally:
            if bus is not None:
                await bus.stop()
            log.info("ended", service="auditor")


@contextmanager
def reached(data: Path) -> Iterator[str]:
    """The databases as `places.databases` finds them, also while a `comptoir up` has the embedded server in use."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(databases(data))
        except PostgresFailed:
            server = EmbeddedPostgres(data / "postgres")
            try:
                server.port = int((server.data / "postmaster.pid").read_text().splitlines()[3])
                stored = server.url.set(database="comptoir_SERVICE").render_as_string(hide_password=False)
            except (OSError, ValueError, IndexError):
                stored = ""
            if not stored:
                raise
            url = stored.replace("SERVICE", "{service}")
        yield url
