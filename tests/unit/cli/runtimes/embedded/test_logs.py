"""What `make logs` prints."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from cli.runtimes.embedded import logs
from cli.settings.settings import Settings


def write(settings: Settings, name: str, *lines: str) -> Path:
    file = logs.log_file(settings, name)
    with file.open("a") as log:
        log.write("".join(f"{line}\n" for line in lines))
    return file


def test_the_last_lines_of_each_service_are_printed_with_its_name(
    embedded: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    write(embedded, "orion", "one", "two", "three")
    write(embedded, "gcs", "four")
    logs.show(embedded, ["orion", "gcs", "agent"], 2, follow=False)
    assert capsys.readouterr().out == "orion        | two\norion        | three\ngcs          | four\n"


def test_a_tail_of_zero_prints_no_lines(embedded: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    write(embedded, "orion", "one")
    logs.show(embedded, ["orion"], 0, follow=False)
    assert capsys.readouterr().out == ""


def test_lines_before_the_last_rotation_count_too(embedded: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(embedded, "orion", "one", "two")
    file.rename(f"{file}.1")
    write(embedded, "orion", "three")
    logs.show(embedded, ["orion"], 2, follow=False)
    assert capsys.readouterr().out == "orion        | two\norion        | three\n"


def test_following_goes_on_after_a_rotation_and_waits_for_the_end_of_a_line(embedded: Settings) -> None:
    file = write(embedded, "orion", "before")
    with closing(logs.Log(file)) as log:
        log.skip()
        assert list(log.new_lines()) == []
        with file.open("a") as half:
            half.write("one, and ")
        assert list(log.new_lines()) == []
        write(embedded, "orion", "a half")
        file.rename(f"{file}.1")
        write(embedded, "orion", "two")
        assert list(log.new_lines()) == ["one, and a half", "two"]


def test_a_log_that_does_not_exist_yet_is_followed_from_its_beginning(embedded: Settings) -> None:
    with closing(logs.Log(logs.log_file(embedded, "orion"))) as log:
        log.skip()
        write(embedded, "orion", "one")
        assert list(log.new_lines()) == ["one"]
