"""Orion's and pgAdmin's pages in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser import open_table
from tests.conftest import Checkout, wait_for
from tests.e2e.conftest import MainJob

PAGES = (
    "dashboard flow-runs flows deployments work-pools work-queues blocks blocks/catalog variables notifications "
    "concurrency-limits settings"
).split()


def test_orion_shows_the_run_its_tasks_and_its_logs(platform: Checkout, page: Page, main_jobs: list[MainJob]) -> None:
    run = main_jobs[-1].run
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
def test_orion_shows_the_objects_of_the_bootstrap(platform: Checkout, page: Page, path: str, text: str) -> None:
    page.goto(f"{platform.orion.site}/{path}")
    expect(page.get_by_text(text).first).to_be_visible(timeout=30_000)
    page.screenshot(path=platform.root / "reports" / f"{path.replace('/', '-')}.png")


def test_pgadmin_opens_the_warehouse_without_a_password(platform: Checkout, page: Page) -> None:
    page.goto(f"http://localhost:{platform.settings['PGADMIN_PORT']}")
    open_table(page, "green_tripdata")
    page.screenshot(path=platform.root / "reports" / "pgadmin.png")


@pytest.fixture
def outside(page: Page) -> list[Request]:
    """The requests of the page that would leave this machine, none of which is let through."""
    refused: list[Request] = []

    def guard(route: Route) -> None:
        if route.request.url.startswith(("http://localhost:", "http://127.0.0.1:", "data:", "blob:")):
            return route.fallback()
        refused.append(route.request)
        return route.abort()

    page.route("**", guard)
    return refused


@pytest.mark.parametrize("path", PAGES)
def test_orion_asks_the_outside_for_nothing_and_has_other_logos(
    platform: Checkout, page: Page, outside: list[Request], path: str
) -> None:
    errors: list[object] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(f"{platform.orion.site}/{path}")
    expect(page.get_by_text("Flow Runs").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert [request.url for request in outside] == []
    broken = "images => images.filter(each => !(each.complete && each.naturalWidth)).map(each => each.src)"
    wait_for(lambda: page.locator("img").evaluate_all(broken) == [], "pictures in place of those from outside", 10)
    assert errors == []
    if path == "blocks/catalog":
        drawn = page.locator("img[src^='data:image/svg+xml,']")
        assert drawn.count() > 5, "logos that came from outside are drawn"
        page.screenshot(path=platform.root / "reports" / "blocks-offline.png")


def test_pgadmin_calls_no_outside_address(platform: Checkout, page: Page, outside: list[Request]) -> None:
    page.goto(f"http://localhost:{platform.settings['PGADMIN_PORT']}")
    open_table(page, "green_tripdata")
    page.wait_for_load_state("networkidle")
    assert [request.url for request in outside] == []
