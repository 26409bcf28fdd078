"""The command line: one table, from which help, make's list and every refusal come."""

from __future__ import annotations

import re

import pytest

from cli import options
from cli.options import BY_NAME, COMMANDS
from orionbox.errors import BadInputError
from tests.conftest import ROOT


def test_an_unknown_option_is_refused_with_a_suggestion() -> None:
    with pytest.raises(BadInputError, match=r"^unknown argument --colour=green \(did you mean --color\?\); see: "):
        options.parse(["run-etl", "--colour=green"], "0")


@pytest.mark.parametrize("arguments", [["fly"], ["run-etl", "--color"], ["--fly", "up"]])
def test_a_wrong_command_line_is_refused_without_a_traceback(arguments: list[str]) -> None:
    with pytest.raises(BadInputError):
        options.parse(arguments, "0")


def test_values_reach_the_command_as_they_were_typed() -> None:
    found = options.parse(["run-etl", "--color", "green", "--months=1,2", "--task-runner", "dask"], "0")
    assert (found.color, found.year, found.months, found.task_runner) == ("green", "2021", "1,2", "dask")
    assert options.parse(["psql", "-c", "SELECT 1"], "0").sql == "SELECT 1"
    assert options.parse(["data", "--from", "/x"], "0").from_ == "/x"
    assert options.parse(["logs", "orion", "agent", "--tail=5"], "0").service == ["orion", "agent"]


def test_make_knows_every_command() -> None:
    text = (ROOT / "GNUmakefile").read_text() + (ROOT / "dev/dev.mk").read_text()
    everybody, maintainers = (re.search(rf"^{name} := (.*)$", text, re.M) for name in ("COMMANDS", "MAINTAINERS"))
    assert everybody and maintainers
    assert everybody[1].split() == [one.name for one in COMMANDS if one.group and not one.is_for_maintainers]
    assert maintainers[1].split() == [one.name for one in COMMANDS if one.is_for_maintainers]


def test_the_list_of_commands_is_short_and_narrow() -> None:
    lines = options.overview("make {}").splitlines()
    assert max(map(len, lines)) < 80 and len(lines) <= 40, max(lines, key=len)
    assert all(command.help[0].islower() and not command.help.endswith(".") for command in COMMANDS)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_command_has_help_with_all_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        options.parse([name, "--help"], "0")
    text = capsys.readouterr().out
    assert done.value.code == 0
    for option in BY_NAME[name].options:
        assert option.help.split()[0] in text and (option.is_positional or option.name in text)
