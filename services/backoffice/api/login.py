"""Who gets in, and how they leave."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

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
from services.backoffice.signon import LASTS_S, NotSignedOn, ProviderAway
from shared.contracts.backoffice import ChooseLanguage, KeepSession, OpenSession, RefuseLogin, SignedOn

if TYPE_CHECKING:
    from services.backoffice.oidc import SignOn

router = pages()
log = structlog.get_logger("comptoir.backoffice")
BACK = "/login/provider/back"
"""Where the identity provider sends people; it has to be told this address."""
BOUND = "comptoir-login"
"""The cookie between going to the provider and coming back."""


def attributes(request: Request) -> dict[str, Any]:
    """How every cookie is set and deleted: over HTTPS a browser ignores a deletion without Secure."""
    return {"httponly": True, "secure": request.url.scheme == "https", "samesite": "lax"}


def _login_page(
    request: Request, onward: str, name: str = "", error: str = "", status: int = 200, leave: str = ""
) -> Response:
    office = spoken(request)
    page = {"onward": onward, "name": name, "error": error, "leave": leave, "provider": ""}
    if office.signon:
        page["provider"] = office.signon.called or office.pages.words.say("the company's account")
        page["provider_path"] = f"/login/provider?{urlencode({'onward': onward})}"
    return HTMLResponse(office.pages.render("login.html", page=page, **BARE | choice(office, request)), status)


@router.get("/login")
async def login_page(
    request: Request, onward: Annotated[str, Query(max_length=500)] = "/", left: bool = False
) -> Response:
    """The identity provider, where there is one; a name and a password. `left`: somebody has just logged out."""
    signon, leave = spoken(request).signon, ""
    if left and signon:
        with suppress(ProviderAway):  # the page is there without it
            leave = await signon.leave()
    return _login_page(request, login.onward(onward), leave=leave)


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
    full = office.wrong_passwords.full(address, now)  # not even checked: that takes 64 MiB and time
    usable = account is not None and account["active"] and not locked
    good = not full and await login.right(account["password"] if usable and account else "", password)
    if not good or account is None:
        office.wrong_passwords.add(address, now)
        if account is not None and not locked:
            await office.note(RefuseLogin(name=account["name"]))
        log.warning("a login was refused", name=name[:64], address=address)
        said = w.say("The name or the password is wrong, or there were too many tries. Wait a moment and try again.")
        return _login_page(request, goes, name, said, 401)
    token = login.token()
    await office.note(OpenSession(name=account["name"], session=login.digest(token), csrf=login.token()))
    answer = _let_in(request, token, goes, known(account["roles"]))
    if account["language"]:
        keep_language(request, answer, account["language"])
    return answer


async def begin(request: Request, office: Office, name: str, answer: Response) -> None:
    """Another session of somebody whose open ones have just ended, in this browser."""
    token = login.token()
    await office.note(OpenSession(name=name, session=login.digest(token), csrf=login.token()))
    answer.set_cookie(cookie_name(request), token, path="/", **attributes(request))


def _let_in(request: Request, token: str, onward: str, roles: frozenset[str]) -> RedirectResponse:
    """On to where the person wanted to go, or begins, with the cookie of the session."""
    answer = RedirectResponse(Person("", "", roles).begins if onward == "/" else onward, 303)
    answer.set_cookie(cookie_name(request), token, path="/", **attributes(request))
    return answer


def _provider(request: Request) -> tuple[Office, "SignOn"]:
    office = spoken(request)
    if office.signon is None:
        raise HTTPException(404, "there is no identity provider")
    return office, office.signon


def _back(request: Request) -> str:
    """Where the provider sends the browser back to: these pages as this browser calls them."""
    return f"{str(request.base_url).rstrip('/')}{BACK}"


@router.get("/login/provider")
async def to_provider(request: Request, onward: Annotated[str, Query(max_length=500)] = "/") -> Response:
    """To the identity provider, with a cookie that binds the answer to this browser."""
    _, signon = _provider(request)
    try:
        address, bound = await signon.begin(request, _back(request), login.onward(onward))
    except ProviderAway as error:
        return _provider_away(request, login.onward(onward), error)
    answer = RedirectResponse(address, 303)
    answer.set_cookie(BOUND, bound, max_age=LASTS_S, path=BACK, **attributes(request))
    return answer


@router.get(BACK)
async def from_provider(request: Request) -> Response:
    """A new session for whom the provider names, with the roles that its groups give; without any nobody gets in."""
    office, signon = _provider(request)
    w = office.pages.words
    try:
        who, onward = await signon.end(request, request.cookies.get(BOUND, ""))
    except ProviderAway as error:
        return _provider_away(request, "/", error)
    except NotSignedOn as error:
        log.warning("a login at the provider was refused", reason=str(error))
        said = w.say("The login did not come to its end there, or took too long. Try again.")
        return _login_page(request, "/", error=said, status=401)
    if not who.roles:
        log.warning("a login was refused: no role", name=who.name)
        said = w.say("%(name)s has no role here. Ask somebody who looks after the accounts.", name=who.shown)
        return _login_page(request, "/", error=said, status=403)
    token = login.token()
    word = SignedOn(
        name=who.name,
        identity=who.subject,
        shown=who.shown,
        roles=who.roles,
        session=login.digest(token),
        csrf=login.token(),
    )
    reply = await office.running.desk.ask(word, id=office.running.new_id())
    if reply.status >= 400:
        log.warning("a login was refused", name=who.name, reason=str(reply.body.get("title", "")))
        said = w.say("The name %(name)s belongs to another account here, or it is gone.", name=who.name)
        return _login_page(request, "/", error=said, status=403)
    answer = _let_in(request, token, login.onward(onward), known(who.roles))
    answer.delete_cookie(BOUND, path=BACK, **attributes(request))
    return answer


def _provider_away(request: Request, onward: str, error: ProviderAway) -> Response:
    log.warning("the identity provider is away", reason=str(error))
    said = spoken(request).pages.words.say("The login service does not answer now. Try again in a moment.")
    return _login_page(request, onward, error=said, status=503)


def keep_language(request: Request, answer: Response, language: str) -> None:
    """For this browser, also where nobody is logged in; what a person chose before goes with the account."""
    answer.set_cookie(LANGUAGE, language, max_age=365 * 86400, path="/", **attributes(request))


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
    answer = RedirectResponse("/login?left=1" if office.signon else "/login", 303)
    answer.delete_cookie(cookie_name(request), path="/", **attributes(request))
    return answer
