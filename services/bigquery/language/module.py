"""One instance of Google's module: compiled once, loaded in milliseconds, called with protobuf messages."""

from __future__ import annotations

import ctypes
import fcntl
import importlib.metadata
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wasmtime
import wasmtime._bindings as ffi

from services.bigquery.language import package

TICK = 0.1
"""Seconds between two ticks of the clock that interrupts a call (wasmtime calls them epochs)."""
MOST_MEMORY = 512 * 2**20
"""Bytes of memory that an instance can have; the module's own limit is 4 GiB."""
KEEP_MEMORY = 192 * 2**20
"""Bytes of memory after which an instance is replaced when its work is done: its memory never shrinks."""
_PARTIAL = ".compiled-"
_PAGE = 2**16
_MEMORIES = 5
"""The number of the section that declares memories; https://webassembly.github.io/spec/core/binary/modules.html."""
_TICKED = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.POINTER(ffi.wasmtime_context_t),
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_uint64),
    ctypes.POINTER(ffi.wasmtime_update_deadline_kind_t),
)
_FREED = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
"""C's types of wasmtime_store_epoch_deadline_callback, which wasmtime's Python classes do not have."""
STACK = 2 * 2**20
"""Bytes of machine stack that the module's calls may take: wasmtime's maximum, enough for 400 terms of a sum."""


def _never() -> bool:
    return False


class ModuleFailed(Exception):
    """The module trapped or was interrupted: its instance is damaged and must not be used again.

    Attributes:
        interrupted: It took longer than its limit, or somebody cancelled it.
    """

    def __init__(self, text: str, interrupted: bool) -> None:
        super().__init__(text)
        self.interrupted = interrupted


class ServiceError(Exception):
    """What the module answers instead of a result.

    Attributes:
        code: The number of an absl::StatusCode; 3 is an invalid argument, 11 a value out of range.
        message: Google's sentence, with the place in the statement as `[at 1:8]`.
    """

    def __init__(self, text: str) -> None:
        head, _, message = text.partition(", Message: ")
        code = head.removeprefix("Code: ")
        self.code = int(code) if code.isdigit() else 2
        self.message = message or text
        super().__init__(self.message)


def new_engine() -> wasmtime.Engine:
    """An engine whose settings fit the compiled module, which runs only with those that it was compiled for."""
    config = wasmtime.Config()
    config.shared_memory = True
    config.epoch_interruption = True
    config.max_wasm_stack = STACK
    return wasmtime.Engine(config)


def compiled_name() -> str:
    """The compiled module's file name: another package, wasmtime or machine needs another file."""
    machine = os.uname().machine
    wasmtime_version = importlib.metadata.version("wasmtime")
    return f"googlesql-{package.VERSION}-wasmtime-{wasmtime_version}-{machine}.cwasm"


def compile_module(folder: Path) -> Path:
    """Compiles the module into a folder, which takes 25 s and 1.1 GB once; returns the file if it is already there."""
    target = folder / compiled_name()
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():  # another process was faster
            return target
        for left in folder.glob(f"{_PARTIAL}*"):  # by one that was killed
            left.unlink()
        code = wasmtime.Module(new_engine(), with_less_memory(package.wasm_file().read_bytes())).serialize()
        with tempfile.NamedTemporaryFile(dir=folder, prefix=_PARTIAL, delete=False) as file:
            file.write(code)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, target)
    return target


def with_less_memory(wasm: bytes) -> bytes:
    """The module with MOST_MEMORY as the limit of its memory: wasmtime has no limit for shared memories."""
    section, start = -1, 8
    while section != _MEMORIES:
        section = wasm[start]
        size, content = _number(wasm, start + 1)
        start = content + size
    # One memory, shared and with a maximum, whose number takes the section's last three bytes
    if wasm[content : content + 2] != b"\x01\x03" or start - content != 7:
        raise ValueError("this module declares its memory in another way: adapt with_less_memory")
    pages = MOST_MEMORY // _PAGE
    most = bytes([pages & 0x7F | 0x80, pages >> 7 & 0x7F | 0x80, pages >> 14])
    return wasm[: start - 3] + most + wasm[start:]


def _number(data: bytes, start: int) -> tuple[int, int]:
    """An unsigned LEB128 number, and where it ends."""
    result, shift = 0, 0
    while True:
        byte = data[start]
        result |= (byte & 0x7F) << shift
        start, shift = start + 1, shift + 7
        if byte < 0x80:
            return result, start


class _Deadline:
    """Decides at each tick of the clock whether a call goes on."""

    def __init__(self) -> None:
        self.set(0, _never)

    def set(self, seconds: float, is_stopped: Callable[[], bool]) -> None:
        """Begins anew."""
        self._until, self._is_stopped, self.is_over = time.monotonic() + seconds, is_stopped, False

    def tick(self, context: Any, data: Any, ticks: Any, kind: Any) -> int:
        """Gives 0 and the ticks until the next decision, or the address of the error that ends the call."""
        if time.monotonic() < self._until and not self._is_stopped():
            ticks[0], kind[0] = 1, 0
            return 0
        self.is_over = True
        error = ffi.wasmtime_error_new(ctypes.create_string_buffer(b"interrupted"))
        return ctypes.cast(error, ctypes.c_void_p).value or 0


class Module:
    """An instance, for one thread at a time."""

    def __init__(self, engine: wasmtime.Engine, code: wasmtime.Module) -> None:
        wasi = wasmtime.WasiConfig()
        wasi.preopen_dir(str(package.time_zones()), "/usr/share/zoneinfo")
        self._store = wasmtime.Store(engine)
        self._store.set_wasi(wasi)
        self._deadline = _Deadline()
        # Kept here, because the module only has their addresses
        self._callbacks = _TICKED(self._deadline.tick), _FREED(0)
        ffi.wasmtime_store_epoch_deadline_callback(self._store.ptr(), self._callbacks[0], None, self._callbacks[1])
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        self.allow(60)
        self._exports = linker.instantiate(self._store, code).exports(self._store)
        self._function("_initialize")(self._store)
        self._memory: Any = self._exports["memory"]
        self.prepared: dict[object, Any] = {}
        """What the evaluator has prepared in this instance."""

    def allow(self, seconds: float, is_stopped: Callable[[], bool] = _never) -> None:
        """Sets when a call is interrupted.

        Args:
            seconds: Until then, from now.
            is_stopped: Asked at each tick; True interrupts it.
        """
        self._deadline.set(seconds, is_stopped)
        self._store.set_epoch_deadline(1)

    def call(self, method: str, request: Any, response: Any) -> Any:
        """Calls a method of the module's service.

        Args:
            method: Its name, such as `Analyze`.
            request: A protobuf message.
            response: The class of the answer's message.

        Raises:
            ServiceError: The module refuses, with a sentence.
            ModuleFailed: The instance is damaged.
        """
        try:
            return response.FromString(self._call(method, request.SerializeToString()))
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise ModuleFailed(str(error), self._deadline.is_over) from error

    def _call(self, method: str, request: bytes) -> bytes:
        store, allocate, free = self._store, self._function("wasm_malloc"), self._function("wasm_free")
        data, size = allocate(store, len(request)), allocate(store, 4)
        self._write(data, request)
        try:
            answer = self._function(f"ZetaSqlLocalService_{method}")(store, data, len(request), size)
            if not answer:
                raise ServiceError(self._last_error())
            result = self._read(answer, int.from_bytes(self._read(size, 4), "little"))
            free(store, answer)
            return result
        finally:
            free(store, data)
            free(store, size)

    def _function(self, name: str) -> Any:
        return self._exports[name]

    def _last_error(self) -> str:
        size = self._function("wasm_get_last_error_size")(self._store)
        text = self._read(self._function("wasm_get_last_error")(self._store), size) if size else b""
        return text.decode("utf-8", "replace")

    def is_too_large(self) -> bool:
        """Whether its memory has grown beyond what an instance may keep."""
        return int(self._memory.data_len()) > KEEP_MEMORY

    def _address(self, pointer: int) -> int:
        return ctypes.addressof(self._memory.data_ptr().contents) + pointer

    def _write(self, pointer: int, data: bytes) -> None:
        ctypes.memmove(self._address(pointer), data, len(data))

    def _read(self, pointer: int, size: int) -> bytes:
        return ctypes.string_at(self._address(pointer), size)
