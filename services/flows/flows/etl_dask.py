"""The main job on a Dask cluster: each month's tasks run where there is room for them."""

from __future__ import annotations

from etl import etl
from orionbox.prefect2.dask import ClusterTaskRunner

etl_dask = etl.with_options(task_runner=ClusterTaskRunner())

if __name__ == "__main__":
    etl_dask()
