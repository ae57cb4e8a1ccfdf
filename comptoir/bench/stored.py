"""Stores many finished orders quickly, in the form in which the suite itself leaves them.

Some orders are run through the suite; then all their rows in the four databases are written again and again by COPY,
under other ids and numbers, with stock, counters and hashes of invoices to match. So `verify` holds over the result.
What is left out: packets in outbox and inbox, as if they were older than the retention.
"""

import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from comptoir.bench.saga import PREFIX, saturate
from comptoir.bench.work import prepare
from comptoir.rest import Databases, at_rest
from comptoir.runs import NAMES, running
from comptoir.sender import Sender
from comptoir.suite import BusName
from comptoir.verify.audit import Connections
from comptoir.verify.files import Group
from services.billing.domain.documents import fingerprint
from services.billing.domain.rows import Invoice, changed
from services.billing.store import BOOKS
from shared import clock

SAMPLE = 1000
TABLES: Mapping[str, Mapping[str, str]] = {
    "order": dict.fromkeys(
        ("orders", "progress", "lines", "stock", "money", "shipments", "history", "externals"), "true"
    ),
    "inventory": {
        **dict.fromkeys(("stock_orders", "demands", "reservations", "seen"), "true"),
        "movements": "order_id is not null",
    },
    "fulfilment": dict.fromkeys(("shipments", "history"), "true"),
    "billing": dict.fromkeys(("accounts", "sales", "operations", "invoices", "postings", "timers"), "true"),
}
"""Tables with rows per order, and which of their rows these are."""

ID = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-)[0-9a-f]([0-9a-f]{3}-[0-9a-f]{4}-)[0-9a-f]{5}([0-9a-f]{7})")
MOVING = re.compile(
    r"((?<=\bC-)\d+|(?<=\bINV-\d{4}-)\d{6}|(?<=\bbench-)\d+|\b(?:TR|LB)[0-9A-F]{12}\b|\b[0-9a-f]{8}-[0-9a-f-]{27}\b)"
)
"""Numbers of orders, invoices and the channel; parcels, which the carrier names after the shipment's id; ids."""
COPY = "\x01"
MOST = 16**5 - 1


def copied(id: UUID, k: int) -> UUID:
    """An id of version 8 (RFC 9562: custom) with the copy's number in it, so that it meets no id of anybody else."""
    return UUID(ID.sub(rf"\g<1>8\g<2>{k:05x}\3", str(id)))


def shipment_id(order: UUID, seq: int) -> UUID:
    """As the order service makes it (services/order/quantities.py); verify would find another (I11)."""
    return uuid5(order, f"shipment {seq}")


@dataclass(frozen=True)
class Sample:
    """The orders that were run: how many, and their shipments, whose ids follow from the order's."""

    size: int
    shipments: Mapping[str, tuple[UUID, int]]

    @cached_property
    def parcels(self) -> Mapping[str, str]:
        """Shipments by the end of their id, as the carrier writes it."""
        return {id[-12:].upper(): id for id in self.shipments}


class Template:
    """A text about the sample's orders, to be written again as copy 1, 2, ... about others."""

    def __init__(self, text: str, sample: Sample) -> None:
        self.sample = sample
        self.still = [""]
        self.moving: list[
            tuple[int, int] | tuple[str, str]
        ] = []  # number and its width; shipment and what stands before
        for i, piece in enumerate(MOVING.split(text)):
            if i % 2 == 0:
                self.still[-1] += piece
            elif piece.isdigit():
                self._moves((int(piece), len(piece)))
            elif piece in sample.shipments:
                self._moves((piece, ""))
            elif piece[2:] in sample.parcels:
                self._moves((sample.parcels[piece[2:]], piece[:2]))
            else:
                self.still[-1] += ID.sub(rf"\g<1>8\g<2>{COPY}\3", piece)

    def _moves(self, what: tuple[int, int] | tuple[str, str]) -> None:
        self.moving.append(what)
        self.still.append("")

    def copy(self, k: int) -> str:
        shift = k * self.sample.size
        names: dict[str, str] = {}
        parts = [self.still[0]]
        for (what, form), still in zip(self.moving, self.still[1:], strict=True):
            if isinstance(what, int):
                parts.append(f"{what + shift:0{form}d}")  # as wide at least: only invoices have leading zeros
            else:
                name = names.get(what) or names.setdefault(what, self.shipment(what, k))
                parts.append(f"{form}{name[-12:].upper()}" if form else name)
            parts.append(still)
        return "".join(parts).replace(COPY, f"{k:05x}")

    def shipment(self, id: str, k: int) -> str:
        order, seq = self.sample.shipments[id]
        return str(shipment_id(copied(order, k), seq))


Column = Callable[[int, int, str], str]
"""(row, copy, text of the sample) -> text."""


@dataclass
class Copying:
    """One table: its columns, the sample's rows as COPY writes them, and columns that follow another rule."""

    table: str
    columns: list[str]
    template: Template
    own: dict[int, Column]

    def rows(self, k: int) -> str:
        text = self.template.copy(k)
        if not self.own:
            return text
        lines = []
        for i, line in enumerate(text.splitlines()):
            fields = line.split("\t")
            for column, rule in self.own.items():
                fields[column] = rule(i, k, fields[column])
            lines.append("\t".join(fields))
        return "\n".join(lines) + "\n"


async def template_of(
    connection: "asyncpg.Connection[asyncpg.Record]", table: str, chosen: str, sample: Sample, own: Mapping[str, Column]
) -> Copying:
    columns = [
        record[0]
        for record in await connection.fetch(
            "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped"
            " and attgenerated = '' order by attnum",
            table,
        )
    ]
    names = ", ".join(f'"{name}"' for name in columns)
    order = " order by serial" if "serial" in columns else ""
    out = io.BytesIO()
    await connection.copy_from_query(f"select {names} from {table} where {chosen}{order}", output=out)
    rules = {columns.index(name): rule for name, rule in own.items() if name in columns}
    return Copying(table, columns, Template(out.getvalue().decode(), sample), rules)


def later(_: int, k: int, moment: str) -> str:
    """Each copy's orders are placed a millisecond after those of the copy before."""
    return (datetime.fromisoformat(moment) + timedelta(milliseconds=k)).isoformat()


async def invoice_columns(
    connection: "asyncpg.Connection[asyncpg.Record]", sample: Sample
) -> tuple[dict[str, Column], datetime]:
    """Serial, time and hash of copied invoices; they follow the sample's, so each copy is issued at one moment."""
    group = Group()
    orders = [record[0] for record in await connection.fetch("select order_id from invoices")]
    await group.load(connection, BOOKS, (Invoice,), orders)
    invoices = sorted((group.of(Invoice, order)[0] for order in orders), key=lambda invoice: invoice.serial)
    last = invoices[-1].issued_at
    seqs = {UUID(id): seq for id, (_, seq) in sample.shipments.items()}

    def issued(k: int) -> datetime:
        return last + timedelta(microseconds=k)

    def hashed(i: int, k: int, _: str) -> str:
        invoice = invoices[i]
        serial = invoice.serial + k * sample.size
        return fingerprint(
            changed(
                invoice,
                order_id=copied(invoice.order_id, k),
                shipment_id=shipment_id(copied(invoice.order_id, k), seqs[invoice.shipment_id]),
                number=f"{invoice.series}-{invoice.year}-{serial:06d}",
                serial=serial,
                issued_at=issued(k),
                order_number=f"C-{int(invoice.order_number[2:]) + k * sample.size}",
            )
        )

    columns: dict[str, Column] = {
        "serial": lambda i, k, _: str(invoices[i].serial + k * sample.size),
        "issued_at": lambda i, k, _: issued(k).isoformat(),
        "hash": hashed,
    }
    return columns, last


async def write_copies(
    connection: "asyncpg.Connection[asyncpg.Record]", copying: Copying, copies: Iterable[int]
) -> None:
    names = copying.columns

    async def text() -> Any:
        for k in copies:
            yield copying.rows(k).encode()

    await connection.copy_to_table(copying.table, source=text(), columns=names, format="text")


async def store(database_url: str, bus: BusName, data: Path, orders: int, more: int = 0) -> dict[str, int]:
    """Runs a sample through the suite and copies it until so many finished orders are stored; nothing runs then.

    `more`: goods for so many further orders. The databases must be new. Returns what was stored.
    """
    sample = min(SAMPLE, max(1, orders // 5))
    copies = -(-orders // sample) - 1
    if copies > MOST:
        raise ValueError(f"{orders} orders are more than {(MOST + 1) * SAMPLE}")
    async with running(database_url, bus, data / "logs", prefix=PREFIX) as run:
        await prepare(Sender(run.bus, "bench", clock.now), (copies + 1) * sample + more)
        await at_rest(run.connections, 60)
        await saturate(run, sample)
        await at_rest(run.connections, 60)
    if copies:
        async with Databases(database_url, NAMES) as connections:
            await copy_all(connections, sample, copies)
    return {"orders": (copies + 1) * sample, "sample": sample}


async def copy_all(connections: Connections, size: int, copies: int) -> None:
    shipments = await connections["order"].fetch("select shipment_id, order_id, seq from shipments")
    sample = Sample(size, {str(id): (order, seq) for id, order, seq in shipments})
    own, last = await invoice_columns(connections["billing"], sample)
    rules: dict[str, Mapping[str, Column]] = {
        "invoices": own,
        "orders": {"placed_at": later},
        "stock_orders": {"placed_at": later},
    }
    for name, tables in TABLES.items():
        connection = connections[name]
        for table, chosen in tables.items():
            copying = await template_of(connection, table, chosen, sample, rules.get(table, {}))
            await write_copies(connection, copying, range(1, copies + 1))
    stored = size * (copies + 1)
    await connections["inventory"].execute(
        """update levels l set on_hand = m.on_hand from (select sku, warehouse, sum(on_hand) as on_hand from movements
           group by 1, 2) m where (l.sku, l.warehouse) = (m.sku, m.warehouse)"""
    )
    await connections["order"].execute("update counters set last = $1 where name = 'order'", stored)
    await connections["billing"].execute(
        "update series set last = $1, issued_at = $2", stored, last + timedelta(microseconds=copies)
    )
    for connection in connections.values():
        await connection.execute("vacuum analyze")
