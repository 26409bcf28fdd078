"""Wires settings, store, language, jobs and routes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from services.bigquery.jobs import external
from services.bigquery.jobs.copy_tables import CopyRunner
from services.bigquery.jobs.extract import ExtractRunner
from services.bigquery.jobs.history import History
from services.bigquery.jobs.job import Jobs, Runner
from services.bigquery.jobs.load import LoadRunner
from services.bigquery.jobs.query import QueryRunner
from services.bigquery.language.analyzer import Analyzer
from services.bigquery.language.evaluator import Evaluator
from services.bigquery.language.pool import Pool
from services.bigquery.loads.sources import Bucket
from services.bigquery.queries import Queries
from services.bigquery.routes.call import Api
from services.bigquery.routes.dispatch import App
from services.bigquery.storage_api.server import serve
from services.bigquery.storage_api.sessions import Sessions
from services.bigquery.store.database import Limits
from services.bigquery.store.store import open_store


@dataclass(frozen=True)
class Settings:
    """A server's settings.

    Attributes:
        folder: Of its data.
        module: Of the compiled SQL module.
        bucket: Of the Cloud Storage server's objects.
        storage: The Cloud Storage server's address; empty if there is none.
        workers: Instances of the SQL module.
        grpc: HOST:PORT of the Storage API; empty for none.
        shares_projects: Whether a statement finds the tables of other projects under its own project's id, too.
    """

    folder: Path
    module: Path
    bucket: Path
    storage: str = ""
    workers: int = 2
    grpc: str = ""
    shares_projects: bool = False


def create_app(settings: Settings, pool: Pool | None = None) -> App:
    """Opens the store, and returns the application.

    Args:
        settings: Of the server.
        pool: The SQL module's workers, where they are running already.
    """
    workers = pool or Pool(settings.module, settings.workers)
    bucket = Bucket(settings.bucket)
    queries = Queries(Analyzer(workers, bucket.library), Evaluator(workers))
    limits = Limits(folders=[settings.bucket])
    store = open_store(
        settings.folder,
        queries,
        limits,
        external=lambda table: external.rows(table, bucket),
        shares_projects=settings.shares_projects,
    )
    # Pieces of uploads that a killed server left; no other server has this folder now
    shutil.rmtree(settings.folder / "uploads", ignore_errors=True)
    runner = QueryRunner(store, queries, workers, bucket)
    runners: dict[str, Runner] = {
        "query": runner,
        "load": LoadRunner(store, bucket),
        "copy": CopyRunner(store),
        "extract": ExtractRunner(store, settings.storage),
    }
    jobs = Jobs(History(settings.folder / "jobs"), runners, store.cancel)
    runner.jobs = jobs

    api = serve(Sessions(settings.folder / "sessions", store, jobs), settings.grpc) if settings.grpc else None

    def close() -> None:
        if api is not None:
            api.stop(None)
        jobs.close()
        store.close()
        if pool is None:
            workers.close()

    return App(Api(store, jobs, bucket, settings.folder / "uploads"), close)
