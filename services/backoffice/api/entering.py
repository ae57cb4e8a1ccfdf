"""An order that a clerk enters: typed, shown with its sums, then placed, once however often it is pressed.

The order has its id before it is placed, so that a second press finds the first; it is placed for the sum that was
shown, or not at all.
"""

import re
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api import shown
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.owners import Away, Said
from services.backoffice.views import entering, lines

router = pages()
Item = dict[str, Any]
MOST_CARRIED = 200_000
NUMBER = re.compile(r"C-\d{1,12}")


@router.get("/orders/new")
async def new_order(visit: Annotated[Visit, allowed("enter")], placed: str = "") -> Response:
    """An empty form; after one was placed, its number."""
    return await _typing(visit, {}, placed=placed if NUMBER.fullmatch(placed) else "")


async def _typing(visit: Visit, form: Item, error: Item | None = None, placed: str = "") -> Response:
    office = visit.office

    def sought(name: str) -> str:
        return str(form.get(name, "")).replace("\x00", "").strip()[:200]

    people = await entering.customers(office.owners, sought("who"))
    currency = sought("currency").upper() or "EUR"
    words = office.pages.words.within(currency if len(currency) == 3 and currency.isalpha() else "")
    offers = await lines.offers(office.owners, words, sought("q"))
    page = entering.page(office.pages, form, people, offers, error, placed)
    return visit.page("enter.html", "orders", page, status=422 if error else 200)


@router.post("/orders/new")
async def enter(
    request: Request,
    visit: Annotated[Visit, allowed("enter")],
    step: Annotated[str, Form(max_length=80)] = "",
    key: Annotated[str, Form(max_length=64)] = "",
    order: Annotated[str, Form(max_length=MOST_CARRIED)] = "",
) -> Response:
    """Somebody or something is looked for or chosen; without an order it is shown, with one it is placed."""
    office, w = visit.office, visit.office.pages.words
    form: Item = {name: str(value) for name, value in (await request.form()).items()}
    if order:
        try:
            wanted, new = entering.carried(order)
        except (ValueError, AttributeError):
            raise HTTPException(422, "this is no order of the page") from None
        if step == "back":
            return await _typing(visit, entering.again(wanted, new))
        return await _place(visit, wanted, new, key)
    try:
        if step.startswith("take:"):
            return await _typing(visit, lines.taken(form, step.removeprefix("take:")))
        if step.startswith("who:"):
            return await _typing(visit, await entering.chosen(office.owners, form, step.removeprefix("who:")))
        if step == "nobody":
            return await _typing(visit, {**form, "customer_id": "", "who": ""})
        if step == "find" and (form.get("q", "").strip() or form.get("who", "").strip()):
            return await _typing(visit, form)
        wanted = entering.typed(office.pages, form, shown.new_key(visit))
    except lines.Mistyped as error:
        return await _typing(visit, form, shown.nothing(w, str(error)))
    if new := bool(form.get("keep")) and not wanted["customer_id"]:
        wanted["customer_id"] = f"P-{office.running.new_id().hex[-8:].upper()}"
    return await _asking(visit, wanted, new, form)


async def _asking(visit: Visit, wanted: Item, new: bool, form: Item, error: Item | None = None) -> Response:
    """What it would be; back on the form when it cannot be."""
    office, w = visit.office, visit.office.pages.words
    plain = {name: value for name, value in wanted.items() if name != "expected_gross"}
    asked = {"orders": [plain]}
    outcome = (await office.owners.post("order", "/orders/batch/preview", asked, actor=visit.person.name))["outcomes"][
        0
    ]
    if outcome["status"] >= 400:
        return await _typing(visit, form, shown.nothing(w, entering.faults(w, outcome["body"])))
    if outcome["body"]["repeated"]:  # the other press was faster
        return RedirectResponse(f"/orders/new?placed={quote(outcome['body']['number'])}", 303)
    page = entering.question(office.pages, plain, new, outcome["body"], shown.new_key(visit), error)
    return visit.page("enter_ask.html", "orders", page, status=409 if error else 200)


async def _place(visit: Visit, wanted: Item, new: bool, key: str) -> Response:
    office, w = visit.office, visit.office.pages.words
    owners, who = office.owners, visit.person.name
    if not 8 <= len(key) <= 64:
        raise HTTPException(422, "this is no order of the page")
    try:
        if new:
            path = f"/customers/{quote(str(wanted['customer_id']), safe='')}"
            await owners.put("order", path, entering.customer(wanted), actor=who)
        placed = dict(await owners.post("order", "/orders", wanted, actor=who, key=key))
    except Away:
        title = w.say("It is not known yet whether it was done.")
        notice = {"kind": "wait", "title": title, "text": w.say(shown.SILENT["order"])}
        page = entering.question(office.pages, wanted, new, None, key, notice)
        return visit.page("enter_ask.html", "orders", page, status=503)
    except Said as refused:
        # under another key, as the refusal is the answer to this one; the order keeps its id, so that it is placed once
        return await _asking(visit, wanted, new, entering.again(wanted, new), shown.nothing(w, refused.title))
    await office.look(placed["id"])
    return RedirectResponse(f"/orders/new?placed={quote(placed['number'])}", 303)
