"""Week 2 with the student's own blocks: bucket, BigQuery, a token."""

import pandas as pd
from prefect import flow, task
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket


@task(log_prints=True)
def upload() -> None:
    bucket = GcsBucket.load("zoom-gcs")
    print("uploaded", bucket.upload_from_path(__file__, "scripts/own_key.py"))
    print("uploaded", bucket.upload_from_dataframe(pd.DataFrame({"a": [1]}), "frames/a", "parquet"))
    print("stored", sorted(blob.name for blob in bucket.list_blobs()))


@flow(log_prints=True)
def own_key() -> None:
    upload()
    credentials = GcpCredentials.load("zoom-gcp-creds")
    print("token", credentials.get_access_token()[:5])
    pd.DataFrame({"a": [1, 2, 3]}).to_gbq(
        "dezoomcamp.own_key",
        project_id="my-course-412",
        credentials=credentials.get_credentials_from_service_account(),
        if_exists="replace",
    )
    found = credentials.get_bigquery_client().query_and_wait("SELECT count(*) AS n FROM dezoomcamp.own_key")
    print("rows", next(iter(found)).n)


if __name__ == "__main__":
    own_key()
