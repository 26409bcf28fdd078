"""A run followed to its end through an Orion that is slow, odd or away, and left with Ctrl-C."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import waiting
from cli.runs import follow
from cli.runs.follow import Silence, orion_with_retries
from cli.runs.progress_bars import Bars
from cli.runtimes import failures
from orionbox.errors import CommandError
from orionbox.orion.client import Orion, Retries
from tests.unit.fake_api import FakeApi, close_connection, json_answer, raw_answer

CREATED = "2026-11-20T17:31:20.000000+00:00"
PAGE = "/flow-runs/flow-run/x"


class FakeRun:
    """Orion's answers about a run that moves on with each look: Pending, Running, Completed; a log line each time."""

    def __init__(self, states: tuple[str, ...] = ("PENDING", "RUNNING", "COMPLETED")) -> None:
        self.states, self.looks = states, 0

    def __call__(self, path: str, body: Any) -> Any:
        if path.endswith("flow_runs/x"):
            state = self.states[min(self.looks, len(self.states) - 1)]
            self.looks += 1
            return {"id": "x", "created": CREATED, "state_type": state, "state_name": state.capitalize()}
        if path.endswith("/logs/filter"):
            moment = CREATED.replace(":20.", ":21.")
            return [{"id": str(n), "timestamp": moment, "level": 20, "message": f"line {n}"} for n in range(self.looks)]
        if path.endswith("/set_state"):
            return {"status": "ACCEPT", "state": {"type": "CANCELLING"}}
        return []


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL_SECONDS", 0)


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi(route=FakeRun()).serving() as api:
        yield api


def client(api: FakeApi, bars: Bars, seconds: float = 5) -> Orion:
    silence = Silence(bars.say, first=0)
    return Orion(api.url, Retries(seconds, 0.001, 0.001, silence.on_silence, silence.on_answer))


def test_a_run_is_followed_to_its_end_with_every_log_line_once(api: FakeApi) -> None:
    printed = io.StringIO()
    bars = Bars(printed)
    assert follow.follow(client(api, bars), "x", bars)["state_type"] == "COMPLETED"
    assert printed.getvalue().splitlines() == [f"   1.0 s  line {number}" for number in range(3)]


def test_single_errors_and_odd_answers_end_nothing(api: FakeApi) -> None:
    api.answers = [
        json_answer({}, 500),
        close_connection,
        raw_answer(b"<html>"),
        json_answer({}, 503),
        raw_answer(b"{", length=9),
    ]
    printed = io.StringIO()
    bars = Bars(printed)
    assert follow.follow(client(api, bars), "x", bars)["state_type"] == "COMPLETED"
    lines = printed.getvalue().splitlines()
    assert lines[0] == "Orion has not answered for 0 s; still waiting (see why: make status)"
    assert "Orion answers again" in lines
    assert [line for line in lines if "line " in line] == [f"   1.0 s  line {number}" for number in range(3)]


def test_the_longer_the_silence_the_rarer_the_reports() -> None:
    reports: list[str] = []
    silence = Silence(reports.append)
    for seconds in range(100):
        silence.on_silence(seconds)
    silence.on_answer()
    silence.on_answer()
    end = "s; still waiting (see why: make status)"
    waiting = [f"Orion has not answered for {seconds} {end}" for seconds in (10, 20, 40, 80)]
    assert reports == [*waiting, "Orion answers again"]
    silence.on_silence(9)
    silence.on_silence(10)
    assert reports[5:] == waiting[:1], "the next silence is reported like the first"


def test_a_short_silence_is_not_worth_a_word() -> None:
    reports: list[str] = []
    silence = Silence(reports.append)
    silence.on_silence(9.9)
    silence.on_answer()
    assert reports == []


def test_nobody_waits_for_an_orion_whose_disk_is_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(failures, "FULL_DISK", 1 << 62)
    orion = orion_with_retries("http://127.0.0.1:4200", Bars(io.StringIO()), [tmp_path])
    orion.retries.on_silence(5)
    with pytest.raises(CommandError, match="MB are free on the disk of"):
        orion.retries.on_silence(10)


def test_only_ten_minutes_of_silence_end_the_command() -> None:
    orion = orion_with_retries("http://127.0.0.1:4200", Bars(io.StringIO()))
    assert orion.retries.seconds == 600
    orion.retries.on_silence(599)


def test_after_the_longest_silence_the_user_learns_that_the_run_was_not_stopped(api: FakeApi) -> None:
    api.answers = [close_connection] * 1000
    bars = Bars(io.StringIO())
    with pytest.raises(CommandError) as caught:
        follow.follow(client(api, bars, seconds=0.02), "x", bars)
    assert "Orion does not answer" in caught.value.text
    assert "the run itself was not stopped" in caught.value.text
    assert "make status" in caught.value.fix and PAGE in caught.value.fix


def test_a_run_that_orion_does_not_know_is_an_error_at_once(api: FakeApi) -> None:
    api.answers = [json_answer({"detail": "Not found"}, 404)]
    bars = Bars(io.StringIO())
    with pytest.raises(CommandError, match="404"):
        follow.follow(client(api, bars), "x", bars)
    assert len(api.requests) == 1


def test_a_run_that_the_agent_does_not_take_is_reported_once(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "AGENT_SECONDS", -1)
    api.route = FakeRun(("PENDING", "PENDING", "COMPLETED"))
    printed = io.StringIO()
    bars = Bars(printed)
    follow.follow(client(api, bars), "x", bars)
    assert printed.getvalue().count("still Pending after -1 s; look at it with: make logs SERVICE=agent") == 1


class Keyboard:
    """A user who presses Ctrl-C at the first pause, and then answers the question."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: str | type[BaseException], is_terminal: bool = True):
        self.answer = answer
        monkeypatch.setattr("time.sleep", self.press)
        monkeypatch.setattr("builtins.input", self.reply)
        monkeypatch.setattr("sys.stdin", io.StringIO())
        monkeypatch.setattr("sys.stdin.isatty", lambda: is_terminal)

    def press(self, seconds: float) -> None:
        raise KeyboardInterrupt

    def reply(self, question: str) -> str:
        assert question == "Cancel it? [y/N] "
        if isinstance(self.answer, str):
            return self.answer
        raise self.answer


def leave(api: FakeApi) -> None:
    bars = Bars(io.StringIO())
    with pytest.raises(SystemExit) as caught:
        follow.follow(client(api, bars), "x", bars)
    assert caught.value.code == 130


def cancelled(api: FakeApi) -> bool:
    return any(path.endswith("/set_state") for _, path, _ in api.requests)


def test_ctrl_c_says_that_the_run_goes_on_and_asks(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Keyboard(monkeypatch, "")
    leave(api)
    port = api.url.rpartition(":")[2]
    assert capsys.readouterr().out == f"\nThe run goes on: http://localhost:{port}{PAGE}\n"
    assert not cancelled(api)


@pytest.mark.parametrize("answer", ["y", " Y "])
def test_the_run_is_cancelled_if_the_user_confirms(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    Keyboard(monkeypatch, answer)
    leave(api)
    assert capsys.readouterr().out.endswith("The agent is stopping the run.\n")
    assert api.requests[-1] == ("POST", "/api/flow_runs/x/set_state", {"state": {"type": "CANCELLING"}})


@pytest.mark.parametrize("answer", [KeyboardInterrupt, EOFError])
def test_a_second_ctrl_c_leaves_the_run_alone(
    api: FakeApi,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: type[BaseException],
) -> None:
    Keyboard(monkeypatch, answer)
    leave(api)
    assert capsys.readouterr().out.endswith("\nNot cancelled.\n")
    assert not cancelled(api)


def test_without_a_terminal_ctrl_c_asks_nothing(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Keyboard(monkeypatch, AssertionError, is_terminal=False)
    leave(api)
    assert "The run goes on" in capsys.readouterr().out
    assert not cancelled(api)


@pytest.mark.parametrize(
    ("state", "line"), [("CANCELLED", "Cancelled."), ("COMPLETED", "Not cancelled: the run is Completed already.")]
)
def test_cancelling_a_run_without_the_agent_reports_its_state(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: str, line: str
) -> None:
    run = FakeRun()
    answer = {"status": "REJECT", "state": {"type": state}}
    api.route = lambda path, body: answer if path.endswith("/set_state") else run(path, body)
    Keyboard(monkeypatch, "y")
    leave(api)
    assert capsys.readouterr().out.endswith(f"{line}\n")


TRACEBACK = 'Traceback (most recent call last):\n  File "etl.py", line 3, in etl\n    raise ValueError("two\\nlines")\n'


@pytest.mark.parametrize(
    ("level", "message", "line"),
    [
        (20, "green_tripdata_2021-01.csv.gz: 5 rows", "green_tripdata_2021-01.csv.gz: 5 rows"),
        (20, "Created task run 'web-to-gcs'", ""),
        (
            20,
            "Finished in state Completed('All states completed.')",
            "Finished in state Completed('All states completed.')",
        ),
        (40, "Finished in state Failed('Task run encountered an exception BadInputError: x')", ""),
        (20, "Finished in state NotReady(\"Upstream task run 'x' did not reach a 'COMPLETED' state.\")", ""),
        (10, f"Encountered exception during execution:\n{TRACEBACK}BadInputError: x", ""),
        (
            40,
            "failed: a.csv.gz, line 3: a zero byte; fix it",
            "a.csv.gz, line 3: failed; the reason follows at the end",
        ),
        (
            40,
            f"Encountered exception during execution:\n{TRACEBACK}ConnectionError: no answer\n",
            "Encountered exception during execution: ConnectionError: no answer",
        ),
        (
            40,
            f"Encountered exception:\n{TRACEBACK}KeyError: 1\n\nDuring that:\n\n{TRACEBACK}ValueError: two\nlines",
            "Encountered exception: ValueError: two",
        ),
        (40, "no space left", "no space left"),
        (20, "a\x1b]0;title\x07\tb\nc", "a\\x1b]0;title\\x07\tb\nc"),
    ],
)
def test_the_terminal_shows_an_error_once_and_without_its_traceback(level: int, message: str, line: str) -> None:
    assert follow.shown(level, message) == line


def test_a_run_that_nobody_starts_says_what_it_waits_for(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0)
    monkeypatch.setattr(follow, "AGENT_SECONDS", 0)
    printed = io.StringIO()
    bars = Bars(printed)
    follow.follow(client(api, bars), "x", bars)
    assert "  waiting for the agent to start the run (0 s)\n" in printed.getvalue()
    assert printed.getvalue().count("look at it with: make logs SERVICE=agent") == 1
