#!/usr/bin/env bash
# search.sh BENCH_SEARCH SOURCE OUT: builds the SQLite peer in OUT, once for each state of its source, and runs
# BENCH_SEARCH beside it.
set -euo pipefail
bench=$1 source=$2 out=$3
library=$out/libsqlite_fts5.so
mkdir -p "$out"
if [ ! "$library" -nt "$source/test/bench/peers/sqlite_fts5.c" ] || [ ! "$library" -nt "$source/test/bench/peers/search_peer.h" ]; then
    [ -f /usr/include/sqlite3.h ] || { echo "search_peers: libsqlite3-dev is needed" >&2; exit 1; }
    gcc -std=c17 -O2 -shared -fPIC -I "$source" -o "$library.new" "$source/test/bench/peers/sqlite_fts5.c" -lsqlite3
    mv "$library.new" "$library"
fi
exec "$bench" "$library"
