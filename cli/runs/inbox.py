"""What flows and Orion have sent to the outside world's chat: messages that the `internet` service keeps."""

from __future__ import annotations

import json

from cli.programs import output, say
from cli.runtimes.compose import runtime as platform
from cli.runtimes.runtime import Runtime
from orionbox.errors import CommandError

READ = "import pathlib as p; f = p.Path('/var/lib/inbox/messages.jsonl'); print(f.read_text() if f.exists() else '')"


def show(runtime: Runtime) -> int:
    """Prints the messages, oldest first: time, host, text.

    Raises:
        CommandError: this runtime has nobody who would answer for the chat's host.
    """
    if runtime.NAME != platform.NAME:
        raise CommandError(f"the {runtime.NAME} runtime has no stand-in for hooks.slack.com; use: RUNTIME=compose")
    runtime.ensure_up()
    lines = output(*platform.COMPOSE, "exec", "-T", "internet", "python3", "-c", READ).splitlines()
    messages = [json.loads(line) for line in lines if line]
    for message in messages:
        text = message["text"].replace("\n", "\n    ")
        say(f"{message['time']}  {message['host']}\n    {text}")
    if not messages:
        say("the inbox is empty: nothing was sent to https://hooks.slack.com/services/...")
    return 0
