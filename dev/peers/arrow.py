"""Sixteen operations of pyarrow's own client of Cloud Storage, with the results that they should have: HOST:PORT."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow
import pyarrow.fs
import pyarrow.parquet


def operations(files: Any, bucket: str) -> list[tuple[str, Callable[[], Any], Any]]:
    """Return the operations, each with its name and its right result."""
    table = pyarrow.table({"a": list(range(100_000))})

    def write() -> None:
        with files.open_output_stream(f"{bucket}/big", metadata={"Content-Type": "text/x"}) as stream:
            for _ in range(20):
                stream.write(b"z" * 1_000_003)

    def listed(recursive: bool) -> list[str]:
        found = files.get_file_info(pyarrow.fs.FileSelector(bucket, recursive=recursive))
        return sorted(each.path.removeprefix(f"{bucket}/") for each in found)

    read = pyarrow.parquet.read_table
    return [
        ("create a bucket", lambda: files.create_dir(bucket), None),
        ("create folders", lambda: files.create_dir(f"{bucket}/d/e"), None),
        ("a folder's type", lambda: files.get_file_info(f"{bucket}/d/e").type, pyarrow.fs.FileType.Directory),
        ("write parquet", lambda: pyarrow.parquet.write_table(table, f"{bucket}/t/x", filesystem=files), None),
        ("read parquet", lambda: read(f"{bucket}/t/x", filesystem=files).num_rows, 100_000),
        ("write 20 MB", write, None),
        ("a file's size", lambda: files.get_file_info(f"{bucket}/big").size, 20_000_060),
        ("read the end", lambda: files.open_input_file(f"{bucket}/big").read_at(10, 19_999_995), b"z" * 10),
        ("read metadata", lambda: files.open_input_stream(f"{bucket}/big").metadata()["Content-Type"], b"text/x"),
        # "t" is no object, and pyarrow asks for objects: at Google, too, it lists a folder only if that has a marker
        # (https://cloud.google.com/storage/docs/json_api/v1/objects/list: `items` are objects, `prefixes` are not)
        ("list everything", lambda: listed(True), ["big", "d", "d/e", "t/x"]),
        ("list the top", lambda: listed(False), ["big", "d"]),
        ("copy", lambda: files.copy_file(f"{bucket}/big", f"{bucket}/big2"), None),
        ("move", lambda: files.move(f"{bucket}/big2", f"{bucket}/big3"), None),
        ("delete a file", lambda: files.delete_file(f"{bucket}/big3"), None),
        ("empty a folder", lambda: files.delete_dir_contents(f"{bucket}/t"), None),
        ("delete the bucket", lambda: files.delete_dir(bucket), None),
    ]


def main() -> None:
    """Run all operations; print those that are wrong, and a count."""
    files = pyarrow.fs.GcsFileSystem(
        anonymous=True,
        scheme="http",
        endpoint_override=sys.argv[1],
        project_id="peers",
        retry_time_limit=timedelta(seconds=10),
    )
    right, total = 0, 0
    for name, call, wanted in operations(files, f"arrow-{uuid.uuid4().hex}"):
        total += 1
        try:
            found = call()
        except Exception as error:
            found = error
        if found == wanted and type(found) is type(wanted):
            right += 1
        else:
            print(f"{name}: {found!r}, not {wanted!r}")  # noqa: T201
    print(f"{right} of {total} right")  # noqa: T201


if __name__ == "__main__":
    main()
