"""The bootstrap's settings, read from environment variables (compose/flows.yaml)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BootstrapSettings:
    """The platform's addresses and keys."""

    flows_folder: Path
    warehouse_password: str
    warehouse_host: str
    warehouse_port: int
    service_account: dict[str, str]
    """The content of the service account's key file."""
    image: str
    """Of a run's container."""

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
        )
