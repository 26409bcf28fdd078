"""The effective settings: what the user typed, then `.env`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cli.programs import ROOT
from cli.settings import env_file, rules
from orionbox.flow_settings import FlowSettings


@dataclass(frozen=True)
class Settings:
    """The settings of one command, created once in `cli/__main__.py` and passed to the code that needs them."""

    values: Mapping[str, str]
    """Every setting of .env.example by name, as compose and the services read it."""
    typed: frozenset[str] = frozenset()
    """Names that the user typed, as a variable of make or of the environment; the others are from .env."""

    @classmethod
    def read(cls, typed: Mapping[str, str] | None = None, root: Path = ROOT) -> Settings:
        """Reads .env and what the user typed, which wins. Other settings are as in .env.example, or generated.

        Writes nothing: `folders.prepare` does.

        Args:
            typed: variables by name; the process's environment if None.
            root: the checkout.

        Raises:
            BadInputError: .env is not text of NAME=value, has an unknown setting, or a value breaks its rule.
        """
        variables = os.environ if typed is None else typed
        given = {env_file.OLD_NAMES.get(name, name): value for name, value in variables.items() if value}
        example, stored = env_file.parse(root / ".env.example"), env_file.parse_if_exists(root / ".env")
        rules.require_known(stored, example)
        values = {name: given.get(name) or stored.get(name) or value for name, value in example.items()}
        settings = cls(env_file.fill_in(values), frozenset(given) & frozenset(example))
        for name, value in settings.values.items():
            rules.require_valid(name, value, settings.where(name))
        return settings

    def with_values(self, **values: str) -> Settings:
        """Returns a copy with these values changed."""
        return replace(self, values={**self.values, **values})

    def with_ports(self, ports: Mapping[str, int]) -> Settings:
        """Returns the same settings with the ports that the platform really uses."""
        return self.with_values(**{name: str(port) for name, port in ports.items()})

    def where(self, name: str) -> str:
        """Returns where a setting was made, for a message: `NAME` as typed, or `.env: NAME`."""
        return name if name in self.typed else f".env: {name}"

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @property
    def platform(self) -> str:
        """The platform's name, which is its compose project's and that of the network on which flows run."""
        return self["COMPOSE_PROJECT_NAME"]

    @property
    def ports(self) -> dict[str, int]:
        """Every port by the name of its setting."""
        return {name: int(port) for name, port in self.values.items() if name.endswith("_PORT")}

    @property
    def owner(self) -> tuple[int, int]:
        """The user and group that flows run as."""
        return int(self["FLOWS_UID"]), int(self["FLOWS_GID"])

    @property
    def is_real_cloud(self) -> bool:
        """Whether Cloud Storage and BigQuery are Google's."""
        return self["CLOUD"] == "gcp"

    @property
    def has_internet(self) -> bool:
        """Whether flows reach the internet, instead of the service that stands in for it."""
        return self["INTERNET"] == "real"

    @property
    def reaches_outside(self) -> bool:
        """Whether anything of the platform reaches hosts outside it."""
        return self.has_internet or self.is_real_cloud

    @property
    def answers_for_google(self) -> bool:
        """Whether the stand-in for the internet hands out tokens for keys of Google's service accounts."""
        return not self.reaches_outside

    @property
    def task_runner(self) -> str:
        """Where the months of the main job run: `threads` or `dask`."""
        return self["TASK_RUNNER"]

    @property
    def flow_settings(self) -> FlowSettings:
        """The cloud settings that flows get."""
        if not self.is_real_cloud:
            return FlowSettings(project=self["GCP_PROJECT"])
        return FlowSettings(project=self["GCP_PROJECT"], cloud="gcp", bucket=self["GCP_BUCKET"])
