"""What the runtimes tell the user in the same words."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from ctl import dotenv
from ctl.shell import say
from orionbox.errors import BadInputError

SERVICES = (
    ("Orion", "ORION_PORT", "http://localhost:{}", "no login"),
    ("pgAdmin", "PGADMIN_PORT", "http://localhost:{}", "no login; the warehouse is registered in it"),
    ("Postgres", "POSTGRES_PORT", "localhost:{}/ny_taxi", "user ny_taxi, password: see .env"),
    ("Cloud Storage", "GCS_PORT", "http://localhost:{}", "no login; bucket prefect-de-zoomcamp"),
    ("BigQuery", "BIGQUERY_PORT", "http://localhost:{}", "no login, any project; dataset trips_data_all"),
)


def addresses(ports: Mapping[str, object]) -> str:
    """Every service that has a port here, with its address on this machine and how to log in."""
    rows = [(name, url.format(ports[port]), login) for name, port, url, login in SERVICES if port in ports]
    return "\n".join(f"  {name:<14} {url:<26} {login}" for name, url, login in rows)


def confirm_reset() -> None:
    """Says what a reset deletes, and on a terminal asks.

    Raises:
        BadInputError: the answer is no.
    """
    name = dotenv.load()["COMPOSE_PROJECT_NAME"]
    say(f"reset deletes all that platform {name} holds: Orion's runs and blocks, both databases, the bucket, BigQuery.")
    say("It keeps data/, workspace/, reports/ and .env.")
    if sys.stdin.isatty() and input("Delete it? [y/N] ").strip().lower() != "y":
        raise BadInputError("nothing was deleted")
