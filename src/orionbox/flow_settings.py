"""What flows are told by their surroundings. The only reader of the environment in this package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from orionbox.errors import BadInputError
from orionbox.trips.months import RELEASE_URL

BUCKET = "prefect-de-zoomcamp"
"""The course's bucket, and the emulator's; Google gives a name to one owner only, so there it is another."""
COURSE_DATASET = "dezoomcamp"
"""The dataset that the course's own code writes to (`dezoomcamp.rides`)."""


@dataclass(frozen=True)
class FlowSettings:
    """Where a flow finds what its blocks do not say."""

    project: str = "orionbox-local"
    """The Google Cloud project."""
    dataset: str = "trips_data_all"
    """The BigQuery dataset of the trips."""
    release_url: str = RELEASE_URL
    """The folder of the taxi files on the web."""
    dask_scheduler: str = "tcp://dask-scheduler:8786"
    """The cluster of flows that run on one."""

    start_url: str = "http://localhost:4280"
    """The start page, as a browser on the user's machine finds it."""
    cloud: str = "emulators"
    """What stands behind Cloud Storage and BigQuery: `emulators`, or `gcp`, which is Google."""
    bucket: str = BUCKET
    """The bucket of the parquet files."""

    @property
    def is_real_cloud(self) -> bool:
        """Whether what is stored is stored at Google."""
        return self.cloud == "gcp"

    @property
    def cloud_in_words(self) -> str:
        """What a report says of the cloud."""
        if self.is_real_cloud:
            return f"Cloud Storage and BigQuery are Google's: project {self.project}, bucket {self.bucket}."
        return "Cloud Storage and BigQuery are emulated."

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> FlowSettings:
        """The settings of this process; what is not set keeps its default.

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
