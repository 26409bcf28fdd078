"""The browser in which pages are tested, and the runs of the main job that several files check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import chromium
from tests.conftest import Checkout


@dataclass
class MainJob:
    """One `make run-etl`."""

    output: str
    report: dict[str, Any]
    run: dict[str, Any]
    """The flow run in Orion."""


@pytest.fixture(scope="session")
def main_jobs(platform: Checkout) -> list[MainJob]:
    """The README's main job, twice, on the platform that most tests share."""

    def once() -> MainJob:
        output = platform.make("run-etl", "COLOR=green", "YEAR=2021", "MONTHS=1,2")
        return MainJob(output, platform.report, platform.orion.run(platform.report["flow_run_id"]))

    return [once(), once()]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One at a time, and none for longer than a module: Playwright keeps an event loop running in this thread."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    yield page
    page.close()
