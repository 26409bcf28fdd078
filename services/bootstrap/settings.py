"""The bootstrap's settings, read from environment variables (compose/flows.yaml)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orionbox.flow_settings import VARIABLES

FORWARDED = (
    "ORION_API_URL",
    "STORAGE_EMULATOR_HOST",
    "BIGQUERY_EMULATOR_HOST",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "DASK_DISTRIBUTED__DASHBOARD__LINK",
    "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT",
    "NO_GCE_CHECK",
    *VARIABLES.values(),
)
"""The variables that a run's container gets from the bootstrap; Prefect adds its own settings, `PREFECT_*`."""
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
"""Forwarded, too, if they are set: they are empty unless flows reach the internet."""


@dataclass(frozen=True)
class BootstrapSettings:
    """The platform's addresses and keys, and the options of a run's container."""

    flows_folder: Path
    warehouse_password: str
    warehouse_host: str
    warehouse_port: int
    service_account: dict[str, str]
    """The content of the service account's key file."""
    image: str
    network: str
    volumes: list[str]
    environment: dict[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> BootstrapSettings:
        """Reads the variables, and the key file that one of them names."""
        return cls(
            flows_folder=Path(environment["FLOWS_FOLDER"]),
            warehouse_password=environment["WAREHOUSE_DB_PASSWORD"],
            warehouse_host=environment["WAREHOUSE_HOST"],
            warehouse_port=int(environment["WAREHOUSE_PORT"]),
            service_account=json.loads(Path(environment["GCP_KEY_FILE"]).read_text(encoding="utf-8")),
            image=environment["RUN_IMAGE"],
            network=environment["RUN_NETWORK"],
            volumes=environment["RUN_VOLUMES"].splitlines(),
            environment={
                **{name: environment[name] for name in FORWARDED if name in environment},
                **{name: environment[name] for name in PROXIES if environment.get(name)},
            },
        )
