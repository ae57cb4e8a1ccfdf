"""Who may see and do what. Nothing is allowed that is not written here."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

ROLES = ("picker", "packer", "support", "finance", "admin")
SEES: dict[str, frozenset[str]] = {
    "today": frozenset({"support", "finance", "admin"}),
    "orders": frozenset({"support", "finance", "admin"}),
    "stock": frozenset({"support", "admin"}),
    "products": frozenset({"support", "finance", "admin"}),
    "purchasing": frozenset({"packer", "support", "finance", "admin"}),
    "pick": frozenset({"picker", "admin"}),
    "pack": frozenset({"packer", "admin"}),
    "shipments": frozenset({"packer", "support", "admin"}),
    "returns": frozenset({"packer", "support", "admin"}),
    "customers": frozenset({"support", "finance", "admin"}),
    "reports": frozenset({"finance", "admin"}),
    "refunds": frozenset({"support", "finance", "admin"}),
    "money": frozenset({"finance", "admin"}),
    "parked": frozenset({"admin"}),
    "staff": frozenset({"admin"}),
    "webhooks": frozenset({"admin"}),
    "audit": frozenset({"admin"}),
}
"""Areas, and the roles that see them."""

DOES: dict[str, frozenset[str]] = {
    "enter": frozenset({"support", "admin"}),
    "cancel": frozenset({"support", "admin"}),
    "hold": frozenset({"support", "admin"}),
    "release": frozenset({"support", "admin"}),
    "edit": frozenset({"support", "admin"}),
    "take-back": frozenset({"support", "admin"}),
    "receive": frozenset({"packer", "admin"}),
    "adjust": frozenset({"packer", "admin"}),
    "count": frozenset({"picker", "packer", "admin"}),
    "place": frozenset({"packer", "admin"}),
    "transfer": frozenset({"packer", "admin"}),
    "catalogue": frozenset({"finance", "admin"}),
    "buy": frozenset({"finance", "admin"}),
    "reject": frozenset({"packer", "support", "admin"}),
    "report": frozenset({"packer", "support", "admin"}),
    "label": frozenset({"packer", "support", "admin"}),
    "mail": frozenset({"support", "admin"}),
    "resume": frozenset({"support", "finance", "admin"}),
    "refund": frozenset({"support", "finance", "admin"}),
    "write-off": frozenset({"finance", "admin"}),
    "match": frozenset({"finance", "admin"}),
    "credit": frozenset({"finance", "admin"}),
    "approve": frozenset({"finance", "admin"}),
    "share": frozenset({"admin"}),
    "export": frozenset({"support", "finance", "admin"}),
    "replay": frozenset({"admin"}),
    "drop": frozenset({"admin"}),
    "password": frozenset(ROLES),
}
"""Acts, and the roles that may."""


BEGINS = (("today", "/"), ("pick", "/pick"), ("pack", "/pack"))
"""Where a person begins: the first area that they see."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who is asking. `session` is empty for whoever sits at the machine itself before there are accounts."""

    name: str
    shown: str
    roles: frozenset[str]
    session: str = ""
    csrf: str = ""
    language: str = ""
    used_at: datetime | None = None  # when the use of the session was written down last

    def may(self, right: str) -> bool:
        """Whether one of the roles has an area or an act; False for what nobody wrote down."""
        return bool(self.roles & (SEES.get(right) or DOES.get(right) or frozenset()))

    @property
    def begins(self) -> str:
        """The page that a person starts at."""
        return next((path for area, path in BEGINS if self.may(area)), "/")

    @property
    def initials(self) -> str:
        return "".join(part[0] for part in self.shown.split()[:2]).upper() or "?"

    @property
    def roles_named(self) -> list[str]:
        return [role for role in ROLES if role in self.roles]


def known(roles: Iterable[str]) -> frozenset[str]:
    """Only roles that there are."""
    return frozenset(roles) & frozenset(ROLES)


LOCAL = Person("local", "At this machine", frozenset({"admin"}))
"""Whoever sits at the machine itself, as long as there are no accounts."""
