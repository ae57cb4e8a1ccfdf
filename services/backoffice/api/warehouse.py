"""Pick, pack, hand over."""

from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice import queries
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.owners import Away, Said
from services.backoffice.views import scanning
from services.backoffice.views import warehouse as warehouse_view
from services.backoffice.views.cells import shown_of
from services.backoffice.views.lines import Mistyped
from services.backoffice.words import N_

router = pages()
Item = dict[str, Any]
HOW_MANY = N_("Say for each product how many were found, at most what is wanted.")
NO_WEIGHT = N_("Say what the parcel weighs, as 1.2 kg or 850 g.")
ODD_WEIGHT = N_("%(weight)s is unusual for a parcel. Look at the number and its unit; if it is right, press again.")
Done = Annotated[UUID | None, Query()]


async def _toast(visit: Visit, act: str, id: UUID | None) -> str:
    """What is said of the parcel that was picked, packed or handed over on the page before."""
    if id is None:
        return ""
    try:
        return await warehouse_view.done(visit.office.owners, visit.office.pages.words, act, id)
    except (Away, Said):
        return ""


@router.get("/pick")
async def pick_list(
    visit: Annotated[Visit, allowed("pick")],
    warehouse: Annotated[str, Query(max_length=64)] = "",
    picked: Done = None,
) -> Response:
    """What to fetch, most urgent first, and all of it together. `picked`: what was done on the page before."""
    page = await warehouse_view.to_pick(visit.office.owners, warehouse)
    return visit.page("pick.html", "pick", page, toast=await _toast(visit, "pick", picked))


@router.get("/pick/paper")
async def paper(
    visit: Annotated[Visit, allowed("pick")],
    warehouse: Annotated[str, Query(max_length=64)] = "",
    id: Annotated[tuple[UUID, ...], Query(max_length=200)] = (),
) -> Response:
    """The chosen parcels as a list by bin, to be printed and carried along."""
    owners = visit.office.owners
    chosen = warehouse or next(iter(await warehouse_view.places(owners)), "")
    page = await warehouse_view.on_paper(owners, chosen, list(id)) if chosen else None
    return visit.page("pick_paper.html", "pick", {"list": page, "at": visit.now, "warehouse": chosen})


@router.get("/pick/{id}")
async def picking(visit: Annotated[Visit, allowed("pick")], id: UUID) -> Response:
    """One parcel to pick: each product with its pieces."""
    return await _picking(visit, id)


async def _picking(
    visit: Visit, id: UUID, status: int = 200, error: str = "", form: Item | None = None, said: Item | None = None
) -> Response:
    """`form`: what was typed so far; `said`: of the last scan, whether it was right and what it did."""
    found, form = await warehouse_view.one(visit.office.owners, id), form or {}
    lines = warehouse_view.as_typed(found["lines"], form)
    asked = form and not said and (any(line["why"] for line in lines) or not any(line["wrong"] for line in lines))
    missing = sum(line["quantity"] - line["counted"] for line in lines) if asked else 0
    key = str(form.get("key") or visit.office.running.new_id())
    page = {**found, "lines": lines, "error": error, "key": key, "said": said, "missing": missing}
    page["whys"] = warehouse_view.WHYS
    return visit.page("pick_one.html", "pick", page, status=status)


@router.post("/pick/{id}/scan")
async def scanned(
    request: Request,
    visit: Annotated[Visit, allowed("pick")],
    id: UUID,
    key: Annotated[str, Form(min_length=8, max_length=64)],
    code: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """One piece was scanned, in a browser without script: counted in the form, nothing is booked yet."""
    if not code.strip():
        return await picked(request, visit, id, key)  # an Enter in another field
    w, form = visit.office.pages.words, dict(await request.form())
    shipment = await warehouse_view.one(visit.office.owners, id)
    try:
        lines = warehouse_view.counted(shipment["lines"], form)
    except ValueError:
        return await _picking(visit, id, 422, w.say(HOW_MANY), form)
    line = scanning.line_of(lines, code)
    if line is None:
        text = w.say("%(code)s is not in this parcel. Nothing was counted.", code=code.strip())
        return await _picking(visit, id, 200, "", form, {"good": False, "text": text})
    if line["counted"] >= line["quantity"]:
        text = w.say("All of %(sku)s are counted already. Nothing was counted.", sku=line["sku"])
        return await _picking(visit, id, 200, "", form, {"good": False, "text": text})
    form[f"found-{line['line_no']}"] = str(line["counted"] + 1)
    done, all_ = line["counted"] + 1, line["quantity"]
    text = w.say("Right: %(sku)s, %(n)s of %(all)s.", sku=line["sku"], n=done, all=all_)
    return await _picking(visit, id, 200, "", form, {"good": True, "text": text})


@router.post("/pick/{id}")
async def picked(
    request: Request,
    visit: Annotated[Visit, allowed("pick")],
    id: UUID,
    key: Annotated[str, Form(min_length=8, max_length=64)],
) -> Response:
    """Picked. What was not found is asked about once more: the rest of the order is looked for elsewhere then."""
    w, form = visit.office.pages.words, dict(await request.form())
    shipment = await warehouse_view.one(visit.office.owners, id)
    try:
        found = {line["line_no"]: int(str(form[f"found-{line['line_no']}"])) for line in shipment["lines"]}
        short = warehouse_view.missing(w, shipment["lines"], found, form)
    except Mistyped as wrong:
        return await _picking(visit, id, 422, str(wrong), form)
    except warehouse_view.NoteMissing:
        return await _picking(visit, id, 422, w.say("Say in the note what is wrong with it."), form)
    except (KeyError, ValueError):
        return await _picking(visit, id, 422, w.say(HOW_MANY), form)
    if short and form.get("short") != "yes":
        return await _picking(visit, id, 200, "", form)
    try:
        who = visit.person.name
        await visit.office.owners.post("fulfilment", f"/shipments/{id}/pick", {"short": short}, actor=who, key=key)
    except Said as refused:
        return await _picking(visit, id, refused.status, refused.title, {**form, "key": ""})
    return RedirectResponse(f"/pick?{urlencode({'warehouse': shipment['warehouse'], 'picked': id})}", 303)


@router.get("/pack")
async def packing(visit: Annotated[Visit, allowed("pack")], packed: Done = None, dispatched: Done = None) -> Response:
    """What waits for its parcel and for the carrier. `packed`, `dispatched`: what was done on the page before."""
    toast = await _toast(visit, "pack" if packed else "dispatch", packed or dispatched)
    return await _packing(visit, toast=toast)


async def _packing(visit: Visit, status: int = 200, error: str = "", toast: str = "") -> Response:
    found = await warehouse_view.to_pack(visit.office.owners)
    async with visit.office.reading() as conn:
        waiting = await queries.at_work(conn)
    lists = (("pack", "picked"), ("out", "packed"))
    counts = {
        name: shown_of(visit.office.pages.words, len(found[name]), waiting.get(state, 0)) for name, state in lists
    }
    page = {**found, "error": error, "key": str(visit.office.running.new_id()), "weigh": visit.office.weigh}
    page["counts"] = counts
    return visit.page("pack.html", "pack", page, status=status, toast=toast)


@router.post("/pack/scan")
async def parcel_scanned(
    visit: Annotated[Visit, allowed("pack")], code: Annotated[str, Form(max_length=200)] = ""
) -> Response:
    """Opens the parcel whose code, or whose order's number, was scanned; an unknown code opens nothing and says so."""
    w, typed = visit.office.pages.words, code.strip()
    id = scanning.parcel_of(typed)
    if id is None and typed:
        async with visit.office.reading() as conn:
            order_id = await queries.order_id_of(conn, typed)
        if order_id is not None:
            id = await warehouse_view.open_parcel(visit.office.owners, order_id)
    try:
        found = None if id is None else await warehouse_view.one(visit.office.owners, id)
    except Said:
        found = None
    if found is None or found["state"] not in ("picked", "packed"):
        text = w.say("%(code)s is no parcel that waits here. Nothing was done.", code=typed or "–")
        return await _packing(visit, 404, text)
    return RedirectResponse(f"/pack/{id}", 303)


@router.get("/pack/{id}")
async def parcel(visit: Annotated[Visit, allowed("pack")], id: UUID) -> Response:
    """One parcel: what must be in it, checked by scanning if wanted; the parcel's own code packs or hands it over."""
    return await _parcel(visit, id)


async def _parcel(visit: Visit, id: UUID, status: int = 200, error: str = "", typed: Item | None = None) -> Response:
    """`error`: what is wrong with the weight; `typed`: the weight, its unit, and grams that were asked about."""
    found = await warehouse_view.one(visit.office.owners, id)
    short = {line["line_no"]: line["quantity"] for line in found["short"]}
    lines = [{**line, "quantity": line["quantity"] - short.get(line["line_no"], 0)} for line in found["lines"]]
    page = {
        **found,
        "lines": [line for line in lines if line["quantity"]],
        "key": str(visit.office.running.new_id()),
        "act": "pack" if found["state"] == "picked" else "dispatch",
        "weigh": visit.office.weigh and found["state"] == "picked",
        "units": tuple(warehouse_view.UNITS),
        "error": error,
        "typed": {"weight": "", "unit": "kg", "sure": "", **(typed or {})},
    }
    return visit.page("pack_one.html", "pack", page, status=status)


@router.post("/pack/{id}/{act}")
async def packed(
    visit: Annotated[Visit, allowed("pack")],
    id: UUID,
    act: Literal["pack", "dispatch"],
    key: Annotated[str, Form(min_length=8, max_length=64)],
    weight: Annotated[str, Form(max_length=40)] = "",
    unit: Annotated[Literal["kg", "g"], Form()] = "kg",
    sure: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Packed, which asks for the label of its weight; or handed over, the point of no return.

    A weight that is unusual is packed with only when the same one is sent again.
    """
    w, body = visit.office.pages.words, {}
    if act == "pack" and visit.office.weigh:
        typed = {"weight": weight, "unit": unit}
        try:
            body = {"weight_g": warehouse_view.grams(weight, unit)}
        except ValueError:
            return await _parcel(visit, id, 422, w.say(NO_WEIGHT), typed)
        grams = body["weight_g"]
        if grams not in warehouse_view.USUAL_G and sure != str(grams):
            odd = w.say(ODD_WEIGHT, weight=warehouse_view.weight(w, grams))
            return await _parcel(visit, id, 422, odd, {**typed, "sure": str(grams)})
    try:
        await visit.office.owners.post("fulfilment", f"/shipments/{id}/{act}", body, actor=visit.person.name, key=key)
    except Said as refused:
        return await _packing(visit, refused.status, refused.title)
    return RedirectResponse(f"/pack?{'packed' if act == 'pack' else 'dispatched'}={id}", 303)
