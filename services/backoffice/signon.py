"""What logging in at the identity provider of the company means for the shop: who that is, and which roles the groups
of the provider give. Rules S1 and S6 of docs/reliability.md; the protocol is in oidc.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LASTS_S = 600
"""How long a person may take at the provider."""


class ProviderAway(RuntimeError):
    """The provider does not answer, or not as one does."""


class NotSignedOn(RuntimeError):
    """The provider did not say who this is; the text says why, for the log."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider named: `subject` never changes, `name` stands in the history of what is done."""

    subject: str
    name: str
    shown: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provider:
    """Where it is, how we are known there, and what its claims mean here."""

    issuer: str
    client_id: str
    client_secret: str
    scope: str = "openid profile email"
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    called: str = ""
    timeout_s: float = 10.0

    def identity(self, claims: Mapping[str, Any]) -> Identity:
        """Who that is here. Raises NotSignedOn when the claims have no name."""
        name = str(claims.get(self.name_claim) or "").strip()
        if not name or len(name) > 64 or not name.isprintable():
            raise NotSignedOn(f"the claim {self.name_claim} is no name")
        groups = told(claims, self.groups_claim)
        roles = sorted(role for role, of in self.roles.items() if of & set(groups))
        return Identity(str(claims["sub"]), name, str(claims.get("name") or name).strip()[:200], tuple(roles))


def told(claims: Mapping[str, Any], path: str) -> Sequence[str]:
    """The texts of a claim: one, or a list of them; `realm_access.roles` is a claim inside another."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return [found]
    return [each for each in found if isinstance(each, str)] if isinstance(found, list | tuple) else []
