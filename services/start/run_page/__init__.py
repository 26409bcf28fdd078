"""A run's page: what it moved, where the time went, what the trips are like. `python -m services.start.run_page RUN_ID` makes it.

Nothing here needs Prefect, whose import alone takes longer than the page.
"""
