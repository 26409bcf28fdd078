"""Without credentials, as on a VM of Google's: every client finds the default ones."""

import google.auth
import pandas as pd
from google.cloud import bigquery, storage
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket

print("project", google.auth.default()[1], storage.Client().project, GcpCredentials().project)
GcsBucket(bucket="lake-without-credentials").save("my-lake", overwrite=True)
GcsBucket.load("my-lake").upload_from_path(__file__, "code.py")

frame = pd.DataFrame({"a": range(7)})
frame.to_parquet("gs://lake-of-frames/deep/er/a.parquet")
frame.to_csv("gs://lake-of-frames/a.csv.gz", index=False)
print(
    "read",
    len(pd.read_parquet("gs://lake-of-frames/deep/er/a.parquet")),
    len(pd.read_csv("gs://lake-of-frames/a.csv.gz")),
)

frame.to_gbq("dezoomcamp.no_credentials", if_exists="replace")
print("rows", len(pd.read_gbq("SELECT * FROM dezoomcamp.no_credentials")))
client = bigquery.Client()
uri = "gs://lake-of-frames/deep/er/a.parquet"
job = client.load_table_from_uri(
    uri, "dezoomcamp.from_lake", job_config=bigquery.LoadJobConfig(source_format="PARQUET")
)
print("loaded", job.result().output_rows)
print(
    "buckets",
    [name for name in ("lake-of-frames", "lake-without-credentials") if storage.Client().bucket(name).exists()],
)
