-- What depends on the statement's time, on its user, who is always the same, or on chance: tests/unit compares these by hand, not signatures.lock
current_timestamp() = {NOW}
current_date() = CAST({NOW} AS DATE)
current_datetime() = CAST({NOW} AS TIMESTAMP)
current_time() = CAST(CAST({NOW} AS TIMESTAMP) AS TIME)
rand() = random()
generate_uuid() = CAST(uuid() AS VARCHAR)
session_user() = 'orionbox@orionbox.iam.gserviceaccount.com'
