"""What a supplier is written when goods are bought, with the purchase order as PDF, in the shop's language."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from services.backoffice import purchase_paper
from services.backoffice.paper import Seller
from services.backoffice.phrases import Phrases

Item = dict[str, Any]

WORDS: Mapping[str, tuple[str, str, str]] = {
    "en": (
        "Purchase order %(number)s of %(shop)s",
        "You find our purchase order %(number)s attached as a PDF.",
        "If you cannot deliver as it says, please answer this e-mail.",
    ),
    "nl": (
        "Inkooporder %(number)s van %(shop)s",
        "Bijgaand vindt u onze inkooporder %(number)s als pdf.",
        "Kunt u niet leveren zoals daarin staat, beantwoord dan deze e-mail.",
    ),
    "de": (
        "Bestellung %(number)s von %(shop)s",
        "Anbei finden Sie unsere Bestellung %(number)s als PDF.",
        "Wenn Sie nicht wie angegeben liefern können, antworten Sie bitte auf diese E-Mail.",
    ),
    "fr": (
        "Bon de commande %(number)s de %(shop)s",
        "Vous trouverez ci-joint notre bon de commande %(number)s en PDF.",
        "Si vous ne pouvez pas livrer comme indiqué, veuillez répondre à cet e-mail.",
    ),
}
"""Language -> subject, what is attached, what is asked of the supplier."""


def written(number: str, shop: str, lang: str, zone: ZoneInfo) -> Item:
    """Subject and paragraphs of the e-mail, which a person reads before it goes. Raises KeyError for a language."""
    subject, attached, asked = (text % {"number": number, "shop": shop} for text in WORDS[lang])
    p = Phrases(lang, zone)
    return {
        "lang": lang, "subject": subject, "hello": p.phrase("hello"), "about": f"{attached} {asked}",
        "regards": p.phrase("regards"), "shop": shop, "file": f"{number}.pdf",
    }  # fmt: skip


def attached(order: Mapping[str, Any], place: str, seller: Seller, zone: ZoneInfo, lang: str) -> tuple[str, bytes]:
    """Name, without its ending, and content of the file that goes with it."""
    return str(order["number"]), purchase_paper.pdf(order, place, seller, zone, lang)
