"""The start page: what runs, what ran, what to do next. `python -m services.start` serves it."""
