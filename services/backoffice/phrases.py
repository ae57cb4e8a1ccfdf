"""What customers are told, in their own language: pages by link and e-mails. Formal address, no word of the trade.

A phrase with a number has two forms. Beside each other in one table, as the few words of documents are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_skeleton
from babel.numbers import format_currency

LANGUAGES: Mapping[str, str] = {"nl": "Nederlands", "de": "Deutsch", "fr": "Français", "en": "English"}
"""The languages that customers are told in, each by its own name."""

COUNTRIES: Mapping[str, str] = {"NL": "nl", "BE": "nl", "DE": "de", "AT": "de", "LU": "fr", "FR": "fr"}
"""The language of a country's customers; English for all others."""

ORDER = ("en", "nl", "de", "fr")
"""The order of the columns below."""

_ONE: Mapping[str, tuple[str, str, str, str]] = {
    "skip": ("Skip to content", "Naar de inhoud", "Zum Inhalt", "Aller au contenu"),
    "language": ("Language", "Taal", "Sprache", "Langue"),
    "item": ("Item", "Artikel", "Artikel", "Article"),
    "error": ("Error", "Fout", "Fehler", "Erreur"),
    "title": (
        "Your order %(number)s at %(shop)s", "Uw bestelling %(number)s bij %(shop)s",
        "Ihre Bestellung %(number)s bei %(shop)s", "Votre commande %(number)s chez %(shop)s",
    ),
    "of": (
        "Order %(number)s of %(day)s.", "Bestelling %(number)s van %(day)s.", "Bestellung %(number)s vom %(day)s.",
        "Commande %(number)s du %(day)s.",
    ),
    # Where the order is
    "here": ("Everything is with you", "Alles is bij u bezorgd", "Alles ist bei Ihnen", "Tout vous a été livré"),
    "way": (
        "Your order is on its way", "Uw bestelling is onderweg", "Ihre Bestellung ist unterwegs",
        "Votre commande est en route",
    ),
    "preparing": (
        "We are preparing your order", "We maken uw bestelling klaar", "Wir bereiten Ihre Bestellung vor",
        "Nous préparons votre commande",
    ),
    "unpaid": (
        "We are waiting for your payment", "We wachten op uw betaling", "Wir warten auf Ihre Zahlung",
        "Nous attendons votre paiement",
    ),
    "checking": (
        "We are checking your order before it goes out", "We kijken uw bestelling na voordat we die versturen",
        "Wir prüfen Ihre Bestellung, bevor wir sie versenden",
        "Nous vérifions votre commande avant de l’expédier",
    ),
    "cancelling": (
        "Your order is being cancelled", "Uw bestelling wordt geannuleerd", "Ihre Bestellung wird storniert",
        "Votre commande est en cours d’annulation",
    ),
    "cancelled": (
        "Your order was cancelled", "Uw bestelling is geannuleerd", "Ihre Bestellung wurde storniert",
        "Votre commande a été annulée",
    ),
    "later": (
        "Your order comes later", "Uw bestelling komt later", "Ihre Bestellung kommt später",
        "Votre commande arrivera plus tard",
    ),
    "back": (
        "Your parcel is on its way back to us", "Uw pakket komt naar ons terug", "Ihr Paket kommt zu uns zurück",
        "Votre colis nous est renvoyé",
    ),
    # Parcels
    "parcel": ("Parcel %(n)s", "Pakket %(n)s", "Paket %(n)s", "Colis %(n)s"),
    "ordered": ("Ordered", "Besteld", "Bestellt", "Commandé"),
    "packing": ("Packing", "Inpakken", "Verpacken", "Préparation"),
    "packed": ("Packed", "Ingepakt", "Verpackt", "Emballé"),
    "sent": ("On its way", "Onderweg", "Unterwegs", "En route"),
    "delivered": ("Delivered", "Bezorgd", "Zugestellt", "Livré"),
    "returning": ("Comes back to us", "Komt naar ons terug", "Kommt zu uns zurück", "Retour vers nous"),
    "ready soon": ("Being prepared", "In voorbereiding", "In Vorbereitung", "En préparation"),
    "track": ("Follow the parcel", "Pakket volgen", "Paket verfolgen", "Suivre le colis"),
    "tracking": ("Tracking number", "Volgnummer", "Sendungsnummer", "Numéro de suivi"),
    "invoice": ("Invoice (PDF)", "Factuur (PDF)", "Rechnung (PDF)", "Facture (PDF)"),
    "credit note": ("Credit note (PDF)", "Creditnota (PDF)", "Rechnungskorrektur (PDF)", "Avoir (PDF)"),
    "waiting": (
        "Not in a parcel yet", "Nog niet ingepakt", "Noch nicht verpackt", "Pas encore emballé",
    ),
    # What comes later
    "expected": (
        "We expect to have it on %(day)s and will send it at once.",
        "We verwachten dit op %(day)s te hebben en sturen het dan meteen op.",
        "Wir erwarten den Eingang am %(day)s und versenden dann sofort.",
        "Nous pensons l’avoir le %(day)s et l’enverrons aussitôt.",
    ),
    "no day": (
        "We do not know the day yet and will tell you.", "De dag is nog niet bekend; we laten het u weten.",
        "Den Tag kennen wir noch nicht; wir geben Ihnen Bescheid.",
        "Le jour n’est pas encore connu ; nous vous préviendrons.",
    ),
    "around": ("around %(day)s", "rond %(day)s", "um den %(day)s", "vers le %(day)s"),
    "late": ("Comes later", "Komt later", "Kommt später", "Arrivera plus tard"),
    # Coming back
    "your return": ("Your return", "Uw retour", "Ihre Rücksendung", "Votre retour"),
    "return expected": (
        "We are waiting for these items.", "We wachten op deze artikelen.", "Wir warten auf diese Artikel.",
        "Nous attendons ces articles.",
    ),
    "return received": (
        "These items have arrived and are being checked.", "Deze artikelen zijn binnen en worden nagekeken.",
        "Diese Artikel sind da und werden geprüft.", "Ces articles sont arrivés et sont en cours de vérification.",
    ),
    "return closed": ("This return is finished.", "Deze retour is afgerond.", "Diese Rücksendung ist abgeschlossen.",
        "Ce retour est terminé.",
    ),
    # Money
    "payment": ("Payment", "Betaling", "Zahlung", "Paiement"),
    "as ordered": ("As ordered", "Besteld", "Bestellt", "Commandé"),
    "less": ("Cancelled", "Geannuleerd", "Storniert", "Annulé"),
    "total": ("Total, VAT included", "Totaal, inclusief btw", "Gesamt, inkl. MwSt.", "Total TTC"),
    "reserved": (
        "Reserved on your card", "Gereserveerd op uw kaart", "Auf Ihrer Karte reserviert", "Réservé sur votre carte",
    ),
    "paid": ("Paid", "Betaald", "Bezahlt", "Payé"),
    "refunded": ("Refunded", "Terugbetaald", "Erstattet", "Remboursé"),
    "owed": ("Still to pay", "Nog te betalen", "Noch zu zahlen", "Reste à payer"),
    # The foot
    "until": (
        "Whoever has this link can see this page. It works until %(day)s.",
        "Wie deze link heeft, kan deze pagina zien. Hij werkt tot en met %(day)s.",
        "Wer diesen Link hat, kann diese Seite sehen. Er gilt bis zum %(day)s.",
        "Toute personne ayant ce lien peut voir cette page. Il fonctionne jusqu’au %(day)s.",
    ),
    "questions": (
        "Questions? %(contact)s", "Vragen? %(contact)s", "Fragen? %(contact)s", "Des questions ? %(contact)s",
    ),
    # What goes wrong
    "no link": (
        "This link does not work", "Deze link werkt niet", "Dieser Link funktioniert nicht",
        "Ce lien ne fonctionne pas",
    ),
    "no link why": (
        "It is not complete, or its time is over. Use the link of our newest e-mail, or ask us.",
        "Hij is niet volledig of verlopen. Gebruik de link uit onze laatste e-mail of vraag het ons.",
        "Er ist unvollständig oder abgelaufen. Nutzen Sie den Link aus unserer letzten E-Mail oder fragen Sie uns.",
        "Il est incomplet ou a expiré. Utilisez le lien de notre dernier e-mail ou contactez-nous.",
    ),
    "not now": (
        "This page cannot be shown now", "Deze pagina kan nu niet worden getoond",
        "Diese Seite kann gerade nicht angezeigt werden", "Cette page ne peut pas être affichée pour le moment",
    ),
    "not now why": (
        "Please try again in a few minutes.", "Probeer het over een paar minuten opnieuw.",
        "Bitte versuchen Sie es in einigen Minuten noch einmal.", "Veuillez réessayer dans quelques minutes.",
    ),
}  # fmt: skip

_MANY: Mapping[str, tuple[tuple[str, str], tuple[str, str], tuple[str, str], tuple[str, str]]] = {
    "part here": (
        ("%(n)s of your %(all)s items is with you or on its way",
         "%(n)s of your %(all)s items are with you or on their way"),
        ("%(n)s van uw %(all)s artikelen is bij u of onderweg",
         "%(n)s van uw %(all)s artikelen zijn bij u of onderweg"),
        ("%(n)s von Ihren %(all)s Artikeln ist bei Ihnen oder unterwegs",
         "%(n)s von Ihren %(all)s Artikeln sind bei Ihnen oder unterwegs"),
        ("%(n)s de vos %(all)s articles est chez vous ou en route",
         "%(n)s de vos %(all)s articles sont chez vous ou en route"),
    ),
    "part ready": (
        ("%(n)s of your %(all)s items is with you or nearly ready",
         "%(n)s of your %(all)s items are with you or nearly ready"),
        ("%(n)s van uw %(all)s artikelen is bij u of bijna klaar",
         "%(n)s van uw %(all)s artikelen zijn bij u of bijna klaar"),
        ("%(n)s von Ihren %(all)s Artikeln ist bei Ihnen oder fast fertig",
         "%(n)s von Ihren %(all)s Artikeln sind bei Ihnen oder fast fertig"),
        ("%(n)s de vos %(all)s articles est chez vous ou presque prêt",
         "%(n)s de vos %(all)s articles sont chez vous ou presque prêts"),
    ),
    "come later": (
        ("%(n)s item comes later", "%(n)s items come later"),
        ("%(n)s artikel komt later", "%(n)s artikelen komen later"),
        ("%(n)s Artikel kommt später", "%(n)s Artikel kommen später"),
        ("%(n)s article arrivera plus tard", "%(n)s articles arriveront plus tard"),
    ),
}  # fmt: skip

PHRASES: Mapping[str, Mapping[str, str | tuple[str, str]]] = {
    lang: {name: said[i] for table in (_ONE, _MANY) for name, said in table.items()} for i, lang in enumerate(ORDER)
}
"""Language -> phrase, or its form for one and for more."""


def language_of(bill_to: Mapping[str, object], ship_to: Mapping[str, object], wanted: str = "") -> str:
    """What was asked for; else the language of the country that the bill goes to, or else the goods."""
    if wanted in PHRASES:
        return wanted
    return COUNTRIES.get(str(bill_to.get("country") or ship_to.get("country") or ""), "en")


@dataclass(frozen=True, slots=True)
class Phrases:
    """The phrases, days and amounts of one language. An unknown name is a KeyError."""

    lang: str
    zone: ZoneInfo

    @property
    def locale(self) -> str:
        """Days of English customers are written as in Europe."""
        return "en_GB" if self.lang == "en" else self.lang

    def phrase(self, name: str, /, **values: object) -> str:
        said = PHRASES[self.lang][name]
        assert isinstance(said, str), name
        return said % values if values else said

    def counted(self, name: str, n: int, /, **values: object) -> str:
        """The form for so many; French takes the one for a single thing for none, too."""
        said = PHRASES[self.lang][name]
        assert isinstance(said, tuple), name
        one, more = said
        return (one if n == 1 or (n == 0 and self.lang == "fr") else more) % {"n": n, **values}

    def on(self, at: date | datetime) -> date:
        """The day that it is in the shop's time zone."""
        return at.astimezone(self.zone).date() if isinstance(at, datetime) else at

    def day(self, at: date | datetime) -> str:
        """With the day of the week and the year."""
        return format_date(self.on(at), "full", locale=self.locale)

    def short(self, at: date | datetime) -> str:
        """Day and month."""
        return format_skeleton("MMMd", self.on(at), locale=self.locale)

    def money(self, amount: Decimal, currency: str) -> str:
        return format_currency(amount, currency, locale=self.locale).replace("-", "−").replace(" ", "\u00a0")
