"""How long a start may take: as long as something moves."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

import pytest

from cli.runtimes import failures, start_up
from cli.runtimes.failures import LastWords, StartError
from cli.runtimes.start_up import LIMIT, Look, Patience


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_limit_counts_from_the_last_progress(clock: Clock) -> None:
    patience = Patience(clock=clock)
    for number, text in enumerate(("creating cluster", "starting server", "ready to accept connections"), 1):
        clock.now = number * (LIMIT - 1)
        assert not patience.is_over
        patience.see([text])
    clock.now += LIMIT + 1
    assert patience.is_over


@pytest.mark.parametrize(
    "repeated",
    [
        [
            "postgres: 2026-11-26 10:00:00.123 UTC [77] FATAL: no",
            "postgres: 2026-11-26 10:00:05.456 UTC [81] FATAL: no",
        ],
        ["orion up 5 seconds", "orion up 1 minute", "orion up 9 seconds", "orion up 2 minutes"],
        ["run 21c901cf-bb54-4994-a353-f8014d80d924 waits", "run 7e0901cf-1b54-9994-0353-a8014d80d924 waits"],
    ],
)
def test_what_was_seen_before_is_no_progress_whatever_its_numbers(clock: Clock, repeated: list[str]) -> None:
    patience = Patience(clock=clock)
    patience.see(repeated)
    clock.now = LIMIT + 1
    patience.see(repeated[::-1])
    assert patience.is_over


class Services:
    """A service that is waiting for `waits` looks; its log has a new line at each."""

    pause = 0.0

    def __init__(self, clock: Clock, waits: int, seconds: float, speaks: bool = True) -> None:
        self.clock, self.waits, self.seconds, self.speaks = clock, waits, seconds, speaks
        self.looks = 0

    def look(self) -> Look:
        self.looks += 1
        self.clock.now += self.seconds
        return Look(waiting=["orion"]) if self.looks < self.waits else Look(ready=["orion ready"])

    def progress(self) -> Iterable[Hashable]:
        return ["orion: " + "x" * self.looks] if self.speaks else []

    def last_words(self, names: Sequence[str]) -> list[LastWords]:
        return [LastWords(name, "starting") for name in names]

    def folders(self) -> Iterable[Path]:
        return []


def test_a_start_may_take_hours_if_something_moves(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_up, "CHECK_SECONDS", -1)
    services = Services(clock, waits=50, seconds=LIMIT * 0.9)
    start_up.wait_until_ready(services, 0, Patience(clock=clock))
    assert services.looks == 50 and clock.now > 10_000


def test_a_full_disk_ends_the_start_at_the_first_line_about_it(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(start_up, "CHECK_SECONDS", -1)
    monkeypatch.setattr(failures, "FULL_DISK", 1 << 62)
    services = Services(clock, 999, 10)
    monkeypatch.setattr(services, "folders", lambda: [tmp_path])
    with pytest.raises(StartError, match="the platform did not start: the disk is full:"):
        start_up.wait_until_ready(services, 0, Patience(clock=clock))
    assert services.looks == 1


def test_a_start_in_which_nothing_moves_fails_and_is_never_followed_by_nothing(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_up, "CHECK_SECONDS", -1)
    with pytest.raises(StartError) as error:
        start_up.wait_until_ready(Services(clock, 999, 10, speaks=False), 0, Patience(clock=clock))
    assert error.value.text == (
        "the platform did not start: nothing has moved for 300 s:\n  orion (starting):\n    its log is empty"
    )
    assert clock.now == LIMIT + 10
