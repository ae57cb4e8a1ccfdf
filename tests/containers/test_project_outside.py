"""The compose file with infra/mail.yml and infra/sign-on.yml beside it, as docs/deploy.md says it is started.

The mail server and the identity provider are others' (tests/containers/outside), reached by TLS over a network that the
back office alone is on. These come after the other tests of the project, which is left with both.
"""

import asyncio
import json
import re
import ssl
from datetime import UTC, datetime
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
import trustme

from comptoir.postgres import free_port
from tests.containers import engine
from tests.containers.door import Door
from tests.containers.engine import Project, docker, service_of
from tests.containers.test_project_figures import every_copy_is_scraped_once
from tests.eventually import eventually

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]
ISSUER = "https://login.outside.example:8443"
MAIL_PASSWORD, CLIENT_SECRET = "of the mail server", "of the identity provider"
PEOPLE = [
    {"sub": "1", "preferred_username": "ben", "name": "Ben Bos", "groups": ["Warehouse", "everybody"]},
    {"sub": "2", "preferred_username": "cas", "name": "Cas Kok", "groups": ["everybody"]},
]
ENV = f"""
COMPTOIR_MAIL_FROM=Mugs <orders@mugs.example>
COMPTOIR_MAIL_SINCE={{now}}
COMPTOIR_PUBLIC_URL={{door}}
COMPTOIR_SHOP_CONTACT=call 030 555 01 48
COMPTOIR_SMTP_HOST=mail.outside.example
COMPTOIR_SMTP_USER=comptoir
COMPTOIR_OIDC_ISSUER={ISSUER}
COMPTOIR_OIDC_CLIENT_ID=comptoir
COMPTOIR_OIDC_ROLES=admin=Shop leads, picker=Warehouse, packer=Students
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    """Whom the certificates are of, and the folder with them."""
    ca, folder = trustme.CA(), tmp_path_factory.mktemp("outside")
    ca.cert_pem.write_to_path(str(folder / "authority.pem"))
    ca.issue_cert("mail.outside.example", "login.outside.example").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "certificate.pem")
    )
    return ca, folder


@pytest.fixture(scope="module")
def widened(project: Project, authority: tuple[trustme.CA, Path]) -> Project:
    """The project with both files, started by the commands of docs/deploy.md."""
    _, folder = authority
    for name, secret in (("smtp_password", MAIL_PASSWORD), ("oidc_client_secret", CLIENT_SECRET)):
        keep = ("run", "--rm", "--no-deps", "-T", "secrets", "access", "keep", "/secrets", "backoffice", name)
        project.compose(*keep, said=f"{secret}\n")
    (folder / ".env").write_text(ENV.format(now=datetime.now(UTC).isoformat(), door=project.url))
    project.settings |= {
        "COMPTOIR_TEST_OUTSIDE": engine.outside(),
        "COMPTOIR_TEST_PASSWORD": MAIL_PASSWORD,
        "COMPTOIR_TEST_PEOPLE": json.dumps(PEOPLE),
        "COMPTOIR_TEST_FOLDER": str(folder),
        "COMPTOIR_TEST_LOGIN_PORT": str(free_port()),
    }
    project.more += ["-f", "infra/mail.yml", "-f", "infra/sign-on.yml", "-f", "tests/containers/outside.yml"]
    project.more += ["--env-file", str(folder / ".env")]
    project.up()
    return project


def mails(project: Project) -> list[EmailMessage]:
    """All that the mail server took."""
    between = "\n#end of an e-mail#\n"
    cat = f"for mail in /tmp/mails/*.eml; do [ -e $mail ] && cat $mail && printf '{between}'; done; true"
    said = docker("exec", project.of("outside")[0]["Id"], "sh", "-c", cat)
    return [message_from_string(text, policy=policy.default) for text in said.split(between) if text.strip()]


async def test_a_confirmation_arrives_in_the_customers_language_and_leads_to_their_page(
    widened: Project, door: Door
) -> None:
    wish = {
        "external_id": f"{door.run}-mailed",
        "payment_token": "tok_visa",
        "ship_to": {
            "name": "Jörg Weiß",
            "street": ["Domstr. 4"],
            "city": "Köln",
            "country": "DE",
            "email": "joerg@customer.example",
        },
        "lines": [{"sku": "mug", "quantity": 2, "unit_price": "12.35", "vat_rate": "21"}],
    }
    order = (await door.ask("POST", "/order/orders", wish))["id"]
    number = (await door.ask("GET", f"/order/orders/{order}"))["number"]

    async def arrived() -> EmailMessage:
        found = [mail for mail in await asyncio.to_thread(mails, widened) if number in mail["Subject"]]
        assert found, "no e-mail about it"
        return found[0]

    mail = await eventually(arrived, 120, 1.0)
    assert mail["Subject"] == f"Ihre Bestellung {number} ist bestätigt"
    assert (mail["From"], mail["To"]) == ("Mugs <orders@mugs.example>", "Jörg Weiß <joerg@customer.example>")
    assert mail["Content-Language"] == "de"
    text = mail.get_body(("plain",))
    assert text is not None
    found = re.search(rf"{re.escape(widened.url)}(/s/\S+)", text.get_content())
    assert found, text.get_content()
    page = await door.http.get(found[1], headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert 'lang="de"' in page.text
    assert number in page.text
    await door.completed([order])


async def test_who_the_provider_names_has_a_session_with_the_role_of_their_group(
    widened: Project, authority: tuple[trustme.CA, Path]
) -> None:
    ca, _ = authority
    trusts = ssl.create_default_context()
    ca.configure_trust(trusts)
    at_provider = f"https://127.0.0.1:{widened.settings['COMPTOIR_TEST_LOGIN_PORT']}"
    headers = {"Accept": "text/html"}

    async def back_at(http: httpx.AsyncClient, sub: str) -> httpx.Response:
        """As somebody's browser goes: from the button to the provider, and by its answer back."""
        sent = await http.get("/login/provider")
        assert sent.status_code == 303, sent.text
        asked = sent.headers["location"]
        assert asked.startswith(f"{ISSUER}/"), asked
        async with httpx.AsyncClient(verify=trusts, trust_env=False, timeout=30) as outside:
            agreed = await outside.post(
                asked.replace(ISSUER, at_provider),
                data={"sub": sub},
                headers={"Host": ISSUER.removeprefix("https://")},
                extensions={"sni_hostname": "login.outside.example"},
            )
        assert agreed.status_code == 302, agreed.text
        return await http.get(agreed.headers["location"])

    async with httpx.AsyncClient(base_url=widened.url, headers=headers, trust_env=False, timeout=60) as http:
        assert "/login/provider" in (await http.get("/login")).text
        came_in = await back_at(http, "1")
        assert (came_in.status_code, came_in.headers["location"]) == (303, "/pick"), came_in.text
        page = await http.get("/pick")
        assert page.status_code == 200
        assert "Ben Bos" in page.text
        assert (await http.get("/orders")).status_code == 403, "a picker's session"
    async with httpx.AsyncClient(base_url=widened.url, headers=headers, trust_env=False, timeout=60) as http:
        assert (await back_at(http, "2")).status_code == 403, "no group of theirs gives a role"
        assert (await http.get("/pick")).status_code == 303


async def test_the_way_out_is_the_back_offices_alone_and_inside_it_is_found_as_before(widened: Project) -> None:
    on = {
        service_of(each): {name.removeprefix(f"{widened.name}_") for name in each["NetworkSettings"]["Networks"]}
        for each in widened.containers()
        if each["State"]["Running"]
    }
    assert {name for name, networks in on.items() if "way-out" in networks} == {"backoffice", "outside"}
    assert on["backoffice"] == {"inside", "way-out"}
    url = f"http://127.0.0.1:{widened.figures_port}"
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as prometheus:
        await every_copy_is_scraped_once(widened, prometheus)
