"""The returns desk."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice import queries
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.owners import Said
from services.backoffice.views import returns as returns_view
from services.backoffice.views.cells import shown_of

router = pages()
Item = dict[str, Any]


@router.get("/returns")
async def desk(visit: Annotated[Visit, allowed("returns")]) -> Response:
    """What came back and waits, what is expected."""
    found = await returns_view.desk(visit.office.owners)
    async with visit.office.reading() as conn:
        numbers = await queries.numbers_of(conn, [of["order_id"] for listed in found.values() for of in listed])
        waiting = await queries.at_work(conn)
    w = visit.office.pages.words
    lists = [
        (title, empty, found[state], shown_of(w, len(found[state]), waiting.get(state, 0)))
        for state, title, empty in returns_view.STATES
    ]
    return visit.page("returns.html", "returns", {"lists": lists, "numbers": numbers})


@router.get("/returns/{id}")
async def one(visit: Annotated[Visit, allowed("returns")], id: UUID) -> Response:
    """One return: what came, what it is worth, what happened so far."""
    return await _one(visit, id)


async def _one(visit: Visit, id: UUID, status: int = 200, error: str = "", form: Item | None = None) -> Response:
    found = await returns_view.one(visit.office.owners, id)
    async with visit.office.reading() as conn:
        numbers = await queries.numbers_of(conn, [found["order_id"]])
    page = {
        **found,
        "number": numbers.get(found["order_id"], ""),
        "error": error,
        "form": form or {},
        "key": str(visit.office.running.new_id()),
    }
    return visit.page("return.html", "returns", page, status=status)


@router.post("/returns/{id}/{act}")
async def done(
    request: Request,
    visit: Annotated[Visit, allowed("returns")],
    id: UUID,
    act: Literal["receive", "inspect", "close"],
    key: Annotated[str, Form(min_length=8, max_length=64)],
) -> Response:
    """Pieces came, pieces were graded, or nothing more will come."""
    w, form = visit.office.pages.words, dict(await request.form())
    owners = visit.office.owners
    body: Item = {}
    try:
        if act == "receive":
            body = {"lines": returns_view.received((await returns_view.one(owners, id))["lines"], form)}
        elif act == "inspect":
            body = {"lines": returns_view.inspected((await returns_view.one(owners, id))["lines"], form)}
    except ValueError:
        told = w.say("Say for each product how many came.")
        if act == "inspect":
            told = w.say("Grade at most what came and waits; money is given back for graded pieces only.")
        return await _one(visit, id, 422, told, form)
    try:
        await owners.post("fulfilment", f"/returns/{id}/{act}", body, actor=visit.person.name, key=key)
    except Said as refused:
        return await _one(visit, id, refused.status, refused.title, form)
    return RedirectResponse("/returns" if act == "close" else f"/returns/{id}", 303)
