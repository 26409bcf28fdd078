"""Prepares the platform for flows: bucket, tables, block types, blocks and deployments.

    python -m services.bootstrap.bootstrap

Every step is idempotent and changes nothing that is up to date. Most starts change nothing, so the bootstrap checks
first (`services.bootstrap.saved_state`), and imports Prefect only if something has changed.
"""

from __future__ import annotations

import os
from pathlib import Path

from orionbox.flow_settings import FlowSettings
from services.bootstrap import saved_state
from services.bootstrap.settings import BootstrapSettings


def main() -> None:
    """Waits for the services, then runs the steps if anything has changed."""
    state_file, done = Path(os.environ["READY_NOTE"]), Path(os.environ["BOOTSTRAPPED"])
    done.unlink(missing_ok=True)
    inputs = saved_state.inputs()
    saved_state.wait_for_services()
    if saved_state.is_unchanged(state_file, inputs):
        _say("nothing has changed since the last bootstrap")
    else:
        run_steps(state_file.with_name("blocks.json"))
        saved_state.save_state(state_file, inputs)
    done.touch()


def run_steps(written_blocks: Path) -> None:
    """Runs every step, in the order of their dependencies.

    Args:
        written_blocks: keeps what is the platform's own among the blocks.
    """
    # These import Prefect, which takes seconds
    from services.bootstrap import blocks, deployments, stores

    bootstrap_settings, settings = BootstrapSettings.from_environment(), FlowSettings.from_environment()
    credentials, connector = (
        blocks.gcp_credentials(bootstrap_settings),
        blocks.warehouse_connector(bootstrap_settings),
    )
    _say("creating the bucket and the tables")
    stores.create_stores(credentials, connector, settings)
    _say("registering the types of blocks")
    blocks.register_block_types()
    _say("saving the blocks")
    written = blocks.Written(written_blocks)
    blocks.save_blocks(bootstrap_settings, credentials, connector, settings, written)
    _say("creating the deployments")
    deployments.deploy(bootstrap_settings.flows_folder, blocks.container_of_runs(bootstrap_settings.image))


def _say(text: str) -> None:
    """Prints at once: the command that starts the platform waits as long as something moves."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
