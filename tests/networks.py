"""Who needs whom: the one table that the networks in compose's files are compared with, and tried against.

A network of Docker's works both ways, and each takes one of the engine's thirty or so ranges of addresses. So services
that flow code reaches anyway are not kept apart from each other. pgAdmin, the docker-proxy and flow code are kept from
everything that they need not reach, and from everything that need not reach them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

RUN = "run"
"""The container of a flow run, which is in no compose file; the docker-proxy puts it on the default network."""
FLOW_CODE = frozenset({RUN, "agent", "flows", "dask-scheduler", "dask-worker"})
"""Where flow code runs. The agent starts flows as processes, too, and Dask's scheduler unpickles what they send."""
USED_BY_FLOWS = frozenset({"orion", "postgres", "gcs", "bigquery", "internet", "dask-scheduler"})

NEEDS: Mapping[str, Collection[str]] = {
    RUN: USED_BY_FLOWS,
    # Both start containers: the shell as the course's own agent
    "agent": USED_BY_FLOWS | {"docker-proxy"},
    "flows": USED_BY_FLOWS | {"docker-proxy"},
    "dask-worker": USED_BY_FLOWS | {"dask-worker"},
    "dask-scheduler": {"dask-worker"},
    "bootstrap": {"orion", "postgres", "gcs", "bigquery"},
    # It removes staging tables and old results
    "sweeper": {"orion", "bigquery", "gcs", "docker-proxy"},
    # It posts notifications
    "orion": {"postgres", "internet"},
    "pgadmin": {"postgres"},
    "internet": {"taxi"},
    "gateway": {"orion", "pgadmin"},
    # It shows whether they are running, and the lesson's checks ask the stores
    "start": {"orion", "pgadmin", "postgres", "gcs", "bigquery", "dask-scheduler", "internet", "taxi"},
    "postgres": (),
    "gcs": (),
    "bigquery": (),
    "taxi": (),
    # Docker's socket is no network
    "docker-proxy": (),
}
"""The services to which each opens connections."""
LISTEN_NOWHERE = frozenset({RUN, "agent", "flows", "bootstrap", "sweeper"})
"""Services without a port of their own."""
MORE_PORTS = {"internet": {443}, "dask-scheduler": {8786}}
"""Ports that are neither published nor in a health check."""


def networks_of(config: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Returns the networks of each service that runs, and of a run, by their keys in compose's files."""
    services = {name: service for name, service in config["services"].items() if service.get("profiles") != ["build"]}
    return {RUN: frozenset({"default"}), **{name: frozenset(one["networks"]) for name, one in services.items()}}


def together(networks: Mapping[str, frozenset[str]], one: str, other: str) -> bool:
    """Returns whether two services share a network."""
    return not networks[one].isdisjoint(networks[other])


def ports_of(service: Mapping[str, Any], name: str) -> set[int]:
    """Returns the ports on which a service listens for others, as compose's files name them."""
    published = {int(port["target"]) for port in service.get("ports", [])}
    checked = re.findall(r"http://127\.0\.0\.1:(\d+)/", " ".join(service.get("healthcheck", {}).get("test", [])))
    return published | MORE_PORTS.get(name, set()) | (set() if published else set(map(int, checked)))
