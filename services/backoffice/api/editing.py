"""An order is changed before it is shipped: typed, shown with all effects, then done exactly so, or stale."""

from typing import Annotated, Any

from fastapi import Form, HTTPException, Request
from fastapi.responses import Response

from services.backoffice.api import shown
from services.backoffice.api.changes import Key, Quote, Reason, changed, order_of
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.api.order import Name
from services.backoffice.views import editing, lines

router = pages()
Item = dict[str, Any]
MOST_CARRIED = 100_000


@router.get("/orders/{name}/edit")
async def edit(visit: Annotated[Visit, allowed("edit")], name: Name) -> Response:
    """The order as it is, to be changed."""
    return await _typing(visit, await order_of(visit, name), {})


async def _typing(visit: Visit, order: Item, form: Item, error: Item | None = None) -> Response:
    office = visit.office
    q = str(form.get("q", "")).replace("\x00", "").strip()[:200]
    offers = await lines.offers(office.owners, office.pages.words.within(order["currency"]), q)
    page = editing.form(office.pages, order, form, offers, error)
    return visit.page("edit.html", "orders", page, status=422 if error else 200)


@router.post("/orders/{name}/edit")
async def do_edit(
    request: Request,
    visit: Annotated[Visit, allowed("edit")],
    name: Name,
    key: Key = "",
    quote: Quote = "",
    reason: Reason = "",
    step: Annotated[str, Form(max_length=80)] = "",
    wish: Annotated[str, Form(max_length=MOST_CARRIED)] = "",
) -> Response:
    """A product is looked for or taken; else without a quote what it would do, with it exactly that, or 409."""
    office, w = visit.office, visit.office.pages.words
    order = await order_of(visit, name)
    form: Item = {name: str(value) for name, value in (await request.form()).items()}
    try:
        if step.startswith("take:"):
            return await _typing(visit, order, lines.taken(form, step.removeprefix("take:")))
        if step == "find" and form.get("q", "").strip():
            return await _typing(visit, order, form)
        asked = editing.carried(wish) if quote else editing.typed(office.pages, order, form)
    except lines.Mistyped as error:
        return await _typing(visit, order, form, shown.nothing(w, str(error)))
    except ValueError:
        raise HTTPException(422, "this is no edit of the page") from None

    async def asking(told: Item | None, error: Item | None, key: str) -> Item:
        return editing.edit_question(office.pages, order["number"], asked, told, reason, key, error)

    async def typing(error: Item) -> Response:
        return await _typing(visit, order, {} if quote else form, error)

    act = shown.Act("order", f"/orders/{order['id']}/edit", asked, {"reason": reason})
    done = await shown.shown_or_done(visit, act, key, quote, asking, typing)
    return done if isinstance(done, Response) else await changed(visit, order, "edit")
