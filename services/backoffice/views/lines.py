"""Lines that a clerk adds to an order: products found with what is free of them, and what was typed of new lines."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.backoffice.owners import Away, Owners, Said
from services.backoffice.pages import English
from services.backoffice.sheets import Unreadable, decimal_mark, number
from shared.contracts.money import unit_of

Item = dict[str, Any]
Form = Mapping[str, Any]
MOST_NEW = 30
"""New lines of one form; an order with more comes from a file."""
FOUND = 10
MOST_PIECES = 1_000_000

THOUSANDTH = Decimal("0.001")


class Mistyped(ValueError):
    """What was typed makes no sense: a sentence for people, in their language."""


def text(w: English, form: Form, name: str, label: str, most: int) -> str:
    """What was typed into a field, whole. Raises Mistyped for more than can be kept: nothing is cut unsaid."""
    return short(w, str(form.get(name, "")).strip(), label, most)


def short(w: English, said: str, label: str, most: int) -> str:
    """The text itself, which its field can hold. Raises Mistyped."""
    if len(said) > most:
        n, at_most = w.number(len(said)), w.number(most)
        raise Mistyped(w.say("%(field)s: at most %(most)s characters, not %(n)s.", field=label, most=at_most, n=n))
    return said


def typed(form: Form) -> list[Item]:
    """The new lines as they were typed, without those that say nothing."""
    rows = []
    for n in range(MOST_NEW):
        row = {name: str(form.get(f"{name}-{n}", "")).strip() for name in ("sku", "pieces", "price")}
        if any(row.values()):
            rows.append(row)
    return rows


def shown(form: Form, blank: int = 1) -> list[Item]:
    """The new lines of a form, and some to be filled in."""
    rows = typed(form)
    return [*rows, *({"sku": "", "pieces": "", "price": ""} for _ in range(min(blank, MOST_NEW - len(rows))))]


def taken(form: Form, sku: str) -> Item:
    """The form with one piece more of this product: on its line, or on a new one. Raises Mistyped when it is full."""
    rows = typed(form)
    same = next((row for row in rows if row["sku"] == sku and row["pieces"].isdecimal() and not row["price"]), None)
    if same is not None:
        same["pieces"] = str(int(same["pieces"]) + 1)
    elif len(rows) < MOST_NEW:
        rows.append({"sku": sku, "pieces": "1", "price": ""})
    else:
        raise Mistyped(str(MOST_NEW))
    rest = {name: value for name, value in form.items() if name.partition("-")[0] not in ("sku", "pieces", "price")}
    return rest | {f"{name}-{n}": value for n, row in enumerate(rows) for name, value in row.items()}


def wanted(w: English, form: Form, currency: str) -> list[Item]:
    """The new lines of an order in this currency, as the order service takes them. Raises Mistyped."""
    lines: list[Item] = []
    for row in typed(form):
        if not row["sku"]:
            raise Mistyped(w.say("Say the SKU of each new line."))
        line: Item = {"sku": row["sku"], "quantity": pieces(w, row["pieces"], row["sku"], least=1)}
        if row["price"]:
            line["unit_price"] = amount(w, row["price"], currency)
        lines.append(line)
    return lines


def pieces(w: English, text: str, of: str, *, least: int) -> int:
    if text.isdecimal() and len(text) <= 7 and least <= int(text) <= MOST_PIECES:
        return int(text)
    raise Mistyped(
        w.say("%(sku)s: say a whole number of pieces, %(least)s to %(most)s.", sku=of, least=least,
              most=w.number(MOST_PIECES))
    )  # fmt: skip


def amount(w: English, text: str, currency: str = "") -> str:
    """An amount with a comma or a point, as programs write it. Raises Mistyped, also for what may mean two amounts.

    In a currency of thousandths three digits after the one mark are those.
    """
    try:
        mark = decimal_mark([(0, "", text)])
    except Unreadable:
        mark = "." if "." in text else ","
        whole, part = text.split(mark)
        if part.isdecimal() and not (currency and unit_of(currency) <= THOUSANDTH):
            said = {"amount": text, "thousands": f"{whole}{part}", "part": f"{text}0"}
            raise Mistyped(
                w.say("%(amount)s may be thousands or a part: write %(thousands)s or %(part)s.", **said)
            ) from None
    written = number(text, mark)
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", written):
        raise Mistyped(w.say("%(amount)s is no amount; write it as 12.50 or 12,50.", amount=text))
    return written


def typeable(amount: Decimal) -> str:
    """An amount for a field, so that it is read as what it is: not with three decimals, which may be thousands."""
    text = f"{amount:f}"
    return f"{text}0" if len(text.partition(".")[2]) == 3 else text


async def offers(owners: Owners, w: English, q: str) -> list[Item]:
    """Products that a search finds by the beginning of the SKU or a part of the name, with what is free of each."""
    if not q:
        return []
    found = (await owners.get("order", "/products", search=q, limit=FOUND))["items"]
    try:
        free = await owners.by_sku("inventory", "/availability", [of["sku"] for of in found])
    except (Away, Said):
        free = {}  # an order is taken without knowing it, too
    return [
        {
            "sku": of["sku"],
            "name": of["name"] or of["sku"],
            "price": w.price(Decimal(of["price"])),
            "rate": w.percent(Decimal(of["vat_rate"])),
            "free": _free(w, free.get(of["sku"])),
            "none": bool((free.get(of["sku"]) or {}).get("available") == 0),
        }
        for of in found
    ]


def _free(w: English, of: Item | None) -> str:
    """What may be promised of a product now, and from when more."""
    if of is None:
        return w.say("what is free is not known now")
    if not of["known"]:
        return w.say("the warehouse does not know it")
    if of["available"] is None:
        return w.say("needs no stock")
    if of["available"]:
        return w.say("%(n)s free", n=w.number(of["available"]))
    if of["more_from"]:
        return w.say("none free, more from %(day)s", day=w.day(of["more_from"]))
    return w.say("none free, on backorder") if of["backorderable"] else w.say("sold out")
