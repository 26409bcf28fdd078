"""Settings that flows read from environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from orionbox.errors import BadInputError
from orionbox.trips.months import RELEASE_URL

BUCKET = "prefect-de-zoomcamp"
"""The course's bucket, and the emulator's. Bucket names are global at Google, so a real bucket needs another name."""
COURSE_DATASET = "dezoomcamp"
"""The dataset that the course's own code writes to (`dezoomcamp.rides`)."""


@dataclass(frozen=True)
class FlowSettings:
    """Settings that a flow needs and that are not in its blocks."""

    project: str = "orionbox-local"
    """The Google Cloud project."""
    dataset: str = "trips_data_all"
    """The BigQuery dataset of the trips."""
    release_url: str = RELEASE_URL
    """The web folder of the taxi files."""
    dask_scheduler: str = "tcp://dask-scheduler:8786"
    """The Dask cluster."""
    start_url: str = "http://localhost:4280"
    """The start page's address for a browser on the user's machine."""
    cloud: str = "emulators"
    """`emulators`, or `gcp` for the real Google Cloud."""
    bucket: str = BUCKET
    """The bucket of the parquet files."""

    @property
    def is_real_cloud(self) -> bool:
        """Returns whether Cloud Storage and BigQuery are Google's."""
        return self.cloud == "gcp"

    @property
    def cloud_description(self) -> str:
        """Describes in a sentence which cloud is in use."""
        if self.is_real_cloud:
            return f"Cloud Storage and BigQuery are Google's: project {self.project}, bucket {self.bucket}."
        return "Cloud Storage and BigQuery are emulated."

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> FlowSettings:
        """Reads the settings; a variable that is not set keeps its default.

        Raises:
            BadInputError: a variable is set, but empty.
        """
        values = {field: environment[variable] for field, variable in VARIABLES.items() if variable in environment}
        for field, value in values.items():
            if not value.strip():
                raise BadInputError(f"{VARIABLES[field]} is empty; give it a value in .env or leave it out")
        return cls(**values)


VARIABLES = {
    "project": "GCP_PROJECT",
    "cloud": "CLOUD",
    "bucket": "GCP_BUCKET",
    "dataset": "BIGQUERY_DATASET",
    "release_url": "TAXI_RELEASE_URL",
    "dask_scheduler": "DASK_SCHEDULER_ADDRESS",
    "start_url": "START_URL",
}
"""The variable behind each setting."""
