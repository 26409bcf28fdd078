"""The steps of the lesson (docs/week2.md), and how Orion shows that one is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """A step of the lesson."""

    title: str
    section: str
    """The anchor of its heading in docs/week2.md."""
    why: str
    command: str
    """The command to type, in the checkout or, after `workspace$`, in `make shell`."""
    evidence: str
    """The endpoint of Orion that counts or lists the results of the step."""
    query: Mapping[str, Any]


def _completed(**chosen: Any) -> dict[str, Any]:
    """Returns a filter for completed runs with further properties."""
    runs = {"state": {"type": {"any_": ["COMPLETED"]}}, **chosen.pop("flow_runs", {})}
    return {"flow_runs": runs, **chosen}


def _of_flow(name: str) -> dict[str, Any]:
    return _completed(flows={"name": {"any_": [name]}})


def _of_deployment(name: str) -> dict[str, Any]:
    return _completed(deployments={"name": {"any_": [name]}})


RUNS = "flow_runs/count"
STEPS = (
    Step(
        "Run the whole pipeline once",
        "workflows-and-what-orchestration-is",
        "One command moves two months from the web to the bucket, to BigQuery and to Postgres.",
        "make run-etl",
        RUNS,
        _of_flow("etl"),
    ),
    Step(
        "Flows, tasks, sub-flows",
        "flows-tasks-sub-flows",
        "Write a flow, run it as a script, and find it in Orion.",
        "make shell\nworkspace$ python ingest_data.py",
        RUNS,
        _completed(flow_runs={"deployment_id": {"is_null_": True}, "parent_task_run_id": {"is_null_": True}}),
    ),
    Step(
        "Blocks",
        "blocks",
        "Blocks store connections and secrets; the course's are already there.",
        "workspace$ prefect block ls",
        "block_documents/count",
        {},
    ),
    Step(
        "ETL, part 1: to Cloud Storage",
        "etl-part-1-from-the-web-to-cloud-storage",
        "Fetch a month, give it types, put it into the bucket as parquet.",
        "workspace$ python etl_web_to_gcs.py",
        RUNS,
        _of_flow("etl-web-to-gcs"),
    ),
    Step(
        "ETL, part 2: to BigQuery",
        "etl-part-2-from-cloud-storage-to-bigquery",
        "Load the parquet file into the warehouse.",
        "workspace$ python etl_gcs_to_bq.py",
        RUNS,
        _of_flow("etl-gcs-to-bq"),
    ),
    Step(
        "Deploy by the command line",
        "deployment-by-the-command-line",
        "Then a click starts a run, with its parameters.",
        'workspace$ prefect deployment run "etl-parent-flow/Parameterized ETL"',
        RUNS,
        _of_deployment("Parameterized ETL"),
    ),
    Step(
        "Deploy by Python, in a container",
        "deployment-by-python-in-a-container",
        "Each run gets its own container.",
        "workspace$ prefect deployment run etl-parent-flow/docker-flow",
        RUNS,
        _of_deployment("docker-flow"),
    ),
    Step(
        "Schedules",
        "schedules",
        "Let Orion start runs on a schedule.",
        "workspace$ prefect deployment build parameterized_flow.py:etl_parent_flow -n etl2 "
        '--cron "0 5 1 * *" --timezone Europe/Berlin -a',
        RUNS,
        {"flow_runs": {"tags": {"all_": ["auto-scheduled"]}}},
    ),
    Step(
        "Notifications, secrets",
        "notifications-secrets",
        "Post news of your runs to the class's chat; here the platform itself is the chat.",
        "workspace$ python tell.py",
        "flow_run_notification_policies/filter",
        {},
    ),
)


@dataclass(frozen=True)
class StepStatus:
    """A step, and whether it is done."""

    step: Step
    is_done: bool | None
    """None if Orion does not answer."""


def next_step(steps: list[StepStatus]) -> Step | None:
    """Returns the first step that is not done; None if all are done, or if it is unknown."""
    return next((status.step for status in steps if status.is_done is False), None)
