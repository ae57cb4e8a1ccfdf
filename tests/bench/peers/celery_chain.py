"""Celery on RabbitMQ: each order is a chain of six tasks, acknowledged after their work, on quorum queues.

`celery -A celery_chain worker` does the work; `python celery_chain.py ORDERS` places orders and waits.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import Any

import psycopg
from celery import Celery, chain
from work import STEPS, completed, made, place, prepare, step, verify

app = Celery("peers", broker=os.environ["PEERS_BROKER"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_default_queue="peers-celery",
    task_default_queue_type="quorum",
    task_default_delivery_mode="persistent",
    task_ignore_result=True,
    worker_prefetch_multiplier=16,
    worker_detect_quorum_queues=True,
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)
mine = local()


def connection() -> "psycopg.Connection[Any]":
    """One per process or thread."""
    if not hasattr(mine, "connection"):
        mine.connection = psycopg.connect(os.environ["PEERS_DATABASE"], autocommit=True)
    found: psycopg.Connection[Any] = mine.connection
    return found


@app.task(name="peers.do")
def do(name: str, order: dict[str, Any]) -> None:
    step(connection(), name, order)


def sell(i: int) -> None:
    order = made(i)
    place(connection(), order)
    chain(*(do.si(name, order) for name in STEPS)).apply_async()


def main(orders: int) -> None:
    url = os.environ["PEERS_DATABASE"]
    prepare(url, orders)
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(sell, range(orders)))
    while completed(connection()) < orders:
        time.sleep(0.05)
    seconds = time.monotonic() - began
    verify(url, orders)
    print(
        json.dumps(
            {
                "peer": "celery",
                "orders": orders,
                "seconds": round(seconds, 2),
                "orders_per_s": round(orders / seconds, 1),
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
