"""A parcel that is delivered in the same breath is told as delivered only. That is safe while all who listen to the
hand-over, or to a return's beginning, take the whole statement from its last fact as well."""

import pytest

from services.billing.handlers import HANDLERS as BILLING
from services.fulfilment.domain import NEWS
from services.inventory.handlers import HANDLERS as INVENTORY
from services.order.handlers import HANDLERS as ORDER
from shared.contracts.fulfilment import (
    ReturnClosed,
    ReturnExpected,
    ReturnInspected,
    ReturnReceived,
    ShipmentDelivered,
    ShipmentStatement,
)
from shared.contracts.message import Message
from shared.messaging.decision import Handlers


@pytest.mark.parametrize("listener", [ORDER, INVENTORY, BILLING], ids=["order", "inventory", "billing"])
def test_who_hears_of_a_shipment_takes_it_from_the_fact_of_delivery(listener: Handlers) -> None:
    hears = [kind for kind in NEWS.values() if kind in listener]
    assert ShipmentDelivered in hears
    assert {listener[kind].decide for kind in hears} == {listener[ShipmentDelivered].decide}


@pytest.mark.parametrize("listener", [ORDER, INVENTORY], ids=["order", "inventory"])
def test_who_hears_of_a_return_takes_it_from_the_fact_of_its_closing(listener: Handlers) -> None:
    facts: list[type[Message]] = [ReturnExpected, ReturnReceived, ReturnInspected, ReturnClosed]
    hears = [kind for kind in facts if kind in listener]
    assert ReturnClosed in hears
    assert {listener[kind].decide for kind in hears} == {listener[ReturnClosed].decide}


def test_every_fact_of_a_shipment_has_the_same_fields() -> None:
    assert {frozenset(kind.model_fields) for kind in NEWS.values()} == {frozenset(ShipmentStatement.model_fields)}
