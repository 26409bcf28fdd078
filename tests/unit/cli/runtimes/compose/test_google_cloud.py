"""The cloud that CLOUD names: settings, key, compose's files, the dry run."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, NotFound
from google.auth.exceptions import RefreshError, TransportError

from cli import messages
from cli.runtimes.compose import google_cloud, key_files
from cli.runtimes.compose.compose import Compose
from cli.runtimes.compose.optional_services import EMULATORS
from cli.runtimes.compose.runtime import ComposeRuntime
from cli.settings import env_file
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, CommandError
from orionbox.flow_settings import FlowSettings
from orionbox.stores import bigquery
from services.bootstrap import google_check
from tests.unit.checkout.test_compose import read_by_compose

KEY = {
    "type": "service_account",
    "project_id": "ada-taxi-412",
    "private_key": "-----BEGIN PRIVATE KEY-----\n",
    "client_email": "orionbox@ada-taxi-412.iam.gserviceaccount.com",
    "token_uri": "https://oauth2.googleapis.com/token",
}
GOOGLE = FlowSettings(project="ada-taxi-412", cloud="gcp", bucket="ada-taxi-data")


@pytest.fixture
def gcp(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings for Google in a checkout with a good key; what is asked of Google is never sent."""
    monkeypatch.setattr(google_cloud, "ROOT", tmp_path)
    monkeypatch.setattr(google_cloud, "SECRETS", tmp_path / "secrets")
    monkeypatch.setattr(key_files, "FOLDER", tmp_path / "secrets")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "ada.json").write_text(json.dumps(KEY))
    return settings.with_values(
        CLOUD="gcp", GCP_PROJECT="ada-taxi-412", GCP_BUCKET="ada-taxi-data", GCP_KEY_FILE="secrets/ada.json"
    )


def refusal(settings: Settings) -> str:
    with pytest.raises(BadInputError) as error:
        google_cloud.require(settings)
    return str(error.value)


def test_with_emulators_google_is_not_contacted(gcp: Settings, tmp_path: Path) -> None:
    emulators = gcp.with_values(CLOUD="emulators", GCP_KEY_FILE="nowhere.json")
    (tmp_path / "secrets" / key_files.EMULATOR_KEY).write_text('{"type": "throw-away"}')
    google_cloud.require(emulators)
    google_cloud.copy_key(emulators)
    google_cloud.require_access(Compose(emulators))
    assert json.loads((tmp_path / "secrets" / key_files.KEY_IN_USE).read_text()) == {"type": "throw-away"}


def test_a_good_key_is_copied_for_the_bootstrap_and_the_cloud_is_printed(gcp: Settings, tmp_path: Path) -> None:
    google_cloud.require(gcp)
    google_cloud.copy_key(gcp)
    copy = tmp_path / "secrets" / key_files.KEY_IN_USE
    assert json.loads(copy.read_text()) == KEY and copy.stat().st_mode & 0o777 == 0o644
    announced = "cloud: gcp, which costs money (project ada-taxi-412, bucket ada-taxi-data)"
    assert messages.real_cloud(gcp.flow_settings) == announced
    shown = messages.addresses(gcp, {"ORION_PORT": 4200})
    assert "https://console.cloud.google.com/bigquery?project=ada-taxi-412" in shown
    assert (
        "the real cloud: project ada-taxi-412, bucket ada-taxi-data" in shown and "no login, any project" not in shown
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("GCP_PROJECT", "orionbox-local", ".env: GCP_PROJECT=orionbox-local: this is the emulators'"),
        ("GCP_BUCKET", "prefect-de-zoomcamp", ".env: GCP_BUCKET=prefect-de-zoomcamp: this is the emulators'"),
        ("GCP_PROJECT", "Ada", ".env: GCP_PROJECT=Ada: not the id of a Google Cloud project"),
        ("GCP_KEY_FILE", "secrets/bob.json", ".env: GCP_KEY_FILE=secrets/bob.json: there is no such file"),
        ("GCP_KEY_FILE", "ada.json", ".env: GCP_KEY_FILE=ada.json: is in the checkout, where git and bundles"),
        ("GCP_KEY_FILE", "secrets", ".env: GCP_KEY_FILE=secrets: is in the checkout"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused(gcp: Settings, name: str, value: str, message: str) -> None:
    assert refusal(gcp.with_values(**{name: value})).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON ("),
        (b"\x30\x82\x0a\xff", "not JSON ("),
        (b"[]", "has type nothing; the key of a service account has type service_account"),
        (b'{"type": "authorized_user"}', "has type authorized_user; the key of"),
        (b'{"type": "service_account", "client_email": ""}', "has no project_id, private_key, client_email, token_uri"),
    ],
)
def test_a_file_that_is_no_key_is_refused(gcp: Settings, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "secrets" / "ada.json").write_bytes(content)
    assert refusal(gcp).startswith(f".env: GCP_KEY_FILE=secrets/ada.json: {message}")
    assert not (tmp_path / "secrets" / key_files.KEY_IN_USE).exists()


def test_a_key_of_another_project_is_mentioned(gcp: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    google_cloud.require(gcp.with_values(GCP_PROJECT="bob-taxi-7"))
    assert "the key is of project ada-taxi-412, and GCP_PROJECT is bob-taxi-7" in capsys.readouterr().out


def test_a_key_outside_the_checkout_is_read(gcp: Settings, tmp_path_factory: Any) -> None:
    file = tmp_path_factory.mktemp("keys") / "ada.json"
    file.write_text(json.dumps(KEY))
    google_cloud.require(gcp.with_values(GCP_KEY_FILE=str(file)))


def test_a_restore_leaves_the_emulators_alone_if_google_is_in_use(gcp: Settings) -> None:
    assert [name.rpartition("_")[2] for name in ComposeRuntime(gcp).stores.volumes()] == ["postgres"]
    assert len(ComposeRuntime(gcp.with_values(CLOUD="emulators")).stores.volumes()) == 3


@pytest.mark.parametrize(
    ("code", "stdout", "stderr", "message"),
    [
        (1, "fail\tgcp bucket\tthere is none\tgcloud x\n", "", "  gcp bucket: there is none\n      fix: gcloud x"),
        (1, "", "no such image", "Google Cloud could not be checked, and nothing was started:\n    no such image"),
    ],
)
def test_nothing_is_started_if_the_dry_run_fails(
    gcp: Settings, monkeypatch: pytest.MonkeyPatch, code: int, stdout: str, stderr: str, message: str
) -> None:
    done = subprocess.CompletedProcess(google_cloud.DRY_RUN, code, stdout, stderr)
    monkeypatch.setattr(google_cloud, "dry_run", lambda compose: done)
    with pytest.raises(CommandError) as error:
        google_cloud.require_access(Compose(gcp))
    assert message in str(error.value)


# --- compose ---


def test_at_google_no_emulator_and_no_word_of_one_is_left(tmp_path: Path) -> None:
    if not shutil.which("docker"):
        pytest.skip("Docker Compose is not installed")
    env_file.save(env_file.fill_in(env_file.parse(env_file.EXAMPLE)), tmp_path / ".env")
    variables = {"CLOUD": "gcp", "GCP_PROJECT": "ada-taxi-412", "GCP_BUCKET": "ada-taxi-data"}
    here, there = (read_by_compose(tmp_path / ".env", **chosen) for chosen in ({"CLOUD": "emulators"}, variables))
    assert set(here["services"]) - set(there["services"]) == set(EMULATORS.services)
    for name, service in there["services"].items():
        told = service.get("environment") or {}
        assert not [key for key in told if key.endswith("EMULATOR_HOST")], name
        if name in ("agent", "bootstrap", "flows", "dask-worker", "dask-scheduler", "sweeper", "start"):
            assert {key: told[key] for key in variables} == variables, name
            assert here["services"][name]["environment"].keys() >= {"STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST"}
    mounts = {volume["target"]: volume["source"] for volume in there["services"]["bootstrap"]["volumes"]}
    assert mounts["/etc/orionbox/google-key.json"].endswith(f"/secrets/{key_files.KEY_IN_USE}")
    holders = [name for name, service in there["services"].items() if key_files.KEY_IN_USE in json.dumps(service)]
    # As Application Default Credentials, wherever flows run; docker-proxy only knows the name
    assert sorted(holders) == ["agent", "bootstrap", "dask-worker", "docker-proxy", "flows"]


# --- the dry run, in the container ---


class Google:
    """Google's clients, as far as the dry run uses them; what is in `no` is refused, or is not there."""

    def __init__(self, **no: Exception | list[str] | str) -> None:
        self.no = no
        self.project = GOOGLE.project
        self.location = str(no.get("location", "EU"))

    def _answer(self, question: str) -> None:
        if isinstance(error := self.no.get(question), Exception):
            raise error

    def refresh(self, request: object) -> None:
        self._answer("token")

    def bucket(self, name: str) -> Google:
        return self

    def test_iam_permissions(self, *asked: Any, timeout: float = 0) -> Any:
        self._answer("permissions")
        lacking = self.no.get("lacking", [])
        assert isinstance(lacking, list)
        granted = [name for name in asked[-1] if name not in lacking]
        return {"permissions": granted} if len(asked) == 2 else granted

    def get_bucket(self, name: str, timeout: float) -> Google:
        self._answer("bucket")
        return self

    def query(self, *asked: object, timeout: float) -> None:
        self._answer("jobs")

    def get_dataset(self, name: str, timeout: float) -> Google:
        self._answer("dataset")
        self.location = str(self.no.get("dataset_location", "EU"))
        return self

    def get_table(self, name: str, timeout: float) -> Google:
        self._answer("table")
        return self


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[google_check.Line]]:
    """The dry run's lines, asked of such a Google."""

    def lines(**no: Exception | list[str] | str) -> list[google_check.Line]:
        monkeypatch.setattr(
            "services.bootstrap.google_check.Credentials.from_service_account_info", lambda info, scopes: Google(**no)
        )
        monkeypatch.setattr("services.bootstrap.google_check.storage.Client", lambda *arguments: Google(**no))
        monkeypatch.setattr("services.bootstrap.google_check.bigquery.Client", lambda *arguments: Google(**no))
        return list(google_check.check(KEY, GOOGLE))

    return lines


Look = Callable[..., list[google_check.Line]]
REVOKED = RefreshError("invalid_grant: Invalid JWT")  # type: ignore[no-untyped-call]
UNREACHABLE = TransportError("no route")  # type: ignore[no-untyped-call]


def test_every_line_is_ok_if_everything_exists(look: Look) -> None:
    lines = look()
    assert [line[1] for line in lines] == ["gcp account", "gcp bucket", "gcp jobs", "gcp dataset", "gcp dataset"]
    assert {line[0] for line in lines} == {"ok"}


@pytest.mark.parametrize(
    ("error", "finding", "fix"),
    [
        (REVOKED, "Google rejects the key: invalid_grant", "keys create"),
        (UNREACHABLE, "oauth2.googleapis.com/token cannot be reached", "connect to the internet"),
    ],
)
def test_a_key_that_gets_no_token_ends_the_dry_run(look: Look, error: Exception, finding: str, fix: str) -> None:
    (line,) = look(token=error)
    assert line[:2] == ("fail", "gcp account") and finding in line[2] and fix in line[3]


def test_a_missing_bucket_comes_with_the_command_that_makes_it(look: Look) -> None:
    line = look(bucket=NotFound("none"))[1]  # type: ignore[no-untyped-call]
    assert line[:3] == ("fail", "gcp bucket", "there is no bucket ada-taxi-data")
    assert line[3] == "gcloud storage buckets create gs://ada-taxi-data --project=ada-taxi-412 --location=EU"


def test_lacking_rights_on_the_bucket_come_with_the_roles(look: Look) -> None:
    line = look(lacking=["storage.buckets.get", "storage.objects.delete"])[1]
    assert line[0] == "fail" and "lacks storage.buckets.get, storage.objects.delete" in line[2]
    assert "--role=roles/storage.legacyBucketReader   (and the same with roles/storage.objectAdmin)" in line[3]
    assert f"--member=serviceAccount:{KEY['client_email']}" in line[3]


def test_for_an_account_without_jobs_the_missing_role_is_reported(look: Look) -> None:
    line = look(jobs=Forbidden("Access Denied: bigquery.jobs.create"))[-1]  # type: ignore[no-untyped-call]
    assert (
        line[:2] == ("fail", "gcp jobs") and "bigquery.jobs.create" in line[2] and line[3].endswith("bigquery.jobUser")
    )


def test_datasets_that_are_missing_are_no_fault_but_those_elsewhere_and_those_of_others_are(look: Look) -> None:
    assert {line[0] for line in look(dataset=NotFound("none"))[3:]} == {"warn"}  # type: ignore[no-untyped-call]
    closed = look(dataset=Forbidden("Access Denied"))[3]  # type: ignore[no-untyped-call]
    assert closed[0] == "fail" and closed[3].endswith("--role=roles/bigquery.dataEditor")
    elsewhere = look(dataset_location="asia-east1")[3]
    assert elsewhere[0] == "fail" and "is in asia-east1, the bucket in EU" in elsewhere[2]
    assert look(location="EUROPE-WEST6")[3][0] == look(dataset_location="US")[3][0] == "ok"
    readonly = look(lacking=["bigquery.tables.updateData"])[3]
    assert readonly[0] == "fail" and "lacks bigquery.tables.updateData on its tables" in readonly[2]


def test_only_a_transaction_that_was_undone_for_another_one_is_tried_again() -> None:
    text = "Transaction is aborted due to concurrent update against table ada:trips.green_tripdata"
    assert bigquery.is_conflict(BadRequest(text))  # type: ignore[no-untyped-call]
    assert not bigquery.is_conflict(BadRequest("Syntax error"))  # type: ignore[no-untyped-call]
    assert not bigquery.is_conflict(ValueError(text))
