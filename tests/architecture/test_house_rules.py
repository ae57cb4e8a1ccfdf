"""The house keeps its rules, and every rule is seen to fail on a planted violation."""

from pathlib import Path
from textwrap import dedent

import pytest

from tests.architecture import house_rules
from tests.architecture.house_rules import RULES, File

PLANTED = [
    ("one-unit-of-work", "services/order/queries.py", "async def save(c): await c.commit()"),
    ("one-unit-of-work", "comptoir/commands.py", "def save(engine): engine.begin().commit()"),
    ("published-by-the-relay", "services/order/api/orders.py", "async def f(broker): await broker.publish('x')"),
    ("published-by-the-relay", "shared/http.py", "async def f(self): await self.bus.publish(packet)"),
    ("pure-decisions", "services/billing/domain/rule.py", "import datetime\nNOW = datetime.datetime.now()"),
    ("pure-decisions", "services/billing/domain.py", "from datetime import date as day\nTODAY = day.today()"),
    ("pure-decisions", "services/order/saga.py", "from uuid import uuid4 as fresh\nID = fresh()"),
    ("pure-decisions", "services/order/saga.py", "import uuid_utils.compat\nID = uuid_utils.compat.uuid7()"),
    ("pure-decisions", "services/order/saga.py", "async def react(): ..."),
    ("pure-decisions", "services/order/waits.py", "LAST = 0\ndef waits():\n    global LAST\n    LAST += 1"),
    ("pure-decisions", "services/order/saga.py", "print('here')"),
    ("pure-imports", "services/order/saga.py", "import random"),
    ("pure-imports", "services/order/saga.py", "from time import time"),
    ("pure-imports", "services/order/domain/a.py", "from sqlalchemy import select"),
    ("pure-imports", "services/order/domain/a.py", "import shared.messaging.unit"),
    ("pure-imports", "services/order/domain/a.py", "from services.order.tables import orders"),
    ("pure-imports", "services/order/domain/a.py", "from services.order import store"),
    ("pure-imports", "services/order/domain/a.py", "from services.billing.domain import rows"),
    ("pure-imports", "services/order/domain/a.py", "from . import rows"),
    ("pure-imports", "services/order/domain/a.py", "from services.order.development_shop import app"),
    ("exact-money", "services/billing/domain/rule.py", "RATE = 0.21"),
    ("exact-money", "services/billing/domain/rule.py", "def f(x): return float(x)"),
    ("one-clock", "shared/messaging/unit.py", "from datetime import UTC, datetime\nt = datetime.now(UTC)"),
    ("one-clock", "services/order/api/orders.py", "import uuid\nID = uuid.uuid4()"),
    ("frozen-rows", "services/order/rows.py", "from shared.messaging.decision import Row\nclass Order(Row): ..."),
    (
        "frozen-rows",
        "services/order/rows.py",
        """
        from dataclasses import dataclass
        from shared.messaging.decision import Row
        @dataclass(frozen=False, slots=True)
        class Order(Row):
            n: int
        """,
    ),
    ("messages-say-what-they-promise", "shared/contracts/order.py", "class A(Event, key='order.a.v1'):\n    n: int"),
    (
        "messages-say-what-they-promise",
        "shared/contracts/order.py",
        "class AbC(Event, key='order.a_b.v1'):\n    '''.'''",
    ),
    ("messages-say-what-they-promise", "shared/contracts/order.py", "class A(Event, key='billing.a.v1'):\n    '''.'''"),
    (
        "messages-say-what-they-promise",
        "shared/contracts/order/holds.py",
        "class A(Event, key='holds.a.v1'):\n    '''.'''",
    ),
    ("contracts-by-owner", "services/order/saga.py", "from shared.contracts.inventory.promises import ReserveStock"),
    ("contracts-by-owner", "shared/contracts/order.py", "from shared.contracts.inventory.promises import Want"),
    ("no-sleep-in-tests", "tests/order/test_saga.py", "import time\ntime.sleep(1)"),
    ("no-sleep-in-tests", "tests/order/test_saga.py", "import asyncio\nasync def f(): await asyncio.sleep(0.1)"),
    (
        "no-sleep-in-tests",
        "tests/order/test_saga.py",
        "from asyncio import sleep as pause\nasync def f(): await pause(1)",
    ),
    ("no-mocks", "tests/order/test_saga.py", "from unittest.mock import AsyncMock"),
    ("no-mocks", "tests/order/test_saga.py", "from unittest import mock"),
    ("plain-middleware", "shared/http.py", "from starlette.middleware.base import BaseHTTPMiddleware"),
    ("plain-middleware", "shared/http.py", "@app.middleware('http')\nasync def f(request, call_next): ..."),
    ("answers-on-the-loop", "services/order/api/orders.py", "@router.get('/orders')\ndef get_orders(): ..."),
    (
        "answers-on-the-loop",
        "shared/http.py",
        "from fastapi import Depends\ndef _page(limit: int): ...\nPaging = Annotated[int, Depends(_page)]",
    ),
    ("answers-on-the-loop", "shared/http.py", "import fastapi\nclass Page: ...\nPaging = fastapi.Depends(Page)"),
    ("fields-in-dots", "services/order/wishes.py", "raise Refused('no', field=f'lines[{i}].sku')"),
    ("fields-in-dots", "services/inventory/domain/papers.py", "check_sku(sku, rows, f'lines/{n}/sku')"),
    ("fields-in-dots", "services/order/placing.py", "faults.append((f'{place}[{i}].sku', why))"),
    ("fields-in-dots", "services/order/api/imports.py", "wrong('lines/0/sku', reason)"),
    ("no-connection-in-hand", "services/backoffice/views/money.py", "async def page(conn, owners): ..."),
    ("nothing-left-to-do", "shared/http.py", "x = 1  # TODO: more"),
]

ALLOWED = [
    ("services/order/saga.py", "from collections.abc import Iterator\nfrom services.order.rows import Order"),
    (
        "services/order/saga.py",
        "from shared.contracts.order import PlaceOrder\nfrom shared.messaging.decision import Row",
    ),
    (
        "services/order/saga.py",
        "from datetime import datetime\ndef f(ctx): return ctx.now, datetime.fromisoformat('x')",
    ),
    (
        "shared/http.py",
        "from fastapi import Depends\nasync def _page(limit: int): ...\nPaging = Annotated[int, Depends(_page)]",
    ),
    ("services/order/development_shop.py", "import asyncio, sqlite3\ndef f(books): books.commit()"),
    ("services/order/app.py", "import asyncio\nasync def f(): await asyncio.sleep(1)"),
    ("shared/messaging/store.py", "async def f(transaction): await transaction.commit()"),
    ("shared/messaging/workers.py", "async def f(self): await self.bus.publish(packet)"),
    ("shared/clock.py", "from datetime import UTC, datetime\ndef now(): return datetime.now(UTC)"),
    ("tests/order/test_saga.py", "import asyncio\nasync def f(): await asyncio.sleep(0)"),
    ("tests/eventually.py", "import asyncio\nasync def f(): await asyncio.sleep(0.1)"),
    ("tests/proxy.py", "import asyncio\nasync def f(): await asyncio.sleep(0.1)"),
    ("shared/contracts/order.py", "class PlaceOrder(Command, key='order.place_order.v2'):\n    '''A new order.'''"),
    ("shared/contracts/order/holds.py", "class Hold(Command, key='order.hold.v1'):\n    '''Waits.'''"),
    ("shared/contracts/inventory/reordering.py", "from shared.contracts.inventory.purchasing import BoughtLine"),
    ("services/inventory/domain/stock.py", "from shared.contracts.inventory import StockLine"),
]


def broken(path: str, source: str) -> set[str]:
    file = File(path, dedent(source))
    return {name for name, check in RULES.items() if list(check(file))}


@pytest.mark.parametrize(("rule", "path", "source"), PLANTED)
def test_a_planted_violation_is_found(rule: str, path: str, source: str) -> None:
    assert rule in broken(path, source)


@pytest.mark.parametrize(("path", "source"), ALLOWED)
def test_what_is_allowed_is_not_called_a_breach(path: str, source: str) -> None:
    assert broken(path, source) == set()


def test_no_rule_is_without_a_planted_violation() -> None:
    assert {rule for rule, _, _ in PLANTED} == set(RULES)


def test_a_service_without_one_of_the_rooms_is_found(tmp_path: Path) -> None:
    service = tmp_path / "services" / "shop"
    service.mkdir(parents=True)
    for room in house_rules.REQUIRED_ROOMS:
        (service / f"{room}.py").touch()
    assert [breach.says for breach in house_rules.rooms(tmp_path)] == ["has no domain"]
    (service / "domain.py").touch()
    assert list(house_rules.rooms(tmp_path)) == []
    (service / "store.py").unlink()
    assert [breach.says for breach in house_rules.rooms(tmp_path)] == ["has no store"]


def test_the_house_keeps_its_rules() -> None:
    assert [str(breach) for breach in house_rules.breaches()] == []
