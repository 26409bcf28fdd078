"""What is typed wrong is refused before anything starts."""

from __future__ import annotations

import pytest

from tests.conftest import Checkout


@pytest.mark.parametrize("target", ["run-etl", "ingest", "data"])
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("MONTHS=13", "MONTHS=13: a month is a number from 1 to 12"),
        ("COLOR=pink", "COLOR=pink: there is no such colour; use one of yellow, green"),
        ("YEAR=abc", "YEAR=abc: not a year"),
        ("YEAR=2031", "yellow 2031-01: no such month; the release has 2019-01 to 2021-07"),
        ("MONTHS=1;ls", "MONTHS=1;ls: not a list of months"),
        ("MONTHS=$(echo 1)", "not a list of months"),
        ("MONTHS=", "MONTHS=: not a list of months"),
        ("MONTHS=0", "MONTHS=0: a month is a number from 1 to 12"),
        ("MONTHS=-1", "MONTHS=-1: not a list of months"),
        ("MONTHS=1.5", "MONTHS=1.5: not a list of months"),
        ("MONTHS=1-3", "MONTHS=1-3: not a list of months"),
        ("COLOR=yellow'; DROP TABLE zones; --", "there is no such colour"),
        ("COLOR=../../etc", "COLOR=../../etc: there is no such colour"),
        ("YEAR=21", "YEAR=21: not a year"),
        ("YEAR=1999", "YEAR=1999: taxi trips are on record from 2009"),
    ],
)
def test_bad_arguments_get_one_line_and_exit_2(checkout: Checkout, target: str, argument: str, message: str) -> None:
    done = checkout.run("make", target, argument)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("make: ***")]
    assert done.returncode == 2
    assert len(lines) == 1 and message in lines[0]
    assert not (checkout.root / ".env").exists(), "nothing was started, nothing was written"


@pytest.mark.parametrize("target", ["up", "run-etl"])
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("ENGINE=spark", "ENGINE=spark: not an engine; use one of threads, dask"),
        ("WORKERS=0", "WORKERS=0: not a number of workers; use 1 to 99, like WORKERS=2"),
        ("WORKERS=many", "WORKERS=many: not a number of workers"),
    ],
)
def test_a_wrong_engine_gets_one_line_and_exit_2(checkout: Checkout, target: str, argument: str, message: str) -> None:
    test_bad_arguments_get_one_line_and_exit_2(checkout, target, argument, message)


def test_make_alone_prints_the_help(checkout: Checkout) -> None:
    output = checkout.make()
    for target in (
        "up",
        "run-etl",
        "ingest",
        "status",
        "logs",
        "shell",
        "psql",
        "down",
        "reset",
        "data",
        "engine",
        "test",
    ):
        assert f"make {target} " in output
