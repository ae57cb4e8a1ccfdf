"""What stock is worth (R-28), now and at the end of any day; what sales cost; what ties up money; costs of arrivals."""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import Field

from services.inventory.api.fields import Cost, Found, Key, KeyFilter, Name, Sku
from services.inventory.queries import value
from services.inventory.settings import Settings
from shared import clock
from shared.contracts.inventory import ChangeCost
from shared.contracts.money import written
from shared.guard import needs
from shared.http import Ask, Body, Paging, Reader, example, page_of

router = APIRouter()
FIRST, LAST = date(1990, 1, 1), date(2190, 1, 1)
Day = Annotated[date, Query(ge=FIRST, le=LAST)]


class CostIn(Body):
    model_config = example(
        sku="MUG-01",
        arrival="01890a5d-ac96-774b-bcce-b302099a8057",
        warehouse="north",
        unit_cost="2.40",
        reason="The supplier's invoice came.",
    )

    sku: Sku
    arrival: Annotated[UUID, Field(description="`arrival` of /arrivals, as are the next three")]
    warehouse: Key
    line_no: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    kind: Key = "receipt"
    unit_cost: Annotated[Cost, Field(description="per piece in all, in the currency of the house")]
    reason: Name = ""


def _amount(text: str) -> Decimal:
    if not re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,6})?", text):
        raise ValueError(text)
    return Decimal(text)


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.running.service.settings
    return settings


HouseRules = Annotated[Settings, Depends(_settings)]


def _today(settings: Settings) -> date:
    return clock.now().astimezone(settings.house().zone).date()


async def _days(settings: HouseRules, since: Day | None = None, until: Day | None = None) -> tuple[date, date]:
    """These days, both included; without them the last 30."""
    last = until or _today(settings)
    return since or last - timedelta(days=29), last


Days = Annotated[tuple[date, date], Depends(_days)]


@router.get("/stock-value", tags=["value"])
@needs("purchasing:read")
async def get_stock_value(
    conn: Reader,
    paging: Paging,
    settings: HouseRules,
    day: Day | None = None,
    sku: KeyFilter = None,
    warehouse: KeyFilter = None,
) -> Found:
    """By SKU: pieces that are ours, their value, and where they lie. A warehouse of null: in transit.

    `day`: as it was at its end; without one, as it is now.
    """
    rows = await value.list_values(
        conn,
        day or LAST,
        sku=sku,
        warehouse=warehouse,
        after=paging.place(str),
        limit=paging.limit + 1,
    )
    return page_of(rows, paging, key=lambda row: (row["sku"],))


@router.get("/stock-value/total", tags=["value"])
@needs("purchasing:read")
async def get_total_value(conn: Reader, settings: HouseRules, day: Day | None = None) -> Found:
    """What all stock is worth, and by warehouse. `final`: these figures will not change any more."""
    house, asked = settings.house(), day or _today(settings)
    known = await value.standing(conn, house, settings.currency, asked)
    return {"day": asked, **known, **await value.total(conn, day or LAST)}


@router.get("/cost-of-sales", tags=["value"])
@needs("purchasing:read")
async def get_cost_of_sales(
    conn: Reader, paging: Paging, settings: HouseRules, days: Days, sku: KeyFilter = None
) -> Found:
    """By SKU what happened to pieces and value on these days, both included; without them the last 30.

    `cost_of_sales`: of what was sold, less what came back, with `differences`: costs that were said after it was sold.
    """
    rows = await value.list_flows(conn, *days, sku=sku, after=paging.place(str), limit=paging.limit + 1)
    rows = [_in_units(row, settings.currency) for row in rows]
    return page_of(rows, paging, key=lambda row: (row["sku"],))


def _in_units(row: Found, currency: str) -> Found:
    """Amounts with the decimals of the currency: sums of nothing have none."""
    return {name: written(of, currency) if isinstance(of, Decimal) else of for name, of in row.items()}


@router.get("/cost-of-sales/total", tags=["value"])
@needs("purchasing:read")
async def get_total_cost_of_sales(conn: Reader, settings: HouseRules, days: Days) -> Found:
    """The same of all SKUs together."""
    since, until = days
    known = await value.standing(conn, settings.house(), settings.currency, until)
    sums = _in_units(await value.flows(conn, since, until), settings.currency)
    return {"since": since, "until": until, **known, **sums}


@router.get("/dead-stock", tags=["value"])
@needs("purchasing:read")
async def get_dead_stock(
    conn: Reader,
    paging: Paging,
    settings: HouseRules,
    days: Annotated[int, Query(ge=1, le=3650, description="not sold for so long, nor received")] = 90,
    cover: Annotated[int, Query(ge=1, le=36500, description="or what there is lasts for longer")] = 180,
    warehouse: KeyFilter = None,
) -> Found:
    """What lies too long: what ties up most money first. `why`: unsold or overstock.

    `days_of_cover` and `turnover` (a year) are by what was sold in the last `days` days.
    """
    rows = await value.dead_stock(
        conn,
        settings.house(),
        _today(settings),
        days=days,
        cover=cover,
        warehouse=warehouse,
        after=paging.place(_amount, str),
        limit=paging.limit + 1,
    )
    return page_of(rows, paging, key=lambda row: (row["value"], row["sku"]))


@router.get("/arrivals", tags=["value"])
@needs("purchasing:read")
async def get_arrivals(
    conn: Reader,
    paging: Paging,
    sku: KeyFilter = None,
    without_cost: Annotated[bool, Query(description="only those of which nobody said what they cost")] = False,
) -> Found:
    """What came in, in its order by SKU, with its cost per piece in the currency of the house; null: nobody said it.

    Bought in another currency is without cost until somebody says it.
    """
    rows = await value.list_arrivals(
        conn, sku=sku, without_cost=without_cost, after=paging.place(str, int), limit=paging.limit + 1
    )
    return page_of(rows, paging, key=lambda row: (row["sku"], row["seq"]))


@router.post("/cost-changes", tags=["value"], status_code=201)
@needs("purchasing:write")
async def post_cost_change(body: CostIn, ask: Ask) -> Response:
    """Says what an arrival cost. What of it is still there is worth more or less from now on; the rest is cost of
    sales of today. No day that is over is reported otherwise."""
    return await ask(ChangeCost(**body.model_dump(), actor=ask.actor))


@router.get("/cost-changes", tags=["value"])
@needs("purchasing:read")
async def get_cost_changes(conn: Reader, paging: Paging, sku: KeyFilter = None) -> Found:
    """Who said what of costs, the newest first. `value`: what stock became worth more; `difference`: cost of sales."""
    rows = await value.list_changes(conn, sku=sku, after=paging.place(datetime, UUID), limit=paging.limit + 1)
    return page_of(rows, paging, key=lambda row: (row["at"].isoformat(), row["cause"]))
