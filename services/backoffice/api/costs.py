"""What arrivals cost: a list, and what a person says of them."""

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, uuid5

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api import shown
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.views import costs
from shared.contracts.backoffice import NoteBought

router = pages()
Item = dict[str, Any]
Some = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]


@router.get("/purchasing/costs")
async def arrivals(
    visit: Annotated[Visit, allowed("buy")],
    sku: Some = "",
    after: Annotated[str, Query(max_length=500)] = "",
    done: Some = "",
) -> Response:
    """Arrivals of which nobody said what they cost; with a SKU all of that product."""
    return await _shown(visit, {}, sku.strip(), after, None, shown.new_key(visit), done)


async def _shown(
    visit: Visit, form: Item, sku: str, after: str, error: Item | None, key: str, done: str = ""
) -> Response:
    page = await costs.page(visit.office.owners, form, sku, after, error)
    toast = visit.office.pages.words.say("It is said; in a minute stock is worth it.") if done else ""
    page |= {"key": key, "after": after}
    return visit.page("costs.html", "purchasing", page, status=422 if error else 200, toast=toast)


@router.post("/purchasing/costs")
async def say_costs(
    request: Request, visit: Annotated[Visit, allowed("buy")], key: Annotated[str, Form(max_length=64)] = ""
) -> Response:
    """Each in the person's name and once, however often it is sent. What is refused stops the rest."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    w, key = visit.office.pages.words, key or shown.new_key(visit)
    sku, after = form.get("sku", "")[:64], form.get("after", "")[:500]
    try:
        said = costs.said(w, form)
    except ValueError as wrong:
        return await _shown(visit, form, sku, after, shown.nothing(w, str(wrong)), key)
    for body in said:
        once = str(uuid5(NAMESPACE_URL, f"cost:{key}:{':'.join(str(body[name]) for name in costs.KEYS)}"))
        done = await shown.do(visit, shown.Act("inventory", "/cost-changes", body), once, None)
        if isinstance(done, shown.Undone):
            return await _shown(visit, form, sku, after, done.notice, key if done.fate == "unknown" else done.key)
    for name in dict.fromkeys(body["sku"] for body in said):
        noted = NoteBought(what="costs", name=name, actor=visit.person.name)
        await visit.office.running.desk.ask(noted, id=uuid5(NAMESPACE_URL, f"bought:{name}:costs:{key}"))
    asked = urlencode({name: text for name, text in {"sku": sku, "done": "costs"}.items() if text})
    return RedirectResponse(f"/purchasing/costs?{asked}", 303)
