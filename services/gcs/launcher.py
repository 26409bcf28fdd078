"""Runs gcp-storage-emulator as a server that several clients can share and that survives being killed.

Unpatched, the emulator answers one connection at a time (an idle one blocks all others), truncates a file before it
writes it, erases everything on ``GET /wipe``, ignores suffix ranges and has no ``/token``. This module calls the
emulator's own functions, and adds threads, a lock, files that are written whole, and a check after a crash. Buckets are
created at their first write (`new_buckets`), and Google's sign-in is answered for (`tokens`).
"""

# mypy: disable-error-code="import-untyped,import-not-found,misc"
# The emulator carries no type information, so its classes and objects are Any.

import argparse
import io
import json
import logging
import os
import re
import shutil
import signal
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gcp_storage_emulator import server as emulator
from gcp_storage_emulator.exceptions import Conflict
from gcp_storage_emulator.handlers import buckets, objects
from gcp_storage_emulator.settings import STORAGE_DIR
from gcp_storage_emulator.storage import _FileStore

from orionbox.http_guard import GuardedHandler, HttpGuard, further_hosts
from services.gcs import new_buckets, tokens
from services.gcs.new_buckets import GrowingStorage
from services.gcs.resumable_uploads import MODE, cancel

Handler = Callable[..., None]

METHODS = (emulator.GET, emulator.POST, emulator.PUT, emulator.PATCH, emulator.DELETE)
IDLE_SECONDS, HOUR = 60, 3600
METADATA = ".meta"
TEMPORARY = ".tmp-"
SUMMARY = ".backup.json"
"""The backup's last member, which shows that it is complete: objects by bucket."""
NOT_IN_A_BACKUP = ("_resumable", "_softdelete")
"""Uploads that are not complete, and deleted objects."""

_log = logging.getLogger("gcs")
# The emulator keeps its state in dictionaries and one .meta file, so one request at a time may use them.
_state = threading.RLock()
_new_resource = objects._make_object_resource


class AtomicStore(_FileStore):
    """The emulator's folder of objects, in which each file is replaced whole or not at all."""

    def write_bytes(self, rel: str, content: bytes) -> None:
        """Write the content to the disk, then replace the file in one step."""
        path = self._disk_path(rel)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._root, prefix=TEMPORARY, delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), MODE)
                os.fsync(file.fileno())
                os.replace(file.name, path)
            finally:
                Path(file.name).unlink(missing_ok=True)


class Server(ThreadingHTTPServer):
    """Serves each connection in a daemon thread, so that the process can exit."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log the error, unless the client has closed the connection."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class RequestHandler(GuardedHandler, emulator.RequestHandler):
    """Adds the guard, an idle timeout and ``/backup`` to the emulator's handler."""

    timeout = IDLE_SECONDS
    # Uploads and tokens have other types, in requests that a program may send without asking, too
    guard = HttpGuard("gcs", json_paths=r"/(storage/v1/)?b(/|$)|/prune", further_hosts=further_hosts())

    def do_GET(self) -> None:
        """Answer ``/backup`` with a tar of all buckets; leave the rest to the emulator."""
        if self.path != "/backup":
            super().do_GET()
            return
        # The client may read another store first, which can take long
        self.connection.settimeout(None)
        with snapshot(self.storage) as (folder, summary):
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/x-tar")
            self.end_headers()
            with tarfile.open(fileobj=self.wfile, mode="w|") as tar:
                tar.add(folder, STORAGE_DIR)
                member = tarfile.TarInfo(SUMMARY)
                member.size = len(summary)
                tar.addfile(member, io.BytesIO(summary))


@contextmanager
def snapshot(storage: Any) -> Iterator[tuple[Path, bytes]]:
    """Create a folder with all objects of this moment, and its summary.

    Its files are hard links, which take no space: files are replaced, never changed.
    """
    root: Path = storage._store._root
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=root.parent) as folder:
        copy = Path(folder) / root.name
        with _state:
            shutil.copytree(root, copy, copy_function=os.link, ignore=partial(_left_out, str(root)))
            summary = json.dumps(counts(storage)).encode()
        yield copy, summary


def counts(storage: Any) -> dict[str, Any]:
    """Return the number of objects by bucket, and the size of all of them."""
    sizes = {
        bucket: [int(known["size"]) for known in storage.objects.get(bucket, {}).values()] for bucket in storage.buckets
    }
    return {"rows": {bucket: len(found) for bucket, found in sizes.items()}, "bytes": sum(map(sum, sizes.values()))}


def _left_out(root: str, folder: str, names: list[str]) -> list[str]:
    return [name for name in names if folder == root and (name in NOT_IN_A_BACKUP or name.startswith(TEMPORARY))]


# --- after a crash: files on disk win over .meta ---


def open_storage(data_dir: Path) -> Any:
    """Open (or create) the storage in ``data_dir``, an absolute path, and repair what a crash left behind."""
    root = data_dir / STORAGE_DIR
    for stray in root.glob(f"{TEMPORARY}*"):
        stray.unlink()
    for stray in data_dir.glob(f"{TEMPORARY}*"):
        shutil.rmtree(stray)
    try:
        storage = GrowingStorage(data_dir=str(data_dir))
    except ValueError:
        _log.error("%s cannot be read: kept as %s.broken, and a new one written", METADATA, METADATA)
        (root / METADATA).rename(root / f"{METADATA}.broken")
        storage = GrowingStorage(data_dir=str(data_dir))
    storage._store = AtomicStore(use_memory=False, root=root)
    storage.forget_old_uploads(datetime.now())
    reconcile(storage, root)
    return storage


def reconcile(storage: Any, root: Path) -> None:
    """Rebuild ``.meta`` for objects that it lacks or that are newer than it."""
    metadata = root / METADATA
    written_at = metadata.stat().st_mtime_ns if metadata.exists() else 0
    for folder in root.iterdir():
        if folder.is_dir() and not folder.name.startswith((".", "_")) and folder.name not in storage.buckets:
            buckets.create_bucket(folder.name, storage)
    for bucket in storage.buckets:
        recorded = storage.objects.get(bucket, {})
        storage.objects[bucket] = dict(_objects_on_disk(root / bucket, recorded, written_at))
    storage._write_config_to_file()


def _objects_on_disk(folder: Path, recorded: dict[str, Any], written_at: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and resource of each file in a bucket's folder; ``.meta`` is from ``written_at``, in ns."""
    # "folder/" and "a//b" are names, too: an object keeps the name in .meta, which may differ from its path
    names = {folder.joinpath(*filter(None, name.split("/"))): name for name in recorded}
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        name = names.get(path, path.relative_to(folder).as_posix())
        known, now = recorded.get(name, {}), path.stat()
        if known and int(known["size"]) == now.st_size and now.st_mtime_ns < written_at:
            yield name, known
        else:
            yield name, _resource_for(folder.name, name, path.read_bytes(), known)


def _resource_for(bucket: str, name: str, content: bytes, known: dict[str, Any]) -> dict[str, Any]:
    """Return the resource of ``content``, with the type and labels from the object's ``known`` resource."""
    kept = {key: known[key] for key in ("metadata", "acl") if known.get(key)}
    content_type = known.get("contentType") or "application/octet-stream"
    resource = resource_without_address("", bucket, name, content_type, str(len(content)), kept)
    described: dict[str, Any] = objects._checksums(content, resource)
    if described["md5Hash"] == known.get("md5Hash"):
        return known
    _log.warning("gs://%s/%s was not as recorded: .meta rebuilt for it", bucket, name)
    return described


# --- the routes: the emulator's own, each under the lock, and those it lacks ---


def with_lock(handler: Handler) -> Handler:
    """Run ``handler`` under the lock, after the body has arrived: a slow client delays nobody."""

    def handle(request: Any, response: Any, storage: Any, *_: Any) -> None:
        request.data  # noqa: B018  read from the socket now, and remembered
        try:
            with _state:
                handler(request, response, storage)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            response.status = HTTPStatus.BAD_REQUEST
            response.json({"error": {"code": 400, "message": "Objects are files here: a and a/b cannot both exist"}})
        except Conflict as error:
            new_buckets.answer_error(response, HTTPStatus.BAD_REQUEST, "invalid", str(error))

    return handle


def sign_in(request: Any, response: Any, storage: Any) -> None:
    """Answer for Google's sign-in: at /token, and at /google/ for what the stand-in of the internet forwards."""
    response.status, body = tokens.answer(request.params.get("path", "token"), request.data or b"")
    response.json(body)


def answer_counts(request: Any, response: Any, storage: Any) -> None:
    """Answer with the number of objects by bucket."""
    response.json(counts(storage))


def prune(storage: Any, days: float, only_count: bool = False) -> dict[str, int]:
    """Delete for good the objects that were deleted more than ``days`` ago; return how many, and their bytes."""
    limit = datetime.now(UTC) - timedelta(days=days)
    found = [
        (bucket, name, generation, int(item["size"]))
        for bucket, by_name in storage.soft_deleted.items()
        for name, generations in by_name.items()
        for generation, item in generations.items()
        if datetime.fromisoformat(item["softDeleteTime"]) <= limit
    ]
    if found and not only_count:
        for bucket, name, generation, _ in found:
            storage._remove_soft_deleted_generation(bucket, name, generation)
        storage._write_config_to_file()
    return {"objects": len(found), "bytes": sum(size for *_, size in found)}


def answer_prune(request: Any, response: Any, storage: Any) -> None:
    """Answer ``POST /prune?days=1&dry_run=false`` with what was deleted for good."""
    days, dry_run = (request.query.get(name, [default])[0] for name, default in (("days", "7"), ("dry_run", "false")))
    response.json(prune(storage, float(days), dry_run == "true"))


def prune_for_ever(storage: Any) -> None:
    """Delete for good what a bucket need not keep any longer (at Google and here 7 days), and look again each hour."""
    while True:
        with _state:
            storage._purge_expired_soft_deletes()
        time.sleep(HOUR)


def not_found(request: Any, response: Any, storage: Any) -> None:
    """Answer 404."""
    response.status = HTTPStatus.NOT_FOUND


def absolute_range(header: str, size: int) -> str:
    """Return a Range header with ``bytes=-N``, the last N of ``size`` bytes, counted from the start instead.

    The emulator knows only the latter (RFC 9110, section 14.1.2). Every other header comes back as it is.
    """
    suffix = re.fullmatch(r"\s*bytes=-([0-9]+)\s*", header)
    return f"bytes={max(size - int(suffix[1]), 0)}-" if suffix else header


def download(request: Any, response: Any, storage: Any, *, original: Handler = objects.download) -> None:
    """Serve an object or, in a Range header, any part of it."""
    headers = request._request_handler.headers
    resource = storage.objects.get(request.params["bucket_name"], {}).get(request.params["object_id"])
    if resource and "Range" in headers:
        headers.replace_header("Range", absolute_range(headers["Range"], int(resource["size"])))
    original(request, response, storage)


def resource_without_address(*args: Any, **options: Any) -> dict[str, Any]:
    """Build an object's resource without ``mediaLink``, so that clients build it from the address they use.

    It would contain the uploader's address: a container could not read an object that was sent to localhost.
    """
    resource: dict[str, Any] = _new_resource(*args, **options)
    # Not null: pyarrow's client ends the whole process at a null
    del resource["mediaLink"]
    return resource


def with_cancel(methods: dict[str, Handler]) -> dict[str, Handler]:
    """Add DELETE, which cancels an upload, to the upload route."""
    return {**methods, emulator.DELETE: cancel} if objects.upload_partial in methods.values() else methods


def install() -> None:
    """Replace the emulator's routes and functions by those of this module."""
    objects._make_object_resource = resource_without_address
    own: dict[Handler, Handler] = {
        objects.download: download,
        buckets.insert: new_buckets.insert,
        buckets.get: new_buckets.get,
    }
    objects.download = download
    routes = (
        (r"^/token$", {emulator.POST: sign_in}),
        (r"^/google/(?P<path>.*)$", {emulator.GET: sign_in, emulator.POST: sign_in}),
        (new_buckets.OTHER_NAMES, dict.fromkeys(METHODS, new_buckets.refuse_name)),
        (r"^/wipe$", {emulator.GET: not_found}),
        (r"^/counts$", {emulator.GET: answer_counts}),
        (r"^/prune$", {emulator.POST: answer_prune}),
        *(route for route in emulator.HANDLERS if route[0] != r"^/wipe$"),
    )
    emulator.HANDLERS = tuple(
        (pattern, {method: with_lock(own.get(handler, handler)) for method, handler in with_cancel(methods).items()})
        for pattern, methods in routes
    )
    # The router calls this one when no route fits
    objects.insert = with_lock(objects.insert)


def _stop(*_: Any) -> None:
    """End the process between two requests, so that no file is half written."""
    with _state:
        sys.exit(0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4443, help="0 takes a free one; the log says which")
    parser.add_argument("--data-dir", type=lambda text: Path(text).resolve(), required=True)
    return parser.parse_args()


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    # The emulator warns at every health check, so only its errors are shown, and our own lines
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _log.setLevel(logging.INFO)
    arguments = _arguments()
    install()
    storage = open_storage(arguments.data_dir)
    storage.creates_buckets = os.environ.get("CREATE_BUCKETS", "yes") == "yes"
    threading.Thread(target=prune_for_ever, args=(storage,), daemon=True).start()
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _stop)
    with Server((arguments.host, arguments.port), partial(RequestHandler, storage)) as httpd:
        _log.info("listening on http://%s:%d", arguments.host, httpd.server_port)
        httpd.serve_forever()


if __name__ == "__main__":
    main()
