"""A broker node of our own: started beside the machine's, killed and started again on the same queues."""

import asyncio
import os
from pathlib import Path

import aio_pika
import pytest

from comptoir import rabbit
from comptoir.rabbit import OwnRabbit

pytestmark = pytest.mark.rabbit


async def put(url: str, queue: str, *bodies: bytes) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for body in bodies:
            message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, queue)


async def get(url: str, queue: str) -> bytes:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        waiting = await channel.get_queue(queue)
        message = await waiting.get(timeout=10)
        await message.ack()
        return message.body


async def test_confirmed_messages_survive_a_kill_of_the_node_and_nothing_is_left_behind() -> None:
    with OwnRabbit() as own:
        await put(own.url, "kept", b"one", b"two")
        # The node writes its list of quorum queues down every second or so only: a younger queue is dead after a kill.
        own.ctl("eval", "[dets:sync(Table) || Table <- dets:all()].")
        node = own.pid
        own.kill()
        assert node
        assert not Path(f"/proc/{node}").exists()
        assert not rabbit.answers(own.url)
        await asyncio.to_thread(own.start)
        assert [await get(own.url, "kept"), await get(own.url, "kept")] == [b"one", b"two"]
        folder, epmd = own.folder, own._epmd
    assert not folder.exists()
    assert epmd is not None
    assert epmd.poll() is not None


def test_a_configured_broker_is_taken_at_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPTOIR_RABBITMQ_URL", "amqp://me:secret@mq.example/")
    with rabbit.rabbitmq() as url:
        assert url == "amqp://me:secret@mq.example/"


def test_without_any_broker_the_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPTOIR_RABBITMQ_URL", raising=False)
    monkeypatch.setattr(rabbit, "HERE", "amqp://guest:guest@127.0.0.1:1/")
    monkeypatch.setattr(rabbit, "SERVERS", ())
    monkeypatch.setattr("shutil.which", lambda name: None)
    with rabbit.rabbitmq() as url:
        assert url is None


def test_where_none_runs_but_one_is_installed_it_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPTOIR_RABBITMQ_URL", raising=False)
    monkeypatch.setattr(rabbit, "HERE", "amqp://guest:guest@127.0.0.1:1/")
    with rabbit.rabbitmq() as url:
        assert url
        assert rabbit.answers(url)
        wrong = url.replace("comptoir:", "comptoir:not")
        assert not rabbit.answers(wrong), "a broker that does not let us in is none of ours"
    assert not rabbit.answers(url)
    assert os.environ.get("COMPTOIR_RABBITMQ_URL") is None
