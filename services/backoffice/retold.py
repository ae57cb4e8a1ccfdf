"""What owners and the postman say of an order in English, said again in the reader's language.

Owners answer people and programs with whole English sentences. Each that a page shows stands here as a text with its
places; what stands in them is said again too, when it is a count, a day, an amount, a status or a sentence itself. What
nobody put here stays English, and the page marks it so. Tests hold the texts against the owners' own code.
"""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache

from services.backoffice.words import N_, Words

SENTENCES = (
    # why an order does not move
    N_("It is held (%(reason)s); somebody must release the hold."),
    N_("Inventory has not said yet how much it can promise."),
    N_("Billing has not said yet whether the money is secured."),
    N_("A shipment is being pulled back; fulfilment has not said yet whether it was in time."),
    N_("A shipment was asked for and the warehouse has not confirmed it yet."),
    N_("A shipment is out and its invoice has not been issued yet."),
    N_("A return was announced and the warehouse has not confirmed it yet."),
    N_("Returned goods were accepted and are not credited yet."),
    N_("The payment provider has not said yet what became of the payment."),
    N_("The payment was declined; the customer may pay the %(amount)s again."),
    N_("The payment was declined (%(why)s); the customer may pay the %(amount)s again."),
    N_("The customer's transfer of %(amount)s has not arrived."),
    N_("Another %(amount)s must be secured."),
    N_("%(pieces)s come later than the customer accepted; the customer must agree to the new date."),
    N_("%(pieces)s on backorder, promised for %(day)s."),
    N_("%(pieces)s on backorder: refused by %(warehouses)s, to be asked again; no day is promised."),
    N_("%(pieces)s were not found on the shelf; inventory must look for other stock."),
    N_("%(pieces)s reserved; the customer wants everything in one go."),
    N_("Shipment %(seq)s from %(warehouse)s waits to be picked."),
    N_("Shipment %(seq)s from %(warehouse)s is picked and waits to be packed."),
    N_("Shipment %(seq)s from %(warehouse)s is packed and waits to be handed over to the carrier."),
    N_("Shipment %(seq)s from %(warehouse)s is on its way to the customer."),
    N_("Goods are expected back."),
    N_("Returned goods wait for inspection, or for the rest of them."),
    N_("Billing needs a person: %(why)s."),
    N_("%(amount)s are still to be paid."),
    N_("Money is on its way; billing has not settled it yet."),
    N_("It is cancelled and settled; nothing more happens."),
    N_("It is completed; nothing more happens."),
    N_("address: %(parts)s missing"),
    N_("name"),
    N_("street"),
    N_("city"),
    N_("country"),
    # what a wish would do
    N_("Nothing would change."),
    N_("The status would change from %(was)s to %(now)s."),
    N_("The hold '%(hold)s' would be taken away."),
    N_("It would go to %(now)s instead of %(was)s."),
    N_("The order would be worth %(now)s instead of %(was)s."),
    N_("It would be sent by %(now)s instead of %(was)s."),
    N_("It would wait until everything can go in one parcel."),
    N_("It would not wait any more until everything can go in one parcel."),
    N_("No invoice and no credit note: what is not out was not invoiced."),
    N_("VAT of what is not cancelled would be %(now)s instead of %(was)s."),
    N_("Billing would be asked to secure %(due)s instead of %(was)s; %(held)s is secured now."),
    N_(
        "Fulfilment would be asked to pull back shipment %(seq)s from %(warehouse)s (%(pieces)s), if it is not out."
    ),
    N_("Billing would give back or not take %(amount)s for %(pieces)s, if nothing of it is out."),
    N_("Fulfilment would be asked to ship %(pieces)s from %(warehouse)s."),
    N_(
        "Fulfilment would be asked to expect %(pieces)s of shipment %(seq)s back. Money and stock change when they are "
        "inspected."
    ),
    N_("Everybody would be told: %(what)s."),
    N_("Inventory would be asked for %(quantity)s of %(sku)s (line %(line)s) instead of %(was)s."),
    N_("%(who)s would be asked: %(what)s."),
    # what the order refuses
    N_("Everything asked for was handed over to the carrier already; it can be returned."),
    N_("Of line %(line)s, %(left)s can still be cancelled."),
    N_("The order has no line %(line)s."),
    N_("Order %(number)s is %(status)s; that is final."),
    N_("There is no hold '%(hold)s'; the holds are: %(holds)s."),
    N_("The order changed meanwhile: it is %(status)s at version %(now)s, not %(was)s."),
    N_("Order %(number)s is being cancelled."),
    N_(
        "The preview went stale: the order is %(status)s at version %(now)s now. Nothing was done; look at a new one."
    ),
    N_(
        "Shipment %(seq)s is with the warehouse already: hold the order, change the address when the shipment is "
        "cancelled, then release the hold."
    ),
    N_(
        "Shipment %(seq)s is with the warehouse already: hold the order, change the delivery when the shipment is "
        "cancelled, then release the hold."
    ),
    N_("Everything was handed over already: the address can change no more."),
    N_("Nothing can be sent to this address: %(parts)s missing."),
    N_("That shipment is not on its way to the customer, so nothing of it can come back."),
    N_("Of line %(line)s, %(left)s can still come back, not %(wanted)s."),
    N_("The time to withdraw ended on %(day)s."),
    # what is wrong with a new order
    N_("%(sku)s is not in the catalogue and has no price."),
    N_("The discount of %(sku)s is more than its price."),
    N_("The discount is more than the order is worth, or negative."),
    N_("Order %(id)s was placed before with other content."),
    N_("%(channel)s sent %(reference)s before, as order %(id)s."),
    N_("The order comes to %(now)s now, not to %(was)s. Nothing was done; look at it again."),
    N_("An order is worth less than %(most)s, not %(worth)s."),
    N_("VAT category S needs a rate above 0."),
    N_("VAT category %(category)s needs a rate of 0, not %(rate)s."),
    N_("%(category)s is no VAT category of EN 16931."),
    # what is wrong with a kit
    N_("%(sku)s has components, so it is goods."),
    N_("%(sku)s is a component of the kit %(kit)s, so it is goods and no kit itself."),
    N_("%(sku)s cannot be a component of itself."),
    N_("%(sku)s is named twice; say how many pieces there are in all."),
    N_("%(sku)s is not in the catalogue."),
    N_("%(sku)s is a kit itself; name its components instead."),
    N_("%(sku)s is not goods."),
    N_("%(sku)s is a kit, and its component %(part)s is no goods of the catalogue."),
    N_("Lines %(lines)s are the kit %(kit)s, which is changed as a whole: %(parts)s for each."),
    N_("An order has at most %(most)s lines, those of the components of kits included."),
    # what is wrong with a field, as the library says that reads requests
    N_("Field required"),
    N_("Input should be greater than %(least)s"),
    N_("Input should be greater than or equal to %(least)s"),
    N_("Input should be less than or equal to %(most)s"),
    N_("String should have at most %(most)s characters"),
    N_("Decimal input should have no more than %(n)s decimal places"),
    N_("Decimal input should have no more than %(n)s digits in total"),
    N_("Decimal input should have no more than %(n)s digits before the decimal point"),
    N_("Tuple should have at most %(most)s items after validation, not %(n)s"),
    # what a refund would do, and what billing refuses of it
    N_("Billing would keep it until another person approves it: %(who)s may give back %(limit)s of an order alone."),
    N_("Billing would keep it until another person approves it: %(who)s may give back nothing in %(currency)s alone."),
    N_("Billing gave back %(amount)s of this order for %(who)s before."),
    N_("Billing would then credit %(amount)s of %(invoice)s, %(vat)s of it VAT."),
    N_("Billing would issue a credit note over %(amount)s to %(invoice)s: %(net)s without VAT, %(vat)s VAT."),
    N_("Billing would take back %(vat)s VAT at %(rate)s on %(base)s."),
    N_("Billing would have credited %(credited)s of %(gross)s of %(invoice)s in all."),
    N_("Billing would give back %(amount)s as soon as what is under way with the provider is over."),
    N_("Billing would give back %(amount)s, %(part)s of it through the oldest payment at once."),
    N_("Billing would give back %(amount)s the way it was paid."),
    N_("Billing would pay out %(amount)s."),
    N_("Of line %(line)s (%(sku)s) %(left)s would be left; a later return gives back no more than that."),
    N_("this order has no invoice %(invoice)s"),
    N_("nothing of these lines is left to be given back"),
    N_("%(amount)s of %(invoice)s cannot be credited, %(left)s is left"),
    N_("%(owed)s of this order is still owed: only what was paid can be given back"),
    N_("%(amount)s cannot be given back, %(free)s of the order's money is here and not on its way back"),
    N_("line %(line)s is not on %(invoice)s"),
    N_("line %(line)s is there twice"),
    N_("say either how many pieces or which amount"),
    N_("amounts are multiples of %(unit)s"),
    N_("line %(line)s: %(left)s of %(whole)s pieces are not credited yet"),
    N_("line %(line)s: %(left)s of %(whole)s is not credited yet"),
    N_("it must be known who asks: the header X-Actor is missing"),
    N_("say why"),
    N_("The preview went stale: the order's money is at version %(now)s now. Nothing was done; look at a new one."),
    N_("your roles may not approve refunds"),
    N_("who asked for a refund cannot approve it: another person must"),
    N_(
        "The refund went stale: its lines would come to %(now)s now instead of %(was)s. Refuse it, and let it be asked "
        "for anew."
    ),
    N_("your roles may not refuse refunds of others"),
    N_("no refund %(id)s of this order"),
    N_("this refund was done already, by %(who)s"),
    N_("this refund was refused already, by %(who)s"),
    # what a write-off would do, and what billing refuses of it
    N_("Billing would keep it until another person approves it: %(who)s may give up %(limit)s of an order alone."),
    N_("Billing wrote off %(amount)s of this order for %(who)s before."),
    N_("Billing would then write off %(amount)s."),
    N_("Billing would write off %(amount)s of what is owed: a loss in the ledger, and no document."),
    N_("Billing would still want %(amount)s, and reminders go for that alone."),
    N_("Billing would take the loss back by what is paid after all, or credited."),
    N_("say how much is given up, more than 0"),
    N_("%(amount)s cannot be written off, %(owed)s is owed for goods that are out"),
    N_("a write-off of %(amount)s of this order waits to be decided"),
    N_("your roles may not approve write-offs"),
    N_("who asked for a write-off cannot approve it: another person must"),
    N_("your roles may not refuse write-offs of others"),
    N_("no write-off %(id)s of this order"),
    N_("this write-off was done already, by %(who)s"),
    N_("this write-off was refused already, by %(who)s"),
    N_(
        "%(amount)s of this order was written off: a credit would settle that first, and nothing would go back"
    ),
    # what billing refuses of a carrier's payout
    N_("this order is not cash on delivery"),
    N_("only money that comes in can be matched"),
    N_("%(was)s of %(whole)s were paid out or kept before"),
    # why a transfer waits
    N_("no order"),
    N_("the order is not in %(currency)s"),
    # what the warehouse refuses
    N_("there is no such shipment"),
    N_("nothing of this shipment is parked"),
    N_("the shipment is %(state)s, not picked"),
    N_("the shipment is %(state)s"),
    N_("the shipment cannot leave: it has no label yet"),
    N_("the shipment cannot leave: it is %(state)s"),
    N_("line %(line)s: %(short)s short of %(planned)s planned"),
    N_("there is no such return"),
    N_("the return is closed"),
    N_("line %(line)s is not in this return"),
    N_("line %(line)s: %(more)s arrived, %(left)s still expected"),
    N_("line %(line)s: %(pieces)s graded, %(waiting)s wait for it"),
    N_("line %(line)s: %(accepted)s accepted of %(pieces)s graded"),
    N_("line %(line)s: more accepted than was shipped"),
    N_("pieces that arrived are not inspected yet"),
    N_("only what the carrier did not deliver can be claimed from it"),
    N_("it ends received and inspected, or claimed from the carrier"),
    N_("the request is not valid"),
    # what inventory refuses
    N_("there is no warehouse %(warehouse)s"),
    N_("there is no SKU %(sku)s"),
    N_("%(sku)s is not stocked"),
    N_("only %(free)s are free, %(promised)s are promised: count the shelf instead"),
    N_("only %(quarantined)s are quarantined"),
    N_("%(more)s more than %(reference)s ordered of %(sku)s"),
    N_("%(barcode)s stands for %(sku)s already"),
    # what inventory refuses of purchase orders
    N_("there is no supplier %(supplier)s"),
    N_("supplier %(code)s was changed meanwhile: look at it again, then decide."),
    N_("%(sku)s is named twice: one line per SKU"),
    N_("%(number)s is %(state)s: only a draft is written anew"),
    N_("%(number)s is %(state)s: it expects nothing that could change"),
    N_("%(number)s was never sent: send it first, or book what came under the number of its delivery note"),
    N_("%(number)s is %(state)s: book what came under the number of its delivery note"),
    N_("%(number)s is %(state)s already"),
    N_("%(n)s of %(sku)s came already"),
    N_("nothing would be left of %(number)s: cancel it instead"),
    N_("nothing came of %(number)s yet: cancel it instead"),
    N_("a part of %(number)s came: close it instead"),
    N_("%(sku)s is expected under %(number)s already, without this purchase order"),
    N_("%(number)s goes to %(warehouse)s"),
    N_("%(number)s has no line of %(sku)s"),
    N_("%(number)s was changed meanwhile: look at it again."),
    N_("%(sku)s: the order-up-to level must be above the reorder point"),
    # what inventory refuses of transfers between warehouses
    N_("a transfer goes to another warehouse than %(warehouse)s"),
    N_("%(n)s of %(sku)s should go, only %(free)s are free in %(warehouse)s: %(promised)s are promised"),
    N_("%(number)s was not sent yet: cancel it instead"),
    N_("%(number)s is on its way: receive what comes, then close it"),
    N_("%(number)s was never sent, its pieces are booked in %(warehouse)s still: send it first"),
    N_("%(number)s is %(state)s: nothing of it is on its way"),
    N_("%(n)s of %(sku)s came, only %(left)s are on their way with %(number)s"),
    N_("%(sku)s is expected under %(number)s already, without this transfer"),
    N_("a draft"),
    N_("sent"),
    N_("partly received"),
    N_("received in full"),
    N_("closed short"),
    # what is refused of accounts
    N_("There is no account %(name)s."),
    N_("There is an account %(name)s already."),
    N_("You would take away your own access. Another admin can do it."),
    N_("Nobody would be left who looks after the accounts."),
    # what is refused of saved views
    N_("There is a saved view %(name)s already."),
    N_("There are %(n)s saved views already; remove one first."),
    N_("There is no such saved view."),
    # what happened to a return
    N_("announced"),
    N_("announced: %(reason)s"),
    N_("%(pieces)s received"),
    N_("%(pieces)s accepted"),
    N_("%(pieces)s accepted, nothing more to come"),
    N_("nothing has to come back"),
    N_("came back whole, to stock"),
    N_("claimed from the carrier"),
    # errors of the shop that goods come back for
    N_("wrong item"),
    N_("wrong item: %(note)s"),
    N_("wrong address"),
    N_("wrong address: %(note)s"),
    # why stock or money stopped
    N_("sold out"),
    N_("unknown SKU"),
    N_("short pick"),
    N_("short pick: %(why)s"),
    N_("not on the shelf"),
    N_("damaged"),
    N_("wrong product in the bin"),
    N_("another reason"),
    N_("shipped without stock"),
    N_("overdue: %(amount)s after %(level)s reminders"),
    N_("there are no terms for orders in %(currency)s"),
    N_("%(amount)s would be owed, %(limit)s may be"),
    N_("%(amount)s and %(others)s of other orders would be owed, %(limit)s may be"),
    N_("no certain day"),
    N_("nothing"),
    N_("nowhere"),
    # movements of stock
    N_("receipt"),
    N_("adjustment"),
    N_("count"),
    N_("issue"),
    N_("loss"),
    N_("found"),
    N_("restock"),
    N_("quarantine"),
    N_("transfer"),
    N_("transfer loss"),
    # entries of the ledger
    N_("sale"),
    N_("delivery"),
    N_("capture"),
    N_("refund"),
    N_("credit"),
    N_("remittance"),
    # how fast
    N_("standard"),
    N_("express"),
    # roles of staff, and who nobody knows
    N_("picker"),
    N_("packer"),
    N_("support"),
    N_("finance"),
    N_("admin"),
    N_("At this machine"),
    # why an e-mail was not sent
    N_("E-mails are switched off."),
    N_("The order has no e-mail address."),
    N_("The order's e-mail address is none: %(address)s"),
    N_("The supplier's e-mail address is none: %(address)s"),
    N_("The purchase order was cancelled before it was sent."),
    N_("Another e-mail was sent in its place."),
    N_("An e-mail with it is being sent already."),
    N_("The service %(service)s did not say what belongs into it."),
    N_("The mail server does not let us in: %(said)s"),
    N_("The mail server refused it: %(said)s"),
    N_("The mail server does not take it now: %(said)s"),
    N_("The mail server did not answer; whether it took the e-mail is not known."),
    N_("The mail server is not reached: %(said)s"),
    N_("It could not be made: %(said)s"),
    # webhooks: what is refused of them, and why one was not delivered
    N_("There is this webhook already."),
    N_("There are %(n)s webhooks already; remove one first."),
    N_("There is no such webhook."),
    N_("Nothing is sent to it now: resume it first."),
    N_("This is no address: https://shop.example/webhooks"),
    N_("The address must begin with https://"),
    N_("The address must have no user, no password and no # in it."),
    N_("This leads to an address of this machine or its own network."),
    N_("%(host)s leads to an address of this machine or its own network"),
    N_("The key that its secret was made of is gone from COMPTOIR_WEBHOOK_KEYS."),
    N_("No whole answer in %(n)s seconds."),
    N_("It was not reached: %(said)s"),
    N_("The receiver answered 410: it wants nothing more."),
    N_("The receiver answered %(code)s: no redirect is followed."),
    N_("The receiver answered %(code)s."),
    # messages that could not be handled: why, what to do, what became of it
    N_("It speaks of something that is not here: %(rest)s. It was tried %(tries)s."),
    N_("It asks for what cannot be: %(rest)s."),
    N_("It states what cannot be true: %(rest)s."),
    N_("Its text is not what was agreed: %(rest)s."),
    N_("It does not belong on this queue: %(rest)s."),
    N_("It, or what would follow from it, is too large to be sent: %(rest)s."),
    N_("The database refused what came of it, to protect the data: %(rest)s."),
    N_("Deciding it failed, which is a fault of ours: %(reason)s."),
    N_(
        "Find the document at its owner; if its message was lost, send it again with `comptoir resend`; then replay."
    ),
    N_("Compare both services' view of the document; mend it at the sender; then drop this with the reason."),
    N_(
        "A foreign sender, or a newer version of ours: after the upgrade replay; else drop it, and tell the sender."
    ),
    N_("Find who sent it, and tell them; then drop it."),
    N_("Have the sender split it; then drop this with the reason."),
    N_(
        "Run `comptoir verify`; it is a fault of ours: report it with `comptoir parked show`, and do not drop it "
        "before."
    ),
    N_("Report it with `comptoir parked show`; replay it after the fix."),
    N_("a message that this service knows"),
    N_("no such field"),
    N_("missing"),
    N_("unknown"),
    N_("wrong"),
    N_("replay"),
    N_("drop"),
    N_("done"),
    N_("refused"),
    N_("failed"),
    N_("replayed"),
    N_("dropped"),
)  # fmt: skip


_PLACE = re.compile(r"%\((\w+)\)s")
_AMOUNT = re.compile(r"(-?\d+(?:\.\d+)?) ([A-Z]{3})")
_PIECES = re.compile(r"(\d+) pieces?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def pattern(sentence: str) -> re.Pattern[str]:
    """What fits a sentence with its places."""
    parts = _PLACE.split(sentence)
    return re.compile(
        "".join(f"(?P<{part}>.+?)" if i % 2 else re.escape(part) for i, part in enumerate(parts)), re.DOTALL
    )


_WHOLE = {sentence: sentence for sentence in SENTENCES if "%(" not in sentence}
_BY_TEXT = sorted(SENTENCES, key=lambda sentence: -len(_PLACE.sub("", sentence)))
_WITH_PLACES = [(sentence, pattern(sentence)) for sentence in _BY_TEXT if "%(" in sentence]
"""Where several fit, the one with the most text of its own is meant."""


@lru_cache(8192)
def found(text: str) -> tuple[str, Mapping[str, str]] | None:
    """The sentence that a text is, and what stands in its places; None for one that is not known here."""
    if text in _WHOLE:
        return text, {}
    for sentence, fits in _WITH_PLACES:
        if match := fits.fullmatch(text):
            return sentence, match.groupdict()
    return None


def retold(w: Words, text: str, codes: Mapping[str, str]) -> str | None:
    """The text in the reader's language; None when nobody here knows it. `codes`: what a status is called."""
    if match := _PIECES.fullmatch(text):
        return w.many("%(n)d piece", "%(n)d pieces", int(match[1]))
    if match := _AMOUNT.fullmatch(text):
        return w.money(Decimal(match[1]), match[2])
    if _DAY.fullmatch(text):
        try:
            return w.day(date.fromisoformat(text).isoformat())
        except ValueError:
            return None
    if text in codes:
        return w.amid(w.say(codes[text]))
    known = found(text)
    if known is None:
        parts = [retold(w, part, codes) for part in text.split(", ")] if ", " in text else []
        return ", ".join(filter(None, parts)) if parts and all(parts) else None
    sentence, values = known
    return w.say(sentence, **{name: retold(w, value, codes) or value for name, value in values.items()})
