"""The start page: what runs, what ran, what to do next. `python -m orionbox.start` serves it."""
