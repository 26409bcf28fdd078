"""Gives each run's container the facts of the platform: image, network, folders and addresses, whatever its block says.

A student's block has an image of its own, which is not on this machine, and no network; `infra_overrides={"env": ...}`
replaces all variables of a block. So these facts are in no block: this module adds them to every container that
Prefect starts. What a run may ask for beyond them, the docker-proxy decides.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prefect.infrastructure.container import DockerContainer

from orionbox.flow_settings import VARIABLES
from orionbox.prefect2 import endings

ADDRESSES = (
    "PREFECT_API_URL",
    "ORION_API_URL",
    "STORAGE_EMULATOR_HOST",
    "CLOUD_STORAGE_EMULATOR_ENDPOINT",
    "BIGQUERY_EMULATOR_HOST",
)
"""The variables that a run cannot change: with another value it would ask this machine, or Google."""
FORWARDED = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "DASK_DISTRIBUTED__DASHBOARD__LINK",
    "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT",
    "NO_GCE_CHECK",
    *VARIABLES.values(),
)
"""The variables that a run has unless it sets them itself; Prefect adds its own settings, `PREFECT_*`."""
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
"""Forwarded, too, if they are set: they are empty unless flows reach the internet."""
OUT_OF_MEMORY = (
    "memory ran out: the run needed more than {limit:.0f} MB (mem_limit of its block, or RUN_MEMORY in .env)"
)


@dataclass(frozen=True)
class Facts:
    """What every run's container has."""

    image: str
    network: str
    volumes: tuple[str, ...]
    """As Docker takes them, `source:target` or `source:target:ro`."""
    addresses: Mapping[str, str]
    variables: Mapping[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Facts:
        """Reads them from the variables of the program that starts the container (compose/flows.yaml)."""
        return cls(
            image=environment["RUN_IMAGE"],
            network=environment["RUN_NETWORK"],
            volumes=tuple(environment["RUN_VOLUMES"].splitlines()),
            addresses={name: environment[name] for name in ADDRESSES if environment.get(name)},
            variables={
                **{name: environment[name] for name in FORWARDED if name in environment},
                **{name: environment[name] for name in PROXIES if environment.get(name)},
            },
        )

    def environment(self, asked: Mapping[str, str]) -> dict[str, str]:
        """Returns a run's variables: what it asks for adds to the platform's, and replaces no address."""
        return {**self.variables, **asked, **self.addresses}

    def mounts(self, asked: list[str]) -> list[str]:
        """Returns the platform's mounts, and those that a block adds at other paths."""
        targets = {target(volume) for volume in self.volumes}
        return [*self.volumes, *(volume for volume in asked if target(volume) not in targets)]

    def notes(self, block: DockerContainer) -> Iterator[str]:
        """Yields a line for each wish of a block that this platform cannot fulfil, and what the run has instead."""
        if block.image != self.image:
            yield (
                f"image {block.image}: not used, because this platform neither pulls nor builds images for runs; "
                f"the run has the platform's image, {self.image}, and your files at the same path"
            )
        asked = [block.network_mode] if block.network_mode else block.networks
        if others := [name for name in asked if name != self.network]:
            yield f"network {', '.join(others)}: not used; the run is on the platform's network, {self.network}"
        read_only = {volume.split(":")[0] for volume in self.volumes if volume.endswith(":ro")}
        for volume in self.mounts(block.volumes)[len(self.volumes) :]:
            if volume.split(":")[0].rstrip("/") in read_only and not volume.endswith(":ro"):
                yield f"{volume}: mounted read-only, because runs may not write to it"
        for name, value in self.addresses.items():
            if (other := block.env.get(name, value)) != value:
                yield f"{name}={other}: not used; it stays {value}, where this platform's service is"


def target(volume: str) -> str:
    """Returns where a mount is in the container."""
    return volume.split(":")[1].rstrip("/")


def settings_with_facts(block: DockerContainer, settings: dict[str, Any], facts: Facts) -> dict[str, Any]:
    """Returns the options of a block's container, as docker-py takes them, with the facts."""
    return settings | {
        "image": facts.image,
        "network": facts.network,
        "network_mode": None,
        "environment": facts.environment(settings["environment"]),
        "volumes": facts.mounts(list(block.volumes)),
        # `watch` removes it when it has read how it ended
        "auto_remove": False,
    }


def create_and_start(block: DockerContainer) -> Any:
    """Starts the container of a block, without a pull; replaces DockerContainer._create_and_start_container."""
    facts, client = Facts.from_environment(), block._get_client()
    for note in facts.notes(block):
        endings.log_to_run(block.env, note)
    own = {name: value for name, value in block.env.items() if name not in ADDRESSES}
    asked = block.copy(update={"env": own})._build_container_settings(client)
    container = block._create_container(client, **settings_with_facts(block, asked, facts))
    container.start()
    client.close()
    return container


def watch(block: DockerContainer, client: Any, container_id: str) -> Iterator[Any]:
    """Prints the container's output until it ends, notes how, and removes it; replaces _watch_container."""
    container = client.containers.get(container_id)
    yield container
    tail = endings.Tail()
    for piece in container.logs(stream=True):
        sys.stdout.write(tail.add(piece.decode(errors="replace")))
        sys.stdout.flush()
    container.wait()
    container.reload()
    if container.attrs["State"].get("ExitCode"):
        limit = container.attrs["HostConfig"]["Memory"] / 1e6
        was_killed = container.attrs["State"].get("OOMKilled")
        endings.note(block.env, OUT_OF_MEMORY.format(limit=limit) if was_killed else "", tail)
    yield container
    container.remove()


def install() -> None:
    """Makes Prefect start containers this way, on a platform that has any."""
    if os.environ.get("RUN_VOLUMES"):
        DockerContainer._create_and_start_container = create_and_start
        DockerContainer._watch_container = watch
