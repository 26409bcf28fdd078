"""The start page: what is running, what ran, what to do next. `python -m services.start` serves it."""
