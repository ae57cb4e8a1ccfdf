"""docs/bus.md: its program hears what a service says, and is what the page says about the wire true."""

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest

from shared import clock
from shared.contracts.order import OrderPlaced, PlaceOrder
from shared.messaging.envelope import MAX_EVENT_BYTES, MAX_EVENTS, envelope, pack, read, write
from shared.messaging.rabbit import RabbitBus
from shared.messaging.topology import Names
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/bus.md").read_text(encoding="utf-8")


def program() -> dict[str, Any]:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code
    names: dict[str, Any] = {"__name__": "loyalty"}
    exec(code[1], names)
    return names


def test_the_message_that_the_page_shows_is_one_of_ours() -> None:
    shown = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert shown
    ids = shown[1].replace("019a...", str(uuid4())).replace("0195570c-...", str(uuid4()))
    (event,) = read(OrderPlaced.key, ids)
    assert json.loads(ids)[0].keys() == json.loads(write(event)).keys()
    assert f"1 to {MAX_EVENTS} CloudEvents" in PAGE
    assert f"at most {MAX_EVENT_BYTES // 1024**2} MiB" in PAGE


def test_what_a_command_needs_is_what_the_page_says() -> None:
    least = {"id": str(uuid4()), "source": "/loyalty", "type": PlaceOrder.key, "time": "2026-03-02T12:00:00Z"}
    data = {"order_id": str(uuid4()), "lines": [{"sku": "mug", "quantity": 1}]}
    (event,) = read(PlaceOrder.key, json.dumps([{**least, "data": data}]))
    assert event.data.lines[0].sku == "mug"


@pytest.mark.rabbit
async def test_the_program_of_the_page_hears_what_a_service_says(rabbit_url: str, rabbit_prefix: str) -> None:
    names, heard = program(), []
    exchange, queue = Names(rabbit_prefix).exchange, Names(rabbit_prefix).queue("mirror")
    async with await aio_pika.connect(rabbit_url) as connection:
        channel = await connection.channel()
        await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True)

    async def handle(id: str, events: list[dict[str, Any]]) -> None:
        heard.append((id, events))

    listening = asyncio.create_task(names["listen"](rabbit_url, handle, exchange, queue))
    bus = RabbitBus(rabbit_url, [], prefix=rabbit_prefix)
    await bus.start()
    try:
        said = OrderPlaced(order_id=uuid4(), version=1, number="2026-1", status="awaiting_stock")
        text = write(envelope(said, id=uuid4(), source="/comptoir/order", now=datetime.now(UTC)))
        (packet,) = pack([(said.key, text)], clock.new_id)

        async def told() -> bool:
            """The same packet again and again, as its queue may not be bound yet."""
            await bus.publish(packet)
            return len(heard) > 1

        await eventually(told)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await bus.stop()
    assert {id for id, _ in heard} == {str(packet.id)}, "which is how it knows a packet that comes again"
    assert heard[0][1][0]["data"]["order_id"] == str(said.order_id)
