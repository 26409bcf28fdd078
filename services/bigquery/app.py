"""Wires settings, store, language, jobs and routes."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import replace

from services.bigquery.jobs import external
from services.bigquery.jobs.copy_tables import CopyRunner
from services.bigquery.jobs.extract import ExtractRunner
from services.bigquery.jobs.history import History
from services.bigquery.jobs.job import Jobs, Runner
from services.bigquery.jobs.load import LoadRunner
from services.bigquery.jobs.query import QueryRunner
from services.bigquery.jobs.statements.execution import Execution
from services.bigquery.jobs.statements.meaning import Meaning
from services.bigquery.language.analyzer import Analyzer
from services.bigquery.language.evaluator import Evaluator
from services.bigquery.language.pool import Pool
from services.bigquery.loads.sources import Bucket
from services.bigquery.queries import Queries
from services.bigquery.routes.call import Api
from services.bigquery.routes.dispatch import App
from services.bigquery.settings import Settings
from services.bigquery.storage_api.server import serve
from services.bigquery.storage_api.sessions import Sessions
from services.bigquery.store.store import open_store

CLOSE_SECONDS = 1.5
"""How long jobs may take to end once the server has stopped answering requests."""


def create_app(settings: Settings, pool: Pool | None = None) -> App:
    """Opens the store, and returns the application.

    Args:
        settings: Of the server.
        pool: The SQL module's workers, where they are running already.
    """
    workers, bucket = pool or Pool(settings.module), Bucket(settings.bucket)
    limits, results = replace(settings.limits, folders=[settings.bucket]), settings.folder / "results"
    queries = Queries(Analyzer(workers, bucket.library), Evaluator(workers), limits=limits, folder=results)
    store = open_store(
        settings.folder,
        queries,
        limits,
        external=lambda table: external.rows(table, bucket),
        shares_projects=settings.shares_projects,
        jobs=lambda project: history.all_of(project),
    )
    # What a killed server left; no other server has this folder now
    for leftover in (results, settings.folder / "uploads"):
        shutil.rmtree(leftover, ignore_errors=True)
    results.mkdir(parents=True)
    history = History(settings.folder / "jobs", limits.least_free, 2 * limits.result)
    loads, extracts = LoadRunner(store, bucket), ExtractRunner(store, settings.storage, results)
    meaning = Meaning(queries, workers)
    runner = QueryRunner(store, meaning, Execution(meaning, loads, extracts))
    runners: dict[str, Runner] = {"query": runner, "load": loads, "copy": CopyRunner(store), "extract": extracts}
    jobs = Jobs(history, runners, store.cancel)
    runner.jobs = jobs

    api = serve(Sessions(settings.folder / "sessions", store, jobs), settings.grpc) if settings.grpc else None

    def close() -> None:
        if limits.is_enforced:
            _end_in_time()
        if api is not None:
            api.stop(None)
        jobs.close()
        store.close()
        if pool is None:
            workers.close()

    return App(Api(store, jobs, bucket, settings.folder / "uploads"), close, runner.sessions.end_old)


def _end_in_time() -> None:
    """Ends the process if jobs do not end by themselves: everything that was acknowledged is on the disk."""
    timer = threading.Timer(CLOSE_SECONDS, os._exit, (0,))
    timer.daemon = True
    timer.start()
