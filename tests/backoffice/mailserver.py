"""A mail server of our own, with a durable book of what it took and switches for what may go wrong."""

import asyncio
import sqlite3
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

Item = dict[str, Any]


class MailServer:
    """Every e-mail that it said yes to is in the book, also when nobody heard the yes.

    `refuse`: the answer to a recipient instead of 250. `deaf`: so many e-mails are taken and the line is cut before
    the answer. `hold`: taken, and the answer waits until it is set.
    """

    def __init__(self, book: Path) -> None:
        self.book = sqlite3.connect(book)
        self.book.execute("create table if not exists took (n integer primary key, recipient text, raw blob)")
        self.refuse = ""
        self.deaf = 0
        self.hold: asyncio.Event | None = None
        self.tries = 0
        self.server: asyncio.Server | None = None
        self.port = 0

    async def start(self, port: int = 0) -> "MailServer":
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: SMTP(self, hostname="stand-in"), "127.0.0.1", port)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.tries += 1
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        with self.book:
            for recipient in envelope.rcpt_tos:
                self.book.execute("insert into took (recipient, raw) values (?, ?)", (recipient, envelope.content))
        if self.deaf:
            self.deaf -= 1
            assert server.transport is not None
            server.transport.abort()
        if self.hold is not None:
            await self.hold.wait()
        return "250 OK"

    def took(self, order: str = "") -> list[tuple[str, EmailMessage]]:
        """(recipient, e-mail) of all that was taken, about one order where its number is given."""
        found = []
        for recipient, raw in self.book.execute("select recipient, raw from took order by n"):
            mail = message_from_bytes(raw, policy=policy.default)
            if not order or order in str(mail["Subject"]).split():
                found.append((recipient, mail))
        return found

    def subjects(self, order: str) -> list[str]:
        return [str(mail["Subject"]) for _, mail in self.took(order)]
