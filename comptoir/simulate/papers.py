"""The laws of papers: purchase orders and transfers, with their lines, movements and what is expected of them."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from comptoir.invariants import purchases, transfers
from comptoir.simulate.snapshots import INVENTORY, Snapshots
from services.inventory.domain import rows as inventory
from shared.messaging.decision import Row

PAPERS: dict[type[Row], str] = {
    inventory.PurchaseOrder: "purchase_id",
    inventory.PurchaseLine: "purchase_id",
    inventory.Transfer: "transfer_id",
    inventory.TransferLine: "transfer_id",
}
"""Rows of purchase orders and transfers, and the field that names the paper."""


@dataclass(slots=True)
class PaperMoves:
    """Of one SKU of a purchase order or transfer, by its movements: taken off the source, put on the shelf, lost."""

    out: int = 0
    came: int = 0
    gone: int = 0
    under_way: int = 0


class PaperLaws:
    """I27 to I31, of what was touched; sums movements as they are committed."""

    def __init__(self, seen: Snapshots) -> None:
        self.seen = seen
        self.touched: dict[UUID, None] = {}
        self.moved: dict[tuple[UUID, str], PaperMoves] = defaultdict(PaperMoves)
        self.acts: dict[UUID, list[int]] = defaultdict(list)  # the versions after each act of a paper

    def committed(self, changed: dict[type[Row], dict[Any, Row]], inserted: dict[type[Row], list[Row]]) -> None:
        for kind, name in PAPERS.items():
            for row in changed.get(kind, {}).values():
                self.touched[getattr(row, name)] = None
        by: dict[UUID, UUID] = {}
        for kind, name in ((inventory.PurchaseAct, "purchase_id"), (inventory.TransferAct, "transfer_id")):
            for row in inserted.get(kind, ()):
                id = by[row.cause] = getattr(row, name)  # type: ignore[attr-defined]
                self.acts[id].append(row.version)  # type: ignore[attr-defined]
                self.touched[id] = None
        for row in inserted.get(inventory.Movement, ()):
            assert isinstance(row, inventory.Movement)
            if row.cause in by and row.kind in ("receipt", "transfer", "transfer_loss"):
                moves = self.moved[by[row.cause], row.sku]
                moves.under_way += row.in_transit
                if row.kind == "transfer_loss":
                    moves.gone -= row.in_transit
                elif row.in_transit > 0:
                    moves.out -= row.on_hand
                else:
                    moves.came += row.on_hand

    def check(self) -> None:
        """Those that were touched since the last check."""
        for id in self.touched:
            self._paper(id)
        self.touched.clear()

    def _paper(self, id: UUID) -> None:
        """A purchase order or transfer with its lines, their movements and what is expected of them."""
        versions = self.acts[id]
        acts, newest = len(versions), max(versions, default=0)
        expected = self.seen.rows[INVENTORY].get(inventory.Expected, {})
        transfer = self.seen.one(INVENTORY, inventory.Transfer, id)
        if transfer is not None:
            lines = self.seen.of(INVENTORY, inventory.TransferLine, id)
            for line in lines:
                moves, due = (
                    self.moved[id, line.sku],
                    expected.get((line.sku, transfer.number, transfer.destination)),
                )
                moved = transfers.MovedLine(
                    transfer.number, transfer.state, line.sku, line.sent, line.received, line.lost, moves.out,
                    moves.came, moves.gone, moves.under_way, due.incoming if due else 0,  # type: ignore[attr-defined]
                )  # fmt: skip
                self.seen.each(transfers.sent_is_received_lost_or_in_transit(moved), "I30")
            sent, received, lost = (sum(getattr(line, name) for line in lines) for name in ("sent", "received", "lost"))
            whole = transfers.Moved(
                transfer.number, transfer.state, transfer.version, sent, received, lost, acts, newest
            )
            self.seen.each(transfers.transfers_state_is_what_came(whole), "I31")
            return
        bought = self.seen.one(INVENTORY, inventory.PurchaseOrder, id)
        lines = self.seen.of(INVENTORY, inventory.PurchaseLine, id)
        for line in lines:
            moves, due = self.moved[id, line.sku], expected.get((line.sku, bought.number, bought.warehouse))
            seen = purchases.BoughtLine(
                bought.number, bought.state, line.sku, line.quantity, line.received, moves.came,
                due.incoming if due else 0, line.expected_on, due.expected_on if due else None,  # type: ignore[attr-defined]
            )  # fmt: skip
            self.seen.each(purchases.received_is_the_sum_of_receipts(seen), "I27")
            self.seen.each(purchases.incoming_is_what_is_left(seen), "I28")
        left, received = sum(line.left for line in lines), sum(line.received for line in lines)
        order = purchases.Bought(bought.number, bought.state, bought.version, left, received, acts, newest)
        self.seen.each(purchases.state_is_what_came(order), "I29")
