"""Messages between two processes: a length in 8 bytes, then JSON."""

from __future__ import annotations

import json
from typing import IO, Any


def read(stream: IO[bytes]) -> Any:
    """The next message; None at the end."""
    head = stream.read(8)
    return json.loads(stream.read(int.from_bytes(head, "little"))) if len(head) == 8 else None


def write(stream: IO[bytes], message: Any) -> None:
    """Sends a message."""
    data = json.dumps(message).encode()
    stream.write(len(data).to_bytes(8, "little") + data)
    stream.flush()
