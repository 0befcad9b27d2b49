#!/usr/bin/env bash
# What growth costs. `lotcast serve` with GROWTH_SMALL (1,000) and with GROWTH_LARGE (100,000) customers, a session each,
# side by side: dashboards a second at 64 connections over all sessions, every answer checked, in interleaved rounds;
# memory a customer, in the store's file and in all processes' memory once each has been looked at; from start to ready
# with an empty store and with the large one; memory an idle connection at GROWTH_CONNECTIONS (10,000), beside a bare
# H2O. ROUNDS and DURATION (seconds) may be set. growth.sh BENCH_CUSTOMERS BENCH_LOAD BENCH_HELLO
set -euo pipefail
customers_bin=$(realpath "$1") load_bin=$(realpath "$2") hello_bin=$(realpath "$3")
cd "$(dirname "$0")"
. lib.sh
bench_begin
small=${GROWTH_SMALL:-1000}
large=${GROWTH_LARGE:-100000}
idle=${GROWTH_CONNECTIONS:-10000}
rounds=${ROUNDS:-5}
duration=${DURATION:-3}

# serve NAME: `lotcast serve` over $work/NAME; sets url, pid, and ready_ms, from start to ready.
serve() {
    local name=$1 begin
    mkdir -p "$work/$name"
    rm -f "$work/$name/out"
    begin=$(date +%s%N)
    LOTCAST_DATA_DIR=$work/$name/data LOTCAST_LISTEN=127.0.0.1:0 "$bin/lotcast" serve >"$work/$name/out" 2>"$work/$name/log" &
    pid=$!
    started+=("$pid")
    until [ -s "$work/$name/out" ]; do sleep 0.002; done
    url=$(head -n 1 "$work/$name/out")
    until curl -sf -o /dev/null "$url/readyz"; do
        kill -0 "$pid" || { cat "$work/$name/log" >&2; return 1; }
    done
    ready_ms=$((($(date +%s%N) - begin) / 1000000))
}

# make NAME CUSTOMERS: a data directory of so many.
make() {
    serve "$1"
    stop_lotcast
    "$customers_bin" "$work/$1/data" "$2" "$2" >"$work/$1/sessions"
}

# anonymous_kb PID: what the process and its children have in memory that is no file's.
anonymous_kb() {
    local each sum=0
    for each in "$1" $(cat "/proc/$1/task/"*/children); do
        sum=$((sum + $(awk '$1 == "RssAnon:" { print $2 }' "/proc/$each/status")))
    done
    echo "$sum"
}

# load NAME URL SECONDS: right answers a second.
load() { field rate "$("$load_bin" "$2/api/customer/dashboard" "$work/$1/sessions" 64 "$3" 0)"; }

# idle_bytes URL PID: bytes a connection.
idle_bytes() {
    local before after line
    before=$(anonymous_kb "$2")
    coproc held { exec "$load_bin" "$1" - "$idle"; }
    read -r line <&"${held[0]}" || return 1
    after=$(anonymous_kb "$2")
    exec {held[1]}>&-
    wait "$held_PID"
    awk -v kb=$((after - before)) -v count="$idle" 'BEGIN { printf "%.0f", kb * 1024 / count }'
}

empty_ms='' full_ms=''
for _ in $(seq "$rounds"); do
    rm -rf "$work/empty"
    serve empty
    empty_ms+=" $ready_ms"
    stop_lotcast
done
make small "$small"
make large "$large"
for _ in $(seq "$rounds"); do
    serve large
    full_ms+=" $ready_ms"
    stop_lotcast
done
serve small
small_url=$url small_pid=$pid
serve large
large_url=$url large_pid=$pid

# The first look at each customer is none of the rates: dashboards are polled again and again.
load small "$small_url" "$duration" >/dev/null
load large "$large_url" $((duration + large / 10000)) >/dev/null
small_rates='' large_rates=''
for _ in $(seq "$rounds"); do
    small_rates+=" $(load small "$small_url" "$duration")"
    large_rates+=" $(load large "$large_url" "$duration")"
done
file_bytes=$((($(stat -c %s "$work/large/data/store/data.mdb") - $(stat -c %s "$work/small/data/store/data.mdb")) / (large - small)))
memory_bytes=$((($(anonymous_kb "$large_pid") - $(anonymous_kb "$small_pid")) * 1024 / (large - small)))
stop_lotcast
stop_lotcast

serve idle
lotcast_idle=$(idle_bytes "$url/readyz" "$pid")
stop_lotcast
"$hello_bin" 64 "$(nproc)" >"$work/hello.out" &
started+=($!)
wait_for 10 test -s "$work/hello.out"
hello_idle=$(idle_bytes "$(cat "$work/hello.out")" "${started[-1]}")

report "dashboard, $small customers" 1/s "$small_rates"
report "dashboard, $large customers" 1/s "$large_rates" "dashboard, $small customers" "$small_rates"
report "file a customer" bytes "$file_bytes"
report "memory a customer" bytes "$memory_bytes"
report "start to ready, empty" ms "$empty_ms"
report "start to ready, $large customers" ms "$full_ms" "start to ready, empty" "$empty_ms"
report "idle connection, bare H2O" bytes "$hello_idle"
report "idle connection" bytes "$lotcast_idle" "idle connection, bare H2O" "$hello_idle"
