"""Week 2: months by parameter, the fetched ones remembered for a day."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
from prefect import flow, task
from prefect.tasks import task_input_hash
from prefect_gcp.cloud_storage import GcsBucket


@task(retries=3, cache_key_fn=task_input_hash, cache_expiration=timedelta(days=1))
def fetch(dataset_url: str) -> pd.DataFrame:
    return pd.read_csv(dataset_url, low_memory=False)


@task()
def write_local(df: pd.DataFrame, color: str, dataset_file: str) -> Path:
    path = Path(f"data/{color}/{dataset_file}.parquet")
    for column in df.columns:
        if column.endswith("datetime"):
            df[column] = pd.to_datetime(df[column])
    df["store_and_fwd_flag"] = df["store_and_fwd_flag"].astype(str)
    df.to_parquet(path, compression="gzip")
    return path


@task
def write_gcs(path: Path) -> None:
    GcsBucket.load("zoom-gcs").upload_from_path(from_path=path, to_path=path)


@flow()
def etl_web_to_gcs(year: int, month: int, color: str) -> None:
    dataset_file = f"{color}_tripdata_{year}-{month:02}"
    dataset_url = f"https://github.com/DataTalksClub/nyc-tlc-data/releases/download/{color}/{dataset_file}.csv.gz"
    write_gcs(write_local(fetch(dataset_url), color, dataset_file))


@flow()
def etl_parent_flow(months: list[int] = [1, 2], year: int = 2021, color: str = "yellow"):
    for month in months:
        etl_web_to_gcs(year, month, color)


if __name__ == "__main__":
    etl_parent_flow([1, 2, 3], 2021, "yellow")
