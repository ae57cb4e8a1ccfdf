"""Today: what must be done, how the day goes, where orders are, what just happened."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import queries
from services.backoffice.charts import bars
from services.backoffice.owners import Away, Owners, Said
from services.backoffice.pages import Pages
from services.backoffice.words import N_, line
from shared.contracts.money import rounded, unit_of

Item = dict[str, Any]
CARDS = (
    ("verify", N_("To verify"), "staff", "/orders?view=verify&sort=oldest"),
    ("payment", N_("Waiting for payment"), "card", "/orders?view=payment&sort=oldest"),
    ("stock", N_("Waiting for stock"), "clock", "/orders?view=stock&sort=oldest"),
    ("pick", N_("To pick"), "pick", "/pick"),
    ("pack", N_("To pack"), "orders", "/pack"),
    ("handover", N_("To hand over"), "truck", "/pack"),
    ("returns", N_("Returns to inspect"), "back", "/returns"),
    ("refunds", N_("Refunds to approve"), "money", "/refunds"),
    ("write-off", N_("Write-offs to approve"), "money", "/money/write-offs?state=waiting"),
    ("money", N_("Money that needs a person"), "hand", "/orders?view=money&sort=oldest"),
    ("mail", N_("E-mails not sent"), "mail", "/mails"),
    ("parked", N_("Parked messages"), "parked", "/parked-messages"),
)
OF_SOME = ("write-off", "mail", "parked")
"""Cards of areas that not everybody sees who sees the page, and of what they may do."""
_THERE = "/orders?view=warehouse&sort=oldest"
ELSEWHERE = {"pick": _THERE, "pack": _THERE, "returns": "/orders?view=way&sort=oldest"}
"""Where a card leads whoever does not see its area."""
MANY = 5000
"""Orders that are added up in a few milliseconds. Sums of more are made every two seconds, not for each look."""
ICONS = {"order": "orders", "inventory": "stock", "fulfilment": "truck", "billing": "money"}


async def waiting_at(owners: Owners, name: str, path: str, within_s: float = 1.0, **where: str) -> list[Item]:
    """What an owner lists, at most 200; nothing when it does not answer in time."""
    try:
        async with asyncio.timeout(within_s):
            return list((await owners.get(name, path, limit=200, **where))["items"])
    except (Away, Said, TimeoutError, KeyError, TypeError):
        return []


@dataclass(frozen=True, slots=True)
class Asked:
    """What waits for a person and stands in no table of the back office: its owners say it."""

    parked: list[Item] = field(default_factory=list)
    write_offs: list[Item] = field(default_factory=list)


async def asked(owners: Owners) -> Asked:
    write_offs, *parked = await asyncio.gather(
        waiting_at(owners, "billing", "/write-offs", state="waiting"),
        *(waiting_at(owners, name, "/parked") for name in owners.over),
    )
    return Asked([item for items in parked for item in items], write_offs)


async def today(
    conn: AsyncConnection, pages: Pages, now: datetime, told: Asked, day: Item, sees: frozenset[str]
) -> Item:
    """All that the page shows. `day`: what day_sums gave; `sees`: the areas of the reader, cards lead to those only."""
    w = pages.words
    lists = await queries.worklists(conn)
    lists["parked"] = {"n": len(told.parked), "at": _oldest(told.parked, "at")}
    lists["write-off"] = {"n": len(told.write_offs), "at": _oldest(told.write_offs, "asked_at")}
    cards, nothing = [], []
    for name, title, icon, href in CARDS:
        if name in OF_SOME and name not in sees:
            continue
        if href[1:] in ELSEWHERE and href[1:] not in sees:
            href = ELSEWHERE[href[1:]]
        found = lists[name]
        if not found["n"]:
            nothing.append(w.amid(w.say(title)))
            continue
        said = w.say("Oldest %(age)s.", age=w.age(found["at"], now)) if found["at"] else w.say("Needs a look.")
        if name == "stock":
            late = w.many("%(n)d piece on backorder.", "%(n)d pieces on backorder.", found["pieces"])
            broken = w.many("%(n)d promise is past.", "%(n)d promises are past.", found["broken"])
            said = f"{late} {broken}" if found["broken"] else late
        cards.append({"name": name, "title": w.say(title), "icon": icon, "href": href, "n": found["n"], "say": said})
    return {
        "now": now,
        "work": sum(card["n"] for card in cards),
        "late": lists["late"]["n"],
        "cards": cards,
        "nothing_in": ", ".join(nothing),
        "kpis": _kpis(pages, lists, day),
        "flow": _flow(pages, lists),
        "feed": _feed(pages, await queries.latest(conn)),
        "chart": _chart(pages, day),
    }


def _oldest(items: list[Item], since: str) -> datetime | None:
    return min((datetime.fromisoformat(str(item[since])) for item in items), default=None)


async def day_sums(conn: AsyncConnection, pages: Pages, now: datetime) -> Item:
    """What today came to; or the last day with an order, when there was none today.

    `orders`: by hour and currency; `usual`: how many there were by this time on the same day of the four weeks before;
    `shipped`: parcels of today. These passes over all orders of a day are what is costly of the page.
    """
    start, end = pages.day_of(now)
    newest = await queries.newest_placed(conn)
    today = newest is None or newest >= start
    if newest is not None and not today:
        start, end = pages.day_of(newest)
    # By the shop's clock, by which a week ago is the same time also across a change of it.
    first, until = start.astimezone(pages.zone), (now if today else end).astimezone(pages.zone)
    weeks = [timedelta(weeks=n) for n in (1, 2, 3, 4)]
    before = [(first - back, until - back) for back in weeks]
    usual, shipped = await queries.placed_and_handed_over(conn, before, pages.day_of(now))
    orders = await queries.by_hour(conn, start, end, str(pages.zone))
    return {"start": start, "today": today, "orders": orders, "usual": usual, "shipped": shipped}


def stands_s(day: Item) -> float:
    """For how many seconds the sums of a day may be shown."""
    return 2.0 if sum(of["orders"] for of in day["orders"]) > MANY else 0.0


def _by_currency(hours: list[Item]) -> list[Item]:
    """What a day came to in each currency, the one of most orders first."""
    found: dict[str, Item] = {}
    for of in hours:
        sums = found.setdefault(of["currency"], {"currency": of["currency"], "orders": 0, "gross": 0, "pieces": 0})
        for name in ("orders", "gross", "pieces"):
            sums[name] += of[name]
    return sorted(found.values(), key=lambda sums: (-sums["orders"], sums["currency"]))


def _kpis(pages: Pages, lists: dict[str, Item], day: Item) -> list[Item]:
    w = pages.words
    start, usual, shipped = day["start"], day["usual"], day["shipped"]
    spans = _by_currency(day["orders"])
    orders, pieces = sum(of["orders"] for of in spans), sum(of["pieces"] for of in spans)
    median = sorted(usual)[1:3]
    typical = sum(median) // 2
    when = w.say("today") if day["today"] else w.day(start + timedelta(hours=12))
    compared = w.say("usually %(n)s at this time of the week", n=w.number(typical))
    shown = [
        {
            "label": w.say("Orders, %(when)s", when=when),
            "value": w.number(orders),
            "delta": compared if any(usual) else w.many("%(n)d piece", "%(n)d pieces", int(pieces)),
            "href": f"/orders?since={_date(pages, start)}",
            "kind": "",
        }
    ]
    for of in spans[:2]:
        each = rounded(Decimal(of["gross"]) / of["orders"], unit_of(of["currency"]))
        shown.append(
            {
                "label": w.say("Revenue, %(when)s", when=when),
                "value": w.money(of["gross"], of["currency"]),
                "delta": w.say("%(each)s an order", each=w.money(each, of["currency"])),
                "href": f"/orders?since={_date(pages, start)}",
                "kind": "",
            }
        )
    late, stock, staff = lists["late"]["n"], lists["stock"], lists["staff"]["n"]
    shown += [
        _kpi(w.say("Parcels shipped today"), w.number(shipped), w.say("given to carriers"), "/orders?view=way"),
        _kpi(
            w.say("Open orders"),
            w.number(lists["open"]["n"]),
            w.say("not completed, not cancelled"),
            "/orders?view=open&sort=oldest",
        ),
        _kpi(
            w.say("Late"),
            w.number(late),
            w.say("past their date"),
            "/orders?view=late&sort=promise",
            "is-bad" if late else "",
        ),
        _kpi(
            w.say("Pieces on backorder"),
            w.number(stock["pieces"]),
            w.many("in %(n)d order", "in %(n)d orders", stock["orders"]),
            "/orders?view=stock&sort=promise",
            "is-wait" if stock["pieces"] else "",
        ),
        _kpi(
            w.say("Need a person"),
            w.number(staff),
            w.say("held, or money to look at"),
            "/orders?view=staff&sort=oldest",
        ),
        _kpi(w.say("On their way"), w.number(lists["way"]["n"]), w.say("shipped or delivered"), "/orders?view=way"),
    ]
    return shown


def _kpi(label: str, value: str, delta: str, href: str, kind: str = "") -> Item:
    return {"label": label, "value": value, "delta": delta, "href": href, "kind": kind}


def _date(pages: Pages, at: datetime) -> str:
    return at.astimezone(pages.zone).date().isoformat()


def _flow(pages: Pages, lists: dict[str, Item]) -> list[Item]:
    steps = [
        ("verify", N_("Verify"), "bar"),
        ("payment", N_("Payment"), "bar"),
        ("stock", N_("Stock"), "bar-wait"),
        ("warehouse", N_("Warehouse"), "bar"),
        ("way", N_("On their way"), "bar"),
    ]
    most = max((lists[name]["n"] for name, *_ in steps), default=0) or 1
    return [
        {
            "text": pages.words.say(text),
            "href": f"/orders?view={name}&sort=oldest",
            "n": lists[name]["n"],
            "width": f"{Decimal(100 * lists[name]['n']) / most:.1f}%",
            "css": css,
        }
        for name, text, css in steps
    ]


def _feed(pages: Pages, latest: list[Item]) -> list[Item]:
    return [
        {
            "icon": ICONS.get(str(entry["key"]).partition(".")[0], "bolt"),
            "number": entry["number"],
            "text": line(entry["key"], entry["facts"], {}, pages.words.within(entry["currency"])).text,
            "at": entry["at"],
        }
        for entry in latest
    ]


def _chart(pages: Pages, day: Item) -> Item:
    w = pages.words
    found = Counter[int]()
    for of in day["orders"]:
        found[int(of["hour"])] += of["orders"]
    rows = [(hour, found[hour]) for hour in range(24)]
    labelled = [(f"{hour:02d}:00", n) for hour, n in rows]
    total, busiest = found.total(), max(rows, key=lambda row: row[1])
    when = w.say("today") if day["today"] else w.day(day["start"] + timedelta(hours=12))
    finding = w.say(
        "%(total)s orders per hour %(when)s, most of them (%(n)s) from %(hour)02d:00. The table below has the figures.",
        total=total, when=when, n=busiest[1], hour=busiest[0],
    )  # fmt: skip
    return {
        "title": w.say("Orders per hour, %(when)s", when=when),
        "finding": finding,
        "rows": rows,
        "wide": bars(labelled),
        "narrow": bars(labelled, width=330, height=150, every=6),
    }
