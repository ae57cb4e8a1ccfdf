"""Money that goes back or is given up, for Prometheus and the log: what the staff decides, what the provider did."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypeVar

import structlog
from prometheus_client import Counter

from services.billing import queries
from services.billing.domain.rows import Operation, Refund, WriteOff
from shared.messaging.decision import Row
from shared.messaging.unit import Outcome
from shared.service import Figure, Running

log = structlog.get_logger("comptoir.billing")
R = TypeVar("R", bound=Row)


class Refunds:
    """Counts and tells of each right after its commit, so a decision that was undone is not among them."""

    def __init__(self) -> None:
        self.service = ""

    def join(self, running: Running) -> None:
        self.service, registry = running.service.name, running.histograms.registry

        def counter(name: str, help: str) -> Counter:
            return Counter(
                f"comptoir_{name}", f"{help}, since start", ("service", "state", "currency"), registry=registry
            )

        self.decided = counter("refunds", "refunds by the staff")
        self.decided_amount = counter("refunds_amount", "amounts of refunds by the staff, VAT included")
        self.paid = counter("paid_back", "payments back to customers that the provider answered")
        self.paid_amount = counter("paid_back_amount", "amounts of payments back to customers")
        self.given_up = counter("write_offs", "write-offs of debts by the staff")
        self.given_up_amount = counter("write_offs_amount", "amounts of write-offs by the staff")
        running.listeners.append(self.committed)

    def committed(self, outcome: Outcome) -> None:
        for refund in _changed(outcome, Refund):
            self._count(self.decided, self.decided_amount, refund.state, refund.currency, refund.gross)
            log.info(
                "a refund by the staff", state=refund.state, order=str(refund.order_id), refund=str(refund.refund_id),
                invoice=refund.invoice, amount=f"{refund.gross:f}", currency=refund.currency, asker=refund.asker,
                decided_by=refund.decided_by, credit_note=refund.credit_note,
            )  # fmt: skip
        for given_up in _changed(outcome, WriteOff):
            self._count(self.given_up, self.given_up_amount, given_up.state, given_up.currency, given_up.amount)
            log.info(
                "a write-off by the staff", state=given_up.state, order=str(given_up.order_id),
                write_off=str(given_up.write_off_id), amount=f"{given_up.amount:f}", currency=given_up.currency,
                asker=given_up.asker, decided_by=given_up.decided_by,
            )  # fmt: skip
        for operation in _changed(outcome, Operation):
            if operation.kind == "refund" and operation.state in ("done", "refused"):
                self._count(self.paid, self.paid_amount, operation.state, operation.currency, operation.amount)
                log.info(
                    "a payment back", state=operation.state, order=str(operation.order_id), operation=operation.no,
                    amount=f"{operation.amount:f}", currency=operation.currency, reason=operation.reason,
                )  # fmt: skip

    def _count(self, times: Counter, amounts: Counter, state: str, currency: str, amount: Decimal) -> None:
        times.labels(self.service, state, currency).inc()
        amounts.labels(self.service, state, currency).inc(float(amount))

    async def figures(self, running: Running) -> Sequence[Figure]:
        """What waits for another person."""
        async with running.reads.connect() as conn:
            waiting, oldest = await queries.refunds_waiting(conn)
            debts, eldest = await queries.write_offs_waiting(conn)
        age = (running.now() - oldest).total_seconds() if oldest else 0.0
        return [
            ("gauge", "refunds_waiting", "refunds that wait for another person", waiting),
            ("gauge", "refunds_oldest_seconds", "age of the oldest refund that waits for another person", age),
            ("gauge", "write_offs_waiting", "write-offs that wait for another person", debts),
            (
                "gauge",
                "write_offs_oldest_seconds",
                "age of the oldest write-off that waits for another person",
                (running.now() - eldest).total_seconds() if eldest else 0.0,
            ),
        ]


def _changed(outcome: Outcome, kind: type[R]) -> Iterable[R]:
    return outcome.rows.changed.get(kind, {}).values()  # type: ignore[return-value]
