"""Electronic invoices by EN 16931: model.py is what a document says, rules.py what it must, ubl.py and cii.py how it is
written, reading.py how it is read, made.py what of it an issued document says. All of it is pure."""

from dataclasses import replace
from typing import Final, Literal

from services.billing.einvoice.cii import cii
from services.billing.einvoice.model import EN_16931, Document
from services.billing.einvoice.rules import Finding, findings
from services.billing.einvoice.ubl import ubl

Syntax = Literal["ubl", "cii"]
SYNTAXES: Final[tuple[Syntax, ...]] = ("ubl", "cii")


def written(document: Document, syntax: Syntax) -> bytes:
    """The document as XML, always the same bytes. It must have no findings.

    Peppol's own process is one of UBL; in CII the document says that it is EN 16931 and no more.
    """
    if syntax == "ubl":
        return ubl(document)
    return cii(replace(document, specification=EN_16931, process=""))


def checked(document: Document, syntax: Syntax) -> tuple[list[Finding], bytes]:
    """Its findings, or the document as XML: never both."""
    broken = findings(document)
    return broken, b"" if broken else written(document, syntax)


__all__ = ["SYNTAXES", "Document", "Finding", "Syntax", "checked", "findings", "written"]
