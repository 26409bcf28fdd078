"""Variables on make's command line: they become options as they were typed, or are refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from cli import make_variables
from orionbox.errors import BadInputError
from tests.conftest import ROOT

SETTINGS = ["ORION_PORT", "TASK_RUNNER", "RUNTIME"]


def from_make(command: str, **variables: str) -> list[str]:
    return make_variables.arguments(command, variables, SETTINGS)


def refusal(command: str, **variables: str) -> str:
    with pytest.raises(BadInputError) as error:
        from_make(command, **variables)
    return str(error.value)


def test_variables_of_make_become_options() -> None:
    assert from_make("run-etl", COLOR="green", MONTHS="1,2") == ["--color=green", "--months=1,2"]
    assert from_make("logs", SERVICE="orion agent") == ["orion", "agent"]
    assert from_make("restore", FILE="a b.tar", SECRETS="no") == ["a b.tar", "--without-blocks"]
    assert from_make("backup", SECRETS="yes") == ["--secrets"] and from_make("backup", SECRETS="no") == []
    assert from_make("psql", SQL="SELECT 1") == ["--sql=SELECT 1"]


def test_a_setting_is_not_an_option_of_a_command() -> None:
    assert from_make("up", ORION_PORT="4300", RUNTIME="embedded") == []


def test_an_unknown_variable_is_refused_with_a_suggestion() -> None:
    assert refusal("run-etl", COLOUR="green") == "unknown variable COLOUR (did you mean COLOR?)"
    assert refusal("up", ORION_PROT="1") == "unknown variable ORION_PROT (did you mean ORION_PORT?)"
    assert refusal("up", XYZ="1") == "unknown variable XYZ; see its options: ./orionbox up --help"
    assert refusal("down", COLOR="green").startswith("unknown variable COLOR"), "another command's"


def test_a_variable_for_an_option_without_a_value_says_yes_or_no() -> None:
    assert refusal("backup", SECRETS="maybe") == "SECRETS=maybe: not yes or no; use SECRETS=yes or SECRETS=no"


def make(folder: Path, *arguments: str) -> list[str]:
    """What a recipe of our Makefile hands to ./orionbox: MAKEFLAGS as Python reads it, then the arguments."""
    show = "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]]))"
    (folder / "orionbox").write_text(f"exec python3 -c '{show}' \"$@\"\n")
    for name in ("GNUmakefile", "dev/dev.mk"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text((ROOT / name).read_text())
    env = {"PATH": "/usr/bin:/bin:/usr/local/bin", "COLOR": "exported"}
    done = subprocess.run(["make", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=True)
    environment, words = json.loads(done.stdout)
    return [environment.get("MAKEFLAGS", ""), *words]


AWKWARD = {
    "FILE": "x$(shell touch pwned).tar",
    "COLOR": "a b\"c'd\\e",
    "MONTHS": "$$1,#2 -- 3",
    "YEAR": "",
}


def test_make_expands_nothing_and_runs_nothing(tmp_path: Path) -> None:
    makeflags, *words = make(tmp_path, "run-etl", *(f"{name}={value}" for name, value in AWKWARD.items()))
    assert make_variables.read(makeflags) == AWKWARD
    assert words == ["run-etl", "--make"]
    assert not (tmp_path / "pwned").exists()


def test_gnu_make_3_81_leaves_out_the_dashes_before_its_variables() -> None:
    """Its MAKEFLAGS with no flag, with -k, with -s and no variable, and with -j2, as it writes them itself."""
    assert make_variables.read("B=2 COLOR=a\\ b") == {"COLOR": "a b", "B": "2"}
    assert make_variables.read("k -- A=1") == {"A": "1"} and make_variables.read("s") == {}
    assert make_variables.read("j --jobserver-fds=3,4 -- A=b") == {"A": "b"}
    assert make_variables.read(" --jobserver-auth=3,4 -j2") == {}


def test_a_variable_that_is_merely_exported_is_no_argument(tmp_path: Path) -> None:
    makeflags, *_ = make(tmp_path, "run-etl")
    assert make_variables.read(makeflags) == {}


@pytest.mark.parametrize(
    ("flags", "expected"), [(["-s"], {}), (["-k", "-j2", "A=1"], {"A": "1"}), (["A:=1"], {"A": "1"})]
)
def test_flags_of_make_are_no_variables(tmp_path: Path, flags: list[str], expected: dict[str, str]) -> None:
    makeflags, *_ = make(tmp_path, "up", *flags)
    assert make_variables.read(makeflags) == expected
