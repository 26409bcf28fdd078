"""One table's name under several project ids."""

import pandas as pd
from google.cloud import bigquery


def rows(project, table="dezoomcamp.shared"):
    return next(iter(bigquery.Client(project=project).query_and_wait(f"SELECT count(*) FROM {table}")))[0]


pd.DataFrame({"a": range(2)}).to_gbq("dezoomcamp.shared", project_id="beta", if_exists="replace")
print("one", rows("alpha"), rows("beta"), rows("gamma"), rows("gamma", "`delta.dezoomcamp.shared`"))
pd.DataFrame({"a": range(3)}).to_gbq("dezoomcamp.shared", project_id="gamma", if_exists="append")
print("two", rows("alpha"), rows("beta"), rows("gamma"), rows("beta", "`gamma.dezoomcamp.shared`"))
