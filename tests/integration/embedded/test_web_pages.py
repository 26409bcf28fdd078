"""Without Docker, too, a web page elsewhere reads and changes nothing; tests/e2e tries the same with Docker."""

from __future__ import annotations

import json

from tests import web_pages
from tests.conftest import Checkout
from tests.web_pages import ask


def test_a_web_page_elsewhere_reads_and_changes_nothing(platform: Checkout) -> None:
    assert web_pages.let_through(platform.settings) == []
    assert web_pages.not_answered(platform.settings) == []


def test_nobody_can_clear_orion_s_database(platform: Checkout) -> None:
    port, json_type = int(platform.settings["ORION_PORT"]), {"Content-Type": "application/json"}
    for action in ("clear", "drop", "create"):
        status, text = ask(port, "POST", f"/api/admin/database/{action}", json_type, {"confirm": True})
        assert status == 403 and "make reset" in text
    assert ask(port, "POST", "/api/block_documents/filter", json_type, {})[1].count("zoom-gcs")


def test_a_change_of_orion_says_that_it_is_json(platform: Checkout) -> None:
    status, text = ask(int(platform.settings["ORION_PORT"]), "POST", "/api/flows/", {}, {"name": "forged"})
    assert status == 415 and "Content-Type: application/json" in text


def test_an_artifact_of_another_form_breaks_no_page(platform: Checkout) -> None:
    port, json_type = int(platform.settings["ORION_PORT"]), {"Content-Type": "application/json"}
    flow = json.loads(ask(port, "POST", "/api/flows/", json_type, {"name": "odd"})[1])
    state = {"type": "COMPLETED", "name": "Completed"}
    run = json.loads(ask(port, "POST", "/api/flow_runs/", json_type, {"flow_id": flow["id"], "state": state})[1])
    for key in ("etl-report", "lesson"):
        content = {"key": key, "type": "table", "data": "no table [", "flow_run_id": run["id"]}
        artifact = json.loads(ask(port, "POST", "/api/artifacts/", json_type, content)[1])
        try:
            pages = [
                ask(int(platform.settings["START_PORT"]), "GET", path)
                for path in ("/", "/runs/", "/lesson", "/reports/")
            ]
            assert [status for status, _ in pages] == 4 * [200]
            assert all(run["name"] in text for _, text in pages[:2])
        finally:
            assert ask(port, "DELETE", f"/api/artifacts/{artifact['id']}")[0] == 204
    assert ask(port, "DELETE", f"/api/flows/{flow['id']}")[0] == 204
