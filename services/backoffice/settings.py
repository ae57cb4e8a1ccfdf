"""Settings of the back office, from the environment (prefix COMPTOIR_)."""

from datetime import timedelta
from email.utils import parseaddr
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field, field_validator, model_validator

from services.backoffice.domain import Policy
from services.backoffice.languages import LANGUAGES, PSEUDO
from services.backoffice.links import SHORTEST, Links
from services.backoffice.paper import Seller
from services.backoffice.post import Sender, Server, Unsendable, Way, addressed
from services.backoffice.rights import ROLES
from services.backoffice.signon import Provider
from services.backoffice.webhooks.sending import Ways
from services.backoffice.webhooks.signing import Keys
from shared.settings import HttpAddress, ServiceSettings, TimeZone


def parts(text: str) -> list[str]:
    """What commas divide."""
    return [part.strip() for part in text.split(",") if part.strip()]


def written(names: list[str]) -> str:
    """Settings as they are written in the environment."""
    return ", ".join(f"COMPTOIR_{name.upper()}" for name in names)


def roles_of_groups(text: str) -> dict[str, frozenset[str]]:
    """Per role the groups that give it, of `role=group, role=group`. Raises ValueError with what cannot be read."""
    found: dict[str, frozenset[str]] = {}
    for part in parts(text):
        role, _, group = (each.strip() for each in part.partition("="))
        if role not in ROLES or not group:
            raise ValueError(f"{part!r} is no role=group; roles are {', '.join(ROLES)}")
        found[role] = found.get(role, frozenset()) | {group}
    return found


class Settings(ServiceSettings):
    """Where the owners of the facts answer, on top of what every service needs."""

    order_url: HttpAddress = Field("http://127.0.0.1:8001", description="the order service's HTTP address")
    inventory_url: HttpAddress = Field("http://127.0.0.1:8002", description="inventory's")
    fulfilment_url: HttpAddress = Field("http://127.0.0.1:8003", description="fulfilment's")
    billing_url: HttpAddress = Field("http://127.0.0.1:8004", description="billing's")
    api_key: str = Field("", description="the API key with the scope act-as that it shows them, where they demand keys")
    owner_timeout_s: float = Field(5.0, gt=0, le=60, description="seconds to wait for an owner's answer")
    gather_ms: int = Field(100, ge=0, le=10_000, description="how long looks at orders are gathered into one request")
    time_zone: TimeZone = Field("UTC", description="where the shop's days begin, as Europe/Brussels")
    languages: str = Field(
        ",".join(LANGUAGES), description="which the pages are offered in; the first is for whoever wants none of them"
    )
    shop_name: str = Field("Comptoir", max_length=60, description="what the pages call the shop")

    @field_validator("languages")
    @classmethod
    def are_known(cls, names: str) -> str:
        known = (*LANGUAGES, PSEUDO)
        if not (offered := names.replace(" ", "").split(",")) or not set(offered) <= set(known):
            raise ValueError(f"languages are some of {', '.join(known)}, divided by commas")
        return ",".join(offered)

    shop_address: str = Field("", max_length=300, description="the shop's address on documents, lines divided by |")
    shop_vat_number: str = Field("", max_length=30, description="the shop's VAT number on documents")
    shop_contact: str = Field("", max_length=200, description="where customers ask, as: call 030 555 01 48")
    public_url: str = Field("", description="where customers reach the pages: https://shop.example")
    link_keys: str = Field(
        "", description="sign the links of customers, at least 32 characters each, divided by commas; the first signs"
    )
    link_days: int = Field(180, ge=1, le=3650, description="how long a link of a customer works")
    weigh_parcels: bool = Field(
        True, description="whoever packs says what the parcel weighs; false: one tap packs, and labels know no weight"
    )
    tracking_urls: str = Field(
        "",
        description="where a carrier tells of a parcel: carrier=https://carrier.example/{tracking}, divided by spaces",
    )

    webhook_keys: str = Field(
        "",
        description="what secrets of webhooks are made of, at least 32 characters each, divided by commas; new secrets "
        "are made of the first; empty: there are no webhooks",
    )
    webhook_inside: bool = Field(
        False, description="webhooks may go by HTTP and to addresses inside the own network: for development"
    )
    webhook_timeout_s: float = Field(10, gt=0, le=30, description="seconds for one delivery of a webhook in all")
    webhook_days: int = Field(30, ge=15, le=365, description="how long deliveries of webhooks are kept")

    oidc_issuer: str = Field(
        "", description="the identity provider where staff log in, as https://login.example/realms/shop; empty: none"
    )
    oidc_client_id: str = Field("", max_length=255, description="how the provider calls these pages")
    oidc_client_secret: str = Field("", max_length=2000, description="what proves to it that they ask")
    oidc_scope: str = Field("openid profile email", max_length=500, description="what is asked of the provider")
    oidc_name: str = Field(
        "preferred_username", max_length=100, description="the claim with the name that stands in the history of acts"
    )
    oidc_groups: str = Field("groups", max_length=100, description="the claim with groups, as realm_access.roles")
    oidc_roles: str = Field(
        "", max_length=5000, description="which groups give a role: admin=Shop leads, picker=Warehouse, picker=Students"
    )
    oidc_called: str = Field("", max_length=60, description="what the button calls the provider")

    @field_validator("oidc_issuer")
    @classmethod
    def is_verified(cls, url: str) -> str:
        parsed = urlsplit(url)
        local = parsed.scheme == "http" and parsed.hostname in ("127.0.0.1", "localhost", "::1")
        if url and (not (parsed.scheme == "https" or local) or not parsed.hostname or parsed.query or parsed.fragment):
            raise ValueError("not an issuer: https://login.example/realms/shop")
        return url

    @field_validator("oidc_roles")
    @classmethod
    def are_roles(cls, text: str) -> str:
        roles_of_groups(text)
        return text

    @model_validator(mode="after")
    def provider_has_what_it_needs(self) -> "Settings":
        if self.oidc_issuer:
            missing = [
                name
                for name in ("oidc_client_id", "oidc_client_secret", "oidc_name", "oidc_groups", "oidc_roles")
                if not getattr(self, name)
            ]
            if missing:
                raise ValueError(f"COMPTOIR_OIDC_ISSUER needs {written(missing)}")
            if "openid" not in self.oidc_scope.split():
                raise ValueError("COMPTOIR_OIDC_SCOPE needs openid")
        return self

    mail: Way = Field(
        "off", description="e-mails to customers and suppliers: off; book: made and kept to look at; smtp: sent"
    )
    mail_from: str = Field("", max_length=200, description="whom they are from: Shop <orders@shop.example>")
    mail_reply_to: str = Field("", max_length=200, description="where answers go, if elsewhere")
    mail_since: AwareDatetime | None = Field(
        None,
        description="what happened before is not mailed: when e-mails are switched on, as 2026-11-29T12:00:00+01:00",
    )
    mail_days: float = Field(3, gt=0, le=30, description="what happened longer ago is not mailed")
    smtp_host: str = ""
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="tls: from the start, port 465; none: for a server on this machine"
    )
    smtp_user: str = ""
    smtp_password: str = ""
    smtp_timeout_s: float = Field(10, gt=0, le=60, description="seconds to wait for each word of the mail server")

    low_stock_to: str = Field(
        "",
        max_length=2000,
        description="who gets an e-mail when stock falls to its reorder point, at most one a day: addresses, divided "
        "by commas; empty: nobody",
    )
    low_stock_hour: int = Field(7, ge=0, le=23, description="from which hour of the shop's day on it is sent")

    @field_validator("low_stock_to")
    @classmethod
    def are_addresses(cls, text: str) -> str:
        for part in parts(text):
            try:
                addressed("", part)
            except Unsendable:
                raise ValueError(f"{part!r} is no address: anna@shop.example, ben@shop.example") from None
        return text

    @field_validator("mail_from", "mail_reply_to")
    @classmethod
    def is_an_e_mail_address(cls, text: str) -> str:
        if text and (not text.isprintable() or "@" not in parseaddr(text)[1]):
            raise ValueError("not an address: Shop <orders@shop.example>")
        return text

    @model_validator(mode="after")
    def mail_has_what_it_needs(self) -> "Settings":
        if self.low_stock_to and self.mail == "off":
            raise ValueError(
                "COMPTOIR_LOW_STOCK_TO needs COMPTOIR_MAIL=smtp; with =book what would be sent is only kept"
            )
        if self.mail == "smtp":
            missing = [
                name
                for name in ("smtp_host", "mail_from", "mail_since", "public_url", "link_keys")
                if not getattr(self, name)
            ]
            if missing:
                raise ValueError(f"COMPTOIR_MAIL=smtp needs {written(missing)}")
            if self.smtp_password and self.smtp_security == "none":
                raise ValueError(
                    "COMPTOIR_SMTP_PASSWORD would be sent for everybody to read: COMPTOIR_SMTP_SECURITY=starttls or tls"
                )
        return self

    @field_validator("public_url")
    @classmethod
    def is_an_address(cls, url: str) -> str:
        parsed = urlsplit(url)
        if url and (parsed.scheme not in ("http", "https") or not parsed.hostname or parsed.query or parsed.fragment):
            raise ValueError("not where a browser finds something: https://shop.example")
        return url.rstrip("/")

    @field_validator("link_keys", "webhook_keys")
    @classmethod
    def are_secret(cls, keys: str) -> str:
        if any(len(key) < SHORTEST for key in parts(keys)):
            raise ValueError(f"a key has at least {SHORTEST} characters")
        return keys

    @field_validator("tracking_urls")
    @classmethod
    def lead_to_carriers(cls, urls: str) -> str:
        for each in urls.split():
            carrier, _, url = each.partition("=")
            if not carrier or urlsplit(url).scheme != "https" or "{tracking}" not in url:
                raise ValueError("not carrier=https://carrier.example/{tracking}")
        return urls

    def provider(self) -> Provider | None:
        """Where staff log in; None: with passwords of their own only."""
        if not self.oidc_issuer:
            return None
        return Provider(
            issuer=self.oidc_issuer,
            client_id=self.oidc_client_id,
            client_secret=self.oidc_client_secret,
            scope=self.oidc_scope,
            name_claim=self.oidc_name,
            groups_claim=self.oidc_groups,
            roles=roles_of_groups(self.oidc_roles),
            called=self.oidc_called,
        )

    def links(self) -> Links:
        return Links(parts(self.link_keys), self.link_days)

    def webhooks(self) -> Ways:
        """How other programs are told of events."""
        return Ways(Keys(parts(self.webhook_keys)), self.webhook_inside, self.webhook_timeout_s, self.webhook_days)

    def carriers(self) -> dict[str, str]:
        """Where each carrier tells of a parcel."""
        return dict(each.split("=", 1) for each in self.tracking_urls.split())

    def seller(self) -> Seller:
        lines = tuple(line.strip() for line in self.shop_address.split("|") if line.strip())
        return Seller(self.shop_name, lines, self.shop_vat_number.strip())

    def policy(self) -> Policy:
        staff = tuple(dict.fromkeys(parts(self.low_stock_to)))
        return Policy(self.mail != "off", timedelta(days=self.mail_days), self.mail_since, staff)

    def sender(self) -> Sender:
        """How e-mails to customers are sent."""
        server = Server(
            self.smtp_host, self.smtp_port, self.smtp_security, self.smtp_user, self.smtp_password, self.smtp_timeout_s
        )
        return Sender(
            way=self.mail,
            from_=self.mail_from or "orders@comptoir.invalid",
            reply_to=self.mail_reply_to,
            server=server,
            links=self.links(),
            public_url=self.public_url,
            contact=self.shop_contact,
            carriers=self.carriers(),
            seller=self.seller(),
        )

    def owners(self) -> dict[str, str]:
        return {
            "order": self.order_url,
            "inventory": self.inventory_url,
            "fulfilment": self.fulfilment_url,
            "billing": self.billing_url,
        }
