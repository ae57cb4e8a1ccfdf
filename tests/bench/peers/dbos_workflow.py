"""DBOS: each order is a workflow of six steps, recorded in PostgreSQL as it goes. `python dbos_workflow.py ORDERS`."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import Any

import psycopg
from dbos import DBOS, DBOSConfig, SetWorkflowID
from work import STEPS, completed, made, place, prepare, step, verify

IN_FLIGHT = 32
mine = local()


def connection() -> "psycopg.Connection[Any]":
    """One per thread."""
    if not hasattr(mine, "connection"):
        mine.connection = psycopg.connect(os.environ["PEERS_DATABASE"], autocommit=True)
    found: psycopg.Connection[Any] = mine.connection
    return found


@DBOS.step()
def do(name: str, order: dict[str, Any]) -> None:
    step(connection(), name, order)


@DBOS.workflow()
def sale(order: dict[str, Any]) -> None:
    for name in STEPS:
        do(name, order)


def sell(i: int) -> None:
    order = made(i)
    place(connection(), order)
    with SetWorkflowID(order["id"]):
        sale(order)


def main(orders: int) -> None:
    url = os.environ["PEERS_DATABASE"]
    prepare(url, orders)
    config: DBOSConfig = {"name": "peers", "system_database_url": os.environ["PEERS_SYSTEM"], "log_level": "WARNING"}
    DBOS(config=config)
    DBOS.reset_system_database()
    DBOS.launch()
    began = time.monotonic()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(sell, range(orders)))
    seconds = time.monotonic() - began
    assert completed(connection()) == orders
    verify(url, orders)
    print(
        json.dumps(
            {"peer": "dbos", "orders": orders, "seconds": round(seconds, 2), "orders_per_s": round(orders / seconds, 1)}
        )
    )
    DBOS.destroy()


if __name__ == "__main__":
    main(int(sys.argv[1]))
