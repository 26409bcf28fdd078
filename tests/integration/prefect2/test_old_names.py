"""The course's old manners, as far as no server is needed for them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

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
    old_names.enter(str(tmp_path))
    old_names.make_data_folders()
    assert Path.cwd() == tmp_path
    assert (tmp_path / "data" / "green").is_dir()


def test_where_that_folder_is_not_there_a_run_gets_a_writable_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    with monkeypatch.context() as patch:
        patch.setattr("orionbox.prefect2.old_names.os.access", lambda path, mode: False)
        old_names.enter("/nowhere")
    here = Path.cwd()
    assert here != Path("/") and os.access(here, os.W_OK)
