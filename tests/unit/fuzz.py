"""How tests are run with generated input."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# The same input on every machine, and no file left behind
fuzz = settings(
    max_examples=150, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
