"""The messages to the chat, printed."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from cli.runs import inbox


def show(*messages: dict[str, str], has_internet: bool = False) -> None:
    text = "\n".join(map(json.dumps, messages)) + "\n"
    runtime = SimpleNamespace(inbox=lambda: text, settings=SimpleNamespace(has_internet=has_internet))
    assert inbox.show(runtime) == 0  # type: ignore[arg-type]  # all that it asks for


def test_each_message_is_printed_with_its_time_and_host(capsys: pytest.CaptureFixture[str]) -> None:
    show(
        {"time": "12:00", "host": "hooks.slack.com", "text": "Run failed\nwhy: \x1b[1mdisk"},
        {"time": "", "host": "", "text": "x"},
    )
    assert capsys.readouterr().out.startswith("12:00  hooks.slack.com\n    Run failed\n    why: \\x1b[1mdisk\n")


def test_an_empty_inbox_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    show()
    assert capsys.readouterr().out.startswith("the inbox is empty: nothing was sent to")


def test_an_inbox_is_empty_if_the_real_slack_gets_the_messages(capsys: pytest.CaptureFixture[str]) -> None:
    show(has_internet=True)
    assert "with INTERNET=real, the real Slack gets the messages" in capsys.readouterr().out
