"""The processes that evaluate JavaScript: started when one is needed, ended when none has been for a while."""

from __future__ import annotations

import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from services.bigquery.errors import BigQueryError
from services.bigquery.language.functions.pipes import read, write
from services.bigquery.language.pool import is_stopped

SECONDS = 30.0
"""How long a function may take for a vector of at most 2,048 rows."""
MOST_MEMORY = 128 * 2**20
"""Bytes that a function may use."""
PROCESS_MEMORY = 400 * 2**20
"""Bytes that its process may have for all contexts."""
PROCESSES = 2
"""At the same time; others wait."""
IDLE_SECONDS = 30.0
_LOOK = 0.2
_MODULE = "services.bigquery.language.functions.javascript_worker"


class FailedError(Exception):
    """What JavaScript threw, or why it was ended.

    Attributes:
        kind: timeout, memory, parse or evaluation.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class _Process:
    """One process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", _MODULE, str(PROCESS_MEMORY)]
        root = Path(__file__).parents[4]
        pipe = subprocess.PIPE
        # V8 writes its last words to standard error
        self._process = subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self.used = time.monotonic()

    def ask(self, request: Any) -> Any:
        """The answer to a request; None if the process has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        stopped = is_stopped.get()
        end = time.monotonic() + 2 * SECONDS + 5
        try:
            write(self._process.stdin, request)
            while not select.select([self._process.stdout], [], [], _LOOK)[0]:
                if stopped() or time.monotonic() > end:
                    return None
            return read(self._process.stdout)
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.communicate()


class Processes:
    """All processes; safe for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(PROCESSES)
        self._idle: list[_Process] = []

    def evaluate(self, texts: list[str], call: str) -> str:
        """The value of a call.

        Args:
            texts: What is evaluated before it, once in each context.
            call: An expression whose value is a string or a promise of one.

        Raises:
            FailedError: It threw something, took too long or needed too much memory.
        """
        request = {"texts": texts, "call": call, "seconds": SECONDS, "memory": MOST_MEMORY}
        with self._turns:
            with self._lock:
                process = self._idle.pop() if self._idle else None
            try:
                process = process or _Process()
            except (OSError, RuntimeError) as error:  # too little memory for another process
                raise FailedError("memory", str(error)) from error
            answer = process.ask(request)
            if answer is None:
                process.close()
                if is_stopped.get()():
                    raise BigQueryError("stopped", "Job execution was cancelled: User requested cancellation")
                raise FailedError("memory", "the process has ended")
            self._give_back(process)
        if "error" in answer:
            raise FailedError(answer["error"], answer["text"])
        return str(answer["value"])

    def _give_back(self, process: _Process) -> None:
        process.used = time.monotonic()
        with self._lock:
            self._idle.append(process)
        timer = threading.Timer(IDLE_SECONDS + 1, self._end_idle)
        timer.daemon = True
        with suppress(RuntimeError):  # too little memory for another thread; the next one looks
            timer.start()

    def _end_idle(self) -> None:
        with self._lock:
            old = [one for one in self._idle if time.monotonic() - one.used > IDLE_SECONDS]
            self._idle = [one for one in self._idle if one not in old]
        for one in old:
            one.close()


processes = Processes()
