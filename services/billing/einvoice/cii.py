"""UN/CEFACT Cross Industry Invoice (CII), in the order of its schema: D16B to D22B have all that is here."""

from datetime import date
from decimal import Decimal
from typing import Final

from services.billing.einvoice.model import Allowance, Breakdown, Document, Line, Party, Place, Sums
from services.billing.einvoice.tree import Element, branch, plain, put, put_identifier, root, written

CEFACT: Final = "urn:un:unece:uncefact:data:standard:"
NAMESPACES: Final = {
    "rsm": f"{CEFACT}CrossIndustryInvoice:100",
    "qdt": f"{CEFACT}QualifiedDataType:100",
    "ram": f"{CEFACT}ReusableAggregateBusinessInformationEntity:100",
    "udt": f"{CEFACT}UnqualifiedDataType:100",
}
DAY: Final = "102"
"""A day as eight digits."""


def cii(d: Document) -> bytes:
    """The document in CII. What is missing in it is missing there, so it is checked before."""
    top = root("rsm:CrossIndustryInvoice", NAMESPACES)
    context = branch(top, "rsm:ExchangedDocumentContext")
    put(context, "ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID", d.process)
    put(context, "ram:GuidelineSpecifiedDocumentContextParameter/ram:ID", d.specification)
    head = branch(top, "rsm:ExchangedDocument")
    put(head, "ram:ID", d.number)
    put(head, "ram:TypeCode", d.type)
    _day(head, "ram:IssueDateTime/udt:DateTimeString", d.issued_on)
    trade = branch(top, "rsm:SupplyChainTradeTransaction")
    for line in d.lines:
        _line(branch(trade, "ram:IncludedSupplyChainTradeLineItem"), line)
    agreed = branch(trade, "ram:ApplicableHeaderTradeAgreement")
    put(agreed, "ram:BuyerReference", d.buyer_reference)
    for role, party in (("Seller", d.seller), ("Buyer", d.buyer)):
        if party is not None:
            _party(branch(agreed, f"ram:{role}TradeParty"), party)
    put(agreed, "ram:SellerOrderReferencedDocument/ram:IssuerAssignedID", d.order)
    delivery = branch(trade, "ram:ApplicableHeaderTradeDelivery")
    if d.delivered_to is not None:
        _place(branch(delivery, "ram:ShipToTradeParty/ram:PostalTradeAddress"), d.delivered_to)
    _day(delivery, "ram:ActualDeliverySupplyChainEvent/ram:OccurrenceDateTime/udt:DateTimeString", d.delivered_on)
    _settlement(branch(trade, "ram:ApplicableHeaderTradeSettlement"), d)
    return written(top)


def _settlement(at: Element, d: Document) -> None:
    for payment in d.payments[:1]:
        put(at, "ram:PaymentReference", payment.reference)
    put(at, "ram:TaxCurrencyCode", d.vat_currency)
    put(at, "ram:InvoiceCurrencyCode", d.currency)
    for payment in d.payments:
        means = branch(at, "ram:SpecifiedTradeSettlementPaymentMeans")
        put(means, "ram:TypeCode", payment.means)
        for account in payment.accounts:
            put(means, "ram:PayeePartyCreditorFinancialAccount/ram:IBANID", account)
            put(means, "ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID", payment.bic)
    for group in d.breakdown:
        _breakdown(branch(at, "ram:ApplicableTradeTax"), group)
    for allowance in d.allowances:
        _allowance(branch(at, "ram:SpecifiedTradeAllowanceCharge"), allowance)
    if d.payment_terms or d.due_on:
        terms = branch(at, "ram:SpecifiedTradePaymentTerms")
        put(terms, "ram:Description", d.payment_terms)
        _day(terms, "ram:DueDateDateTime/udt:DateTimeString", d.due_on)
    if d.sums is not None:
        _sums(branch(at, "ram:SpecifiedTradeSettlementHeaderMonetarySummation"), d.sums, d)
    if d.corrects:
        corrected = branch(at, "ram:InvoiceReferencedDocument")
        put(corrected, "ram:IssuerAssignedID", d.corrects)
        _day(corrected, "ram:FormattedIssueDateTime/qdt:DateTimeString", d.corrects_of)


def _day(parent: Element, path: str, day: date | None) -> None:
    put(parent, path, day.isoformat().replace("-", "") if day else None, format=DAY)


def _party(at: Element, party: Party) -> None:
    for identifier in party.ids:
        put_identifier(at, "ram:GlobalID" if identifier.scheme else "ram:ID", identifier)
    put(at, "ram:Name", party.name)
    if party.legal_id is not None:
        put_identifier(branch(at, "ram:SpecifiedLegalOrganization"), "ram:ID", party.legal_id)
    put(at, "ram:DefinedTradeContact/ram:PersonName", party.contact)
    if party.place is not None:
        _place(branch(at, "ram:PostalTradeAddress"), party.place)
    if party.electronic_address is not None:
        put_identifier(branch(at, "ram:URIUniversalCommunication"), "ram:URIID", party.electronic_address)
    for number, scheme in ((party.tax_id, "FC"), (party.vat_id, "VA")):
        if number:
            put(branch(at, "ram:SpecifiedTaxRegistration"), "ram:ID", number, schemeID=scheme)


def _place(at: Element, place: Place) -> None:
    first, second, third = (*place.street, "", "", "")[:3]
    put(at, "ram:PostcodeCode", place.postcode)
    put(at, "ram:LineOne", first)
    put(at, "ram:LineTwo", second)
    put(at, "ram:LineThree", third)
    put(at, "ram:CityName", place.city)
    put(at, "ram:CountryID", place.country)
    put(at, "ram:CountrySubDivisionName", place.region)


def _allowance(at: Element, allowance: Allowance) -> None:
    put(at, "ram:ChargeIndicator/udt:Indicator", "true" if allowance.charge else "false")
    put(at, "ram:BasisAmount", allowance.base)
    put(at, "ram:ActualAmount", allowance.amount)
    put(at, "ram:ReasonCode", allowance.reason_code)
    put(at, "ram:Reason", allowance.reason)
    if allowance.category:
        _category(branch(at, "ram:CategoryTradeTax"), allowance.category, allowance.rate)


def _category(at: Element, category: str, rate: Decimal | None) -> None:
    put(at, "ram:TypeCode", "VAT")
    put(at, "ram:CategoryCode", category)
    put(at, "ram:RateApplicablePercent", plain(rate))


def _breakdown(at: Element, group: Breakdown) -> None:
    put(at, "ram:CalculatedAmount", group.vat)
    put(at, "ram:TypeCode", "VAT")
    put(at, "ram:ExemptionReason", group.reason)
    put(at, "ram:BasisAmount", group.base)
    put(at, "ram:CategoryCode", group.category)
    put(at, "ram:ExemptionReasonCode", group.reason_code)
    put(at, "ram:RateApplicablePercent", plain(group.rate))


def _sums(at: Element, sums: Sums, d: Document) -> None:
    put(at, "ram:LineTotalAmount", sums.lines)
    put(at, "ram:ChargeTotalAmount", sums.charges)
    put(at, "ram:AllowanceTotalAmount", sums.allowances)
    put(at, "ram:TaxBasisTotalAmount", sums.net)
    put(at, "ram:TaxTotalAmount", sums.vat, currencyID=d.currency)
    put(at, "ram:TaxTotalAmount", d.vat_in_vat_currency, currencyID=d.vat_currency)
    put(at, "ram:RoundingAmount", sums.rounding)
    put(at, "ram:GrandTotalAmount", sums.gross)
    put(at, "ram:TotalPrepaidAmount", sums.prepaid)
    put(at, "ram:DuePayableAmount", sums.due)


def _line(at: Element, line: Line) -> None:
    put(at, "ram:AssociatedDocumentLineDocument/ram:LineID", line.id)
    product = branch(at, "ram:SpecifiedTradeProduct")
    put_identifier(product, "ram:GlobalID", line.standard_id)
    put(product, "ram:SellerAssignedID", line.item_id)
    put(product, "ram:Name", line.name)
    price = branch(at, "ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice")
    put(price, "ram:ChargeAmount", line.price)
    quantity = branch(at, "ram:SpecifiedLineTradeDelivery")
    put(quantity, "ram:BilledQuantity", plain(line.quantity), unitCode=line.unit)
    settled = branch(at, "ram:SpecifiedLineTradeSettlement")
    if line.category:
        _category(branch(settled, "ram:ApplicableTradeTax"), line.category, line.rate)
    for allowance in line.allowances:
        _allowance(branch(settled, "ram:SpecifiedTradeAllowanceCharge"), allowance)
    put(settled, "ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount", line.net)
