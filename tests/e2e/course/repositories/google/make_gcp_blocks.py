"""The course's blocks/make_gcp_blocks.py with a key of the student's own, as Google's console hands it out."""

import secrets

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket

private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
credentials_block = GcpCredentials(
    service_account_info={
        "type": "service_account",
        "project_id": "my-course-412",
        "private_key_id": secrets.token_hex(20),
        "private_key": private_key.decode(),
        "client_email": "prefect@my-course-412.iam.gserviceaccount.com",
        "client_id": "1" * 21,
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/prefect",
    }
)
credentials_block.save("zoom-gcp-creds", overwrite=True)

bucket_block = GcsBucket(gcp_credentials=GcpCredentials.load("zoom-gcp-creds"), bucket="dtc_data_lake_my-course-412")
bucket_block.save("zoom-gcs", overwrite=True)
