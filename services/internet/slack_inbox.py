#!/usr/bin/python3
"""A CGI program (RFC 3875) that stands in for Slack's incoming webhooks: adds the message to the inbox, answers "ok".

A message is one line of JSON: time, host, text. nginx runs this program in compose; without Docker, the stand-in in
cli/runtimes/embedded does, and names the file in INBOX.
"""

import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

INBOX = "/var/lib/inbox/messages.jsonl"
"""The file of the messages in compose."""
LONGEST = 100_000
"""Bytes of a message; Slack accepts fewer."""


def texts(message: Any) -> Iterator[str]:
    """Yields every text in a message, wherever Slack's formats have it (https://api.slack.com/reference/messaging/payload)."""
    if isinstance(message, list):
        for part in message:
            yield from texts(part)
    elif isinstance(message, dict):
        for name, part in message.items():
            if name in ("title", "text", "pretext") and isinstance(part, str):
                yield part.strip()
            else:
                yield from texts(part)


def parse(body: str) -> Any:
    """Returns the message in the body: JSON, or a form with JSON in its field `payload`.

    Raises:
        ValueError: there is no message.
    """
    return json.loads(parse_qs(body).get("payload", [""])[0] if body.startswith("payload=") else body)


def main() -> None:
    """Answers one request: a POST, whose body is the message."""
    if os.environ["REQUEST_METHOD"] != "POST":
        print("Status: 405\nAllow: POST\nContent-Type: text/plain\n\nsend a message with POST")  # noqa: T201
        return
    length = min(int(os.environ.get("CONTENT_LENGTH") or 0), LONGEST)
    try:
        text = "\n".join(filter(None, texts(parse(sys.stdin.buffer.read(length).decode()))))
    except ValueError:
        print("Status: 400\nContent-Type: text/plain\n\ninvalid_payload")  # noqa: T201
        return
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "host": os.environ["HTTP_HOST"], "text": text}
    with Path(os.environ.get("INBOX", INBOX)).open("a") as inbox:
        inbox.write(json.dumps(line) + "\n")
    print("Content-Type: text/plain\n\nok", end="")  # noqa: T201


if __name__ == "__main__":
    main()
