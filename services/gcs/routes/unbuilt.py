"""Methods of Google's JSON API that this server does not have: it says so, by name.

https://cloud.google.com/storage/docs/json_api/v1
"""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from services.gcs.call import Call
from services.gcs.errors import not_built
from services.gcs.router import json_route

METHODS = "GET POST PUT PATCH DELETE"
NAMES = {
    "/b/{bucket}/folders(?:/.*)?": "folders of a hierarchical namespace",
    "/b/{bucket}/managedFolders(?:/.*)?": "managed folders",
    "/b/{bucket}/anywhereCaches(?:/.*)?": "Anywhere Cache",
    "/b/{bucket}/relocate": "buckets.relocate",
    "/b/{bucket}/operations(?:/.*)?": "long-running operations",
    "/b/{bucket}/o/watch": "objects.watchAll",
    "/b/{bucket}/o/bulkRestore": "objects.bulkRestore",
    "/b/{bucket}/o/{object}/iam(?:/.*)?": "IAM policies of objects",
    "/b/{bucket}/ipFilter(?:/.*)?": "IP filtering",
    "/channels/stop": "channels.stop",
}


def refuse(name: str, call: Call) -> Response:
    """Answer 501."""
    raise not_built(name)


ROUTES = tuple(json_route(METHODS, path, partial(refuse, name)) for path, name in NAMES.items())
