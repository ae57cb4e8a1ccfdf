"""E-mails on their way: what one says, in the reader's language, and handing it to the mail server.

Those to customers are made from the order as its owner has it at that moment, and from what its cause alone knew; those
to staff, of what runs low, from what was seen then. What a supplier is written is in supplier_letter.py.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import aiosmtplib
import structlog
from aiosmtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from services.backoffice import bought, paper, queries, supplier_letter
from services.backoffice.letters import DATED, mail_id
from services.backoffice.links import Links
from services.backoffice.owners import Away, Owners, Said
from services.backoffice.pages import Pages
from services.backoffice.phrases import PHRASES, Phrases, language_of
from services.backoffice.views import purchases
from services.backoffice.views.cells import address
from shared.contracts.backoffice import ClaimMail, MailAnswered, SendMail
from shared.service import Figure, Running

log = structlog.get_logger("comptoir.backoffice")
Item = dict[str, Any]
Way = Literal["off", "book", "smtp"]
LOCAL_PART = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
"""Of an address that every mail server takes without an extension."""


BLANK: Item = {"goods": (), "lines": (), "total": "", "reason": "", "tracking": "", "link": "", "contact": ""}
"""What an e-mail need not say."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where e-mails are handed over. `security`: STARTTLS, TLS from the start, or none (a server beside us)."""

    host: str = ""
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = ""
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Sender:
    """How the shop writes: by which way, as whom, and what an e-mail leads to."""

    way: Way = "off"
    from_: str = ""
    reply_to: str = ""
    server: Server = field(default_factory=Server)
    links: Links = field(default_factory=lambda: Links((), 1))
    public_url: str = ""
    contact: str = ""
    carriers: Mapping[str, str] = field(default_factory=dict)
    seller: paper.Seller = field(default_factory=lambda: paper.Seller("Comptoir"))

    @property
    def domain(self) -> str:
        """What Message-IDs end in."""
        return parseaddr(self.from_)[1].rpartition("@")[2] or "comptoir.invalid"

    def message_id(self, id: UUID) -> str:
        return f"<{id.hex}@{self.domain}>"


class Unsendable(ValueError):
    """No mail server will ever take it; the text says why."""


def in_one_line(text: str) -> str:
    """Without what ends a line or a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def addressed(name: str, email: str, whose: Literal["order", "supplier"] = "order") -> Address:
    """Whom it goes to. Raises Unsendable for what is no address."""
    local, at, domain = email.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode()
        if not at or "." not in domain or len(email) > 254 or not LOCAL_PART.fullmatch(local):
            raise ValueError("not name@example.org")
        return Address(in_one_line(name), username=local, domain=domain)
    except ValueError:
        said = in_one_line(email)[:100]
        if whose == "supplier":
            raise Unsendable(f"The supplier's e-mail address is none: {said}") from None
        raise Unsendable(f"The order's e-mail address is none: {said}") from None


def _about(kind: str, facts: Item) -> str:
    """The phrase that says what happened."""
    if kind in DATED and not facts["day"]:
        return f"about {kind} unknown"
    if kind == "date_changed" and not facts["before"]:
        return "about backordered"  # a day is known at last
    return f"about {kind}"


def letter(mail: Item, order: Item, notes: list[Item], sender: Sender, pages: Pages, now: datetime) -> Item:
    """Subject, text and HTML of one e-mail, its language, and the documents that go with it."""
    p = Phrases(language_of(order["bill_to"], order["ship_to"]), pages.zone)
    kind, facts = mail["kind"], mail["facts"]
    names = {line["line_no"]: line["text"] or p.phrase("item") for line in order["lines"] if line["kind"] == "goods"}
    values: Item = {"number": order["number"]}
    if kind in DATED:
        for name in ("day", "before"):
            values[name] = p.day(date.fromisoformat(facts[name])) if facts[name] else ""
    if kind == "refunded":
        values["amount"] = p.money(Decimal(facts["amount"]), order["currency"])
    if kind == "withdrawn":
        values |= {"at": p.moment(datetime.fromisoformat(mail["at"])), "name": _buyer(order) or _to(order)}
    goods: list[tuple[int, str]] = []
    if kind == "confirmed":
        goods = [(line["ordered"], names[line["line_no"]]) for line in order["lines"] if line["line_no"] in names]
    elif kind in DATED:
        goods = [
            (line["backordered"], names[line["line_no"]])
            for line in order["lines"]
            if line["line_no"] in names and line["backordered"]
        ]
    elif kind in ("shipped", "delivered", "withdrawn"):
        goods = [(n, names[line_no]) for line_no, n in facts["lines"] if line_no in names]
    tracking = facts.get("tracking", "") if kind == "shipped" else ""
    track = sender.carriers.get(facts.get("carrier", ""), "") if tracking.isalnum() else ""
    link = ""
    if sender.links and sender.public_url:
        link = f"{sender.public_url}/s/{sender.links.token(UUID(order['id']), now)}"
    said: Item = {
        "lang": p.lang,
        "subject": in_one_line(p.phrase(f"mail {kind}", **values)),
        "hello": p.phrase("dear", name=_buyer(order)) if _buyer(order) else p.phrase("hello"),
        "about": p.phrase(_about(kind, facts), **values),
        "goods": goods,
        "lines": [],
        "total": p.money(Decimal(order["due"]), order["currency"]) if kind == "confirmed" else "",
        "total_name": p.phrase("total"),
        "reason": facts["reason"] if kind == "withdrawn" else "",
        "reason_name": p.phrase("reason"),
        "tracking": tracking,
        "tracking_name": p.phrase("tracking"),
        "track": track.replace("{tracking}", tracking),
        "lead": p.phrase("decide" if kind in DATED else "follow") if link else "",
        "link": link,
        "link_name": p.phrase("page of"),
        "regards": p.phrase("regards"),
        "shop": pages.shop,
        "contact": p.phrase("questions", contact=sender.contact) if sender.contact else "",
        "notes": _of_refund(notes, Decimal(facts["amount"])) if kind == "refunded" else [],
    }
    return _finished(said, pages)


def _finished(said: Item, pages: Pages) -> Item:
    """With its text and HTML."""
    said = {**BLANK, **said}
    return {**said, "text": _text(said), "html": pages.render("mail.html", mail=said)}


def warning(facts: Item, sender: Sender, pages: Pages) -> Item:
    """The same of what runs low, in the first language of the pages."""
    p = Phrases(pages.language if pages.language in PHRASES else "en", pages.zone)
    lines = []
    for of in facts["lines"]:
        name = f"{in_one_line(of['name'])} ({of['sku']})" if of["name"] else of["sku"]
        line = p.phrase("low line", **{**of, "name": name})
        lines.append(p.phrase("low new", line=line) if of["new"] else line)
    if more := facts["n"] - len(lines):
        lines.append(p.counted("low more", more))
    said: Item = {
        "lang": p.lang,
        "subject": p.counted("mail low_stock", facts["n"]),
        "hello": p.phrase("hello"),
        "about": p.counted("about low_stock", facts["n"]),
        "lines": lines,
        "lead": p.phrase("low lead") if sender.public_url else "",
        "link": f"{sender.public_url}/purchasing/what-to-order" if sender.public_url else "",
        "link_name": p.phrase("low page"),
        "regards": p.phrase("regards"),
        "shop": pages.shop,
    }
    return _finished(said, pages)


def _buyer(order: Item) -> str:
    return in_one_line(order["bill_to"]["name"] or order["ship_to"]["name"])


def _to(order: Item) -> str:
    return str(order["bill_to"]["email"] or order["ship_to"]["email"])


def _of_refund(notes: list[Item], amount: Decimal) -> list[Item]:
    """The newest credit notes that make up the amount."""
    found: list[Item] = []
    for note in sorted(notes, key=lambda of: str(of["number"]), reverse=True):
        if sum((Decimal(of["gross"]) for of in found), Decimal(0)) >= amount:
            break
        found.append(note)
    return found


def _text(said: Item) -> str:
    parts = [said["hello"], said["about"], "\n".join(f"{n} × {in_one_line(text)}" for n, text in said["goods"])]
    parts.append("\n".join(f"- {line}" for line in said["lines"]))
    if said["total"]:
        parts.append(f"{said['total_name']}: {said['total']}")
    if said["reason"]:
        parts.append(f"{said['reason_name']}: {in_one_line(said['reason'])}")
    if said["tracking"]:
        parts.append("\n".join(filter(None, (f"{said['tracking_name']}: {said['tracking']}", said["track"]))))
    if said["link"]:
        parts.append(f"{said['lead']}\n{said['link']}")
    parts += [said["contact"], f"{said['regards']}\n{said['shop']}"]
    return "\n\n".join(part for part in parts if part) + "\n"


def message(
    mail_id_: UUID, kind: str, order: Item, said: Item, papers: list[tuple[str, bytes]], sender: Sender, now: datetime
) -> EmailMessage:
    """The e-mail to a customer as it is sent; all about an order stand together."""
    to, first = addressed(_buyer(order), _to(order)), mail_id(UUID(order["id"]), "confirmed", "order", "")
    return drawn_up(mail_id_, to, said, papers, sender, now, after=None if kind == "confirmed" else first)


def drawn_up(
    mail_id_: UUID,
    to: Address,
    said: Item,
    papers: list[tuple[str, bytes]],
    sender: Sender,
    now: datetime,
    *,
    after: UUID | None = None,
) -> EmailMessage:
    """An e-mail as it is sent. Its Message-ID is of what it is about, so whoever gets it twice can tell."""
    mail = EmailMessage(policy=SMTP)
    name, own = parseaddr(sender.from_)
    mail["From"] = Address(in_one_line(name) or in_one_line(said["shop"]), addr_spec=own)
    mail["To"] = to
    if sender.reply_to:
        mail["Reply-To"] = sender.reply_to
    mail["Subject"] = said["subject"]
    mail["Date"] = format_datetime(now.astimezone(UTC))
    mail["Message-ID"] = sender.message_id(mail_id_)
    if after is not None:
        mail["In-Reply-To"] = mail["References"] = sender.message_id(after)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(said["text"])
    mail.add_alternative(said["html"], subtype="html")
    for number, body in papers:
        mail.add_attachment(body, maintype="application", subtype="pdf", filename=f"{number}.pdf")
    mail["Content-Language"] = said["lang"]  # of the whole: what is set before goes to the first part
    return mail


class Postman:
    """Makes the outside call of SendMail; a few at a time, each after taking it, so that no other copy sends it."""

    AT_ONCE, WAITING = 4, 64
    """E-mails on their way, and those that wait for room beside the looks at orders, which they must not hold up."""

    def __init__(self, owners: Owners, pages: Pages, sender: Sender) -> None:
        self.owners, self.pages, self.sender = owners, pages, sender
        self.room = asyncio.Semaphore(self.AT_ONCE)
        self.running: Running | None = None
        self.sent = self.inside = 0

    def join(self, running: Running) -> None:
        self.running = running

    async def figures(self, running: Running) -> list[Figure]:
        """For /metrics."""
        async with running.reads.connect() as conn:
            waiting, oldest, parked = await queries.mails_open(conn)
        age = (running.now() - oldest).total_seconds() if oldest else 0.0
        return [
            ("counter", "mails_sent", "e-mails that the mail server took, since start", self.sent),
            ("gauge", "mails_waiting", "e-mails that are not sent yet", waiting),
            ("gauge", "mails_oldest_seconds", "age of the oldest e-mail that is not sent yet", age),
            ("gauge", "mails_parked", "e-mails that wait for a person", parked),
        ]

    async def perform(self, m: SendMail) -> MailAnswered:
        """Never raises for what a mail server or an owner does: it answers that it is tried later."""
        assert self.running is not None
        if self.inside >= self.WAITING:
            return MailAnswered(order_id=m.order_id, mail_id=m.mail_id, outcome="busy")
        self.inside += 1
        try:
            return await self._performed(m, self.running)
        finally:
            self.inside -= 1

    async def _performed(self, m: SendMail, running: Running) -> MailAnswered:
        async with self.room:
            word = ClaimMail(order_id=m.order_id, mail_id=m.mail_id)
            reply = await running.desk.ask(word, id=running.new_id())
            if reply.status >= 300 or not reply.body["taken"]:
                return MailAnswered(order_id=m.order_id, mail_id=m.mail_id, outcome="taken")
            outcome, why, said = await self._sent(m, dict(reply.body))
        if outcome == "sent":
            self.sent += 1
        else:
            log.warning("an e-mail was not sent", mail=str(m.mail_id), order=str(m.order_id), outcome=outcome, why=why)
        return MailAnswered(order_id=m.order_id, mail_id=m.mail_id, outcome=outcome, why=why, **said)

    async def _sent(self, m: SendMail, mail: Item) -> tuple[Literal["sent", "later", "refused", "left"], str, Item]:
        running, sender = self.running, self.sender
        assert running is not None
        if sender.way == "off":
            return "later", "E-mails are switched off.", {}
        said: Item = {}
        try:
            now = running.now()
            if mail["kind"] == "low_stock":
                facts = mail["facts"]
                told = warning(facts, sender, self.pages)
                said = {"to": facts["to"], "title": told["subject"], "body": told["text"], "lang": told["lang"]}
                await self._hand_over(drawn_up(m.mail_id, addressed("", facts["to"]), told, [], sender, now))
                return "sent", "", said
            if mail["kind"] == bought.KIND:
                facts, lang, zone = mail["facts"], mail["facts"]["lang"], self.pages.zone
                bill, place = await purchases.printed(self.owners, facts["number"])
                if bill["state"] == "cancelled":
                    return "left", "The purchase order was cancelled before it was sent.", {}
                told = _finished(supplier_letter.written(facts["number"], self.pages.shop, lang, zone), self.pages)
                said = {"to": in_one_line(facts["to"]), "title": told["subject"], "body": told["text"], "lang": lang}
                attached = await asyncio.to_thread(supplier_letter.attached, bill, place, sender.seller, zone, lang)
                to_, first = addressed(bill["supplier_name"], facts["to"], "supplier"), bought.first(m.order_id)
                after = None if first == m.mail_id else first
                await self._hand_over(drawn_up(m.mail_id, to_, told, [attached], sender, now, after=after))
                return "sent", "", said
            order = dict(await self.owners.get("order", f"/orders/{m.order_id}"))
            notes: list[Item] = []
            if mail["kind"] == "refunded":
                found = await self.owners.get("billing", "/credit-notes", order_id=str(m.order_id), limit=100)
                notes = list(found["items"])
            to = _to(order)
            if not to:
                return "left", "The order has no e-mail address.", {}
            told = letter(mail, order, notes, sender, self.pages, now)
            said = {"to": in_one_line(to), "title": told["subject"], "body": told["text"], "lang": told["lang"]}
            papers = [(str(note["number"]), await self._paper(note, told["lang"])) for note in told["notes"]]
            await self._hand_over(message(m.mail_id, mail["kind"], order, told, papers, sender, now))
            return "sent", "", said
        except (Away, Said) as error:
            return "later", f"The service {error.owner} did not say what belongs into it.", said
        except Unsendable as error:
            return "refused", str(error), said
        except Exception as error:
            outcome, why = cause_of(error)
            return outcome, why, said

    async def _hand_over(self, mail: EmailMessage) -> None:
        if self.sender.way == "smtp":
            await handed_over(mail, self.sender.server)

    async def _paper(self, note: Item, lang: str) -> bytes:
        """A credit note as a file. Making it takes the processor for a while, which nobody else shall wait for."""
        of = {**await self.owners.get("billing", f"/credit-notes/{note['number']}"), "kind": "credit note"}
        zone: ZoneInfo = self.pages.zone
        return await asyncio.to_thread(paper.pdf, of, address(of["bill_to"]), self.sender.seller, zone, lang)


async def handed_over(mail: EmailMessage, server: Server) -> None:
    """Returns when the server has said that it has it. Raises whatever went wrong."""
    async with asyncio.timeout(3 * server.timeout_s):
        await aiosmtplib.send(
            mail,
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=ssl.create_default_context() if server.security != "none" else None,
            timeout=server.timeout_s,
        )


def cause_of(error: Exception) -> tuple[Literal["later", "refused"], str]:
    """Whether trying again may help, and the cause in a sentence."""
    if isinstance(error, SMTPRecipientsRefused) and error.recipients:
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return "later", f"The mail server does not let us in: {error.code} {in_one_line(error.message)[:200]}"
    if isinstance(error, SMTPResponseException):
        said = f"{error.code} {in_one_line(error.message)[:200]}"
        for_good = error.code >= 500 and not isinstance(error, aiosmtplib.SMTPConnectResponseError)
        return ("refused", f"The mail server refused it: {said}") if for_good else (
            "later", f"The mail server does not take it now: {said}"
        )  # fmt: skip
    if isinstance(error, aiosmtplib.SMTPReadTimeoutError | aiosmtplib.SMTPServerDisconnected):
        return "later", "The mail server did not answer; whether it took the e-mail is not known."
    if isinstance(error, SMTPException | OSError | TimeoutError):
        return "later", f"The mail server is not reached: {in_one_line(str(error))[:200] or type(error).__name__}"
    return "later", f"It could not be made: {type(error).__name__}: {in_one_line(str(error))[:200]}"
