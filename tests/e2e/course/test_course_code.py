"""Students' code, unchanged: by itself in the shell, in containers and as processes of the agent, each twice."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Answer
from tests.e2e.course.conftest import CutOff

COUNT = """
import sys
from prefect_gcp import GcpCredentials
client = GcpCredentials.load("zoom-gcp-creds").get_bigquery_client(project=sys.argv[1])
print("rows:", next(iter(client.query_and_wait(sys.argv[2])))[0])
"""
SAVE_BLOCKS = """
from prefect.blocks.notifications import SlackWebhook
from prefect.blocks.system import Secret
from prefect.filesystems import GitHub
Secret(value="abracadabra").save("course-secret", overwrite=True)
SlackWebhook(url="https://hooks.slack.com/services/T0/B0/class").save("class-chat", overwrite=True)
GitHub(repository="https://github.com/ada/tips.git").save("ada", overwrite=True)
"""
INFRASTRUCTURE = {"process": "process/agent", "container": "docker-container/dtc"}


def succeed(*answers: Answer) -> list[str]:
    """The outputs of commands that must all have worked."""
    for answer in answers:
        assert answer.code == 0, f"{answer.command}\n{answer.output}"
    return [answer.output for answer in answers]


def run_ids(output: str) -> list[str]:
    return re.findall(r"UUID: ([0-9a-f-]{36})", output)


@pytest.fixture(scope="module")
def by_hand(cut_off: CutOff) -> list[str]:
    """The flows' files run by themselves: inside their folder, from the repository's top, from both."""
    (cut_off.root / "workspace" / "count.py").write_text(COUNT)
    return succeed(
        *cut_off.shell(
            "cd flows/start && python ingest.py",
            "python flows/gcp/web_to_gcs.py",
            "python flows/gcp/gcs_to_bq.py",
            "cd flows/gcp && python gcs_to_bq.py",
            folder="/workspace/taxi",
        )
    )


def test_the_ingest_flow_fetches_with_wget_and_loads_through_the_connector(cut_off: CutOff, by_hand: list[str]) -> None:
    assert "wget ended with 0" in by_hand[0]
    assert "Logging subflow for student_trips" in by_hand[0]
    loaded = re.search(r"loaded (\d+) rows", by_hand[0])
    assert loaded
    assert loaded[1] in cut_off.make("psql", stdin="SELECT count(*) FROM student_trips;\n")


def test_fillna_in_place_changes_the_frame(by_hand: list[str]) -> None:
    assert "post: passengers missing 0" in by_hand[2]


PROJECTS = ("students-own-project", "orionbox-local", "any-project-id")
COUNT_RIDES = 'python /workspace/count.py {} "SELECT count(*) FROM dezoomcamp.rides"'
SAVE_SECRET = "from prefect.blocks.system import Secret; Secret(value='sesame').save('kept', overwrite=True)"
LOAD_SECRET = "from prefect.blocks.system import Secret; print(Secret.load('kept').get())"


@pytest.fixture(scope="module")
def before_restart(cut_off: CutOff, by_hand: list[str]) -> list[Answer]:
    """The rows for each project; after that a secret is saved."""
    return cut_off.shell(*map(COUNT_RIDES.format, PROJECTS), f'python -c "{SAVE_SECRET}"')[:-1]


@pytest.fixture(scope="module")
def after_restart(cut_off: CutOff, before_restart: list[Answer]) -> list[Answer]:
    """The rows and the secret after BigQuery and Orion were started again."""
    cut_off.run("docker", "compose", "restart", "bigquery", "orion")
    cut_off.make("up")
    return cut_off.shell(COUNT_RIDES.format(PROJECTS[0]), f'python -c "{LOAD_SECRET}"')


def test_the_rows_are_there_for_every_project_and_after_a_restart(
    cut_off: CutOff, before_restart: list[Answer], after_restart: list[Answer]
) -> None:
    rows = 2 * cut_off.rows_in("yellow/yellow_tripdata_2021-01.csv.gz")
    answers = [*before_restart, after_restart[0]]
    assert [f"rows: {rows}" in answer.output for answer in answers] == [True] * 4


def test_a_secret_is_asterisks_and_survives_a_restart(cut_off: CutOff, after_restart: list[Answer]) -> None:
    shown = cut_off.orion.call("block_documents/filter", {"block_documents": {"name": {"any_": ["kept"]}}})
    assert set(shown[0]["data"]["value"]) == {"*"}
    assert "sesame" in after_restart[1].output


def test_week_3_s_external_and_partitioned_tables(cut_off: CutOff, by_hand: list[str]) -> None:
    uris = "uris=['gs://prefect-de-zoomcamp/data/yellow/yellow_tripdata_2021-01*.parquet']"
    external = f"CREATE OR REPLACE EXTERNAL TABLE dezoomcamp.e OPTIONS (format='PARQUET', {uris}); SELECT 1"
    partitioned = (
        "CREATE OR REPLACE TABLE dezoomcamp.p PARTITION BY DATE(tpep_pickup_datetime) CLUSTER BY VendorID"
        " AS SELECT * FROM dezoomcamp.e; SELECT count(*) FROM dezoomcamp.p"
    )
    statements = [*external.split("; "), *partitioned.split("; ")]
    typed = [f'python /workspace/count.py week3 "{sql}" || true' for sql in statements]
    rows = cut_off.rows_in("yellow/yellow_tripdata_2021-01.csv.gz")
    assert f"rows: {rows}" in cut_off.shell(*typed)[-1].output


@pytest.fixture(scope="module")
def second_runs(cut_off: CutOff) -> dict[str, str]:
    """The second run of a deployment as a process, and of one in a container."""
    entrypoint = "flows/deployments/parameterized_flow.py:etl_parent_flow"
    builds = [
        f"prefect deployment build {entrypoint} -n {kind} -ib {INFRASTRUCTURE[kind]} -a" for kind in INFRASTRUCTURE
    ]
    runs = [f'prefect deployment run etl-parent-flow/{kind} -p "months=[1,2]"' for kind in INFRASTRUCTURE]
    for commands in ([*builds, *runs], runs):
        outputs = succeed(*cut_off.shell(*commands, folder="/workspace/taxi"))
        ids = dict(zip(INFRASTRUCTURE, (run_ids(output)[0] for output in outputs[-len(runs) :]), strict=True))
        for run_id in ids.values():
            cut_off.completed(run_id)
    return ids


@pytest.mark.parametrize("kind", INFRASTRUCTURE)
def test_a_deployment_runs_twice_and_the_second_run_is_cached(
    cut_off: CutOff, second_runs: dict[str, str], kind: str
) -> None:
    children = cut_off.orion.with_subflows(second_runs[kind])[1:]
    tasks = cut_off.orion.call("task_runs/filter", {"flow_runs": {"id": {"any_": children}}})
    assert {task["state_name"] for task in tasks if task["name"].startswith("fetch")} == {"Cached"}


DEPLOYED = {
    (flow, kind): entrypoint
    for flow, entrypoint in {
        "Ingest Data": "flows/start/ingest.py:main_flow",
        "etl-gcs-to-bq": "flows/gcp/gcs_to_bq.py:etl_gcs_to_bq",
    }.items()
    for kind in INFRASTRUCTURE
}


@pytest.fixture(scope="module")
def started(cut_off: CutOff, by_hand: list[str]) -> dict[tuple[str, str], str]:
    """Runs of the other flows, as a process and in a container; all are started before the first is waited for."""
    builds = [
        f"prefect deployment build {entrypoint} -n {kind} -ib {INFRASTRUCTURE[kind]} -a"
        for (_, kind), entrypoint in DEPLOYED.items()
    ]
    runs = [f'prefect deployment run "{flow}/{kind}"' for flow, kind in DEPLOYED]
    outputs = succeed(*cut_off.shell(*builds, *runs, folder="/workspace/taxi"))
    ids = [run_id for output in outputs[len(builds) :] for run_id in run_ids(output)]
    return dict(zip(DEPLOYED, ids, strict=True))


@pytest.mark.parametrize(("flow", "kind"), DEPLOYED)
def test_the_other_flows_run_there_too(
    cut_off: CutOff, started: dict[tuple[str, str], str], flow: str, kind: str
) -> None:
    cut_off.completed(started[flow, kind])


def test_a_flow_deployed_by_python_runs_in_a_container(cut_off: CutOff) -> None:
    run = 'prefect deployment run etl-parent-flow/docker-flow -p "months=[1,2]"'
    outputs = succeed(*cut_off.shell("python docker_deploy.py", run, folder="/workspace/taxi/flows/deployments"))
    (run_id,) = run_ids(outputs[1])
    assert cut_off.completed(run_id)["infrastructure_pid"].startswith("http://docker-proxy:2375:")


@pytest.fixture(scope="module")
def from_github(cut_off: CutOff) -> dict[str, list[str]]:
    """Two runs of each deployment of a flow whose code is on GitHub."""
    (cut_off.root / "workspace" / "blocks.py").write_text(SAVE_BLOCKS)
    names = {kind: f"GitHub Storage Flow {kind}" for kind in INFRASTRUCTURE}
    builds = [
        f'prefect deployment build ./tips.py:tips -n "{name}" -sb github/ada -ib {INFRASTRUCTURE[kind]} -a'
        for kind, name in names.items()
    ]
    run = 'prefect deployment run "Tips/{0}" && prefect deployment run "Tips/{0}"'
    runs = [run.format(name) for name in names.values()]
    outputs = succeed(*cut_off.shell("python /workspace/blocks.py", *builds, *runs, folder="/workspace/tips"))
    return dict(zip(INFRASTRUCTURE, map(run_ids, outputs[-len(runs) :]), strict=True))


@pytest.mark.parametrize("kind", INFRASTRUCTURE)
def test_a_flow_is_deployed_from_github(cut_off: CutOff, from_github: dict[str, list[str]], kind: str) -> None:
    assert len(from_github[kind]) == 2
    for run_id in from_github[kind]:
        assert cut_off.completed(run_id)["state"]["message"] == "counted"
        log = cut_off.log(run_id)
        assert "a tip of 15.0 percent" in log
    assert "the secret has 11 letters" in log
    assert "abracadabra" not in log
    assert "tips are counted" in cut_off.make("inbox")
