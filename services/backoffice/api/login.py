"""Who gets in, and how they leave."""

from typing import Annotated

import structlog
from fastapi import Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from services.backoffice import login, queries
from services.backoffice.api.frame import (
    BARE,
    LANGUAGE,
    LoginNeeded,
    Office,
    Refused,
    choice,
    cookie_name,
    pages,
    spoken,
)
from services.backoffice.rights import Person, known
from shared.contracts.backoffice import ChooseLanguage, KeepSession, OpenSession, RefuseLogin

router = pages()
log = structlog.get_logger("comptoir.backoffice")


def _login_page(request: Request, onward: str, name: str = "", error: str = "", status: int = 200) -> Response:
    office = spoken(request)
    page = {"onward": onward, "name": name, "error": error}
    return HTMLResponse(office.pages.render("login.html", page=page, **BARE | choice(office, request)), status)


@router.get("/login")
async def login_page(request: Request, onward: Annotated[str, Query(max_length=500)] = "/") -> Response:
    """A name and a password."""
    return _login_page(request, login.onward(onward))


@router.post("/login")
async def log_in(
    request: Request,
    name: Annotated[str, Form(max_length=64, pattern=r"^[^\x00]*$")],
    password: Annotated[str, Form(max_length=login.LONGEST)],
    onward: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """A new session. Wrong, unknown and locked get the same answer; many tries wait ever longer."""
    office = spoken(request)
    now, w, goes = office.running.now(), office.pages.words, login.onward(onward)
    address = request.client.host if request.client else ""
    async with office.reading() as conn:
        account = await queries.account(conn, name.strip())
    locked = bool(account and account["locked_until"] and account["locked_until"] > now)
    usable = account is not None and account["active"] and not locked and not office.wrong_passwords.full(address, now)
    good = await login.right(account["password"] if usable and account else "", password)
    if not good or account is None:
        office.wrong_passwords.add(address, now)
        if account is not None and not locked:
            await office.note(RefuseLogin(name=account["name"]))
        log.warning("a login was refused", name=name[:64], address=address)
        said = w.say("The name or the password is wrong, or there were too many tries. Wait a moment and try again.")
        return _login_page(request, goes, name, said, 401)
    if goes == "/":
        goes = Person(account["name"], "", known(account["roles"])).begins
    token = login.token()
    await office.note(OpenSession(name=account["name"], session=login.digest(token), csrf=login.token()))
    answer = RedirectResponse(goes, 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(cookie_name(request), token, path="/", httponly=True, secure=secure, samesite="lax")
    if account["language"]:
        keep_language(request, answer, account["language"])
    return answer


def keep_language(request: Request, answer: Response, language: str) -> None:
    """For this browser, also where nobody is logged in; what a person chose before goes with the account."""
    secure = request.url.scheme == "https"
    answer.set_cookie(LANGUAGE, language, max_age=365 * 86400, path="/", httponly=True, secure=secure, samesite="lax")


@router.post("/language")
async def choose_language(
    request: Request,
    language: Annotated[str, Form(max_length=10)],
    csrf: Annotated[str, Form(max_length=100)] = "",
    onward: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """Another language from here on; with a person's account when there is one."""
    office: Office = request.app.state.office
    if language not in office.languages:
        raise HTTPException(422, "there are no pages in this language")
    try:
        person = await office.person(request)
    except LoginNeeded:
        person = None
    if person is not None and person.session:
        if not login.same(csrf, person.csrf):
            raise Refused("the form is not of this session")
        await office.note(ChooseLanguage(name=person.name, language=language))
    answer = RedirectResponse(login.onward(onward), 303)
    keep_language(request, answer, language)
    return answer


@router.post("/logout")
async def log_out(request: Request, csrf: Annotated[str, Form(max_length=100)] = "") -> Response:
    """The session ends, here and in the table."""
    office: Office = request.app.state.office
    person = await office.person(request)
    if person.session:
        if not login.same(csrf, person.csrf):
            raise Refused("the form is not of this session")
        await office.note(KeepSession(session=person.session, ends=True))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(cookie_name(request), path="/", httponly=True, samesite="lax")
    return answer
