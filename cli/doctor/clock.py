"""Checks of the clocks: this machine's, and the container engine's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from cli.doctor.docker import Engine
from cli.doctor.machine import Finding, Machine, fail, ok, warn

MOST_DIFFERENCE = 60
"""Seconds by which the clocks may differ."""


def check_clock(machine: Machine, engine: Engine | None = None) -> Iterator[Finding]:
    """Checks that the clock is not before the checkout was made: certificates would not be valid yet."""
    now = datetime.fromtimestamp(machine.now(), timezone.utc)
    shown = now.strftime("%Y-%m-%d %H:%M UTC")
    if now < _made(machine):
        fix = "sudo timedatectl set-ntp true, or set it by hand: sudo date -u -s 'YYYY-MM-DD HH:MM'"
        yield fail("clock", f"{shown} is before this checkout was made: downloads would fail", fix)
    elif engine and engine.clock and abs(engine.clock - now.timestamp()) > MOST_DIFFERENCE:
        text = f"{shown} here, and the Docker engine's clock differs by {abs(engine.clock - now.timestamp()):.0f} s"
        yield warn("clock", text, "restart Docker; its virtual machine loses time when this machine sleeps")
    else:
        yield ok("clock", shown)


def _made(machine: Machine) -> datetime:
    """Returns the time of the last commit; of the last release if there is no git or no history."""
    answer = machine.ask("git", "log", "-1", "--format=%ct")
    if answer.is_ok and answer.text.strip().isdecimal():
        return datetime.fromtimestamp(int(answer.text), timezone.utc)
    changes = machine.root / "CHANGELOG.md"
    text = changes.read_text(encoding="utf-8", errors="replace") if changes.is_file() else ""
    dates = re.findall(r"^## \S+ - (\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    newest = max(dates, default="1970-01-02")
    # A day has begun somewhere before it begins in UTC
    return datetime.fromisoformat(newest).replace(tzinfo=timezone.utc) - timedelta(days=1)
