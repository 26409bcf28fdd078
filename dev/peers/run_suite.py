"""Runs pytest in the current folder, a clone, with the plugins in this folder."""

from __future__ import annotations

import os
import sys

import pytest

if __name__ == "__main__":  # not in the processes that a test starts, which import this file
    sys.path.insert(0, os.getcwd())
    sys.exit(pytest.main(sys.argv[1:]))
