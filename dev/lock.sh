#!/bin/sh
# Renews every requirements.lock: newest versions that fit requirements.in, with hashes, without index addresses.
set -eu

uv=$PWD/.venv/bootstrap/bin/uv

# lock FOLDER PYTHON [OPTION...]
lock() {
    folder=$1
    python=$2
    shift 2
    echo "lock: $folder"
    (cd "$folder" && "$uv" pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --no-annotate \
        --python-version "$python" requirements.in --output-file requirements.lock "$@")
}

lock services/base 3.11
# Universal, for the embedded runtime, which uses the installed Python; these locks share one virtual environment
lock services/flows 3.11 --universal
lock cli/runtimes/embedded 3.11 --universal --constraint ../../../services/flows/requirements.lock
lock services/gcs 3.11 --universal --constraint ../flows/requirements.lock
lock services/bigquery 3.11 --universal --constraint ../flows/requirements.lock
lock services/start 3.11 --universal --constraint ../flows/requirements.lock
lock services/orion 3.11 --constraint ../flows/requirements.lock
lock services/docker-proxy 3.11
lock infra/pgadmin 3.11
lock tests 3.11 --constraint ../services/flows/requirements.lock --constraint ../services/start/requirements.lock \
    --constraint ../services/bigquery/requirements.lock \
    --constraint ../cli/runtimes/embedded/requirements.lock
lock dev/bench 3.11
