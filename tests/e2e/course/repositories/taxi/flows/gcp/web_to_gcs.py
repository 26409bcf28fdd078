"""Week 2: a month from the web into the bucket."""

from pathlib import Path
from random import randint

import pandas as pd
from prefect import flow, task
from prefect_gcp.cloud_storage import GcsBucket


@task(retries=3)
def fetch(url: str) -> pd.DataFrame:
    if randint(0, 1) > 2:
        raise Exception("to see a retry, make the 2 a 0")
    return pd.read_csv(url, low_memory=False)


@task(log_prints=True)
def clean(df: pd.DataFrame) -> pd.DataFrame:
    df["tpep_pickup_datetime"] = pd.to_datetime(df["tpep_pickup_datetime"])
    df["tpep_dropoff_datetime"] = pd.to_datetime(df["tpep_dropoff_datetime"])
    df["store_and_fwd_flag"] = df["store_and_fwd_flag"].astype(str)
    print(f"rows: {len(df)}")
    return df


@task()
def write_local(df: pd.DataFrame, color: str, dataset_file: str) -> Path:
    path = Path(f"data/{color}/{dataset_file}.parquet")
    df.to_parquet(path, compression="gzip")
    return path


@task()
def write_gcs(path: Path) -> None:
    gcs_block = GcsBucket.load("zoom-gcs")
    gcs_block.upload_from_path(from_path=path, to_path=path, timeout=120)
    gcs_block.upload_from_path(from_path=f"{path}", to_path=str(path))


@flow()
def etl_web_to_gcs(year: int = 2021, month: int = 1, color: str = "yellow") -> None:
    dataset_file = f"{color}_tripdata_{year}-{month:02}"
    url = f"https://github.com/DataTalksClub/nyc-tlc-data/releases/download/{color}/{dataset_file}.csv.gz"
    write_gcs(write_local(clean(fetch(url)), color, dataset_file))


if __name__ == "__main__":
    etl_web_to_gcs()
