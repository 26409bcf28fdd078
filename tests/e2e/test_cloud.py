"""The platform with CLOUD=gcp, against a Google Cloud that is made up of Google's addresses, TLS, tokens and emulators.

What only Google itself can show, its access rights and its transactions, is not shown here: docs/cloud.md.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from cli.bundle.checkout_copy import copy_checkout
from cli.runtimes.compose.compose import LEADS_OUTSIDE
from cli.runtimes.compose.key_files import AUTHORITY, EMULATOR_KEY, HOSTS, INTERNET, KEY_IN_USE, TRUSTED
from cli.settings import env_file
from dev.throwaway_platform import identity
from services.bootstrap.keys import authority_of_addresses, certificates, service_account_key
from tests.conftest import REAL_DATA, ROOT, Checkout, reset_at_the_end
from tests.stores import query_bigquery, query_postgres

PROJECT, BUCKET, KEY = "ada-taxi-412", "ada-taxi-data", "secrets/ada.json"
GOOGLE = ("oauth2.googleapis.com", "storage.googleapis.com", "bigquery.googleapis.com")
COURSE = "tests/e2e/course/repositories/taxi"
GOOGLE_FILE, OVERRIDE = "tests/e2e/google/google.yaml", "compose.override.yaml"
WINTER = ("COLOR=green", "YEAR=2021", "MONTHS=1,2")
RIDES = f"SELECT count(*) FROM `{PROJECT}.dezoomcamp.rides`"


def services(cloud: Checkout) -> set[str]:
    """The platform's services that run."""
    return set(cloud.run("docker", "compose", "ps", "--services").stdout.split())


@pytest.fixture(scope="module")
def cloud(engine: None, has_real_data: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout with CLOUD=gcp and a key; Google is up, the platform is not."""
    if not Path(TRUSTED).exists():
        pytest.skip(f"{TRUSTED} is not there, to which the authority of this Google is added")
    root = copy_checkout(tmp_path_factory.mktemp("cloud") / "orionbox")
    tag = os.environ.get("ORIONBOX_TAG") or env_file.parse(ROOT / "compose/versions.env")["ORIONBOX_TAG"]
    cloud = Checkout(root, {**identity("cloud"), "RUNTIME": "compose", "ORIONBOX_TAG": tag})
    # Google's containers make the networks, before the platform does
    cloud.env |= LEADS_OUTSIDE
    cloud.env |= {"CLOUD": "gcp", "GCP_PROJECT": PROJECT, "GCP_BUCKET": BUCKET, "GCP_KEY_FILE": KEY}
    shutil.copy(root / GOOGLE_FILE, root / OVERRIDE)
    write_secrets(root / "secrets")
    with reset_at_the_end(cloud), google_removed(cloud):
        cloud.make("data", *([f"FROM={REAL_DATA}"] if has_real_data else WINTER))
        cloud.build()
        started = cloud.run("docker", "compose", "up", "--detach", "--wait", "google", "google-gcs", "google-bigquery")
        assert started.returncode == 0, started.stdout
        yield cloud


@contextmanager
def google_removed(cloud: Checkout) -> Iterator[None]:
    """Removes the platform without Google, and in the end Google."""
    try:
        yield
    finally:
        (cloud.root / OVERRIDE).unlink(missing_ok=True)
        cloud.run("make", "reset")
        shutil.copy(cloud.root / GOOGLE_FILE, cloud.root / OVERRIDE)


def write_secrets(folder: Path) -> None:
    """The platform's own keys, with an authority that may speak for Google too, and the user's key for this Google."""
    folder.mkdir()
    files = {**certificates(TRUSTED, [*{*HOSTS, *GOOGLE}]), **authority_of_addresses()}
    files[EMULATOR_KEY] = service_account_key("http://gcs:4443/token", "orionbox-local")
    assert sorted(files) == sorted([*INTERNET, *AUTHORITY, EMULATOR_KEY])
    files[Path(KEY).name] = service_account_key("https://oauth2.googleapis.com/token", PROJECT)
    files[KEY_IN_USE] = files[Path(KEY).name]  # Google's own container mounts it, too
    for name, content in files.items():
        (folder / name).write_text(content)


@pytest.fixture(scope="module")
def used(cloud: Checkout) -> Checkout:
    """The platform, up, after its main job; before that, without the bucket, it did not start."""
    refusal = cloud.make_fails("up")
    assert f"gcp bucket: there is no bucket {BUCKET}" in refusal
    assert f"fix: gcloud storage buckets create gs://{BUCKET} --project={PROJECT}" in refusal
    assert services(cloud) == {"google", "google-gcs", "google-bigquery"}
    address = f"http://localhost:{cloud.env['GCS_PORT']}/storage/v1/b?project={PROJECT}"
    urlopen(Request(address, json.dumps({"name": BUCKET}).encode(), {"Content-Type": "application/json"})).close()
    output = cloud.make("run-etl", *WINTER)
    assert f"cloud: gcp, which costs money (project {PROJECT}, bucket {BUCKET})" in output
    assert f"-> gs://{BUCKET}/data/green/green_tripdata_2021-01.parquet" in output
    assert f"https://console.cloud.google.com/storage/browser/{BUCKET}?project={PROJECT}" in output
    return cloud


def test_months_arrive_at_google_and_every_row_is_counted(used: Checkout) -> None:
    expected = [(f"green_tripdata_2021-0{month}.csv.gz", used.rows_in(f"green/green_tripdata_2021-0{month}.csv.gz"))
                for month in (1, 2)]  # fmt: skip
    sql = "SELECT source_file, count(*) FROM {} GROUP BY source_file ORDER BY source_file"
    assert query_bigquery(used.env, sql.format(f"`{PROJECT}.trips_data_all.green_tripdata`")) == expected
    assert query_postgres({**used.settings, **used.env}, sql.format("green_tripdata")) == expected
    assert used.report["cloud"] == "gcp" and used.report["state"] == "Completed"


def test_no_emulator_is_running_and_no_flow_has_its_address(used: Checkout) -> None:
    assert {"gcs", "bigquery"}.isdisjoint(services(used)) and {"orion", "agent", "start"} <= services(used)
    environment = used.make("shell", stdin="env\n")
    assert f"GCP_BUCKET={BUCKET}" in environment and "EMULATOR_HOST" not in environment
    for block in used.orion.call("block_documents/filter", {}):
        assert "EMULATOR_HOST" not in json.dumps(block["data"])
    assert used.make("up").count("removed the emulators") == 0


def test_the_start_page_and_the_run_s_page_say_whose_cloud_it_is(used: Checkout) -> None:
    with urlopen(f"http://localhost:{used.env['START_PORT']}/") as response:
        start = response.read().decode()
    said = f"Cloud Storage and BigQuery are Google&#39;s: project {PROJECT}, bucket {BUCKET}."
    assert said in start and "Everything is running" in start and "emulated" not in start
    (page,) = (used.root / "reports").glob("*.html")
    assert f"{said[:-1]}; runtime: compose." in page.read_text() and "emulated" not in page.read_text()


def test_the_course_s_code_works_as_it_is(used: Checkout) -> None:
    shutil.copytree(ROOT / COURSE, used.root / "workspace" / "taxi")
    used.make("data", "COLOR=yellow", "YEAR=2021", "MONTHS=1")
    used.make("shell", stdin="cd /workspace/taxi\npython flows/gcp/web_to_gcs.py && python flows/gcp/gcs_to_bq.py\n")
    assert query_bigquery(used.env, RIDES)[0][0] == used.rows_in("yellow/yellow_tripdata_2021-01.csv.gz")


def test_the_key_is_in_no_configuration_no_log_and_no_backup(used: Checkout) -> None:
    lines = json.loads((used.root / KEY).read_text())["private_key"].splitlines()
    texts = [used.run("docker", "compose", "--profile", "*", *words).stdout for words in (["config"], ["logs"])]
    assert "BigQuery and Cloud Storage are not included: they stay at Google" in used.make("backup")
    (backup,) = (used.root / "backups").glob("*.tar")
    texts.append(backup.read_bytes().decode("latin-1"))
    assert [f"{line[:4]}…" for line in lines[1:-1] for text in texts if line in text] == []
    assert used.run("git", "check-ignore", KEY).returncode in (0, 128), "128: the copy is no repository"


def test_the_doctor_asks_google(used: Checkout) -> None:
    lines = [line for line in used.run("make", "doctor").stdout.splitlines() if line[6:].startswith("gcp ")]
    assert [line.split()[2] for line in lines] == ["key", "account", "bucket", "jobs", "dataset", "dataset"]
    assert {line[:5] for line in lines} == {"ok   "}, lines


def test_the_emulators_come_back_with_their_data(used: Checkout) -> None:
    removed = used.run("docker", "compose", "rm", "--stop", "--force", "google", "google-gcs", "google-bigquery")
    assert removed.returncode == 0, removed.stdout  # they have the ports
    (used.root / OVERRIDE).unlink()
    used.env["CLOUD"] = "emulators"
    used.make("run-etl", "COLOR=green", "YEAR=2021", "MONTHS=1")
    assert used.report["cloud"] == "emulators" and {"gcs", "bigquery"} <= services(used)
    rows = "SELECT count(*) FROM trips_data_all.green_tripdata"
    held = query_bigquery(used.env, rows)
    used.env |= {"CLOUD": "gcp", "GCP_KEY_FILE": "secrets/none.json"}
    assert "GCP_KEY_FILE=secrets/none.json: there is no such file" in used.make_fails("up")
    used.env["CLOUD"] = "emulators"
    assert {"gcs", "bigquery"} <= services(used), "what runs goes on where the other cloud is not ready"
    assert query_bigquery(used.env, rows) == held and held[0][0] > 0
