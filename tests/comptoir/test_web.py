"""The one door: what has no login answers to our own names only."""

import httpx
import pytest
from starlette.responses import PlainTextResponse

from comptoir.web import OwnNameOnly


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
        ("192.168.1.20", 200),
        ("warehouse-pc:8000", 200),
        ("order.shop.svc:8000", 200),
        ("nas.local", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8000", 421),
        ("evil.example:127.0.0.1", 421),
        ("", 421),
    ],
)
async def test_a_site_whose_name_points_here_does_not_reach_the_services(host: str, status: int) -> None:
    transport = httpx.ASGITransport(OwnNameOnly(PlainTextResponse("customers")))
    async with httpx.AsyncClient(transport=transport, base_url="http://us") as browser:
        assert (await browser.get("/customers", headers={"Host": host})).status_code == status
