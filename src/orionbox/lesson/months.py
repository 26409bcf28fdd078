"""Finds which run has brought a month of trips into the bucket, and says why it does not count."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from orionbox.lesson.checks import Finding, not_yet, passed
from orionbox.lesson.facts import Facts, Run, StoredObject

MONTH_NAME = re.compile(r"(yellow|green|fhv)[^/]*?(\d{4})[-_](\d{2})[^/]*$", re.IGNORECASE)

REASON = 300
"""The most characters of a run's message that are shown."""


@dataclass(frozen=True)
class Month:
    """A month of a question, and its answer."""

    color: str
    month: str
    """For example `2020-01`."""
    rows: int

    def __str__(self) -> str:
        return f"{self.color} {self.month}"


def month_of(stored: StoredObject) -> tuple[str, str] | None:
    """Returns color and month in an object's name; None if it has none."""
    found = MONTH_NAME.search(stored.name)
    return (found[1].lower(), f"{found[2]}-{found[3]}") if found else None


def describe_run(run: Run, facts: Facts) -> str:
    """Returns the run's name and what has started it."""
    deployment = facts.deployment_of(run)
    return f"run {run.name} of {f'deployment {deployment.name}' if deployment else f'flow {run.flow}'}"


def loads_bigquery(run: Run, facts: Facts) -> bool:
    """Returns whether the run, or a sub-flow in it, is one that loads BigQuery, by its name."""
    names = [run.flow, *(each.flow for each in facts.runs or () if each.is_subflow and run.covers(each.end))]
    return any("bq" in name.lower() or "bigquery" in name.lower() for name in names)


def find_month(facts: Facts, month: Month, counts: Callable[[Run], bool], whose: str) -> Finding:
    """Returns whether a completed run that counts has loaded the month with all its rows.

    Args:
        facts: what the services hold.
        month: the month that the question asks for.
        counts: tells whether a run of the student's is one that the question asks for.
        whose: what such a run is, for messages: for example `a flow of your own`.
    """
    own = [run for run in facts.own_runs() if counts(run)]
    files = [stored for stored in facts.objects or () if month_of(stored) == (month.color, month.month)]
    written = [(stored, run) for stored in files for run in own if run.covers(stored.updated)]
    for stored, run in written:
        if stored.rows == month.rows:
            return passed(f"{describe_run(run, facts)} stored {stored.uri} with {month.rows:,} rows")
    for run in own:
        if month.rows in run.numbers:
            return passed(f"the log of {describe_run(run, facts)} says {month.rows:,}")
    if written:
        return _wrong_rows(*written[0], month, facts)
    return _others_work(files, month, whose, facts) or failed_run(facts) or _other_month(facts, own, month, whose)


def _wrong_rows(stored: StoredObject, run: Run, month: Month, facts: Facts) -> Finding:
    start = f"{describe_run(run, facts)} stored {stored.uri}"
    if stored.rows is None:
        return not_yet(f"{start}, which is not a parquet file", "write the month with `df.to_parquet(...)`")
    if stored.rows == 2 * month.rows:
        text = f"{start} with {stored.rows:,} rows: that is the month twice ({month.rows:,})"
        return not_yet(text, "write the file anew instead of adding to it")
    text = f"{start} with {stored.rows:,} rows, and the whole month of {month} has {month.rows:,}"
    return not_yet(text, "keep every row; if the log says excerpt or GENERATED_ROWS, get the whole file: `make data`")


def _others_work(files: list[StoredObject], month: Month, whose: str, facts: Facts) -> Finding | None:
    """Returns the finding if the month is in the bucket, but no run that counts has stored it."""
    for stored in files:
        writers = facts.runs_at(stored.updated)
        hint = f"load {month} with {whose}"
        if any(facts.is_own(run) and run.is_completed for run in writers):
            run = next(run for run in writers if facts.is_own(run) and run.is_completed)
            return not_yet(f"{stored.uri} is there, but {describe_run(run, facts)} stored it, not {whose}", hint)
        if writers and not any(facts.is_own(run) for run in writers):
            run = writers[0]
            text = f"{stored.uri} is there, but the platform's own {describe_run(run, facts)} stored it"
            return not_yet(text, hint)
        if not writers:
            text = f"{stored.uri} is there, but no flow run was active when it was stored"
            return not_yet(text, f"load it inside a flow: {hint}")
    return None


def failed_run(facts: Facts) -> Finding | None:
    """Returns the finding if the student's newest run has not succeeded."""
    newest = next((run for run in facts.runs or () if facts.is_own(run)), None)
    if newest is None or newest.is_completed:
        return None
    words = {"FAILED": "failed", "CRASHED": "crashed", "CANCELLED": "was cancelled"}
    reason = f": {' '.join(newest.message.split())[:REASON]}" if newest.message.strip() else ""
    text = f"your last {describe_run(newest, facts)} {words.get(newest.state, newest.state)}{reason}"
    return not_yet(text, "read its log in Orion, fix the code, and run it again")


def _other_month(facts: Facts, own: list[Run], month: Month, whose: str) -> Finding:
    """Returns the finding if no object is of this month: what the student has stored instead."""
    for stored in sorted(facts.objects or (), key=lambda each: each.updated, reverse=True):
        found = month_of(stored)
        run = next((run for run in own if run.covers(stored.updated)), None)
        if not found or not run:
            continue
        start = f"{describe_run(run, facts)} stored {stored.uri}"
        if found[1] == month.month:
            return not_yet(f"{start}: that is {found[0]}, and the question asks for {month.color}", "change the color")
        text = f"{start}: that is {found[0]} {found[1]}, and the question asks for {month}"
        return not_yet(text, f"change the month to {month.month}")
    return not_yet(f"no object in the bucket is of {month}", f"load it with {whose}")
