"""Faults made on purpose, each switched on by name: the simulation must see the damage, or it proves nothing.

`SEEN` names the first seed that sees each, and the law that says so; the slow run finds seeds anew. Not seen by
2,000 seeds, and so not listed: money on its way out that counts as secured; `comptoir explore` has it as a canary.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from comptoir.simulate.machine import Machine
from comptoir.simulate.valuing import PagesInMemory, Rounds
from services.billing.domain import answers, asks, documents, flow, receipts, refunds
from services.fulfilment.domain import returns, shipments
from services.inventory import valuer
from services.inventory.domain import costing, decisions, papers, purchases, receiving, transfers, warehouse, working
from services.inventory.domain import kits as stock_kits
from services.order import domain, facts, saga
from shared.contracts import message
from shared.messaging.memory import MemoryTransaction
from shared.messaging.unit import Unit
from tests.explore.canaries import Cut, without


@dataclass(frozen=True)
class Mutant:
    """A rule, what is changed in the code, and who notices."""

    name: str
    cuts: tuple[Cut, ...]

    @property
    def seed(self) -> int:
        """The first seed that sees it."""
        return SEEN[self.name][0]

    @property
    def breach(self) -> str:
        """What it sees: the number of a law, or the answer that a request must never get."""
        return SEEN[self.name][1]


MUTANTS: tuple[Mutant, ...] = (
    # The mechanism
    Mutant(
        "ack before commit",
        (
            (
                Machine.work,
                'if drawn := tape.hit("crash before commit"):',
                "[a.done() for a in batch if a.done]\n    drawn = tape.hit('crash before commit')\n    if drawn:",
            ),
        ),
    ),
    Mutant("inbox insert dropped", ((MemoryTransaction.commit, "books.inbox.add(arrival.id)", "pass"),)),
    Mutant(
        "publish outside the transaction",
        (
            (MemoryTransaction.commit, "(packet.id, packet) for packet in outcome.packets", "()"),
            (Machine.work, "node.books.outbox.pop(packet.id)", "packet"),
        ),
    ),
    Mutant("sent before it is confirmed", ((Machine.work, "if self.publish(p)]", "if self.publish(p) or True]"),)),
    Mutant(
        "answer of a request not kept",
        ((MemoryTransaction.commit, "books.requests[id] = (books.requests[id][0], reply)", "pass"),),
    ),
    Mutant("no retry ladder", ((Unit.fail, "arrival.attempt < len(LADDER)", "False"),)),
    Mutant("what fails is dropped", ((Unit.fail, "outcome.parked.append(", "(lambda row: None)("),)),
    Mutant("timers are not stored", ((MemoryTransaction.commit, "books.timers[timer.key] = timer", "pass"),)),
    Mutant(
        "outside calls are not stored",
        ((MemoryTransaction.commit, "(event.id, text) for event, text in outcome.calls", "()"),),
    ),
    # Statements and asks
    Mutant(
        "statements: newer does not win",
        ((message.newer, "heard if known is None or heard.version > known.version else known", "heard"),),
    ),
    Mutant("stock asks: newer does not win", ((decisions.reserve_stock, "m.version <= known.answers", "False"),)),
    Mutant("money asks: newer does not win", ((asks.authorise_payment, "m.version <= known.answers", "False"),)),
    # The saga
    Mutant(
        "answer timer not armed again", ((domain.answer_due, 'yield Timer(f"answer_by:{order.id}", fair, m)', "pass"),)
    ),
    Mutant(
        "kept missing in the stock ask",
        ((saga.reserve_stock, "for (no, at), used in sorted(order.used.items()) if used", "for no, at, used in ()"),),
    ),
    Mutant("final is not final", ((saga.fold, "if progress.status in FINAL:", "if False:"),)),
    Mutant(
        "released before stock has answered",
        ((saga.shipments_to_plan, "order.stock.answered and order.money.answered", "order.money.answered"),),
    ),
    Mutant(
        "released pieces cancelled without asking",
        ((saga.decide_cancellations, "count.cancelled + count.unreleased)", "wanted[no])"),),
    ),
    Mutant(
        "pay_by does not look at what is secured",
        (
            (domain.timed, "not final and not order.secured and order.open", "not final and order.open"),
            (facts.expire, "if order.secured or not order.open", "if order.money.answered or not order.open"),
        ),
    ),
    Mutant("a return is not refunded", ((saga.returns_to_refund, "accepted != goods.refunded", "not accepted"),)),
    # Stock
    Mutant(
        "stock not raised by a promise",
        ((working.Promises.change, "self.shelves.reserve(r.sku, r.warehouse, pieces)", "pass"),),
    ),
    Mutant(
        "issue counted per statement",
        (
            (
                decisions.issue_stock,
                "was_shipped, was_short = before.pop(line_no, (0, 0))",
                "was_shipped = was_short = 0",
            ),
        ),
    ),
    Mutant(
        "the queue is not served", ((working.Shelves.effects, "if queue.pages and self.free(sku) > 0:", "if False:"),)
    ),
    Mutant("a count takes back no promise", ((warehouse.count_stock, "level.reserved - m.counted", "0"),)),
    Mutant(
        "a return is stock again each time it is stated",
        ((decisions.take_back, "before.pop(line_no, (0, 0))", "(0, 0)"),),
    ),
    # What is bought and moved
    Mutant(
        "a purchase order that is called off is still expected",
        (
            (
                purchases.expected_of,
                "line.quantity if order.open else min(line.quantity, line.received)",
                "line.quantity",
            ),
        ),
    ),
    Mutant(
        "what came again of a line takes the place of what came before",
        ((purchases.take_in, "received=line.received + pieces", "received=pieces"),),
    ),
    Mutant(
        "a purchase order does not hear that all of it came",
        ((purchases.take_in, "state_of(lines.values()) if order.open else order.state", "order.state"),),
    ),
    Mutant(
        "a transfer leaves twice",
        (
            (transfers.send_transfer, 'if transfer.state != "draft":', "if False:"),
            (papers.check_unexpected, "if loose and (loose.quantity or loose.received):", "if False:"),
        ),
    ),
    Mutant("a transfer takes what is promised", ((transfers.send_transfer, "level.available:", "level.on_hand:"),)),
    Mutant(
        "more comes of a transfer than is on its way",
        ((transfers.take_in_transfer, "if pieces > left:", "if False:"),),
    ),
    Mutant("lost pieces stay in transit", ((transfers.close_transfer, "in_transit=-line.left, ", ""),)),
    Mutant(
        "what comes of a transfer is bought goods",
        ((receiving.receive_stock, "in_transit=-line.quantity if transfer else 0", "in_transit=0"),),
    ),
    # What stock is worth
    Mutant(
        "what a movement is worth is lost in a crash and counts twice",
        (
            (
                Rounds.write,
                "raise Died",
                "[self.tables.costings.update({c.sku: c}) for c in pages.folded.costings]\n        raise Died",
            ),
        ),
    ),
    Mutant(
        "two copies value at once",
        ((PagesInMemory.turn, "if self.tables.taken:", "if False:"),),
    ),
    Mutant(
        "what is committed late is never valued",
        ((valuer.Steps._looks_back, "return caught_up and", "return False and caught_up and"),),
    ),
    Mutant(
        "a day that was reported changes",
        ((costing.fold, "(entry.at, known.at, until)", "(entry.at, known.at)"),),
    ),
    Mutant(
        "a return is worth what the stock costs today",
        ((costing._brought, "entry.kind in RETURNED and left is not None", "False and left is not None"),),
    ),
    Mutant(
        "a late cost counts for pieces that have left",
        ((costing._changed, "max(0, min(known.pieces, arrived.pieces))", "arrived.pieces"),),
    ),
    Mutant(
        "a late cost comes on top of what was known",
        ((costing._changed, "(arrived.unit_cost or NOTHING)", "NOTHING"),),
    ),
    # Kits
    Mutant(
        "a kit is given up in part",
        ((saga.decide_cancellations, "_charges_follow(kits_follow(order))", "_charges_follow(order)"),),
    ),
    Mutant("an older kit wins", ((stock_kits.keep_kit, "if m.version <= known.version:", "if False:"),)),
    Mutant(
        "channels do not hear of kits when components move",
        ((stock_kits.kits_to_announce, "if part.pieces:", "if False:"),),
    ),
    # Goods
    Mutant(
        "tombstone missing",
        (
            (
                shipments.cancel_shipment,
                'yield from told(s, "cancelled before it was planned", ctx, ShipmentCancelled)',
                "yield statement(replace(s, version=1), ShipmentCancelled)",
            ),
        ),
    ),
    Mutant(
        "cancelled after hand-over",
        ((shipments.cancel_shipment, "elif s.state in OPEN:", 'elif s.state in OPEN or s.state == "dispatched":'),),
    ),
    Mutant(
        "the label of a cancelled shipment stays", ((shipments.without_label, 'if s.label == "bought":', "if False:"),)
    ),
    Mutant(
        "a return opened by fulfilment ends silently",
        ((returns.comes_back, 'reason, "fulfilment", ctx', 'reason, "customer", ctx'),),
    ),
    # Money
    Mutant("refund without intent", ((flow.call, "{operation.no}", "{operation.no}:{query}"),)),
    Mutant("silence taken for a refusal", ((answers.provider_answered, 'if m.outcome == "unknown":', "if False:"),)),
    Mutant(
        "a late answer taken for another operation's",
        ((answers.provider_answered, "operation is None or operation.no != m.operation_no", "operation is None"),),
    ),
    Mutant("VAT per parcel", ((documents._part, "if not earlier:", "if True:"),)),
    Mutant("number not advanced", ((documents.next_number, "known.last + 1", "known.last + (known.last != 2)"),)),
    Mutant("credited again as a whole", ((asks.refund_return, "more = after - before", "more = after"),)),
    Mutant(
        "an invoice without its journal entry",
        (
            (
                flow.bill,
                'draft.add(invoice, *entry(invoice.number, "sale", a.currency, sides, now, a))',
                "draft.add(invoice)",
            ),
        ),
    ),
    Mutant("a bank entry counts twice", ((receipts.bank_money_arrived, 'known.state == "matched" or ', ""),)),
    Mutant(
        "a reminded order is never asked again about an unknown operation",
        ((answers.not_known, "operation_timer(draft.account, operation.no, now + pause),", ""),),
    ),
    # Refunds of the staff
    Mutant("approved twice, given back twice", ((refunds._waiting, 'refund.state != "waiting"', "False"),)),
    Mutant("who asks may approve", ((refunds.approve_refund, "same(m.actor, refund.asker)", "False"),)),
    Mutant("above the limit in parts", ((refunds.given_alone, "r.gross for r in refunds", "ZERO for r in refunds"),)),
    Mutant("the form sent twice gives back twice", ((refunds.request_refund, "known is not None", "False"),)),
    Mutant("refused, then given back", ((refunds._waiting, 'refund.state != "waiting"', 'refund.state == "done"'),)),
    Mutant("given back and not written down", ((refunds._grant, "draft.add(done, *credit(", "draft.add(*credit("),)),
)


SEEN: dict[str, tuple[int, str]] = {
    "ack before commit": (1, "I17"),
    "inbox insert dropped": (0, "I8"),
    "publish outside the transaction": (0, "I8"),
    "sent before it is confirmed": (0, "I8"),
    "answer of a request not kept": (0, "I24"),
    "no retry ladder": (1, "I22"),
    "what fails is dropped": (0, "I22"),
    "timers are not stored": (0, "I8"),
    "outside calls are not stored": (0, "I8"),
    "statements: newer does not win": (1, "I22"),
    "stock asks: newer does not win": (195, "I8"),
    "money asks: newer does not win": (78, "I8"),
    "answer timer not armed again": (0, "I8"),
    "kept missing in the stock ask": (716, "I4"),
    "final is not final": (0, "I7"),
    "released before stock has answered": (246, "I4"),
    "released pieces cancelled without asking": (4, "order.cancel_order.v1 was answered 500"),
    "pay_by does not look at what is secured": (4, "I8"),
    "a return is not refunded": (6, "I8"),
    "stock not raised by a promise": (0, "I2"),
    "issue counted per statement": (0, "I5"),
    "the queue is not served": (1, "I8"),
    "a count takes back no promise": (0, "inventory.count_stock.v1 was answered 409"),
    "a return is stock again each time it is stated": (0, "I1"),
    "a purchase order that is called off is still expected": (11, "I28"),
    "what came again of a line takes the place of what came before": (4, "I27"),
    "a purchase order does not hear that all of it came": (2, "I29"),
    "a transfer leaves twice": (278, "I30"),
    "a transfer takes what is promised": (24, "inventory.send_transfer.v1 was answered 409"),
    "more comes of a transfer than is on its way": (97, "inventory.receive_stock.v1 was answered 409"),
    "lost pieces stay in transit": (22, "I30"),
    "what comes of a transfer is bought goods": (12, "I30"),
    "what a movement is worth is lost in a crash and counts twice": (10, "I32"),
    "two copies value at once": (2, "Violation"),
    "what is committed late is never valued": (358, "I8"),
    "a day that was reported changes": (358, "I33"),
    "a return is worth what the stock costs today": (18, "I33"),
    "a late cost counts for pieces that have left": (38, "I33"),
    "a late cost comes on top of what was known": (6, "I33"),
    "a kit is given up in part": (9, "I5"),
    "an older kit wins": (603, "I21"),
    "channels do not hear of kits when components move": (3, "I21"),
    "tombstone missing": (55, "I4"),
    "cancelled after hand-over": (40, "I22"),
    "the label of a cancelled shipment stays": (4, "I9"),
    "a return opened by fulfilment ends silently": (6, "I8"),
    "refund without intent": (0, "I12"),
    "silence taken for a refusal": (0, "I12"),
    "a late answer taken for another operation's": (34, "I14"),
    "VAT per parcel": (1, "I6"),
    "number not advanced": (0, "I8"),
    "credited again as a whole": (195, "I22"),
    "an invoice without its journal entry": (0, "I13"),
    "a bank entry counts twice": (6, "I12"),
    "a reminded order is never asked again about an unknown operation": (0, "I8"),
    "approved twice, given back twice": (7, "I16"),
    "who asks may approve": (161, "billing.approve_refund.v1 was answered 409"),
    "above the limit in parts": (293, "I16"),
    "the form sent twice gives back twice": (13, "billing.request_refund.v1 was answered 409"),
    "refused, then given back": (7, "I16"),
    "given back and not written down": (3, "I16"),
}


@contextmanager
def mutant(name: str) -> Iterator[Mutant]:
    """The suite with one fault in it; whole again afterwards."""
    found = next(one for one in MUTANTS if one.name == name)
    with without(*found.cuts):
        yield found
