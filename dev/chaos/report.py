"""`make chaos-report`: writes the results of `make chaos` into dev/chaos/README.md, between the marks there."""

from __future__ import annotations

from cli.error_reports import exit_with
from cli.programs import ROOT, say
from dev.chaos.__main__ import REPORT, all_faults
from dev.chaos.fault_result import HEADINGS, FaultResult, read, summary
from dev.docs_tables import markdown, replace_between_marks

PAGE = ROOT / "dev/chaos/README.md"
BEGIN, END = "<!-- chaos -->", "<!-- /chaos -->"


def main() -> int:
    """Writes the page; 1 if there is nothing to write."""
    if not REPORT.exists():
        say("no results yet; run make chaos")
        return 1
    page = replace_between_marks(PAGE.read_text(encoding="utf-8"), table(read(REPORT)), BEGIN, END, PAGE)
    PAGE.write_text(page, encoding="utf-8")
    say(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


def table(results: list[FaultResult]) -> str:
    """Returns the generated part of the page."""
    by_fault = {(result.name, result.stage): result for result in results}
    faults = [(fault.name, fault.stage) for fault in all_faults()]
    lines = [by_fault[fault].cells() if fault in by_fault else [*fault, "not run", "", ""] for fault in faults]
    sentence = f"The platform {summary([by_fault[fault] for fault in faults if fault in by_fault])}"
    if missing := len([fault for fault in faults if fault not in by_fault]):
        sentence += f"; {missing} more exist and have not been run yet"
    return f"\n{sentence}.\n\n{markdown(HEADINGS, lines)}\n"


if __name__ == "__main__":
    exit_with(main)
