"""`check`: what has been achieved in the lesson and its homework. The start page's service looks for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.programs import say
from cli.runtimes.runtime import Runtime, start_url
from orionbox.errors import CommandError, printable
from orionbox.lesson.checks import GROUP_TITLES
from orionbox.orion.client import ApiError, JsonApi

TIMEOUT = 9.5
"""Seconds for the answer; the service itself waits 8 s for the slowest store."""
SIGNS = {True: "[x]", False: "[ ]", None: "[?]"}


class StartPage(JsonApi):
    """The start page's service."""

    name = "the start page"


def check(runtime: Runtime, as_json: bool) -> int:
    """Prints the result of every check, and what comes next.

    Raises:
        CommandError: the start page does not answer.
    """
    runtime.prepare()
    runtime.require_own()
    try:
        found = StartPage(start_url(runtime.settings), timeout=TIMEOUT).call("lesson.json")
    except ApiError as error:
        raise CommandError(error.text, "start the platform with: make up") from error
    say(json.dumps(found, indent=2) if as_json else "\n".join(report(found["checks"])))
    return 0


def report(checks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yields the lines of the report; names in it are of the student's choice, so control characters are escaped."""
    yield from map(printable, _lines(checks))


def _lines(checks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for group, title in GROUP_TITLES.items():
        results = [each for each in checks if each["group"] == group]
        unknown = sum(each["passed"] is None for each in results)
        more = f", {unknown} cannot be checked yet" if unknown else ""
        yield f"{title}: {sum(each['passed'] is True for each in results)} of {len(results)} passed{more}"
        for each in results:
            yield f"{SIGNS[each['passed']]} {each['name']}: {each['description']}"
            yield f"    {_told(each)}"
            if each["cause"]["help"]:
                yield f"    {each['cause']['help']}"
            if each["passed"] is False:
                yield from (f"      {command}" for command in each["commands"])
        yield ""
    yield from _next(checks)


def _told(result: Mapping[str, Any]) -> str:
    """Returns the check's rationale, with its state unless the sign says it all."""
    return ("" if result["passed"] else f"{result['status']}: ") + str(result["cause"]["rationale"])


def _next(checks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    following = next((each for each in checks if each["passed"] is not True), None)
    if following is None:
        yield "Everything has passed."
        return
    yield f"Next: {following['description']} (docs/week2.md#{following['section']})"
    yield from (f"  {command}" for command in following["commands"])
