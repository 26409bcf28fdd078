#!/bin/sh
# Starts Postgres. The first start creates the cluster with its roles and databases (init/), completely or not at all.
# Arguments go to postgres, after those of postgresql.conf beside this file.
set -eu
here=$(dirname "$0")

# Single-user mode needs no socket; in the embedded runtime its path could be too long
single() { postgres --single -j -c exit_on_error=true -D "$1" postgres >/dev/null; }

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "$PGDATA.new"
    initdb --pgdata="$PGDATA.new" --encoding=UTF8 --locale=C.UTF-8 --data-checksums --auth=peer >/dev/null
    # pgAdmin hides objects with lower numbers as PostgreSQL's own, and single-user mode would start below this one
    pg_resetwal --next-oid=16384 "$PGDATA.new" >/dev/null
    cat "$here"/init/*.sql | single "$PGDATA.new"
    mv "$PGDATA.new" "$PGDATA"
fi

# At every start, so that the passwords are always those of .env
single "$PGDATA" <<SQL
ALTER ROLE orion PASSWORD '${ORION_DB_PASSWORD:?}';

ALTER ROLE ny_taxi PASSWORD '${WAREHOUSE_DB_PASSWORD:?}';

SQL
exec postgres -c config_file="$here/postgresql.conf" -c hba_file="$here/pg_hba.conf" -D "$PGDATA" "$@"
