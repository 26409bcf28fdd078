#!/bin/bash
# Runs pgAdmin, and nginx in front of it. When either ends, the container ends.
trap 'kill $(jobs -p)' TERM INT
# One worker, because pgAdmin keeps its connections in memory; an open PSQL tool holds a thread.
gunicorn --bind=unix:/tmp/pgadmin.sock --threads=25 --no-control-socket "registered_server:create_app()" &
nginx -c /etc/pgadmin/nginx.conf &
wait -n
