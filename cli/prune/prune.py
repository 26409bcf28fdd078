"""`prune`: frees disk space that nothing needs any more, without touching any data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cli.programs import say
from cli.runtimes.runtime import Runtime
from cli.waiting import waiting_for
from orionbox.errors import BadInputError
from orionbox.orion.client import SOME_TIME, JsonApi

RESULTS = "services.agent.old_results"
"""The module that deletes old results, in service `sweeper`."""
TIMEOUT = 600
"""Seconds that a service may take."""
KEPT = """\
kept: all rows, objects and runs; results of cached tasks and of runs that have not ended; what is younger than {} days.
Without this command, each of these goes after 7 days."""
Freed = dict[str, int]
"""A count by the name of what it counts, and `bytes`."""


def prune(runtime: Runtime, days: str, is_dry_run: bool) -> int:
    """Deletes old results of tasks, old versions of BigQuery's tables, and deleted objects.

    Args:
        runtime: the platform; this starts it if it is not running.
        days: as typed; what is younger stays.
        is_dry_run: whether to delete nothing, and only say what would go.

    Raises:
        BadInputError: the number of days is invalid.
        CommandError: a service does not answer.
    """
    if not days.isascii() or not days.isdigit() or len(days) > 4:
        raise BadInputError(f"DAYS={days}: not a number of days", "use for example DAYS=1, or DAYS=0 for all")
    runtime.ensure_up()
    total = 0
    say(f"{'would be freed' if is_dry_run else 'freed'}:")
    for title, freed in _steps(runtime, int(days), is_dry_run):
        what = ", ".join(f"{count:,} {name}" for name, count in freed.items() if name != "bytes")
        total += freed["bytes"]
        say(f"  {title:<36} {what:>16} {freed['bytes'] / 1e6:>10,.1f} MB")
    say(f"  {'total':<53} {total / 1e6:>10,.1f} MB\n{KEPT.format(days)}")
    say(f"free where the platform keeps its data: {runtime.stores.free_space() / 1e9:,.1f} GB")
    return 0


def _steps(runtime: Runtime, days: int, is_dry_run: bool) -> Iterator[tuple[str, Freed]]:
    """Frees one kind of thing after the other; yields what each is called, and what was freed."""
    options = ["--dry-run"] if is_dry_run else []
    yield "results of tasks", _parse(runtime.run_module("sweeper", RESULTS, f"--days={days}", *options))
    if runtime.settings.is_real_cloud:
        return
    yield "replaced rows in BigQuery", _ask(runtime, "BIGQUERY_PORT", days, is_dry_run)
    yield "deleted objects in Cloud Storage", _ask(runtime, "GCS_PORT", days, is_dry_run)


def _ask(runtime: Runtime, port: str, days: int, is_dry_run: bool) -> Freed:
    service = JsonApi(runtime.stores.address(port), SOME_TIME, TIMEOUT)
    answer = "true" if is_dry_run else "false"
    with waiting_for(f"an answer of {service.url}"):
        found: Freed = service.call(f"prune?days={days}&dry_run={answer}", {})
    return found


def _parse(text: str) -> Freed:
    found: Any = json.loads(text.splitlines()[-1])
    return dict(found)
