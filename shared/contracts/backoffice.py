"""The back office's words to itself: it looks at an order again after somebody said something about it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.message import Internal, Value
from shared.contracts.values import Code, Count, LineKind, Money, Text

Who = Literal["customer", "staff", "inventory", "billing", "fulfilment", "warehouse", "carrier", "supplier", "provider"]


Role = Literal["picker", "packer", "support", "finance", "admin"]


class Waiting(Value):
    """One thing that an order waits for: who must act, why in a sentence, and until when."""

    who: Who
    why: str
    until: datetime | date | None = None


class Heard(Value):
    """The newest statement that the order service knows of one thing: the order itself, `stock`, `money`, or an id."""

    thing: str
    version: int


class SoldLine(Value):
    """One line of an order as it was sold; `net` is without VAT, its share of discounts taken off."""

    line_no: int
    sku: str
    text: Text = ""
    kind: LineKind = "goods"
    quantity: Count
    net: Money
    vat_category: str = "S"
    vat_rate: Money = Decimal(0)


class OrderSummary(Value):
    """What the order service says of one order for lists, `GET /orders/summaries`.

    `heard`: which statements it knows. `revision` rises with every change of anything of the order.
    """

    order_id: UUID
    revision: int
    heard: tuple[Heard, ...]
    number: str
    channel: str = ""
    external_id: str = ""
    customer_id: str = ""
    name: str = ""
    email: str = ""
    city: str = ""
    country: str = ""
    placed_at: datetime
    status: str
    holds: tuple[str, ...] = ()
    currency: str
    method: str = ""
    net: Money = Decimal(0)
    gross: Money
    due: Money
    why: str = ""
    waits: tuple[Waiting, ...] = ()
    skus: tuple[str, ...] = ()
    tracking: tuple[str, ...] = ()
    ordered: Count = 0
    cancelled: Count = 0
    waiting: Count = 0
    backordered: Count = 0
    reserved: Count = 0
    released: Count = 0
    shipped: Count = 0
    returned: Count = 0
    promised_on: date | None = None  # of what is backordered now
    accepted_on: date | None = None  # the promise that the customer knows and accepts; it stays when it is kept
    lines: tuple[SoldLine, ...] = ()


class LookAtOrder(Internal, key="backoffice.look_at_order.v1"):
    """An outside call that is wanted: ask the order service how this order stands now."""

    order_id: UUID


class OrderSeen(Internal, key="backoffice.order_seen.v1"):
    """What it answered; nothing when it did not answer, or does not know the order yet."""

    order_id: UUID
    order: OrderSummary | None = None


class LookAgain(Internal, key="backoffice.look_again.v1"):
    """Timer: the answer was older than what others said already, or there was none."""

    order_id: UUID


# E-mails to customers, of stock that runs low to staff, and to suppliers: there `order_id` is that of a purchase order

MailKind = Literal[
    "confirmed", "backordered", "date_changed", "shipped", "delivered", "withdrawn", "refunded", "low_stock", "purchase"
]


class MailSupplier(Internal, key="backoffice.mail_supplier.v1"):
    """A person has a purchase order e-mailed to its supplier, at the address that was shown.

    `mark`: which of several e-mails about the same order; the same asks for the same once.
    """

    purchase_id: UUID
    number: Code
    to: Text
    lang: Code
    mark: str = ""
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.purchase_id)


class SendMail(Internal, key="backoffice.send_mail.v1"):
    """An outside call that is wanted: hand an e-mail to the mail server. Whoever makes it takes the e-mail first."""

    order_id: UUID
    mail_id: UUID


class ClaimMail(Internal, key="backoffice.claim_mail.v1"):
    """I am about to send this e-mail: may I?"""

    order_id: UUID
    mail_id: UUID


class MailAnswered(Internal, key="backoffice.mail_answered.v1"):
    """What became of it. `later`: not sent, or not known; it is tried again. `taken`: somebody else sends it.

    `busy`: nobody tried, there are too many. `left`: there is nobody to send it to. `why`: in a sentence. The rest is
    what was sent, for the shop to look at.
    """

    order_id: UUID
    mail_id: UUID
    outcome: Literal["sent", "later", "refused", "left", "taken", "busy"]
    why: Text = ""
    lang: str = ""
    to: str = ""
    title: str = ""
    body: str = ""


class MailDue(Internal, key="backoffice.mail_due.v1"):
    """Timer: try to send it again, or whoever took it has not answered."""

    order_id: UUID
    mail_id: UUID


class SendMailAgain(Internal, key="backoffice.send_mail_again.v1"):
    """A person asks to send an e-mail again that was given up."""

    order_id: UUID
    mail_id: UUID
    actor: str = ""


class Low(Value):
    """A product that is at its reorder point in a warehouse or below, with what is ordered already counted in."""

    sku: str
    warehouse: str
    name: Text = ""
    position: int
    point: Count
    quantity: Count  # that brings it up to its level


class LowStockSeen(Internal, key="backoffice.low_stock_seen.v1"):
    """What inventory says runs low now. `day`: of the shop. `tells`: whether staff may be told at this time of it."""

    day: date
    tells: bool
    low: Annotated[tuple[Low, ...], Field(max_length=2000)]

    @property
    def subject(self) -> str:
        return self.day.isoformat()


# Accounts and sessions. They come from the login page and the operator's command, and never travel on the bus.


class SetAccount(Internal, key="backoffice.set_account.v1"):
    """Makes or changes the account of a person. `password` is a hash; empty: it stays. Open sessions end.

    `new`: refused with 409 where there is such an account. `keeps`: stays as it is, and 404 where there is none.
    `admins`: who else looked after the accounts when this was asked. 409 when nobody would be left who does, or when
    an admin would lose the own access. None: an operator at the machine, who may always make another one.
    """

    name: Code
    shown: Text = ""
    roles: tuple[Role, ...] = ()
    password: str = ""
    active: bool = True
    actor: str = ""
    new: bool = False
    keeps: tuple[Literal["roles", "active"], ...] = ()
    admins: tuple[Code, ...] | None = None

    @property
    def subject(self) -> str:
        return self.name


class ChooseLanguage(Internal, key="backoffice.choose_language.v1"):
    """A person wants the pages in this language, in every browser. Open sessions go on."""

    name: Code
    language: Code

    @property
    def subject(self) -> str:
        return self.name


class OpenSession(Internal, key="backoffice.open_session.v1"):
    """A person gave the right password. `session` is a hash of what only the browser knows."""

    name: Code
    session: str
    csrf: str

    @property
    def subject(self) -> str:
        return self.name


class SignedOn(Internal, key="backoffice.signed_on.v1"):
    """The identity provider said who somebody is. `identity` never changes there; roles are those of this moment.

    Refused with 403 for an account that is gone, and with 409 where the name is another one's.
    """

    name: Code
    identity: Text
    shown: Text
    roles: tuple[Role, ...]
    session: str
    csrf: str

    @property
    def subject(self) -> str:
        return self.name


class RefuseLogin(Internal, key="backoffice.refuse_login.v1"):
    """Somebody gave a wrong password for this account."""

    name: Code

    @property
    def subject(self) -> str:
        return self.name


class NoteView(Internal, key="backoffice.note_view.v1"):
    """A person looked at a document, on the page or as a file, or was given the link of a customer to an order."""

    number: Code  # of the document; of the order
    form: Literal["page", "pdf", "ubl", "cii", "link"]
    actor: Code

    @property
    def subject(self) -> str:
        return self.number


class NoteResumed(Internal, key="backoffice.note_resumed.v1"):
    """A person had billing try again what it had parked of an order; billing states nothing of it itself."""

    order_id: UUID
    number: Code
    actor: Code

    @property
    def subject(self) -> str:
        return str(self.order_id)


class NoteMatched(Internal, key="backoffice.note_matched.v1"):
    """A person matched an entry of the bank statement to an order; billing states the money, not who it was."""

    order_id: UUID
    number: Code
    entry_id: Code
    actor: Code

    @property
    def subject(self) -> str:
        return str(self.order_id)


class NoteBought(Internal, key="backoffice.note_bought.v1"):
    """A person did something to a purchase order, a transfer or a supplier, or to money: credit, payouts.

    Their owners keep what it is now. `name`: its number or code.
    """

    what: Code
    name: Code
    actor: Code

    @property
    def subject(self) -> str:
        return self.name


class KeepSession(Internal, key="backoffice.keep_session.v1"):
    """A session was used, or ends now."""

    session: str
    ends: bool = False

    @property
    def subject(self) -> str:
        return self.session[:16]


# Views of the list of orders that people saved


class OfViews(Internal):
    """About the views of one person. `actor`: who does it."""

    person: Code
    actor: str = ""

    @property
    def subject(self) -> str:
        return self.person


ViewName = Annotated[str, Field(min_length=1, max_length=60)]


class SaveView(OfViews, key="backoffice.save_view.v1"):
    """Keeps a filter of the list of orders, as its address has it, under a name. `shared`: for everybody."""

    name: ViewName
    query: Text
    shared: bool = False


class ChangeView(OfViews, key="backoffice.change_view.v1"):
    """Another name for a saved view, or other people who see it. `code`: its short address."""

    code: Code
    name: ViewName
    shared: bool


class RemoveView(OfViews, key="backoffice.remove_view.v1"):
    """Takes a saved view away; one that is gone already is no fault."""

    code: Code


# Files that people upload, kept until they are looked at and confirmed


class OfUploads(Internal):
    """About the files of one person."""

    person: Code

    @property
    def subject(self) -> str:
        return self.person


class KeepUpload(OfUploads, key="backoffice.keep_upload.v1"):
    """Keeps a file for a day. `content`: its bytes, packed; `mark`: the decimal mark that was chosen, or empty."""

    kind: Literal["orders", "products"]
    file: Annotated[str, Field(max_length=200)]
    content: Annotated[str, Field(max_length=4 * 1024 * 1024)]
    mark: Literal["", ".", ","] = ""


class DropUpload(OfUploads, key="backoffice.drop_upload.v1"):
    """Timer, or the person's own word: the file is not wanted any more."""

    code: Code


class NoteImported(Internal, key="backoffice.note_imported.v1"):
    """A person had the orders or products of a file taken; each of them says so itself, too. `digest`: of the file."""

    kind: Literal["orders", "products"]
    file: Annotated[str, Field(max_length=200)]
    digest: str
    done: Count
    repeated: Count
    refused: Count
    unknown: Count
    actor: str = ""

    @property
    def subject(self) -> str:
        return self.digest[:16]


# Webhooks: other programs that are told of events over HTTP


class OfWebhook(Internal):
    """About one webhook. `actor`: who does it."""

    webhook_id: UUID
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.webhook_id)


class AddWebhook(OfWebhook, key="backoffice.add_webhook.v1"):
    """Another program is told of these kinds of events at this address. `made_of`: the key that its secret is made of.

    The id is chosen by the sender, so that sending it again makes no second one.
    """

    name: ViewName
    url: Text
    kinds: Annotated[tuple[Code, ...], Field(min_length=1, max_length=100)]
    made_of: Code


class ChangeWebhook(OfWebhook, key="backoffice.change_webhook.v1"):
    """Another name, address or choice of events; what waits goes to the new address."""

    name: ViewName
    url: Text
    kinds: Annotated[tuple[Code, ...], Field(min_length=1, max_length=100)]


class ActOnWebhook(OfWebhook, key="backoffice.act_on_webhook.v1"):
    """A person pauses, resumes or removes a webhook, gives it another secret, ends the one before, or tests it."""

    act: Literal["pause", "resume", "remove", "rotate", "retire", "test"]
    made_of: str = ""  # of rotate, as in AddWebhook


class Redelivery(Value):
    """A fact that is sent once more, and its place in the order of its subject."""

    fact_id: UUID
    kind: Code
    about: str  # its subject
    at: datetime
    version: int


class Redeliver(OfWebhook, key="backoffice.redeliver.v1"):
    """A person has facts sent to a webhook again. `act_id`: the same asks for the same once."""

    act_id: UUID
    facts: Annotated[tuple[Redelivery, ...], Field(min_length=1, max_length=500)]
    since: datetime | None = None  # of a replay of all since then


class DeliveryAnswered(OfWebhook, key="backoffice.delivery_answered.v1"):
    """What became of one attempt to deliver a fact. `gone`: the receiver wants nothing more (410).

    `code` of the HTTP answer, 0 without one; `answer` is the first part of it; `rest_s`: how long the receiver asks to
    be left alone.
    """

    attempt_id: UUID
    delivery_id: UUID
    about: str  # the subject of the fact
    began_at: datetime
    took_ms: Count
    outcome: Literal["delivered", "failed", "gone"]
    code: Count = 0
    why: Text = ""
    answer: Text = ""
    rest_s: Count = 0
