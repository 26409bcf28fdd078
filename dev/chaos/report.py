"""`make chaos-report`: writes what `make chaos` found into docs/trust.md, between the marks there."""

from __future__ import annotations

from cli.programs import ROOT, end_as, say
from dev.chaos.__main__ import all_faults
from dev.chaos.fault_result import HEADINGS, Outcome, read, summary
from dev.docs_tables import markdown, put_in

PAGE = ROOT / "docs/trust.md"
OUTCOMES = ROOT / "reports/chaos.json"
BEGIN, END = "<!-- chaos -->", "<!-- /chaos -->"


def main() -> int:
    """Writes the page; 1 if there is nothing to write."""
    if not OUTCOMES.exists():
        say("there are no results yet: run make chaos")
        return 1
    page = put_in(PAGE.read_text(encoding="utf-8"), results(read(OUTCOMES)), BEGIN, END, PAGE)
    PAGE.write_text(page, encoding="utf-8")
    say(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


def results(outcomes: list[Outcome]) -> str:
    """The generated part of the page."""
    struck = {(outcome.name, outcome.stage): outcome for outcome in outcomes}
    known = [(fault.name, fault.stage) for fault in all_faults()]
    lines = [struck[key].cells() if key in struck else [*key, "not struck", "", ""] for key in known]
    told = summary([struck[key] for key in known if key in struck])
    if untold := len([key for key in known if key not in struck]):
        told += f"; {untold} more are built, and have not been struck with yet"
    return f"\n{told}.\n\n{markdown(HEADINGS, lines)}\n"


if __name__ == "__main__":
    end_as(main)
