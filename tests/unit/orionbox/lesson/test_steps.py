"""The lesson's steps: what counts as a student's work, what is remembered, and what stays unknown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from markdown import markdown

from orionbox.lesson import homework, steps
from orionbox.lesson.checks import (
    NOT_YET,
    PASSED,
    UNKNOWN,
    Result,
    as_json,
    memory_from_json,
    memory_to_json,
    next_result,
    remember,
    run_checks,
)
from orionbox.lesson.facts import Block, Deployment, Facts, Notification, Run, Schedule, StoredObject, Table
from tests.conftest import ROOT

CHECKS = (*steps.CHECKS, *homework.CHECKS)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCRIPT = Run("big-dog", "Count Trips", "COMPLETED", NOON, NOON + timedelta(minutes=1))
PLATFORMS = Deployment("p", "etl-parent-flow/Parameterized ETL", "/home/x/orionbox/services/flows/flows")
OWN = Deployment("o", "etl-parent-flow/Parameterized ETL", "/workspace", schedules=(Schedule("cron", "0 5 1 * *"),))
CONTAINER = Deployment("c", "etl-parent-flow/docker-flow", "/workspace", infrastructure="docker-container")
OBJECT = StoredObject("b", "data/green/green_tripdata_2021-01.parquet", NOON, 76_518)
TABLE = Table("trips_data_all.green_tripdata", 76_518, by_file={"green_tripdata_2021-01.csv.gz": 76_518})
ROWS = Table("public.green_tripdata", 76_518, by_file={"": 76_518})
EVERYTHING = Facts(
    runs=(
        replace(SCRIPT, is_cached=True),
        replace(SCRIPT, flow="ingest-data"),
        replace(SCRIPT, flow="etl"),
        replace(SCRIPT, flow="etl-gcs-to-bq"),
        replace(SCRIPT, deployment_id="o"),
        replace(SCRIPT, deployment_id="c"),
    ),
    deployments=(OWN, CONTAINER),
    blocks=(Block("class-chat", "slack-webhook"), Block("course-secret", "secret", 11)),
    notifications=(Notification(("Completed",), True, NOON),),
    objects=(OBJECT,),
    tables=(TABLE,),
    warehouse=(ROWS,),
)
BOOTSTRAPPED = Facts(
    runs=(replace(SCRIPT, flow="etl", deployment_id="p"), replace(SCRIPT, flow="etl-gcs-to-bq", is_subflow=True)),
    deployments=(PLATFORMS,),
    blocks=(Block("zoom", "docker-container"), Block("zoom-gcs", "gcs-bucket")),
    objects=(OBJECT,),
    tables=(TABLE,),
    warehouse=(ROWS,),
)


def results(facts: Facts, memory: Any = None) -> dict[str, Result]:
    return {each.check.name: each for each in run_checks(steps.CHECKS, facts, memory or {}, "2026-01-01T12:00:00Z")}


def test_a_student_s_work_passes_every_step() -> None:
    assert {name: each.rationale for name, each in results(EVERYTHING).items() if not each.is_passed} == {}


def test_a_flow_that_loads_postgres_alone_is_none_that_loads_bigquery() -> None:
    found = results(replace(EVERYTHING, runs=(replace(SCRIPT, flow="ingest-data"),)))
    assert found["to-gcs"].is_passed and not found["to-bigquery"].is_passed


def test_the_platform_s_own_objects_and_runs_are_not_the_student_s_work() -> None:
    found = results(BOOTSTRAPPED)
    assert [name for name, each in found.items() if each.is_passed] == ["pipeline"]
    assert found["to-gcs"].rationale == "the bucket has objects, but no run of yours has stored one"
    assert found["deployment"].rationale == "all deployments in Orion are the platform's own"
    assert found["deployment-run"].status == UNKNOWN


def test_what_was_achieved_stays_though_it_was_deleted() -> None:
    memory = remember({}, run_checks(steps.CHECKS, EVERYTHING, {}, "2026-01-01T12:00:00Z"))
    again = memory_from_json(json.loads(json.dumps(memory_to_json(memory))))
    found = results(Facts(), again)
    assert {each.status for each in found.values()} == {PASSED}
    assert found["schedule"].rationale == (
        "deployment etl-parent-flow/Parameterized ETL has the schedule `0 5 1 * *`: on the 1st of every month at 5:00"
    )
    assert found["schedule"].achieved == "2026-01-01T12:00:00Z"


def test_the_first_time_is_remembered() -> None:
    first = remember({}, run_checks(steps.CHECKS, EVERYTHING, {}, "first"))
    assert remember(first, run_checks(steps.CHECKS, EVERYTHING, first, "second")) == first


@pytest.mark.parametrize(
    "name, source, checks",
    [
        ("runs", "Orion", [each.name for each in steps.CHECKS]),
        ("objects", "Cloud Storage", ["to-gcs", "to-bigquery"]),
        ("tables", "BigQuery", ["to-bigquery"]),
        ("warehouse", "Postgres", ["postgres"]),
    ],
)
def test_what_a_service_does_not_tell_is_unknown_and_not_skipped(name: str, source: str, checks: list[str]) -> None:
    missing: dict[str, Any] = {name: None}
    facts = replace(EVERYTHING, **missing)
    found = run_checks(steps.CHECKS, facts, {}, "now")
    assert [each.check.name for each in found if each.status == UNKNOWN] == checks
    following = next_result(found)
    assert following and following.check.name == checks[0] and f"{source} does not answer" in following.rationale


def test_without_docker_the_deployment_for_a_container_is_enough() -> None:
    facts = replace(EVERYTHING, runs=(), runtime="embedded")
    assert results(facts)["container"].is_passed
    assert results(replace(facts, runtime="compose"))["container"].status == NOT_YET


def test_a_failed_run_is_named_with_its_message() -> None:
    failed = replace(SCRIPT, state="FAILED", message="no such file")
    assert results(Facts(runs=(failed,)))["script"].rationale == (
        "run big-dog of flow Count Trips ended as failed: no such file"
    )


def test_the_json_has_check50_s_fields() -> None:
    (first, *_) = as_json(run_checks(steps.CHECKS, Facts(), {}, "now"))
    assert (first["name"], first["passed"], first["status"], first["dependencies"]) == ("pipeline", False, NOT_YET, [])
    assert first["cause"] == {"rationale": "flow etl has not run yet", "help": "run the command"}


def test_a_check_comes_after_those_that_it_needs_and_has_a_name_of_its_own() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    for check in CHECKS:
        assert set(check.needs) <= set(names[: names.index(check.name)]), check.name


def test_every_check_is_named_in_its_section_of_the_lesson() -> None:
    text = (ROOT / "docs/week2.md").read_text()
    html = markdown(text, extensions=["fenced_code", "tables", "toc"])
    for check in CHECKS:
        _, found, section = html.partition(f'id="{check.section}"')
        assert found, check.section
        assert f"<code>{check.name}</code>" in section.partition("<h")[0], check.name
    assert 'id="exercises"' in html


def test_every_command_of_a_step_is_in_the_lesson_or_the_readme() -> None:
    text = (ROOT / "docs/week2.md").read_text() + (ROOT / "README.md").read_text()
    commands = [command.removeprefix("$ ") for check in steps.CHECKS for command in check.commands]
    assert [command for command in commands if command not in text] == []
