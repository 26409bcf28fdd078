"""What Orion calls the states of runs (prefect.server.schemas.states.StateType), in two groups."""

from __future__ import annotations

ACTIVE = ("RUNNING", "PENDING", "CANCELLING")
"""Something works on the run, or is about to."""
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
