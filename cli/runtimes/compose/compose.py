"""`docker compose` on this checkout's files, with the settings of one platform."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from cli import programs
from cli.environments import inherited, proxies
from cli.programs import ROOT
from cli.runtimes import checkout
from cli.runtimes.compose import optional_services
from cli.settings.settings import Settings
from cli.waiting import waiting_for
from orionbox import loopback

ALL_PROFILES = ("--profile", "*")
"""Includes all optional services."""
FILE, OVERRIDE, VERSIONS = ROOT / "compose.yaml", ROOT / "compose.override.yaml", ROOT / "compose/versions.env"
"""What Compose reads: the platform's services, the user's changes of them if there are any, and the version.

Compose does not read .env, which an editor may have saved in a form that it cannot read; `Compose.environment` has all
of it.
"""
OUTSIDE = "OUTSIDE_"
"""Prefix of the variables from which services that reach the internet get the user's proxies."""
NETWORK_VARIABLES = ("NETWORK_INTERNAL", "NETWORK_MASQUERADE", "NETWORK_DNS", "NETWORK_DNS_TIMEOUT")
LEADS_NOWHERE = dict(zip(NETWORK_VARIABLES, ("true", "false", "127.0.0.1", "1")))
"""What makes the networks in compose's files end here; these are the defaults there, too."""
LEADS_OUTSIDE = dict(zip(NETWORK_VARIABLES, ("false", "true", "", "5")))
"""What lets them lead outside: Docker asks this machine's name servers, and programs wait for them as glibc does."""

AGENT_MIB, RUN_MIB = 1024, 2048
"""Memory of the agent itself, and of a run in it if the settings name none."""


@dataclass(frozen=True)
class Compose:
    """Calls Compose with its files, folder and project named, and every setting as an environment variable."""

    settings: Settings

    def command(self, *arguments: str) -> list[str]:
        """Returns the command line of a call."""
        files = [word for file in (FILE, OVERRIDE) if file.is_file() for word in ("--file", str(file))]
        where = ("--project-directory", str(ROOT), "--project-name", self.settings.platform)
        return ["docker", "compose", *files, *where, "--env-file", str(VERSIONS), *arguments]

    def environment(self) -> dict[str, str]:
        """Returns what Compose's files read: the settings, the profiles of the optional services, and the checkout."""
        return {
            **inherited.for_tools(),
            **self.settings.values,
            **{f"{OUTSIDE}{name}": value for name, value in self.proxies().variables.items()},
            loopback.LINK_HOST: loopback.link_host(),
            "AGENT_MEMORY": agent_memory(self.settings.values.get("RUN_MEMORY", "")),
            # Who answers for Google's sign-in: compose/google-*.yaml
            "GOOGLE": "offline" if self.settings.answers_for_google else "real",
            **(LEADS_OUTSIDE if self._leads_outside else LEADS_NOWHERE),
            "COMPOSE_PROFILES": ",".join(optional_services.profiles(self.settings)),
            "ORIONBOX_CHECKOUT": checkout.read(ROOT).id,
            "PWD": str(ROOT),
        }

    @property
    def _leads_outside(self) -> bool:
        """Whether flows must reach anything outside the platform; a Dask cluster of somebody else's is outside, too."""
        return self.settings.reaches_outside or not optional_services.is_own_scheduler(self.settings)

    def proxies(self) -> proxies.Proxies:
        """Returns the user's proxies, or Docker's for containers, if anything of the platform reaches the internet."""
        if not self.settings.reaches_outside:
            return proxies.Proxies()
        answered_here = () if self.settings.has_internet else proxies.OFFLINE_HOSTS
        return proxies.for_containers(os.environ, *answered_here)

    def run(self, *arguments: str) -> int:
        """Runs Compose on the user's terminal; returns its exit code."""
        # On a terminal, Compose itself shows what it does
        with nullcontext() if sys.stderr.isatty() else waiting_for(f"docker compose {_command(arguments)}"):
            return programs.run(*self.command(*arguments), environment=self.environment())

    def output(self, *arguments: str) -> str:
        """Returns what Compose prints; raises CommandError if it fails."""
        return programs.output(*self.command(*arguments), environment=self.environment())

    def relay(self, show: Callable[[str], object], *arguments: str) -> int:
        """Runs Compose and calls `show` with each line that it prints; returns its exit code."""
        return programs.relay(self.command(*arguments), show, self.environment())

    def replace_process(self, *arguments: str) -> int:
        """Replaces this process with Compose, which then owns the terminal."""
        programs.replace_process(self.command(*arguments), self.environment())

    def services(self, *options: str) -> dict[str, Any]:
        """Returns the services by name, as Compose reads its files.

        Args:
            options: ALL_PROFILES for the optional services too.
        """
        services: dict[str, Any] = self._config(*options)["services"]
        return services

    def networks(self) -> dict[str, bool]:
        """Returns the networks, as Compose reads its files: their names on the engine, and whether each is internal."""
        networks = self._config()["networks"].values()
        return {network["name"]: network.get("internal", False) for network in networks}

    def _config(self, *options: str) -> dict[str, Any]:
        # Compose prints `$$` for each `$`, which the checkout's path may have
        config: dict[str, Any] = json.loads(self.output(*options, "config", "--format", "json").replace("$$", "$"))
        return config


def agent_memory(run_memory: str) -> str:
    """Returns the agent's limit: room for itself, and for a run as a process in its container.

    Args:
        run_memory: RUN_MEMORY in .env, such as 512m or 2g, or nothing.
    """
    number, unit = int(run_memory[:-1] or 0), run_memory[-1:]
    return f"{AGENT_MIB + max(number * {'g': 1024}.get(unit, 1), RUN_MIB)}m"


def _command(arguments: Sequence[str]) -> str:
    """Returns the command among Compose's arguments, which follows its options."""
    return next((word for word in arguments if word in ("up", "down", "run", "stop", "rm")), "")
