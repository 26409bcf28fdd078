"""Builds a run's page: its row counts, its times, and charts of the trips.

The start page runs this in a separate process, which frees the charts' memory at its end. Nothing here needs Prefect,
whose import alone takes longer than the page.
"""
