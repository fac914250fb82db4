"""The page in a browser, as a person uses it."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page

from tests.e2e.bed import ARTIFACTS
from tests.e2e.fleets import Fleet

PATIENCE = 30_000
"""Milliseconds to wait for agents."""


@dataclass
class Tab:
    """One page, with its console errors and its requests to other sites."""

    page: Page
    fleet: Fleet
    name: str
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def find(self, test_id: str) -> Locator:
        return self.page.get_by_test_id(test_id)

    def say(self, text: str) -> None:
        self.find("composer-text").fill(text)
        self.find("send").click()

    def last_reply(self) -> Locator:
        return self.find("post-reply").last

    def gate(self, product: str) -> Locator:
        """Return the open gate of a product in the inbox. Decided gates stay there for a while."""
        return self.find("gates").locator("article[data-state=open]", has_text=product)

    def new_conversation(self) -> None:
        self.find("new-conversation").click()

    def picture(self, name: str) -> None:
        self.page.screenshot(path=ARTIFACTS / f"{name}-{self.fleet.name}.png")

    def watch(self) -> None:
        own = urlsplit(self.fleet.url).netloc
        self.page.on("console", lambda told: self.errors.append(told.text) if told.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda asked: self.foreign.append(asked.url) if urlsplit(asked.url).netloc != own else None)
