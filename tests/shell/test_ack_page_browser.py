"""The page behind a message's link, on a phone: it can be read and pressed, and what people type is only text."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from tests.browser import open_browser
from tests.fakes import make_rule
from tests.receiving import receiving
from tests.taking import Desk, taking
from zennotify.config import Address

PHONE: ViewportSize = {"width": 375, "height": 667}
HOSTILE = '"><img src=x onerror=window.ran=1><script>window.ran=1</script><form action=//x>'
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from open_browser()


class Served:
    """The public address, on a loop of its own: the browser's tools hold this thread."""

    def __init__(self, folder: Path, free_port: int) -> None:
        self._folder = folder
        self._where = Address(host="127.0.0.1", port=free_port)
        self.site = f"http://127.0.0.1:{free_port}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._opened = AsyncExitStack()

    def __enter__(self) -> Desk:
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)

    async def _open(self) -> Desk:
        rule = replace(make_rule(), description=f"{HOSTILE} {LONG}")
        desk = await self._opened.enter_async_context(taking(self._folder, public_url=self.site, rule=rule))
        await self._opened.enter_async_context(
            receiving(where=self._where, acknowledger=desk.acknowledger, public_url=self.site)
        )
        return desk

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._opened.aclose(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def desk(tmp_path: Path, free_port: int) -> Iterator[Desk]:
    with Served(tmp_path, free_port) as desk:
        yield desk


class Phone:
    """A page on a phone, and all that it asked for."""

    def __init__(self, browser: Browser) -> None:
        self._context = browser.new_context(
            viewport=PHONE, has_touch=True, is_mobile=True, color_scheme="dark"
        )
        self.page: Page = self._context.new_page()
        self.asked: list[tuple[str, str]] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.asked.append((request.method, request.url)))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def __enter__(self) -> Phone:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def open(self, desk: Desk) -> None:
        self.page.goto(desk.acknowledger.url(desk.delivery.id))

    def is_sound(self) -> None:
        """Nothing of the page runs, and it is not wider than the phone."""
        assert self.page.evaluate("window.ran") is None
        assert self.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert self.page.locator("html").get_attribute("lang") == "en"
        assert self.said == []


def test_somebody_takes_it_on_a_phone(browser: Browser, desk: Desk) -> None:
    with Phone(browser) as phone:
        phone.open(desk)
        phone.is_sound()
        assert phone.page.locator("h1").inner_text() == f"{HOSTILE} {LONG}"
        assert desk.taken_by() is None
        button = phone.page.get_by_role("button", name="I take it")
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= PHONE["height"]
        phone.page.get_by_label("Your name").fill(f"Ann {HOSTILE}")
        button.tap()
        phone.page.get_by_role("status").wait_for()
        assert phone.page.get_by_role("status").inner_text().startswith(f"Taken by Ann {HOSTILE}"[:80])
        phone.is_sound()
        assert desk.taken_by() == f"Ann {HOSTILE}"[:80]
        url = desk.acknowledger.url(desk.delivery.id)
        assert phone.asked == [("GET", url), ("POST", url)]


def test_who_comes_second_learns_who_was_first(browser: Browser, desk: Desk) -> None:
    with Phone(browser) as first, Phone(browser) as second:
        for phone in (first, second):
            phone.open(desk)
        for phone, name in ((first, "Ann"), (second, "Bob")):
            phone.page.get_by_label("Your name").fill(name)
            phone.page.get_by_label("Your name").press("Enter")
            phone.page.get_by_role("status").wait_for()
            assert phone.page.get_by_role("status").inner_text().startswith("Taken by Ann,")
        assert "nothing has changed" in second.page.locator("main").inner_text()


def test_without_a_name_the_browser_asks_for_one(browser: Browser, desk: Desk) -> None:
    with Phone(browser) as phone:
        phone.open(desk)
        phone.page.get_by_role("button", name="I take it").tap()
        assert phone.page.evaluate("document.querySelector('input').validity.valueMissing")
        assert [method for method, _ in phone.asked] == ["GET"]
        phone.page.get_by_label("Your name").fill("  ")
        phone.page.get_by_role("button", name="I take it").tap()
        phone.page.get_by_role("alert").wait_for()
        assert phone.page.get_by_label("Your name").get_attribute("aria-invalid") == "true"
        assert desk.taken_by() is None


def test_another_site_cannot_send_the_form(browser: Browser, desk: Desk) -> None:
    url = desk.acknowledger.url(desk.delivery.id)
    with Phone(browser) as phone:
        phone.page.goto("data:text/html,<p>elsewhere")
        phone.page.set_content(
            f'<form method="post" action="{url}"><input name="by" value="Eve"><button>x</button></form>'
        )
        phone.page.get_by_role("button").tap()
        phone.page.locator("h1").wait_for()
        assert phone.page.locator("h1").inner_text() == "This did not come from our page"
        assert desk.taken_by() is None
        phone.page.set_content(f'<iframe src="{url}"></iframe>')
        assert phone.page.frames[-1].locator("button").count() == 0
