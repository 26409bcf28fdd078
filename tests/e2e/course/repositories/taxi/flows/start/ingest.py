"""Week 2, first flow: a month into Postgres, fetched with wget as in week 1."""

import os
from datetime import timedelta

import pandas as pd
from prefect import flow, task
from prefect.tasks import task_input_hash
from prefect_sqlalchemy import SqlAlchemyConnector


@task(log_prints=True, retries=3, cache_key_fn=task_input_hash, cache_expiration=timedelta(days=1))
def extract(url: str) -> pd.DataFrame:
    name = url.split("/")[-1]
    code = os.system(f"wget -q {url} -O {name}")
    print(f"wget ended with {code}")
    frame = pd.read_csv(name, nrows=3000, low_memory=False)
    frame.tpep_pickup_datetime = pd.to_datetime(frame.tpep_pickup_datetime)
    return frame


@task(log_prints=True)
def transform(frame: pd.DataFrame) -> pd.DataFrame:
    print(f"pre: without passengers {frame['passenger_count'].isin([0]).sum()}")
    frame = frame[frame["passenger_count"] != 0]
    print(f"post: without passengers {frame['passenger_count'].isin([0]).sum()}")
    return frame


@task(log_prints=True, retries=3)
def load(table: str, frame: pd.DataFrame) -> None:
    block = SqlAlchemyConnector.load("postgres-connector")
    with block.get_connection(begin=False) as engine:
        frame.head(n=0).to_sql(name=table, con=engine, if_exists="replace")
        frame.to_sql(name=table, con=engine, if_exists="append")
    print(f"loaded {len(frame)} rows")


@flow(name="Subflow", log_prints=True)
def say_table(table: str) -> None:
    print(f"Logging subflow for {table}")


@flow(name="Ingest Data")
def main_flow(table: str = "student_trips") -> None:
    url = "https://github.com/DataTalksClub/nyc-tlc-data/releases/download/yellow/yellow_tripdata_2021-01.csv.gz"
    say_table(table)
    load(table, transform(extract(url)))


if __name__ == "__main__":
    main_flow(table="student_trips")
