"""The stored result of a cached task whose file is gone."""

from __future__ import annotations

import asyncio
import warnings
from types import SimpleNamespace

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what Prefect imports
    from prefect.results import PersistedResult

    from orionbox.prefect2.results import MissingResultError, with_fix


def test_a_result_whose_file_is_gone_says_how_to_compute_it_again() -> None:
    async def read_document(_: object) -> object:
        raise ValueError("Path /var/lib/prefect/storage/4f2a does not exist.")

    read = with_fix(PersistedResult._read_blob)
    result = SimpleNamespace(storage_key="4f2a", storage_block_id="1")
    client = SimpleNamespace(read_block_document=read_document)
    with pytest.raises(MissingResultError, match="4f2a of an earlier run .* does not exist.*REFRESH_CACHE=true python"):
        asyncio.run(read(result, client=client))
