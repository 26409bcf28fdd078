"""Parts of the platform that are there only where a setting asks for them: most are a profile of compose's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Extra:
    """One such part."""

    profile: str
    """Empty where compose chooses by another setting."""
    services: tuple[str, ...]
    ports: tuple[str, ...]
    """The names of its ports in .env."""
    is_wanted: Callable[[], bool]
    gone: str
    """What the user is told when it has been removed."""

    def runs_in(self, services: Iterable[str]) -> bool:
        """Whether it is among the services that run."""
        return not set(self.services).isdisjoint(services)


def choose_profiles(extras: Iterable[Extra]) -> None:
    """Tells compose which of them are part of the platform."""
    if profiles := [extra.profile for extra in extras if extra.profile and extra.is_wanted()]:
        os.environ["COMPOSE_PROFILES"] = ",".join(profiles)
