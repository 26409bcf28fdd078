"""Workers: threads that each own one instance of the module, and replace it when it is damaged."""

from __future__ import annotations

import atexit
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import wasmtime

from services.bigquery.errors import BigQueryError
from services.bigquery.language.module import STACK, TICK, Module, ModuleFailed, compiled_name, new_engine

T = TypeVar("T")
SECONDS = 60.0
"""How long one call may take."""
EVALUATORS = 2
"""Workers for evaluation, which may take long; so analysis, which every statement needs, never waits for it."""
IDLE_SECONDS = 30.0
"""After which a worker gives its instance back; the first one for analysis keeps it."""


def _never() -> bool:
    return False


is_stopped: ContextVar[Callable[[], bool]] = ContextVar("is_stopped", default=_never)
"""Says whether the job that this thread works for is to end; calls of the module end soon after."""


@dataclass(frozen=True)
class _Task:
    work: Callable[[Module], Any]
    seconds: float
    is_stopped: Callable[[], bool]
    future: Future[Any]


class _Workers:
    """Some threads; the one that worked last works next, so that the others' instances can go.

    Args:
        count: How many.
        new_module: Makes an instance.
        keeps_one: Whether the first one keeps its instance for ever.
    """

    def __init__(self, count: int, new_module: Callable[[], Module], keeps_one: bool) -> None:
        self._new_module, self._keeps_one = new_module, keeps_one
        self._lock = threading.Lock()
        self._inboxes: list[queue.SimpleQueue[_Task | None]] = [queue.SimpleQueue() for _ in range(count)]
        self._idle = list(reversed(range(count)))
        self._waiting: deque[_Task] = deque()
        self._is_closed = False
        self.threads = [threading.Thread(target=self._serve, args=(number,), daemon=True) for number in range(count)]

    def submit(self, task: _Task) -> None:
        """Gives a task to a worker, or lets it wait for one."""
        with self._lock:
            if self._is_closed:
                task.future.set_exception(_ended())
            elif self._idle:
                self._inboxes[self._idle.pop()].put(task)
            else:
                self._waiting.append(task)

    def close(self) -> None:
        """Ends the workers; waits until their tasks have ended."""
        with self._lock:
            self._is_closed = True
            waiting, self._waiting = self._waiting, deque()
        for task in waiting:
            task.future.set_exception(_ended())
        for inbox in self._inboxes:
            inbox.put(None)
        for thread in self.threads:
            thread.join()

    def _serve(self, number: int) -> None:
        module: Module | None = None
        inbox, keeps = self._inboxes[number], self._keeps_one and number == 0
        while True:
            try:
                task = inbox.get(timeout=None if module is None or keeps else IDLE_SECONDS)
            except queue.Empty:
                module = None
                continue
            if task is None:
                return
            while task is not None:
                module = self._do(task, module)
                task = self._next(number)

    def _next(self, number: int) -> _Task | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(number)
            return None

    def _do(self, task: _Task, module: Module | None) -> Module | None:
        """Does a task; returns the instance, if it can be used again."""
        try:
            module = module or self._new_module()
            module.allow(task.seconds, task.is_stopped)
            task.future.set_result(task.work(module))
        except ModuleFailed as failure:
            module = None
            task.future.set_exception(_as_error(failure, task.seconds, task.is_stopped()))
        except BaseException as error:  # handed to the caller, who waits for it
            task.future.set_exception(error)
        return None if module is None or module.is_too_large() else module


class Pool:
    """Runs work on instances of the module; safe for any number of threads.

    Args:
        folder: Where the compiled module is kept. If it is not there, this compiles it in the background, which takes
            25 s; the first calls wait for it.
        workers: How many instances there may be for analysis; each takes about 55 MB once it has worked.
        seconds: How long one call may take, unless its caller says otherwise.
    """

    def __init__(self, folder: Path, workers: int = 2, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._engine = new_engine()
        self._code: Future[wasmtime.Module] = Future()
        threading.Thread(target=self._load, args=(folder,), daemon=True).start()
        self._ended = threading.Event()

        def new_module() -> Module:
            return Module(self._engine, self._code.result())

        self._analysis = _Workers(workers, new_module, keeps_one=True)
        self._evaluation = _Workers(EVALUATORS, new_module, keeps_one=False)
        clock = threading.Thread(target=self._tick, daemon=True)
        before = threading.stack_size(STACK + 6 * 2**20)
        try:
            for thread in (*self._analysis.threads, *self._evaluation.threads, clock):
                thread.start()
        finally:
            threading.stack_size(before)
        # A worker that still has an instance while the interpreter ends may keep it from ending
        atexit.register(self.close)

    def run(self, work: Callable[[Module], T], seconds: float | None = None, is_long: bool = False) -> T:
        """Runs `work` with an instance, in a worker's thread.

        Args:
            work: Gets the instance.
            seconds: How long it may take.
            is_long: Whether it evaluates something, which may take long.

        Raises:
            BigQueryError: It took longer than its limit, or the statement was too much for the module.
            ServiceError: The module's own refusal.
        """
        if self._ended.is_set():
            raise _ended()
        future: Future[T] = Future()
        is_job_stopped = is_stopped.get()
        task = _Task(work, seconds or self._seconds, lambda: self._ended.is_set() or is_job_stopped(), future)
        (self._evaluation if is_long else self._analysis).submit(task)
        return future.result()

    def close(self) -> None:
        """Interrupts what is running, and ends the workers."""
        atexit.unregister(self.close)
        self._ended.set()
        if not self._code.done():
            # Its compilation is another process's; no task will ever need it
            self._code.cancel()
        self._analysis.close()
        self._evaluation.close()

    def _load(self, folder: Path) -> None:
        """Loads the module's code, and compiles it first where that has not been done; calls wait meanwhile."""
        try:
            code = _load_code(self._engine, folder)
        except BaseException as error:  # handed to each caller
            if not self._code.cancelled():
                self._code.set_exception(error)
        else:
            if not self._code.cancelled():
                self._code.set_result(code)

    def _tick(self) -> None:
        # Until the very end: the last tasks end by it, too
        threads = (*self._analysis.threads, *self._evaluation.threads)
        while not self._ended.wait(TICK) or any(thread.is_alive() for thread in threads):
            self._engine.increment_epoch()
            if self._ended.is_set():
                threading.Event().wait(TICK)


def _ended() -> BigQueryError:
    return BigQueryError("backendError", "The BigQuery server is being stopped. Try again later.", status=503)


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


def _as_error(failure: ModuleFailed, seconds: float, is_over: bool) -> BigQueryError:
    if failure.interrupted and is_over:
        return BigQueryError("stopped", "Job execution was cancelled: User requested cancellation")
    if failure.interrupted:
        return BigQueryError("timeout", f"Operation timed out after {seconds:g} seconds in Google's SQL module")
    return BigQueryError("resourcesExceeded", "Resources exceeded: the statement is nested too deeply, or too large")
