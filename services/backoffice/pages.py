"""How pages are made: templates, words and figures in the reader's language, static files.

A template gets values and asks nothing; all text is escaped unless a template of ours says otherwise.
"""

import gzip
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from gettext import NullTranslations
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal, format_percent
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.ext import Extension
from jinja2.runtime import Context
from markupsafe import Markup

from services.backoffice.amounts import amount_in
from services.backoffice.languages import PSEUDO, SOURCE, translations
from services.backoffice.retold import retold
from services.backoffice.words import N_, NN_, Words

NBSP = "\u00a0"
Item = Mapping[str, Any]
STATUSES: Mapping[str, tuple[str, str]] = {
    "awaiting_stock": (N_("Stock"), "wait"),
    "backordered": (N_("Backorder"), "wait"),
    "awaiting_payment": (N_("Payment"), "wait"),
    "in_fulfilment": (N_("In the warehouse"), "info"),
    "held": (N_("On hold"), "hold"),
    "cancelling": (N_("Being cancelled"), "hold"),
    "cancelled": (N_("Cancelled"), ""),
    "shipped": (N_("On its way"), "info"),
    "delivered": (N_("Delivered"), "good"),
    "completed": (N_("Done"), "good"),
}
"""What people call a status, and its colour."""

SHIPMENTS: Mapping[str, tuple[str, str]] = {
    "asked": (N_("Asked for"), ""),
    "planned": (N_("To pick"), "info"),
    "picked": (N_("To pack"), "info"),
    "packed": (N_("To hand over"), "info"),
    "dispatched": (N_("On its way"), "info"),
    "delivered": (N_("Delivered"), "good"),
    "refused": (N_("Comes back"), "bad"),
    "cancelled": (N_("Pulled back"), ""),
    "rejected": (N_("Cannot ship"), "bad"),
}
METHODS: Mapping[str, str] = {
    "card": N_("Card"),
    "bank_transfer": N_("Bank transfer"),
    "cash_on_delivery": N_("Cash on delivery"),
    "terms": N_("On account"),
}
RETURNS: Mapping[str, str] = {
    "asked": N_("Asked for"),
    "expected": N_("Expected"),
    "received": N_("To inspect"),
    "inspected": N_("Inspected"),
    "closed": N_("Closed"),
}
ACTS: Mapping[str, str] = {
    "customer": N_("The customer must act."),
    "staff": N_("Somebody of the staff must act."),
    "inventory": N_("Inventory must act."),
    "billing": N_("Billing must act."),
    "fulfilment": N_("Fulfilment must act."),
    "warehouse": N_("The warehouse must act."),
    "carrier": N_("The carrier must act."),
    "supplier": N_("The supplier must act."),
    "provider": N_("The payment provider must act."),
}
"""Whose turn it is."""
TOLD: Mapping[str, str] = {
    "order.order_placed.v1": N_("The order is there"),
    "order.order_held.v1": N_("The order is on hold"),
    "order.order_released.v1": N_("A hold is gone"),
    "order.order_confirmed.v1": N_("The order is confirmed"),
    "order.cancellation_refused.v1": N_("The order cannot be cancelled any more"),
    "order.order_expired.v1": N_("The customer did not pay in time"),
    "order.order_cancelled.v1": N_("The order is cancelled"),
    "order.order_completed.v1": N_("The order is done"),
}
"""What a message of the order service tells everybody."""
CODES = {code: text for code, (text, _) in {**SHIPMENTS, **STATUSES}.items()} | dict(RETURNS) | dict(TOLD)
"""What the statuses and messages that stand in a sentence of an owner are called."""
SEGMENTS = (
    ("reserved", "reserved", NN_("%(n)d reserved", "%(n)d reserved")),
    ("released", "released", NN_("%(n)d in the warehouse", "%(n)d in the warehouse")),
    ("shipped", "shipped", NN_("%(n)d shipped", "%(n)d shipped")),
    ("backordered", "back", NN_("%(n)d on backorder", "%(n)d on backorder")),
    ("waiting", "back", NN_("%(n)d waiting for stock", "%(n)d waiting for stock")),
    ("cancelled", "cancelled", NN_("%(n)d cancelled", "%(n)d cancelled")),
)
"""Where pieces are: the count, the colour, and the words."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar: where it begins and how wide it is, in per cent."""

    css: str
    x: str
    width: str
    text: str
    fill: str


DAYS = {"yMMMEd": "EEE d MMM y", "MMMd": "d MMM", "yMMMd": "d MMM y"}
"""How days are written in the language of the source; other languages have their own order and dots."""


class English(Words):
    """The words of the source. Another language is another `translations` and locale."""

    def __init__(
        self, zone: ZoneInfo, locale: str = SOURCE, translations: NullTranslations | None = None, currency: str = ""
    ) -> None:
        self.zone, self.language, self.currency = zone, locale, currency
        self.locale = SOURCE if locale == PSEUDO else locale
        self.translations = translations or NullTranslations()
        skeletons = Locale.parse(self.locale).datetime_skeletons
        self.days = DAYS if self.locale == SOURCE else {name: skeletons[name].pattern for name in DAYS}

    def within(self, currency: str) -> "English":
        """The same for amounts in a currency."""
        return English(self.zone, self.language, self.translations, currency)

    def say(self, sentence: str, /, **values: object) -> str:
        said = self.translations.gettext(sentence)
        return said % values if values else said

    def many(self, one: str, more: str, n: int, /, **values: object) -> str:
        return self.translations.ngettext(one, more, n) % {"n": n, **values}

    def money(self, amount: Decimal, currency: str = "", /) -> str:
        if not (currency or self.currency):
            return self.number(amount)
        said = amount_in(self.locale, amount, currency or self.currency)
        return said.replace("-", "−").replace(" ", NBSP)

    def price(self, amount: Decimal, currency: str = "", /) -> str:
        """A price or cost of one piece: with all of its decimals, as it may be less than can be paid."""
        if not (currency or self.currency):
            return str(format_decimal(amount, locale=self.locale, decimal_quantization=False)).replace("-", "−")
        said = amount_in(self.locale, amount, currency or self.currency, exact=True)
        return said.replace("-", "−").replace(" ", NBSP)

    def number(self, n: int | Decimal) -> str:
        return format_decimal(n, locale=self.locale).replace("-", "−")

    def percent(self, n: Decimal) -> str:
        """A rate that is in hundredths already: 21 is twenty-one per cent."""
        said = format_percent(n / 100, locale=self.locale, decimal_quantization=False)
        return said.replace("-", "−").replace(" ", NBSP)

    def amid(self, title: str) -> str:
        """A title within a sentence: German keeps its capitals, others do not."""
        return title if self.locale == "de" else title[:1].lower() + title[1:]

    def day(self, iso: str | date | datetime) -> str:
        day = datetime.fromisoformat(iso) if isinstance(iso, str) else iso
        if isinstance(day, datetime):
            day = day.astimezone(self.zone).date() if day.tzinfo else day.date()
        return format_date(day, self.days["yMMMEd"], locale=self.locale)

    def known(self, text: str) -> str | None:
        """What an owner said, in this language and the shop's words; None for what nobody here knows."""
        said = retold(self, text, CODES) if text else text
        return text if said is None and self.language == SOURCE else said

    def heard(self, text: str) -> str:
        """The same; as it was said where nobody here knows it."""
        said = self.known(text)
        return text if said is None else said

    def marked(self, text: str) -> str:
        """The same for a page: a sentence that stays English says so."""
        said = self.known(text)
        return Markup('<span lang="en">{}</span>').format(text) if said is None else said

    def clock(self, at: datetime) -> str:
        return format_time(at.astimezone(self.zone), "HH:mm", locale=self.locale)

    def moment(self, at: datetime | str) -> str:
        when = datetime.fromisoformat(at) if isinstance(at, str) else at
        return format_datetime(when.astimezone(self.zone), f"{self.days['yMMMEd']}, HH:mm", locale=self.locale)

    def short(self, at: datetime, now: datetime) -> str:
        """The clock today, else the day."""
        here = at.astimezone(self.zone)
        if here.date() == now.astimezone(self.zone).date():
            return self.clock(at)
        this_year = here.year == now.astimezone(self.zone).year
        pattern = f"{self.days['MMMd']} HH:mm" if this_year else self.days["yMMMd"]
        return format_datetime(here, pattern, locale=self.locale)

    def age(self, since: datetime, now: datetime) -> str:
        """How long ago, in one or two units."""
        minutes = max(0, int((now - since).total_seconds() // 60))
        if minutes < 60:
            return self.many("%(n)d minute", "%(n)d minutes", minutes)
        if minutes < 48 * 60:
            return self.many("%(n)d hour", "%(n)d hours", minutes // 60)
        return self.many("%(n)d day", "%(n)d days", minutes // (24 * 60))


def bar(w: Words, counts: Item, delivered: bool = False) -> list[Segment]:
    """Pieces by where they are, as parts of a bar."""
    parts = [(name, css, words, counts.get(name) or 0) for name, css, words in SEGMENTS]
    whole = sum(n for *_, n in parts) or 1
    found, at = [], Decimal(0)
    for name, css, words, n in parts:
        if not n:
            continue
        width = Decimal(100 * n) / whole
        if name == "shipped" and delivered:
            css, words = "delivered", NN_("%(n)d delivered", "%(n)d delivered")
        fill = {"back": "url(#p-back)", "cancelled": "url(#p-cancel)"}.get(css, "")
        found.append(Segment(f"q-{css}", f"{at:.2f}%", f"{width:.4g}%", w.many(*words, n), fill))
        at += width
    return found


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file as it is sent."""

    body: bytes
    zipped: bytes
    media: str
    digest: str


MEDIA = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


HTMX = ("htmx.min.js", "hx-sse.min.js")
"""htmx and its extension are sent as one file: htmx starts when the browser has a moment after its script. Where that
is before the next one came, the page would never hear of anything."""


@lru_cache(maxsize=1)
def assets() -> dict[str, Asset]:
    """All static files by name, read once and compressed once."""
    root = files("services.backoffice") / "static"
    bodies = {file.name: file.read_bytes() for file in root.iterdir() if file.is_file()}
    bodies["htmx.js"] = b"\n;\n".join((root / "vendor" / name).read_bytes() for name in HTMX)
    found: dict[str, Asset] = {}
    for name, body in bodies.items():
        if media := MEDIA.get(name.rpartition(".")[2]):
            digest = hashlib.sha256(body).hexdigest()[:12]
            found[name] = Asset(body, gzip.compress(body, 9, mtime=0), media, digest)
    return found


def asset(name: str) -> str:
    """Its address: another one as soon as its content is another."""
    return f"/static/{assets()[name].digest}/{name}"


class Unindented(Extension):
    """Templates are indented for those who read them, not for browsers."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return re.sub(r"^[ \t]+", "", source, flags=re.MULTILINE)


@lru_cache(maxsize=1)
def templates() -> Environment:
    """All templates, each compiled once for all languages: what they say is up to the words `w` they are given."""
    environment = Environment(
        loader=PackageLoader("services.backoffice"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
        extensions=["jinja2.ext.i18n", Unindented],
    )

    @pass_context
    def gettext(context: Context, sentence: str) -> str:
        return str(context["w"].translations.gettext(sentence))

    @pass_context
    def ngettext(context: Context, one: str, more: str, n: int) -> str:
        return str(context["w"].translations.ngettext(one, more, n))

    environment.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.globals.update(
        asset=asset,
        icon=icon,
        bar=bar,
        statuses=STATUSES,
        shipments_words=SHIPMENTS,
        returns_words=RETURNS,
        methods=METHODS,
        acts=ACTS,
    )
    for name in ("day", "clock", "moment", "number", "heard", "retold"):
        environment.filters[name] = _said("marked" if name == "retold" else name)
    return environment


def _said(method: str) -> Callable[[Context, Any], Any]:
    """The filter that is a method of the words."""

    @pass_context
    def said(context: Context, value: Any) -> Any:
        return getattr(context["w"], method)(value)

    return said


class Pages:
    """Renders templates, in one language."""

    def __init__(self, zone: str, shop: str, language: str = SOURCE) -> None:
        self.zone, self.shop = ZoneInfo(zone), shop
        self.language = language
        self.words = English(self.zone, language, translations(language))

    def speaking(self, language: str) -> "Pages":
        """The same pages in another language."""
        return Pages(self.zone.key, self.shop, language)

    def render(self, template: str, /, **values: Any) -> str:
        html = templates().get_template(template).render(w=self.words, shop=self.shop, **values)
        return html if template in ALL_ICONS else used(html)

    def part(self, template: str, macro: str, /, *values: Any, **more: Any) -> str:
        """One macro of a template: what a live page gets in place of what it shows."""
        module = templates().get_template(template).make_module({"w": self.words, "shop": self.shop, **more})
        return str(getattr(module, macro)(*values))

    def day_of(self, now: datetime) -> tuple[datetime, datetime]:
        """When the shop's day began, and when it ends."""
        here = now.astimezone(self.zone)
        start = datetime(here.year, here.month, here.day, tzinfo=self.zone)
        return start.astimezone(UTC), (start + timedelta(days=1)).astimezone(UTC)


ALL_ICONS = ("today.html", "order.html")
"""Pages whose parts come live, with any icon."""
_SYMBOL = re.compile(r'<symbol id="([^"]+)".*?</symbol>\n')


def used(html: str) -> str:
    """The page with those icons only that are on it."""
    there = set(re.findall(r'<use href="#([^"]+)"', html))
    return _SYMBOL.sub(lambda symbol: symbol[0] if symbol[1] in there else "", html)


def icon(name: str, css: str = "") -> Markup:
    return Markup('<svg class="icon{}" aria-hidden="true"><use href="#i-{}"/></svg>').format(
        f" {css}" if css else "", name
    )
