import click
import psycopg2
from prefect import flow, task


@task
def count(host, port, table):
    with psycopg2.connect(f"postgresql://postgres:admin@{host}:{port}/ny_taxi") as connection:
        cursor = connection.cursor()
        cursor.execute(f"SELECT count(*) FROM {table}")
        return cursor.fetchone()[0]


@flow(name="count week 1", log_prints=True)
def count_trips(host: str = "localhost", port: int = 5433, table: str = "week1_trips"):
    print("counted", count(host, port, table))


@click.command()
@click.option("--host", default="pgdatabase")
@click.option("--port", default=5432)
def main(host, port):
    count_trips(host, port)


if __name__ == "__main__":
    main()
