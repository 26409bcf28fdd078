"""What the containers of runs get from the bootstrap's environment."""

from __future__ import annotations

from pathlib import Path

from cli.environments import proxies
from services.bootstrap.settings import PROXIES, BootstrapSettings


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """What the runs' containers get, if the bootstrap has these variables too."""
    key = tmp_path / "key.json"
    key.write_text("{}")
    names = ("FLOWS_FOLDER", "WAREHOUSE_DB_PASSWORD", "WAREHOUSE_HOST", "RUN_IMAGE", "RUN_NETWORK", "RUN_VOLUMES")
    variables = {**dict.fromkeys(names, "x"), "WAREHOUSE_PORT": "5432", "GCP_KEY_FILE": str(key), **more}
    return BootstrapSettings.from_environment(variables).environment


def test_runs_get_the_proxies_that_the_bootstrap_has(tmp_path: Path) -> None:
    given = {
        "HTTPS_PROXY": "http://proxy.example:3128",
        "https_proxy": "http://proxy.example:3128",
        "NO_PROXY": "orion",
    }
    assert environment(tmp_path, HTTP_PROXY="", ALL_PROXY="", **given) == given
    assert environment(tmp_path, HTTP_PROXY="", HTTPS_PROXY="", GCP_PROJECT="p") == {"GCP_PROJECT": "p"}
    assert set(PROXIES) <= set(proxies.NAMES)
