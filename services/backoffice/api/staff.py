"""Who may log in: the accounts of all, for those who look after them, and everybody's own password.

What is done is what `comptoir staff` does, by the same decision, and stands in the audit as that does.
"""

import asyncio
from typing import Annotated, Any, Literal

import structlog
from fastapi import Form, Path, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice import login, queries
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.api.login import begin
from services.backoffice.views import staff as view
from services.backoffice.words import N_
from shared.contracts.backoffice import RefuseLogin, SetAccount
from shared.http import NotFound

router = pages()
log = structlog.get_logger("comptoir.backoffice")
Item = dict[str, Any]
Name = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]
Typed = Annotated[str, Form(max_length=200, pattern=r"^[^\x00]*$")]
Secret = Annotated[str, Form(max_length=1000)]
Roles = Annotated[tuple[str, ...], Form(max_length=20)]
Seeing = Annotated[Visit, allowed("staff")]
DONE = {
    "added": N_("The account is there. Tell the first password in person; it is changed under Password."),
    "roles": N_("The account was changed. Open sessions ended."),
    "password": N_("The password is a new one. Open sessions ended."),
    "remove": N_("Nobody gets in with it any more. Open sessions ended."),
    "restore": N_("It gets in again, with the password and the roles it had."),
}


@router.get("/staff")
async def staff(visit: Seeing) -> Response:
    """All accounts, and the form for another one."""
    return await _all(visit)


async def _all(
    visit: Visit, typed: Item | None = None, errors: view.Errors | None = None, status: int = 200
) -> Response:
    office = visit.office
    async with office.reading() as conn:
        people = await queries.staff(conn)
    typed = {"name": "", "shown": "", "roles": (), **(typed or {})}
    page = {
        "table": view.listed(office.pages, people),
        "people": len(people),
        "typed": typed,
        "roles": view.choices(office.pages, typed["roles"]),
        "errors": errors or {},
    }
    return visit.page("staff.html", "staff", page, status=status)


@router.post("/staff")
async def add(
    visit: Seeing,
    name: Typed = "",
    shown: Typed = "",
    role: Roles = (),
    password: Secret = "",
    again: Secret = "",
) -> Response:
    """Another account, with its first password."""
    w, name, shown = visit.office.pages.words, name.strip(), " ".join(shown.split())
    errors = view.wrong_login(w, name) | view.wrong_roles(w, role) | view.wrong_password(w, password, again)
    typed = {"name": name, "shown": shown, "roles": role}
    if errors:
        return await _all(visit, typed, errors, 422)
    kept = await asyncio.to_thread(login.hashed, password)
    error, status = await _set(visit, name, shown=shown, roles=tuple(sorted(set(role))), password=kept, new=True)
    if error:
        return await _all(visit, typed, error, status)
    return RedirectResponse(f"{view.where(name)}?done=added", 303)


@router.get("/staff/{name}")
async def account(visit: Seeing, name: Name, done: str = "") -> Response:
    """One account: its roles, a new password, access taken away and given back."""
    return await _one(visit, name, done=done)


async def _one(
    visit: Visit,
    name: str,
    errors: view.Errors | None = None,
    typed: Item | None = None,
    status: int = 200,
    done: str = "",
) -> Response:
    office = visit.office
    async with office.reading() as conn:
        found = await queries.staff(conn, name)
    if not found:
        raise NotFound("account", name)
    page = view.one(office.pages, found[0]) | {"errors": errors or {}, "own": name == visit.person.name}
    typed = {"shown": page["shown"], "roles": page["roles"], **(typed or {})}
    page |= {"typed": typed, "choices": view.choices(office.pages, typed["roles"])}
    toast = office.pages.words.say(DONE[done]) if done in DONE else ""
    return visit.page("staff_one.html", "staff", page, status=status, toast=toast)


@router.post("/staff/{name}/roles")
async def change(visit: Seeing, name: Name, shown: Typed = "", role: Roles = ()) -> Response:
    """Other roles, or another name for people."""
    shown = " ".join(shown.split())
    typed = {"shown": shown, "roles": role}
    if wrong := view.wrong_roles(visit.office.pages.words, role):
        return await _one(visit, name, wrong, typed, 422)
    error, status = await _set(visit, name, shown=shown, roles=tuple(sorted(set(role))), keeps=("active",))
    return await _one(visit, name, error, typed, status) if error else await _done(visit, name, "roles")


@router.post("/staff/{name}/password")
async def reset(visit: Seeing, name: Name, password: Secret = "", again: Secret = "") -> Response:
    """A new password for somebody else; one's own is changed where the old one is asked for."""
    if name == visit.person.name:
        return RedirectResponse("/password", 303)
    if wrong := view.wrong_password(visit.office.pages.words, password, again):
        return await _one(visit, name, wrong, status=422)
    kept = await asyncio.to_thread(login.hashed, password)
    error, status = await _set(visit, name, password=kept, keeps=("roles", "active"))
    return await _one(visit, name, error, status=status) if error else await _done(visit, name, "password")


@router.post("/staff/{name}/{act}")
async def access(visit: Seeing, name: Name, act: Literal["remove", "restore"]) -> Response:
    """Access taken away at once, or given back; roles and password stay."""
    error, status = await _set(visit, name, active=act == "restore", keeps=("roles",))
    return await _one(visit, name, error, status=status) if error else await _done(visit, name, act)


async def _done(visit: Visit, name: str, act: str) -> Response:
    """Back to the account; whoever changed the own one is in a new session, as the old one ended."""
    answer = RedirectResponse(f"{view.where(name)}?done={act}", 303)
    if name == visit.person.name and visit.person.session:
        await begin(visit.request, visit.office, name, answer)
    return answer


async def _set(visit: Visit, name: str, **what: Any) -> tuple[view.Errors, int]:
    """Has the account changed; what is refused, under the field that it is about."""
    office, person = visit.office, visit.person
    async with office.reading() as conn:
        admins = await queries.admins(conn)
    word = SetAccount(name=name, actor=person.name, admins=tuple(admins), **what)
    reply = await office.running.desk.ask(word, id=office.running.new_id(), actor=person.name)
    if reply.status == 404:
        raise NotFound("account", name)
    if reply.status >= 400:
        field = reply.body.get("field", "")
        return {"name" if field == "name" else "role": office.pages.words.heard(reply.body["title"])}, reply.status
    return {}, 200


@router.get("/password")
async def own_password(visit: Annotated[Visit, allowed("password")], done: str = "") -> Response:
    """One's own password, to be changed."""
    return await _password(visit, done=done)


async def _password(visit: Visit, errors: view.Errors | None = None, status: int = 200, done: str = "") -> Response:
    office = visit.office
    async with office.reading() as conn:
        found = await queries.staff(conn, visit.person.name)
    page = {"has": bool(found and found[0]["own"]), "errors": errors or {}, "name": visit.person.name}
    toast = office.pages.words.say("Your password is a new one. Other sessions ended.") if done else ""
    return visit.page("password.html", "", page, status=status, toast=toast)


@router.post("/password")
async def change_password(
    request: Request,
    visit: Annotated[Visit, allowed("password")],
    old: Secret = "",
    password: Secret = "",
    again: Secret = "",
) -> Response:
    """The old one is asked for; wrong ones are counted as those of the login are."""
    office, w, name, now = visit.office, visit.office.pages.words, visit.person.name, visit.now
    address = request.client.host if request.client else ""
    async with office.reading() as conn:
        account = await queries.account(conn, name)
    if account is None or not account["password"]:
        return await _password(visit, status=409)
    locked = bool(account["locked_until"] and account["locked_until"] > now)
    usable = not locked and not office.wrong_passwords.full(address, now)
    if not await login.right(account["password"] if usable else "", old):
        office.wrong_passwords.add(address, now)
        if not locked:
            await office.note(RefuseLogin(name=name))
        log.warning("a change of password was refused", name=name, address=address)
        said = w.say("The old password is wrong, or there were too many tries. Wait a moment and try again.")
        return await _password(visit, {"old": said}, 422)
    if wrong := view.wrong_password(w, password, again):
        return await _password(visit, wrong, 422)
    kept = await asyncio.to_thread(login.hashed, password)
    await office.note(SetAccount(name=name, actor=name, password=kept, keeps=("roles", "active")))
    answer = RedirectResponse("/password?done=yes", 303)
    await begin(request, office, name, answer)
    return answer
