"""The list of orders: what is asked for in the address, and what of it is shown."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode
from zlib import crc32

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import queries
from services.backoffice.pages import STATUSES, Pages
from services.backoffice.queries import Filter, Reading
from services.backoffice.sheets import BOM, kept_plain, row_of
from services.backoffice.views import cells
from services.backoffice.views.cells import place
from services.backoffice.words import N_
from shared.contracts.money import rounded, unit_of

Item = dict[str, Any]
SHOWN = 50
TABS = (
    ("", N_("All")),
    ("open", N_("Open orders")),
    ("verify", N_("To verify")),
    ("payment", N_("Waiting for payment")),
    ("stock", N_("Waiting for stock")),
    ("warehouse", N_("In the warehouse")),
    ("way", N_("On their way")),
    ("late", N_("Late")),
    ("staff", N_("Needs a person")),
    ("money", N_("Money to look at")),
    ("done", N_("Done")),
    ("cancelled", N_("Cancelled")),
)
SORTS = (
    ("", N_("Newest first")),
    ("oldest", N_("Oldest first")),
    ("promise", N_("Earliest promise first")),
)
CAPTIONS = {
    "": N_("Orders, newest first"),
    "oldest": N_("Orders, oldest first"),
    "promise": N_("Orders, the earliest promise first"),
}
FIELDS = ("q", "view", "status", "channel", "customer", "warehouse", "sort")


def asked(query: Mapping[str, str], pages: Pages) -> tuple[Filter, str]:
    """The filter that an address stands for, and its `since` as typed; what makes no sense chooses everything."""
    words: Item = {name: query.get(name, "").replace("\x00", "").strip()[:200] for name in FIELDS}
    words["sort"] = sortable(words["view"], words["sort"])
    since = query.get("since", "")
    try:
        day = date.fromisoformat(since)
        start = datetime(day.year, day.month, day.day, tzinfo=pages.zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return Filter(**words), ""
    return Filter(**words, since=start), since


def sortable(view: str, sort: str) -> str:
    """The sort, where a view has it: by promise only where orders are open."""
    known = sort in queries.SORTS and not (sort == "promise" and view in queries.FINAL)
    return sort if known else ""


def address(wanted: Filter, since: str, **more: str) -> str:
    """The address of a filter; what is empty is left out."""
    parts = {name: getattr(wanted, name) for name in FIELDS} | {"since": since} | more
    query = urlencode({name: value for name, value in parts.items() if value})
    return f"/orders?{query}" if query else "/orders"


def in_words(pages: Pages, wanted: Filter, since: str) -> str:
    """What a filter chooses, for people; empty for all orders."""
    w, tabs = pages.words, dict(TABS)
    parts = (
        (wanted.view, w.say(tabs.get(wanted.view, wanted.view))),
        (wanted.q, w.say("with the words %(words)s", words=wanted.q)),
        (wanted.status, w.say(STATUSES[wanted.status][0]) if wanted.status in STATUSES else wanted.status),
        (wanted.channel, w.say("channel %(name)s", name=wanted.channel)),
        (wanted.customer, w.say("customer %(id)s", id=wanted.customer)),
        (wanted.warehouse, w.say("warehouse %(name)s", name=wanted.warehouse)),
        (since, w.say("placed from %(day)s on", day=w.day(since) if since else "")),
        (wanted.sort, w.amid(w.say(dict(SORTS)[wanted.sort]))),
    )
    return " · ".join(text for chosen, text in parts if chosen)


def cursor(row: Item, sort: str = "") -> str:
    return cells.cursor(*queries.place_of(row, sort))


async def page(
    conn: AsyncConnection, pages: Pages, who: str, now: datetime, wanted: Filter, since: str, query: Mapping[str, str]
) -> Item:
    """One page of the list, with its tabs, the views that this person sees, chips and ways on."""
    w = pages.words
    after, before = place(query.get("after", "")), place(query.get("before", ""))
    rows = await queries.list_orders(conn, wanted, after=after, before=before, limit=SHOWN + 1)
    more = len(rows) > SHOWN
    rows = rows[-SHOWN:] if before else rows[:SHOWN]
    older = rows and (more or before is not None)
    newer = rows and (after is not None or (before is not None and more))
    plain, here = wanted == Filter(), address(wanted, since)
    saved = [
        {"text": of["name"], "href": f"/orders?{of['query']}", "n": 0, "shown": "", "bad": False}
        for of in await queries.saved_views(conn, who)
    ]
    saved = [{**tab, "here": tab["href"] == here} for tab in saved]
    chosen = any(tab["here"] for tab in saved)
    tabs: list[Item] = []
    around = await queries.around(conn)
    for name, text in TABS:
        tab, n = Filter(view=name, sort=sortable(name, wanted.sort)), around.counts[name]
        over = bool(name) and n > queries.COUNTED_AT_MOST
        shown = f"{w.number(queries.COUNTED_AT_MOST)}+" if over else w.number(n)
        tabs.append(
            {
                "text": w.say(text),
                "href": address(tab, ""),
                "n": n,
                "shown": shown,
                "bad": name == "late",
                "here": wanted.view == name and (bool(name) or wanted == tab) and not chosen,
            }
        )
    ids = ".".join(row["order_id"].hex for row in rows)
    live = {"page": "orders", "ids": ids}
    if plain and after is None and before is None:
        live["newest"] = cursor(rows[0]) if rows else "none"
    return {
        "now": now,
        "wanted": wanted,
        "since": since,
        "rows": rows,
        "tabs": [*tabs, *saved],
        "sorts": [(name, w.say(text)) for name, text in SORTS if sortable(wanted.view, name) == name],
        "heads": heads(wanted, since),
        "caption": w.say(CAPTIONS[wanted.sort]),
        "channels": around.channels,
        "warehouses": around.warehouses,
        "chips": chips(pages, wanted, since),
        "csv": address(wanted, since).replace("/orders", "/orders.csv", 1),
        "back": here,
        "save": f"/orders/views?{here.partition('?')[2]}" if not plain else "/orders/views",
        "all": query.get("all") == "1",
        "all_href": address(wanted, since, all="1", after=query.get("after", ""), before=query.get("before", "")),
        "older": address(wanted, since, after=cursor(rows[-1], wanted.sort)) if older else "",
        "newer": address(wanted, since, before=cursor(rows[0], wanted.sort)) if newer else "",
        "said": w.many("%(n)d order shown", "%(n)d orders shown", len(rows)),
        "filtered": not plain,
        "empty": (
            (w.say("No order fits."), w.say("Try fewer filters, or another spelling."))
            if not plain
            else (w.say("No orders yet."), w.say("Orders appear here as they are placed, without a reload."))
        ),
        "live": (stream := f"/live?{urlencode(live)}"),
        "live_id": f"live-{crc32(stream.encode()):08x}",
    }


def heads(wanted: Filter, since: str) -> Item:
    """Where the head of a column leads, and how the list is sorted by it now, as assistive tools are told."""
    of_open = wanted if wanted.view not in queries.FINAL else replace(wanted, view="open")
    return {
        "placed": {
            "href": address(replace(wanted, sort="" if wanted.sort == "oldest" else "oldest"), since),
            "sorted": {"": "descending", "oldest": "ascending"}.get(wanted.sort, ""),
        },
        "promise": {
            "href": address(replace(of_open, sort="promise"), since),
            "sorted": "ascending" if wanted.sort == "promise" else "",
        },
    }


def chips(pages: Pages, wanted: Filter, since: str) -> list[Item]:
    """Filters that have no field of their own in the form."""
    found = []
    if wanted.customer:
        text = pages.words.say("customer %(id)s", id=wanted.customer)
        found.append({"text": text, "href": address(replace(wanted, customer=""), since)})
    if wanted.view and wanted.view not in {name for name, _ in TABS}:
        found.append({"text": wanted.view, "href": address(replace(wanted, view=""), since)})
    return found


# CSV

COLUMNS = (
    "number", "external_id", "channel", "placed_at", "status", "customer_id", "name", "email", "city", "country",
    "currency", "gross", "due", "method", "ordered", "cancelled", "backordered", "reserved", "released", "shipped",
    "returned", "promised_on", "accepted_on", "why", "holds", "tracking", "skus",
)  # fmt: skip


def cell(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula (S20)."""
    if value is None:
        return ""
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if isinstance(value, datetime):
        return value.isoformat()
    return kept_plain(value) if isinstance(value, str) else str(value)


async def as_csv(reading: Reading, pages: Pages, wanted: Filter) -> AsyncIterator[str]:
    """The whole filter, a page of rows at a time, so that a million rows need no memory."""
    mark, delimiter = cells.mark_of(pages), cells.delimiter_of(pages)
    yield BOM + row_of(COLUMNS, delimiter)
    after = None
    while True:
        async with reading() as conn:
            rows = await queries.list_orders(conn, wanted, after=after, limit=1000)
        if not rows:
            return
        yield "".join(row_of([_figure(row, name, mark) for name in COLUMNS], delimiter) for row in rows)
        after = queries.place_of(rows[-1], wanted.sort)


def _figure(row: Mapping[str, Any], name: str, mark: str) -> str:
    """A cell of the list; an amount has the decimals of its currency, and the mark of the reader's spreadsheet."""
    if name not in ("gross", "due"):
        return cell(row[name])
    return f"{rounded(row[name], unit_of(row['currency'])):f}".replace(".", mark)
