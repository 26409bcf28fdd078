"""Says what to do if the stored result of a cached task is gone. Orion remembers results; their files may be deleted.

compose/flow.env names this module in PREFECT_EXTRA_ENTRYPOINTS, so Prefect imports it as the last step of its own
import.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from prefect.results import PersistedResult


class MissingResultError(ValueError):
    """The file of a stored result cannot be read."""


def with_fix(read: Callable[..., Any]) -> Callable[..., Any]:
    """Makes the method that reads a result say which file is gone, and how to compute it again."""

    @wraps(read)
    async def read_or_explain(self: PersistedResult[Any], *args: Any, **options: Any) -> Any:
        try:
            return await read(self, *args, **options)
        except Exception as error:
            raise MissingResultError(
                f"the stored result {self.storage_key} of an earlier run cannot be read ({error}); "
                "to compute it again, run the flow once in make shell: PREFECT_TASKS_REFRESH_CACHE=true python FILE.py"
            ) from error

    return read_or_explain


def install() -> None:
    """Installs it."""
    PersistedResult._read_blob = with_fix(PersistedResult._read_blob)
