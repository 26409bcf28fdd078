"""The start page in a real browser: what it says, how it looks, and that it works by keyboard and without a network."""

from __future__ import annotations

import json
import subprocess
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from cli.runtimes.folders import PAGES
from tests.conftest import Checkout, wait_for

WIDTHS = {"desktop": 1280, "phone": 390}
LINKED = {"Orion": "ORION_PORT", "pgAdmin": "PGADMIN_PORT", "Cloud Storage": "GCS_PORT", "BigQuery": "BIGQUERY_PORT"}


def address(platform: Checkout) -> str:
    return f"http://localhost:{platform.settings['START_PORT']}/"


@pytest.fixture(scope="module", autouse=True)
def run_name(platform: Checkout) -> str:
    """The name of a run of the main job that has just completed."""
    platform.make("run-etl", "COLOR=green", "YEAR=2021", "MONTHS=1")
    return str(platform.orion.run(platform.report["flow_run_id"])["name"])


def card(page: Page, title: str) -> str:
    """What a service's card says."""
    return page.locator("li.card").filter(has=page.get_by_role("heading", name=title, exact=True)).inner_text()


def test_every_service_is_shown_as_running_with_its_link_and_its_login(platform: Checkout, page: Page) -> None:
    page.goto(address(platform))
    expect(page.get_by_role("status")).to_contain_text("Everything is running")
    for title, port in LINKED.items():
        assert f"localhost:{platform.settings[port]}" in card(page, title) and "running" in card(page, title)
        assert "o login" in card(page, title)
    assert "WAREHOUSE_DB_PASSWORD in .env" in card(page, "Postgres")


@pytest.mark.parametrize("title", LINKED)
def test_each_link_leads_to_a_page_of_the_service(platform: Checkout, page: Page, title: str) -> None:
    page.goto(address(platform))
    link = page.locator("li.card").filter(has=page.get_by_role("heading", name=title, exact=True)).get_by_role("link")
    answer = page.goto(str(link.get_attribute("href")))
    assert answer and answer.ok, answer


def test_no_password_is_on_it(platform: Checkout, page: Page) -> None:
    page.goto(address(platform))
    text = page.content()
    assert platform.settings["WAREHOUSE_DB_PASSWORD"] not in text
    assert platform.settings["ORION_DB_PASSWORD"] not in text


def test_the_last_run_is_there_with_its_state_and_its_counts(platform: Checkout, page: Page, run_name: str) -> None:
    page.goto(address(platform))
    line = page.locator("ul.runs li").filter(has_text=run_name)
    expect(line).to_contain_text("Completed")
    rows = sum(month["rows"]["postgres"] for month in platform.report["months"])
    expect(line).to_contain_text(f"{rows:,} rows in source, parquet, BigQuery and Postgres")
    expect(line.get_by_role("link", name=run_name)).to_have_attribute("href", platform.report["url"])


def test_steps_that_orion_shows_as_done_are_marked(platform: Checkout, page: Page, run_name: str) -> None:
    page.goto(address(platform))
    step = page.locator("ol li").filter(has_text="Run the whole pipeline once")
    expect(step).to_contain_text("passed")
    expect(page.get_by_role("heading", level=2).first).to_contain_text("Next: ")
    expect(page.get_by_role("heading", level=2).first).not_to_contain_text("Run the whole pipeline once")


def test_the_lesson_opens_at_the_step(platform: Checkout, page: Page, run_name: str) -> None:
    page.goto(address(platform))
    page.get_by_role("link", name="Schedules").click()
    expect(page.get_by_role("heading", name="Schedules")).to_be_in_viewport()
    assert page.locator("img").count() > 2
    wait_for(lambda: page.evaluate("[...document.images].every(image => image.naturalWidth)"), "the pictures")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_every_screen(platform: Checkout, browser: Browser, run_name: str, width: str, scheme: str) -> None:
    page = browser.new_page(viewport={"width": WIDTHS[width], "height": 850}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(address(platform))
    assert page.evaluate("document.documentElement.scrollWidth") == WIDTHS[width], "nothing needs scrolling sideways"
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(", "))) > 380) == (scheme == "light"), ground
    page.screenshot(path=platform.root / "reports" / f"start-{width}-{scheme}.png", full_page=True)
    page.close()


def test_the_tabulator_reaches_every_link_in_the_order_of_the_page(platform: Checkout, page: Page) -> None:
    page.goto(address(platform))
    # Buttons have no address
    links = page.evaluate("[...document.querySelectorAll('a[href], button')].map(each => each.href || null)")
    reached = []
    for _ in links:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.href || null"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert len(links) > 12 and reached == links


def test_no_request_leaves_the_machine(platform: Checkout, page: Page, run_name: str) -> None:
    hosts: list[str] = []
    page.on("request", lambda request: hosts.append(urlsplit(request.url).hostname or ""))
    for path in ("", "docs/week2.md", "docs/embedded.md"):
        page.goto(address(platform) + path)
    assert set(hosts) - {""} == {"localhost"}


def test_a_stopped_service_is_shown_as_down_and_the_page_still_comes(platform: Checkout, page: Page) -> None:
    platform.run("docker", "compose", "stop", "gcs", "orion")
    try:
        page.goto(address(platform))
        expect(page.get_by_role("status")).to_contain_text("Down: Orion, Cloud Storage")
        assert "down" in card(page, "Cloud Storage") and "down" in card(page, "Orion")
        assert "running" in card(page, "Postgres")
        expect(page.get_by_role("heading", level=2).first).to_contain_text("start what is down")
        expect(page.locator("main")).to_contain_text("Unknown: Orion does not answer.")
        page.screenshot(path=platform.root / "reports" / "start-down.png", full_page=True)
    finally:
        platform.make("up")
    # Of itself, without a click
    wait_for(lambda: "Everything is running" in page.get_by_role("status").inner_text(), "the page to notice", 300)


def test_it_has_no_docker_socket_and_no_password(platform: Checkout) -> None:
    container = platform.run("docker", "compose", "ps", "--quiet", "start").stdout.strip()
    done = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True)
    (found,) = json.loads(done.stdout)
    documents = {f"/checkout/{name}" for name in ("docs", *PAGES)}
    read_only = {*documents, "/reports", "/etc/ssl/certs/ca-certificates.crt"}
    assert {(mount["Destination"], mount["RW"]) for mount in found["Mounts"]} == {(path, False) for path in read_only}
    assert not [variable for variable in found["Config"]["Env"] if "PASSWORD" in variable]
