"""The states of runs in Orion (prefect.server.schemas.states.StateType), in two groups."""

from __future__ import annotations

ACTIVE = ("RUNNING", "PENDING", "CANCELLING")
"""The run is executing or about to."""
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
