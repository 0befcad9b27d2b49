#!/usr/bin/env bash
# store.sh BENCH_STORE: runs BENCH_STORE beside PostgreSQL 15, a server of its own in a directory on the disk that the
# store writes to (BENCH_DIRECTORY, /var/tmp), over a Unix socket, with its defaults (fsync and synchronous_commit are on)
# but for shared_buffers and the number of connections. BENCH_STORE runs this script again as
#
#   store.sh - CLIENTS SECONDS      commits a second of pgbench, a row each, so many clients at a time
#
# which fails unless all rows that pgbench has counted are in the table afterwards.
set -euo pipefail

# Where it is measured, between both runs of this script.
socket_options() { echo "-h $LOTCAST_BENCH_POSTGRES -U postgres"; }

sql() { "$LOTCAST_BENCH_POSTGRES_BIN/psql" $(socket_options) -X -A -t -q -v ON_ERROR_STOP=1 -c "$1" postgres; }

# pgbench CLIENTS SECONDS: fails with what it says; its rate, or nothing where its clients have not connected in time.
pgbench() {
    local before out done
    before=$(sql 'SELECT count(*) FROM balance')
    out=$("$LOTCAST_BENCH_POSTGRES_BIN/pgbench" $(socket_options) -n -M prepared -c "$1" -j "$(nproc)" -T "$2" \
        -f "$LOTCAST_BENCH_POSTGRES/insert.sql" postgres 2>&1) || { echo "$out" >&2; return 1; }
    done=$(sed -n 's/^number of transactions actually processed: //p' <<<"$out")
    if [ "$(sql 'SELECT count(*) FROM balance')" -ne $((before + done)) ] || ! grep -q '^number of failed transactions: 0 ' <<<"$out"; then
        echo "$out" >&2
        return 1
    fi
    [ "$done" -eq 0 ] || sed -n 's/^tps = \([0-9.]*\) (without.*/\1/p' <<<"$out"
}

measure() {
    local rate
    for _ in 1 2 3 4 5; do
        rate=$(pgbench "$1" "$2")
        [ -z "$rate" ] || { echo "$rate"; return; }
    done
    echo "store_peers: $1 clients of pgbench do nothing in $2 s" >&2
    return 1
}

if [ "$1" = - ]; then
    measure "$2" "$3"
    exit
fi

self=$(realpath "$0") bench=$(realpath "$1")
found=(/usr/lib/postgresql/15/bin /usr/lib/postgresql/*/bin)
[ -x "${found[0]}/initdb" ] || { echo "store_peers: postgresql-15 is needed" >&2; exit 1; }
export LOTCAST_BENCH_POSTGRES_BIN=${found[0]}
LOTCAST_BENCH_POSTGRES=$(mktemp -d "${BENCH_DIRECTORY:-/var/tmp}/lotcast-postgres-XXXXXX")
export LOTCAST_BENCH_POSTGRES
cluster=$LOTCAST_BENCH_POSTGRES/data
# It refuses to run as root.
as=()
if [ "$(id -u)" -eq 0 ]; then
    as=(runuser -u postgres --)
    chown postgres: "$LOTCAST_BENCH_POSTGRES"
fi
stop() {
    "${as[@]}" "$LOTCAST_BENCH_POSTGRES_BIN/pg_ctl" -D "$cluster" -m fast -w stop >/dev/null 2>&1 || :
    rm -rf "$LOTCAST_BENCH_POSTGRES"
}
trap stop EXIT
cd /
"${as[@]}" "$LOTCAST_BENCH_POSTGRES_BIN/initdb" -D "$cluster" -U postgres -A trust -E UTF8 --locale=C >"$LOTCAST_BENCH_POSTGRES.log" 2>&1 ||
    { cat "$LOTCAST_BENCH_POSTGRES.log" >&2; rm -f "$LOTCAST_BENCH_POSTGRES.log"; exit 1; }
rm -f "$LOTCAST_BENCH_POSTGRES.log"
"${as[@]}" "$LOTCAST_BENCH_POSTGRES_BIN/pg_ctl" -D "$cluster" -w -l "$cluster/log" \
    -o "-c listen_addresses='' -c unix_socket_directories=$LOTCAST_BENCH_POSTGRES -c shared_buffers=1GB -c max_connections=200" start >/dev/null ||
    { cat "$cluster/log" >&2; exit 1; }
sql 'CREATE TABLE balance (id bigserial PRIMARY KEY, customer_id bigint NOT NULL, balance_centi bigint NOT NULL, entries integer NOT NULL)'
cat >"$LOTCAST_BENCH_POSTGRES/insert.sql" <<'SQL'
\set customer random(1, 1000000)
\set balance random(1000000, 2000000000)
\set entries random(0, 999)
INSERT INTO balance (customer_id, balance_centi, entries) VALUES (:customer, :balance, :entries);
SQL
# Both in the one directory.
BENCH_DIRECTORY=$LOTCAST_BENCH_POSTGRES "$bench" "$self"
