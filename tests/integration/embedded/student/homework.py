"""The homework of 2023 as students write it: pandas, blocks, and the course's addresses."""

import asyncio
import os
from pathlib import Path

import pandas as pd
from prefect import flow, get_client, task
from prefect.blocks.notifications import SlackWebhook
from prefect.blocks.system import Secret
from prefect.deployments import Deployment
from prefect.filesystems import GitHub
from prefect_gcp.cloud_storage import GcsBucket

RELEASE = os.environ.get("TAXI_RELEASE_URL", "https://github.com/DataTalksClub/nyc-tlc-data/releases/download")


@task(retries=3)
def fetch(url: str) -> pd.DataFrame:
    return pd.read_csv(url, low_memory=False)


@task(log_prints=True)
def clean(df: pd.DataFrame) -> pd.DataFrame:
    for column in ("lpep_pickup_datetime", "lpep_dropoff_datetime"):
        df[column] = pd.to_datetime(df[column])
    print(f"rows: {len(df)}")
    return df


@task
def write_local(df: pd.DataFrame, color: str, dataset_file: str) -> Path:
    path = Path(f"data/{color}/{dataset_file}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    df.to_parquet(path, compression="gzip")
    return path


@task
def write_gcs(path: Path) -> None:
    GcsBucket.load("zoom-gcs").upload_from_path(from_path=path, to_path=path.as_posix())


@flow
def homework_web_to_gcs(color: str = "green", year: int = 2020, month: int = 1) -> None:
    dataset_file = f"{color}_tripdata_{year}-{month:02}"
    df = clean(fetch(f"{RELEASE}/{color}/{dataset_file}.csv.gz"))
    write_gcs(write_local(df, color, dataset_file))


async def notify_on_completion(block_id: object) -> None:
    async with get_client() as client:
        await client.create_flow_run_notification_policy(
            block_document_id=block_id, is_active=True, tags=[], state_names=["Completed"]
        )


if __name__ == "__main__":
    homework_web_to_gcs()  # question 1
    # Question 4: code from a repository
    GitHub(repository=os.environ["REPOSITORY"]).save("homework", overwrite=True)
    Deployment.build_from_flow(
        flow=homework_web_to_gcs,
        name="from-github",
        storage=GitHub.load("homework"),
        entrypoint="homework.py:homework_web_to_gcs",
        apply=True,
    )
    # Question 5
    webhook = SlackWebhook(url="https://hooks.slack.com/services/T0/B0/class")
    chat = webhook.save("homework-chat", overwrite=True)
    webhook.notify("homework is under way")
    asyncio.run(notify_on_completion(chat))
    # Question 6
    Secret(value="0123456789").save("password", overwrite=True)
