"""Corrects how Prefect's block GcsBucket uses its folder.

prefect-gcp 0.5 adds `bucket_folder` twice in `put_directory` and drops it for a path that begins with a slash.
`get_directory` takes the folder `code2` for a part of `code`. `old_names` applies these changes after the import.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from prefect.utilities.asyncutils import run_sync_in_worker_thread, sync_compatible
from prefect.utilities.filesystem import filter_files


def correct_folders(cloud_storage: ModuleType) -> None:
    """Replaces the methods of GcsBucket that use its folder wrongly."""
    block = cloud_storage.GcsBucket
    block._resolve_path = _below_folder(block._resolve_path)
    block._join_bucket_folder = _below_folder(block._join_bucket_folder)
    block.put_directory = sync_compatible(_put_directory)
    block.get_directory = sync_compatible(_get_directory)


def _below_folder(resolve: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a path with a slash at its beginning one below the block's folder, too."""

    @wraps(resolve)
    def resolve_below_folder(block: Any, path: Any = "") -> Any:
        return resolve(block, str(path).lstrip("/") if block.bucket_folder else path)

    return resolve_below_folder


async def _put_directory(
    self: Any, local_path: str | None = None, to_path: str | None = None, ignore_file: str | None = None
) -> int:
    """Uploads the files of a folder, by default the working directory, to a path below the block's folder.

    Args:
        self: the block.
        local_path: the folder on this machine.
        to_path: below the block's folder; by default that folder itself.
        ignore_file: a file of patterns, as git has them, of files to leave out.

    Returns:
        The number of files.
    """
    folder = Path(local_path or ".").expanduser()
    included = None
    if ignore_file:
        included = filter_files(str(folder), Path(ignore_file).read_text(encoding="utf-8").splitlines(keepends=True))
    names = [file.relative_to(folder) for file in folder.rglob("*") if not file.is_dir()]
    chosen = [name for name in names if included is None or str(name) in included]
    for name in chosen:
        # write_path adds the block's folder
        target = str(PurePosixPath((to_path or "").lstrip("/"), name.as_posix()))
        await self.write_path(target, content=(folder / name).read_bytes())
    return len(chosen)


async def _get_directory(self: Any, from_path: str | None = None, local_path: str | None = None) -> list[str]:
    """Downloads the objects below a path, by default the block's folder, to a folder, by default the working directory.

    A path that names an object downloads it to its whole name below the local folder, as the course's flows expect.

    Args:
        self: the block.
        from_path: below the block's folder.
        local_path: the folder on this machine.

    Returns:
        The files' paths.
    """
    prefix = (self._resolve_path(from_path or "") or "").strip("/")
    target = Path(local_path or ".").expanduser().absolute()
    client = self.gcp_credentials.get_cloud_storage_client(project=self.gcp_credentials.project)
    blobs = await run_sync_in_worker_thread(lambda: list(client.list_blobs(self.bucket, prefix=prefix or None)))
    paths = []
    for blob in blobs:
        if blob.name.endswith("/") or not (not prefix or blob.name == prefix or blob.name.startswith(f"{prefix}/")):
            continue
        path = target / (blob.name if blob.name == prefix else blob.name[len(prefix) :].lstrip("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        await run_sync_in_worker_thread(partial(blob.download_to_filename, str(path)))
        paths.append(str(path))
    return paths
