"""Decisions about people: who may log in, how often one may be wrong, when a session is over, who looked at what."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from services.backoffice.rows import Account, DocumentView, OfficeAct, Session
from shared.contracts.backoffice import (
    ChooseLanguage,
    KeepSession,
    NoteBought,
    NoteMatched,
    NoteResumed,
    NoteView,
    OpenSession,
    RefuseLogin,
    SetAccount,
    SignedOn,
)
from shared.messaging.decision import Context, Effect, Needs, Refused, Rows

IDLE, LONGEST = timedelta(minutes=30), timedelta(hours=12)
FREE_TRIES = 5
LONGEST_LOCK = timedelta(minutes=15)


def to_account(m: Any) -> Needs:
    yield Account, m.name


def to_setting(m: SetAccount) -> Needs:
    """With the other admins, so that two of them cannot take away each other at the same time."""
    for name in {m.name, *(m.admins or ())}:
        yield Account, name


def to_opening(m: OpenSession | SignedOn) -> Needs:
    yield Account, m.name
    yield Session, m.session


def to_session(m: KeepSession) -> Needs:
    yield Session, m.session


def set_account(m: SetAccount, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """A new account needs a password. Somebody stays who looks after accounts, unless an operator says otherwise."""
    known = rows.find(Account, m.name)
    if known is None and m.keeps:
        raise Refused(f"There is no account {m.name}.", field="name", status=404)
    if known is not None and m.new:
        raise Refused(f"There is an account {m.name} already.", field="name", status=409)
    if known is None and not m.password:
        raise Refused(f"The new account {m.name} needs a password.", field="password")
    account = Account(
        name=m.name,
        shown=m.shown or (known.shown if known else m.name),
        roles=known.roles if known and "roles" in m.keeps else tuple(sorted(set(m.roles))),
        password=m.password or (known.password if known else ""),
        active=known.active if known and "active" in m.keeps else m.active,
        epoch=known.epoch + 1 if known else 1,
        failures=0,
        locked_until=None,
        language=known.language if known else "",
        identity=known.identity if known else "",
    )
    if m.admins is not None and not _admin(account):
        if m.actor == m.name and _admin(known):
            raise Refused("You would take away your own access. Another admin can do it.", field="roles", status=409)
        if not any(_admin(rows.find(Account, name)) for name in m.admins if name != m.name):
            raise Refused("Nobody would be left who looks after the accounts.", field="roles", status=409)
    yield account
    actor = m.actor or ctx.actor or m.name
    own, ended = actor == m.name, known is not None
    yield _act(m, actor, known, account, ctx, password=bool(m.password), ended=ended, own=own)


def _admin(account: Account | None) -> bool:
    """Whether somebody may look after the accounts."""
    return account is not None and account.active and "admin" in account.roles


def _act(
    m: SetAccount | SignedOn, actor: str, was: Account | None, now: Account, ctx: Context[Any], **more: bool
) -> OfficeAct:
    """What is kept of a change for the audit: the account as it was and is, never its password."""
    facts = {
        "name": now.name,
        "shown": now.shown,
        "was_shown": was.shown if was else "",
        "roles": list(now.roles),
        "were": list(was.roles) if was else [],
        "active": now.active,
        "was_active": was.active if was else False,
        "new": was is None,
        **more,
    }
    return OfficeAct(ctx.new_id(), ctx.now, m.key, actor, facts)


def choose_language(m: ChooseLanguage, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    yield replace(rows.one(Account, m.name), language=m.language)


def open_session(m: OpenSession, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    account = rows.one(Account, m.name)
    yield replace(account, failures=0, locked_until=None)
    yield Session(m.session, m.name, account.epoch, m.csrf, ctx.now, ctx.now, None)


def signed_on(m: SignedOn, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """Makes or keeps the account and opens a session. A name belongs to who had it first, so nobody acts as another."""
    known = rows.find(Account, m.name)
    if known is not None and known.identity != m.identity:
        raise Refused(f"The name {m.name} belongs to another account.", field="name", status=409)
    if known is not None and not known.active:
        raise Refused(f"The account {m.name} is gone.", field="name", status=403)
    account = known or Account(m.name, m.shown, (), "", True, 1, 0, None, identity=m.identity)
    account = replace(account, shown=m.shown, roles=tuple(sorted(set(m.roles))))
    yield account
    if known is None or (known.shown, known.roles) != (account.shown, account.roles):
        yield _act(m, m.name, known, account, ctx, provider=True)
    yield Session(m.session, m.name, account.epoch, m.csrf, ctx.now, ctx.now, None)


def refuse_login(m: RefuseLogin, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """After some free tries each costs twice the time of the one before."""
    account = rows.find(Account, m.name)
    if account is None:
        return
    failures = account.failures + 1
    until = None
    if failures >= FREE_TRIES:
        until = ctx.now + min(LONGEST_LOCK, timedelta(seconds=2 ** min(failures - FREE_TRIES + 1, 12)))
    yield replace(account, failures=failures, locked_until=until)


def keep_session(m: KeepSession, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    session = rows.find(Session, m.session)
    if session is not None and session.ended_at is None:
        yield replace(session, used_at=ctx.now, ended_at=ctx.now if m.ends else None)


def to_nothing(m: Any) -> Needs:
    return ()


def note_view(m: NoteView, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    yield DocumentView(ctx.new_id(), m.number, m.form, m.actor, ctx.now)


def note_done(m: NoteResumed | NoteMatched, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """What a person had billing do about an order: billing states what came of it, not who it was."""
    facts = {"order_id": str(m.order_id), "number": m.number}
    if isinstance(m, NoteMatched):
        facts["entry"] = m.entry_id
    yield OfficeAct(ctx.new_id(), ctx.now, m.key, m.actor, facts)


def note_bought(m: NoteBought, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    yield OfficeAct(ctx.new_id(), ctx.now, m.key, m.actor, {"what": m.what, "name": m.name})


def stands(session: Mapping[str, Any], account: Mapping[str, Any], now: datetime) -> bool:
    """Whether a session is still good: neither ended nor left alone for too long, of an account as it was then."""
    return (
        session["ended_at"] is None
        and now - session["used_at"] < IDLE
        and now - session["opened_at"] < LONGEST
        and account["active"]
        and account["epoch"] == session["epoch"]
    )
