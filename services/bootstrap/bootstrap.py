"""Prepares the platform for flows: bucket, tables, block types, blocks and deployments.

    python -m services.bootstrap.bootstrap

Every step is idempotent and leaves alone what is as it should be. Most starts change nothing, so this looks first
whether anything is changed (`services.bootstrap.unchanged`), and imports Prefect only where something is.
"""

from __future__ import annotations

import os
from pathlib import Path

from orionbox.flow_settings import FlowSettings
from services.bootstrap import unchanged
from services.bootstrap.settings import BootstrapSettings


def main() -> None:
    """Waits for the services, then runs the steps or finds that there is no need to."""
    note, done = Path(os.environ["READY_NOTE"]), Path(os.environ["BOOTSTRAPPED"])
    done.unlink(missing_ok=True)
    inputs = unchanged.inputs()
    unchanged.wait_for_services()
    if unchanged.is_as_noted(note, inputs):
        print("nothing is changed since the last bootstrap")  # noqa: T201
    else:
        run_steps()
        unchanged.write_note(note, inputs)
    done.touch()


def run_steps() -> None:
    """Runs every step, in an order in which each finds what it needs."""
    # These import Prefect, which takes seconds
    from services.bootstrap import blocks, deployments, stores

    told, settings = BootstrapSettings.from_environment(), FlowSettings.from_environment()
    credentials, connector = blocks.gcp_credentials(told), blocks.warehouse_connector(told)
    stores.make_stores(credentials, connector, settings)
    blocks.register_block_types()
    blocks.save_blocks(told, credentials, connector, settings)
    deployments.deploy(told.flows_folder)


if __name__ == "__main__":
    main()
