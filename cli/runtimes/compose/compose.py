"""`docker compose` on this checkout's files, with the settings of one platform."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from cli import programs
from cli.programs import ROOT
from cli.runtimes import checkout
from cli.runtimes.compose import optional_services
from cli.settings.settings import Settings
from cli.waiting import waiting_for

COMPOSE = ("docker", "compose")
ALL_PROFILES = ("--profile", "*")
"""Includes all optional services."""


@dataclass(frozen=True)
class Compose:
    """Calls Compose; every setting goes to it as an environment variable, which wins over its .env."""

    settings: Settings

    def environment(self) -> dict[str, str]:
        """Returns what Compose's files read: the settings, the profiles of the optional services, and the checkout."""
        profiles = ",".join(optional_services.profiles(self.settings))
        own = {"COMPOSE_PROFILES": profiles, "ORIONBOX_CHECKOUT": checkout.read(ROOT).id, "PWD": str(ROOT)}
        return {**os.environ, **self.settings.values, **own}

    def run(self, *arguments: str) -> int:
        """Runs Compose on the user's terminal; returns its exit code."""
        # On a terminal, Compose itself shows what it does
        with nullcontext() if sys.stderr.isatty() else waiting_for(f"docker compose {_command(arguments)}"):
            return programs.run(*COMPOSE, *arguments, environment=self.environment())

    def output(self, *arguments: str) -> str:
        """Returns what Compose prints; raises CommandError if it fails."""
        return programs.output(*COMPOSE, *arguments, environment=self.environment())

    def replace_process(self, *arguments: str) -> int:
        """Replaces this process with Compose, which then owns the terminal."""
        programs.replace_process([*COMPOSE, *arguments], self.environment())

    def services(self, *options: str) -> dict[str, Any]:
        """Returns the services by name, as Compose reads its files.

        Args:
            options: ALL_PROFILES for the optional services too.
        """
        # Compose prints `$$` for each `$`, which the checkout's path may have
        text = self.output(*options, "config", "--format", "json").replace("$$", "$")
        services: dict[str, Any] = json.loads(text)["services"]
        return services


def _command(arguments: Sequence[str]) -> str:
    """Returns the command among Compose's arguments, which follows its options."""
    return next((word for word in arguments if word in ("up", "down", "run", "stop", "rm")), "")
