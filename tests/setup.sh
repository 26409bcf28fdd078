#!/bin/sh
# Creates .venv, the development environment, from tests/requirements.lock; does nothing if it is up to date.
set -eu

mark=.venv/.made-from
wanted=$(cat tests/requirements.lock services/base/requirements.lock pyproject.toml | cksum)
[ "$(cat $mark 2>/dev/null)" = "$wanted" ] && exit 0
echo "setup: making .venv"
if ! python3 -m venv --clear .venv/bootstrap 2>/dev/null; then
    echo "setup: python3 has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
fi
.venv/bootstrap/bin/pip install --quiet --disable-pip-version-check --require-hashes -r services/base/requirements.lock
uv=$PWD/.venv/bootstrap/bin/uv
[ -x .venv/bin/python ] || "$uv" venv --quiet --allow-existing --python 3.11 .venv
"$uv" pip sync --quiet --python .venv/bin/python --require-hashes tests/requirements.lock
# The shared library, editable in src/: an edit needs no new installation
"$uv" pip install --quiet --python .venv/bin/python --no-deps --editable .
echo "$wanted" >$mark
