"""A mail server (587) and an identity provider (8443) of the outside world, both by TLS; nothing of Comptoir is in it.

Who logs in at the mail server as `comptoir` with the password of the environment may send; each e-mail is a file.
"""

import asyncio
import json
import os
import ssl
import threading
from itertools import count
from pathlib import Path

import oidc_provider_mock
import uvicorn
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

CERTIFICATE = "/run/outside/certificate.pem"
"""With its key."""
MAILS = Path("/tmp/mails")


class Letterbox:
    numbers = count()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        (MAILS / f"{next(self.numbers)}.part").write_bytes(envelope.content)
        for written in MAILS.glob("*.part"):  # a name that is looked for has the whole e-mail
            written.rename(written.with_suffix(".eml"))
        return "250 OK"


def lets_in(server: SMTP, session: Session, envelope: Envelope, way: str, login: object) -> AuthResult:
    right = LoginPassword(b"comptoir", os.environ["OUTSIDE_PASSWORD"].encode())
    return AuthResult(success=login == right)


async def mail_server(tls: ssl.SSLContext) -> None:
    def line() -> SMTP:
        return SMTP(
            Letterbox(),
            hostname="mail.outside.example",
            tls_context=tls,
            require_starttls=True,
            auth_required=True,
            authenticator=lets_in,
        )

    server = await asyncio.get_running_loop().create_server(line, "0.0.0.0", 587)
    await server.serve_forever()


def main() -> None:
    MAILS.mkdir(exist_ok=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERTIFICATE)
    threading.Thread(target=lambda: asyncio.run(mail_server(tls)), daemon=True).start()
    people = [
        oidc_provider_mock.User(sub=person.pop("sub"), claims=person)
        for person in json.loads(os.environ["OUTSIDE_PEOPLE"])
    ]
    provider = oidc_provider_mock.app(user_claims=people)
    uvicorn.run(provider, interface="wsgi", host="0.0.0.0", port=8443, ssl_certfile=CERTIFICATE)


if __name__ == "__main__":
    main()
