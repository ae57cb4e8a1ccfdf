"""XML as both syntaxes are written: elements by their prefixed names, nothing that is empty, always the same bytes."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from xml.etree import ElementTree

from services.billing.einvoice.model import Identifier

Element = ElementTree.Element
Value = str | Decimal | date | None


def root(name: str, namespaces: Mapping[str, str]) -> Element:
    """`namespaces` by prefix; the one of "" is that of names without a prefix."""
    return Element(name, {f"xmlns:{prefix}" if prefix else "xmlns": uri for prefix, uri in namespaces.items()})


def put(parent: Element, path: str, value: Value = None, **attributes: str) -> Element | None:
    """An element with a value below `parent`, along new elements: "cac:Country/cbc:IdentificationCode".

    Nothing at all where the value is None or empty, as an empty element says nothing and is refused by many.
    """
    text = shown(value)
    if not text:
        return None
    element = branch(parent, path)
    element.text = text
    for name, said in attributes.items():
        if said:
            element.set(name, said)
    return element


def branch(parent: Element, path: str) -> Element:
    """New elements along the path, the last of which is given back."""
    for name in path.split("/"):
        parent = ElementTree.SubElement(parent, name)
    return parent


def put_identifier(parent: Element, path: str, identifier: Identifier | None) -> None:
    if identifier is not None:
        put(parent, path, identifier.value, schemeID=identifier.scheme)


def shown(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value


def plain(rate: Decimal | None) -> Decimal | None:
    """A rate or quantity without the zeros at its end: 21, not 21.000000."""
    return None if rate is None else rate.normalize() + 0


def written(element: Element) -> bytes:
    """The document, indented, in UTF-8."""
    ElementTree.indent(element)
    text: bytes = ElementTree.tostring(element, encoding="UTF-8", xml_declaration=True)
    return text + b"\n"
