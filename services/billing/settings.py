"""Billing's settings."""

import re
from collections.abc import Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from services.billing.domain import Policy
from services.billing.domain.rows import Seller
from services.billing.einvoice.codes import ADDRESS_SCHEMES, COUNTRIES, CURRENCIES, SCHEMES, VAT_PREFIXES
from shared.settings import InstantOrHttp, ServiceSettings, TimeZone


class Settings(ServiceSettings):
    payment_provider_url: InstantOrHttp = Field(
        "instant:", description="where the payment provider answers; instant: approves in process, without network"
    )
    payment_provider_timeout_s: float = Field(
        10.0,
        gt=0,
        le=25,
        description="seconds until it is not known what became of a call",
    )
    payment_webhook_secrets: str = Field(
        "", description="secrets of the provider's webhooks, separated by commas; two are valid during a rotation"
    )
    credit_limit: str = Field(
        "EUR 5000",
        description="what a customer may owe on terms, open orders included, per currency, as EUR 1000, GBP 800; a "
        "limit of the customer's own goes before, and in a currency without either there are no terms",
    )

    refund_limits: str = Field(
        "support=EUR 50,finance=EUR 250,admin=EUR 250",
        description="per role and currency what a person may give back of one order alone, as support=EUR 50, "
        "support=GBP 40, finance=EUR 250; above it another person must approve, and what is not here is nothing",
    )
    refund_approvers: str = Field("finance,admin", description="roles that may approve refunds of others")

    @field_validator("refund_limits")
    @classmethod
    def limits_are_amounts(cls, text: str) -> str:
        limits_of_roles(text)
        return text

    @field_validator("credit_limit")
    @classmethod
    def is_of_currencies(cls, text: str) -> str:
        limits(text)
        return text

    time_zone: TimeZone = Field("UTC", description="where the shop's days begin, as Europe/Brussels")
    payment_days: int = Field(14, ge=0, le=365, description="invoices on terms are due so many days after their issue")

    seller_name: str = Field("", max_length=200, description="who issues the invoices, by its registered name (BT-27)")
    seller_street: str = Field("", max_length=300, description="its street, lines divided by | (BT-35, BT-36, BT-162)")
    seller_postcode: str = Field("", max_length=20, description="its postcode (BT-38)")
    seller_city: str = Field("", max_length=100, description="its city (BT-37)")
    seller_country: str = Field("", description="its country, as NL (BT-40)")
    seller_vat_id: str = Field(
        "", max_length=20, description="its VAT identifier with the country: NL123456789B01 (BT-31)"
    )
    seller_legal_id: str = Field(
        "",
        max_length=100,
        description="its number in a register, with the scheme of ISO/IEC 6523: 0106:12345678 (BT-30)",
    )
    seller_electronic_address: str = Field(
        "", max_length=150, description="where it receives electronic documents, as scheme:identifier (BT-34)"
    )
    seller_iban: str = Field("", max_length=42, description="the account that transfers go to (BT-84)")
    seller_bic: str = Field(
        "", pattern="^([A-Z0-9]{8}([A-Z0-9]{3})?)?$", description="the bank of that account (BT-86)"
    )
    seller_exemption: str = Field(
        "Exempt from VAT",
        max_length=300,
        description="why goods of VAT category E have none, as the law calls it (BT-120)",
    )

    @field_validator("seller_country")
    @classmethod
    def is_a_country(cls, code: str) -> str:
        if code and code not in COUNTRIES:
            raise ValueError(f"{code!r} is no country of ISO 3166-1, such as NL")
        return code

    @field_validator("seller_vat_id")
    @classmethod
    def is_a_vat_identifier(cls, text: str) -> str:
        number = text.replace(" ", "").replace(".", "").upper()
        if number and not (number[:2] in VAT_PREFIXES and number.isascii() and number.isalnum() and len(number) > 3):
            raise ValueError(f"{text!r} does not begin with a country, as NL123456789B01 does")
        return number

    @field_validator("seller_legal_id")
    @classmethod
    def is_in_a_register(cls, text: str) -> str:
        return known_scheme(text, SCHEMES, "a register") if ":" in text else text

    @field_validator("seller_electronic_address")
    @classmethod
    def is_an_electronic_address(cls, text: str) -> str:
        return known_scheme(text, ADDRESS_SCHEMES, "an electronic address") if text else text

    @field_validator("seller_iban")
    @classmethod
    def is_an_account(cls, text: str) -> str:
        number = text.replace(" ", "").upper()
        if number and not is_iban(number):
            raise ValueError(f"{text!r} is no IBAN")
        return number

    def seller(self) -> Seller:
        return Seller(
            name=self.seller_name.strip(),
            street=tuple(filter(None, (line.strip() for line in self.seller_street.split("|")))),
            postcode=self.seller_postcode,
            city=self.seller_city,
            country=self.seller_country,
            vat_id=self.seller_vat_id,
            legal_id=self.seller_legal_id,
            electronic_address=self.seller_electronic_address,
            iban=self.seller_iban,
            bic=self.seller_bic,
            exemption=self.seller_exemption,
        )

    def policy(self) -> Policy:
        return Policy(
            credit_limits=limits(self.credit_limit),
            refund_limits=limits_of_roles(self.refund_limits),
            refund_approvers=frozenset(filter(None, (role.strip() for role in self.refund_approvers.split(",")))),
            seller=self.seller(),
            payment_days=self.payment_days,
            zone=ZoneInfo(self.time_zone),
        )


def known_scheme(text: str, schemes: frozenset[str], what: str) -> str:
    """`scheme:identifier` with a scheme that is on the list. Raises ValueError with what is wrong."""
    scheme, _, value = text.partition(":")
    if scheme not in schemes or not value.strip():
        raise ValueError(f"{text!r} is not {what} with its scheme, as 0106:12345678 is")
    return text


def is_iban(number: str) -> bool:
    """By its two check digits (ISO 13616): moved to the end and read as one number, 97 leaves 1."""
    if not re.fullmatch("[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}", number):
        return False
    return int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1


def limits(text: str) -> dict[str, Decimal]:
    """Amounts by currency, of `EUR 1000, GBP 800`. Raises ValueError with what cannot be read."""
    found: dict[str, Decimal] = {}
    for part in _parts(text):
        currency, amount = _amount(part, part)
        if currency in found:
            raise ValueError(f"{currency} is there twice")
        found[currency] = amount
    return found


def limits_of_roles(text: str) -> dict[str, dict[str, Decimal]]:
    """Amounts by role and currency, of `role=EUR 50, role=GBP 40`. Raises ValueError with what cannot be read."""
    found: dict[str, dict[str, Decimal]] = {}
    for part in _parts(text):
        role, equals, limit = (each.strip() for each in part.partition("="))
        if not role or not equals:
            raise ValueError(f"{part!r} is no role=EUR 50")
        currency, amount = _amount(limit, part)
        of_role = found.setdefault(role, {})
        if currency in of_role:
            raise ValueError(f"{role} has {currency} twice")
        of_role[currency] = amount
    return found


def _parts(text: str) -> Iterator[str]:
    return filter(None, (part.strip() for part in text.split(",")))


def _amount(text: str, part: str) -> tuple[str, Decimal]:
    """Currency and amount of `EUR 1000`. A bare number is refused: 5000 would be one thing in JPY, another in KWD."""
    found = re.fullmatch(r"([A-Z]{3}) +([0-9]{1,15}(?:\.[0-9]{1,4})?)", text)
    if not found or found[1] not in CURRENCIES:
        raise ValueError(f"{part!r} names no amount with its currency, as EUR 50")
    return found[1], Decimal(found[2])
