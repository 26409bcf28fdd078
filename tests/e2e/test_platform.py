"""The whole platform: the bootstrap's objects, a second `make up`, and the other targets."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.bundle.checkout_copy import copy_checkout
from cli.runtimes.compose.images import Image
from orionbox.orion.client import NoAnswerError, Orion
from tests.conftest import ROOT, Answer, Checkout, reset_at_the_end, wait_for
from tests.e2e.test_secrets import found_in, generated, service_logs
from tests.stores import bigquery_client, query_bigquery, query_postgres

BLOCKS = {
    ("sqlalchemy-connector", "postgres-connector"),
    ("gcp-credentials", "zoom-gcp-creds"),
    ("gcp-credentials", "doc-gcp-creds"),
    ("gcs-bucket", "zoom-gcs"),
    ("docker-container", "zoom"),
    ("docker-container", "dtc"),
}
DEPLOYMENTS = {
    ("etl", "docker"),
    ("etl", "process"),
    ("etl", "dask"),
    ("ingest-data", "docker"),
    ("etl-parent-flow", "Parameterized ETL"),
    ("etl-parent-flow", "docker-flow"),
}


def blocks(platform: Checkout) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = platform.orion.call("block_documents/filter", {})
    return found


def deployments(platform: Checkout) -> dict[tuple[str, str], dict[str, Any]]:
    flows = {flow["id"]: flow["name"] for flow in platform.orion.call("flows/filter", {})}
    found = platform.orion.call("deployments/filter", {})
    return {(flows[deployment["flow_id"]], deployment["name"]): deployment for deployment in found}


def test_the_blocks_have_the_course_s_names(platform: Checkout) -> None:
    assert {(block["block_type"]["slug"], block["name"]) for block in blocks(platform)} >= BLOCKS


def test_both_collections_block_types_are_visible(platform: Checkout) -> None:
    slugs = {kind["slug"] for kind in platform.orion.call("block_types/filter", {})}
    assert slugs >= {
        "gcp-credentials",
        "gcs-bucket",
        "bigquery-warehouse",
        "sqlalchemy-connector",
        "database-credentials",
    }


def test_the_deployments_wait_in_queue_default(platform: Checkout) -> None:
    found = deployments(platform)
    assert set(found) >= DEPLOYMENTS
    assert {found[name]["work_queue_name"] for name in DEPLOYMENTS} == {"default"}


@pytest.fixture(scope="module")
def repaired(platform: Checkout) -> str:
    """What the bootstrap logs at a `make up` after one object of each kind was deleted."""
    lose_one_of_each_kind(platform)
    platform.make("up")
    return bootstrap_log(platform)


def lose_one_of_each_kind(platform: Checkout) -> None:
    """Deletes a block, a deployment, a dataset and a table."""
    document = next(block for block in blocks(platform) if block["name"] == "zoom-gcs")
    platform.orion.call(f"block_documents/{document['id']}", method="DELETE")
    platform.orion.call(f"deployments/{deployments(platform)['etl', 'process']['id']}", method="DELETE")
    with bigquery_client(platform.settings) as client:
        client.delete_dataset("dezoomcamp", delete_contents=True)
    platform.make("psql", "SQL=DROP TABLE yellow_tripdata")


def test_deleted_objects_are_created_again_by_the_next_up(platform: Checkout, repaired: str) -> None:
    assert "nothing has changed" not in repaired
    assert {(block["block_type"]["slug"], block["name"]) for block in blocks(platform)} >= BLOCKS
    assert set(deployments(platform)) >= DEPLOYMENTS
    assert query_bigquery(platform.settings, "SELECT count(*) FROM dezoomcamp.INFORMATION_SCHEMA.TABLES")
    assert query_postgres(platform.settings, "SELECT count(*) FROM yellow_tripdata")


@dataclass
class SecondUp:
    """A `make up` of a platform that is running, and from which nothing is missing."""

    output: str
    before: tuple[Any, ...]
    """Blocks, deployments and containers."""
    after: tuple[Any, ...]
    bootstrap_log: str


@pytest.fixture(scope="module")
def second_up(platform: Checkout, repaired: str) -> SecondUp:
    before = state(platform)
    return SecondUp(platform.make("up"), before, state(platform), bootstrap_log(platform))


def state(platform: Checkout) -> tuple[Any, ...]:
    ids = {name: found["id"] for name, found in deployments(platform).items()}
    return blocks(platform), ids, running(platform)


def bootstrap_log(platform: Checkout) -> str:
    return platform.run("docker", "compose", "logs", "--tail=1", "bootstrap").stdout


def running(platform: Checkout) -> set[str]:
    """The ids of its containers, but for the bootstrap's."""
    done = platform.run("docker", "compose", "ps", "--format", "json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["ID"] for row in rows if row["Service"] != "bootstrap"}


def test_a_second_up_changes_nothing(second_up: SecondUp) -> None:
    assert second_up.before == second_up.after


def test_a_second_up_sees_that_there_is_nothing_to_do(second_up: SecondUp) -> None:
    assert "nothing has changed since the last bootstrap" in second_up.bootstrap_log


def test_up_prints_every_address_with_its_login(platform: Checkout, second_up: SecondUp) -> None:
    for port in ("ORION_PORT", "PGADMIN_PORT", "POSTGRES_PORT", "GCS_PORT", "BIGQUERY_PORT"):
        assert f"localhost:{platform.settings[port]}" in second_up.output
    assert "user ny_taxi" in second_up.output


def test_up_prints_the_start_page_s_address_first(platform: Checkout, second_up: SecondUp) -> None:
    first = next(line for line in second_up.output.splitlines() if "http://localhost" in line)
    assert first.split()[:3] == ["Start", "page", f"http://localhost:{platform.settings['START_PORT']}"]


def test_status_lists_the_services(platform: Checkout) -> None:
    output = platform.make("status")
    assert all(service in output for service in ("orion", "agent", "bigquery", "gcs", "postgres", "pgadmin"))
    assert "some services are not healthy" not in output


def test_psql_reads_the_warehouse_from_a_pipe(platform: Checkout) -> None:
    assert "ny_taxi|ny_taxi" in platform.make(
        "psql", stdin="\\pset format unaligned\nSELECT current_user, current_database();\n"
    )


FLOWS = ("ingest_data.py", "etl_web_to_gcs.py", "etl_gcs_to_bq.py", "etl.py")


@pytest.fixture(scope="module")
def by_themselves(platform: Checkout) -> dict[str, Answer]:
    """The flows' files, run by themselves in one shell."""
    answers = platform.shell(*(f"python {file}" for file in FLOWS), folder="/opt/prefect/flows")
    return dict(zip(FLOWS, answers, strict=True))


@pytest.mark.parametrize("file", FLOWS)
def test_every_flow_s_file_runs_by_itself(by_themselves: dict[str, Answer], file: str) -> None:
    assert by_themselves[file].code == 0, by_themselves[file].output


def test_a_flow_that_runs_by_itself_loads_every_row(platform: Checkout, by_themselves: dict[str, Answer]) -> None:
    rows = platform.rows_in("green/green_tripdata_2021-01.csv.gz")
    assert f"{rows:,} rows -> Postgres green_tripdata (real)" in by_themselves["ingest_data.py"].output


OTHERS = ("etl/process", "etl-parent-flow/Parameterized ETL", "etl-parent-flow/docker-flow")


@pytest.fixture(scope="module")
def started(platform: Checkout) -> dict[str, str]:
    """Runs of the other deployments; all are started before the first is waited for."""
    platform.make("data", "COLOR=green", "YEAR=2021", "MONTHS=1")
    month = {"color": "green", "year": 2021, "months": [1]}
    return {deployment: platform.orion.start_run(deployment, month) for deployment in OTHERS}


@pytest.mark.parametrize("deployment", OTHERS)
def test_the_other_deployments_run_too(platform: Checkout, started: dict[str, str], deployment: str) -> None:
    run = platform.end_of(started[deployment])
    assert run["state_type"] == "COMPLETED", run["state"]


INTERNET = "compose/internet.yaml"


@pytest.fixture(scope="module")
def broken(platform: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Checkout, str]]:
    """A second platform with the first one's ports, one of whose services cannot start; and what its `make up` says."""
    second = Checkout(copy_checkout(tmp_path_factory.mktemp("broken") / "orionbox"))
    second.env = {**platform.env, "COMPOSE_PROJECT_NAME": f"{platform.env['COMPOSE_PROJECT_NAME']}-second"}
    compose = second.root / INTERNET
    compose.write_text(compose.read_text().replace("/etc/nginx/tls/internet.crt:ro", "/etc/nginx/tls/elsewhere.crt:ro"))
    with reset_at_the_end(second):
        yield second, second.make_fails("up")


def test_a_taken_port_is_exchanged_for_the_next_free_one(platform: Checkout, broken: tuple[Checkout, str]) -> None:
    second, printed = broken
    found = re.search(r"ORION_PORT=(\d+) is in use on this machine: this platform takes (\d+)", printed)
    assert found and found[1] == platform.env["ORION_PORT"] != found[2]
    # The start may end for the broken service's sake before Orion is ready
    wait_for(lambda: answers(f"http://127.0.0.1:{found[2]}"), "the second platform's Orion", 120)
    assert platform.orion.call("health") is True
    assert not running(platform) & running(second)


def answers(url: str) -> bool:
    """Returns whether an Orion answers there."""
    try:
        return Orion(url).call("health") is True
    except NoAnswerError:
        return False


def test_a_service_that_cannot_start_is_named_with_the_end_of_its_log(broken: tuple[Checkout, str]) -> None:
    assert "internet (" in broken[1]
    assert "cannot load certificate" in broken[1]


def test_a_failed_start_prints_and_logs_no_secret(broken: tuple[Checkout, str]) -> None:
    """Then services' last words are shown: here Orion's, whose address of its database has a password in it."""
    second, _ = broken
    shutil.copy(ROOT / INTERNET, second.root / INTERNET)
    file = second.root / "compose" / "orion.yaml"
    file.write_text(file.read_text().replace("@postgres:5432/orion", "@postgres:5432/nowhere"))
    printed = second.make_fails("up")
    # `up` may give up for the agent's sake, before Orion has said why it cannot start
    wait_for(lambda: 'database "nowhere"' in service_logs(second), "the error of Orion")
    printed += service_logs(second)
    assert "orion (" in printed
    assert found_in(printed, generated(second)) == []


def on_the_engine(name: str) -> set[str]:
    """Everything that the engine has of a platform."""
    kinds = (("ps", "--all", "--quiet", "--no-trunc"), ("volume", "ls", "--quiet"), ("network", "ls", "--quiet"))
    words = [["docker", *kind, "--filter", f"label=com.docker.compose.project={name}"] for kind in kinds]
    return {line for command in words for line in subprocess.check_output(command, text=True).split()}


def test_another_checkout_with_the_same_name_is_refused_and_nothing_is_touched(
    platform: Checkout, tmp_path: Path
) -> None:
    second, name = Checkout(copy_checkout(tmp_path / "second"), platform.env), platform.env["COMPOSE_PROJECT_NAME"]
    before, refusal = (
        on_the_engine(name),
        f"platform {name} on this engine belongs to {platform.root}\nset another COMPOSE",
    )
    commands = ("up", "run-etl", "status", "logs", "psql", "backup", "down", "reset")
    assert [command for command in commands if refusal not in second.make_fails(command)] == []
    assert on_the_engine(name) == before and f"{name}_checkout" in before
    assert not list((second.root / ".ports").glob("*-compose.json"))


def test_a_platform_whose_checkout_has_gone_is_taken_over_and_leaves_no_trace(platform: Checkout) -> None:
    name = f"{platform.env['COMPOSE_PROJECT_NAME']}-left"
    claim = ("--label", "orionbox.checkout=0", "--label", "orionbox.folder=/home/ada/orionbox", f"{name}_checkout")
    for words in (claim, (f"{name}_postgres",)):
        subprocess.run(["docker", "volume", "create", *words], check=True, capture_output=True)
    refused = platform.make_fails("reset", f"COMPOSE_PROJECT_NAME={name}", "YES=yes")
    assert f"platform {name} on this engine belongs to /home/ada/orionbox, which is no longer there" in refused
    take_over = next(line for line in refused.splitlines() if "docker volume rm" in line)
    assert platform.run("sh", "-c", take_over).returncode == 0
    said = platform.make("reset", f"COMPOSE_PROJECT_NAME={name}", "YES=yes")
    assert f"{platform.env['COMPOSE_PROJECT_NAME']} (compose, running); end it: make down COMPOSE_PROJECT_NAME=" in said
    volumes = subprocess.check_output(["docker", "volume", "ls", "--quiet"], text=True)
    assert name not in volumes and on_the_engine(name) == set()
    assert running(platform)


def test_nothing_listens_beyond_loopback(platform: Checkout) -> None:
    done = platform.run("docker", "compose", "ps", "--format", "json")
    published = [
        publisher["URL"]
        for line in done.stdout.splitlines()
        for publisher in json.loads(line)["Publishers"] or []
        if publisher["PublishedPort"]
    ]
    assert published and set(published) == {"127.0.0.1"}


def test_only_the_docker_proxy_sees_the_docker_socket(platform: Checkout) -> None:
    ids = platform.run("docker", "compose", "ps", "--all", "--quiet").stdout.split()
    inspected = json.loads(subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True).stdout)
    users = {
        container["Config"]["Labels"]["com.docker.compose.service"]
        for container in inspected
        for mount in container["Mounts"]
        if mount["Source"].endswith("docker.sock")
    }
    assert users == {"docker-proxy"}


def test_all_images_together_are_small_enough_for_a_stick(platform: Checkout) -> None:
    built = [Image.from_service(service) for service in platform.services().values() if "build" in service]
    own = {image.name: size(image.name) - size(image.parents()[-1]) for image in built}
    assert sum(own.values()) <= 2.5e9, own


def size(image: str) -> int:
    """The image's size in bytes."""
    done = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Size}}", image], capture_output=True, text=True
    )
    return int(done.stdout)
