"""Orion's and pgAdmin's pages in a real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.conftest import Checkout, wait_for

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TREE = ("Servers", "Orionbox warehouse", "Databases", "ny_taxi", "Schemas", "public", "Tables")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, Debian's where it is installed."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(30_000)
    yield page
    page.close()


def test_orion_shows_the_run_its_tasks_and_its_logs(platform: Checkout, page: Page) -> None:
    platform.make("data", "COLOR=green", "YEAR=2021", "MONTHS=1")
    run = platform.finished_run("etl/docker", {"color": "green", "year": 2021, "months": [1]})
    page.goto(platform.orion.run_url(run["id"]))
    expect(page.get_by_text(run["name"]).first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Completed").first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("green_tripdata_2021-01.csv.gz").first).to_be_visible(timeout=30_000)
    page.screenshot(path=platform.root / "reports" / "flow-run.png")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("deployments", "Parameterized ETL"),
        ("blocks", "zoom-gcp-creds"),
        ("blocks/catalog", "GCS Bucket"),
    ],
)
def test_orion_shows_what_bootstrap_made(platform: Checkout, page: Page, path: str, text: str) -> None:
    page.goto(f"{platform.orion.url}/{path}")
    expect(page.get_by_text(text).first).to_be_visible(timeout=30_000)
    page.screenshot(path=platform.root / "reports" / f"{path.replace('/', '-')}.png")


def test_pgadmin_opens_the_warehouse_without_a_password(platform: Checkout, page: Page) -> None:
    platform.make("psql", stdin="SELECT 1;\n")
    page.goto(f"http://localhost:{platform.settings['PGADMIN_PORT']}")
    tree_entry(page, TREE[0]).wait_for()
    wait_for(lambda: open_one_more(page, (*TREE, "green_tripdata")), "the table in pgAdmin's tree", 120)
    expect(tree_entry(page, "green_tripdata")).to_be_visible()
    page.screenshot(path=platform.root / "reports" / "pgadmin.png")


def tree_entry(page: Page, name: str) -> Locator:
    """The object tree's entry of that name (the tree is virtual: only what is in view exists)."""
    exact = page.locator(".file-name").filter(has_text=re.compile(f"^{re.escape(name)}$"))
    return page.locator(".file-entry").filter(has=exact)


def open_one_more(page: Page, path: tuple[str, ...]) -> bool:
    """Opens the deepest entry of the path that is in view; True once the last one is.

    pgAdmin opens an only child, and the last visit's entries, by itself, and a click that crosses that closes the entry
    again: so this looks anew at each step, clicks only what is closed, and takes no step for granted.
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
        pass  # gone or still closed: the next look will tell
    return False
