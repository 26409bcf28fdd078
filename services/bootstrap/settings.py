"""What the bootstrap is told by its environment variables."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prefect.logging import get_logger

from orionbox.flow_settings import VARIABLES

log = get_logger("bootstrap")
FORWARDED = (
    "ORION_API_URL",
    "STORAGE_EMULATOR_HOST",
    "BIGQUERY_EMULATOR_HOST",
    "DASK_DISTRIBUTED__DASHBOARD__LINK",
    *VARIABLES.values(),
)
"""What a run container is told of its surroundings; Prefect adds its own `PREFECT_*` settings."""


@dataclass(frozen=True)
class Platform:
    """What the bootstrap is told of its surroundings."""

    warehouse_password: str
    warehouse_host: str
    warehouse_port: int
    service_account: dict[str, str]
    image: str
    network: str
    volumes: list[str]
    environment: dict[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Platform:
        """Reads the variables that compose/prefect.yaml sets for this service."""
        return cls(
            warehouse_password=environment["WAREHOUSE_DB_PASSWORD"],
            warehouse_host=environment["WAREHOUSE_HOST"],
            warehouse_port=int(environment["WAREHOUSE_PORT"]),
            service_account=json.loads(Path(environment["GCP_KEY_FILE"]).read_text()),
            image=environment["RUN_IMAGE"],
            network=environment["RUN_NETWORK"],
            volumes=environment["RUN_VOLUMES"].splitlines(),
            environment={name: environment[name] for name in FORWARDED if name in environment},
        )
