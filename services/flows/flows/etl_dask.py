"""The main job on a Dask cluster: the tasks of each month run on any worker that is free."""

from __future__ import annotations

from etl import etl
from orionbox.prefect2.dask import ClusterTaskRunner

etl_dask = etl.with_options(task_runner=ClusterTaskRunner())

if __name__ == "__main__":
    etl_dask()
