import argparse
import os

import pandas as pd
from dotenv import load_dotenv
from sqlalchemy import create_engine

load_dotenv()


def main(params):
    user, password = os.getenv("DB_USER"), os.getenv("DB_PASSWORD")
    engine = create_engine(f"postgresql://{user}:{password}@{params.host}:{params.port}/{params.db}")
    df = pd.DataFrame({"id": [1, 2], "color": ["green", "yellow"]})
    df = df.append({"id": 3, "color": None}, ignore_index=True)
    df.head(n=0).to_sql(name=params.table, con=engine, if_exists="replace")
    df.to_sql(name=params.table, con=engine, if_exists="append")
    engine.execute(f"DELETE FROM {params.table} WHERE color IS NULL")
    count = engine.execute(f"SELECT count(*) AS n FROM {params.table}").first()["n"]
    print("rows:", count, engine.has_table(params.table))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=5432)
    parser.add_argument("--db", default="ny_taxi")
    parser.add_argument("--table", default="week1_trips")
    main(parser.parse_args())
