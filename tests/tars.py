"""Small tars, as services and bundles hold them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import Literal


def tar_of(members: Mapping[str, bytes], mode: Literal["w", "w:gz"] = "w") -> bytes:
    """Returns a tar with these members, compressed or not."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()
