"""Settings that need Docker are refused with what to do."""

from __future__ import annotations

import pytest

from cli.runtimes.embedded import unsupported_settings
from cli.settings.settings import Settings
from orionbox.errors import BadInputError


@pytest.mark.parametrize(
    "name, value, fix",
    [
        ("CLOUD", "gcp", "use CLOUD=emulators"),
        ("BIND_ADDRESS", "0.0.0.0", "use BIND_ADDRESS=127.0.0.1"),
        ("TASK_RUNNER", "dask", "use TASK_RUNNER=threads"),
    ],
)
def test_settings_that_need_docker_are_refused_with_the_fix(
    name: str, value: str, fix: str, settings: Settings
) -> None:
    unsupported_settings.refuse(settings)
    with pytest.raises(BadInputError, match=f"{name}={value}.*needs Docker") as error:
        unsupported_settings.refuse(settings.with_values(**{name: value}))
    assert error.value.fix == fix
