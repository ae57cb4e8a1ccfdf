"""The auditor over four real databases: clean after two orders, and it names whatever was changed behind their back."""

import asyncio
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from typer.testing import CliRunner, Result

from comptoir.cli import app
from comptoir.invariants import LAWS
from comptoir.rest import Databases as Connected
from comptoir.rest import at_rest
from comptoir.runs import BY_ITSELF
from comptoir.sender import Sender
from comptoir.suite import BUILD, make, started
from comptoir.verify import verify
from comptoir.verify.audit import Finding
from services.billing.devservices.psp import app as psp
from shared import clock
from shared.contracts.inventory import (
    BoughtLine,
    CreatePurchaseOrder,
    CreateTransfer,
    Item,
    MovedLine,
    ReceiveStock,
    RegisterItems,
    RegisterSupplier,
    RegisterWarehouse,
    SendPurchaseOrder,
    SendTransfer,
    StockLine,
)
from shared.contracts.message import Message
from shared.contracts.order import CancelOrder, NewLine, PlaceOrder
from shared.contracts.values import Address
from tests.conftest import Databases
from tests.inventory.valuing import value

pytestmark = pytest.mark.postgres
NAMES = tuple(BUILD)
ADDRESS = Address(name="A. Customer", street=("1 High Street",), city="Town", country="GB")


@dataclass
class Shop:
    """Where two orders were completed and a third one cancelled; nothing runs any more. Ids are texts, for SQL."""

    url: str
    order: str  # C-1
    shipment: str  # of C-1
    cancelled: str  # C-3
    invoice: str  # of C-1

    async def change(self, service: str, *statements: str) -> None:
        """Behind everybody's back: triggers do not see it."""
        connection = await asyncpg.connect(self.url.replace("{service}", service))
        try:
            async with connection.transaction():
                await connection.execute("set local session_replication_role = replica")
                for statement in statements:
                    await connection.execute(statement.format(**self.__dict__))
        finally:
            await connection.close()

    async def ask(self, service: str, question: str) -> Any:
        connection = await asyncpg.connect(self.url.replace("{service}", service))
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    async def audit(self, **how: Any) -> dict[str, list[str]]:
        """Breaches by invariant, of those that have any."""
        return {finding.name: finding.breaches for finding in await self.findings(**how) if not finding.good}

    async def findings(self, **how: Any) -> list[Finding]:
        async with Connected(self.url, NAMES) as connections:
            return await verify(connections, **how)


def placed(sender: Sender, n: int, *lines: tuple[str, int]) -> PlaceOrder:
    return PlaceOrder(
        order_id=sender.id_of(f"order/{n}"),
        channel="web",
        external_id=str(n),
        currency="GBP",
        payment_token="tok",
        ship_to=ADDRESS,
        lines=tuple(
            NewLine(sku=sku, quantity=quantity, unit_price=Decimal("9.99"), vat_rate=Decimal(20), kind="goods")
            for sku, quantity in lines
        ),
        hold="checked by hand" if n == 3 else "",
    )


def bought(purchase_id: UUID) -> list[Message]:
    """A purchase order of ten jugs, of which four came."""
    line = BoughtLine(sku="JUG", quantity=10, unit_cost=Decimal("1.10"), expected_on=date(2030, 1, 7))
    four = (StockLine(sku="JUG", quantity=4),)
    return [
        RegisterSupplier(code="jugs"),
        CreatePurchaseOrder(purchase_id=purchase_id, supplier="jugs", warehouse="north", lines=(line,)),
        SendPurchaseOrder(purchase_id=purchase_id, skus=("JUG",)),
        ReceiveStock(warehouse="north", reference="DN-1", lines=four, purchase_id=purchase_id),
    ]


def moved(transfer_id: UUID) -> list[Message]:
    """A transfer of three jugs, of which one came."""
    line, one = MovedLine(sku="JUG", quantity=3), (StockLine(sku="JUG", quantity=1),)
    return [
        RegisterWarehouse(code="south", country="GB", rank=9),
        CreateTransfer(
            transfer_id=transfer_id, source="north", destination="south", expected_on=date(2030, 1, 9), lines=(line,)
        ),
        SendTransfer(transfer_id=transfer_id, skus=("JUG",)),
        ReceiveStock(warehouse="south", reference="DN-2", lines=one, transfer_id=transfer_id),
    ]


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> Shop:
    run = f"verify_{uuid4().hex[:8]}"
    for name in NAMES:
        await databases.fresh(make(name).metadata, name=f"{run}_{name}")
    url = databases.url("comptoir_x").replace("comptoir_x", f"{run}_{{service}}")
    settings: dict[str, Any] = {**BY_ITSELF, "database_url": url}
    async with started(**settings) as suite, Connected(url, NAMES) as connections:
        sender = Sender(suite.bus, run, clock.now)
        await sender.send([RegisterWarehouse(code="north", country="GB", rank=1)])
        await sender.send([RegisterItems(items=(Item(sku="MUG"), Item(sku="POT"), Item(sku="JUG")))])
        stock = tuple(StockLine(sku=sku, quantity=50) for sku in ("MUG", "POT"))
        await sender.send([ReceiveStock(warehouse="north", reference="opening", lines=stock)])
        for message in (*bought(sender.id_of("purchase")), *moved(sender.id_of("transfer"))):
            await sender.send([message])
            await at_rest(connections, 20)
        for n in (1, 2, 3):
            await sender.send([placed(sender, n, ("MUG", 3), ("POT", n))])
            await at_rest(connections, 20)
        await sender.send([CancelOrder(order_id=sender.id_of("order/3"))])
        await at_rest(connections, 20)
        states = await connections["order"].fetch("select number, status from orders join progress using (order_id)")
        assert {record[0]: record[1] for record in states} == {
            "C-1": "completed",
            "C-2": "completed",
            "C-3": "cancelled",
        }
        await value(suite.running["inventory"])
    first = sender.id_of("order/1")
    made = Shop(url, str(first), "", str(sender.id_of("order/3")), "")
    made.shipment = str(await made.ask("order", f"select shipment_id from shipments where order_id = '{first}'"))
    made.invoice = str(await made.ask("billing", f"select number from invoices where order_id = '{first}'"))
    return made


async def test_everything_is_checked_and_nothing_is_wrong(shop: Shop) -> None:
    findings = await shop.findings()
    assert {f.name: f.breaches for f in findings if not f.good} == {}
    empty = {f.name[:3].strip() for f in findings if not f.checked}
    # nobody bought on terms or called over HTTP, nothing was parked, nothing came back, and no provider has a book
    assert empty == {"I12", "I14", "I16", "I22", "I24"}
    assert [f.name for f in findings if not f.applicable] == ["I14 the provider's book and ours agree"]


SHIPMENT = "shipment {shipment}"
CORRUPTED = [
    ("order", "update lines set quantity = quantity + 1 where order_id = '{order}' and line_no = 1",
     "update lines set quantity = quantity - 1 where order_id = '{order}' and line_no = 1", "I6", "order C-1: net"),
    ("order", "update progress set status = 'held' where order_id = '{order}'",
     "update progress set status = 'completed' where order_id = '{order}'", "I7", "order C-1: is held, its history"),
    ("order", "update money set heard = jsonb_set(heard, '{{version}}', '1') where order_id = '{order}'", "", "I21",
     "money of order C-1: version 1 was heard"),
    ("billing", "insert into debtors (customer_id, currency, owed, reason, set_by) values ('K-9', 'GBP', 5, '', '')",
     "delete from debtors", "I12", "customer K-9: 5 GBP owed on terms, the orders come to 0 GBP"),
    ("inventory", "update levels set on_hand = on_hand + 1 where sku = 'MUG'",
     "update levels set on_hand = on_hand - 1 where sku = 'MUG'", "I1", "MUG@north: 45 on hand, its movements sum to"),
    ("inventory", "update levels set reserved = reserved + 1 where sku = 'POT'",
     "update levels set reserved = reserved - 1 where sku = 'POT'", "I2", "POT@north: 1 reserved, the reservations"),
    ("inventory", "update reservations set reserved = 2 where order_id = '{cancelled}' and line_no = 1",
     "update reservations set reserved = 0 where order_id = '{cancelled}' and line_no = 1", "I9",
     "order C-3: is cancelled, 2 pieces are still reserved"),
    ("inventory", "update purchase_lines set received = 5", "update purchase_lines set received = 4", "I27",
     "JUG: 5 received, its receipts sum to 4"),
    ("inventory", "update purchase_lines set quantity = 12", "update purchase_lines set quantity = 10", "I28",
     "JUG: 6 incoming, but it is partly_received and has 8 left"),
    ("inventory", "update expected set expected_on = '2030-01-08' where purchase_id is not null",
     "update expected set expected_on = '2030-01-07' where purchase_id is not null",
     "I28", "JUG: expected on 2030-01-07, promises go by 2030-01-08"),
    ("inventory", "update purchase_lines set sku = 'POT'", "update purchase_lines set sku = 'JUG'", "I28",
     "JUG: 6 incoming, but it is not there"),
    ("inventory", "update purchase_orders set state = 'received'",
     "update purchase_orders set state = 'partly_received'", "I29", ": received with 4 received and 6 left"),
    ("inventory", "update purchase_acts set version = 9 where what = 'received'",
     "update purchase_acts set version = 3 where what = 'received'", "I29", "version 3, but 3 acts up to 9"),
    ("inventory", "update transfer_lines set received = 2", "update transfer_lines set received = 1", "I30",
     "JUG: 2 received, its movements sum to 1"),
    ("inventory", "update transfer_lines set sent = 4", "update transfer_lines set sent = 3", "I30",
     "JUG: 3 in transit, 2 expected at the destination"),
    ("inventory", "update movements set in_transit = 2 where in_transit = 3",
     "update movements set in_transit = 3 where in_transit = 2", "I30", "JUG: 2 in transit, its movements sum to 1"),
    ("inventory", "update transfer_lines set sku = 'POT'", "update transfer_lines set sku = 'JUG'", "I30",
     "JUG: 0 in transit, 2 expected at the destination"),
    ("inventory", "update transfers set state = 'received'", "update transfers set state = 'partly_received'", "I31",
     ": received with 3 sent, 1 received and 0 lost"),
    ("inventory", "update costings set pieces = 5 where sku = 'JUG'",
     "update costings set pieces = 4 where sku = 'JUG'", "I32",
     "value of JUG: 5 pieces, 4 have a value, their movements sum to 4"),
    ("inventory", "update valuations set seq = 9 where sku = 'JUG' and seq = 1",
     "update valuations set seq = 1 where sku = 'JUG' and seq = 9", "I32", "3 values, but there are 3 up to 9"),
    ("inventory", "update valued set looked_back_at = now() + interval '1 day'; "
     "update valuations set cause = '00000000-0000-0000-0000-000000000001' where sku = 'JUG' and seq = 1",
     "update valued set looked_back_at = null; update valuations v set cause = m.cause from movements m "
     "where v.sku = 'JUG' and v.seq = 1 and m.sku = 'JUG' and m.kind = 'receipt'", "I32", "1 movements have none"),
    ("inventory", "update valuations set value = 5.40 where sku = 'JUG' and seq = 1",
     "update valuations set value = 4.40 where sku = 'JUG' and seq = 1", "I33", "4.40, its movements sum to 5.40"),
    ("inventory", "update costing_days set value = 5.40 where sku = 'JUG'",
     "update costing_days set value = 4.40 where sku = 'JUG'", "I33", "its last day ended with 4 for 5.40"),
    ("inventory", "update costing_days set received_value = 5.40 where sku = 'JUG'",
     "update costing_days set received_value = 4.40 where sku = 'JUG'", "I33", "4.40, its days sum to 5.40"),
    ("fulfilment", "update shipments set version = version + 1 where shipment_id = '{shipment}'",
     "update shipments set version = version - 1 where shipment_id = '{shipment}'", "I7", SHIPMENT),
    ("fulfilment", "update shipments set tracking = tracking || 'X' where shipment_id = '{shipment}'",
     "update shipments set tracking = left(tracking, -1) where shipment_id = '{shipment}'", "I21", SHIPMENT),
    ("billing", "update invoices set customer_id = customer_id || 'X' where number = '{invoice}'",
     "update invoices set customer_id = left(customer_id, -1) where number = '{invoice}'", "I16",
     "{invoice}: its content has the hash"),
    ("billing", "update postings set amount = amount + 1 where entry_id = '{invoice}' and posting_no = 1",
     "update postings set amount = amount - 1 where entry_id = '{invoice}' and posting_no = 1", "I13",
     "entry {invoice}: debits less credits are 1.00 GBP"),
    ("billing", "update accounts set captured = captured + 1 where order_id = '{order}'",
     "update accounts set captured = captured - 1 where order_id = '{order}'", "I12", "order C-1: "),
    ("billing", "update series set last = last + 1 where series = 'INV'",
     "update series set last = last - 1 where series = 'INV'", "I16", "the counter says 3, there are 2"),
    ("billing", "update operations set state = 'unknown' where order_id = '{order}' and kind = 'capture'",
     "update operations set state = 'done' where order_id = '{order}' and kind = 'capture'", "I14",
     "order C-1: capture 2 of"),
    ("billing", "alter table invoices disable trigger invoices_never_change",
     "alter table invoices enable trigger invoices_never_change", "I13", "table invoices: its trigger"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "corrupt", "mend", "number", "says"), CORRUPTED)
async def test_what_was_changed_behind_their_back_is_named(
    shop: Shop, service: str, corrupt: str, mend: str, number: str, says: str
) -> None:
    version = await shop.ask("order", f"select heard->>'version' from money where order_id = '{shop.order}'")
    await shop.change(service, corrupt)
    try:
        breaches = await shop.audit()
    finally:
        mend = mend or (
            f"update money set heard = jsonb_set(heard, '{{{{version}}}}', '{version}') where order_id = '{{order}}'"
        )
        await shop.change(service, mend)
    named = [breach for name, found in breaches.items() if name.split()[0] == number for breach in found]
    assert any(says.format(**shop.__dict__) in breach for breach in named), breaches
    assert await shop.audit() == {}, "mended, so nothing is left of it"


async def test_a_lost_packet_and_a_ghost_are_named(shop: Shop) -> None:
    key = "billing.bill_shipment.v1"
    packet = await shop.ask("order", f"select id from outbox where key = '{key}' limit 1")
    await shop.change("billing", f"delete from inbox where id = '{packet}'")
    lost = await shop.audit()
    await shop.change("billing", f"insert into inbox (id) values ('{packet}')")
    assert lost == {
        "I17 every packet was handled by all its readers": [
            f"packet {packet} ({key}): order sent it, billing has not handled it"
        ]
    }

    ghost = clock.new_id()
    await shop.change("billing", f"insert into inbox (id) values ('{ghost}')")
    found = await shop.audit()
    await shop.change("billing", f"delete from inbox where id = '{ghost}'")
    assert found == {
        "I20 every handled packet has a sender": [
            f"packet {ghost}: billing handled it, no service has it in its outbox"
        ]
    }
    assert await shop.audit() == {}


async def test_while_something_moves_only_what_always_holds_is_checked(shop: Shop) -> None:
    packet = await shop.ask("order", "select id from outbox limit 1")
    await shop.change(
        "order",
        f"update outbox set sent_at = null, created_at = now() - interval '50 s' where id = '{packet}'",
        "update progress set status = 'held' where order_id = '{order}'",
    )
    findings = await shop.findings()
    await shop.change(
        "order",
        f"update outbox set sent_at = now() where id = '{packet}'",
        "update progress set status = 'completed' where order_id = '{order}'",
    )
    at_rest_only = {f.name for f in findings if not f.applicable}
    assert at_rest_only == {law.name for law in LAWS.values() if law.at_rest}
    assert not any(f.checked or f.breaches for f in findings if not f.applicable)
    wrong = {f.name.split()[0]: f.breaches for f in findings if not f.good}
    assert set(wrong) == {"I7", "I8", "I18"}
    assert wrong["I18"][0].startswith(f"packet {packet} (")


async def test_the_providers_book_is_compared(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider of development has never heard of what the provider in process approved."""
    provider = psp.build(psp.Settings(path=tmp_path / "psp.sqlite"))
    client = httpx.AsyncClient

    def in_process(**how: Any) -> httpx.AsyncClient:
        return client(transport=httpx.ASGITransport(provider), **how)

    monkeypatch.setattr(httpx, "AsyncClient", in_process)
    breaches = await shop.audit(provider_url="http://psp")
    monkeypatch.undo()
    await provider.state.psp.close()
    (name,) = breaches
    assert name == "I14 the provider's book and ours agree"
    assert any(breach.startswith(f"operation {shop.order}:1: ours is authorise") for breach in breaches[name])
    unreachable = await shop.audit(provider_url="http://127.0.0.1:9")
    assert "cannot be read" in unreachable[name][0]


async def test_the_command_ends_with_1_and_names_the_document(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPTOIR_DATABASE_URL", shop.url)

    async def command() -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, ["verify"])

    clean = await command()
    assert clean.exit_code == 0, clean.output
    await shop.change("billing", "update accounts set refunded = refunded + 1 where order_id = '{order}'")
    broken = await command()
    await shop.change("billing", "update accounts set refunded = refunded - 1 where order_id = '{order}'")
    assert broken.exit_code == 1, broken.output
    assert "order C-1: 1.00 refunded, operations sum to 0" in " ".join(broken.output.split())
