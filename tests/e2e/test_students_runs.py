"""Runs that a student has set up in ways of their own, and what a student sets in Orion."""

from __future__ import annotations

from typing import Any

import pytest

from orionbox.orion.client import RefusedError
from tests.conftest import Checkout, wait_for

CODE = r"""
import os

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.deployments import Deployment
from prefect.infrastructure.docker import DockerContainer
from prefect_gcp.cloud_storage import GcsBucket


@flow(log_prints=True)
def listing():
    print("found", len(GcsBucket.load("zoom-gcs").list_blobs()), os.environ.get("MY_SETTING"))


@task
def odd_task():
    print("in a task \x00 \udc80")


@flow(log_prints=True)
def talk(text: str = "", number: int = 1):
    print("one")
    print("two \x00 zero byte")
    print("three \udcff no UTF-8")
    create_markdown_artifact("four \x00", key="odd")
    odd_task()
    print("five")


@flow
def broken():
    raise ValueError("six \x00 and \udc80")


def deploy(flow, name, infrastructure, **options):
    Deployment.build_from_flow(flow=flow, name=name, infrastructure=infrastructure, apply=True, **options)


if __name__ == "__main__":
    own = DockerContainer(image="someone/prefect:zoom", image_pull_policy="ALWAYS", auto_remove=True)
    own.save("own-image", overwrite=True)
    deploy(listing, "own-image", DockerContainer.load("own-image"))
    DockerContainer().save("plain", overwrite=True)
    deploy(listing, "plain", DockerContainer.load("plain"))
    deploy(listing, "env", DockerContainer.load("zoom"), infra_overrides={"env": {"MY_SETTING": "1"}})
    elsewhere = {"STORAGE_EMULATOR_HOST": "http://localhost:4443", "PREFECT_API_URL": "http://127.0.0.1:4200/api"}
    deploy(listing, "elsewhere", DockerContainer(env=elsewhere, network_mode="host"))
    deploy(listing, "folder", DockerContainer(volumes=["/etc:/host"]))
    deploy(listing, "command", DockerContainer(command=["sh", "-c", "echo no such module; exit 3"]))
    deploy(listing, "hungry", DockerContainer(command=["python", "-c", "x = bytearray(10**8)"], mem_limit="50m"))
    deploy(talk, "odd", DockerContainer.load("zoom"))
    deploy(broken, "odd", DockerContainer.load("zoom"))
"""
RUNS = {
    "listing/own-image": "",
    "listing/plain": "",
    "listing/env": "",
    "listing/elsewhere": "",
    "listing/folder": "'/etc' is neither",
    "listing/command": "non-zero status code 3",
    "listing/hungry": "memory ran out",
    "talk/odd": "",
    "broken/odd": r"ValueError: six \x00 and \udc80",
}
"""Deployments, and words of the message of a run that does not complete."""


@pytest.fixture(scope="module")
def runs(platform: Checkout) -> dict[str, dict[str, Any]]:
    """A run of each deployment, ended; `log` has its lines."""
    (platform.root / "workspace" / "odd_runs.py").write_text(CODE)
    (answer,) = platform.shell("python odd_runs.py")
    assert answer.code == 0, answer.output
    orion, parameters = platform.orion, {"talk/odd": {"text": "zero \x00 and \udc80"}}
    started = {name: orion.start_run(name, parameters.get(name, {})) for name in RUNS}
    return {name: {**platform.end_of(run_id), "log": log_of(platform, run_id)} for name, run_id in started.items()}


def log_of(platform: Checkout, run_id: str) -> list[str]:
    """The run's log when its last lines have arrived."""

    def probe() -> list[str] | None:
        lines = [message for _, _, message in platform.orion.logs(run_id, set())]
        return (
            lines if any(word in line for line in lines for word in ("Finished in state", "status", "could")) else None
        )

    platform.end_of(run_id)
    return wait_for(probe, f"the log of run {run_id}")


@pytest.mark.parametrize("name", RUNS)
def test_a_run_completes_or_says_why_it_did_not(runs: dict[str, dict[str, Any]], name: str) -> None:
    run, words = runs[name], RUNS[name]
    state = (run["state_type"], run["state"]["message"], run["log"])
    assert (run["state_type"] == "COMPLETED") == (not words), state
    assert words in (run["state"]["message"] or ""), state


@pytest.mark.parametrize("name", ["own-image", "plain", "elsewhere"])
def test_a_run_says_what_of_its_block_it_does_not_use(runs: dict[str, dict[str, Any]], name: str) -> None:
    log = "\n".join(runs[f"listing/{name}"]["log"])
    assert "not used, because this platform neither pulls nor builds images" in log and "found " in log
    assert ("network host: not used" in log) == ("STORAGE_EMULATOR_HOST=" in log) == (name == "elsewhere")


def test_variables_of_an_override_are_added(runs: dict[str, dict[str, Any]]) -> None:
    assert [line for line in runs["listing/env"]["log"] if line.startswith("found ") and line.endswith(" 1")]


def test_the_last_words_of_a_program_that_was_no_flow_are_in_the_run_s_log(runs: dict[str, dict[str, Any]]) -> None:
    assert "The last lines of its output:\nno such module" in runs["listing/command"]["log"]


def test_no_odd_character_loses_a_line(runs: dict[str, dict[str, Any]]) -> None:
    log = runs["talk/odd"]["log"]
    own = ["one", r"two \x00 zero byte", r"three \udcff no UTF-8", r"in a task \x00 \udc80", "five"]
    assert [line for line in log if line in own] == own
    assert runs["talk/odd"]["parameters"]["text"] == r"zero \x00 and \udc80"


def test_a_number_that_orion_could_not_list_is_refused(platform: Checkout, runs: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(RefusedError, match="more than 64 bits, which Orion cannot store"):
        platform.orion.start_run("talk/odd", {"number": 10**30})
    assert platform.orion.list_objects("flow_runs")


def test_the_main_job_depends_on_no_block_that_a_student_may_overwrite(platform: Checkout) -> None:
    documents = platform.orion.list_objects("block_documents", block_documents={"is_anonymous": {"eq_": False}})
    named = {document["id"] for document in documents}
    own = [platform.orion.deployment(name)["infrastructure_document_id"] for name in ("etl/docker", "etl/process")]
    assert named and all(own) and not named.intersection(own)


def test_a_paused_queue_is_named_with_its_command_and_the_agent_stays_healthy(platform: Checkout) -> None:
    line = "queue default is paused; resume it in make shell: prefect work-queue resume default"
    # Without a pool the command asks whether that is meant
    (answer,) = platform.shell("prefect work-queue pause default --pool default-agent-pool")
    assert answer.code == 0, answer.output
    try:
        status = platform.make("status")
        assert line in status and "agent            healthy" in status
        assert line in platform.make_fails("run-etl", "COLOR=green", "YEAR=2021", "MONTHS=1")
    finally:
        (answer,) = platform.shell("prefect work-queue resume default")
    assert answer.code == 0 and "paused" not in platform.make("status")
