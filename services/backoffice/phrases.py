"""What customers are told, in their own language: pages by link and e-mails. Formal address, no word of the trade.

A phrase with a number has two forms. Beside each other in one table, as the few words of documents are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_skeleton

from services.backoffice.amounts import amount_in

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
    "e-invoice": (
        "E-invoice (XML)", "E-factuur (XML)", "E-Rechnung (XML)", "Facture électronique (XML)",
    ),
    "credit note": ("Credit note (PDF)", "Creditnota (PDF)", "Rechnungskorrektur (PDF)", "Avoir (PDF)"),
    "slip": ("Packing slip", "Pakbon", "Packzettel", "Bon de livraison"),
    "slip here": ("In this parcel", "In dit pakket", "In diesem Paket", "Dans ce colis"),
    "slip other": (
        "%(n)s in another parcel", "%(n)s in een ander pakket", "%(n)s in einem anderen Paket",
        "%(n)s dans un autre colis",
    ),
    "slip back": (
        "The link in our e-mails leads to your order, where you announce what you send back.",
        "De link in onze e-mails leidt naar uw bestelling; daar meldt u aan wat u terugstuurt.",
        "Der Link in unseren E-Mails führt zu Ihrer Bestellung; dort melden Sie an, was Sie zurücksenden.",
        "Le lien dans nos e-mails mène à votre commande ; vous y annoncez ce que vous renvoyez.",
    ),
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
    "wait": ("I will wait", "Ik wacht erop", "Ich warte darauf", "J’attends"),
    "stop": ("Do not wait any longer", "Niet meer wachten", "Nicht länger warten", "Ne plus attendre"),
    "stop title": (
        "Cancel what comes later?", "Annuleren wat later komt?", "Stornieren, was später kommt?",
        "Annuler ce qui arrive plus tard ?",
    ),
    "stop money": (
        "Your order then costs %(after)s instead of %(before)s.",
        "Uw bestelling kost dan %(after)s in plaats van %(before)s.",
        "Ihre Bestellung kostet dann %(after)s statt %(before)s.",
        "Votre commande coûtera alors %(after)s au lieu de %(before)s.",
    ),
    "stop rest": (
        "Everything else stays as it is.", "Al het andere blijft zoals het is.", "Alles andere bleibt, wie es ist.",
        "Tout le reste demeure inchangé.",
    ),
    "stop yes": ("Cancel these items", "Deze artikelen annuleren", "Diese Artikel stornieren", "Annuler ces articles"),
    "keep": ("Keep waiting", "Toch wachten", "Weiter warten", "Continuer d’attendre"),
    "done wait": (
        "Thank you. We have noted that you will wait.", "Dank u. We hebben genoteerd dat u wacht.",
        "Vielen Dank. Wir haben notiert, dass Sie warten.", "Merci. Nous avons noté que vous attendez.",
    ),
    "done stop": (
        "These items are cancelled.", "Deze artikelen zijn geannuleerd.", "Diese Artikel sind storniert.",
        "Ces articles sont annulés.",
    ),
    "stale": (
        "Your order changed meanwhile. Nothing was done; this is how it stands now.",
        "Uw bestelling is intussen veranderd. Er is niets gedaan; zo staat het er nu voor.",
        "Ihre Bestellung hat sich inzwischen geändert. Es wurde nichts getan; so steht es jetzt.",
        "Votre commande a changé entre-temps. Rien n’a été fait ; voici la situation actuelle.",
    ),
    "unknown": (
        "It is not known yet whether it was done. Press again: it is done only once.",
        "Het is nog niet bekend of het gelukt is. Druk nog eens: het gebeurt maar één keer.",
        "Es ist noch nicht bekannt, ob es geklappt hat. Drücken Sie noch einmal: Es geschieht nur einmal.",
        "On ne sait pas encore si cela a été fait. Appuyez encore : cela n’est fait qu’une fois.",
    ),
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
    "withdraw title": (
        "Send something back", "Iets terugsturen", "Etwas zurücksenden", "Renvoyer un article",
    ),
    "withdraw here": (
        "Withdraw from the purchase here", "Hier van de koop afzien", "Hier den Kauf widerrufen",
        "Se rétracter de l’achat ici",
    ),
    "withdraw until": (
        "You can withdraw from the purchase until %(day)s.", "U kunt tot en met %(day)s van de koop afzien.",
        "Sie können den Kauf bis einschließlich %(day)s widerrufen.",
        "Vous pouvez vous rétracter de l’achat jusqu’au %(day)s inclus.",
    ),
    "withdraw open": (
        "You can withdraw from the purchase until %(days)s days after the last part of it has come.",
        "U kunt van de koop afzien tot %(days)s dagen nadat het laatste deel ervan is bezorgd.",
        "Sie können den Kauf bis %(days)s Tage nach Erhalt des letzten Teils widerrufen.",
        "Vous pouvez vous rétracter de l’achat jusqu’à %(days)s jours après la livraison de la dernière partie.",
    ),
    "withdraw over": (
        "The time to withdraw from the purchase ended on %(day)s.",
        "De tijd om van de koop af te zien is op %(day)s verstreken.",
        "Die Frist zum Widerruf des Kaufs ist am %(day)s abgelaufen.",
        "Le délai de rétractation de l’achat a expiré le %(day)s.",
    ),
    "withdraw ask": (
        "If something is wrong with it, please ask us: %(contact)s",
        "Is er iets mis mee, vraag het ons dan: %(contact)s",
        "Wenn damit etwas nicht stimmt, fragen Sie uns bitte: %(contact)s",
        "Si quelque chose ne va pas, contactez-nous : %(contact)s",
    ),
    "withdraw ask mail": (
        "If something is wrong with it, please answer one of our e-mails.",
        "Is er iets mis mee, beantwoord dan een van onze e-mails.",
        "Wenn damit etwas nicht stimmt, antworten Sie bitte auf eine unserer E-Mails.",
        "Si quelque chose ne va pas, répondez à l’un de nos e-mails.",
    ),
    "withdraw why": (
        "You need not say why.", "U hoeft niet te zeggen waarom.", "Sie müssen keinen Grund nennen.",
        "Vous n’avez pas à donner de raison.",
    ),
    "of so many": ("of %(n)s", "van %(n)s", "von %(n)s", "sur %(n)s"),
    "withdraw reason": (
        "Reason (you may leave it out)", "Reden (mag leeg blijven)", "Grund (freiwillig)", "Raison (facultatif)",
    ),
    "withdraw wrong": (
        "Please say of one parcel how many items you send back, at most as many as are with you.",
        "Geef van één pakket aan hoeveel artikelen u terugstuurt, niet meer dan er bij u zijn.",
        "Bitte geben Sie für ein Paket an, wie viele Artikel Sie zurücksenden, höchstens so viele, wie bei Ihnen sind.",
        "Indiquez pour un colis combien d’articles vous renvoyez, au plus ceux qui sont chez vous.",
    ),
    "withdraw show": ("Continue", "Verder", "Weiter", "Continuer"),
    "withdraw not": ("Keep everything", "Alles houden", "Alles behalten", "Tout garder"),
    "withdraw sure": (
        "Send these items back?", "Deze artikelen terugsturen?", "Diese Artikel zurücksenden?",
        "Renvoyer ces articles ?",
    ),
    "withdraw money": (
        "As soon as they are here and have been checked, you get %(amount)s back the way you paid.",
        "Zodra ze hier zijn en zijn nagekeken, krijgt u %(amount)s terug op de manier waarop u hebt betaald.",
        "Sobald sie hier sind und geprüft wurden, erhalten Sie %(amount)s auf Ihrem Zahlungsweg zurück.",
        "Dès qu’ils sont arrivés et vérifiés, vous recevez %(amount)s par votre moyen de paiement.",
    ),
    "withdraw credit": (
        "As soon as they are here and have been checked, your invoice is %(amount)s less; what you have paid too "
        "much you get back.",
        "Zodra ze hier zijn en zijn nagekeken, wordt uw factuur %(amount)s lager; wat u te veel hebt betaald, krijgt "
        "u terug.",
        "Sobald sie hier sind und geprüft wurden, verringert sich Ihre Rechnung um %(amount)s; was Sie zu viel "
        "gezahlt haben, erhalten Sie zurück.",
        "Dès qu’ils sont arrivés et vérifiés, votre facture diminue de %(amount)s ; ce que vous avez payé en trop "
        "vous est remboursé.",
    ),
    "send by": (
        "Please send them by %(day)s.", "Stuur ze uiterlijk op %(day)s.", "Bitte senden Sie sie bis zum %(day)s ab.",
        "Veuillez les envoyer au plus tard le %(day)s.",
    ),
    "send to": ("Our address:", "Ons adres:", "Unsere Adresse:", "Notre adresse :"),
    "withdraw yes": (
        "Confirm withdrawal", "Herroeping bevestigen", "Widerruf bestätigen", "Confirmer la rétractation",
    ),
    "done withdraw": (
        "Your return is announced.", "Uw retour is aangemeld.", "Ihre Rücksendung ist angemeldet.",
        "Votre retour est annoncé.",
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
    # E-mails
    "mail confirmed": (
        "Your order %(number)s is confirmed", "Uw bestelling %(number)s is bevestigd",
        "Ihre Bestellung %(number)s ist bestätigt", "Votre commande %(number)s est confirmée",
    ),
    "mail backordered": (
        "Part of your order %(number)s comes later", "Een deel van uw bestelling %(number)s komt later",
        "Ein Teil Ihrer Bestellung %(number)s kommt später",
        "Une partie de votre commande %(number)s arrivera plus tard",
    ),
    "mail date_changed": (
        "Another date for your order %(number)s", "Een andere datum voor uw bestelling %(number)s",
        "Ein anderer Termin für Ihre Bestellung %(number)s", "Une autre date pour votre commande %(number)s",
    ),
    "mail shipped": (
        "A parcel of your order %(number)s is on its way", "Een pakket van uw bestelling %(number)s is onderweg",
        "Ein Paket Ihrer Bestellung %(number)s ist unterwegs", "Un colis de votre commande %(number)s est en route",
    ),
    "mail delivered": (
        "A parcel of your order %(number)s was delivered", "Een pakket van uw bestelling %(number)s is bezorgd",
        "Ein Paket Ihrer Bestellung %(number)s wurde zugestellt", "Un colis de votre commande %(number)s a été livré",
    ),
    "mail withdrawn": (
        "We have received your withdrawal from order %(number)s",
        "We hebben uw herroeping van bestelling %(number)s ontvangen",
        "Wir haben Ihren Widerruf zur Bestellung %(number)s erhalten",
        "Nous avons reçu votre rétractation de la commande %(number)s",
    ),
    "mail refunded": (
        "We refunded %(amount)s for your order %(number)s",
        "We hebben %(amount)s terugbetaald voor bestelling %(number)s",
        "Wir haben %(amount)s für Ihre Bestellung %(number)s erstattet",
        "Nous avons remboursé %(amount)s pour votre commande %(number)s",
    ),
    "dear": ("Dear %(name)s,", "Geachte %(name)s,", "Guten Tag %(name)s,", "Bonjour %(name)s,"),
    "hello": ("Hello,", "Goedendag,", "Guten Tag,", "Bonjour,"),
    "about confirmed": (
        "Thank you for your order. This is what you ordered:", "Dank u voor uw bestelling. Dit hebt u besteld:",
        "Vielen Dank für Ihre Bestellung. Das haben Sie bestellt:",
        "Merci pour votre commande. Voici ce que vous avez commandé :",
    ),
    "about backordered": (
        "Part of your order is not in stock now. We expect it on %(day)s and will send it at once. You need "
        "not do anything.",
        "Een deel van uw bestelling is nu niet op voorraad. We verwachten het op %(day)s en sturen het dan "
        "meteen op. U hoeft niets te doen.",
        "Ein Teil Ihrer Bestellung ist derzeit nicht vorrätig. Wir erwarten ihn am %(day)s und versenden "
        "ihn dann sofort. Sie müssen nichts tun.",
        "Une partie de votre commande n’est pas en stock actuellement. Nous l’attendons le %(day)s et "
        "l’enverrons aussitôt. Vous n’avez rien à faire.",
    ),
    "about date_changed": (
        "The part of your order that comes later is now expected on %(day)s; we had told you %(before)s.",
        "Het deel van uw bestelling dat later komt, verwachten we nu op %(day)s; we hadden u %(before)s gemeld.",
        "Den Teil Ihrer Bestellung, der später kommt, erwarten wir nun am %(day)s; genannt hatten wir Ihnen "
        "%(before)s.",
        "La partie de votre commande qui arrive plus tard est maintenant attendue le %(day)s ; nous vous "
        "avions annoncé le %(before)s.",
    ),
    "about backordered unknown": (
        "Part of your order is not in stock now, and our supplier is late: we do not know the day yet. We will write "
        "as soon as we know it, and send the items at once when they come. If you would rather not wait, tell us.",
        "Een deel van uw bestelling is nu niet op voorraad en onze leverancier is te laat: de dag is nog niet bekend. "
        "Zodra we die weten, schrijven we u; zodra de artikelen er zijn, sturen we ze meteen op. Wilt u liever niet "
        "wachten, laat het ons dan weten.",
        "Ein Teil Ihrer Bestellung ist derzeit nicht vorrätig, und unser Lieferant ist in Verzug: Den Tag kennen wir "
        "noch nicht. Wir schreiben Ihnen, sobald wir ihn kennen, und versenden sofort nach Eingang. Wenn Sie nicht "
        "warten möchten, sagen Sie uns bitte Bescheid.",
        "Une partie de votre commande n’est pas en stock actuellement et notre fournisseur est en retard : le jour "
        "n’est pas encore connu. Nous vous écrirons dès que nous le saurons et enverrons les articles dès leur "
        "arrivée. Si vous préférez ne pas attendre, dites-le-nous.",
    ),
    "about date_changed unknown": (
        "The part of your order that comes later will not be here on %(before)s: our supplier is late. We do not know "
        "the new day yet and will write as soon as we do. If you would rather not wait, tell us.",
        "Het deel van uw bestelling dat later komt, is er niet op %(before)s: onze leverancier is te laat. De nieuwe "
        "dag is nog niet bekend; zodra we die weten, schrijven we u. Wilt u liever niet wachten, laat het ons dan "
        "weten.",
        "Der Teil Ihrer Bestellung, der später kommt, trifft nicht am %(before)s ein: Unser Lieferant ist in Verzug. "
        "Den neuen Tag kennen wir noch nicht; sobald wir ihn kennen, schreiben wir Ihnen. Wenn Sie nicht warten "
        "möchten, sagen Sie uns bitte Bescheid.",
        "La partie de votre commande qui arrive plus tard ne sera pas là le %(before)s : notre fournisseur est en "
        "retard. Le nouveau jour n’est pas encore connu ; nous vous écrirons dès que nous le saurons. Si vous préférez "
        "ne pas attendre, dites-le-nous.",
    ),
    "about shipped": (
        "We have handed this parcel to the carrier:", "Dit pakket hebben we aan de vervoerder gegeven:",
        "Dieses Paket haben wir dem Versanddienst übergeben:", "Nous avons remis ce colis au transporteur :",
    ),
    "about delivered": (
        "According to the carrier this parcel was delivered:", "Volgens de vervoerder is dit pakket bezorgd:",
        "Laut Versanddienst wurde dieses Paket zugestellt:", "Selon le transporteur, ce colis a été livré :",
    ),
    "about withdrawn": (
        "This confirms what we received from you on %(at)s: %(name)s withdraws from the purchase of these items of "
        "order %(number)s. Please keep this e-mail.",
        "Hiermee bevestigen we wat we op %(at)s van u hebben ontvangen: %(name)s ziet af van de koop van deze "
        "artikelen van bestelling %(number)s. Bewaar deze e-mail.",
        "Hiermit bestätigen wir, was am %(at)s von Ihnen bei uns eingegangen ist: %(name)s widerruft den Kauf dieser "
        "Artikel der Bestellung %(number)s. Bitte bewahren Sie diese E-Mail auf.",
        "Nous confirmons ce que nous avons reçu de vous le %(at)s : %(name)s se rétracte de l’achat de ces articles "
        "de la commande %(number)s. Conservez cet e-mail.",
    ),
    "reason": ("Reason", "Reden", "Grund", "Raison"),
    "about refunded": (
        "We have sent %(amount)s back the way you paid. Depending on your bank it takes a few days.",
        "We hebben %(amount)s teruggestort zoals u hebt betaald. Afhankelijk van uw bank duurt dat enkele dagen.",
        "Wir haben %(amount)s auf Ihrem Zahlungsweg erstattet. Je nach Bank dauert es einige Tage.",
        "Nous avons remboursé %(amount)s par votre moyen de paiement. Selon votre banque, cela prend quelques jours.",
    ),
    "decide": (
        "You can agree to the date or cancel this part on the page of your order:",
        "Op de pagina van uw bestelling kunt u met de datum instemmen of dit deel annuleren:",
        "Auf der Seite Ihrer Bestellung können Sie dem Termin zustimmen oder diesen Teil stornieren:",
        "Sur la page de votre commande, vous pouvez accepter la date ou annuler cette partie :",
    ),
    "follow": ("Follow your order here:", "Volg hier uw bestelling:", "Hier verfolgen Sie Ihre Bestellung:",
        "Suivez votre commande ici :",
    ),
    "regards": ("Kind regards", "Met vriendelijke groet", "Mit freundlichen Grüßen", "Cordialement"),
    # To staff: what runs low
    "low line": (
        "%(name)s, %(warehouse)s: %(position)s there or coming, reorder point %(point)s, to order %(quantity)s",
        "%(name)s, %(warehouse)s: %(position)s aanwezig of op komst, bestelpunt %(point)s, te bestellen %(quantity)s",
        "%(name)s, %(warehouse)s: %(position)s vorhanden oder im Zulauf, Meldebestand %(point)s, "
        "zu bestellen %(quantity)s",
        "%(name)s, %(warehouse)s : %(position)s en stock ou en arrivage, seuil de commande %(point)s, "
        "à commander %(quantity)s",
    ),
    "low new": ("%(line)s (new)", "%(line)s (nieuw)", "%(line)s (neu)", "%(line)s (nouveau)"),
    "low lead": (
        "What to order is listed here:", "Wat te bestellen is, staat hier:", "Was zu bestellen ist, steht hier:",
        "Ce qu’il faut commander se trouve ici :",
    ),
    "low page": ("What to order", "Wat te bestellen", "Was zu bestellen ist", "À commander"),
    "page of": ("Your order", "Uw bestelling", "Ihre Bestellung", "Votre commande"),
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
    "mail low_stock": (
        ("%(n)s product runs low", "%(n)s products run low"),
        ("%(n)s product raakt op", "%(n)s producten raken op"),
        ("%(n)s Produkt wird knapp", "%(n)s Produkte werden knapp"),
        ("%(n)s produit arrive au seuil", "%(n)s produits arrivent au seuil"),
    ),
    "about low_stock": (
        ("This product is at its reorder point or below:", "These products are at their reorder point or below:"),
        ("Dit product staat op zijn bestelpunt of eronder:", "Deze producten staan op hun bestelpunt of eronder:"),
        ("Dieses Produkt hat seinen Meldebestand erreicht oder unterschritten:",
         "Diese Produkte haben ihren Meldebestand erreicht oder unterschritten:"),
        ("Ce produit est à son seuil de commande ou en dessous :",
         "Ces produits sont à leur seuil de commande ou en dessous :"),
    ),
    "low more": (
        ("%(n)s more", "%(n)s more"), ("nog %(n)s", "nog %(n)s"), ("%(n)s weiteres", "%(n)s weitere"),
        ("%(n)s autre", "%(n)s autres"),
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

    def moment(self, at: datetime) -> str:
        """To the second and with the name of the time zone, for what may have to be proved."""
        return format_datetime(at.astimezone(self.zone), "full", locale=self.locale)

    def short(self, at: date | datetime) -> str:
        """Day and month."""
        return format_skeleton("MMMd", self.on(at), locale=self.locale)

    def money(self, amount: Decimal, currency: str) -> str:
        return amount_in(self.locale, amount, currency).replace("-", "−").replace(" ", "\u00a0")
