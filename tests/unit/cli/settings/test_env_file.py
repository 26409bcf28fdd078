"""The host's commands, as far as they need no engine."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli import taxi_files
from cli.bundle import checkout_copy
from cli.runs.count_table import count_table
from cli.runtimes.compose import containers, images, runtime
from cli.settings import env_file
from orionbox.errors import BadInputError, CommandError
from orionbox.runs.report import MonthReport, unflatten
from orionbox.trips.months import RELEASE_URL, TripFile
from tests.conftest import ROOT

EXAMPLE = "# ports\nORION_PORT=4200\nPGADMIN_PORT=8080\n\nORION_DB_PASSWORD=\n"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / ".env.example"
    path.write_text(EXAMPLE)
    return path


def test_the_first_env_has_the_example_s_values_and_new_passwords(tmp_path: Path, example: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert env_file.ensure(first, example) and env_file.ensure(second, example)
    values = env_file.parse(first)
    assert values["ORION_PORT"] == "4200"
    assert len(values["ORION_DB_PASSWORD"]) == 32
    assert values["ORION_DB_PASSWORD"] != env_file.parse(second)["ORION_DB_PASSWORD"]
    assert first.stat().st_mode & 0o777 == 0o600


def test_a_complete_env_is_left_alone(tmp_path: Path, example: Path) -> None:
    path = tmp_path / ".env"
    env_file.ensure(path, example)
    before = path.read_text()
    assert not env_file.ensure(path, example)
    assert path.read_text() == before


def test_what_is_new_or_empty_is_added_and_the_rest_is_kept(tmp_path: Path, example: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# mine\nORION_PORT=5000\nORION_DB_PASSWORD=\nOTHER=1\n")
    assert env_file.ensure(path, example)
    values = env_file.parse(path)
    assert (values["ORION_PORT"], values["PGADMIN_PORT"], values["OTHER"]) == ("5000", "8080", "1")
    assert len(values["ORION_DB_PASSWORD"]) == 32
    assert path.read_text().startswith("# mine\n")


def test_a_variable_of_the_environment_is_written_down(
    tmp_path: Path, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORION_PORT", "4300")
    env_file.ensure(tmp_path / ".env", example)
    assert env_file.parse(tmp_path / ".env")["ORION_PORT"] == "4300"


def test_a_line_that_is_no_setting_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("ORION_PORT=1\nwhat is this\n")
    with pytest.raises(BadInputError, match=r"\.env, line 2: 'what is this' is not NAME=value"):
        env_file.parse(path)


def test_an_image_is_out_of_date_when_a_file_or_its_parent_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "ROOT", tmp_path)
    (tmp_path / "Dockerfile").write_text("ARG TAG\nFROM parent:${TAG}\nCOPY app /app\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("1")
    image = images.Image("child:1", tmp_path, tmp_path / "Dockerfile", {"TAG": "7"})
    assert image.parents() == ["parent:7"]
    first = images._hash(image, {"parent:7": "a"})
    assert images._hash(image, {"parent:7": "a"}) == first
    assert images._hash(image, {"parent:7": "b"}) != first
    (tmp_path / "app" / "main.py").write_text("2")
    assert images._hash(image, {"parent:7": "a"}) != first


def test_a_machine_without_any_image_has_no_labels() -> None:
    assert images.parse_labels("\n") == {}
    assert images.parse_labels("a:1 b:1 \tabc\n\n") == {"a:1": "abc", "b:1": "abc"}


def test_the_report_s_rows_come_back_as_they_went() -> None:
    report = MonthReport("green", 2021, 1, "import", {"source": 2, "parquet": 2}, {"fetch": 0.5})
    assert unflatten(report.flat()) == {
        "color": "green",
        "year": 2021,
        "month": 1,
        "source": "import",
        "rows": {"source": 2, "parquet": 2},
        "seconds": {"fetch": 0.5},
    }


def test_the_count_table_sums_each_store() -> None:
    rows = {"source": 76_518, "parquet": 76_518, "bigquery": 76_518, "postgres": 76_517}
    month = {"color": "green", "year": 2021, "month": 1, "source": "import", "rows": rows}
    lines = count_table([month, {**month, "month": 2}]).splitlines()
    assert lines[-1].split() == ["total", "153,036", "153,036", "153,036", "153,034"]
    assert len({len(line) for line in lines}) == 1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder."""
    monkeypatch.setattr(taxi_files, "DATA", tmp_path / "data")
    monkeypatch.setattr(taxi_files, "SOURCES", tmp_path / "data" / "sources.json")
    return tmp_path / "data"


def test_a_folder_without_taxi_files_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    with pytest.raises(BadInputError, match=r"no file in it is named like green/green_tripdata_2021-01\.csv\.gz"):
        taxi_files.import_folder(tmp_path / "from")
    with pytest.raises(BadInputError, match="there is no such folder"):
        taxi_files.import_folder(tmp_path / "nowhere")
    assert not folder.exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x1f\x8b"])
def test_a_file_that_is_no_taxi_file_is_not_imported(folder: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "from" / "green" / "green_tripdata_2021-01.csv.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="nothing of it was imported"):
        taxi_files.import_folder(tmp_path / "from")
    assert not folder.exists()


def test_an_imported_file_is_noted_as_such(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zones = tmp_path / "from" / "misc" / "taxi_zone_lookup.csv"
    zones.parent.mkdir(parents=True)
    zones.write_text('"LocationID"\n')
    assert taxi_files.import_folder(tmp_path / "from") == 0
    assert (folder / "misc" / "taxi_zone_lookup.csv").read_text() == '"LocationID"\n'
    assert json.loads((folder / "sources.json").read_text()) == {"misc/taxi_zone_lookup.csv": "import"}
    assert "misc/taxi_zone_lookup.csv: import" in capsys.readouterr().out


def test_with_the_first_month_that_is_downloaded_comes_the_names_of_the_zones(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def urlopen(url: str, timeout: float) -> io.BytesIO:
        asked.append(url.removeprefix(f"{RELEASE_URL}/"))
        return io.BytesIO(b"content")

    monkeypatch.setattr(taxi_files, "urlopen", urlopen)
    taxi_files.ensure([TripFile("green", 2021, 1), TripFile("green", 2021, 2)], runtime=None)  # type: ignore[arg-type]
    months = ["green/green_tripdata_2021-01.csv.gz", "green/green_tripdata_2021-02.csv.gz"]
    assert asked == [months[0], "misc/taxi_zone_lookup.csv", months[1]]
    assert json.loads((folder / "sources.json").read_text()) == dict.fromkeys(asked, "download")
    assert all((folder / name).read_bytes() == b"content" for name in asked)


@pytest.mark.parametrize(("content", "source"), [(b"...", "import"), (taxi_files.SYNTHETIC_MARK, "synthetic")])
def test_what_was_put_there_by_hand_is_noted_too(folder: Path, content: bytes, source: str) -> None:
    trips = TripFile("green", 2021, 1)
    (folder / trips.csv_path).parent.mkdir(parents=True)
    (folder / trips.csv_path).write_bytes(content)
    taxi_files.ensure([trips], runtime=None)  # type: ignore[arg-type]
    assert taxi_files.sources() == {trips.csv_path: source}


def test_the_host_needs_nothing_but_the_standard_library() -> None:
    ours = {"ctl", "orionbox"}
    shared = [
        ROOT / "src/orionbox" / f"{name}.py"
        for name in ("__init__", "errors", "progress", "report", "services", "settings", "states", "trips")
    ]
    for path in [*sorted((ROOT / "ctl").glob("*.py")), *shared]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            foreign = [name for name in names if name.split(".")[0] not in sys.stdlib_module_names | ours]
            assert foreign == [], path


def test_a_run_s_container_that_is_just_being_removed_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    left, removals = [["c1", "c2"], ["c1"], []], 0

    def output(*command: str) -> str:
        nonlocal removals
        if "ps" in command:
            return "\n".join(left.pop(0))
        removals += 1
        raise CommandError("removal of container c1 is already in progress")

    for module in (runtime, containers):
        monkeypatch.setattr(module, "output", output)
    monkeypatch.setattr(env_file, "load", lambda: {"COMPOSE_PROJECT_NAME": "orionbox"})
    runtime.remove_runs()
    assert (left, removals) == ([], 2)


def test_a_run_s_container_that_cannot_be_removed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def output(*command: str) -> str:
        if "ps" in command:
            return "c1"
        raise CommandError("permission denied")

    for module in (runtime, containers):
        monkeypatch.setattr(module, "output", output)
    monkeypatch.setattr(env_file, "load", lambda: {"COMPOSE_PROJECT_NAME": "orionbox"})
    monkeypatch.setattr(runtime, "REMOVAL_TIMEOUT", 0.1)
    with pytest.raises(CommandError, match="permission denied"):
        runtime.remove_runs()


def test_a_checkout_without_git_knows_its_own_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout_copy.copy_of_the_tree(tmp_path)
    theirs = {"data/green/x.csv.gz", ".env", ".venv/bin/python", "ctl/__pycache__/x.pyc", ".ruff_cache/x"}
    for name in theirs:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(checkout_copy, "ROOT", tmp_path)
    assert not checkout_copy.has_history()
    known = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    present = [name for name in known.stdout.splitlines() if (ROOT / name).exists()]
    assert set(present) <= set(checkout_copy.sources())
    assert not theirs & set(checkout_copy.sources())
