"""A run's page: what it moved, where the time went, what the trips look like.

The start page makes it in a process of its own, so that the memory for the charts is free again at once. Nothing here
needs Prefect, whose import alone takes longer than the page.
"""
