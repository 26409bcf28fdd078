"""What is measured, ours and what it is held against; runs in the bench image, on the platform's network.

Each module is a program, `python -m dev.bench.inside.ingest WAY COLOR YEAR MONTH`, that does one thing once and prints its
seconds and the rows that then lie in the store, counted anew, as one line of JSON.
"""
