from prefect_gcp import GcpCredentials

client = GcpCredentials.load("zoom-gcp-creds").get_bigquery_client(project="any-project-id")
print(list(client.query_and_wait("SELECT count(*) AS trips FROM trips_data_all.green_tripdata"))[0].trips)
