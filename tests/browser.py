"""A real Chromium for tests that look at pages: the machine's own, or the one that playwright brings."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from tests.conftest import skip_or_fail


def open_browser() -> Iterator[Browser]:
    """Give a browser for as long as a fixture lives; skip, or fail in CI, where there is none."""
    with sync_playwright() as playwright:
        try:
            made = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        except Error as error:
            skip_or_fail(f"Chromium cannot be started: {error.message.splitlines()[0]}")
            pytest.fail("skip_or_fail raises")
        yield made
        made.close()
