"""Says once, for each taxi file that a program fetches, whether its data is real, an excerpt or generated.

The platform's stand-in for the internet says so in a header of its answer. In a flow run the line goes into the run's
log in Orion, else to standard error. Nothing here changes what the program gets. Standard library only.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import wraps
from threading import Lock
from types import ModuleType
from typing import Any

from orionbox.trips import kinds

SAID = "ORIONBOX_SAID_FILES"
"""The variable with the files of which this process has spoken; the programs that it starts do not repeat it."""
TAXI_URL = re.compile(r"https?://[^\s'\"|;&<>()]+_tripdata_\d{4}-\d{2}\.(?:csv\.gz|csv|parquet)")
LOOK_TIMEOUT = 300
"""Seconds to wait for a file's header: a large month may have to be generated first."""
HINTS = {"excerpt": "; it has a part of the real month", "generated": "; the real file is not on this machine"}
_lock = Lock()


def note(headers: Mapping[str, str]) -> None:
    """Says what an answer's headers say about the taxi file in it; nothing for any other answer."""
    with suppress(Exception):  # a student's program must not fail because of this line
        announced = kinds.parse_header(headers.get(kinds.HEADER))
        if announced and announced.file and _is_new(announced.file):
            _say(announced)


def look(command: str) -> None:
    """Says it for each taxi file whose address is in a command, before another program such as wget fetches it."""
    for url in dict.fromkeys(TAXI_URL.findall(command)):
        if not _was_said(url.partition("/download/")[2] or url):
            with suppress(Exception):
                _ask(url)


def _ask(url: str) -> None:
    """Asks for a file's header, if its host is the platform's stand-in: the real one would say nothing about it."""
    import socket  # not at Python's start: most programs need none of these
    from ipaddress import ip_address
    from urllib.parse import urlsplit
    from urllib.request import Request, urlopen

    host = urlsplit(url).hostname or ""
    if ip_address(socket.gethostbyname(host)).is_private:
        with urlopen(Request(url, method="HEAD"), timeout=LOOK_TIMEOUT) as answer:
            note(answer.headers)


def _was_said(name: str) -> bool:
    return name in os.environ.get(SAID, "").split(":")


def _is_new(name: str) -> bool:
    """Returns whether this is the first time for the file; remembers it."""
    with _lock:
        if _was_said(name):
            return False
        os.environ[SAID] = f"{os.environ.get(SAID, '')}:{name}".lstrip(":")
        return True


def _say(announced: kinds.Announced) -> None:
    name, hint = announced.file.rpartition("/")[2], HINTS.get(announced.kind, "")
    text = f"{name}: {announced.kind} data, {announced.rows:,} rows{hint}"
    if log := _run_log():
        (log.warning if hint else log.info)(text)
    else:
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def _run_log() -> Any:
    """Returns the log of the flow run or task run that this thread works on; None outside of runs."""
    if "prefect.logging.loggers" not in sys.modules:
        return None
    with suppress(Exception):  # its error for a missing run has no base class of its own
        return sys.modules["prefect.logging.loggers"].get_run_logger()
    return None


# --- what fetches ---


def change_http(module: ModuleType) -> None:
    """Changes http.client, with which urllib, requests and pandas fetch."""
    begin = module.HTTPResponse.begin

    @wraps(begin)
    def begin_and_note(self: Any) -> None:
        begin(self)
        note(self.headers)

    module.HTTPResponse.begin = begin_and_note


def change_httpx(module: ModuleType) -> None:
    """Changes httpx."""
    send, send_async = module.Client.send, module.AsyncClient.send

    @wraps(send)
    def send_and_note(self: Any, *args: Any, **options: Any) -> Any:
        response = send(self, *args, **options)
        note(response.headers)
        return response

    @wraps(send_async)
    async def send_async_and_note(self: Any, *args: Any, **options: Any) -> Any:
        response = await send_async(self, *args, **options)
        note(response.headers)
        return response

    module.Client.send, module.AsyncClient.send = send_and_note, send_async_and_note


def change_aiohttp(module: ModuleType) -> None:
    """Changes aiohttp, with which fsspec fetches."""
    start = module.ClientResponse.start

    @wraps(start)
    async def start_and_note(self: Any, *args: Any, **options: Any) -> Any:
        response = await start(self, *args, **options)
        note(response.headers)
        return response

    module.ClientResponse.start = start_and_note


def change_subprocess(module: ModuleType) -> None:
    """Changes subprocess.Popen, by which a program starts wget or curl."""
    create = module.Popen.__init__

    @wraps(create)
    def look_and_create(self: Any, args: Any, *others: Any, **options: Any) -> None:
        look(args if isinstance(args, str) else " ".join(map(str, args)) if isinstance(args, (list, tuple)) else "")
        create(self, args, *others, **options)

    module.Popen.__init__ = look_and_create
