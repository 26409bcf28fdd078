"""What the inbox keeps of the messages that Slack would get."""

from __future__ import annotations

import pytest

from cli.runtimes.embedded.internet import stand_in
from services.internet.slack_inbox import parse, texts
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ('{"text": "hello"}', ["hello"]),
        ("payload=%7B%22text%22%3A+%22hello%22%7D", ["hello"]),
        ('{"attachments": [{"title": "Prefect", "text": "run is done", "ts": 1}]}', ["Prefect", "run is done"]),
        ('{"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "*done*"}}]}', ["*done*"]),
    ],
)
def test_every_text_of_a_message_is_kept(body: str, kept: list[str]) -> None:
    assert list(texts(parse(body))) == kept


@pytest.mark.parametrize("body", ["hello", "", "payload=", "payload=hello"])
def test_an_invalid_message_is_refused(body: str) -> None:
    with pytest.raises(ValueError):
        parse(body)


def test_both_runtimes_take_messages_under_the_same_paths() -> None:
    assert f"location {stand_in.WEBHOOKS} {{" in (ROOT / "services/internet/conf.d/slack.conf").read_text()
