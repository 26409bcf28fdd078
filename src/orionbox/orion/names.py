"""The names of what bootstrap makes in Orion; whatever bears another one is the user's own."""

from __future__ import annotations

POSTGRES = "postgres-connector"
CREDENTIALS = ("zoom-gcp-creds", "doc-gcp-creds")
BUCKET = "zoom-gcs"
RESULTS = "task-results"
"""A folder of the bucket for what tasks return."""
CONTAINER = ("zoom", "dtc")
"""Two names where the course's videos and its written notes differ; one definition."""

PROCESS = "agent"
"""A process of the agent's own container."""

BLOCKS = (POSTGRES, *CREDENTIALS, BUCKET, RESULTS, *CONTAINER, PROCESS)
FLOWS = ("etl", "ingest-data", "etl-parent-flow")
