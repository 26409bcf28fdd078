#!/bin/sh
# Starts Postgres. The first start makes the cluster with its roles and databases (init/), whole or not at all.
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "$PGDATA.new"
    initdb --pgdata="$PGDATA.new" --encoding=UTF8 --locale=C.UTF-8 --data-checksums --auth=peer >/dev/null
    # A real server, reached by its socket only: what single-user mode creates counts as PostgreSQL's own, and pgAdmin
    # hides it
    pg_ctl --pgdata="$PGDATA.new" --wait --silent --options="-h '' -k /tmp" start
    cat /etc/postgresql/init/*.sql | psql --quiet --set=ON_ERROR_STOP=1 postgres
    pg_ctl --pgdata="$PGDATA.new" --wait --silent stop
    mv "$PGDATA.new" "$PGDATA"
fi

# At every start, so that the passwords are always those of .env
postgres --single -j -D "$PGDATA" postgres >/dev/null <<SQL
ALTER ROLE orion PASSWORD '${ORION_DB_PASSWORD:?}';

ALTER ROLE ny_taxi PASSWORD '${WAREHOUSE_DB_PASSWORD:?}';

SQL
exec postgres -c config_file=/etc/postgresql/postgresql.conf -D "$PGDATA"
