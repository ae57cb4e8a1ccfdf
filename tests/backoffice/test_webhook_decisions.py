"""Who is told of what, each once, whatever comes twice or late; what becomes of a delivery that is not taken."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from services.backoffice import deliveries
from services.backoffice.deliveries import BOTH, MOST, PATIENT, PAUSED_AFTER, PAUSES, TOLD_FOR
from services.backoffice.domain import Policy
from services.backoffice.handlers import HANDLERS
from services.backoffice.public import KINDS, PUBLIC
from services.backoffice.rows import (
    EVERYBODY,
    Attempt,
    Delivery,
    OfficeAct,
    Order,
    Subscriber,
    Undelivered,
    Webhook,
    WebhookFact,
)
from shared.contracts import fulfilment, inventory, order
from shared.contracts.backoffice import ActOnWebhook, AddWebhook, DeliveryAnswered, Redeliver, Redelivery
from shared.contracts.billing import Credited, Invoiced, InvoiceIssued
from shared.contracts.order import OrderConfirmed, OrderPlaced
from shared.messaging.decision import Context, Refused, Reply, Row, decide_alone
from tests.contracts.golden import example

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ONE, SHOP, BOOKS = UUID(int=1), UUID(int=11), UUID(int=12)


class Office:
    """The rows that decisions left, decided on one message after the other."""

    def __init__(self, *hooks: Webhook) -> None:
        self.rows: dict[Any, Row] = {}
        self.now, self.ids = NOON, count(100)
        for hook in hooks:
            self.rows[Webhook, hook.webhook_id] = hook

    def stored(self) -> list[Row]:
        """What the database would give: a webhook is a subscriber, a delivery waits."""
        found = list(self.rows.values())
        for row in self.rows.values():
            if isinstance(row, Webhook):
                found.append(Subscriber(row.webhook_id, EVERYBODY, row.kinds, row.state, row.added_at))
            if isinstance(row, Delivery) and (Undelivered, row.delivery_id) not in self.rows:
                found.append(
                    Undelivered(
                        row.delivery_id, row.webhook_id, row.subject, row.version, "waiting", 0, 0, row.due_at, None,
                        0, "", row.due_at,
                    )
                )  # fmt: skip
        return [row for row in found if not isinstance(row, Undelivered) or row.state == "waiting"]

    def decide(self, m: Any, told_at: datetime | None = None) -> list[Any]:
        ctx = Context(self.now, lambda: UUID(int=next(self.ids)), Policy(), UUID(int=next(self.ids)), told_at=told_at)
        effects, _ = decide_alone(HANDLERS[type(m)], m, self.stored(), ctx)
        for row in effects:
            if isinstance(row, Row):
                key = getattr(row, row.KEY[0]) if len(row.KEY) == 1 else id(row)
                if not (getattr(type(row), "UPSERT", False) and (type(row), key) in self.rows):
                    self.rows[type(row), key] = row
        return effects

    def told(self, m: Any, told_at: datetime | None = None) -> list[tuple[UUID, str]]:
        """To whom, and of what."""
        return [(of.webhook_id, of.kind) for of in self.decide(m, told_at) if isinstance(of, Delivery)]

    def delivery(self) -> Delivery:
        (one,) = (row for row in self.rows.values() if isinstance(row, Delivery))
        return one

    def waiting(self) -> Undelivered:
        (one,) = (row for row in self.rows.values() if isinstance(row, Undelivered))
        return one

    @property
    def hook(self) -> Webhook:
        (one,) = (row for row in self.rows.values() if isinstance(row, Webhook))
        return one

    def answers(self, outcome: Any, *, to: Delivery | None = None, code: int = 500, **more: Any) -> list[Any]:
        to = to or self.delivery()
        return self.decide(
            DeliveryAnswered(
                webhook_id=to.webhook_id, attempt_id=UUID(int=next(self.ids)), delivery_id=to.delivery_id,
                about=to.subject, began_at=self.now, took_ms=3, outcome=outcome, code=code,
                why=f"The receiver answered {code}.", **more,
            )
        )  # fmt: skip


def hook(id: UUID = SHOP, *kinds: str, state: str = "active", **more: Any) -> Webhook:
    kinds = kinds or KINDS
    return Webhook(
        id, "Shop", "https://shop.example/in", kinds, state, "", "anna", NOON - timedelta(days=9), 1, "k", **more
    )


def placed(version: int = 1) -> OrderPlaced:
    return OrderPlaced(order_id=ONE, version=version, number="C-1", status="awaiting_stock")


def stock(version: int, available: int = 3) -> inventory.AvailabilityChanged:
    return inventory.AvailabilityChanged(
        sku="mug", version=version, on_hand=9, reserved=9 - available, available=available, backorderable=True
    )


def test_a_fact_is_told_to_whom_asks_for_its_kind_whether_paused_or_not() -> None:
    office = Office(
        hook(), hook(BOOKS, "invoice.issued.v1"), hook(UUID(int=13), state="paused"), hook(UUID(int=14), state="gone"),
        hook(UUID(int=15), state="removed"),
    )  # fmt: skip
    assert set(office.told(placed())) == {(SHOP, "order.placed.v1"), (UUID(int=13), "order.placed.v1")}
    facts = [row for row in office.rows.values() if isinstance(row, WebhookFact)]
    assert len(facts) == 1


def test_with_nobody_who_asks_nothing_is_written() -> None:
    office = Office(hook(SHOP, "order.completed.v1"))
    assert not [of for of in office.decide(placed()) if isinstance(of, WebhookFact | Delivery)]


def test_the_same_fact_again_under_another_event_is_the_same_delivery() -> None:
    office = Office(hook())
    office.decide(placed())
    first = office.delivery()
    office.now += timedelta(hours=1)
    office.decide(placed(), told_at=NOON)
    assert office.delivery() == first
    office.decide(OrderConfirmed(order_id=ONE, version=1, number="C-1", status="in_fulfilment"))
    assert len({row.fact_id for row in office.rows.values() if isinstance(row, Delivery)}) == 2


@pytest.mark.parametrize(
    ("told_at", "is_told"),
    [
        (NOON - timedelta(days=9), True), (NOON - timedelta(days=9, seconds=1), False), (NOON, True),
    ],
)  # fmt: skip
def test_what_happened_before_the_webhook_was_there_is_not_told(told_at: datetime, is_told: bool) -> None:
    assert bool(Office(hook()).told(placed(), told_at)) is is_told


def test_what_happened_too_long_ago_is_told_to_nobody_though_the_webhook_was_there() -> None:
    office = Office(hook())
    office.now = NOON + TOLD_FOR
    assert office.told(placed(), NOON)
    office.now += timedelta(seconds=1)
    assert not office.told(placed(2), NOON)


def test_what_is_told_of_an_invoice_and_of_credits() -> None:
    office = Office(hook())
    office.rows[Order, ONE] = Order(ONE, currency="SEK")
    invoice = Invoiced(
        shipment_id=ONE, number="INV-1", net=Decimal("10.00"), vat=Decimal("2.10"), gross=Decimal("12.10")
    )
    credit = Credited(return_id=SHOP, shipment_id=ONE, gross=Decimal("1.00"), lines=())
    office.decide(
        InvoiceIssued(order_id=ONE, version=4, answers=1, state="ok", invoiced=(invoice,), credited=(credit,))
    )
    (fact,) = (row for row in office.rows.values() if isinstance(row, WebhookFact))
    event = json.loads(fact.body)
    assert event["type"] == "invoice.issued.v1"
    assert event["source"] == "/comptoir/billing"
    assert event["subject"] == str(ONE)
    assert event["id"] == str(fact.fact_id)
    assert event["data"]["currency"] == "SEK"
    assert event["data"]["invoices"] == [
        {"number": "INV-1", "shipment_id": str(ONE), "net": "10.00", "vat": "2.10", "gross": "12.10"}
    ]
    assert event["data"]["credits"] == [{"by": "return", "id": str(SHOP), "gross": "1.00"}]


def test_no_kind_tells_names_addresses_or_who_of_the_staff_did_it() -> None:
    """Whatever a message holds; only what the catalogue names goes out."""
    for kind, public in PUBLIC.items():
        data = public.make(example(kind), "EUR").model_dump()
        flat = json.dumps(data, default=str)
        for word in ("email", "street", "asker", "approver", "decided_by", "token", "name"):
            assert f'"{word}"' not in flat, (public.name, word)


def test_of_stock_only_the_newest_waits() -> None:
    office = Office(hook())
    office.decide(stock(1))
    old = office.delivery()
    office.decide(stock(3))
    over = office.rows[Undelivered, old.delivery_id]
    assert isinstance(over, Undelivered)
    assert over.state == "overtaken"
    assert not office.told(stock(2))  # late: a newer one waits already
    waits = [row for row in office.stored() if isinstance(row, Undelivered)]
    assert [row.version for row in waits] == [3]


# What becomes of a delivery


def test_a_delivery_that_is_not_taken_climbs_a_ladder_of_about_three_days_and_is_given_up() -> None:
    """As long as the receiver takes others, so that it is this one that is wrong."""
    office = Office(hook())
    office.decide(placed())
    one, began = office.delivery(), office.now
    for n in range(len(PAUSES)):
        office.answers("failed")
        waiting = office.waiting()
        assert (waiting.state, waiting.claimed_until) == ("waiting", None)
        pause = waiting.due_at - office.now
        assert PAUSES[n] * 0.8 <= pause <= PAUSES[n] * 1.2
        office.rows[Webhook, SHOP] = hook()  # took another one meanwhile
        office.now = waiting.due_at
    assert timedelta(hours=56) < office.now - began < timedelta(hours=86)
    answered = office.answers("failed")
    assert office.waiting().state == "given_up"
    assert next(of.body["delivery"] for of in answered if isinstance(of, Reply)) == "given_up"
    assert sum(isinstance(row, Attempt) for row in office.rows.values()) == len(PAUSES) + 1
    assert office.answers("failed", to=one)  # a late answer changes nothing
    assert office.waiting().tries == len(PAUSES) + 1


def test_pauses_of_different_deliveries_are_spread() -> None:
    seen = set()
    for n in range(20):
        office = Office(hook())
        office.decide(placed(n + 1))
        office.answers("failed")
        seen.add(office.waiting().due_at)
    assert len(seen) > 10


def test_a_receiver_that_takes_nothing_rests_as_a_whole_and_costs_no_delivery_its_tries() -> None:
    office = Office(hook())
    office.decide(placed())
    for _ in range(PATIENT - 1):
        office.answers("failed")
    rung = office.waiting().rung
    for _ in range(20):
        office.answers("failed")
        rests = office.hook.rests_until
        assert rests is not None
        assert office.waiting().due_at == rests
        assert rests - office.now <= timedelta(minutes=15)
    assert office.waiting().rung == rung
    office.answers("delivered", code=204)
    assert office.waiting().state == "delivered"
    assert (office.hook.failures, office.hook.failing_since, office.hook.rests_until) == (0, None, None)


def test_a_receiver_that_took_nothing_for_three_days_is_paused_and_a_person_resumes_it() -> None:
    office = Office(hook())
    office.decide(placed())
    for _ in range(20):
        office.answers("failed")
    assert office.hook.state == "active"
    office.now += PAUSED_AFTER
    answered = office.answers("failed", code=503)
    assert (office.hook.state, office.hook.why) == ("paused", "The receiver answered 503.")
    reply = next(of.body for of in answered if isinstance(of, Reply))
    assert (reply["was"], reply["webhook"]) == ("active", "paused")
    assert office.waiting().state == "waiting"
    assert office.told(placed(2))  # it waits for it
    office.decide(ActOnWebhook(webhook_id=SHOP, act="resume", actor="anna"))
    assert (office.hook.state, office.hook.failures) == ("active", 0)


def test_who_answers_gone_is_sent_nothing_more() -> None:
    office = Office(hook())
    office.decide(placed())
    office.answers("gone", code=410)
    assert (office.hook.state, office.waiting().state) == ("gone", "given_up")
    assert not office.told(placed(2))


def test_a_receiver_that_asks_to_be_left_alone_is_for_an_hour_at_most() -> None:
    office = Office(hook())
    office.decide(placed())
    office.answers("failed", code=429, rest_s=90)
    assert office.hook.rests_until == office.now + timedelta(seconds=90)
    office.answers("failed", code=429, rest_s=999_999)
    assert office.hook.rests_until == office.now + timedelta(hours=1)


# What people do


def test_there_is_an_end_to_how_many_webhooks_there_are_and_removed_ones_do_not_count() -> None:
    office = Office(*(hook(UUID(int=1000 + n)) for n in range(MOST - 1)), hook(SHOP, state="removed"))
    new = AddWebhook(webhook_id=BOOKS, name="B", url="https://b.example/", kinds=KINDS[:1], made_of="k", actor="anna")
    office.decide(new)
    with pytest.raises(Refused, match="remove one first"):
        office.decide(new.model_copy(update={"webhook_id": UUID(int=5)}))
    with pytest.raises(Refused, match="already"):
        office.decide(new)


def test_a_new_secret_leaves_the_old_one_for_a_day_unless_it_is_ended() -> None:
    office = Office(hook())
    office.decide(ActOnWebhook(webhook_id=SHOP, act="rotate", made_of="new", actor="anna"))
    now = office.hook
    assert (now.generation, now.made_of, now.old_made_of) == (2, "new", "k")
    assert now.old_until == NOON + BOTH
    office.decide(ActOnWebhook(webhook_id=SHOP, act="retire", actor="anna"))
    assert office.hook.old_until is None
    acts = [row for row in office.rows.values() if isinstance(row, OfficeAct)]
    assert [(act.actor, act.facts["act"]) for act in acts] == [("anna", "rotate"), ("anna", "retire")]


def test_what_is_done_already_leaves_no_act() -> None:
    office = Office(hook(state="paused"))
    for act in ("pause", "retire"):
        effects = office.decide(ActOnWebhook(webhook_id=SHOP, act=act, actor="anna"))  # type: ignore[arg-type]
        assert not [of for of in effects if isinstance(of, OfficeAct | Webhook)]


def test_a_test_goes_to_an_active_webhook_only_and_a_removed_one_is_not_there() -> None:
    with pytest.raises(Refused, match="resume it first"):
        Office(hook(state="paused")).decide(ActOnWebhook(webhook_id=SHOP, act="test"))
    with pytest.raises(Refused) as refused:
        Office(hook(state="removed")).decide(ActOnWebhook(webhook_id=SHOP, act="resume"))
    assert refused.value.status == 404
    office = Office(hook(SHOP, "order.placed.v1"))
    office.decide(ActOnWebhook(webhook_id=SHOP, act="test"))
    assert office.delivery().kind == "webhook.test.v1"


def test_sending_again_is_a_delivery_of_its_own_under_the_same_id_once_per_act() -> None:
    office = Office(hook())
    office.decide(placed())
    first = office.delivery()
    fact = Redelivery(fact_id=first.fact_id, kind=first.kind, about=first.subject, at=first.at, version=first.version)
    for _ in range(2):
        office.decide(Redeliver(webhook_id=SHOP, act_id=BOOKS, facts=(fact,), actor="anna"))
    both = [row for row in office.rows.values() if isinstance(row, Delivery)]
    assert len(both) == 2
    assert len({row.delivery_id for row in both}) == 2
    assert {row.fact_id for row in both} == {first.fact_id}
    assert [row.again_by for row in both] == ["", "anna"]


def test_every_public_kind_is_named_and_made_of_a_message_that_is_heard() -> None:
    assert len(set(KINDS)) == len(KINDS)
    for kind, public in PUBLIC.items():
        thing, _, version = public.name.rpartition(".")
        assert thing.count(".") == 1
        assert version == "v1"
        assert public.thing in kind.model_fields
        assert kind in HANDLERS
    assert deliveries.PUBLIC is PUBLIC
    assert order.OrderPlaced in PUBLIC
    assert fulfilment.ShipmentDispatched in PUBLIC
