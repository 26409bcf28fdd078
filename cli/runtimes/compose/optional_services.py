"""The services that run only with a setting."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cli.settings.settings import Settings
from orionbox.services import SERVICES

DASK_SCHEDULER = "dask-scheduler"
OWN_SCHEDULER = f"tcp://{DASK_SCHEDULER}:8786"
"""The platform's own scheduler; any other DASK_SCHEDULER_ADDRESS is an external cluster."""


@dataclass(frozen=True)
class OptionalServices:
    """Services that one setting turns on and off together."""

    services: tuple[str, ...]
    ports: tuple[str, ...]
    """The settings of their ports."""
    is_enabled: Callable[[Settings], bool]
    removed_message: str
    """The message after they have been removed."""
    profile: str = ""
    """Their profile in compose's files; empty if Compose chooses by another setting."""

    def is_running(self, running: Iterable[str]) -> bool:
        """Returns whether any of them is among the running services."""
        return not set(self.services).isdisjoint(running)


def opens_to_other_machines(settings: Settings) -> bool:
    """Returns whether BIND_ADDRESS lets other machines reach the platform."""
    return not ipaddress.ip_address(settings["BIND_ADDRESS"]).is_loopback


def is_own_scheduler(settings: Settings) -> bool:
    """Returns whether the Dask cluster of the settings would be the platform's own."""
    return settings["DASK_SCHEDULER_ADDRESS"] == OWN_SCHEDULER


def has_own_cluster(settings: Settings) -> bool:
    """Returns whether the platform runs its own Dask cluster."""
    return settings.task_runner == "dask" and is_own_scheduler(settings)


DASK = OptionalServices(
    (DASK_SCHEDULER, "dask-worker"),
    ("DASK_PORT",),
    has_own_cluster,
    "removed the Dask cluster; TASK_RUNNER=dask brings it back",
    "dask",
)
GATEWAY = OptionalServices(
    ("gateway",),
    ("ORION_HTTPS_PORT", "PGADMIN_HTTPS_PORT"),
    opens_to_other_machines,
    "removed the gateway; only this machine reaches the platform now",
    "gateway",
)
EMULATORS = OptionalServices(
    ("gcs", "bigquery"),
    ("GCS_PORT", "BIGQUERY_PORT", "BIGQUERY_GRPC_PORT"),
    lambda settings: not settings.is_real_cloud,
    "removed the emulators; their data stays, and CLOUD=emulators brings them back",
)
ALL = (DASK, GATEWAY, EMULATORS)
SERVICE_OF_PORT = {
    **{service.port: service.name for service in SERVICES},
    **dict.fromkeys(GATEWAY.ports, "gateway"),
    "BIGQUERY_GRPC_PORT": "bigquery",
}
"""The service that listens on the port of each setting."""


def enabled_ports(settings: Settings) -> dict[str, int]:
    """Returns the ports of all services that the settings enable."""
    disabled = {port for one in ALL if not one.is_enabled(settings) for port in one.ports}
    return {name: port for name, port in settings.ports.items() if name not in disabled}


def profiles(settings: Settings) -> list[str]:
    """Returns the profiles of compose's files that are part of the platform."""
    return [optional.profile for optional in ALL if optional.profile and optional.is_enabled(settings)]
