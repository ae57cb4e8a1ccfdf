"""Why a sale has no VAT, as a document must say it: Directive 2006/112/EC, article 226 (11) and (11a)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class WithoutVat:
    """What a document says of one VAT category of EN 16931 without VAT.

    `words`: by language; those of AE are the Directive's own in each. `code` of the list VATEX, empty where EN 16931
    wants no reason (BR-Z-10) or the seller's own words (E). `article` of the Directive that exempts it.
    """

    words: Mapping[str, str]
    code: str = ""
    article: str = ""

    def in_words(self, lang: str) -> str:
        """In a language of the table, with the provision where there is one."""
        return f"{self.words[lang]}{PROVISION[lang] % self.article if self.article else ''}"


PROVISION: Final[Mapping[str, str]] = {
    "en": " (Directive 2006/112/EC, article %s)",
    "nl": " (Richtlijn 2006/112/EG, artikel %s)",
    "de": " (Richtlinie 2006/112/EG, Artikel %s)",
    "fr": " (directive 2006/112/CE, article %s)",
}
WITHOUT_VAT: Final[Mapping[str, WithoutVat]] = {
    "Z": WithoutVat({"en": "Zero rate", "nl": "Nultarief", "de": "Steuersatz null", "fr": "Taux zéro"}),
    "E": WithoutVat(
        {
            "en": "Exempt from VAT",
            "nl": "Vrijgesteld van btw",
            "de": "Von der Umsatzsteuer befreit",
            "fr": "Exonéré de TVA",
        }
    ),
    "AE": WithoutVat(
        {
            "en": "Reverse charge",
            "nl": "Btw verlegd",
            "de": "Steuerschuldnerschaft des Leistungsempfängers",
            "fr": "Autoliquidation",
        },
        "VATEX-EU-AE",
    ),
    "K": WithoutVat(
        {
            "en": "Intra-Community supply",
            "nl": "Intracommunautaire levering",
            "de": "Steuerfreie innergemeinschaftliche Lieferung",
            "fr": "Livraison intracommunautaire exonérée",
        },
        "VATEX-EU-IC",
        "138",
    ),
    "G": WithoutVat(
        {
            "en": "Export outside the EU",
            "nl": "Uitvoer buiten de EU",
            "de": "Steuerfreie Ausfuhrlieferung",
            "fr": "Exportation hors de l’UE exonérée",
        },
        "VATEX-EU-G",
        "146",
    ),
    "O": WithoutVat(
        {
            "en": "Not subject to VAT",
            "nl": "Niet aan btw onderworpen",
            "de": "Nicht steuerbar",
            "fr": "Non soumis à la TVA",
        },
        "VATEX-EU-O",
    ),
}
"""By category; of what is sold at a rate nothing is said. For a document in XML the English words count (BT-120)."""
