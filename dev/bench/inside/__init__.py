"""The measured programs: Orionbox's code ("ours") and the code that it is compared with.

They run in the bench image, on the platform's network.

Each module is a program, for example `python -m dev.bench.inside.ingest PROGRAM COLOR YEAR MONTH`. It does the work
once, counts the rows in the store, and prints seconds and rows as one line of JSON.
"""
