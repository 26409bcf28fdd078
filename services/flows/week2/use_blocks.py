from prefect.blocks.system import String
from prefect_gcp.cloud_storage import GcsBucket
from prefect_sqlalchemy import SqlAlchemyConnector

String(value="green").save("my-color", overwrite=True)
with SqlAlchemyConnector.load("postgres-connector") as database:
    print(database.fetch_one("SELECT current_user, current_database()"))
print(GcsBucket.load("zoom-gcs").list_blobs()[:1])
