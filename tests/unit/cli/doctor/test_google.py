"""The checks of the key and of the access to Google."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest

from cli.runtimes.compose import google_cloud
from cli.runtimes.compose.compose import Compose
from orionbox.errors import BadInputError
from tests.unit.cli.doctor.fake_machine import Doctor, FakeMachine, Line, not_built

ADA = {
    "type": "service_account",
    "project_id": "ada-1",
    "private_key": "-----BEGIN",
    "client_email": "ada@example.org",
    "token_uri": "https://example.org",
}


def in_the_cloud(machine: FakeMachine, key: dict[str, str] | None) -> FakeMachine:
    """The machine with CLOUD=gcp and that key."""
    file = machine.root / "ada.json"
    if key is not None:
        file.write_text(json.dumps(key))
    variables = {"CLOUD": "gcp", "GCP_PROJECT": "ada-1", "GCP_BUCKET": "ada-taxi", "GCP_KEY_FILE": str(file)}
    return replace(machine, variables=variables)


def test_with_emulators_no_key_is_needed(machine: FakeMachine, line: Line) -> None:
    assert line(machine, "gcp key") == (
        "ok    gcp key         none is needed: Cloud Storage and BigQuery are emulated (CLOUD=emulators)"
    )


@pytest.mark.parametrize(
    ("key", "state", "text"),
    [
        (ADA, "ok ", "of project ada-1"),
        (ADA | {"project_id": "bob-1"}, "warn", "is of project bob-1, and GCP_PROJECT is ada-1; fix: nothing to do if"),
        (ADA | {"type": "authorized_user"}, "fail", "has type authorized_user"),
        ({"type": "service_account"}, "fail", "has no project_id, private_key"),
        (None, "fail", "there is no such file; fix: put the key of your service account there"),
    ],
)
def test_the_key_is_checked_as_the_commands_check_it(
    machine: FakeMachine, doctor: Doctor, line: Line, key: dict[str, str] | None, state: str, text: str
) -> None:
    cloud = in_the_cloud(machine, key)
    printed = line(cloud, "gcp key")
    assert printed.startswith(state) and text in printed
    *lines, code = doctor(cloud)
    assert any("gcp account" in each for each in lines) is (state != "fail")
    assert code == f"exit {int(state == 'fail')}"


def test_google_is_not_checked_before_the_build_and_a_line_says_so(machine: FakeMachine, line: Line) -> None:
    assert line(not_built(in_the_cloud(machine, ADA)), "gcp account") == (
        "warn  gcp account     bucket, datasets and roles cannot be checked before the images are built; "
        "fix: make up, which builds them and checks before it starts anything"
    )


def test_the_dry_run_s_lines_are_findings(machine: FakeMachine, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine.root / ".env").write_text("")
    (machine.root / "secrets").mkdir()
    (machine.root / "secrets/ca-bundle.crt").write_text("")
    cloud, copied = in_the_cloud(machine, ADA), list[str]()
    monkeypatch.setattr(google_cloud, "copy_key", lambda settings: copied.append(settings["GCP_PROJECT"]))

    def answer(stdout: str, stderr: str = "") -> None:
        def dry_run(compose: Compose) -> subprocess.CompletedProcess[str]:
            return subprocess.CompletedProcess([], 1, stdout, stderr)

        monkeypatch.setattr(google_cloud, "dry_run", dry_run)

    answer("a line of Compose\nok\tgcp account\tada\t\nfail\tgcp bucket\tthere is none\tgcloud x\n")
    assert line(cloud, "gcp account") == "ok    gcp account     ada"
    assert line(cloud, "gcp bucket") == "fail  gcp bucket      there is none; fix: gcloud x"
    answer("", "no such container")
    expected = "fail  gcp account     Google could not be checked (no such container); fix: run make up"
    assert line(cloud, "gcp account").startswith(expected)
    assert set(copied) == {"ada-1"}
    monkeypatch.setattr(google_cloud, "dry_run", refuse_as_another_ones)
    assert line(cloud, "gcp account") == "fail  gcp account     belongs to /home/ada/orionbox; fix: set another name"


def refuse_as_another_ones(compose: Compose) -> None:
    raise BadInputError("belongs to /home/ada/orionbox", "set another name")
