"""One act on many orders: one page shows what it would do in sum, then it is done order by order.

Each order has its own quote and its own key, made of the page's key and the order: what changed meanwhile is left alone
while the others are done, and pressing again repeats nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Form, HTTPException, Query
from fastapi.responses import Response
from pydantic import StringConstraints

from services.backoffice import login, queries
from services.backoffice.api import shown
from services.backoffice.api.frame import Refused, Visit, allowed, pages
from services.backoffice.api.wishes import Wish, act_of
from services.backoffice.owners import Said
from services.backoffice.views import bulk as view
from services.backoffice.views.bulk import MOST, Chosen, Fate, Wanted
from shared.http import NotFound

router = pages()
AT_ONCE = 8
"""Orders that the owner is asked about at the same time."""
AWAY_AFTER = 8
"""So many orders without an answer, and the others are not asked any more: the owner is away."""
A = TypeVar("A")
B = TypeVar("B")
Number = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00]*$")]


@router.get("/orders/bulk")
async def chosen_orders(
    visit: Annotated[Visit, allowed("orders")],
    act: Wish | None = None,
    id: Annotated[list[Number] | None, Query(max_length=1000)] = None,
    back: Annotated[str, Query(alias="from", max_length=1000)] = "/orders",
) -> Response:
    """What it would do to the orders of these numbers, before anything is done."""
    if act is None:
        raise NotFound("act", "")
    if not visit.person.may(act):
        raise Refused(act)
    return await _asking(visit, act, id or (), _list(back))


@router.post("/orders/bulk")
async def do_chosen(
    visit: Annotated[Visit, allowed("orders")],
    act: Annotated[Wish, Form()],
    key: Annotated[str, Form(min_length=8, max_length=64)],
    do: Annotated[list[str], Form(min_length=1, max_length=MOST)],
    reason: Annotated[str, Form(max_length=200)] = "",
    back: Annotated[str, Form(alias="from", max_length=1000)] = "/orders",
) -> Response:
    """Exactly what was shown, order by order; then what became of each."""
    if not visit.person.may(act):
        raise Refused(act)
    try:
        wanted = list({of.order_id: of for of in map(Wanted.of, do)}.values())
    except ValueError:
        raise HTTPException(422, "this is no order of the page") from None
    async with visit.office.reading() as conn:
        numbers = await queries.numbers_of(conn, [of.order_id for of in wanted])
    if act == "hold" and not reason.strip():
        why = shown.nothing(visit.office.pages.words, visit.office.pages.words.say("Say why they are held."))
        return await _asking(visit, act, list(numbers.values()), _list(back), why)
    away = 0

    async def done(of: Wanted) -> Fate:
        nonlocal away
        number = numbers.get(of.order_id) or str(of.order_id)
        if away >= AWAY_AFTER:
            return "unknown", of, number, ""
        told = await shown.do(visit, act_of(act, of.order_id, of.hold, reason), f"{key}-{of.order_id}", of.quote)
        if isinstance(told, shown.Undone):
            away += told.fate == "unknown"
            return told.fate, of, number, told.notice["text"] if told.fate == "refused" else ""
        await visit.office.look(of.order_id)
        return "done", of, number, ""

    fates = await _each(wanted, done)
    return visit.page(
        "bulk_done.html", "orders", view.outcome(visit.office.pages, act, fates, reason, key, _list(back))
    )


async def _asking(
    visit: Visit, act: Wish, numbers: Sequence[str], back: str, error: dict[str, str] | None = None
) -> Response:
    office, w = visit.office, visit.office.pages.words
    numbers = list(dict.fromkeys(number.upper() for number in numbers))
    if not numbers:
        error = shown.nothing(w, w.say("Choose at least one order of the list."))
    if len(numbers) > MOST:
        said = w.say("At most %(most)s orders are changed at once; these are %(n)s.", most=MOST, n=len(numbers))
        error, numbers = shown.nothing(w, said), []
    async with office.reading() as conn:
        found = {row["number"].upper(): row for row in await queries.orders_called(conn, numbers)}

    async def previewed(number: str) -> Chosen:
        row, hold, why = found.get(number), "", ""
        if row is None:
            return Chosen(number, why=w.say("There is no such order."))
        if act == "release":
            hold, why = view.one_hold(w, row["holds"])
        if why:
            return Chosen(row["number"], row["order_id"], why=why)
        try:
            told = await shown.preview(visit, act_of(act, row["order_id"], hold, ""))
        except Said as refused:
            return Chosen(row["number"], row["order_id"], why=refused.title)
        if not view.changes(told):
            return Chosen(row["number"], row["order_id"], why=w.say("Nothing would change."))
        return Chosen(row["number"], row["order_id"], hold, told)

    chosen = await _each(numbers, previewed)
    page = view.asking(office.pages, act, chosen, "", shown.new_key(visit), back, error)
    return visit.page("bulk.html", "orders", page, status=422 if error else 200 if page["orders"] else 409)


async def _each(items: Sequence[A], do: Callable[[A], Awaitable[B]]) -> list[B]:
    """The same for each, a few at a time, in their order. What is raised ends all of it."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(item: A) -> B:
        async with free:
            return await do(item)

    tasks = [asyncio.create_task(one(item)) for item in items]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _list(back: str) -> str:
    """The list that somebody came from, with its filter."""
    inside = login.onward(back)
    return inside if inside.partition("?")[0] == "/orders" else "/orders"
