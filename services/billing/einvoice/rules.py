"""The business rules of EN 16931 over its semantic model: which of them a document breaks, and in which term.

Rules are called as the standard calls them. Here are those about terms that the model knows: mandatory terms (BR-..),
conditions and sums (BR-CO-..), decimals (BR-DEC-..), VAT categories (BR-S-.., BR-Z-.., ...), code lists (BR-CL-..).
Where the official rules let a VAT amount be off by less than one unit of the currency, so do these.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from services.billing.einvoice import codes
from services.billing.einvoice.model import Allowance, Breakdown, Document, Line, Party, Sums
from shared.contracts.money import HUNDRED, rounded

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
NAMES: Final = {"S": "S", "Z": "Z", "E": "E", "AE": "AE", "K": "IC", "G": "G", "O": "O", "L": "AF", "M": "AG"}
"""What the rules of each VAT category are called; B, split payment, has two of its own."""


class Finding(NamedTuple):
    """A rule that is broken, and what is wrong, with the business terms."""

    rule: str
    says: str


Rule = Callable[[Document], Iterator[Finding]]


def findings(document: Document) -> list[Finding]:
    """Every rule that the document breaks, each with its first fault; empty when it may be sent."""
    found: dict[str, Finding] = {}
    for rule in RULES:
        for finding in rule(document):
            found.setdefault(finding.rule, finding)
    return list(found.values())


def _head(d: Document) -> Iterator[Finding]:
    missing = (
        ("BR-01", d.specification, "specification identifier (BT-24)"),
        ("BR-02", d.number, "number (BT-1)"),
        ("BR-03", d.issued_on, "issue date (BT-2)"),
        ("BR-04", d.type, "type code (BT-3)"),
        ("BR-05", d.currency, "currency (BT-5)"),
        ("BR-16", d.lines, "line (BG-25)"),
        ("BR-CO-18", d.breakdown, "VAT breakdown (BG-23)"),
    )
    for rule, value, name in missing:
        if not value:
            yield Finding(rule, f"There is no {name}.")
    if d.vat_currency and (d.vat_in_vat_currency is None or d.vat_currency == d.currency):
        yield Finding("BR-53", f"The VAT in {d.vat_currency} (BT-111), another currency than BT-5, is missing.")
    if d.type and d.type not in (codes.CREDIT_NOTE_TYPES if d.credits else codes.INVOICE_TYPES):
        yield Finding("BR-CL-01", f"{d.type} is no type (BT-3) of {'a credit note' if d.credits else 'an invoice'}.")
    for currency in (d.currency, d.vat_currency):
        if currency and currency not in codes.CURRENCIES:
            yield Finding("BR-CL-03", f"{currency} is no currency of ISO 4217 that an amount can have.")
    if d.currency and d.currency not in codes.CURRENCIES:
        yield Finding("BR-CL-04", f"{d.currency} is no currency of ISO 4217 (BT-5).")
    if d.vat_currency and d.vat_currency not in codes.CURRENCIES:
        yield Finding("BR-CL-05", f"{d.vat_currency} is no currency of ISO 4217 (BT-6).")


def _parties(d: Document) -> Iterator[Finding]:
    seller, buyer = d.seller or Party(), d.buyer or Party()
    if not seller.name:
        yield Finding("BR-06", "The seller's name (BT-27) is missing.")
    if not buyer.name:
        yield Finding("BR-07", "The buyer's name (BT-44) is missing.")
    if seller.place is None:
        yield Finding("BR-08", "The seller's postal address (BG-5) is missing.")
    elif not seller.place.country:
        yield Finding("BR-09", "The seller's country (BT-40) is missing.")
    if buyer.place is None:
        yield Finding("BR-10", "The buyer's postal address (BG-8) is missing.")
    elif not buyer.place.country:
        yield Finding("BR-11", "The buyer's country (BT-55) is missing.")
    if d.representative is not None:
        if not d.representative.name:
            yield Finding("BR-18", "The name of the seller's tax representative (BT-62) is missing.")
        if d.representative.place is None:
            yield Finding("BR-19", "The address of the seller's tax representative (BG-12) is missing.")
        elif not d.representative.place.country:
            yield Finding("BR-20", "The country of the seller's tax representative (BT-69) is missing.")
        if not d.representative.vat_id:
            yield Finding("BR-56", "The VAT identifier of the seller's tax representative (BT-63) is missing.")
    if d.delivered_to is not None and not d.delivered_to.country:
        yield Finding("BR-57", "The country of delivery (BT-80) is missing.")
    for rule, party, name in (("BR-62", seller, "seller's"), ("BR-63", buyer, "buyer's")):
        if party.electronic_address and not party.electronic_address.scheme:
            number = "BT-34" if party is seller else "BT-49"
            yield Finding(rule, f"The {name} electronic address ({number}) has no scheme.")
    if not (seller.vat_id or seller.legal_id or any(of.scheme != "SEPA" for of in seller.ids)):
        yield Finding(
            "BR-CO-26", "The seller's VAT identifier (BT-31), register number (BT-30) or identifier (BT-29) is missing."
        )


def _codes_of_parties(d: Document) -> Iterator[Finding]:
    for party in filter(None, (d.seller, d.buyer, d.representative)):
        if party.vat_id and party.vat_id[:2] not in codes.VAT_PREFIXES:
            yield Finding("BR-CO-09", f"VAT identifier {party.vat_id} (BT-31, BT-48, BT-63) begins with no country.")
        for identifier in party.ids:
            if identifier.scheme and identifier.scheme not in codes.SCHEMES | {"SEPA"}:
                yield Finding("BR-CL-10", f"{identifier.scheme} is no scheme of identifiers (BT-29, BT-46).")
        if party.legal_id and party.legal_id.scheme and party.legal_id.scheme not in codes.SCHEMES:
            yield Finding("BR-CL-11", f"{party.legal_id.scheme} is no scheme of registers (BT-30, BT-47).")
        address = party.electronic_address
        if address and address.scheme and address.scheme not in codes.ADDRESS_SCHEMES:
            yield Finding("BR-CL-25", f"{address.scheme} is no scheme of electronic addresses (BT-34, BT-49).")
    places = [party.place for party in (d.seller, d.buyer, d.representative) if party]
    for place in (*places, d.delivered_to):
        if place and place.country and place.country not in codes.COUNTRIES:
            yield Finding("BR-CL-14", f"{place.country} is no country of ISO 3166-1 (BT-40, BT-55, BT-69, BT-80).")


def _payment(d: Document) -> Iterator[Finding]:
    for payment in d.payments:
        if not payment.means:
            yield Finding("BR-49", "The means of payment (BT-81) is missing.")
        elif payment.means not in codes.MEANS_OF_PAYMENT:
            yield Finding("BR-CL-16", f"{payment.means} is no means of payment (BT-81).")
        if payment.means in ("30", "58"):
            if not payment.accounts:
                yield Finding("BR-61", "The account to pay to, IBAN (BT-84), is missing.")
            if not all(payment.accounts):
                yield Finding("BR-50", "The account to pay to, IBAN (BT-84), is empty.")


def _sums(d: Document) -> Iterator[Finding]:
    """Totals that are missing, and those that are not what their parts come to: what is missing is no sum either."""
    s = d.sums or Sums()
    for rule, amount, name in (
        ("BR-12", s.lines, "sum of the lines (BT-106)"),
        ("BR-13", s.net, "total without VAT (BT-109)"),
        ("BR-14", s.gross, "total with VAT (BT-112)"),
        ("BR-15", s.due, "amount due (BT-115)"),
    ):
        if amount is None:
            yield Finding(rule, f"The {name} is missing.")
    if d.sums is None:
        return
    of_lines = _sum(line.net for line in d.lines)
    less, more = (_sum(a.amount for a in d.allowances if a.charge == charge) for charge in (False, True))
    net = _sum((s.lines, s.charges)) - _sum((s.allowances,))
    vat, gross = _sum(of.vat for of in d.breakdown), _sum((s.net, s.vat))
    due = _sum((s.gross, s.rounding)) - _sum((s.prepaid,))
    charged = {a.charge for a in d.allowances}  # a sum of nothing may be left out
    allowances = ZERO if s.allowances is None and False not in charged else s.allowances
    charges = ZERO if s.charges is None and True not in charged else s.charges
    for rule, said, comes_to, name in (
        ("BR-CO-10", s.lines, of_lines, "sum of the lines (BT-106, of BT-131)"),
        ("BR-CO-11", allowances, less, "sum of allowances (BT-107)"),
        ("BR-CO-12", charges, more, "sum of charges (BT-108)"),
        ("BR-CO-13", None if s.lines is None else s.net, net, "total without VAT (BT-109)"),
        ("BR-CO-14", s.vat if s.vat is not None and d.breakdown else vat, vat, "VAT (BT-110, of BT-117)"),
        ("BR-CO-15", None if s.net is None else s.gross, gross, "total with VAT (BT-112)"),
        ("BR-CO-16", None if s.gross is None else s.due, due, "amount due (BT-115)"),
    ):
        if said != rounded(comes_to):
            yield Finding(rule, f"The {name} is {said}, its parts come to {comes_to}.")


def _lines(d: Document) -> Iterator[Finding]:
    for line in d.lines:
        where = f"of line {line.id}"
        for rule, present, name in (
            ("BR-21", line.id, "number (BT-126) of a line"),
            ("BR-22", line.quantity is not None, f"quantity (BT-129) {where}"),
            ("BR-23", line.unit and line.quantity is not None, f"unit (BT-130) {where}"),
            ("BR-24", line.net is not None, f"net amount (BT-131) {where}"),
            ("BR-25", line.name, f"name of the item (BT-153) {where}"),
            ("BR-26", line.price is not None, f"net price (BT-146) {where}"),
            ("BR-CO-04", line.category, f"VAT category (BT-151) {where}"),
        ):
            if not present:
                yield Finding(rule, f"The {name} is missing.")
        if line.price is None or line.price < 0:
            yield Finding("BR-27", f"The net price (BT-146) {where} is not at least 0.")
        if line.list_price is not None and line.list_price < 0:
            yield Finding("BR-28", f"The price before discount (BT-148) {where} is not at least 0.")
        for allowance in line.allowances:
            yield from _complete(allowance, ("BR-43", "BR-44", "BR-CO-24"), ("BR-41", "BR-42", "BR-CO-23"))
        if line.standard_id is not None:
            if not line.standard_id.scheme:
                yield Finding("BR-64", f"The standard identifier of the item (BT-157) {where} has no scheme.")
            elif line.standard_id.scheme not in codes.SCHEMES:
                yield Finding("BR-CL-21", f"{line.standard_id.scheme} (BT-157) {where} is no scheme of identifiers.")
        if line.category and line.category not in codes.CATEGORIES:
            yield Finding("BR-CL-18", f"{line.category} (BT-151) {where} is no VAT category.")


def _allowances(d: Document) -> Iterator[Finding]:
    for allowance in d.allowances:
        yield from _complete(allowance, ("BR-36", "BR-38", "BR-CO-22"), ("BR-31", "BR-33", "BR-CO-21"))
        if not allowance.category:
            rule = "BR-37" if allowance.charge else "BR-32"
            yield Finding(rule, "The VAT category of an allowance or charge (BT-95, BT-102) is missing.")


def _complete(a: Allowance, of_charge: tuple[str, str, str], of_allowance: tuple[str, str, str]) -> Iterator[Finding]:
    amount, reason, either = of_charge if a.charge else of_allowance
    if a.amount is None:
        yield Finding(amount, "The amount of an allowance or charge (BT-92, BT-99, BT-136, BT-141) is missing.")
    if not a.reason and not a.reason_code:
        yield Finding(reason, "The reason of an allowance or charge (BT-97, BT-104, BT-139, BT-144) is missing.")
        yield Finding(either, "The reason of an allowance or charge (BT-97, BT-104, BT-139, BT-144) is missing.")


def _breakdown(d: Document) -> Iterator[Finding]:
    for of in d.breakdown:
        where = f"of VAT {of.category} {'' if of.rate is None else of.rate}".strip()
        for rule, present, name in (
            ("BR-45", of.base is not None, f"taxable amount (BT-116) {where}"),
            ("BR-46", of.vat is not None, f"amount (BT-117) {where}"),
            ("BR-47", of.category, "VAT category (BT-118) of a breakdown"),
            ("BR-48", of.rate is not None or of.category == "O", f"rate (BT-119) {where}"),
        ):
            if not present:
                yield Finding(rule, f"The {name} is missing.")
        if of.category and of.category not in codes.CATEGORIES:
            yield Finding("BR-CL-17", f"{of.category} (BT-118) is no VAT category.")
        if not _is_tax(of):
            yield Finding("BR-CO-17", f"The amount (BT-117) {where} is {of.vat} on {of.base}, which is not its rate.")


def _is_tax(of: Breakdown) -> bool:
    """The VAT is the rate of its base; where the rate is 0, or rounds to it, there is none."""
    if not rounded(of.rate or ZERO, ONE):
        return of.vat is not None and not rounded(of.vat, ONE)
    return _near(of)


def _near(of: Breakdown) -> bool:
    """The VAT is its share of the base within less than one unit of the currency, as the official rules have it."""
    if of.base is None or of.vat is None:
        return False
    return abs(abs(of.vat) - rounded(abs(of.base) * (of.rate or ZERO) / HUNDRED)) < 1


def _categories(d: Document) -> Iterator[Finding]:
    """What holds for each VAT category: BR-S-01 to BR-S-10, and the same for all others."""
    for category, name in NAMES.items():
        lines = [line for line in d.lines if line.category == category]
        of_document = [a for a in d.allowances if a.category == category]
        groups = [of for of in d.breakdown if of.category == category]
        if not lines and not of_document and not groups:
            continue
        yield from _one_breakdown(f"BR-{name}", category, lines, of_document, groups)
        yield from _identified(d, f"BR-{name}", category, lines, of_document)
        yield from _rates(f"BR-{name}", category, lines, of_document)
        for group in groups:
            yield from _group(f"BR-{name}", category, group, lines, of_document)
        if category == "O":
            yield from _alone(d, groups)
        if category == "K" and groups:
            if d.delivered_on is None and not d.period:
                yield Finding("BR-IC-11", "VAT category K needs the date of delivery (BT-72).")
            if d.delivered_to is None or not d.delivered_to.country:
                yield Finding("BR-IC-12", "VAT category K needs the country of delivery (BT-80).")


def _one_breakdown(
    rule: str, category: str, lines: list[Line], allowances: list[Allowance], groups: list[Breakdown]
) -> Iterator[Finding]:
    """What is used has its breakdown; only S, L and M have several, one a rate."""
    used, several = bool(lines or allowances), category in ("S", "L", "M")
    if (used and not groups) or (groups and not used and several) or (len(groups) > 1 and not several):
        yield Finding(f"{rule}-01", f"VAT category {category} has {len(groups)} breakdowns (BG-23).")


def _identified(
    d: Document, rule: str, category: str, lines: list[Line], allowances: list[Allowance]
) -> Iterator[Finding]:
    """Who must be known to the tax office; where nothing is taxable, nobody may be."""
    seller, buyer, by = d.seller or Party(), d.buyer or Party(), d.representative or Party()
    known = bool(seller.vat_id or by.vat_id or (seller.tax_id and category not in ("K", "G")))
    says = ""
    if category == "O":
        if seller.vat_id or by.vat_id or buyer.vat_id:
            says = "VAT category O goes with no VAT identifier (BT-31, BT-48, BT-63)."
    elif not known:
        says = f"VAT category {category} needs the seller's VAT identifier (BT-31)."
    elif (category == "K" and not buyer.vat_id) or (category == "AE" and not (buyer.vat_id or buyer.legal_id)):
        says = f"VAT category {category} needs the buyer's VAT identifier (BT-48)."
    if says:
        for number, used in (
            ("02", lines),
            ("03", [a for a in allowances if not a.charge]),
            ("04", [a for a in allowances if a.charge]),
        ):
            if used:
                yield Finding(f"{rule}-{number}", says)


def _rates(rule: str, category: str, lines: list[Line], allowances: list[Allowance]) -> Iterator[Finding]:
    rates = [("05", "BT-152", line.rate) for line in lines]
    rates += [("07", "BT-103", a.rate) if a.charge else ("06", "BT-96", a.rate) for a in allowances]
    for number, term, rate in rates:
        if category == "S":
            fits = rate is not None and rate > 0
        elif category in ("L", "M"):
            fits = rate is not None and rate >= 0
        else:
            fits = rate is None if category == "O" else rate == 0
        if not fits:
            yield Finding(f"{rule}-{number}", f"VAT category {category} does not go with a rate of {rate} ({term}).")


def _group(
    rule: str, category: str, group: Breakdown, lines: list[Line], allowances: list[Allowance]
) -> Iterator[Finding]:
    several = category in ("S", "L", "M")

    def same(rate: Decimal | None) -> bool:
        return not several or rate == group.rate

    of_rate = [line for line in lines if same(line.rate)], [a for a in allowances if same(a.rate)]
    base = _sum(line.net for line in of_rate[0])
    base += _sum(a.amount if a.charge or a.amount is None else -a.amount for a in of_rate[1])
    if several:
        fits = group.rate is None or (group.base is not None and abs(group.base - base) < 1)
        fits = fits and (category != "S" or group.rate is None or any(of_rate))
    else:
        fits = group.base == base
    if not fits:
        yield Finding(
            f"{rule}-08", f"The taxable amount (BT-116) of {category} is {group.base}, its lines come to {base}."
        )
    if not (group.rate is not None and _near(group) if several else group.vat == 0):
        yield Finding(f"{rule}-09", f"The VAT (BT-117) of {category} is {group.vat} on {group.base}.")
    reasoned = bool(group.reason or group.reason_code)
    if category in ("S", "Z", "L", "M") and reasoned:
        yield Finding(
            f"{rule}-10", f"VAT category {category} has a reason of exemption (BT-120), which it cannot have."
        )
    if category not in ("S", "Z", "L", "M") and not reasoned:
        yield Finding(f"{rule}-10", f"VAT category {category} needs the reason why there is no VAT (BT-120).")


def _alone(d: Document, groups: list[Breakdown]) -> Iterator[Finding]:
    """What is not subject to VAT stands on a document of its own."""
    if not groups:
        return
    says = "What is not subject to VAT (O) cannot stand on one document with anything else"
    if any(of.category != "O" for of in d.breakdown):
        yield Finding("BR-O-11", f"{says} (BT-118).")
    if any(line.category != "O" for line in d.lines):
        yield Finding("BR-O-12", f"{says} (BT-151).")
    if any(a.category != "O" for a in d.allowances if not a.charge):
        yield Finding("BR-O-13", f"{says} (BT-95).")
    if any(a.category != "O" for a in d.allowances if a.charge):
        yield Finding("BR-O-14", f"{says} (BT-102).")


def _decimals(d: Document) -> Iterator[Finding]:
    """An amount has at most two decimals, whatever its currency; a price may have more."""
    s = d.sums or Sums()
    amounts: list[tuple[str, Decimal | None, str]] = [
        ("BR-DEC-09", s.lines, "BT-106"), ("BR-DEC-10", s.allowances, "BT-107"), ("BR-DEC-11", s.charges, "BT-108"),
        ("BR-DEC-12", s.net, "BT-109"), ("BR-DEC-14", s.gross, "BT-112"), ("BR-DEC-16", s.prepaid, "BT-113"),
        ("BR-DEC-17", s.rounding, "BT-114"), ("BR-DEC-18", s.due, "BT-115"),
    ]  # fmt: skip
    for of in d.breakdown:
        amounts += [("BR-DEC-19", of.base, "BT-116"), ("BR-DEC-20", of.vat, "BT-117")]
    for a in d.allowances:
        amount, base = ("BR-DEC-05", "BR-DEC-06") if a.charge else ("BR-DEC-01", "BR-DEC-02")
        amounts += [(amount, a.amount, "BT-92, BT-99"), (base, a.base, "BT-93, BT-100")]
    for line in d.lines:
        amounts.append(("BR-DEC-23", line.net, "BT-131"))
        for a in line.allowances:
            amount, base = ("BR-DEC-27", "BR-DEC-28") if a.charge else ("BR-DEC-24", "BR-DEC-25")
            amounts += [(amount, a.amount, "BT-136, BT-141"), (base, a.base, "BT-137, BT-142")]
    for rule, value, term in amounts:
        if value is not None and int(value.as_tuple().exponent) < -2:
            yield Finding(
                rule,
                f"{value:f} {d.currency} ({term}) has more than the two decimals that EN 16931 has for amounts of any "
                "currency.",
            )


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), ZERO)


RULES: Final[tuple[Rule, ...]] = (
    _head, _parties, _codes_of_parties, _payment, _lines, _allowances, _sums, _breakdown, _categories, _decimals,
)  # fmt: skip
