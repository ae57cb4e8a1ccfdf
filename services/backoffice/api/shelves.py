"""Receipts, corrections and counts: first what it would do, then exactly that, under the person's name."""

from functools import partial
from typing import Annotated, Any

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice import queries
from services.backoffice.api import shown
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.pages import English
from services.backoffice.views import scanning, shelves
from services.backoffice.views.lines import Mistyped

router = pages()
Item = dict[str, Any]
Key = Annotated[str, Form(max_length=64)]
Quote = Annotated[str, Form(max_length=64)]
Some = Annotated[str, Query(max_length=64)]


@router.get("/receive")
async def receive(
    visit: Annotated[Visit, allowed("receive")], warehouse: Some = "", reference: Some = "", done: Some = ""
) -> Response:
    """What is expected; the form of one delivery."""
    return await _typing(visit, "receive", {"warehouse": warehouse, "reference": reference}, done=done)


@router.get("/adjust")
async def adjust(
    visit: Annotated[Visit, allowed("adjust")], warehouse: Some = "", sku: Some = "", done: Some = ""
) -> Response:
    """The form of a correction."""
    return await _typing(visit, "adjust", {"warehouse": warehouse, "sku": sku}, done=done)


@router.get("/count")
async def count(
    visit: Annotated[Visit, allowed("count")], warehouse: Some = "", sku: Some = "", done: Some = ""
) -> Response:
    """The form of a count, which does not say what the books say."""
    return await _typing(visit, "count", {"warehouse": warehouse, "sku": sku}, done=done)


async def _typing(
    visit: Visit, act: str, form: Item, error: Item | None = None, done: str = "", scan: Item | None = None
) -> Response:
    """`scan`: of the last one, whether it was right and what it did."""
    office, w = visit.office, visit.office.pages.words
    if act == "receive":
        page = await shelves.receive_page(office.owners, form, error)
    elif act == "count":
        page = await shelves.count_page(office.owners, form, error)
    else:
        page = {"warehouses": await shelves.warehouses(office.owners), "form": form, "error": error}
    said = {
        "receive": w.say("The delivery is booked."),
        "adjust": w.say("The stock is corrected."),
        "count": w.say("The count is booked."),
    }
    page["said"] = scan
    return visit.page(f"{act}.html", act, page, status=422 if error else 200, toast=said.get(done, ""))


@router.post("/receive")
async def do_receive(
    request: Request, visit: Annotated[Visit, allowed("receive")], key: Key = "", quote: Quote = ""
) -> Response:
    """Without a quote: what it would do. With it: exactly that, or 409 with the new effect."""
    return await _work(request, visit, "receive", key, quote)


@router.post("/receive/scan")
async def scan_received(
    request: Request, visit: Annotated[Visit, allowed("receive")], code: Annotated[str, Form(max_length=200)] = ""
) -> Response:
    """One piece was scanned that no line of the page has, or without script: counted in the form, nothing is booked."""
    if not code.strip():
        return await _work(request, visit, "receive", "", "")  # an Enter in another field
    form, product = await _scanned(request, visit, code)
    if product is None:
        return await _typing(visit, "receive", form, scan=_no_product(visit, code))
    try:
        n = shelves.one_more(form, product)
    except LookupError:
        text = visit.office.pages.words.say("No line is left on this page: book it first. Nothing was counted.")
        return await _typing(visit, "receive", form, scan={"good": False, "text": text})
    return await _typing(visit, "receive", form, scan=_counted(visit, product, n))


@router.post("/count/scan")
async def scan_counted(
    request: Request, visit: Annotated[Visit, allowed("count")], code: Annotated[str, Form(max_length=200)] = ""
) -> Response:
    """One piece was scanned: the first says which product is counted, the others count; nothing is booked."""
    if not code.strip():
        return await _work(request, visit, "count", "", "")
    form, product = await _scanned(request, visit, code)
    if product is None:
        return await _typing(visit, "count", form, scan=_no_product(visit, code))
    known = scanning.same(str(form.get("sku", "")))
    if known and known not in scanning.codes(product):
        w = visit.office.pages.words
        text = w.say("%(sku)s is another product. Nothing was counted.", sku=product["sku"])
        return await _typing(visit, "count", form, scan={"good": False, "text": text})
    n = shelves.pieces_in(form.get("counted")) + 1 if known else 1
    form |= {"sku": product["sku"], "counted": str(n)}
    return await _typing(visit, "count", form, scan=_counted(visit, product, n))


async def _scanned(request: Request, visit: Visit, code: str) -> tuple[Item, Item | None]:
    """What the form holds so far, and the product that was scanned."""
    form: Item = {name: str(value) for name, value in (await request.form()).items()}
    return form, await scanning.product_of(visit.office.owners, code.strip())


def _no_product(visit: Visit, code: str) -> Item:
    text = visit.office.pages.words.say("%(code)s is no product that is known. Nothing was counted.", code=code.strip())
    return {"good": False, "text": text}


def _counted(visit: Visit, product: Item, n: int) -> Item:
    text = visit.office.pages.words.say("Right: %(sku)s, %(n)s counted.", sku=product["sku"], n=n)
    return {"good": True, "text": text}


@router.post("/adjust")
async def do_adjust(
    request: Request, visit: Annotated[Visit, allowed("adjust")], key: Key = "", quote: Quote = ""
) -> Response:
    """Without a quote: what it would do. With it: exactly that, or 409 with the new effect."""
    return await _work(request, visit, "adjust", key, quote)


@router.post("/count")
async def do_count(
    request: Request, visit: Annotated[Visit, allowed("count")], key: Key = "", quote: Quote = ""
) -> Response:
    """Without a quote: how count and books differ. With it: booked, or 409 with the new effect."""
    return await _work(request, visit, "count", key, quote)


async def _work(request: Request, visit: Visit, act: str, key: str, quote: str) -> Response:
    office = visit.office
    form = {name: str(value) for name, value in (await request.form()).items()}
    key = key or shown.new_key(visit)
    for name, typed in list(form.items()):
        if (name == "sku" or name.startswith("sku-")) and not quote:
            form[name] = await scanning.sku_of(office.owners, typed.strip())
    typing = partial(_typing, visit, act, form)
    try:
        work = _typed(office.pages.words, act, form, key)
    except Mistyped as wrong:
        return await typing(shown.nothing(office.pages.words, str(wrong)))

    async def asking(told: Item | None, error: Item | None, key: str) -> Item:
        said: list[Item] = []
        if told is not None:
            async with office.reading() as conn:
                numbers = await queries.numbers_of(conn, shelves.named(told))
            said = shelves.effects(office.pages, told, numbers, visit.person.may("orders"))
        return shelves.question(office.pages, act, work, told, form, key, said, error)

    also = {"over": bool(form.get("over"))} if act == "receive" else {}
    asked = shown.Act("inventory", f"/{shelves.PATHS[act]}", work, also, "book.html", act)
    done = await shown.shown_or_done(visit, asked, key, quote, asking, typing)
    if isinstance(done, Response):
        return done
    return RedirectResponse(f"/{act}?warehouse={work['warehouse']}&done={act}", 303)


def _typed(w: English, act: str, form: Item, key: str) -> Item:
    if act == "receive":
        return shelves.receipt(w, form)
    return shelves.adjustment(w, form, key) if act == "adjust" else shelves.count(w, form, key)
