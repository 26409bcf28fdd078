"""The states of runs in Orion (prefect.server.schemas.states.StateType), in two groups."""

from __future__ import annotations

ACTIVE = ("RUNNING", "PENDING", "CANCELLING")
"""Something works on the run, or will soon."""
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
