"""Who may log in to the pages: all accounts, one of them, and what is wrong with what was typed of one."""

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

from services.backoffice.login import LONGEST, SHORTEST
from services.backoffice.pages import English, Pages
from services.backoffice.rights import ROLES
from services.backoffice.views.cells import Cell, Column, Table
from services.backoffice.words import N_

Item = dict[str, Any]
Errors = dict[str, str]
"""The field and what is wrong with it."""
MAY: Mapping[str, str] = {
    "picker": N_("picks and counts"),
    "packer": N_("packs, hands over, receives, takes goods back"),
    "support": N_("looks after orders, customers and refunds"),
    "finance": N_("looks after money, refunds and reports"),
    "admin": N_("everything, and the accounts of others"),
}
"""What each role is for, in a few words."""
COLUMNS = (N_("Name"), N_("Login"), N_("Roles"), N_("Last use"), N_("Added"), N_("State"))
_LOGIN = re.compile(r"[^\s/\\]{1,64}")


def where(name: str) -> str:
    """The page of an account."""
    return f"/staff/{quote(name, safe='')}"


def listed(pages: Pages, people: list[Item]) -> Table:
    """All accounts; whoever is gone stands last."""
    w = pages.words
    rows = []
    for of in people:
        state = Cell(w.say("May log in"), badge="good") if of["active"] else Cell(_gone(w, of), badge="")
        rows.append(
            [
                Cell(of["shown"], where(of["name"])),
                Cell(of["name"]),
                Cell(roles(w, of["roles"])),
                Cell(w.moment(of["used_at"]) if of["used_at"] else "–"),
                Cell(w.day(of["added_at"]) if of["added_at"] else "–"),
                state,
            ]
        )
    return Table(w.say("Who may log in"), tuple(Column(w.say(title)) for title in COLUMNS), rows)


def _gone(w: English, of: Item) -> str:
    return w.say("Gone since %(day)s", day=w.day(of["gone_at"])) if of["gone_at"] else w.say("Gone")


def roles(w: English, named: list[str]) -> str:
    return ", ".join(w.heard(role) for role in ROLES if role in named) or w.say("none")


def one(pages: Pages, of: Item) -> Item:
    """What the page of an account shows of it."""
    w = pages.words
    facts = [(w.say("Login"), of["name"])]
    facts.append((w.say("Last use"), w.moment(of["used_at"]) if of["used_at"] else "–"))
    if of["added_at"]:
        facts.append((w.say("Added"), w.moment(of["added_at"])))
    return {
        **of,
        "where": where(of["name"]),
        "facts": facts,
        "state": w.say("May log in") if of["active"] else _gone(w, of),
        "provided": bool(of["identity"]),
    }


def choices(pages: Pages, chosen: Collection[str]) -> list[Item]:
    """The roles to choose from."""
    w = pages.words
    return [{"role": role, "text": w.heard(role), "may": w.say(MAY[role]), "chosen": role in chosen} for role in ROLES]


def wrong_login(w: English, name: str) -> Errors:
    if _LOGIN.fullmatch(name) and name.isprintable():
        return {}
    return {"name": w.say("A login has 1 to 64 characters, without spaces and slashes.")}


def wrong_roles(w: English, chosen: Collection[str]) -> Errors:
    return {} if chosen and set(chosen) <= set(ROLES) else {"role": w.say("Choose at least one role.")}


def wrong_password(w: English, password: str, again: str) -> Errors:
    if not SHORTEST <= len(password) <= LONGEST:
        said = w.say("A password has %(least)s to %(most)s characters.", least=SHORTEST, most=LONGEST)
        return {"password": said}
    return {} if password == again else {"again": w.say("This is not the same password as above.")}
