"""Starts the command line. The script `orionbox` runs this file, after it has checked what Python cannot check."""

from __future__ import annotations

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def _main() -> int:
    try:
        from cli.__main__ import main
    except ImportError as error:
        return _refuse(error)
    return main(sys.argv[1:])


def _refuse(error: ImportError) -> int:
    """Says which module is missing: of this checkout, or of a Python that is installed only in part."""
    name = error.name or str(error)
    if name.partition(".")[0] in ("cli", "orionbox"):
        print(f"this checkout is incomplete: there is something wrong with its module {name} ({error})")
        print("get its files again: git checkout -- . (or unpack the archive again)")
    else:
        print(f"{sys.executable} is incomplete: it has no module {name}")
        print("install all of it: sudo apt-get install python3, or put another Python first on PATH")
    return 1


if __name__ == "__main__":
    sys.path[:0] = [ROOT, os.path.join(ROOT, "src")]
    # The user's PYTHONPATH and the like are not for the Pythons that the platform starts either
    for variable in [name for name in os.environ if name.startswith("PYTHON")]:
        del os.environ[variable]
    # Containers of other users read what is created here; what is private gets a mode of its own
    os.umask(os.umask(0) & 0o022)
    # Files that root leaves in the checkout of another user are in that user's way
    sys.dont_write_bytecode = os.geteuid() == 0 != os.stat(ROOT).st_uid
    try:
        from cli.error_reports import exit_with
    except ImportError as error:
        sys.exit(_refuse(error))
    except KeyboardInterrupt:
        sys.exit(130)
    exit_with(_main)
