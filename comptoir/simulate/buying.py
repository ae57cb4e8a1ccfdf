"""The people who buy goods and move them between warehouses: drafts, what is sent, what comes of it, and how it ends.

They do what people do: two of them at the same time, by a preview that went stale, with a part, with too much, with
what nobody ordered, and after all was over. In the healing phase each paper is brought to its end.
"""

from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid5

from comptoir.simulate.machine import T0, Broken
from comptoir.simulate.people import ROOT, People
from comptoir.simulate.plan import HOUR, MINUTE, SECOND, SKUS, Errand
from comptoir.simulate.snapshots import INVENTORY
from services.inventory.domain import rows as inventory
from services.inventory.domain.purchases import purchase_quote, tag_of
from services.inventory.domain.transfers import transfer_tag
from shared.contracts.inventory import (
    BoughtLine,
    CancelPurchaseOrder,
    CancelTransfer,
    ChangePurchaseOrder,
    ClosePurchaseOrder,
    CloseTransfer,
    CreatePurchaseOrder,
    CreateTransfer,
    EditPurchaseOrder,
    EditTransfer,
    LineChange,
    MovedLine,
    ReceiveStock,
    SendPurchaseOrder,
    SendTransfer,
    StockLine,
)
from shared.contracts.message import Message
from shared.messaging.decision import Reply

SUPPLIER = "mill"
ZERO = Decimal(0)
Paper = inventory.PurchaseOrder | inventory.Transfer
Pieces = dict[str, int]


class Buyers(People):
    """Also purchase orders and transfers."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.errands = {uuid5(ROOT, f"{self.case.seed}/errand {of.n}"): of for of in self.plan.errands}
        self.buyers: dict[UUID, Random] = {id: self.dice(f"errand {of.n}") for id, of in self.errands.items()}
        self.came_late: set[UUID] = set()

    def begin_errand(self, id: UUID) -> None:
        errand = self.errands[id]
        self.tell("staff", f"{_said(errand)}: {_list(dict(errand.lines))}")
        self.ask(INVENTORY, self.draft(id, dict(errand.lines), new=True), id, lambda _: self.see_paper(id))

    def paper(self, id: UUID) -> Paper | None:
        kind = inventory.PurchaseOrder if self.errands[id].kind == "buy" else inventory.Transfer
        found: Paper | None = self.laws.one(INVENTORY, kind, id)
        return found

    def lines(self, id: UUID) -> list[Any]:
        kind = inventory.PurchaseLine if self.errands[id].kind == "buy" else inventory.TransferLine
        return sorted(self.laws.of(INVENTORY, kind, id), key=lambda line: line.line_no)

    def see_paper(self, id: UUID) -> None:
        """Somebody will take its next step; what is over may still be followed by goods."""
        paper, of = self.paper(id), self.buyers[id]
        if paper is None:
            return
        if paper.state == "draft" or paper.open:
            self.soon(("paper", id), int(of.choice((SECOND, MINUTE, 2 * HOUR)) * of.random()), self.next_step, id)
        elif not self.healing and id not in self.came_late:
            self.came_late.add(id)
            if of.random() < 0.3:
                self.at(self.now + int(2 * HOUR * of.random()), self.late, id)

    def next_step(self, id: UUID) -> None:
        """The next step of a paper, whatever it is by now."""
        paper = self.paper(id)
        assert paper is not None
        of, buys = self.buyers[id], isinstance(paper, inventory.PurchaseOrder)
        m: Message | None
        if paper.state == "draft":
            m = self.of_draft(id, buys, of.random())
        elif paper.open:
            m = self.of_sent(id, buys, of.random())
        else:
            return
        if m is None:
            self.see_paper(id)
            return
        wait = int(of.choice((0, 0, SECOND, 10 * MINUTE)) * of.random())  # from looking to sending the form
        self.at(self.now + wait, self.tell, "staff", f"{type(m).__name__} {paper.number}")
        self.at(self.now + wait, self.ask, INVENTORY, m, None, lambda _: self.see_paper(id))
        if isinstance(m, SendPurchaseOrder | SendTransfer) and not self.healing and of.random() < 0.15:
            line = of.choice(self.lines(id))  # goods that stand at the door when their paper goes out
            if line.quantity:
                self.at(self.now + wait, self.ask, INVENTORY, self.delivery(id, {line.sku: 1}, by_number=True))
        if not self.healing and of.random() < 0.15:  # a colleague does the same, as a request of his own
            self.at(self.now + int(of.choice((0, wait, MINUTE)) * of.random()), self.ask, INVENTORY, m)

    # Drafts

    def draft(self, id: UUID, wanted: Pieces, *, new: bool, seen: str = "") -> Message:
        errand = self.errands[id]
        due, to = _day(errand.days), errand.destination
        more = {} if new else {"if_match": seen}
        if errand.kind == "buy":
            bought = tuple(
                BoughtLine(sku=sku, quantity=n, unit_cost=self.plan.cost(sku, errand.n) or ZERO, expected_on=due)
                for sku, n in wanted.items()
            )
            kind = CreatePurchaseOrder if new else EditPurchaseOrder
            return kind(purchase_id=id, supplier=SUPPLIER, warehouse=to, lines=bought, **more)
        moved = tuple(MovedLine(sku=sku, quantity=n) for sku, n in wanted.items())
        make = CreateTransfer if new else EditTransfer
        return make(transfer_id=id, source=errand.source, destination=to, expected_on=due, lines=moved, **more)

    def of_draft(self, id: UUID, buys: bool, drawn: float) -> Message:
        of, skus = self.buyers[id], tuple(line.sku for line in self.lines(id))
        source = self.errands[id].source
        free = {line.sku: min(line.quantity, self.free(line.sku, source)) for line in self.lines(id)}
        there = buys or all(free[line.sku] == line.quantity for line in self.lines(id))
        if not there and (self.healing or of.random() < 0.8):  # what is not there will not be moved
            some = {sku: n for sku, n in free.items() if n > 0}
            if not some or self.healing:
                return CancelTransfer(transfer_id=id, skus=skus)
            return self.draft(id, some, new=False, seen=self.tag(id))
        if drawn < 0.15 and not self.healing:
            return self.another(id)
        if drawn > 0.9:
            return CancelPurchaseOrder(purchase_id=id, skus=skus) if buys else CancelTransfer(transfer_id=id, skus=skus)
        if buys:
            return SendPurchaseOrder(purchase_id=id, skus=skus, quote=self.quote(id))
        return SendTransfer(transfer_id=id, skus=skus, if_match=self.tag(id) if of.random() < 0.7 else "")

    def another(self, id: UUID) -> Message:
        """The draft with other lines."""
        of = self.buyers[id]
        wanted = {sku: of.randint(1, 5) for sku in of.sample(SKUS, of.choice((1, 2, 3)))}
        return self.draft(id, wanted, new=False, seen=self.tag(id) if of.random() < 0.8 else "")

    def free(self, sku: str, place: str) -> int:
        level = self.laws.rows[INVENTORY].get(inventory.Level, {}).get((sku, place))
        return level.available if level else 0  # type: ignore[attr-defined]

    def quote(self, id: UUID) -> str:
        """As a preview shows it; some look at none."""
        if self.buyers[id].random() < 0.4:
            return ""
        return purchase_quote(lambda kind, group: self.laws.of(INVENTORY, kind, group), id)

    def tag(self, id: UUID) -> str:
        paper = self.paper(id)
        return tag_of(paper) if isinstance(paper, inventory.PurchaseOrder) else transfer_tag(paper)  # type: ignore[arg-type]

    # What is on its way

    def of_sent(self, id: UUID, buys: bool, drawn: float) -> Message | None:
        of = self.buyers[id]
        left = {line.sku: line.left for line in self.lines(id) if line.left}
        if self.healing:
            drawn = 0.6 if drawn < 0.7 else 0.85
        if drawn < 0.03:
            return self.another(id)  # as who did not see that it was sent
        if drawn < 0.15:
            return self.changed(id) if buys else None
        if drawn < 0.5:
            sku = of.choice(list(left))
            return self.delivery(id, {sku: of.randint(1, left[sku])})
        if drawn < 0.7:
            return self.delivery(id, left)
        if drawn < 0.8:
            sku = of.choice([*left, *SKUS])
            return self.delivery(id, {sku: left.get(sku, 0) + of.randint(1, 3)}, over=of.random() < 0.6)
        return self.ended(id, buys)

    def changed(self, id: UUID) -> Message:
        """The supplier says another day, or that more, less or nothing comes of a line."""
        of, lines = self.buyers[id], self.lines(id)
        line = of.choice(lines)
        change = LineChange(
            sku=line.sku,
            quantity=of.choice((None, 0, max(0, line.received - 1), line.received, line.quantity + 2)),
            expected_on=of.choice((None, _day(of.randrange(6)))),
        )
        skus = tuple(line.sku for line in lines)
        return ChangePurchaseOrder(purchase_id=id, skus=skus, changes=(change,), quote=self.quote(id))

    def delivery(self, id: UUID, came: Pieces, *, over: bool = False, by_number: bool = False) -> ReceiveStock:
        """Half of them name the paper by its id, the others by the number on the delivery note alone."""
        paper, of = self.paper(id), self.buyers[id]
        assert paper is not None
        name = "purchase_id" if self.errands[id].kind == "buy" else "transfer_id"
        named: dict[str, Any] = {} if by_number or of.random() < 0.5 else {name: id}
        self.tell("warehouse", f"{_list(came)} of {paper.number} came to {self.errands[id].destination}")
        lines = tuple(StockLine(sku=sku, quantity=n) for sku, n in came.items())
        return ReceiveStock(
            warehouse=self.errands[id].destination, reference=paper.number, lines=lines, over=over, **named
        )

    def ended(self, id: UUID, buys: bool) -> Message:
        """Closed when something came, cancelled when nothing did; people sometimes try it the other way round."""
        of, lines = self.buyers[id], self.lines(id)
        skus, some = tuple(line.sku for line in lines), any(line.received for line in lines)
        if not buys:
            if not self.healing and of.random() < 0.2:
                return CancelTransfer(transfer_id=id, skus=skus)
            return CloseTransfer(transfer_id=id, skus=skus, reason="lost", if_match=self.tag(id))
        close = some if self.healing or of.random() < 0.8 else not some
        if close:
            return ClosePurchaseOrder(purchase_id=id, skus=skus, quote=self.quote(id))
        return CancelPurchaseOrder(purchase_id=id, skus=skus, quote=self.quote(id))

    def late(self, id: UUID) -> None:
        """Goods of a paper that is over. Of a purchase order they are taken in by who says so, of a transfer never."""
        if self.healing:
            return
        paper, of = self.paper(id), self.buyers[id]
        line = of.choice(self.lines(id))
        m = self.delivery(id, {line.sku: of.randint(1, 3)}, over=of.random() < 0.7)
        known = m.transfer_id is not None or getattr(line, "sent", False)  # a number alone is known by what it expects

        def heard(reply: Reply) -> None:
            if isinstance(paper, inventory.Transfer) and known and reply.status < 400:
                raise Broken(f"I30: more came of {paper.number}, which is {paper.state}: {reply.body}")

        self.ask(INVENTORY, m, None, heard)


def _day(days: int) -> date:
    return T0.date() + timedelta(days=days)


def _said(errand: Errand) -> str:
    if errand.kind == "buy":
        return f"drafts a purchase order for {errand.destination}"
    return f"drafts a transfer from {errand.source} to {errand.destination}"


def _list(pieces: Pieces) -> str:
    return ", ".join(f"{n} {sku}" for sku, n in pieces.items())
