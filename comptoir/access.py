"""Who may do what on PostgreSQL and RabbitMQ: a role and a user per service, each with no more than it needs.

A folder holds the secrets, one folder in it per consumer, and in each the addresses that it uses, with its user and
password: `order/database_url`, `order/rabbitmq_url`, `migrate-order/database_url`, ... Each consumer gets its own
folder only; the jobs that make the roles and users get all. A password is changed by writing another address and
running the job again. Rules S4 and S5 of docs/reliability.md.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import asyncpg
import httpx
from sqlalchemy.engine import URL, make_url

from comptoir.keys import KeyFiles, ours
from comptoir.rest import plain
from shared import clock
from shared.asyncapi import sent_by
from shared.contracts.order import HoldOrder
from shared.messaging.topology import OPTIONAL, SERVICES, Names
from shared.migrate import ONLY_INSERTED
from shared.serve import NotHere

AUDITOR, TOOLS, TOPOLOGY, ADMIN = "auditor", "tools", "topology", "access"
MANAGEMENT_WITHIN_S = 10.0
EVERYBODY = (*SERVICES, *OPTIONAL)
"""Also those that only listen: that they may come in does not say that they must be there."""


@dataclass(frozen=True)
class Secrets:
    """The folder with what each consumer may know."""

    folder: Path

    def read(self, consumer: str, name: str) -> str:
        path = self.folder / consumer / name
        try:
            text = path.read_text().strip()
        except OSError as error:
            raise NotHere(f"cannot read {path}: {error.strerror}; `comptoir access secrets` makes it") from None
        if not text:
            raise NotHere(f"{path} is empty")
        return text

    def make(self, consumer: str, name: str, text: str) -> bool:
        """Writes what is not there yet. Whether it was written; what is there stays."""
        if (self.folder / consumer / name).exists():
            return False
        self.write(consumer, name, text)
        return True

    def write(self, consumer: str, name: str, text: str) -> None:
        """Whole or not at all, also over what is there."""
        path = self.folder / consumer / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(text + "\n")
        fresh.chmod(0o444)  # containers run as different users; what tells them apart is which folder each one sees
        fresh.rename(path)


def make_secrets(kept: Secrets, postgres: str, rabbitmq: str, rabbitmq_authority: str = "") -> int:
    """Random passwords for everybody, in addresses of these hosts (`host:port`). Returns how many files were made.

    Each file is decided by itself, so a run that was cut off goes on, and what a person wrote is kept.
    `rabbitmq_authority`: the file, as consumers see it, with the certificate of who signs the broker's. With it lines
    to the broker are encrypted, and whoever is at the other end must show a certificate for that host.
    """
    scheme, verified = (
        ("amqps", f"?{urlencode({'cafile': rabbitmq_authority})}") if rabbitmq_authority else ("amqp", "")
    )

    def password() -> str:
        return secrets.token_hex(24)  # nothing that an address, a shell or `rabbitmqctl` takes for something else

    def database(role: str, name: str) -> str:
        return f"postgresql://{role}:{password()}@{postgres}/{name}"

    def broker(user: str) -> str:
        return at_the_broker(user, password())

    def at_the_broker(user: str, secret: str) -> str:
        return f"{scheme}://{user}:{secret}@{rabbitmq}/{verified}"

    made = [kept.make("postgres", "password", password()), kept.make("rabbitmq", "password", password())]
    admin = kept.read("rabbitmq", "password")
    made += [
        kept.make("rabbitmq", "conf.d/20-admin.conf", f"default_user = comptoir-admin\ndefault_pass = {admin}"),
        kept.make(ADMIN, "database_url", f"postgresql://postgres:{kept.read('postgres', 'password')}@{postgres}"),
        kept.make(ADMIN, "rabbitmq_url", at_the_broker("comptoir-admin", admin)),
    ]
    for service in EVERYBODY:
        made += [
            kept.make(service, "database_url", database(f"comptoir_{service}", f"comptoir_{service}")),
            kept.make(service, "rabbitmq_url", broker(f"comptoir-{service}")),
            kept.make(
                f"migrate-{service}", "database_url", database(f"comptoir_{service}_owner", f"comptoir_{service}")
            ),
        ]
    for name in (AUDITOR, TOOLS):
        made += [
            kept.make(name, "database_url", database(f"comptoir_{name}", "comptoir_{service}")),
            kept.make(name, "rabbitmq_url", broker(f"comptoir-{name}")),
        ]
    made.append(kept.make(TOPOLOGY, "rabbitmq_url", broker("comptoir-topology")))
    for service, outside in (("billing", "payment-provider"), ("fulfilment", "carrier")):
        made.append(kept.make(service, "webhook_secret", password()))
        made.append(kept.make(outside, "webhook_secret", kept.read(service, "webhook_secret")))
    made += [kept.make("backoffice", name, password()) for name in ("link_keys", "webhook_keys")]
    return sum(made) + make_keys(kept, clock.now())


def make_keys(kept: Secrets, now: datetime) -> int:
    """The file of API keys for each service, and a key for each of our own programs that asks them.

    What opens is written before the key itself: a run that was cut off leaves a key that nobody has, none that is
    not known. A key that was revoked stays so.
    """
    files = KeyFiles(kept.folder)
    made = sum(not file.exists() for file in files.files)
    if made:
        files.change(lambda known: known)
    for name in ("backoffice", TOOLS):
        if not (kept.folder / name / "api_key").exists():
            made += kept.make(name, "api_key", ours(files, name, now))
    return made


def keep_secret(kept: Secrets, consumer: str, name: str, text: str) -> None:
    """Keeps what somebody else made, as the password of a mail server, for one consumer, instead of what was there.

    Raises NotHere for a consumer that has no folder yet, for a name that is none of a file, and for nothing to keep.
    """
    if not re.fullmatch(r"[a-z][a-z-]*", consumer) or not (kept.folder / consumer).is_dir():
        raise NotHere(f"{kept.folder / consumer} is not there; `comptoir access secrets` makes a folder per consumer")
    if not re.fullmatch(r"[a-z][a-z_]*", name):
        raise NotHere(f"{name!r} is no name of a secret: small letters and _, as in smtp_password")
    if not text.strip() or "\n" in text.strip():
        raise NotHere("a secret is one line on standard input")
    kept.write(consumer, name, text.strip())


async def grant_databases(kept: Secrets) -> list[str]:
    """Makes what is missing of databases and roles, and sets passwords and rights as they should be. Repeatable.

    Per service a database, the role that owns and migrates it, and the role that the service works as: reading and
    writing rows, no DDL. The auditor reads everywhere; the tools do what the services may. Nobody else may connect.
    """
    root = make_url(kept.read(ADMIN, "database_url")).set(database="postgres")
    server = await asyncpg.connect(plain(root.render_as_string(hide_password=False)), timeout=10)
    try:
        auditor, tools = [await made_role(server, of(kept, name)) for name in (AUDITOR, TOOLS)]
        await run(server, "grant pg_read_all_data to %I", auditor)
        roles = [auditor, tools]
        for service in EVERYBODY:
            url = of(kept, service)
            owner = await made_role(server, of(kept, f"migrate-{service}"))
            works = await made_role(server, url)
            roles += [owner, works]
            name = url.database or ""
            if not await server.fetchval("select 1 from pg_database where datname = $1", name):
                await run(server, "create database %I owner %I", name, owner)
            await run(server, "alter database %I owner to %I", name, owner)
            await run(server, "revoke all on database %I from public", name)
            for role in (works, auditor, tools):
                await run(server, "grant connect on database %I to %I", name, role)
            await run(server, "grant %I to %I", works, tools)
            inside = root.set(database=name).render_as_string(hide_password=False)
            database = await asyncpg.connect(plain(inside), timeout=10)
            try:
                await run(database, "alter schema public owner to %I", owner)
                await run(database, "revoke all on schema public from public")
                await run(database, "grant usage on schema public to %I", works)
                granted = RIGHTS | (REBUILT if service in OPTIONAL else {})
                for what, rights in granted.items():
                    await run(database, f"grant {rights} on all {what} in schema public to %I", works)
                    defaults = f"alter default privileges for role %I in schema public grant {rights} on {what} to %I"
                    await run(database, defaults, owner, works)
                await database.execute(ONLY_INSERTED)
            finally:
                await database.close()
    finally:
        await server.close()
    return roles


RIGHTS = {"tables": "select, insert, update, delete", "sequences": "usage, select"}
"""Of a service in its own database; ONLY_INSERTED takes away again what never changes."""
REBUILT = {"tables": RIGHTS["tables"] + ", truncate"}
"""Of a service whose tables are what others said: `comptoir rebuild` empties them at once."""


def of(kept: Secrets, consumer: str) -> URL:
    return make_url(kept.read(consumer, "database_url"))


async def made_role(server: "asyncpg.Connection[asyncpg.Record]", url: URL) -> str:
    """The role that an address names, with its password; made if it is not there."""
    name = url.username or ""
    if not name or not url.password:
        raise NotHere(f"{url.render_as_string(hide_password=True)} names no role with a password")
    if not await server.fetchval("select 1 from pg_roles where rolname = $1", name):
        await run(server, "create role %I", name)
    await run(server, "alter role %I login nosuperuser nocreatedb nocreaterole password %L", name, str(url.password))
    return name


async def run(connection: "asyncpg.Connection[asyncpg.Record]", statement: str, *values: str) -> None:
    """A statement that takes no parameters; PostgreSQL itself quotes the values."""
    quoted = await connection.fetchval("select format($1, variadic $2::text[])", statement, values)
    await connection.execute(quoted)


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may do on the broker: regular expressions over names, and over the keys that it may publish."""

    configure: str
    write: str
    read: str
    publishes: str = "^$"

    def as_json(self) -> dict[str, str]:
        return {"configure": self.configure, "write": self.write, "read": self.read}


def rights(prefix: str = "comptoir") -> dict[str, Rights]:
    """Per consumer. A service reads its own queue and publishes what it sends; only the topology job declares."""
    names = Names(prefix)
    exchange, ours = exactly(names.exchange), f"^{re.escape(prefix)}($|\\.)"
    found = {
        service: Rights(
            "^$", exchange, exactly(names.queue(service)), exactly(*(kind.key for kind in sent_by(service)))
        )
        for service in EVERYBODY
    }
    found[AUDITOR] = Rights("^$", exchange, "^$", exactly(HoldOrder.key))
    found[TOOLS] = Rights("^$", exchange, ours, ".*")
    found[TOPOLOGY] = Rights(ours, ours, ours)
    return found


def exactly(*names: str) -> str:
    """Matches these names and no other; nothing at all when there are none."""
    return f"^({'|'.join(re.escape(name) for name in sorted(names))})$" if names else "^$"


async def grant_broker(
    kept: Secrets, management_url: str, prefix: str = "comptoir", transport: httpx.AsyncBaseTransport | None = None
) -> list[str]:
    """Makes the users with their passwords and rights by the management API, and removes `guest`. Repeatable."""
    admin = urlsplit(kept.read(ADMIN, "rabbitmq_url"))
    users: list[str] = []
    async with httpx.AsyncClient(
        base_url=management_url,
        auth=(admin.username or "", admin.password or ""),
        timeout=MANAGEMENT_WITHIN_S,
        transport=transport,
    ) as broker:

        async def put(path: str, body: dict[str, str]) -> None:
            answer = await broker.put(path, json=body)
            if answer.status_code == 401:
                raise NotHere(f"RabbitMQ at {management_url} does not let {admin.username} in")
            answer.raise_for_status()

        for consumer, may in rights(prefix).items():
            address = urlsplit(kept.read(consumer, "rabbitmq_url"))
            if not address.username or not address.password:
                raise NotHere(f"{kept.folder / consumer / 'rabbitmq_url'} names no user with a password")
            user, host = quote(address.username, safe=""), quote(address.path.strip("/") or "/", safe="")
            await put(f"/api/users/{user}", {"password": address.password, "tags": ""})
            await put(f"/api/permissions/{host}/{user}", may.as_json())
            topics = {"exchange": Names(prefix).exchange, "write": may.publishes, "read": ".*"}
            await put(f"/api/topic-permissions/{host}/{user}", topics)
            users.append(address.username)
        if (await broker.delete("/api/users/guest")).status_code not in (204, 404):
            raise NotHere("RabbitMQ did not remove the user guest")
    return users
