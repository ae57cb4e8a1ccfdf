"""The invariants of comptoir.invariants over the rows of a machine: after some steps what was touched, at rest all.

What `comptoir verify` sums in SQL is summed here as it is committed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from comptoir.invariants import across, messages, money, orders, stock
from comptoir.simulate.machine import Broken, Machine, Node
from comptoir.simulate.papers import PaperLaws
from comptoir.simulate.plan import SERVICES
from comptoir.simulate.snapshots import BILLING, FULFILMENT, INVENTORY, NUMBERS, ORDER, Snapshots
from comptoir.simulate.worths import WorthLaws
from services.billing.domain import rows as billing
from services.billing.domain import rule
from services.billing.domain.journal import BAD_DEBTS, BANK, PREPAYMENTS, PROVIDER, RECEIVABLE
from services.fulfilment.domain import rows as fulfilment
from services.inventory.domain import rows as inventory
from services.order import rows as order
from services.order.quantities import Order
from services.order.waits import waits
from shared.contracts.billing import MoneyStatement
from shared.contracts.fulfilment import ReturnStatement, ShipmentStatement
from shared.contracts.inventory import AvailabilityChanged
from shared.contracts.order import FINAL
from shared.messaging.decision import Row
from shared.messaging.unit import Outcome

ZERO = Decimal(0)
OF_AN_ORDER = frozenset(
    {order.Progress, order.Header, order.Line, order.Stock, order.Money, order.Shipment, order.Return}
)
A_ORDER: tuple[Callable[..., Iterator[str]], ...] = (
    orders.shipped_within_ordered,
    orders.kits_are_whole,
    orders.history_leads_to_the_status,
    orders.nothing_is_stuck,
    orders.never_shipped_and_cancelled,
    orders.one_shipment_per_split,
    orders.no_effect_twice,
)
A_MONEY: tuple[Callable[..., Iterator[str]], ...] = (
    money.refunded_within_captured,
    money.ledger_is_the_account,
    money.booked_once,
    money.given_alone_within_limit,
    money.credits_are_refunds,
    money.given_up_is_booked,
)
A_SHELF: tuple[Callable[..., Iterator[str]], ...] = (
    stock.on_hand_is_the_sum_of_movements,
    stock.reserved_is_the_sum_of_reservations,
    stock.never_oversold,
)


_DOCUMENTS: tuple[tuple[type[Row], str], ...] = ((fulfilment.Shipment, "shipment"), (fulfilment.Return, "return"))


@dataclass(slots=True)
class LineMoves:
    out: int = 0
    lost: int = 0


class Laws(Snapshots):
    """Keeps running sums, remembers what was touched, and raises at the first breach."""

    def __init__(self, machine: Machine, provider: Any, carrier: Any) -> None:
        super().__init__(machine)
        self.provider, self.carrier = provider, carrier
        self.papers = PaperLaws(self)
        self.worths: WorthLaws | None = None  # where stock is valued
        self.touched: list[set[UUID]] = [set(), set(), set(), set()]  # orders, per service
        self.shelves: dict[tuple[str, str], None] = {}  # not a set: its order would depend on PYTHONHASHSEED
        self.moved: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        self.promised: dict[tuple[str, str], int] = defaultdict(int)
        self.last: dict[tuple[Any, ...], inventory.Reservation] = {}
        self.line_moves: dict[tuple[UUID, int], LineMoves] = defaultdict(LineMoves)
        self.ledger: dict[UUID, Decimal] = defaultdict(lambda: ZERO)
        self.bad_debts: dict[UUID, Decimal] = defaultdict(lambda: ZERO)
        self.booked: dict[UUID, dict[int, Decimal]] = defaultdict(dict)
        self.came_back: dict[str, dict[int, int]] = defaultdict(dict)  # per return and line, in inventory
        self.trial = ZERO
        counted = any(incident.kind == "count finds less" for incident in machine.plan.incidents)
        self.promised_only = not counted  # a count may take back what is in a shipment already
        self.history: dict[UUID, list[order.History]] = defaultdict(list)
        self.documents: dict[UUID, list[fulfilment.History]] = defaultdict(list)
        self.announced: dict[str, AvailabilityChanged] = {}  # per SKU, the newest that channels were told

    # As things are committed

    def committed(self, node: Node, outcome: Outcome) -> None:
        changed, inserted = outcome.rows.changed, outcome.rows.inserted
        n = node.n
        if n == ORDER:
            touched = self.touched[ORDER]
            for kind, rows in changed.items():
                if kind in OF_AN_ORDER:
                    touched.update([row.order_id for row in rows.values()])  # type: ignore[attr-defined]
            for row in inserted.get(order.History, ()):
                self.history[row.order_id].append(row)  # type: ignore[attr-defined,arg-type]
        elif n == INVENTORY:
            heard = self.promised_only and all(
                isinstance(event.data, ShipmentStatement) for arrival in outcome.new for event in arrival.envelopes
            )
            self._stock(changed, inserted, heard)
            self.papers.committed(changed, inserted)
            for event, _ in outcome.sent:
                if isinstance(event.data, AvailabilityChanged):
                    known = self.announced.get(event.data.sku)
                    if known is not None and event.data.version <= known.version:
                        raise Broken(f"I21: {event.data.sku} is announced as version {event.data.version} again")
                    self.announced[event.data.sku] = event.data
        elif n == FULFILMENT:
            for kind in (fulfilment.Shipment, fulfilment.Return):
                if kind in changed:
                    self.touched[FULFILMENT].update([row.order_id for row in changed[kind].values()])  # type: ignore[attr-defined]
            for row in inserted.get(fulfilment.History, ()):
                self.documents[row.document_id].append(row)  # type: ignore[attr-defined,arg-type]
        else:
            for kind in (billing.Account, billing.Operation, billing.Refund):
                if kind in changed:
                    self.touched[BILLING].update([row.order_id for row in changed[kind].values()])  # type: ignore[attr-defined]
            if billing.Posting in inserted:
                self._postings(inserted[billing.Posting])

    def _stock(
        self, changed: dict[type[Row], dict[Any, Row]], inserted: dict[type[Row], list[Row]], heard: bool
    ) -> None:
        for row in inserted.get(inventory.Movement, ()):
            assert isinstance(row, inventory.Movement)
            sums = self.moved[row.sku, row.warehouse]
            sums[0] += row.on_hand
            sums[1] += row.quarantined
            self.shelves[row.sku, row.warehouse] = None
            if row.kind in ("restock", "quarantine"):
                back = self.came_back[row.reference]
                back[row.line_no] = back.get(row.line_no, 0) + row.on_hand + row.quarantined
            if row.order_id is not None and row.kind in ("issue", "loss"):
                moves = self.line_moves[row.order_id, row.line_no]
                if row.kind == "issue":
                    moves.out -= row.on_hand
                else:
                    moves.lost -= row.on_hand
        for key, row in changed.get(inventory.Reservation, {}).items():
            assert isinstance(row, inventory.Reservation)
            before = self.last.get(key)
            self.last[key] = row
            if heard:  # shipments alone were heard of: what left, or was not found, was promised there
                was = (before.issued + before.lost, before.reserved) if before else (0, 0)
                if (gone := row.issued + row.lost - was[0]) > was[1]:
                    where = f"line {row.line_no} of order {row.order_id} at {row.warehouse}"
                    raise Broken(f"I4: {gone} of {where} left, {was[1]} were promised there")
            self.touched[INVENTORY].add(row.order_id)
            if row.stocked:
                self.promised[row.sku, row.warehouse] += row.reserved - (before.reserved if before else 0)
                self.shelves[row.sku, row.warehouse] = None
        for row in changed.get(inventory.Level, {}).values():
            self.shelves[row.sku, row.warehouse] = None  # type: ignore[attr-defined]
        for kind in (inventory.Demand, inventory.StockOrder):
            if kind in changed:
                self.touched[INVENTORY].update([row.order_id for row in changed[kind].values()])  # type: ignore[attr-defined]

    def _postings(self, rows: Iterable[Any]) -> None:
        entries: dict[str, Decimal] = {}
        for row in rows:
            entries[row.entry_id] = entries.get(row.entry_id, ZERO) + row.amount
            if row.order_id is None:
                continue
            if row.account in (RECEIVABLE, PREPAYMENTS):
                self.ledger[row.order_id] += row.amount
            elif row.account == BAD_DEBTS:
                self.bad_debts[row.order_id] += row.amount
            elif row.kind in ("capture", "refund") and row.account in (PROVIDER, BANK):
                booked, no = self.booked[row.order_id], int(row.entry_id.split(":")[1])
                booked[no] = booked.get(no, ZERO) + row.amount
        for entry_id, total in entries.items():
            self.trial += total
            self.each(money.entries_balance(money.Entry(entry_id, "EUR", total)), "I13")

    # At any moment

    def check(self) -> None:
        """Everything that was touched since the last check, by the laws that always hold."""
        for sku, place in self.shelves:
            shelf = self._shelf(sku, place)
            for law in A_SHELF:
                self.each(law(shelf), law)
        self.shelves.clear()
        self.papers.check()
        if self.worths is not None:
            self.worths.check()
        touched, self.touched = self.touched, [set(), set(), set(), set()]
        for order_id in touched[ORDER]:
            found = self.order(order_id)
            if found is None:
                continue
            case = self._case(found)
            for law in A_ORDER:
                self.each(law(case), law)
            self._not_from_the_future(found)
        for order_id in touched[INVENTORY]:
            for line in self._line_sums(order_id):
                self.each(stock.reservations_end_once(line), "I4")
        for order_id in touched[BILLING]:
            purse = self._purse(order_id)
            if purse is not None:
                for law in A_MONEY:
                    self.each(law(purse), law)
                if purse.refunds:
                    notes = self.of(BILLING, billing.CreditNote, order_id)
                    for refund in purse.refunds:
                        self.each(money.refund_is_its_credit_note(refund, notes), money.refund_is_its_credit_note)
                if purse.account.method == "bank_transfer" and (owed := rule.owed(purse.account)) > 0:
                    raise Broken(f"I12: {purse.name}: goods for {owed} are out that were to be paid in advance")
        if self.provider.wrong:
            raise Broken(self.provider.wrong[0])

    # Snapshots

    def order(self, order_id: UUID) -> Order | None:
        progress = self.one(ORDER, order.Progress, order_id)
        if progress is None:
            return None
        return Order(
            self.one(ORDER, order.Header, order_id),
            tuple(sorted(self.of(ORDER, order.Line, order_id), key=lambda line: line.line_no)),
            progress,
            self.one(ORDER, order.Stock, order_id),
            self.one(ORDER, order.Money, order_id),
            tuple(sorted(self.of(ORDER, order.Shipment, order_id), key=lambda shipment: shipment.seq)),
            tuple(sorted(self.of(ORDER, order.Return, order_id), key=lambda goods: goods.return_id)),
        )

    def _case(self, found: Order) -> orders.Case:
        books = self.machine.nodes[ORDER].books
        timers = frozenset(name for name in orders.TIMERS if f"{name}:{found.id}" in books.timers)
        subject = str(found.id)
        parked = any(row.subject == subject for row in books.parked.values()) or any(
            key.startswith("retry:") for key in books.timers
        )
        return orders.Case(found, tuple(self.history[found.id]), timers, parked)

    def _shelf(self, sku: str, place: str) -> stock.Shelf:
        level = self.rows[INVENTORY].get(inventory.Level, {}).get((sku, place)) or inventory.Level(sku, place)
        assert isinstance(level, inventory.Level)
        moved = self.moved[sku, place]
        return stock.Shelf(
            sku, place, level.on_hand, level.reserved, level.quarantined, moved[0], moved[1],
            self.promised[sku, place],
        )  # fmt: skip

    def _line_sums(self, order_id: UUID) -> Iterator[stock.LineSums]:
        held: dict[int, list[inventory.Reservation]] = defaultdict(list)
        for r in self.of(INVENTORY, inventory.Reservation, order_id):
            held[r.line_no].append(r)
        for d in self.of(INVENTORY, inventory.Demand, order_id):
            mine, moves = held[d.line_no], self.line_moves.get((order_id, d.line_no)) or LineMoves()
            yield stock.LineSums(
                order_id,
                d.line_no,
                d.sku,
                d.wanted,
                d.backordered,
                d.rejected,
                sum([r.reserved for r in mine]),
                sum([r.issued for r in mine]),
                sum([min(r.reserved, max(0, r.kept - r.issued - r.lost)) for r in mine]),
                sum([r.issued for r in mine if r.stocked]),
                sum([r.lost for r in mine if r.stocked]),
                moves.out,
                moves.lost,
            )

    def _purse(self, order_id: UUID) -> money.Purse | None:
        account = self.one(BILLING, billing.Account, order_id)
        if account is None:
            return None
        invoices, notes = self.of(BILLING, billing.Invoice, order_id), self.of(BILLING, billing.CreditNote, order_id)
        received = sum([r.amount + r.fee for r in self.of(BILLING, billing.Remittance, order_id)], ZERO)
        for entry in self.all(BILLING, billing.BankEntry):
            if entry.order_id == order_id and entry.state == "matched":
                received += entry.amount
        return money.Purse(
            f"order {order_id}",
            account,
            tuple(self.of(BILLING, billing.Operation, order_id)),
            received,
            sum([document.gross for document in invoices], ZERO),
            sum([document.gross for document in notes], ZERO),
            self.ledger[order_id],
            self.booked.get(order_id, {}),
            tuple(self.of(BILLING, billing.Refund, order_id)),
            tuple(self.of(BILLING, billing.WriteOff, order_id)),
            self.bad_debts[order_id],
        )

    def _not_from_the_future(self, found: Order) -> None:
        held = self.one(INVENTORY, inventory.StockOrder, found.id)
        account = self.one(BILLING, billing.Account, found.id)
        pairs: list[tuple[str, Any, Any]] = [("stock", found.stock.heard, held), ("money", found.money.heard, account)]
        shipments, returns = self.rows[FULFILMENT].get(fulfilment.Shipment, {}), self._returns()
        pairs += [("shipment", s.heard, shipments.get((s.shipment_id,))) for s in found.shipments]
        pairs += [("return", r.heard, returns.get((r.return_id,))) for r in found.returns]
        self.checked += 1
        for what, heard, own in pairs:
            if heard is not None and heard.version > (own.version if own else 0):
                raise Broken(f"I21: {what} of order {found.id}: version {heard.version} was heard, its owner has less")

    def _returns(self) -> dict[Any, Any]:
        return self.rows[FULFILMENT].get(fulfilment.Return, {})

    # When all is at rest

    def check_rest(self) -> None:
        if self.worths is not None:
            self.worths.check_rest()
        for sentence in self._at_rest():
            raise Broken(sentence)

    def _at_rest(self) -> Iterator[str]:
        machine = self.machine
        yield from self._messages()
        for found in [self.order(row.order_id) for row in self.all(ORDER, order.Progress)]:
            assert found is not None
            yield from self._order_at_rest(found)
        known = self.rows[ORDER].get(order.Progress, {})
        owners: tuple[tuple[int, type[Row]], ...] = (
            (INVENTORY, inventory.StockOrder),
            (FULFILMENT, fulfilment.Shipment),
            (BILLING, billing.Account),
        )
        for service, kind in owners:
            for row in self.all(service, kind):
                if (row.order_id,) not in known:
                    yield f"I21: {SERVICES[service]} has order {row.order_id}, which does not exist"
        for kind, name in _DOCUMENTS:
            for row in self.all(FULFILMENT, kind):
                id = getattr(row, f"{name}_id")
                entries = self.documents[id]
                newest = max(entries, key=lambda entry: entry.version)
                last = [entry for entry in entries if entry.version == newest.version][-1]
                versions = len({entry.version for entry in entries})
                document = orders.Document(name, id, row.version, row.state, versions, newest.version, last.state)
                yield from _numbered("I7", orders.documents_have_their_history(document))
        for r in self._returns().values():
            kinds = {
                line.line_no: line.kind for line in self.of(FULFILMENT, fulfilment.Shipment, r.shipment_id)[0].lines
            }
            for line in r.lines:
                graded, booked = line.restock + line.quarantine, self.came_back[str(r.return_id)].get(line.line_no, 0)
                if kinds[line.line_no] == "goods" and graded != booked:
                    yield f"I1: return {r.return_id} line {line.line_no}: {graded} came back, {booked} are booked"
        yield from self._books()
        for kind in (inventory.PurchaseOrder, inventory.Transfer):
            for paper in self.all(INVENTORY, kind):
                if paper.state == "draft" or paper.open:
                    yield f"I8: {paper.number} rests as {paper.state}"
        for due in self.all(INVENTORY, inventory.Expected):
            if due.incoming:
                yield f"I28: {due.incoming} of {due.sku} are expected of {due.reference}, which is over"
        for level in self.all(INVENTORY, inventory.Level):
            said = self.announced.get(level.sku)
            told = {of.warehouse: (of.on_hand, of.reserved) for of in said.warehouses} if said else {}
            if told.get(level.warehouse) != (level.on_hand, level.reserved):
                yield f"I21: channels were told {told} of {level.sku}, it is {level}"
        for kit in self.all(INVENTORY, inventory.Kit):
            said = self.announced.get(kit.sku)
            free = {
                of.sku: sum(level.available for level in self.of(INVENTORY, inventory.Level, of.sku))
                for of in kit.components
            }
            sets = min((free[of.sku] // of.pieces for of in kit.components), default=0)
            product = self.one(ORDER, order.Product, kit.sku)
            if product is None or product.components != kit.components:
                yield f"I21: inventory takes {kit.components} for the kit {kit.sku}, the catalogue has {product}"
            if said is None or said.available != sets:
                yield f"I21: channels were told {said} of the kit {kit.sku}, {sets} can be made"
        if machine.nodes[ORDER].books.rows.get(order.External):
            for external in self.all(ORDER, order.External):
                same = [
                    h.order_id
                    for h in self.all(ORDER, order.Header)
                    if h.external_id and f"{h.channel}:{h.external_id}" == external.ref
                ]
                seen = orders.ExternalId("", external.ref, same, external.order_id)
                yield from _numbered("I11", orders.one_order_per_external_id(seen))

    def _messages(self) -> Iterator[str]:
        machine = self.machine
        inboxes = [node.books.inbox for node in machine.nodes]
        sent: set[UUID] = set()
        for node in machine.nodes:
            for packet in node.books.outbox.values():
                yield f"I18: packet {packet.id} ({packet.key}) of {node.name} was never sent"
            for id in node.books.calls:
                yield f"I14: the outside call {id} of {node.name} was never answered"
            for packet in node.books.sent.values():
                sent.add(packet.id)
                missing = tuple(SERVICES[n] for n in machine.readers.get(packet.key, ()) if packet.id not in inboxes[n])
                yield from _numbered(
                    "I17", messages.every_reader_handled_it(messages.Sent(packet.id, packet.key, node.name, 0, missing))
                )
        for node in machine.nodes:
            for id in node.books.inbox:
                known = id in sent or id in machine.poison
                yield from _numbered("I20", messages.no_ghosts(messages.Handled(id, node.name, known)))
            for row in node.books.parked.values():
                if row.event_id is None and row.reason.startswith("Unreadable"):
                    continue  # unreadable things are counted below
                parked = messages.Parked(
                    row.id, node.name, row.key, row.event_id, row.at, row.reason, row.body, "parked", None
                )
                yield from _numbered("I22", messages.only_poison_is_parked(parked, machine.poison))
            for id, (fingerprint, reply) in node.books.requests.items():
                request = messages.Request(
                    id, node.name, fingerprint, reply.status if reply else None, "{" if reply else None
                )
                yield from _numbered("I24", messages.requests_are_answered(request))
            for id in node.asked:
                yield f"I24: request {id} to {node.name} was never answered"

    def _order_at_rest(self, found: Order) -> Iterator[str]:
        case = self._case(found)
        yield from _numbered("I6", orders.the_total_adds_up(case))
        parts = orders.Parts(found.id, 1, 1, 1, len(found.lines))
        yield from _numbered("I11", orders.one_saga_per_order(parts))
        status = found.progress.status
        if status not in FINAL:
            why = "; ".join(wait.why for wait in waits(found))
            yield f"I8: {case.name} rests in {status}: {why}"
        purse = self._purse(found.id)
        held = self.one(INVENTORY, inventory.StockOrder, found.id)
        if purse is None or held is None:
            yield f"I21: {case.name}: billing or inventory never heard of it"
            return
        account = purse.account
        for law in (money.held_is_billed, money.nothing_is_unknown, *A_MONEY):
            yield from _numbered(NUMBERS[law], law(purse))
        if status in FINAL and (rule.authorised(account) or account.running or account.custody):
            yield f"I12: {case.name} is {status}, money is still authorised, on its way, or with the carrier"
        reservations = self.of(INVENTORY, inventory.Reservation, found.id)
        yield from _numbered("I21", self._copies(found, held, account, reservations))
        issued: dict[int, int] = defaultdict(int)
        for r in reservations:
            issued[r.line_no] += r.issued
        for no, count in found.counts.items():
            if issued[no] != count.shipped:
                yield f"I5: {case.name} line {no}: {count.shipped} shipped, {issued[no]} issued"
        reserved = sum(r.reserved for r in reservations)
        if status in FINAL and reserved:
            yield f"I9: {case.name} is {status}, {reserved} are reserved for it"
        shipments = [s for s in self.all(FULFILMENT, fulfilment.Shipment) if s.order_id == found.id]
        for s in shipments:
            label = self.carrier.label_of(s.shipment_id)
            if label is not None and label.state == "bought" and s.state in ("cancelled", "rejected"):
                yield f"I9: {case.name}: shipment {s.shipment_id} is {s.state}, its label was not voided"
            back: dict[int, int] = defaultdict(int)
            for r in self.of(FULFILMENT, fulfilment.Return, s.shipment_id):
                for line in r.lines:
                    back[line.line_no] += line.accepted if s.reason == "lost" else max(line.received, line.accepted)
            if s.state == "refused" and (gone := {no: n for no, n in s.shipped().items() if back[no] < n}):
                goods = {line.line_no for line in s.lines if line.kind == "goods"}
                if any(no in goods for no in gone):
                    yield f"I9: {case.name}: of shipment {s.shipment_id}, {s.reason}, {gone} never came back"
        if status == "cancelled":
            left = across.Cancelled(
                case.name,
                reserved,
                account.captured,
                account.refunded,
                in_work=False,
                open_shipments=tuple(s.shipment_id for s in shipments if s.state in fulfilment.OPEN),
                labels=tuple(across.Label(s.shipment_id, s.label, False) for s in shipments),
            )
            yield from _numbered("I9", across.cancelled_leaves_nothing(left))

    def _copies(
        self, found: Order, held: inventory.StockOrder, account: billing.Account, reservations: list[Any]
    ) -> Iterator[str]:
        own = across.Stocked(
            held.version,
            held.answers,
            tuple(
                (r.line_no, r.warehouse, r.reserved, r.issued, r.lost)
                for r in sorted(reservations, key=lambda r: (r.line_no, r.warehouse))
                if r.reserved or r.issued or r.lost
            ),
            tuple(
                (d.line_no, d.backordered, d.promised_on, d.rejected, d.reason)
                for d in self.of(INVENTORY, inventory.Demand, found.id)
                if d.backordered or d.rejected
            ),
        )
        heard = found.stock.heard
        name = f"order {found.header.number}"
        yield from across.copy_is_the_newest(
            across.Copy(f"stock of {name}", across.stocked(heard) if heard else None, own)
        )
        known = rule.statement(MoneyStatement, account)
        yield from across.copy_is_the_newest(across.Copy(f"money of {name}", found.money.heard, known))
        shipments = {s.shipment_id: s for s in self.all(FULFILMENT, fulfilment.Shipment) if s.order_id == found.id}
        for shipment in found.shipments:
            s = shipments.pop(shipment.shipment_id, None)
            copy = across.Copy(
                f"shipment {shipment.seq} of {name}", shipment.heard,
                fulfilment.statement(s, ShipmentStatement) if s else None,
            )  # fmt: skip
            yield from across.copy_is_the_newest(copy)
        returns = {r.return_id: r for r in self._returns().values() if r.order_id == found.id}
        for goods in found.returns:
            r = returns.pop(goods.return_id, None)
            copy = across.Copy(
                f"return {goods.return_id} of {name}", goods.heard,
                fulfilment.return_statement(r, ReturnStatement) if r else None,
            )  # fmt: skip
            yield from across.copy_is_the_newest(copy)
        for id in (*shipments, *returns):
            yield f"{name}: fulfilment has shipment or return {id}, which the order does not know"

    def _books(self) -> Iterator[str]:
        if self.trial:
            yield f"I13: the trial balance is {self.trial}"
        documents: dict[tuple[str, int], list[money.Numbered]] = defaultdict(list)
        credited: dict[str, Decimal] = defaultdict(lambda: ZERO)
        gross: dict[str, Decimal] = {}
        for kind in (billing.Invoice, billing.CreditNote):
            for row in self.all(BILLING, kind):
                documents[row.series, row.year].append(money.Numbered(row.serial, row.number, row.issued_at))
                yield from _numbered("I16", money.document_is_as_issued(row))
                if kind is billing.Invoice:
                    gross[row.number] = row.gross
                else:
                    credited[row.invoice] += row.gross
        for (series, year), numbered in documents.items():
            counter = self.one(BILLING, billing.Series, series)
            numbered.sort(key=lambda document: document.serial)
            run = money.Run(series, year, counter.last if counter and counter.year == year else None, numbered)
            yield from _numbered("I16", money.numbers_have_no_hole(run))
        for invoice_row in self.all(BILLING, billing.Invoice):
            notes = self.of(BILLING, billing.CreditNote, invoice_row.order_id)
            yield from _numbered("I16", money.lines_credited_within_invoice(invoice_row, notes))
        for given_up in self.all(BILLING, billing.WriteOff):
            if given_up.state == "waiting":
                yield f"I8: write-off {given_up.write_off_id} waits, and everybody has decided"
        for refund in self.all(BILLING, billing.Refund):
            if refund.state == "waiting":
                yield f"I8: refund {refund.refund_id} of {refund.invoice} waits, and everybody has decided"
        for invoice, amount in credited.items():
            yield from _numbered(
                "I16", money.credited_within_invoice(money.Credits(invoice, gross.get(invoice), amount))
            )
        ours = {
            f"{o.order_id}:{o.no}": money.Charge(o.kind, o.amount, o.currency, o.state == "done")
            for o in self.all(BILLING, billing.Operation)
        }
        theirs = {
            key: money.Charge(done.call.kind, done.call.amount, done.call.currency, done.outcome == "ok")
            for key, done in self.provider.book.items()
        }
        for key in dict.fromkeys((*ours, *theirs)):
            yield from _numbered("I14", money.provider_agrees(key, ours.get(key), theirs.get(key)))


def _numbered(number: str, sentences: Iterable[str]) -> Iterator[str]:
    for sentence in sentences:
        yield f"{number}: {sentence}"
