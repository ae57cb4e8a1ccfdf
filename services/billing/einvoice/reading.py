"""Reads UBL and CII back into the semantic model: for checking documents, whoever wrote them.

What comes from outside is hostile: its size is bounded, a DOCTYPE is refused (and with it every entity), and nothing is
fetched.
"""

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final
from xml.etree import ElementTree
from xml.parsers import expat

from services.billing.einvoice.cii import NAMESPACES
from services.billing.einvoice.codes import CREDIT_NOTE_TYPES
from services.billing.einvoice.model import (
    Allowance,
    Breakdown,
    Document,
    Identifier,
    Line,
    Party,
    Payment,
    Place,
    Sums,
)
from services.billing.einvoice.ubl import CAC, CBC, UBL

MAX_BYTES: Final = 16 * 1024 * 1024
PREFIXES: Final = {**NAMESPACES, "cac": CAC, "cbc": CBC}
ROOTS: Final = {
    f"{{{UBL}Invoice-2}}Invoice": "Invoice",
    f"{{{UBL}CreditNote-2}}CreditNote": "CreditNote",
    f"{{{NAMESPACES['rsm']}}}CrossIndustryInvoice": "CrossIndustryInvoice",
}


class Unreadable(ValueError):
    """No UBL invoice or credit note and no CII invoice, or a value that its syntax does not allow: says which."""


class Node:
    """An element, or none: asked for what is below it, it answers with nothing."""

    def __init__(self, element: ElementTree.Element | None) -> None:
        self.element = element

    def __bool__(self) -> bool:
        return self.element is not None

    def one(self, path: str) -> "Node":
        return Node(None if self.element is None else self.element.find(path, PREFIXES))

    def all(self, path: str) -> list["Node"]:
        return [] if self.element is None else [Node(found) for found in self.element.findall(path, PREFIXES)]

    def text(self, path: str = ".") -> str:
        return "" if self.element is None else " ".join((self.element.findtext(path, "", PREFIXES) or "").split())

    def attribute(self, name: str) -> str:
        return "" if self.element is None else self.element.get(name, "")

    def amount(self, path: str) -> Decimal | None:
        if not (text := self.text(path)):
            return None
        try:
            amount = Decimal(text)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or "E" in text.upper():
            raise Unreadable(f"{path}: {text} is no decimal number")
        return amount

    def identifier(self, path: str) -> Identifier | None:
        found = self.one(path)
        return Identifier(found.text(), found.attribute("schemeID")) if found else None


def read(content: bytes) -> Document:
    """The document that the XML says. Raises Unreadable."""
    if len(content) > MAX_BYTES:
        raise Unreadable(f"it has more than {MAX_BYTES} bytes")
    top = _parsed(content)
    kind = ROOTS.get(top.tag)
    if kind is None:
        raise Unreadable(f"{top.tag} is neither an invoice or credit note of UBL 2.1 nor a CrossIndustryInvoice")
    node = Node(top)
    return _cii(node) if kind == "CrossIndustryInvoice" else _ubl(node, kind)


def _parsed(content: bytes) -> ElementTree.Element:
    def refuse(*_: object) -> None:
        raise Unreadable("it has a DOCTYPE, which no invoice needs")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
        return ElementTree.fromstring(content)  # noqa: S314 - it has no DOCTYPE, so no entity either
    except (expat.ExpatError, ElementTree.ParseError, LookupError, ValueError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"it is no XML: {error}") from error


def _day(text: str, form: str) -> date | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
    except ValueError as error:
        raise Unreadable(f"{text} is no day") from error


# UBL


def _ubl(top: Node, kind: str) -> Document:
    def day(path: str) -> date | None:
        return _day(top.text(path)[:10], "%Y-%m-%d")

    currency, other = top.text("cbc:DocumentCurrencyCode"), top.text("cbc:TaxCurrencyCode")
    taxes = [(tax.one("cbc:TaxAmount").attribute("currencyID"), tax) for tax in top.all("cac:TaxTotal")]
    delivery, total = top.one("cac:Delivery"), top.one("cac:LegalMonetaryTotal")
    to = delivery.one("cac:DeliveryLocation/cac:Address")
    in_other = [tax.amount("cbc:TaxAmount") for of, tax in taxes if of == other] if other else []
    return Document(
        credits=kind == "CreditNote",
        number=top.text("cbc:ID"),
        issued_on=day("cbc:IssueDate"),
        type=top.text(f"cbc:{kind}TypeCode"),
        currency=currency,
        vat_currency=other,
        vat_in_vat_currency=in_other[0] if in_other else None,
        specification=top.text("cbc:CustomizationID"),
        process=top.text("cbc:ProfileID"),
        buyer_reference=top.text("cbc:BuyerReference"),
        order=top.text("cac:OrderReference/cbc:SalesOrderID"),
        corrects=top.text("cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID"),
        corrects_of=day("cac:BillingReference/cac:InvoiceDocumentReference/cbc:IssueDate"),
        due_on=day("cbc:DueDate"),
        payment_terms=top.text("cac:PaymentTerms/cbc:Note"),
        delivered_on=day("cac:Delivery/cbc:ActualDeliveryDate"),
        delivered_to=_ubl_place(to) if to else None,
        period=bool(top.one("cac:InvoicePeriod")),
        seller=_ubl_party(top.one("cac:AccountingSupplierParty/cac:Party")),
        buyer=_ubl_party(top.one("cac:AccountingCustomerParty/cac:Party")),
        representative=_ubl_party(top.one("cac:TaxRepresentativeParty")),
        payments=tuple(_ubl_payment(of) for of in top.all("cac:PaymentMeans")),
        allowances=tuple(_ubl_allowance(of) for of in top.all("cac:AllowanceCharge")),
        sums=Sums(
            lines=total.amount("cbc:LineExtensionAmount"),
            allowances=total.amount("cbc:AllowanceTotalAmount"),
            charges=total.amount("cbc:ChargeTotalAmount"),
            net=total.amount("cbc:TaxExclusiveAmount"),
            vat=next((tax.amount("cbc:TaxAmount") for of, tax in taxes if of == currency), None),
            gross=total.amount("cbc:TaxInclusiveAmount"),
            prepaid=total.amount("cbc:PrepaidAmount"),
            rounding=total.amount("cbc:PayableRoundingAmount"),
            due=total.amount("cbc:PayableAmount"),
        )
        if total
        else None,
        breakdown=tuple(_ubl_breakdown(of) for _, tax in taxes for of in tax.all("cac:TaxSubtotal")),
        lines=tuple(_ubl_line(of, kind) for of in top.all(f"cac:{kind}Line")),
    )


def _ubl_party(at: Node) -> Party | None:
    if not at:
        return None
    place = at.one("cac:PostalAddress")
    vat, tax = "", ""
    for registered in at.all("cac:PartyTaxScheme"):
        if registered.text("cac:TaxScheme/cbc:ID").upper() == "VAT":
            vat = registered.text("cbc:CompanyID")
        else:
            tax = registered.text("cbc:CompanyID")
    return Party(
        name=at.text("cac:PartyLegalEntity/cbc:RegistrationName") or at.text("cac:PartyName/cbc:Name"),
        place=_ubl_place(place) if place else None,
        vat_id=vat,
        tax_id=tax,
        legal_id=at.identifier("cac:PartyLegalEntity/cbc:CompanyID"),
        ids=tuple(filter(None, (of.identifier("cbc:ID") for of in at.all("cac:PartyIdentification")))),
        electronic_address=at.identifier("cbc:EndpointID"),
        contact=at.text("cac:Contact/cbc:Name"),
    )


def _ubl_place(at: Node) -> Place:
    street = (at.text("cbc:StreetName"), at.text("cbc:AdditionalStreetName"), at.text("cac:AddressLine/cbc:Line"))
    return Place(
        tuple(filter(None, street)),
        at.text("cbc:CityName"),
        at.text("cbc:PostalZone"),
        at.text("cbc:CountrySubentity"),
        at.text("cac:Country/cbc:IdentificationCode"),
    )


def _ubl_payment(at: Node) -> Payment:
    account = "cac:PayeeFinancialAccount"
    return Payment(
        at.text("cbc:PaymentMeansCode"),
        at.text("cbc:PaymentID"),
        tuple(of.text("cbc:ID") for of in at.all(account)),
        at.text(f"{account}/cac:FinancialInstitutionBranch/cbc:ID"),
    )


def _ubl_allowance(at: Node) -> Allowance:
    return Allowance(
        at.text("cbc:ChargeIndicator") in ("true", "1"),
        at.amount("cbc:Amount"),
        at.text("cbc:AllowanceChargeReason"),
        at.text("cbc:AllowanceChargeReasonCode"),
        at.text("cac:TaxCategory/cbc:ID"),
        at.amount("cac:TaxCategory/cbc:Percent"),
        at.amount("cbc:BaseAmount"),
    )


def _ubl_breakdown(at: Node) -> Breakdown:
    of = at.one("cac:TaxCategory")
    return Breakdown(
        of.text("cbc:ID"),
        of.amount("cbc:Percent"),
        at.amount("cbc:TaxableAmount"),
        at.amount("cbc:TaxAmount"),
        of.text("cbc:TaxExemptionReason"),
        of.text("cbc:TaxExemptionReasonCode"),
    )


def _ubl_line(at: Node, kind: str) -> Line:
    quantity = "cbc:CreditedQuantity" if kind == "CreditNote" else "cbc:InvoicedQuantity"
    item, price = at.one("cac:Item"), at.one("cac:Price")
    return Line(
        id=at.text("cbc:ID"),
        quantity=at.amount(quantity),
        unit=at.one(quantity).attribute("unitCode"),
        net=at.amount("cbc:LineExtensionAmount"),
        name=item.text("cbc:Name"),
        item_id=item.text("cac:SellersItemIdentification/cbc:ID"),
        standard_id=item.identifier("cac:StandardItemIdentification/cbc:ID"),
        price=price.amount("cbc:PriceAmount"),
        list_price=price.amount("cac:AllowanceCharge/cbc:BaseAmount"),
        category=item.text("cac:ClassifiedTaxCategory/cbc:ID"),
        rate=item.amount("cac:ClassifiedTaxCategory/cbc:Percent"),
        allowances=tuple(_ubl_allowance(of) for of in at.all("cac:AllowanceCharge")),
    )


# CII


def _cii(top: Node) -> Document:
    context, head = top.one("rsm:ExchangedDocumentContext"), top.one("rsm:ExchangedDocument")
    trade = top.one("rsm:SupplyChainTradeTransaction")
    agreed, sent = trade.one("ram:ApplicableHeaderTradeAgreement"), trade.one("ram:ApplicableHeaderTradeDelivery")
    settled = trade.one("ram:ApplicableHeaderTradeSettlement")
    total = settled.one("ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    to, corrected = (
        sent.one("ram:ShipToTradeParty/ram:PostalTradeAddress"),
        settled.one("ram:InvoiceReferencedDocument"),
    )
    currency, other = settled.text("ram:InvoiceCurrencyCode"), settled.text("ram:TaxCurrencyCode")
    taxes = [(tax.attribute("currencyID"), tax.amount(".")) for tax in total.all("ram:TaxTotalAmount")]
    terms = settled.one("ram:SpecifiedTradePaymentTerms")
    type = head.text("ram:TypeCode")
    return Document(
        credits=type in CREDIT_NOTE_TYPES,
        number=head.text("ram:ID"),
        issued_on=_cii_day(head.one("ram:IssueDateTime")),
        type=type,
        currency=currency,
        vat_currency=other,
        vat_in_vat_currency=next((vat for of, vat in taxes if of == other), None) if other else None,
        specification=context.text("ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"),
        process=context.text("ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID"),
        buyer_reference=agreed.text("ram:BuyerReference"),
        order=agreed.text("ram:SellerOrderReferencedDocument/ram:IssuerAssignedID"),
        corrects=corrected.text("ram:IssuerAssignedID"),
        corrects_of=_cii_day(corrected.one("ram:FormattedIssueDateTime")),
        due_on=_cii_day(terms.one("ram:DueDateDateTime")),
        payment_terms=terms.text("ram:Description"),
        delivered_on=_cii_day(sent.one("ram:ActualDeliverySupplyChainEvent/ram:OccurrenceDateTime")),
        delivered_to=_cii_place(to) if to else None,
        period=bool(settled.one("ram:BillingSpecifiedPeriod")),
        seller=_cii_party(agreed.one("ram:SellerTradeParty")),
        buyer=_cii_party(agreed.one("ram:BuyerTradeParty")),
        representative=_cii_party(agreed.one("ram:SellerTaxRepresentativeTradeParty")),
        payments=tuple(_cii_payment(of, settled) for of in settled.all("ram:SpecifiedTradeSettlementPaymentMeans")),
        allowances=tuple(_cii_allowance(of) for of in settled.all("ram:SpecifiedTradeAllowanceCharge")),
        sums=Sums(
            lines=total.amount("ram:LineTotalAmount"),
            allowances=total.amount("ram:AllowanceTotalAmount"),
            charges=total.amount("ram:ChargeTotalAmount"),
            net=total.amount("ram:TaxBasisTotalAmount"),
            vat=next((vat for of, vat in taxes if of == currency), None),
            gross=total.amount("ram:GrandTotalAmount"),
            prepaid=total.amount("ram:TotalPrepaidAmount"),
            rounding=total.amount("ram:RoundingAmount"),
            due=total.amount("ram:DuePayableAmount"),
        )
        if total
        else None,
        breakdown=tuple(_cii_breakdown(of) for of in settled.all("ram:ApplicableTradeTax")),
        lines=tuple(_cii_line(of) for of in trade.all("ram:IncludedSupplyChainTradeLineItem")),
    )


def _cii_day(at: Node) -> date | None:
    """Only days are read: the standard knows no other form (102)."""
    for path in ("udt:DateTimeString", "qdt:DateTimeString"):
        found = at.one(path)
        if found:
            return _day(found.text()[:8], "%Y%m%d") if found.attribute("format") == "102" else None
    return None


def _cii_party(at: Node) -> Party | None:
    if not at:
        return None
    place = at.one("ram:PostalTradeAddress")
    registered = {of.attribute("schemeID"): of.text() for of in at.all("ram:SpecifiedTaxRegistration/ram:ID")}
    ids = [of.identifier(".") for path in ("ram:ID", "ram:GlobalID") for of in at.all(path)]
    return Party(
        name=at.text("ram:Name"),
        place=_cii_place(place) if place else None,
        vat_id=registered.get("VA", ""),
        tax_id=registered.get("FC", ""),
        legal_id=at.identifier("ram:SpecifiedLegalOrganization/ram:ID"),
        ids=tuple(filter(None, ids)),
        electronic_address=at.identifier("ram:URIUniversalCommunication/ram:URIID"),
        contact=at.text("ram:DefinedTradeContact/ram:PersonName"),
    )


def _cii_place(at: Node) -> Place:
    street = (at.text("ram:LineOne"), at.text("ram:LineTwo"), at.text("ram:LineThree"))
    return Place(
        tuple(filter(None, street)),
        at.text("ram:CityName"),
        at.text("ram:PostcodeCode"),
        at.text("ram:CountrySubDivisionName"),
        at.text("ram:CountryID"),
    )


def _cii_payment(at: Node, settled: Node) -> Payment:
    account = "ram:PayeePartyCreditorFinancialAccount"
    return Payment(
        at.text("ram:TypeCode"),
        settled.text("ram:PaymentReference"),
        tuple(of.text("ram:IBANID") or of.text("ram:ProprietaryID") for of in at.all(account)),
        at.text("ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID"),
    )


def _cii_allowance(at: Node) -> Allowance:
    return Allowance(
        at.text("ram:ChargeIndicator/udt:Indicator") in ("true", "1"),
        at.amount("ram:ActualAmount"),
        at.text("ram:Reason"),
        at.text("ram:ReasonCode"),
        at.text("ram:CategoryTradeTax/ram:CategoryCode"),
        at.amount("ram:CategoryTradeTax/ram:RateApplicablePercent"),
        at.amount("ram:BasisAmount"),
    )


def _cii_breakdown(at: Node) -> Breakdown:
    return Breakdown(
        at.text("ram:CategoryCode"),
        at.amount("ram:RateApplicablePercent"),
        at.amount("ram:BasisAmount"),
        at.amount("ram:CalculatedAmount"),
        at.text("ram:ExemptionReason"),
        at.text("ram:ExemptionReasonCode"),
    )


def _cii_line(at: Node) -> Line:
    product, settled = at.one("ram:SpecifiedTradeProduct"), at.one("ram:SpecifiedLineTradeSettlement")
    agreed, quantity = at.one("ram:SpecifiedLineTradeAgreement"), "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity"
    return Line(
        id=at.text("ram:AssociatedDocumentLineDocument/ram:LineID"),
        quantity=at.amount(quantity),
        unit=at.one(quantity).attribute("unitCode"),
        net=settled.amount("ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"),
        name=product.text("ram:Name"),
        item_id=product.text("ram:SellerAssignedID"),
        standard_id=product.identifier("ram:GlobalID"),
        price=agreed.amount("ram:NetPriceProductTradePrice/ram:ChargeAmount"),
        list_price=agreed.amount("ram:GrossPriceProductTradePrice/ram:ChargeAmount"),
        category=settled.text("ram:ApplicableTradeTax/ram:CategoryCode"),
        rate=settled.amount("ram:ApplicableTradeTax/ram:RateApplicablePercent"),
        allowances=tuple(_cii_allowance(of) for of in settled.all("ram:SpecifiedTradeAllowanceCharge")),
    )
