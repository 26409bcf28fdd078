"""The report of a run of the main job: artifacts in Orion, and a page with numbers that SQL confirms."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import Checkout
from tests.e2e.conftest import MainJob
from tests.stores import query_postgres

FILES = ("green_tripdata_2021-01.csv.gz", "green_tripdata_2021-02.csv.gz")
TRIPS = f"FROM green_tripdata WHERE source_file IN {FILES}"
WIDTHS = {"desktop": 1280, "phone": 390}


@pytest.fixture(scope="module")
def job(main_jobs: list[MainJob]) -> MainJob:
    """A run of the main job."""
    return main_jobs[-1]


@pytest.fixture(scope="module")
def file(platform: Checkout, job: MainJob) -> Path:
    """The page that it has left."""
    (found,) = (platform.root / "reports").glob(f"{job.run['name']}-*.html")
    assert job.run["id"].startswith(found.stem.rpartition("-")[2])
    return found


def shown(page: Page, figure: str) -> dict[str, int]:
    """A figure's numbers."""
    rows = page.locator(f"#{figure} tbody tr").all()
    cells = [[cell.text_content() or "" for cell in row.locator("td").all()] for row in rows]
    return {name: int(number.replace(",", "")) for name, number, *_ in cells}


def sql(platform: Checkout, query: str) -> dict[str, int]:
    """What Postgres says: the charts were asked of BigQuery."""
    return {str(name): count for name, count in query_postgres(platform.settings, query)}


def test_every_figure_has_the_numbers_that_sql_has(platform: Checkout, page: Page, file: Path) -> None:
    page.goto(file.as_uri())
    month = "to_char(lpep_pickup_datetime, 'YYYY-MM') IN ('2021-01', '2021-02')"
    assert shown(page, "days") == sql(
        platform, f"SELECT lpep_pickup_datetime::date, count(*) {TRIPS} AND {month} GROUP BY 1"
    )
    hours = {hour: count for hour, count in shown(page, "hours").items() if count}
    assert hours == sql(platform, f"SELECT to_char(lpep_pickup_datetime, 'HH24'), count(*) {TRIPS} GROUP BY 1")
    assert sum(shown(page, "payments").values()) == sum(shown(page, "fares").values())
    cash = sql(platform, f"SELECT payment_type, count(*) {TRIPS} AND payment_type = 2 GROUP BY 1")
    assert shown(page, "payments")["cash"] == cash["2"]
    steps = sql(platform, f"SELECT 5 * floor(fare_amount / 5)::int, count(*) {TRIPS} AND fare_amount < 50 GROUP BY 1")
    fares = shown(page, "fares")
    assert {name: count for name, count in fares.items() if name in steps} == {
        name: count for name, count in steps.items() if not name.startswith("-")
    }
    busiest = query_postgres(
        platform.settings, f'SELECT count(*) {TRIPS} GROUP BY "PULocationID" ORDER BY 1 DESC LIMIT 15'
    )
    assert sorted(shown(page, "zones").values()) == sorted(count for (count,) in busiest)
    nulls = query_postgres(
        platform.settings, f'SELECT count(*) - count("VendorID"), count(*) - count(ehail_fee) {TRIPS}'
    )
    assert (shown(page, "nulls")["VendorID"], shown(page, "nulls")["ehail_fee"]) == nulls[0]


def test_its_counts_are_the_run_s(page: Page, job: MainJob, file: Path) -> None:
    page.goto(file.as_uri())
    total = f"{sum(month['rows']['source'] for month in job.report['months']):,}"
    cells = [cell.text_content() for cell in page.locator("#counts tfoot td").all()]
    assert cells[2:] == [total] * 4
    assert page.locator("#rows").inner_text() == total


def test_it_names_the_zones_and_the_kind_of_the_data(page: Page, file: Path) -> None:
    page.goto(file.as_uri())
    text = page.locator("body").inner_text()
    assert "East Harlem North" in text
    assert "Generated data." not in text
    assert "runtime: compose" in text


def test_it_asks_for_nothing_from_anywhere(page: Page, file: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_every_screen(platform: Checkout, browser: Browser, file: Path, width: str, scheme: str) -> None:
    page = browser.new_page(viewport={"width": WIDTHS[width], "height": 850}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == WIDTHS[width]
    bar, ground = (page.evaluate(question) for question in COLOURS)
    assert (brightness(ground) > 380) == (scheme == "light") and abs(brightness(ground) - brightness(bar)) > 250
    page.screenshot(path=platform.root / "reports" / f"report-{width}-{scheme}.png", full_page=True)
    page.close()


COLOURS = (
    "getComputedStyle(document.querySelectorAll('#hours svg path[style*=accent]')[10]).fill",
    "getComputedStyle(document.body).backgroundColor",
)


def brightness(color: str) -> int:
    return sum(map(int, re.findall(r"\d+", color)[:3]))


def test_on_paper_it_is_black_on_white(platform: Checkout, browser: Browser, file: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(file.as_uri())
    page.emulate_media(media="print")
    assert brightness(page.evaluate("getComputedStyle(document.querySelector('h1')).color")) == 0
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert brightness(page.evaluate("getComputedStyle(document.body).backgroundColor")) == 3 * 255
    page.pdf(path=platform.root / "reports" / "report.pdf", format="A4")
    page.close()


def test_orion_s_artifacts_have_the_counts_and_a_link_to_it(platform: Checkout, job: MainJob, file: Path) -> None:
    chosen = {"artifacts": {"flow_run_id": {"any_": [job.run["id"]]}}}
    found = {artifact["key"]: artifact for artifact in platform.orion.call("artifacts/filter", chosen)}
    assert (found["etl-report"]["type"], found["etl-summary"]["type"]) == ("table", "markdown")
    text = found["etl-summary"]["data"]
    assert "| green 2021-01 |" in text and "Every row is accounted for." in text
    (url,) = re.findall(r"\]\((http\S+)\)", text)
    assert urlsplit(url).netloc == f"localhost:{platform.settings['START_PORT']}"
    with urlopen(url, timeout=30) as answer:
        assert answer.read() == file.read_bytes()


def test_a_run_that_was_started_in_orion_has_its_page_too(platform: Checkout, page: Page) -> None:
    platform.make("data", "COLOR=green", "YEAR=2021", "MONTHS=1")
    run = platform.finished_run("etl/docker", {"color": "green", "year": 2021, "months": [1]})
    page.goto(f"http://localhost:{platform.settings['START_PORT']}/")
    page.locator("ul.runs li").filter(has_text=run["name"]).get_by_role("link", name="Report").click()
    page.wait_for_selector("#counts", timeout=60_000)
    (rows,) = (month["rows.source"] for month in platform.orion.table_artifact(run["id"], "etl-report"))
    assert page.locator("#rows").inner_text() == f"{rows:,}"
