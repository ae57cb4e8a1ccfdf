"""UBL 2.1: Invoice and CreditNote, in the order of its schema."""

from decimal import Decimal
from typing import Final

from services.billing.einvoice.model import Allowance, Breakdown, Document, Line, Party, Payment, Place, Sums
from services.billing.einvoice.tree import Element, branch, plain, put, put_identifier, root, written

UBL: Final = "urn:oasis:names:specification:ubl:schema:xsd:"
CAC: Final = f"{UBL}CommonAggregateComponents-2"
CBC: Final = f"{UBL}CommonBasicComponents-2"
NONE_KNOWN: Final = "NA"
"""The seller's order number stands beside the buyer's, which Peppol writes so where there is none."""


def ubl(d: Document) -> bytes:
    """The document in UBL. What is missing in it is missing there, so it is checked before."""
    name = "CreditNote" if d.credits else "Invoice"
    top = root(name, {"": f"{UBL}{name}-2", "cac": CAC, "cbc": CBC})
    put(top, "cbc:CustomizationID", d.specification)
    put(top, "cbc:ProfileID", d.process)
    put(top, "cbc:ID", d.number)
    put(top, "cbc:IssueDate", d.issued_on)
    if not d.credits:
        put(top, "cbc:DueDate", d.due_on)
    put(top, f"cbc:{name}TypeCode", d.type)
    put(top, "cbc:DocumentCurrencyCode", d.currency)
    put(top, "cbc:TaxCurrencyCode", d.vat_currency)
    put(top, "cbc:BuyerReference", d.buyer_reference)
    if d.order:
        order = branch(top, "cac:OrderReference")
        put(order, "cbc:ID", NONE_KNOWN)
        put(order, "cbc:SalesOrderID", d.order)
    if d.corrects:
        corrected = branch(top, "cac:BillingReference/cac:InvoiceDocumentReference")
        put(corrected, "cbc:ID", d.corrects)
        put(corrected, "cbc:IssueDate", d.corrects_of)
    for role, party in (("Supplier", d.seller), ("Customer", d.buyer)):
        if party is not None:
            _party(branch(top, f"cac:Accounting{role}Party/cac:Party"), party)
    if d.delivered_on or d.delivered_to:
        delivery = branch(top, "cac:Delivery")
        put(delivery, "cbc:ActualDeliveryDate", d.delivered_on)
        if d.delivered_to:
            _place(branch(delivery, "cac:DeliveryLocation/cac:Address"), d.delivered_to)
    for payment in d.payments:
        _payment(branch(top, "cac:PaymentMeans"), payment)
    put(top, "cac:PaymentTerms/cbc:Note", d.payment_terms)
    for allowance in d.allowances:
        _allowance(branch(top, "cac:AllowanceCharge"), allowance, d.currency)
    sums = d.sums or Sums()
    if sums.vat is not None or d.breakdown:
        tax = branch(top, "cac:TaxTotal")
        put(tax, "cbc:TaxAmount", sums.vat, currencyID=d.currency)
        for group in d.breakdown:
            _breakdown(branch(tax, "cac:TaxSubtotal"), group, d.currency)
    put(top, "cac:TaxTotal/cbc:TaxAmount", d.vat_in_vat_currency, currencyID=d.vat_currency)
    if d.sums is not None:
        _sums(branch(top, "cac:LegalMonetaryTotal"), d.sums, d.currency)
    for line in d.lines:
        _line(branch(top, f"cac:{name}Line"), line, d)
    return written(top)


def _party(at: Element, party: Party) -> None:
    put_identifier(at, "cbc:EndpointID", party.electronic_address)
    for identifier in party.ids:
        put_identifier(branch(at, "cac:PartyIdentification"), "cbc:ID", identifier)
    if party.place is not None:
        _place(branch(at, "cac:PostalAddress"), party.place)
    for number, scheme in ((party.vat_id, "VAT"), (party.tax_id, "TAX")):
        if number:
            registered = branch(at, "cac:PartyTaxScheme")
            put(registered, "cbc:CompanyID", number)
            put(registered, "cac:TaxScheme/cbc:ID", scheme)
    if party.name or party.legal_id:
        legal = branch(at, "cac:PartyLegalEntity")
        put(legal, "cbc:RegistrationName", party.name)
        put_identifier(legal, "cbc:CompanyID", party.legal_id)
    put(at, "cac:Contact/cbc:Name", party.contact)


def _place(at: Element, place: Place) -> None:
    street, more, third = (*place.street, "", "", "")[:3]
    put(at, "cbc:StreetName", street)
    put(at, "cbc:AdditionalStreetName", more)
    put(at, "cbc:CityName", place.city)
    put(at, "cbc:PostalZone", place.postcode)
    put(at, "cbc:CountrySubentity", place.region)
    put(at, "cac:AddressLine/cbc:Line", third)
    put(at, "cac:Country/cbc:IdentificationCode", place.country)


def _payment(at: Element, payment: Payment) -> None:
    put(at, "cbc:PaymentMeansCode", payment.means)
    put(at, "cbc:PaymentID", payment.reference)
    for account in payment.accounts:
        payee = branch(at, "cac:PayeeFinancialAccount")
        put(payee, "cbc:ID", account)
        put(payee, "cac:FinancialInstitutionBranch/cbc:ID", payment.bic)


def _allowance(at: Element, allowance: Allowance, currency: str) -> None:
    put(at, "cbc:ChargeIndicator", "true" if allowance.charge else "false")
    put(at, "cbc:AllowanceChargeReasonCode", allowance.reason_code)
    put(at, "cbc:AllowanceChargeReason", allowance.reason)
    put(at, "cbc:Amount", allowance.amount, currencyID=currency)
    put(at, "cbc:BaseAmount", allowance.base, currencyID=currency)
    if allowance.category:
        _category(branch(at, "cac:TaxCategory"), allowance.category, allowance.rate)


def _category(at: Element, category: str, rate: Decimal | None, reason: str = "", code: str = "") -> None:
    put(at, "cbc:ID", category)
    put(at, "cbc:Percent", plain(rate))
    put(at, "cbc:TaxExemptionReasonCode", code)
    put(at, "cbc:TaxExemptionReason", reason)
    put(at, "cac:TaxScheme/cbc:ID", "VAT")


def _breakdown(at: Element, group: Breakdown, currency: str) -> None:
    put(at, "cbc:TaxableAmount", group.base, currencyID=currency)
    put(at, "cbc:TaxAmount", group.vat, currencyID=currency)
    _category(branch(at, "cac:TaxCategory"), group.category, group.rate, group.reason, group.reason_code)


def _sums(at: Element, sums: Sums, currency: str) -> None:
    for name, amount in (
        ("LineExtensionAmount", sums.lines),
        ("TaxExclusiveAmount", sums.net),
        ("TaxInclusiveAmount", sums.gross),
        ("AllowanceTotalAmount", sums.allowances),
        ("ChargeTotalAmount", sums.charges),
        ("PrepaidAmount", sums.prepaid),
        ("PayableRoundingAmount", sums.rounding),
        ("PayableAmount", sums.due),
    ):
        put(at, f"cbc:{name}", amount, currencyID=currency)


def _line(at: Element, line: Line, d: Document) -> None:
    put(at, "cbc:ID", line.id)
    put(at, "cbc:CreditedQuantity" if d.credits else "cbc:InvoicedQuantity", plain(line.quantity), unitCode=line.unit)
    put(at, "cbc:LineExtensionAmount", line.net, currencyID=d.currency)
    for allowance in line.allowances:
        _allowance(branch(at, "cac:AllowanceCharge"), allowance, d.currency)
    item = branch(at, "cac:Item")
    put(item, "cbc:Name", line.name)
    put(item, "cac:SellersItemIdentification/cbc:ID", line.item_id)
    if line.standard_id is not None:
        put_identifier(branch(item, "cac:StandardItemIdentification"), "cbc:ID", line.standard_id)
    if line.category:
        _category(branch(item, "cac:ClassifiedTaxCategory"), line.category, line.rate)
    put(at, "cac:Price/cbc:PriceAmount", line.price, currencyID=d.currency)
