"""What breaks, and what becomes of it: faults on a platform of its own, one after another, while a run is under way."""
