"""The start page and the runs' pages without Docker."""

from __future__ import annotations

from urllib.request import urlopen

from tests.conftest import Checkout, wait_for


def fetched(platform: Checkout, path: str) -> str:
    """A page of the start page's server."""
    with urlopen(f"http://localhost:{platform.settings['START_PORT']}/{path}", timeout=60) as answer:
        return str(answer.read().decode())


def test_the_start_page_shows_the_services_that_there_are(platform: Checkout) -> None:
    platform.make("up")
    # A machine with much else to do may let one of them wait
    wait_for(lambda: "Everything is running" in fetched(platform, ""), "everything to be running", 120)
    text = fetched(platform, "")
    assert f"localhost:{platform.settings['ORION_PORT']}" in text
    assert "pgAdmin" not in text
    assert platform.settings["WAREHOUSE_DB_PASSWORD"] not in text
    assert "<h1" in fetched(platform, "docs/embedded.md")


def test_a_run_leaves_its_page_here_too(platform: Checkout) -> None:
    printed = platform.make("run-etl", "COLOR=green", "YEAR=2021", "MONTHS=1")
    run = platform.orion.run(platform.report["flow_run_id"])
    (file,) = (platform.root / "reports").glob(f"{run['name']}-*.html")
    assert f"report: reports/{file.name}" in printed
    rows = platform.rows_in("green/green_tripdata_2021-01.csv.gz")
    text = file.read_text()
    assert f">{rows:,}</td>" in text and "runtime: embedded" in text and text.count("<svg") == 7
    assert fetched(platform, f"reports/{file.name}") == text
