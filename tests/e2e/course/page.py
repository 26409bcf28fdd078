"""Reads a page's code blocks: files (```python title=NAME) and sessions (```console), in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

BLOCK = re.compile(r"^```(?P<language>\w+)(?: title=(?P<title>\S+))?\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^(?P<where>\$|workspace\$) (?P<command>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A file to write into the workspace, or a command to type on the host or in the shell."""

    where: Literal["file", "host", "shell"]
    text: str
    name: str = ""


def steps(page: str) -> Iterator[Step]:
    """Returns every step of the page."""
    for block in BLOCK.finditer(page):
        if block["title"]:
            yield Step("file", block["body"], block["title"])
        elif block["language"] == "console":
            for prompt in PROMPT.finditer(block["body"]):
                yield Step("host" if prompt["where"] == "$" else "shell", prompt["command"])
