"""The messages that flows and Orion have sent to the chat. Service `internet` stands in for the chat and keeps them."""

from __future__ import annotations

import json

from cli.programs import say
from cli.runtimes.runtime import Runtime
from orionbox.errors import printable


def show(runtime: Runtime) -> int:
    """Prints the messages, oldest first: time, host, text."""
    messages = [json.loads(line) for line in runtime.inbox().splitlines() if line]
    for message in messages:
        text = printable(message["text"], keep="\n\t").replace("\n", "\n    ")
        say(f"{message['time']}  {printable(message['host'])}\n    {text}")
    if not messages:
        real = "with INTERNET=real, the real Slack gets the messages to"
        reason = real if runtime.settings.has_internet else "nothing was sent to"
        say(f"the inbox is empty: {reason} https://hooks.slack.com/services/...")
    return 0
