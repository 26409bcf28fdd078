"""A bucket with a folder: as the storage of a deployment, and by its methods."""

from pathlib import Path

from prefect import flow
from prefect.deployments import Deployment
from prefect.infrastructure import Process
from prefect_gcp.cloud_storage import GcsBucket


@flow(log_prints=True)
def stored():
    print("from the bucket")


def names(prefix):
    return sorted(blob.name for blob in GcsBucket(bucket="lake-of-folders").list_blobs(prefix))


if __name__ == "__main__":
    Path("project/deep").mkdir(parents=True, exist_ok=True)
    for name in ("project/top.py", "project/deep/er.py", "project/left_out.txt"):
        Path(name).write_text(name)
    Path(".leave_out").write_text("*.txt\n")
    block = GcsBucket(bucket="lake-of-folders", bucket_folder="code")
    block.save("folders", overwrite=True)
    print("put", block.put_directory("project", ignore_file=".leave_out"), names("code"))
    print("put", block.put_directory("project", to_path="v/2", ignore_file=".leave_out"), names("code/v"))
    print("written", block.write_path("/notes.txt", b"notes"), block.read_path("notes.txt"))
    print("uploaded", block.upload_from_folder("project", "more"), names("code/more"))
    GcsBucket(bucket="lake-of-folders", bucket_folder="code2").write_path("beside.txt", b"")
    got = block.get_directory(local_path="got")
    print("got", sorted(Path(path).relative_to(Path("got").absolute()).as_posix() for path in got))
    block.get_directory(from_path="v/2", local_path="got2")
    print("got", Path("got2/deep/er.py").read_text(), Path("got2/beside.txt").exists())
    GcsBucket(bucket="lake-of-folders").get_directory("code/notes.txt", "../got3")
    print("got", Path("../got3/code/notes.txt").read_text())
    deployed = GcsBucket(bucket="lake-of-folders", bucket_folder="deployed")
    deployed.save("deployed", overwrite=True)
    Deployment.build_from_flow(
        flow=stored, name="bucket", storage=GcsBucket.load("deployed"), infrastructure=Process.load("agent"), apply=True
    )
    print("deployed", "deployed/bucket_folder.py" in names("deployed"), names("deployed/deployed"))
