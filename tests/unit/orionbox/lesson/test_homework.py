"""The homework's questions: the right solutions, and typical wrong ones, each with its own sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orionbox.lesson import homework
from orionbox.lesson.checks import NOT_YET, PASSED, UNKNOWN, Result, run_checks
from orionbox.lesson.facts import Block, Deployment, Facts, Notification, Run, Schedule, StoredObject, Table

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OWN = Deployment("own", "load/mine", path="/workspace")
PLATFORM = Deployment("platform", "etl/docker", path="/opt/prefect/flows")
FROM_GITHUB = Deployment("git", "load/from-github", storage="github")
REPOSITORY = Block("repo", "github")
TOLD = Notification(("Completed",), True, NOON - timedelta(hours=1))
RUN = Run("big-dog", "load", "COMPLETED", NOON, NOON + timedelta(minutes=1))
GIT_RUN = replace(RUN, deployment_id="git")


def stored(color: str, month: str, rows: int | None, minutes: float = 0.5) -> StoredObject:
    """An object that was written so many minutes after noon."""
    name = f"data/{color}/{color}_tripdata_{month}.parquet"
    return StoredObject("prefect-de-zoomcamp", name, NOON + timedelta(minutes=minutes), rows)


GREEN_2020_01 = stored("green", "2020-01", 447_770)
FEBRUARY, MARCH = stored("yellow", "2019-02", 7_019_375), stored("yellow", "2019-03", 7_832_545)
MAIN_JOBS = Table(
    "trips_data_all.yellow_tripdata",
    14_851_920,
    by_file={"yellow_tripdata_2019-02.csv.gz": 7_019_375, "yellow_tripdata_2019-03.csv.gz": 7_832_545},
)
BOTH = Table("dezoomcamp.rides", 14_851_920, by_month={"2019-02": 7_019_000, "2019-03": 7_832_800})


def result(name: str, **facts: Any) -> Result:
    """The result of one question."""
    values: dict[str, Any] = {key: tuple(value) for key, value in facts.items()}
    found = Facts(**values)
    return next(each for each in run_checks(homework.CHECKS, found, {}, "now") if each.check.name == name)


RIGHT: dict[str, Sequence[dict[str, Any]]] = {
    "q1": [
        {"objects": [GREEN_2020_01], "runs": [RUN]},
        {"runs": [replace(RUN, numbers=frozenset({447_770}))]},
    ],
    "q2": [
        {"deployments": [replace(OWN, schedules=(Schedule("cron", text, zone),))]}
        for text, zone in (("0 5 1 * *", "UTC"), ("00 05 1 * *", "Etc/UTC"))
    ],
    "q3-files": [{"objects": [FEBRUARY, MARCH]}],
    "q3": [
        {"objects": [FEBRUARY, MARCH], "deployments": [OWN], "tables": [table], "runs": [run]}
        for table, run in (
            (BOTH, replace(RUN, deployment_id="own", numbers=frozenset({14_851_920}))),
            # The platform's own flow, from a student's deployment: it logs each month
            (
                replace(MAIN_JOBS, rows=16_000_000),
                replace(RUN, deployment_id="own", numbers=frozenset({7_019_375, 7_832_545})),
            ),
        )
    ],
    "q4-block": [{"blocks": [REPOSITORY]}],
    "q4-deployment": [{"blocks": [REPOSITORY], "deployments": [FROM_GITHUB]}],
    "q4": [
        {
            "blocks": [REPOSITORY],
            "deployments": [FROM_GITHUB],
            "runs": [GIT_RUN],
            "objects": [stored("green", "2020-11", 88_605)],
        }
    ],
    "q5-notification": [{"notifications": [TOLD]}, {"notifications": [replace(TOLD, states=())]}],
    "q5": [
        {
            "blocks": [REPOSITORY],
            "deployments": [FROM_GITHUB],
            "notifications": [TOLD],
            "runs": [GIT_RUN],
            "objects": [stored("green", "2019-04", 514_392)],
        }
    ],
    "q6": [{"blocks": [Block("password", "secret", 10)]}],
}


@pytest.mark.parametrize("name, facts", [(name, facts) for name, variants in RIGHT.items() for facts in variants])
def test_a_right_solution_passes(name: str, facts: dict[str, Any]) -> None:
    found = result(name, **facts)
    assert (found.status, found.hint) == (PASSED, ""), found.rationale


Q3 = {"objects": [FEBRUARY, MARCH], "deployments": [OWN]}
Q4 = {"blocks": [REPOSITORY], "deployments": [FROM_GITHUB, OWN]}
WRONG: Sequence[tuple[str, dict[str, Any], str]] = (
    # Question 1
    ("q1", {}, "no object in the bucket is of green 2020-01"),
    (
        "q1",
        {"objects": [stored("yellow", "2020-01", 6_405_008)], "runs": [RUN]},
        "that is yellow, and the question asks for green",
    ),
    (
        "q1",
        {"objects": [stored("green", "2021-01", 76_518)], "runs": [RUN]},
        "that is green 2021-01, and the question asks for green 2020-01",
    ),
    (
        "q1",
        {"objects": [stored("green", "2020-01", 100_000)], "runs": [RUN]},
        "with 100,000 rows, and the whole month of green 2020-01 has 447,770",
    ),
    ("q1", {"objects": [stored("green", "2020-01", 895_540)], "runs": [RUN]}, "that is the month twice (447,770)"),
    ("q1", {"objects": [stored("green", "2020-01", None)], "runs": [RUN]}, "which is not a parquet file"),
    (
        "q1",
        {"objects": [GREEN_2020_01], "runs": [replace(RUN, deployment_id="platform")], "deployments": [PLATFORM]},
        "the platform's own run big-dog of deployment etl/docker stored it",
    ),
    ("q1", {"objects": [GREEN_2020_01]}, "no flow run was active when it was stored"),
    (
        "q1",
        {"runs": [replace(RUN, state="FAILED", message="OSError: Failed to pull:\n no such repository")]},
        "your last run big-dog of flow load failed: OSError: Failed to pull: no such repository",
    ),
    # Question 2
    ("q2", {"deployments": [PLATFORM]}, "there is no deployment of yours"),
    ("q2", {"deployments": [OWN]}, "deployment load/mine exists, but it has no schedule"),
    (
        "q2",
        {"deployments": [replace(OWN, schedules=(Schedule("cron", "0 5 * * 1"),))]},
        "deployment load/mine exists, but its cron is `0 5 * * 1`: that is every Monday at 5:00",
    ),
    (
        "q2",
        {"deployments": [replace(OWN, schedules=(Schedule("cron", "0 5 1 * *", "Europe/Berlin"),))]},
        "in time zone Europe/Berlin, and the question asks for UTC",
    ),
    (
        "q2",
        {"deployments": [replace(OWN, schedules=(Schedule("cron", "0 5 1 * *", is_active=False),))]},
        "its schedule `0 5 1 * *` is paused",
    ),
    (
        "q2",
        {"deployments": [replace(OWN, schedules=(Schedule("interval", "86400.0"),))]},
        "its schedule is not a cron but interval 86400.0",
    ),
    # Question 3
    ("q3-files", {"objects": [FEBRUARY]}, "no object in the bucket is of yellow 2019-03"),
    (
        "q3-files",
        {"objects": [FEBRUARY, stored("yellow", "2019-03", 100_000)]},
        "the object of yellow 2019-03 has 100,000 rows, and the whole month has 7,832,545",
    ),
    ("q3", Q3, "no table in BigQuery has rows of yellow 2019-02 and yellow 2019-03"),
    (
        "q3",
        {**Q3, "tables": [Table("dezoomcamp.rides", 7_019_375, by_month={"2019-02": 7_018_900})]},
        "table dezoomcamp.rides has 7,018,900 rows: that is yellow 2019-02 alone",
    ),
    (
        "q3",
        {**Q3, "tables": [Table("d.t", 29_703_840, by_month={"2019-02": 14_038_750, "2019-03": 15_665_090})]},
        "14,851,920 twice; each run has added them again",
    ),
    (
        "q3",
        {**Q3, "tables": [Table("d.t", 9_000_000, by_month={"2019-02": 4_000_000, "2019-03": 5_000_000})]},
        "table d.t has 9,000,000 rows of yellow 2019-02 and yellow 2019-03, and the two files have 14,851,920",
    ),
    (
        "q3",
        {**Q3, "tables": [BOTH], "runs": [replace(RUN, numbers=frozenset({14_851_920}))]},
        "run big-dog of flow load was started as a script",
    ),
    (
        "q3",
        {**Q3, "tables": [BOTH], "runs": [replace(RUN, deployment_id="own")]},
        "no run of a deployment of yours has printed that number",
    ),
    (
        "q3",
        {**Q3, "tables": [MAIN_JOBS]},
        "the platform's own flow loaded them",
    ),
    # Question 4
    ("q4-block", {"blocks": [Block("zoom", "docker-container")]}, "Orion has no block of type GitHub"),
    (
        "q4-deployment",
        {"blocks": [REPOSITORY], "deployments": [OWN, PLATFORM]},
        "deployment load/mine takes its code from the folder /workspace, not from GitHub",
    ),
    (
        "q4-deployment",
        {"blocks": [REPOSITORY], "deployments": [replace(OWN, storage="gcs-bucket")]},
        "takes its code from a block of type gcs-bucket, not from GitHub",
    ),
    (
        "q4",
        {**Q4, "objects": [stored("green", "2020-11", 88_605)], "runs": [replace(RUN, deployment_id="own")]},
        "run big-dog of deployment load/mine stored it, not your deployment from GitHub",
    ),
    (
        "q4",
        {**Q4, "runs": [replace(GIT_RUN, state="CRASHED", message="no such file")]},
        "your last run big-dog of deployment load/from-github crashed: no such file",
    ),
    # Question 5
    ("q5-notification", {}, "Orion has no notification"),
    (
        "q5-notification",
        {"notifications": [replace(TOLD, states=("Failed",))]},
        "the notification is for state Failed: a run that completes sends none",
    ),
    (
        "q5-notification",
        {"notifications": [replace(TOLD, is_active=False)]},
        "the notification for completed runs is paused",
    ),
    (
        "q5",
        {
            **Q4,
            "notifications": [replace(TOLD, created=NOON + timedelta(hours=1))],
            "runs": [GIT_RUN],
            "objects": [stored("green", "2019-04", 514_392)],
        },
        "but before the notification existed",
    ),
    # Question 6
    ("q6", {}, "Orion has no block of type Secret"),
    (
        "q6",
        {"blocks": [Block("course-secret", "secret", 11)]},
        "secret course-secret has 11 characters, and the question asks for 10",
    ),
)


@pytest.mark.parametrize("name, facts, sentence", WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_a_wrong_solution_has_its_own_sentence(name: str, facts: dict[str, Any], sentence: str) -> None:
    found = result(name, **facts)
    assert found.status == NOT_YET and sentence in found.rationale, found
    assert found.hint and found.achieved == ""


@pytest.mark.parametrize("tables", [[], [MAIN_JOBS], [BOTH]])
def test_a_load_that_crashed_is_named_whatever_the_tables_hold(tables: list[Table]) -> None:
    crashed = replace(RUN, deployment_id="own", state="CRASHED", message="killed")
    found = result("q3", **Q3, tables=tables, runs=[crashed])
    assert (found.status, found.rationale) == (NOT_YET, "your last run big-dog of deployment load/mine crashed: killed")


def test_a_printed_total_is_not_enough_beside_the_main_job_s_table() -> None:
    prints = replace(RUN, deployment_id="own", numbers=frozenset({14_851_920}))
    assert result("q3", **Q3, tables=[MAIN_JOBS], runs=[prints]).status == NOT_YET
    loads = replace(prints, flow="etl-gcs-to-bq")
    assert result("q3", **Q3, tables=[MAIN_JOBS], runs=[loads]).status == PASSED


def test_each_wrong_solution_has_a_sentence_of_its_own() -> None:
    sentences = [result(name, **facts).rationale for name, facts, _ in WRONG]
    # A deployment is missing in two questions
    assert len(set(sentences)) >= len(sentences) - 1 and len(sentences) >= 12


def test_a_question_waits_for_what_comes_before_it() -> None:
    found = result("q4", objects=[stored("green", "2020-11", 88_605)], runs=[RUN])
    assert (found.status, found.rationale) == (UNKNOWN, "first comes: Question 4: a deployment from GitHub")
