"""The compatibility patches for the course and Orionbox 0.1.0, tested without a server."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from orionbox.runs.report import MonthReport
from orionbox.trips.months import StagedMonth, TripFile

with warnings.catch_warnings():
    # Prefect's own imports warn
    warnings.simplefilter("ignore")
    from orionbox.prefect2 import old_names


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "host.docker.internal"])
def test_orion_s_usual_address_means_the_platform_s(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("ORION_API_URL", "http://orion:4200/api")
    assert old_names.platform_api(None, f"http://{host}:4200/api") == "http://orion:4200/api"


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:4201/api", "https://api.example.org/api"])
def test_every_other_address_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, url: str | None) -> None:
    monkeypatch.setenv("ORION_API_URL", "http://orion:4200/api")
    assert old_names.platform_api(None, url) == url


def test_outside_the_platform_no_address_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORION_API_URL", raising=False)
    assert old_names.platform_api(None, "http://127.0.0.1:4200/api") == "http://127.0.0.1:4200/api"


def test_a_run_takes_place_in_the_deployment_s_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir("/")
    old_names.use_writable_folder(str(tmp_path))
    old_names.make_data_folders()
    assert Path.cwd() == tmp_path
    assert (tmp_path / "data" / "green").is_dir()


def test_where_that_folder_is_not_there_a_run_gets_a_writable_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    with monkeypatch.context() as patch:
        patch.setattr("orionbox.prefect2.old_names.os.access", lambda path, mode: False)
        old_names.use_writable_folder("/nowhere")
    here = Path.cwd()
    assert here != Path("/") and os.access(here, os.W_OK)


STAGED = StagedMonth(TripFile("green", 2021, 1), "gs://bucket/name", "real", {"source": 3}, {"fetch": 0.5})
REPORT = MonthReport("green", 2021, 1, "real", {"source": 3}, {"fetch": 0.5})
LOAD = """
import warnings; warnings.simplefilter("ignore")
from orionbox.prefect2 import old_names; old_names.install()
import pickle, sys
print(pickle.load(sys.stdin.buffer))
print(pickle.load(sys.stdin.buffer))
from orionbox.cluster import ClusterTaskRunner
print(ClusterTaskRunner.__module__)
"""


def test_results_that_0_1_has_stored_load_and_a_flow_for_it_finds_the_task_runner() -> None:
    # In protocol 2 names have no length, so that others fit in
    staged = pickle.dumps(STAGED, protocol=2).replace(b"orionbox.trips.months", b"orionbox.trips")
    report = pickle.dumps(REPORT, protocol=2).replace(b"orionbox.runs.report", b"orionbox.report")
    assert b"orionbox.trips\n" in staged and b"orionbox.report\n" in report
    done = subprocess.run([sys.executable, "-c", LOAD], input=staged + report, capture_output=True)
    expected = f"{STAGED}\n{REPORT}\norionbox.prefect2.dask\n"
    assert done.stdout.decode() == expected, done.stderr.decode()


def test_the_package_of_the_months_has_no_other_names() -> None:
    with pytest.raises(AttributeError):
        old_names.class_of_0_1("no_such_name")
