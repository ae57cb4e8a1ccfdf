"""A choreography as it is usually written: FastStream and an ORM, one event per message, one session per event.

`python naive.py serve OWNER` is one service; `python naive.py ORDERS` places orders and waits. Durable all the same:
quorum queues, publisher confirms, an inbox row, and the acknowledgement after commit and publish.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any
from uuid import UUID

import psycopg
from faststream import AckPolicy, FastStream
from faststream.rabbit import ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitQueue
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from work import completed, made, prepare, verify


class Base(DeclarativeBase):
    pass


class Sale(Base):
    __tablename__ = "orders"
    __table_args__ = {"schema": "ord"}
    id: Mapped[UUID] = mapped_column(primary_key=True)
    sku: Mapped[int]
    amount: Mapped[int]
    status: Mapped[str]


class Stock(Base):
    __tablename__ = "stock"
    __table_args__ = {"schema": "inv"}
    sku: Mapped[int] = mapped_column(primary_key=True)
    on_hand: Mapped[int]


class Reservation(Base):
    __tablename__ = "reservations"
    __table_args__ = {"schema": "inv"}
    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    sku: Mapped[int]


class Payment(Base):
    __tablename__ = "payments"
    __table_args__ = {"schema": "bill"}
    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    amount: Mapped[int]
    state: Mapped[str]


class Invoice(Base):
    __tablename__ = "invoices"
    __table_args__ = {"schema": "bill"}
    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    amount: Mapped[int]


class Shipment(Base):
    __tablename__ = "shipments"
    __table_args__ = {"schema": "ful"}
    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]


def inbox_of(schema: str) -> type[Any]:
    fields = {
        "__tablename__": "inbox",
        "__table_args__": {"schema": schema},
        "__annotations__": {"id": Mapped[UUID], "step": Mapped[str]},
        "id": mapped_column(primary_key=True),
        "step": mapped_column(primary_key=True),
    }
    return type(f"Inbox_{schema}", (Base,), fields)


INBOX = {schema: inbox_of(schema) for schema in ("ord", "inv", "bill", "ful")}
Order = dict[str, Any]


async def reserve(session: AsyncSession, order: Order) -> None:
    stock = (await session.execute(select(Stock).where(Stock.sku == order["sku"]).with_for_update())).scalar_one()
    stock.on_hand -= 1
    session.add(Reservation(order_id=UUID(order["id"]), sku=order["sku"]))


async def authorise(session: AsyncSession, order: Order) -> None:
    session.add(Payment(order_id=UUID(order["id"]), amount=order["amount"], state="authorised"))


async def ship(session: AsyncSession, order: Order) -> None:
    session.add(Shipment(order_id=UUID(order["id"]), state="planned"))


async def dispatch(session: AsyncSession, order: Order) -> None:
    shipment = await session.get_one(Shipment, UUID(order["id"]), with_for_update=True)
    shipment.state = "dispatched"


async def bill(session: AsyncSession, order: Order) -> None:
    payment = await session.get_one(Payment, UUID(order["id"]), with_for_update=True)
    payment.state = "captured"
    session.add(Invoice(order_id=payment.order_id, amount=payment.amount))


async def complete(session: AsyncSession, order: Order) -> None:
    sale = await session.get_one(Sale, UUID(order["id"]), with_for_update=True)
    sale.status = "completed"


REACTIONS = (
    ("inv", "placed", reserve, "reserved"),
    ("bill", "reserved", authorise, "authorised"),
    ("ful", "authorised", ship, "shipped"),
    ("ful", "shipped", dispatch, "dispatched"),
    ("bill", "dispatched", bill, "billed"),
    ("ord", "billed", complete, ""),
)
"""Who hears what, does what, and says what then."""

EXCHANGE = RabbitExchange("peers-naive", type=ExchangeType.TOPIC, durable=True)
broker = RabbitBroker(os.environ["PEERS_BROKER"])
sessions = async_sessionmaker(
    create_async_engine(os.environ["PEERS_DATABASE"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=10)
)


def react(schema: str, hears: str, effect: Any, says: str) -> None:
    queue = RabbitQueue(f"peers-naive-{hears}", queue_type=QueueType.QUORUM, durable=True, routing_key=hears)

    @broker.subscriber(queue, EXCHANGE, ack_policy=AckPolicy.NACK_ON_ERROR)
    async def handle(order: Order) -> None:
        async with sessions() as session:
            inbox, key = INBOX[schema], {"id": UUID(order["id"]), "step": effect.__name__}
            if await session.get(inbox, (key["id"], key["step"])) is None:
                session.add(inbox(**key))
                await effect(session, order)
                await session.commit()
        if says:
            await broker.publish(order, says, EXCHANGE, persist=True)


async def main(orders: int) -> None:
    url = os.environ["PEERS_DATABASE"]
    prepare(url, orders)
    await broker.connect()
    limit = asyncio.Semaphore(64)

    async def sell(i: int) -> None:
        order = made(i)
        async with limit:
            async with sessions() as session:
                session.add(Sale(id=UUID(order["id"]), sku=order["sku"], amount=order["amount"], status="placed"))
                await session.commit()
            await broker.publish(order, "placed", EXCHANGE, persist=True)

    began = time.monotonic()
    await asyncio.gather(*(sell(i) for i in range(orders)))
    with psycopg.connect(url, autocommit=True) as connection:
        while completed(connection) < orders:  # noqa: ASYNC110 - other processes complete them
            await asyncio.sleep(0.05)
    seconds = time.monotonic() - began
    verify(url, orders)
    print(
        json.dumps(
            {
                "peer": "naive",
                "orders": orders,
                "seconds": round(seconds, 2),
                "orders_per_s": round(orders / seconds, 1),
            }
        )
    )
    await broker.stop()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        for reaction in REACTIONS:
            if reaction[0] == sys.argv[2]:
                react(*reaction)
        asyncio.run(FastStream(broker).run())
    else:
        asyncio.run(main(int(sys.argv[1])))
