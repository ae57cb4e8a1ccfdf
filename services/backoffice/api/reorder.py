"""What to order: a list of what is below, drafts of it by one act, and the rules of a product."""

from typing import Annotated, Any
from urllib.parse import quote as quoted
from uuid import NAMESPACE_URL, uuid5

from fastapi import Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api import shown
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.owners import Said
from services.backoffice.views import reorder
from shared.contracts.backoffice import NoteBought

router = pages()
Item = dict[str, Any]
Some = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]
Sku = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]


@router.get("/purchasing/what-to-order")
async def what_to_order(
    visit: Annotated[Visit, allowed("buy")],
    supplier: Some = "",
    all: Some = "",
    sku: Some = "",
    after: Annotated[str, Query(max_length=500)] = "",
    done: Some = "",
) -> Response:
    """What is at its reorder point or below, with the quantity that brings it up. With a SKU: its rules."""
    if sku.strip():
        return RedirectResponse(reorder.address(sku.strip()), 303)
    return await _advice(visit, {}, supplier, bool(all), after, None, shown.new_key(visit), done)


async def _advice(
    visit: Visit, form: Item, supplier: str, all: bool, after: str, error: Item | None, key: str, done: str = ""
) -> Response:
    page = await reorder.advice(visit.office.owners, form, supplier, all, after, error)
    said = reorder.DONE.get(done, "")
    toast = visit.office.pages.words.say(said) if said else ""
    page |= {"key": key, "after": after}
    return visit.page("what_to_order.html", "purchasing", page, status=422 if error else 200, toast=toast)


@router.post("/purchasing/what-to-order")
async def order(
    request: Request, visit: Annotated[Visit, allowed("buy")], key: Annotated[str, Form(max_length=64)] = ""
) -> Response:
    """One draft per supplier and warehouse of what was chosen. Who ordered the same meanwhile was first."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    w, key = visit.office.pages.words, key or shown.new_key(visit)
    supplier, all, after = form.get("supplier", "")[:64], bool(form.get("all")), form.get("after", "")[:500]
    try:
        body = reorder.chosen(w, form)
    except ValueError as wrong:
        return await _advice(visit, form, supplier, all, after, shown.nothing(w, str(wrong)), key)
    done = await shown.do(visit, shown.Act("inventory", "/reorder-advice/drafts", body), key, None)
    if isinstance(done, shown.Undone):
        if done.fate == "unknown":
            return await _advice(visit, form, supplier, all, after, done.notice, key)
        return await _advice(visit, {}, supplier, all, after, done.notice, done.key)
    for made in done["orders"]:
        await _note(visit, "create", made["number"], key)
    return RedirectResponse("/purchasing?view=drafts&done=drafts", 303)


@router.get("/purchasing/reorder/{sku:path}")
async def rules(visit: Annotated[Visit, allowed("buy")], sku: Sku, done: Some = "") -> Response:
    """The rule of one product in each warehouse."""
    return await _rules(visit, sku, {}, None, done)


async def _rules(visit: Visit, sku: str, form: Item, error: Item | None, done: str = "") -> Response:
    page = await reorder.rules(visit.office.owners, sku, form, error)
    said = reorder.DONE.get(done, "")
    toast = visit.office.pages.words.say(said) if said else ""
    return visit.page("reorder.html", "purchasing", page, status=422 if error else 200, toast=toast)


@router.post("/purchasing/reorder/{sku:path}")
async def set_rules(request: Request, visit: Annotated[Visit, allowed("buy")], sku: Sku) -> Response:
    """Set in the person's name; an empty level takes the rule away."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    owners, w = visit.office.owners, visit.office.pages.words
    try:
        known = await owners.get("inventory", f"/reorder-rules/{quoted(sku, safe='')}")
        body = reorder.rules_typed(w, form, known)
        await owners.put("inventory", "/reorder-rules", body, actor=visit.person.name)
    except ValueError as wrong:
        return await _rules(visit, sku, form, shown.nothing(w, str(wrong)))
    except Said as refused:
        if refused.status == 404:
            raise
        return await _rules(visit, sku, form, shown.nothing(w, refused.title))
    await _note(visit, "rules", sku, shown.new_key(visit))
    return RedirectResponse(f"{reorder.address(sku)}?done=rules", 303)


async def _note(visit: Visit, what: str, name: str, key: str) -> None:
    """For the audit, once per act."""
    noted = NoteBought(what=what, name=name, actor=visit.person.name)
    await visit.office.running.desk.ask(noted, id=uuid5(NAMESPACE_URL, f"bought:{name}:{what}:{key}"))
