"""A throwaway platform is kept apart from this checkout's own and from every other."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.settings import env_file
from dev.throwaway_platform import ThrowawayPlatform, clean_environment, identity
from orionbox.errors import CommandError


def test_each_has_a_name_and_ports_of_its_own() -> None:
    one, other = identity("bench"), identity("bench")
    ports = [name for name in env_file.parse(env_file.EXAMPLE) if name.endswith("_PORT")]
    assert set(one) == {*ports, "COMPOSE_PROJECT_NAME"}
    assert len({one[port] for port in ports}) == len(ports)
    assert one["COMPOSE_PROJECT_NAME"].startswith("orionbox-bench-")
    assert one["COMPOSE_PROJECT_NAME"] != other["COMPOSE_PROJECT_NAME"]


def test_it_takes_no_setting_of_this_checkout_and_no_variable_of_make(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {"WORKERS": "9", "ENGINE": "dask", "RUNTIME": "embedded", "MAKEFLAGS": " -- ONLY=ingest"}
    for name, value in {**ours, "PIP_INDEX_URL": "http://mirror.example"}.items():
        monkeypatch.setenv(name, value)
    environment = clean_environment()
    assert not set(ours) & set(environment)
    assert environment["PIP_INDEX_URL"] == "http://mirror.example", "the mirror is needed for the build"


def test_its_images_have_the_tag_of_the_copy_or_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "compose").mkdir()
    (tmp_path / "compose/versions.env").write_text("ORIONBOX_TAG=1.2.3\n")
    assert ThrowawayPlatform(tmp_path, {}).image("flows") == "orionbox/flows:1.2.3"
    assert ThrowawayPlatform(tmp_path, {"ORIONBOX_TAG": "mine"}).image("flows") == "orionbox/flows:mine"


def test_a_failed_command_ends_with_its_output(tmp_path: Path) -> None:
    platform = ThrowawayPlatform(tmp_path, {"PATH": "/usr/bin:/bin"})
    assert platform.run("pwd").strip() == str(tmp_path)
    with pytest.raises(CommandError, match="exit 3\n    no room"):
        platform.run("sh", "-c", "echo no room; exit 3")
