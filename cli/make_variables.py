"""The variables on make's command line: `make run-etl COLOR=green` becomes `./orionbox run-etl --color=green`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cli import options
from cli.options import Option
from orionbox.errors import BadInputError, did_you_mean


def read(makeflags: str) -> dict[str, str]:
    """Returns the variables given on make's command line, unexpanded.

    GNU make passes them in MAKEFLAGS after ` -- `, with a backslash before each space and backslash, and `$` doubled
    (https://www.gnu.org/software/make/manual/html_node/Variables_002fRecursion.html). GNU make 3.81, which macOS has,
    leaves out the ` -- ` if there are no flags before it. Exported variables are not included.

    Args:
        makeflags: the environment variable MAKEFLAGS, as make sets it for a recipe.
    """
    flags, dashes, words = f" {makeflags}".partition(" -- ")
    if not dashes and re.match(r" [A-Za-z_]\w*[:+?]?=", flags):
        words = flags
    found = {}
    for word in re.findall(r"(?:\\.|[^\\\s])+", words, re.DOTALL):
        name, equals, value = re.sub(r"\\(.)", r"\1", word, flags=re.DOTALL).partition("=")
        if equals:
            found[name.rstrip(":?+")] = value.replace("$$", "$")
    # MAKEFLAGS lists the variables in reverse order
    return dict(reversed(list(found.items())))


def arguments(name: str, variables: Mapping[str, str], settings: Sequence[str]) -> list[str]:
    """Returns a command's arguments as `./orionbox` takes them.

    Args:
        name: the command.
        variables: those given on make's command line.
        settings: names of settings, which every command takes.

    Raises:
        BadInputError: the command has no such variable, or its value is not yes or no.
    """
    command = options.BY_NAME[name]
    by_variable = {option.variable: option for option in command.options if option.variable}
    found: list[str] = []
    for variable, value in variables.items():
        if variable in by_variable:
            found += _argument(by_variable[variable], value)
        elif variable not in settings:
            raise _unknown(variable, name, [*by_variable, *settings])
    return found


def _argument(option: Option, value: str) -> list[str]:
    if option.is_positional:
        return value.split() if option.is_list else [value]
    if option.takes_value:
        return [f"{option.name}={value}"]
    if value not in ("yes", "no", ""):
        raise BadInputError(
            f"{option.variable}={value}: not yes or no", f"use {option.variable}=yes or {option.variable}=no"
        )
    return [option.name] if value == option.enabling_value else []


def _unknown(variable: str, command: str, known: list[str]) -> BadInputError:
    hint = did_you_mean(variable, known)
    return BadInputError(
        f"unknown variable {variable}{hint}", "" if hint else f"see its options: ./orionbox {command} --help"
    )
