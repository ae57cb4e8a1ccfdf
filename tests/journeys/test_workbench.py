"""An operator at work: what waits is seen with its cause, rehearsed, decided and kept, over HTTP and at the command."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import Result
from typer.testing import CliRunner

from comptoir.cli import app
from comptoir.suite import BusName
from shared.contracts.inventory import StockReserved
from tests.journeys.conftest import Plot
from tests.journeys.town import NIL, Refused, Town
from tests.order.builders import stock

NOTHING = (NIL, NIL, NIL, NIL)


@pytest.fixture
def bus(request: pytest.FixtureRequest) -> BusName:
    """One story on RabbitMQ is enough: what differs from the other is told elsewhere."""
    return "rabbit" if request.node.get_closest_marker("rabbit") else "local"


def command(plot: Plot, *words: str) -> "asyncio.Future[Result]":
    environment = {"COMPTOIR_DATABASE_URL": plot.url, "COLUMNS": "300"}
    return asyncio.ensure_future(asyncio.to_thread(CliRunner().invoke, app, list(words), env=environment))


async def as_json(plot: Plot, *words: str) -> list[Any]:
    said = await command(plot, *words, "--json")
    assert said.exit_code == 0, said.output
    return [json.loads(line) for line in said.output.splitlines()]


async def test_a_message_that_cannot_be_true_is_seen_rehearsed_and_dropped_with_a_reason(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 2})
    lie = StockReserved(**{**stock(99, (1, "north", 2)).__dict__, "order_id": UUID(order), "version": 99})
    await town.overhears(lie)
    (found,) = (await town.get("order", f"/parked?subject={order}&cause=impossible"))["items"]
    assert found["cause"] == "It states what cannot be true: inventory answers ask 99, the last one was 1."
    path = f"/parked/{found['id']}"
    shown = await town.get("order", path)
    assert (shown["contract"]["readable"], shown["contract"]["differences"]) == (True, [])
    (would,) = await town.ask("order", "POST", "/parked/replay", {"subject": order})
    assert (would["id"], would["result"]) == (found["id"], "parked again")
    with pytest.raises(Refused) as nameless:
        await town.ask("order", "POST", f"{path}/drop", {"reason": " "})
    assert nameless.value.status == 422
    await town.do("order", f"{path}/drop", {"reason": "a foreign system spoke for inventory"})
    shown = await town.get("order", path)
    assert (shown["state"], shown["body"] != "") == ("dropped", True)
    (act,) = (await town.get("order", "/parked/acts"))["items"]
    assert (act["by"], act["what"], act["why"], act["outcome"]) == (
        "sam", "drop", "a foreign system spoke for inventory", "dropped",
    )  # fmt: skip
    await town.send_and_deliver(await town.shipment(order))
    assert await town.status(order) == "completed"


@pytest.mark.rabbit
async def test_a_held_order_is_resumed_at_the_command_exactly_as_it_was_shown(town: Town, plot: Plot) -> None:
    await town.opens()
    order = await town.place({"mug": 2}, hold="fraud check")
    (waits,) = await as_json(plot, "order", "waiting")
    assert (waits["order_id"], waits["because"][0]["why"]) == (order, "held: fraud check")
    (would,) = await as_json(plot, "order", "resume", waits["number"], "--dry-run")
    assert "Fulfilment would be asked to ship 2 pieces from north." in would["sentences"]
    assert await town.shipments(order) == []

    await town.edit(order, priority=5)  # somebody else was faster
    late = await command(plot, "order", "resume", order, "--quote", would["quote"], "--by", "Piet")
    assert (late.exit_code, "went stale" in late.output) == (1, True)
    assert await town.shipments(order) == []

    (would,) = await as_json(plot, "order", "resume", order, "--dry-run")
    (done,) = await as_json(plot, "order", "resume", order, "--quote", would["quote"], "--by", "Piet")
    assert done["answer"]["status"] == would["status"][1] == "in_fulfilment"
    await town.settle()
    assert [each["state"] for each in await town.shipments(order)] == ["planned"]
    entries = (await town.get("order", f"/orders/{order}/history"))["items"]
    assert [entry["actor"] for entry in entries if entry["trigger"] == "order.release_hold.v1"] == ["Piet"]
    assert "no order waits for staff" in (await command(plot, "order", "waiting")).output


async def test_a_cancel_gives_back_what_its_preview_said(town: Town, plot: Plot) -> None:
    await town.opens()
    order = await town.place({"mug": 2}, hold="fraud check")
    said = await command(plot, "order", "cancel", order, "--dry-run")
    assert said.exit_code == 0, said.output
    assert "Inventory would be asked for 0 of mug (line 1) instead of 2." in said.output
    assert "Billing would be asked to secure 0.00 EUR instead of 30.00; 30.00 EUR is secured now." in said.output
    assert await town.stock() == {"north": (10, 2)}
    quote = said.output.rpartition("--quote ")[2].strip()
    done = await command(plot, "order", "cancel", order, "--quote", quote, "--reason", "fraud", "--by", "Piet")
    assert done.exit_code == 0, done.output
    await town.settle()
    assert await town.status(order) == "cancelled"
    assert await town.stock() == {"north": (10, 0)}
    assert await town.money(order) == NOTHING
    assert (await town.account(order))["secured"] == "0.00"


async def test_what_is_not_there_or_not_meant_is_said_in_a_sentence(town: Town, plot: Plot) -> None:
    await town.opens()
    order = await town.place({"mug": 1})
    assert "there is no order C-0" in str((await command(plot, "order", "cancel", "C-0")).exception)
    assert "it is not held" in str((await command(plot, "order", "resume", order)).exception)
    none = await command(plot, "order", "resume", order, "--service", "fulfilment")
    assert "no label" in str(none.exception)
    unheld = await command(plot, "order", "resume", order, "--hold", "x", "--dry-run")
    assert (unheld.exit_code, "refused: There is no hold 'x'" in unheld.output) == (1, True)
    nobody = {"reason": "x", "quote": uuid4().hex}
    with pytest.raises(Refused) as stale:
        await town.ask("order", "POST", f"/orders/{order}/cancel", nobody)
    assert stale.value.status == 409
