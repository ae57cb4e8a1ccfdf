"""A tab of a real browser, and pictures of what it shows."""

import os
from pathlib import Path

from playwright.async_api import ConsoleMessage, Page


class Visitor:
    """A tab, and all that the browser complained about in it."""

    def __init__(self, page: Page, here: str) -> None:
        self.page, self.here = page, here
        self.complaints: list[str] = []
        page.on("console", self.said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    async def open(self, path: str) -> Page:
        await self.page.goto(self.here + path)
        return self.page


async def shot(page: Page, name: str) -> None:
    """A picture of the whole page, in the folder that COMPTOIR_SCREENSHOTS names; without it none is taken."""
    if folder := os.environ.get("COMPTOIR_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
