"""Settings that the embedded runtime has no service for."""

from __future__ import annotations

from cli.runtimes.ports import LOOPBACK
from cli.settings.settings import Settings
from orionbox.errors import BadInputError


def refuse(settings: Settings) -> None:
    """Refuses settings that need a container.

    Raises:
        BadInputError: a setting asks for the real cloud, for access from other machines, or for Dask.
    """
    needs = "needs Docker, which the embedded runtime does not use"
    if settings.is_real_cloud:
        raise BadInputError(f"{settings.where('CLOUD')}=gcp: {needs}", "use CLOUD=emulators")
    if not settings["BIND_ADDRESS"].startswith("127."):
        raise BadInputError(
            f"{settings.where('BIND_ADDRESS')}={settings['BIND_ADDRESS']}: the login in front of the platform {needs}",
            f"use BIND_ADDRESS={LOOPBACK}",
        )
    if settings.task_runner == "dask":
        raise BadInputError(f"{settings.where('TASK_RUNNER')}=dask: {needs}", "use TASK_RUNNER=threads")
