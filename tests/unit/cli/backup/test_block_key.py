"""The key of Orion's blocks in secrets/."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.backup import block_key
from orionbox.errors import CommandError
from tests.unit.cli.backup.fake_runtime import KEY, FakeRuntime


def test_a_saved_key_is_private_and_found_by_its_name(checkout: Path) -> None:
    file = block_key.save(KEY)
    assert file.stat().st_mode & 0o777 == 0o600
    assert KEY not in file.name
    assert block_key.load(block_key.fingerprint(KEY)) == KEY
    assert block_key.load(block_key.fingerprint("another")) == ""


def test_a_key_that_is_put_into_orion_is_read_again(runtime: FakeRuntime) -> None:
    runtime.ensure_up()
    runtime.sql("DELETE FROM configuration")
    block_key.put(runtime.stores, "another")
    assert block_key.read(runtime.stores) == "another"


def test_before_orion_has_made_one_there_is_nothing_to_back_up(runtime: FakeRuntime) -> None:
    runtime.ensure_up()
    runtime.sql("DELETE FROM configuration")
    with pytest.raises(CommandError, match="the platform's first start has not ended"):
        block_key.read(runtime.stores)
