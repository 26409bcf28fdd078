"""What flows are told by their surroundings. The only reader of the environment in this package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from orionbox.errors import BadInputError
from orionbox.trips import RELEASE_URL


@dataclass(frozen=True)
class Settings:
    """Where a flow finds what its blocks do not say."""

    project: str = "orionbox-local"
    """The Google Cloud project."""
    dataset: str = "trips_data_all"
    """The BigQuery dataset of the trips."""
    release_url: str = RELEASE_URL
    """The folder of the taxi files on the web."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings of this process; what is not set keeps its default.

        Raises:
            BadInputError: a variable is set, but empty.
        """
        values = {field: environment[variable] for field, variable in VARIABLES.items() if variable in environment}
        for field, value in values.items():
            if not value.strip():
                raise BadInputError(f"{VARIABLES[field]} is empty; give it a value in .env or leave it out")
        return cls(**values)


VARIABLES = {"project": "GCP_PROJECT", "dataset": "BIGQUERY_DATASET", "release_url": "TAXI_RELEASE_URL"}
"""The variable behind each setting."""
