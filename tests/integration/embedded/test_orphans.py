"""The agent is killed during a run that is one of its processes."""

from __future__ import annotations

import os
import signal

from tests.conftest import Checkout
from tests.integration.embedded.test_embedded import process_of
from tests.slow import assert_swept, deploy, start_run, wait_for_state


def test_a_run_that_died_with_its_agent_is_crashed_and_the_next_one_is_not(platform: Checkout) -> None:
    deploy(platform)
    run = start_run(platform, "slow/process")
    os.kill(process_of(platform, "agent"), signal.SIGKILL)
    new = start_run(platform, "slow/process", seconds=30)
    assert_swept(platform, run, "process")
    wait_for_state(platform, new, "COMPLETED", 90)
