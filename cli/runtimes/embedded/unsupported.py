"""Settings that the embedded runtime has no service for."""

from __future__ import annotations

from cli.runtimes.compose.dask import chosen
from cli.runtimes.compose.gateway import LOOPBACK, address, is_wanted
from cli.settings import rules
from cli.settings.settings import is_real
from orionbox.errors import BadInputError


def refuse_real_cloud(runtime: str) -> None:
    """For a runtime that has emulators only.

    Raises:
        BadInputError: the cloud shall be a real one.
    """
    if is_real():
        raise BadInputError(
            f"{rules.where('CLOUD')}=gcp: needs Docker, and this is RUNTIME={runtime}; use CLOUD=emulators"
        )


def refuse_other_machines(runtime: str) -> None:
    """For a runtime that has no gateway.

    Raises:
        BadInputError: other machines shall reach it.
    """
    if is_wanted():
        raise BadInputError(
            f"{rules.where('BIND_ADDRESS')}={address()}: the login that has to be in front of it needs Docker, and "
            f"this is RUNTIME={runtime}; use BIND_ADDRESS={LOOPBACK}"
        )


def refuse_cluster(runtime: str) -> None:
    """For a runtime that has no containers.

    Raises:
        BadInputError: a cluster is asked for.
    """
    if chosen() == "dask":
        raise BadInputError(
            f"{rules.where('ENGINE')}=dask: needs Docker, and this is RUNTIME={runtime}; use ENGINE=threads"
        )
