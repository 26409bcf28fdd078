"""`make drawings`: draws the diagrams of docs/ as pictures, which the start page shows in their place.

It needs Chromium, npm and the package mirror, for Mermaid itself. Pictures of diagrams that changed are replaced.
"""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from cli.environments import inherited
from cli.programs import ROOT, say
from services.start.documents import MERMAID, picture_name

MERMAID_VERSION = "mermaid@11.12.0"
IMAGES = ROOT / "docs/images"
CHROMIUM = "/usr/bin/chromium"
PAGE = """<body style="margin: 0"><pre class="mermaid" style="margin: 0; width: 960px"></pre></body>"""
DRAW = """async ([source]) => {
  document.querySelector("pre").textContent = source;
  mermaid.initialize({startOnLoad: false, theme: "neutral", htmlLabels: false});
  await mermaid.run();
}"""


def main() -> None:
    """Draws every diagram that has no picture yet, and deletes the pictures of diagrams that are gone."""
    found = [
        each["source"] for path in sorted((ROOT / "docs").glob("*.md")) for each in MERMAID.finditer(path.read_text())
    ]
    wanted = {picture_name(source): source for source in found}
    for old in IMAGES.glob("diagram-*"):
        if old.name not in wanted:
            old.unlink()
    with TemporaryDirectory() as folder:
        script = _script(Path(folder))
        for name, source in wanted.items():
            _draw(script, source, IMAGES / name)
            say(f"docs/images/{name}")


def _script(folder: Path) -> Path:
    """Downloads Mermaid with npm, and returns the script for browsers."""
    command = ["npm", "pack", "--silent", MERMAID_VERSION]
    subprocess.run(command, cwd=folder, env=inherited.for_tools(), stdout=subprocess.DEVNULL, check=True)
    with tarfile.open(next(folder.glob("*.tgz"))) as package:
        package.extract("package/dist/mermaid.min.js", folder, filter="data")
    return folder / "package/dist/mermaid.min.js"


def _draw(script: Path, source: str, picture: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(device_scale_factor=2)
        page.set_content(PAGE)
        page.add_script_tag(path=script)
        page.evaluate(DRAW, [source])
        page.locator("svg").screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
