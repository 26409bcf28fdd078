#!/bin/sh
# Starts Postgres. The first start creates the cluster with its roles and databases (init/), completely or not at all.
# Arguments go to postgres, after those of postgresql.conf beside this file.
set -eu
here=$(dirname "$0")

# Single-user mode needs no socket; in the embedded runtime its path could be too long
single() { postgres --single -j -c exit_on_error=true -D "$1" postgres >/dev/null; }

# The server works in its data folder. Where processes have no folder in /proc, their name has to do.
is_server() {
    if [ -e "/proc/$1/cwd" ]; then
        [ "/proc/$1/cwd" -ef "$PGDATA" ]
    else
        ps -o comm= -p "$1" 2>/dev/null | grep -q postgres
    fi
}

if [ -s "$PGDATA/PG_VERSION" ]; then
    data=$(cat "$PGDATA/PG_VERSION")
    server=$(postgres --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
    if [ "$data" != "$server" ]; then
        echo "the data in $PGDATA was written by PostgreSQL $data, and this is PostgreSQL $server" >&2
        exit 1
    fi
fi

# After a crash, postmaster.pid names a process that is gone. Its id may belong to another program by now, and then
# PostgreSQL would refuse to start. So put this script's id there, which PostgreSQL accepts, because it is the parent's.
# That is safe: no server of this folder is running, and PostgreSQL still checks for one by the shared memory that the
# file names. (In compose a container has the volume for itself; in the embedded runtime service_lock.py allows one.)
if [ -s "$PGDATA/postmaster.pid" ]; then
    id=$(head -n 1 "$PGDATA/postmaster.pid" | tr -cd '0-9')
    if [ -n "$id" ] && [ "$id" != $$ ] && ! is_server "$id"; then
        echo "replaced a stale postmaster.pid, which named process $id"
        sed "1s/.*/$$/" "$PGDATA/postmaster.pid" >"$PGDATA/postmaster.pid.new"
        mv "$PGDATA/postmaster.pid.new" "$PGDATA/postmaster.pid"
    fi
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "$PGDATA.new"
    initdb --pgdata="$PGDATA.new" --encoding=UTF8 --locale=C.UTF-8 --data-checksums --auth=peer >/dev/null
    # pgAdmin hides objects with lower numbers as PostgreSQL's own, and single-user mode would start below this one
    pg_resetwal --next-oid=16384 "$PGDATA.new" >/dev/null
    cat "$here"/init/*.sql | single "$PGDATA.new"
    mv "$PGDATA.new" "$PGDATA"
fi

# At every start, so that the passwords are always those of .env, older clusters get the attributes too, and an owner who
# has locked himself out of his database gets in again. A backup logs in as ny_taxi and has to see all rows, so even a
# forced row policy does not bind this role. Orion always finds a connection: PostgreSQL has 100.
single "$PGDATA" <<SQL
ALTER ROLE orion PASSWORD '${ORION_DB_PASSWORD:?}' NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION;

ALTER ROLE ny_taxi PASSWORD '${WAREHOUSE_DB_PASSWORD:?}' NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION BYPASSRLS CONNECTION LIMIT 80;

ALTER DATABASE ny_taxi CONNECTION LIMIT -1;

GRANT ALL ON DATABASE ny_taxi TO ny_taxi;

$(for whose in "DATABASE ny_taxi" "ROLE ny_taxi" "ROLE ny_taxi IN DATABASE ny_taxi"; do
    printf 'ALTER %s RESET local_preload_libraries;\n\nALTER %s RESET idle_session_timeout;\n\n' "$whose" "$whose"
done)

SQL
exec postgres -c config_file="$here/postgresql.conf" -c hba_file="$here/pg_hba.conf" -D "$PGDATA" "$@"
