"""API keys: what one looks like, what the file of a service says of each, and what each may do.

A key is `comptoir_`, 256 random bits and a checksum, so that a scanner of secrets finds one that was published and
knows it from a mere example. The file holds its SHA-256 only. A plain hash is enough: 256 bits are not guessed, however
fast guesses are hashed.
"""

import re
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

PREFIX: Final = "comptoir_"
DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET, CHECK = 43, 6
"""Characters of base 62 that hold 256 bits, and the 32 bits of their CRC-32."""
FORM: Final = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{SECRET + CHECK}}}")
MOST_KEYS = 200
"""Of one file, which as any setting has at most 64 KiB."""


def base62(number: int, length: int) -> str:
    found = ""
    for _ in range(length):
        number, digit = divmod(number, len(DIGITS))
        found = DIGITS[digit] + found
    return found


def made() -> str:
    """A new key."""
    secret = base62(int.from_bytes(secrets.token_bytes(32)), SECRET)
    return PREFIX + secret + checksum(secret)


def checksum(secret: str) -> str:
    return base62(zlib.crc32(secret.encode()), CHECK)


def well_formed(key: str) -> bool:
    """Whether it is whole: what was cut off or misread is no key, without looking anywhere."""
    secret = key[len(PREFIX) : -CHECK]
    return FORM.fullmatch(key) is not None and key.endswith(checksum(secret))


def hashed(key: str) -> str:
    return sha256(key.encode()).hexdigest()


# What keys may do


@dataclass(frozen=True, slots=True)
class Scope:
    """`channels`: whether a key that is bound to one channel may have it.

    `no`: it is about more than one channel; `same`: it is the same for all of them; `each`: every route that needs
    it looks whose order it is.
    """

    says: str
    channels: Literal["no", "same", "each"] = "no"


ACT_AS, ALL = "act-as", "all"
SCOPES: Final[Mapping[str, Scope]] = MappingProxyType(
    {
        "orders:place": Scope("place orders", "each"),
        "orders:read": Scope("read orders and their history", "each"),
        "orders:change": Scope("cancel, hold, release, edit, return", "each"),
        "catalogue:read": Scope("read products and channels", "same"),
        "catalogue:write": Scope("change products and channels"),
        "customers:read": Scope("read customers and their addresses"),
        "customers:write": Scope("change customers"),
        "stock:read": Scope("read items, levels and what may be offered", "same"),
        "stock:write": Scope("book receipts, counts, adjustments, transfers, what is expected and where it lies"),
        "items:write": Scope("change items, warehouses and places"),
        "warehouse:read": Scope("read movements, transfers, promises, places and what is expected"),
        "purchasing:read": Scope("read suppliers, purchase orders, costs and what stock is worth"),
        "purchasing:write": Scope("change suppliers, make, send, change and end purchase orders, say costs"),
        "shipments:read": Scope("read shipments and pick lists"),
        "shipments:write": Scope("pick, pack, hand over, reject, report tracking"),
        "returns:read": Scope("read returns"),
        "returns:write": Scope("receive, inspect and close returns"),
        "documents:read": Scope("read invoices and credit notes"),
        "money:read": Scope("read payments, receipts, credits and refunds"),
        "money:write": Scope("book receipts and credits, try payments again"),
        "refunds:write": Scope("ask for refunds, approve and refuse them"),
        "ledger:read": Scope("read the ledger, balances, VAT and open items"),
        "parked:read": Scope("read messages that wait for a person"),
        "parked:write": Scope("replay and drop them"),
        ALL: Scope(f"everything but {ACT_AS}, also what a later version adds; for programs of our own"),
        ACT_AS: Scope("act in the name of others: X-Actor and X-Roles are believed; inside only"),
    }
)
"""Every scope that there is. Each route names the one that it needs (shared/guard.py)."""


class WrongKeys(ValueError):
    """The file of keys cannot be used; says which entry and why, and nothing of its content."""


class Key(BaseModel):
    """What is known of one key. Two of the same name are one caller, so that one can take the other's place."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z-]+(:[a-z-]+)?$")], ...], Field(max_length=50)]
    channel: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    made_at: AwareDatetime
    expires_at: AwareDatetime | None = None

    @property
    def id(self) -> str:
        """Tells keys of a name apart; shown by `comptoir key list`."""
        return self.sha256[:8]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or (ALL in self.scopes and scope in SCOPES and scope != ACT_AS)

    def live(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at

    @model_validator(mode="after")
    def keeps_to_its_channel(self) -> "Key":
        wide = [scope for scope in self.scopes if scope in SCOPES and SCOPES[scope].channels == "no"]
        if self.channel is not None and wide:
            raise ValueError(f"{', '.join(wide)}: not for a key that is bound to a channel, as it is about all of them")
        return self


class Keys(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    keys: Annotated[tuple[Key, ...], Field(max_length=MOST_KEYS)] = ()

    @model_validator(mode="after")
    def are_told_apart(self) -> "Keys":
        if len({key.id for key in self.keys}) < len(self.keys):
            raise ValueError("a key stands in it twice")
        return self


def parsed(text: str) -> Keys:
    """Raises WrongKeys."""
    try:
        return Keys.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise WrongKeys(f"{at}: {first['msg']}" if at else str(first["msg"])) from None


def unknown_scopes(keys: Keys) -> list[str]:
    """Scopes that nothing needs: misspelt, or of a newer version."""
    return sorted({scope for key in keys.keys for scope in key.scopes} - set(SCOPES))
