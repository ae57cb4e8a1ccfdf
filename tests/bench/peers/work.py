"""The work that every peer does, and what must be true after it: one order, six durable steps, four owners of data.

Each step is one transaction of its owner and safe to run again: a row of its inbox says that it was done.
"""

from typing import Any
from uuid import UUID

import psycopg

SKUS = 200
STEPS = ("reserve", "authorise", "ship", "dispatch", "bill", "complete")
SCHEMA = """
drop schema if exists ord, inv, bill, ful cascade;
create schema ord; create schema inv; create schema bill; create schema ful;
create table ord.orders (id uuid primary key, sku int not null, amount int not null, status text not null);
create table ord.inbox (id uuid, step text, primary key (id, step));
create table inv.stock (sku int primary key, on_hand int not null check (on_hand >= 0));
create table inv.reservations (order_id uuid primary key, sku int not null);
create table inv.inbox (id uuid, step text, primary key (id, step));
create table bill.payments (order_id uuid primary key, amount int not null, state text not null);
create table bill.invoices (order_id uuid primary key, amount int not null);
create table bill.inbox (id uuid, step text, primary key (id, step));
create table ful.shipments (order_id uuid primary key, state text not null);
create table ful.inbox (id uuid, step text, primary key (id, step));
"""
OWNER = {"reserve": "inv", "authorise": "bill", "ship": "ful", "dispatch": "ful", "bill": "bill", "complete": "ord"}
EFFECTS: dict[str, tuple[str, ...]] = {
    "reserve": (
        "update inv.stock set on_hand = on_hand - 1 where sku = %(sku)s",
        "insert into inv.reservations values (%(id)s, %(sku)s)",
    ),
    "authorise": ("insert into bill.payments values (%(id)s, %(amount)s, 'authorised')",),
    "ship": ("insert into ful.shipments values (%(id)s, 'planned')",),
    "dispatch": ("update ful.shipments set state = 'dispatched' where order_id = %(id)s",),
    "bill": (
        "update bill.payments set state = 'captured' where order_id = %(id)s",
        "insert into bill.invoices values (%(id)s, %(amount)s)",
    ),
    "complete": ("update ord.orders set status = 'completed' where id = %(id)s",),
}


def prepare(url: str, orders: int) -> None:
    """Empty tables, and stock for all orders."""
    with psycopg.connect(url) as connection:
        connection.execute(SCHEMA)
        connection.execute(
            "insert into inv.stock select n, %(pieces)s from generate_series(0, %(skus)s - 1) n",
            {"pieces": orders, "skus": SKUS},
        )


def place(connection: "psycopg.Connection[Any]", order: dict[str, Any]) -> None:
    with connection.transaction():
        connection.execute("insert into ord.orders values (%(id)s, %(sku)s, %(amount)s, 'placed')", order)


def step(connection: "psycopg.Connection[Any]", name: str, order: dict[str, Any]) -> None:
    """One step in one transaction; nothing when it was done before."""
    with connection.transaction():
        done = connection.execute(
            f"insert into {OWNER[name]}.inbox values (%(id)s, %(step)s) on conflict do nothing", {**order, "step": name}
        )
        if done.rowcount:
            for effect in EFFECTS[name]:
                connection.execute(effect, order)


def made(i: int) -> dict[str, Any]:
    """Order `i`, the same in every run."""
    return {"id": str(UUID(int=(i + 1) << 64)), "sku": i * 7919 % SKUS, "amount": 1000 + i % 500}


def completed(connection: "psycopg.Connection[Any]") -> int:
    row = connection.execute("select count(*) from ord.orders where status = 'completed'").fetchone()
    return int(row[0]) if row else 0


def verify(url: str, orders: int) -> None:
    """Raises AssertionError when anything is lost, doubled or a cent out."""
    amount = sum(made(i)["amount"] for i in range(orders))
    wanted = {
        "select count(*) from ord.orders where status = 'completed'": orders,
        "select count(*) from inv.reservations": orders,
        f"select sum({orders} - on_hand) from inv.stock": orders,
        "select sum(amount) from bill.payments where state = 'captured'": amount,
        "select sum(amount) from bill.invoices": amount,
        "select count(*) from ful.shipments where state = 'dispatched'": orders,
    }
    with psycopg.connect(url) as connection:
        for question, answer in wanted.items():
            row = connection.execute(question).fetchone()  # type: ignore[arg-type]
            found = row[0] if row else None
            assert found == answer, f"{question}: {found}, not {answer}"
