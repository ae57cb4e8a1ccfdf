"""Logging in at an identity provider in a real browser: the button, the provider's own page, back, and out again."""

import pytest
from playwright.async_api import Browser, ConsoleMessage, expect

from tests.backoffice.browsing import shot
from tests.backoffice.shop import Shop
from tests.backoffice.test_signon import issuer, shop

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
__all__ = ["issuer", "shop"]


@pytest.mark.parametrize(
    ("who", "wanted", "begins", "sees", "not_seen"),
    [
        ("sub-anna", "/orders?view=late", "/orders?view=late", ("Today", "Orders", "Money", "Audit"), ()),
        ("sub-cas", "/", "/pick", ("Pick", "Pack and hand over"), ("Today", "Orders", "Money", "Audit")),
    ],
)
async def test_a_person_comes_back_from_the_provider_to_the_pages_of_the_role_and_logs_out(
    shop: Shop, browser: Browser, who: str, wanted: str, begins: str, sees: tuple[str, ...], not_seen: tuple[str, ...],
    issuer: str,
) -> None:  # fmt: skip
    context = await browser.new_context()
    page = await context.new_page()
    ours: list[str] = []  # what the browser complains about at the provider is not ours

    def complained(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and message.location["url"].startswith(shop.here):
            ours.append(message.text)

    page.on("console", complained)
    await page.goto(shop.here + wanted)
    await expect(page.locator("h1")).to_have_text("Log in")
    await shot(page, "login-provider")
    await page.get_by_role("link", name="Log in with Shop login").click()
    await page.wait_for_url(f"{issuer}/**")
    await page.get_by_role("button", name=who, exact=True).first.click()
    await page.wait_for_url(f"{shop.here}{begins}")
    menu = page.locator(".side nav")
    for text in sees:
        await expect(menu.get_by_role("link", name=text, exact=True)).to_be_visible()
    for text in not_seen:
        await expect(menu.get_by_role("link", name=text, exact=True)).to_have_count(0)
    cookies = {of["name"]: of for of in await context.cookies(shop.here)}
    assert [(of["httpOnly"], of["sameSite"]) for of in cookies.values()] == [(True, "Lax")], (
        "only the session's is left"
    )
    await page.get_by_role("button", name="Log out").click()
    await page.wait_for_url(f"{shop.here}/login?left=1")
    await expect(page.locator("#h-l")).to_have_text("You are logged out here.")
    assert await page.get_by_role("link", name="Log out everywhere").get_attribute("href") == (
        f"{issuer}/oauth2/end_session"
    )
    await page.go_back()
    await expect(page.locator("h1")).to_have_text("Log in")
    assert await context.cookies(shop.here) == []
    assert ours == []
    await context.close()


async def test_who_has_no_role_or_says_no_at_the_provider_is_told_so(shop: Shop, browser: Browser, issuer: str) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{shop.here}/login")
    await page.get_by_role("link", name="Log in with Shop login").click()
    await page.wait_for_url(f"{issuer}/**")
    await page.get_by_role("button", name="Deny").click()
    await page.wait_for_url(f"{shop.here}/login/provider/back**")
    await expect(page.get_by_role("alert")).to_contain_text("The login did not come to its end there")
    await page.get_by_role("link", name="Log in with Shop login").click()
    await page.wait_for_url(f"{issuer}/**")
    await page.get_by_placeholder("sub").fill("sub-stranger")
    await page.get_by_role("button", name="Authorize").click()
    await page.wait_for_url(f"{shop.here}/login/provider/back**")
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.goto(f"{shop.here}/orders")
    await expect(page.locator("h1")).to_have_text("Log in")
    await context.close()
