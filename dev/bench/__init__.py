"""Measures the platform and compares it with the course's code, with other tools, and with Postgres and DuckDB alone.

`make bench` does it on a throwaway platform; README.md has the results. Programs here run on the host, with the
standard library only; programs in `inside` run in the bench image.
"""
