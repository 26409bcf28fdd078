"""Writes a run's page to standard output: `python -m services.start.run_page RUN_ID`.

The environment says where Orion, BigQuery and the taxi release are (`NAME_ADDRESS`), at which port a browser finds
Orion (`ORION_PORT`), and which runtime this is (`RUNTIME`).
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from orionbox.flow_settings import FlowSettings
from orionbox.loopback import link_host
from orionbox.runs.report import STORE_TITLES, STORES
from orionbox.trips.kinds import current_word
from services.start.run_page.facts import RunFacts, gather_facts
from services.start.run_page.figures import figures
from services.start.run_page.queries import UnknownRunError

STYLE = Path(__file__).parent.parent / "style.css"


def render(facts: RunFacts) -> str:
    """Returns the page as one self-contained file."""
    environment = Environment(loader=PackageLoader("services.start.run_page", "."), autoescape=True, trim_blocks=True)
    return environment.get_template("page.html").render(
        facts=facts,
        figures=figures(facts),
        totals=[sum(int(month[f"rows.{store}"]) for month in facts.months) for store in STORES],
        stores=STORES,
        store_titles=STORE_TITLES,
        word=current_word,
        style=Markup(STYLE.read_text(encoding="utf-8")),
        orion=f"http://{link_host()}:{os.environ['ORION_PORT']}",
        runtime=os.environ["RUNTIME"],
        cloud=FlowSettings.from_environment().cloud_description,
        now=datetime.now(UTC),
    )


def main() -> int:
    """Writes the page; returns 1 and says why if there is none."""
    try:
        sys.stdout.write(render(gather_facts(sys.argv[1])))
    except UnknownRunError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
