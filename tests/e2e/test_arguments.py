"""make and ./orionbox refuse wrong arguments before anything starts; tests/unit/cli has the cases."""

from __future__ import annotations

import pytest

from tests.conftest import Checkout


@pytest.mark.parametrize(
    ("command", "messages"),
    [
        (("make", "run-etl", "MONTHS=13"), ["MONTHS=13: a month is a number from 1 to 12"]),
        (("make", "data", "COLOR=$(shell touch made)"), ["COLOR=$(shell touch made): unknown color"]),
        (("make", "up", "COLOUR=green"), ["unknown variable COLOUR"]),
        (("./orionbox", "ingest", "--colour=green"), ["unknown argument --colour=green (did you mean --color?)"]),
        (("make", "up", "TASK_RUNNER=spark"), ["TASK_RUNNER=spark: not a task runner", "use one of threads, dask"]),
    ],
)
def test_a_bad_argument_gets_two_lines_and_exit_2(
    checkout: Checkout, command: tuple[str, ...], messages: list[str]
) -> None:
    done = checkout.run(*command)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("make: ***")]
    assert done.returncode == 2 and len(lines) <= 2, done.stdout
    assert all(line.startswith(message) for line, message in zip(lines, messages, strict=False)), done.stdout
    assert not (checkout.root / ".env").exists() and not (checkout.root / "made").exists(), "nothing was written"


def test_make_alone_lists_the_commands(checkout: Checkout) -> None:
    assert checkout.make() == checkout.make("help")
    assert "make run-etl " in checkout.make() and "make bench " in checkout.make("dev-help")
