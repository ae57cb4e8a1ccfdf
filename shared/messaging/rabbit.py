"""RabbitMQ behind the port: quorum queues, confirms, manual acks after commit, and the topology's declaration.

Every setting here answers a way in which the defaults lose or drop messages; docs/adr says which.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractRobustConnection
from aio_pika.connection import make_url
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError
from faststream import AckPolicy
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue
from faststream.rabbit.schemas.queue import QueueType

from shared.failpoints import failpoint, failpoint_shortly
from shared.messaging.bus import MAX_BODY_BYTES, Reader, Unroutable, Unsendable, arrival_of, stopping
from shared.messaging.envelope import CONTENT_TYPE, Packet
from shared.messaging.topology import Names, Queue, is_command, queues, readers_of

log = structlog.get_logger("comptoir.rabbit")

PREFETCH = 64
"""Packets that may wait un-acked in one process; it bounds memory and what a restart has delivered again."""
HEARTBEAT_S = 10
WATCH_EVERY_S = 15
WATCH_LOST_EVERY_S = 2
LONGEST_KEY_BYTES = 255
"""AMQP 0-9-1 writes the length of a routing key in one byte."""
CONNECT_TIMEOUT_S = 5.0  # without it a half-open peer stops a service silently and for ever


async def declare(url: str, prefix: str = "comptoir") -> None:
    """Declares exchange, queues, dead-letter queues and bindings. Runs before any publisher; safe to run again.

    Bindings of earlier versions are taken away; what they had brought is handled by doing nothing (unit.py).

    Valid on RabbitMQ 3.10 and 4.x: delivery limit and dead-letter exchange are always explicit.
    """
    connection = await aio_pika.connect(url, timeout=CONNECT_TIMEOUT_S)
    async with connection:
        channel = await connection.channel()
        names = Names(prefix)
        exchange = await channel.declare_exchange(names.exchange, aio_pika.ExchangeType.TOPIC, durable=True)
        dead = await channel.declare_exchange(names.dead, aio_pika.ExchangeType.DIRECT, durable=True)
        for queue in queues(names):
            net = await channel.declare_queue(queue.dead, durable=True, arguments={"x-queue-type": "quorum"})
            await net.bind(dead, queue.name)
            work = await channel.declare_queue(queue.name, durable=True, arguments=arguments(queue))
            for key in queue.keys:
                await work.bind(exchange, key)
            for key in queue.former:
                await work.unbind(exchange, key)


async def undeclare(url: str, prefix: str) -> None:
    """Removes what `declare` made under a prefix: a test's or a benchmark's own names, with all that is in them."""
    connection = await aio_pika.connect(url, timeout=CONNECT_TIMEOUT_S)
    async with connection:
        channel = await connection.channel()
        names = Names(prefix)
        for queue in queues(names):
            await channel.queue_delete(queue.name)
            await channel.queue_delete(queue.dead)
        for exchange in (names.exchange, names.dead):
            await channel.exchange_delete(exchange)


def arguments(queue: Queue) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": 20,
        "x-dead-letter-exchange": queue.names.dead,
        "x-dead-letter-routing-key": queue.name,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


class Prefix:
    """Acks up to the first delivery that is not finished, and not beyond: one frame for many messages.

    Deliveries of a channel that is gone are void: the broker delivers them again under new tags.
    """

    def __init__(self) -> None:
        self.channel: Any = None
        self.acked = 0
        self.finished: set[int] = set()
        self.flushing = False

    def done(self, channel: Any, tag: int) -> None:
        if channel is not self.channel:
            return
        self.finished.add(tag)
        if not self.flushing:
            self.flushing = True
            asyncio.get_running_loop().call_soon(self.flush)

    def delivered(self, channel: Any) -> None:
        """Called for every delivery before `done`. A new channel counts from 1, whichever of its tags we see first."""
        if channel is not self.channel:
            self.channel, self.acked, self.finished = channel, 0, set()

    def flush(self) -> None:
        self.flushing = False
        last = self.acked
        while last + 1 in self.finished:
            last += 1
            self.finished.discard(last)
        if last > self.acked:
            self.acked = last
            task = asyncio.ensure_future(self.channel.basic_ack(last, multiple=True))
            task.add_done_callback(_quietly)


def _quietly(task: "asyncio.Future[Any]") -> None:
    """An ack that fails after commit is harmless: the inbox knows the packet when it comes again."""
    failpoint("after_ack")
    if not task.cancelled() and (error := task.exception()):
        log.warning("not acked, it will be delivered again", error=repr(error))


def sendable(packet: Packet) -> bytes:
    """The body as it goes out. Raises Unsendable when no frame can hold the packet or every reader would refuse it."""
    try:
        key, body = packet.key.encode(), packet.body.encode()
    except UnicodeEncodeError as error:
        raise Unsendable(f"{packet.key!a}: not a text: {error}") from error
    if len(key) > LONGEST_KEY_BYTES:
        raise Unsendable(f"{packet.key[:100]}...: a key of {len(key)} bytes where {LONGEST_KEY_BYTES} are the most")
    if len(body) > MAX_BODY_BYTES:
        raise Unsendable(f"{packet.key}: {len(body)} bytes where {MAX_BODY_BYTES} are the most")
    return body


async def _whole(message: RabbitMessage) -> RabbitMessage:
    """A decoder that gives the handler the message itself, so that no dependency is solved per message."""
    return message


class RabbitBus:
    """A service's two connections to RabbitMQ: one publishes and one reads, as a memory alarm blocks the first."""

    deadline_s: float | None = 5.0

    def __init__(
        self,
        url: str,
        readers: list[Reader],
        *,
        prefetch: int = PREFETCH,
        prefix: str = "comptoir",
        heartbeat_s: int = HEARTBEAT_S,
        url_now: Callable[[], str] | None = None,
    ) -> None:
        """`url_now` reads the URL again: the password may be changed while we run."""
        self.url, self.readers, self.prefetch, self.heartbeat_s = url, readers, prefetch, heartbeat_s
        self.url_now = url_now
        names = Names(prefix)
        self.exchange = RabbitExchange(names.exchange, type=ExchangeType.TOPIC, durable=True, declare=False)
        self.publishing = self._broker(Channel(publisher_confirms=True, on_return_raises=True))
        self.reading = self._broker(Channel(prefetch_count=prefetch, publisher_confirms=False))
        self.known = {queue.service: queue for queue in queues(names)}
        self.reopening: asyncio.Task[None] | None = None
        self.missed = 0
        self.watcher: asyncio.Task[None] | None = None
        for reader in readers:
            self._subscribe(reader)

    def _broker(self, channel: Channel) -> RabbitBroker:
        separator = "&" if "?" in self.url else "?"
        return RabbitBroker(
            f"{self.url}{separator}heartbeat={self.heartbeat_s}",
            timeout=CONNECT_TIMEOUT_S,
            reconnect_interval=1.0,
            graceful_timeout=20.0,
            fail_fast=True,
            default_channel=channel,
            apply_types=False,
            logger=logging.getLogger("comptoir.faststream"),
            log_level=logging.DEBUG,
        )

    def _subscribe(self, reader: Reader) -> None:
        queue = self.known[reader.service]
        prefix = Prefix()

        async def arrived(message: RabbitMessage) -> None:
            raw: Any = message.raw_message
            tag: int = raw.delivery_tag or 0
            channel: Any = raw.channel
            prefix.delivered(channel)
            done: Callable[[], None] = partial(prefix.done, channel, tag)
            failpoint("received")
            key: str = raw.type or raw.routing_key or ""
            reader.put(arrival_of(reader, key, raw.body, raw.message_id, done, raw.content_type))

        self.reading.subscriber(
            RabbitQueue(queue.name, queue_type=QueueType.QUORUM, durable=True, declare=False),
            exchange=RabbitExchange(declare=False),
            channel=Channel(prefetch_count=self.prefetch, publisher_confirms=False),  # tags count per channel
            ack_policy=AckPolicy.MANUAL,
            decoder=_whole,
            no_reply=True,
        )(arrived)

    async def publish(self, packet: Packet) -> None:
        """The only call that publishes. Returns on the broker's confirm.

        Raises when no queue takes a command, or a fact that somebody reads: a binding is gone.
        """
        body = sendable(packet)
        failpoint_shortly("relay_published_unconfirmed")
        exchange = await self.publishing.declare_exchange(self.exchange)  # opens a channel that was closed
        try:
            confirmed = await exchange.publish(
                aio_pika.Message(
                    body,
                    content_type=CONTENT_TYPE,
                    delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    message_id=str(packet.id),
                    type=packet.key,
                ),
                packet.key,
                mandatory=is_command(packet.key) or bool(readers_of(packet.key)),
            )
        except PublishError as error:
            raise Unroutable(f"{packet.key}: no queue takes it") from error
        except DeliveryError:
            await self._another_channel()
            raise
        if type(confirmed).__name__ != "Ack":
            raise ConnectionError(f"{packet.key}: not confirmed but {confirmed!r}")

    async def _another_channel(self) -> None:
        """After a refusal the next publish goes over a new channel.

        RabbitMQ 3.10 goes on refusing a channel whose first packet for a quorum queue came while that had no leader,
        also when it has one again.
        """
        if self.reopening is None or self.reopening.done():
            self.reopening = asyncio.create_task(self._reopen())
        await asyncio.shield(self.reopening)  # a publish that is given up must not leave the channel closed

    async def _reopen(self) -> None:
        """Never raises: without a connection the channel is opened when there is one again."""
        channel = await self.publishing.config.broker_config.channel_manager.get_channel()
        for step in (channel.close, channel.reopen):
            try:
                await step()
            except Exception as error:
                log.warning("a refused channel is not replaced yet", error=repr(error))

    async def start(self) -> None:
        await self.publishing.start()
        await self.reading.start()
        if self.readers:
            self.watcher = asyncio.create_task(self.watch())

    async def stop_reading(self) -> None:
        """First: no new packets come in, what is in hand can still be decided and published."""
        if self.watcher is not None:
            self.watcher.cancel()
            self.watcher = None
        await self.reading.stop()

    async def stop(self) -> None:
        await self.stop_reading()
        if self.reopening is not None:
            self.reopening.cancel()
        await self.publishing.stop()

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY_S if self.connected() else WATCH_LOST_EVERY_S)
            try:
                if not self.connected():
                    self.renew()
                    continue
                async with asyncio.timeout(10):
                    await self.look()
            except (Exception, asyncio.CancelledError) as error:
                if stopping():
                    raise
                log.warning("the broker did not say who reads", error=repr(error))

    def renew(self) -> None:
        """The next try to connect is made with the URL as it is now."""
        if self.url_now is None or (url := self.url_now()) == self.url:
            return
        log.info("the broker's URL has changed, connecting with the new one")
        self.url = url
        for broker in (self.publishing, self.reading):
            connection: Any = broker._connection
            if connection is not None:
                connection.url = make_url(url, **dict(connection.url.query))

    async def look(self) -> None:
        """Asks the broker whether our queues have consumers: the only defence that trusts no client library."""
        connection: AbstractRobustConnection = self.publishing._connection  # type: ignore[assignment]
        channel = await connection.channel()
        try:
            counts = []
            for reader in self.readers:
                queue = await channel.declare_queue(self.known[reader.service].name, passive=True)
                counts.append(queue.declaration_result.consumer_count or 0)
        except ChannelNotFoundEntity:  # nobody reads a queue that is gone
            counts = [0]
        finally:
            await channel.close()
        self.missed = self.missed + 1 if 0 in counts else 0

    def healthy(self) -> bool:
        """False after two rounds without a consumer: the process should be restarted."""
        return self.missed < 2

    def connected(self) -> bool:
        """Whether the broker answers on both connections now. Requests are safe without it, but would not get far."""
        open_ones: list[Any] = [self.publishing._connection, self.reading._connection]
        return all(connection is not None and connection.connected.is_set() for connection in open_ones)
