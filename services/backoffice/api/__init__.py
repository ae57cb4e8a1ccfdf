"""The pages over HTTP: who asks, what may they see, which view, which template. Every page works without script."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from services.backoffice.api import (
    audit,
    bins,
    bulk,
    changes,
    costs,
    customers,
    editing,
    entering,
    files,
    importing,
    live,
    login,
    mails,
    match,
    money,
    order,
    orders,
    parked,
    payouts,
    products,
    purchases,
    refunds,
    reorder,
    reports,
    resume,
    returns,
    saved,
    shelves,
    shipments,
    staff,
    status,
    stock,
    today,
    transfers,
    warehouse,
    webhooks,
    wishes,
    withdrawal,
    writeoffs,
)
from services.backoffice.api.frame import BARE, SAFE, LoginNeeded, Office, Refused, Visit, spoken
from services.backoffice.api.guard import CUSTOMERS, Guard, headers_of
from services.backoffice.owners import Away, Said
from services.backoffice.rights import LOCAL
from services.backoffice.words import N_
from shared.http import NotFound

AREAS = (
    login, today, orders, bulk, saved, importing, entering, order, status, withdrawal, mails, changes, editing, refunds,
    writeoffs, resume, wishes, stock, products, shelves, bins, reorder, costs, purchases, transfers, warehouse,
    shipments, returns, match, payouts, money, customers, reports, staff, webhooks, audit, parked, live, files,
)  # fmt: skip
ROUTERS = tuple(area.router for area in AREAS)
"""The pages of each area."""
NO_SUCH = (N_("There is no such thing"), N_("Perhaps it was never there, or the address is wrong."))


def extend(app: FastAPI, office: Office) -> None:
    """Gives the service's application its office, its guard, and pages for what goes wrong."""
    app.state.office = office
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(Guard, office=office)

    def told(request: Request, status: int, title: str, text: str, **values: str) -> Response:
        pages = spoken(request).pages
        page = {
            "title": pages.words.say(title),
            "text": pages.words.say(text, **values) if values else pages.words.heard(pages.words.say(text)),
        }
        return HTMLResponse(pages.render("error.html", page=page, **BARE), status)

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        try:
            person = await office.person(request)
        except LoginNeeded:
            person = LOCAL
        there = office.heard(request, person)
        w = there.pages.words
        page = {"title": w.say("Not for your role"), "text": w.say("Ask somebody who looks after the accounts.")}
        return Visit(request, there, person).page("error.html", "", page, status=403)

    @app.exception_handler(LoginNeeded)
    async def login_needed(request: Request, error: LoginNeeded) -> Response:
        where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        address = f"/login?{urlencode({'onward': where if request.method in SAFE else '/'})}"
        if "HX-Request" in request.headers or "text/html" not in request.headers.get("accept", "text/html"):
            return Response(status_code=401, headers={"HX-Redirect": address})
        return RedirectResponse(address, 303)

    @app.exception_handler(Away)
    async def away(request: Request, error: Away) -> Response:
        text = N_("The service %(name)s does not answer now. Try again in a moment.")
        return told(request, 503, N_("Not now"), text, name=error.owner)

    @app.exception_handler(Said)
    async def said(request: Request, error: Said) -> Response:
        if error.status == 404:
            return told(request, 404, *NO_SUCH)
        return told(request, error.status, N_("Refused"), error.title)

    for kind in (NotFound, DBAPIError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _as_page(app.exception_handlers[kind], office, told))


def _too_long(error: RequestValidationError) -> dict[str, str]:
    """The first field of a form that has more characters than can be kept; empty when there is none."""
    for fault in error.errors():
        if fault["type"] == "string_too_long" and fault["loc"][0] == "body":
            return {"field": str(fault["loc"][-1]), "most": str(fault["ctx"]["max_length"])}
    return {}


def _as_page(plain: Any, office: Office, told: Callable[..., Response]) -> Any:
    """The same refusal, as a page where a browser asks for one; customers get theirs."""

    async def handle(request: Request, error: Exception) -> Response:
        answer: Response = await plain(request, error)
        seal = headers_of(request.url.path)
        if request.url.path.startswith(CUSTOMERS):
            answer = status.told(office, 503 if answer.status_code >= 500 else 404)
        answer.headers.update(seal)  # what nobody expected is answered outside of the guard
        if request.url.path.startswith(CUSTOMERS):
            return answer
        if "text/html" not in request.headers.get("accept", ""):
            return answer
        if answer.status_code == 404:
            return told(request, 404, *NO_SUCH)
        if answer.status_code == 503:
            return told(request, 503, N_("Not now"), N_("The database does not answer. Try again in a moment."))
        title, text, values = N_("This did not work"), N_("Go back and try again."), {}
        if isinstance(error, RequestValidationError) and (long := _too_long(error)):
            text, values = N_("%(field)s: at most %(most)s characters. Nothing was done; go back and shorten it."), long
        page = told(request, answer.status_code, title, text, **values)
        page.headers.update(seal)
        return page

    return handle
