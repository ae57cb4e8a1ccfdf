"""The way out: signed as the scheme says, to nowhere inside, in a bounded time, whatever the other side does."""

import asyncio
import base64
import gzip
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import trustme
from starlette.responses import Response, StreamingResponse

from services.backoffice.settings import Settings
from services.backoffice.webhooks import sending
from services.backoffice.webhooks.sending import KEPT, READ, Inside, Poster, Resolver, Ways, public, wrong
from services.backoffice.webhooks.signing import Keys, headers, shown
from tests.backoffice.receiver import Got, Receiver, receiver_at, says

ROOT = Path(__file__).resolve().parents[2]
KEY, OTHER = "k" * 32, "o" * 40
HOOK = UUID(int=7)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiver_at() as receiver:
        yield receiver


@asynccontextmanager
async def poster(**more: Any) -> AsyncIterator[Poster]:
    made = Poster(Ways(**{"inside": True, "timeout_s": 5.0, **more}), 8)
    try:
        yield made
    finally:
        await made.close()


# Secrets and signatures


def test_a_signature_is_what_the_scheme_publishes_for_its_example() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, UTC)
    made = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}', [secret])  # type: ignore[arg-type]
    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_webhook_and_each_turn_has_a_secret_of_its_own_that_only_the_key_gives() -> None:
    keys = Keys((KEY, OTHER))
    of_key, of_other = (name for name in keys.named)
    assert keys.first == of_key
    secrets = {keys.secret(id, n, key) for id in (HOOK, UUID(int=8)) for n in (1, 2, 11) for key in (of_key, of_other)}
    assert len(secrets) == 12
    assert {len(secret) for secret in secrets} == {32}
    assert keys.secret(HOOK, 1, of_key) == Keys((OTHER, KEY)).secret(HOOK, 1, of_key)
    with pytest.raises(LookupError, match="COMPTOIR_WEBHOOK_KEYS"):
        Keys((OTHER,)).secret(HOOK, 1, of_key)
    assert KEY not in str(keys.named.keys())


def test_the_example_of_the_docs_takes_what_is_ours_and_nothing_else() -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/webhooks.md").read_text(), re.DOTALL)
    assert code
    there: dict[str, Any] = {}
    exec(code[1], there)
    verified: Callable[..., bool] = there["verified"]
    old, new = b"1" * 32, b"2" * 32
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    now, body = at.timestamp(), b'{"id": 1}'
    both = headers(HOOK, at, body, [new, old])
    for secret in (old, new):
        assert verified(shown(secret), both, body, now)
        assert verified(shown(secret), both, body, now + 299)
        assert not verified(shown(secret), both, body + b" ", now)
        assert not verified(shown(secret), both, body, now + 301)
        assert not verified(shown(secret), both, body, now - 301)
        assert not verified(shown(secret), {**both, "webhook-id": "other"}, body, now)
    assert not verified(shown(b"3" * 32), both, body, now)
    for missing in both:
        assert not verified(shown(new), {name: of for name, of in both.items() if name != missing}, body, now)
    assert not verified(shown(new), {**both, "webhook-timestamp": "soon"}, body, now)


@pytest.mark.parametrize(
    "wrong_", [{"webhook_keys": "short"}, {"webhook_keys": f"{KEY},x"}, {"webhook_days": 14}, {"webhook_timeout_s": 31}]
)
def test_settings_that_cannot_be_meant_are_refused(wrong_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong_))):
        Settings(**wrong_)


# Where nothing may go


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1",
        "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_public_in_whatever_dress(address: str) -> None:
    assert not public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "8.8.8.8"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert public(address)


@pytest.mark.parametrize(
    "url",
    [
        "", "shop.example", "http://shop.example/in", "ftp://shop.example/", "https://", "https:///in",
        "https://shop.example:0/", "https://shop.example:99999/", "https://anna@shop.example/",
        "https://anna:pw@shop.example/", "https://shop.example/#part", "https://shop.example/a b",
        "https://shop.example/\nHost: other", "https://shop.example\\@inside.example/", "https://127.0.0.1/",
        "https://[::1]/", "https://169.254.169.254/latest", "https://localhost/", "https://a.localhost/",
        "https://inventory/", "https://sh\u00f6p.example/", "https://shop.example/" + 2000 * "a", "javascript:alert(1)",
        "https://[::1", "https://[fe80::1%25eth0]/",
    ],
)  # fmt: skip
def test_an_address_to_which_nothing_can_be_sent_is_refused_before_it_is_looked_up(url: str) -> None:
    assert wrong(url, inside=False)


def test_an_address_that_is_good_is_taken_and_development_may_go_inside() -> None:
    for url in ("https://shop.example/webhooks?from=comptoir", "https://shop.example:8443/", "https://93.184.216.34/"):
        assert not wrong(url, inside=False)
    for url in ("http://127.0.0.1:9000/in", "http://localhost:9000/", "https://inventory/"):
        assert wrong(url, inside=False)
        assert not wrong(url, inside=True)


async def test_a_name_that_leads_inside_is_not_followed_though_it_led_elsewhere_a_moment_ago(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look gives an address of the internet, the second this machine, where somebody listens."""
    port = int(receiver.here.rpartition(":")[2])
    led: list[str] = []
    known = ["192.88.99.77", "127.0.0.1", "::1", "10.0.0.1"]

    def looked_up(host: str, port: int, family: int) -> list[Any]:
        led.append(known[len(led)])
        return [{"hostname": host, "host": led[-1], "port": port, "family": 2, "proto": 0, "flags": 0}]

    monkeypatch.setattr(sending, "looked_up", looked_up)
    resolver = Resolver(inside=False)
    assert [of["host"] for of in await resolver.resolve("shop.example", port)] == [known[0]]
    async with poster(inside=False) as post:
        for _ in range(3):
            answer = await post.post(f"https://shop.example:{port}/in", b"{}", {})
            assert answer.outcome == "failed"
            assert answer.why == (
                "It was not reached: shop.example leads to an address of this machine or its own network"
            )
    assert led == known  # looked up each time, whatever was known
    assert not receiver.got


async def test_the_resolver_gives_nothing_inside_of_what_a_name_leads_to(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(inside=False)
    with pytest.raises(Inside):
        await resolver.resolve("localhost", 80)
    assert await Resolver(inside=True).resolve("localhost", 80)

    def looked_up(host: str, port: int, family: int) -> list[Any]:
        return [{"host": of} for of in ("10.1.1.1", "93.184.216.34")]

    monkeypatch.setattr(sending, "looked_up", looked_up)
    assert await resolver.resolve("shop.example") == [{"host": "93.184.216.34"}]


# What receivers do


async def test_what_is_sent_is_a_cloud_event_under_its_signature(receiver: Receiver) -> None:
    async with poster() as post:
        answer = await post.post(f"{receiver.here}/in?a=b", b'{"a":1}', {"webhook-id": "x"})
    assert (answer.outcome, answer.code) == ("delivered", 204)
    (got,) = receiver.got
    assert got.body == b'{"a":1}'
    assert got.headers["content-type"] == "application/cloudevents+json"
    assert got.headers["webhook-id"] == "x"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(200, "delivered"), (202, "delivered"), (302, "failed"), (307, "failed"), (400, "failed"), (404, "failed"),
     (410, "gone"), (500, "failed"), (503, "failed")],
)  # fmt: skip
async def test_how_an_answer_is_taken(receiver: Receiver, code: int, outcome: str) -> None:
    receiver.answers["/in"] = says(code, "why\x00 not", location=f"{receiver.here}/elsewhere", retry_after="7")
    async with poster() as post:
        answer = await post.post(f"{receiver.here}/in", b"{}", {})
    assert (answer.outcome, answer.code, answer.text) == (outcome, code, "why\ufffd not")
    assert answer.rest_s == (7 if code == 503 else 0)
    assert not receiver.at("/elsewhere")
    assert len(receiver.got) == 1


async def test_a_receiver_that_answers_slowly_or_never_costs_no_more_than_the_time_that_it_has(
    receiver: Receiver,
) -> None:
    async def drips(got: Got) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            while not receiver.hanging.is_set():  # a byte now and then: no single wait is long
                yield b"a"
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await receiver.hanging.wait()

        return StreamingResponse(parts(), 200)

    receiver.answers |= {"/never": receiver.hang, "/drips": drips}
    async with poster(timeout_s=0.3) as post:
        for path in ("/never", "/drips"):
            answer = await asyncio.wait_for(post.post(f"{receiver.here}{path}", b"{}", {}), 5)
            assert (answer.outcome, answer.code) == ("failed", 0)
            assert answer.why == "No whole answer in 0.3 seconds."


async def test_of_an_answer_without_end_only_the_beginning_is_read(receiver: Receiver) -> None:
    sent = 0

    async def endless(got: Got) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            nonlocal sent
            while sent < 1_000_000_000:
                await asyncio.sleep(0)  # where it is noticed that nobody reads any more
                sent += 65536
                yield b"x" * 65536

        return StreamingResponse(parts(), 500)

    receiver.answers["/in"] = endless
    async with poster() as post:
        answer = await post.post(f"{receiver.here}/in", b"{}", {})
    assert answer.text == KEPT * "x"
    assert answer.code == 500
    assert sent < 100 * READ * 16


async def test_a_packed_answer_is_not_unpacked(receiver: Receiver) -> None:
    receiver.answers["/in"] = says(200, content_encoding="gzip")
    bomb = gzip.compress(bytes(50_000_000))

    async def packed(got: Got) -> Response:
        return Response(bomb, 200, headers={"content-encoding": "gzip"})

    receiver.answers["/in"] = packed
    async with poster() as post:
        answer = await post.post(f"{receiver.here}/in", b"{}", {})
    assert answer.outcome == "delivered"
    assert len(answer.text) <= KEPT


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 two\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"x" * 99999]
)
async def test_what_is_no_answer_is_a_failure_in_a_sentence(said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with poster() as post:
        answer = await post.post(f"http://127.0.0.1:{port}/", b"{}", {})
    server.close()
    async with poster() as post:
        nobody = await post.post(f"http://127.0.0.1:{port}/", b"{}", {})
    for each in (answer, nobody):
        assert (each.outcome, each.code) == ("failed", 0)
        assert each.why.startswith("It was not reached: ")
        assert each.why.isprintable()


async def test_by_https_only_to_who_shows_a_certificate_for_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    right, other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(right)
    authority.issue_cert("shop.example").configure_cert(other)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    for secured, outcome in ((right, "delivered"), (other, "failed")):
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=secured)
        async with poster() as post:
            answer = await post.post(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", b"{}", {})
        server.close()
        assert answer.outcome == outcome, answer
