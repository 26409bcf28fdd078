"""Workers: threads that each own one instance of the module, and replace it when it is damaged."""

from __future__ import annotations

import atexit
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import wasmtime

from services.bigquery.errors import BigQueryError
from services.bigquery.language.module import STACK, TICK, Module, ModuleFailed, compiled_name, new_engine

T = TypeVar("T")
SECONDS = 60.0
"""How long one call may take."""
_Task = tuple[Callable[[Module], Any], float, "Future[Any]"]


class Pool:
    """Runs work on instances of the module; safe for any number of threads.

    Args:
        folder: Where the compiled module is kept. If it is not there, this compiles it in the background, which takes
            25 s; the first calls wait for it.
        workers: How many instances there may be; each takes about 55 MB once it has worked.
        seconds: How long one call may take, unless its caller says otherwise.
    """

    def __init__(self, folder: Path, workers: int = 2, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._engine = new_engine()
        self._code: Future[wasmtime.Module] = Future()
        threading.Thread(target=self._load, args=(folder,), daemon=True).start()
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        self._threads.append(threading.Thread(target=self._tick, daemon=True))
        before = threading.stack_size(STACK + 6 * 2**20)
        try:
            for thread in self._threads:
                thread.start()
        finally:
            threading.stack_size(before)
        # A worker that still has an instance while the interpreter ends may keep it from ending
        atexit.register(self.close)

    def run(self, work: Callable[[Module], T], seconds: float | None = None) -> T:
        """Runs `work` with an instance, in a worker's thread.

        Raises:
            BigQueryError: It took longer than its limit, or the statement was too much for the module.
            ServiceError: The module's own refusal.
        """
        future: Future[T] = Future()
        self._tasks.put((work, seconds or self._seconds, future))
        return future.result()

    def close(self) -> None:
        """Ends the workers; waits until their tasks have ended."""
        atexit.unregister(self.close)
        for _ in self._threads[:-1]:
            self._tasks.put(None)
        self._ended.set()
        for thread in self._threads[:-1]:
            thread.join()

    def _load(self, folder: Path) -> None:
        """Loads the module's code, and compiles it first where that has not been done; calls wait meanwhile."""
        try:
            code = _load_code(self._engine, folder)
        except BaseException as error:  # handed to each caller
            self._code.set_exception(error)
        else:
            self._code.set_result(code)

    def _tick(self) -> None:
        while not self._ended.wait(TICK):
            self._engine.increment_epoch()

    def _work(self) -> None:
        module: Module | None = None
        while (task := self._tasks.get()) is not None:
            work, seconds, future = task
            try:
                module = module or Module(self._engine, self._code.result())
                module.allow(seconds)
                future.set_result(work(module))
            except ModuleFailed as failure:
                module = None
                future.set_exception(_as_error(failure, seconds))
            except BaseException as error:  # handed to the caller, who waits for it
                future.set_exception(error)
            if module is not None and module.is_too_large():
                module = None


def _load_code(engine: wasmtime.Engine, folder: Path) -> wasmtime.Module:
    """The module's code; compiled by another process first where that has not been done, for the sake of memory."""
    file = folder / compiled_name()
    if not file.exists():
        _compile(folder)
    try:
        return wasmtime.Module.deserialize_file(engine, str(file))
    except wasmtime.WasmtimeError:  # the disk has lost a part of it
        file.unlink(missing_ok=True)
        _compile(folder)
        return wasmtime.Module.deserialize_file(engine, str(file))


def _compile(folder: Path) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "services.bigquery.language.compile_module", str(folder)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        text = f"Google's SQL module could not be compiled into {folder}: {last}"
        raise BigQueryError("internalError", text, status=500)


def _as_error(failure: ModuleFailed, seconds: float) -> BigQueryError:
    if failure.interrupted:
        return BigQueryError(
            "timeout", f"Operation timed out after {seconds:g} seconds in Google's SQL module", status=400
        )
    return BigQueryError("resourcesExceeded", "Resources exceeded: the statement is nested too deeply", status=400)
