"""Views of the list of orders that people save under a name: their own, and those that are shared with everybody."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Form, Path
from fastapi.responses import RedirectResponse, Response

from services.backoffice import queries
from services.backoffice.api import shown
from services.backoffice.api.frame import Refused, Visit, allowed, pages
from services.backoffice.views import saved as view
from shared.contracts.backoffice import ChangeView, OfViews, RemoveView, SaveView
from shared.http import NotFound

router = pages()
Item = dict[str, Any]
Code = Annotated[str, Path(max_length=20, pattern=r"^[0-9a-f]+$")]
Name = Annotated[str, Form(max_length=200)]
Sharing = Annotated[str, Form(max_length=10)]
LONGEST = 60


@router.get("/orders/views")
async def saved_views(visit: Annotated[Visit, allowed("orders")], done: str = "") -> Response:
    """The views there are; with a filter in the address, the form that saves it."""
    return await _page(visit, visit.request.url.query, done=done)


async def _page(
    visit: Visit, query: str = "", typed: Item | None = None, error: Item | None = None, done: str = ""
) -> Response:
    office, w = visit.office, visit.office.pages.words
    typed = typed or {"name": "", "shared": False}
    async with office.reading() as conn:
        rows = await queries.saved_views(conn, visit.person.name)
    key = shown.new_key(visit)
    page = view.page(office.pages, visit.person, rows, view.query_of(office.pages, query), typed, key, error)
    said = {"change": w.say("The view was changed."), "remove": w.say("The view was removed.")}
    return visit.page("saved.html", "orders", page, status=422 if error else 200, toast=said.get(done, ""))


@router.post("/orders/views")
async def save(
    visit: Annotated[Visit, allowed("orders")],
    key: Annotated[UUID, Form()],
    name: Name = "",
    query: Annotated[str, Form(max_length=2000)] = "",
    shared: Sharing = "",
) -> Response:
    """Saves a filter under a name, and opens it."""
    if shared and not visit.person.may("share"):
        raise Refused("share")
    office, person, w = visit.office, visit.person, visit.office.pages.words
    kept, named, typed = view.query_of(office.pages, query), _one_line(name), {"name": name, "shared": bool(shared)}
    if not kept:
        return await _page(
            visit, "", typed, shown.nothing(w, w.say("Choose a filter on the list first; then save it."))
        )
    if why := _wrong(visit, named):
        return await _page(visit, kept, typed, why)
    word = SaveView(person=person.name, name=named, query=kept, shared=bool(shared), actor=person.name)
    if why := await _asked(visit, word, key):
        return await _page(visit, kept, typed, why)
    return RedirectResponse(f"/orders?{kept}", 303)


@router.post("/orders/views/{code}/change")
async def change(
    visit: Annotated[Visit, allowed("orders")],
    code: Code,
    name: Name = "",
    shared: Sharing = "",
) -> Response:
    """Another name; for everybody or no more. Whoever may not share leaves that as it is."""
    found, named = _own(visit, await _seen(visit, code)), _one_line(name)
    if why := _wrong(visit, named):
        return await _page(visit, error=why)
    sharing = bool(shared) if visit.person.may("share") else found["shared"]
    word = ChangeView(person=found["owner"], code=code, name=named, shared=sharing, actor=visit.person.name)
    if why := await _asked(visit, word, visit.office.running.new_id()):
        return await _page(visit, error=why)
    return RedirectResponse("/orders/views?done=change", 303)


@router.post("/orders/views/{code}/remove")
async def remove(visit: Annotated[Visit, allowed("orders")], code: Code) -> Response:
    """Takes it away; pressing again finds it gone, which is what was wanted."""
    if found := await _seen(visit, code):
        word = RemoveView(person=_own(visit, found)["owner"], code=code, actor=visit.person.name)
        await _asked(visit, word, visit.office.running.new_id())
    return RedirectResponse("/orders/views?done=remove", 303)


@router.get("/v/{code}")
async def open_view(visit: Annotated[Visit, allowed("orders")], code: Code) -> Response:
    """The short address of a view: the list as it was saved."""
    found = await _seen(visit, code)
    if found is None:
        raise NotFound("view", code)
    return RedirectResponse(f"/orders?{found['query']}", 303)


async def _seen(visit: Visit, code: str) -> Item | None:
    async with visit.office.reading() as conn:
        found = await queries.saved_views(conn, visit.person.name, code)
    return found[0] if found else None


def _own(visit: Visit, found: Item | None) -> Item:
    """One that the person may change: their own, or one for everybody if they look after those. Raises NotFound."""
    if found is None:
        raise NotFound("view", "")
    if found["owner"] != visit.person.name and not visit.person.may("share"):
        raise Refused("share")
    return found


def _one_line(name: str) -> str:
    return " ".join(name.replace("\x00", "").split())


def _wrong(visit: Visit, name: str) -> Item | None:
    w = visit.office.pages.words
    if 1 <= len(name) <= LONGEST:
        return None
    return shown.nothing(w, w.say("A name has 1 to %(most)s characters.", most=LONGEST))


async def _asked(visit: Visit, word: OfViews, key: UUID) -> Item | None:
    """Has it decided; the notice of what was refused."""
    reply = await visit.office.running.desk.ask(word, id=key)
    return shown.nothing(visit.office.pages.words, reply.body["title"]) if reply.status >= 400 else None
