from datetime import timedelta

import pandas as pd
from prefect import flow, task
from prefect.tasks import task_input_hash

RELEASE = "https://github.com/DataTalksClub/nyc-tlc-data/releases/download"


@task(retries=3, cache_key_fn=task_input_hash, cache_expiration=timedelta(days=1))
def fetch(url: str) -> pd.DataFrame:
    return pd.read_csv(url, low_memory=False)


@flow(name="Say Hello", log_prints=True)
def hello(name: str) -> None:
    print(f"hello {name}")


@flow(name="Count Trips", log_prints=True)
def count_trips(month: int = 1) -> None:
    hello("green taxi")
    df = fetch(f"{RELEASE}/green/green_tripdata_2021-{month:02}.csv.gz")
    df["passenger_count"].fillna(0, inplace=True)
    print(f"{len(df)} trips, {df['passenger_count'].sum():.0f} passengers")


if __name__ == "__main__":
    count_trips()
