"""A real browser, and the way to a table in pgAdmin."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.conftest import wait_for

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TREE = ("Servers", "Orionbox warehouse", "Databases", "ny_taxi", "Schemas", "public", "Tables")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Starts headless Chromium, Debian's if it is installed; without it, skips the test with the reason."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


def open_table(page: Page, name: str) -> None:
    """Opens pgAdmin's tree down to that table."""
    tree_entry(page, TREE[0]).wait_for()
    wait_for(lambda: open_one_more(page, (*TREE, name)), "the table in pgAdmin's tree", 120)
    expect(tree_entry(page, name)).to_be_visible()


def tree_entry(page: Page, name: str) -> Locator:
    """Returns the object tree's entry of that name (the tree is virtual: only entries in view exist)."""
    exact = page.locator(".file-name").filter(has_text=re.compile(f"^{re.escape(name)}$"))
    return page.locator(".file-entry").filter(has=exact)


def open_one_more(page: Page, path: tuple[str, ...]) -> bool:
    """Opens the deepest entry of the path that is in view; True once the last one is.

    pgAdmin opens an only child, and the last visit's entries, by itself, and a click that crosses that closes the entry
    again: so this looks again at each step, clicks only closed entries, and checks each step's result.
    """
    depth = max((number for number, name in enumerate(path) if tree_entry(page, name).count()), default=0)
    if depth == len(path) - 1:
        return True
    toggle = tree_entry(page, path[depth]).locator(".directory-toggle")
    try:
        if "open" not in (toggle.get_attribute("class", timeout=1_000) or "").split():
            toggle.click(timeout=1_000)
        tree_entry(page, path[depth + 1]).wait_for(timeout=3_000)
    except PlaywrightTimeout:
        pass  # gone or still closed: the next try finds out
    return False
