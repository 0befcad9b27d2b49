#!/usr/bin/env bash
# Dashboard requests a second, real handler, real records, real JSON, at 64 connections: `lotcast serve`
# (three processes) and `--one-process`, each beside a bare H2O hello with a body of the same size.
# Runs are interleaved; the ratios are of medians. ROUNDS and DURATION (seconds) may be set.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$PWD/build/bin
bench=$PWD/build/release/test/bench
work=$(mktemp -d)
. test/sandbox/lib.sh
trap 'stop_all; rm -rf "$work"' EXIT

connections=64
rounds=${ROUNDS:-5}
duration=${DURATION:-3}
threads=$(nproc)

# rate URL [COOKIE]: requests a second; fails when any answer was not 2xx.
rate() {
    local out
    out=$(wrk -t 1 -c "$connections" -d "${duration}s" ${2:+-H "Cookie: $2"} "$1")
    if grep -q 'Non-2xx' <<<"$out"; then
        echo "$out" >&2
        return 1
    fi
    sed -n 's/^Requests\/sec: *//p' <<<"$out"
}

session_of() { awk '$6 == "lotcast_session" { print $6 "=" $7 }' "$1"; }

# summary NAME RATES: median, minimum and maximum.
summary() {
    printf '%s\n' $2 | sort -n | awk -v name="$1" '{ r[NR] = $1 } END { printf "%-26s %9.0f  (%.0f to %.0f)\n", name, r[int((NR + 1) / 2)], r[1], r[NR] }'
}
median() { printf '%s\n' $1 | sort -n | awk '{ r[NR] = $1 } END { print r[int((NR + 1) / 2)] }'; }

start_sandbox --history-days 30
jar=$work/three.jar
start_lotcast three 127.0.0.1:0
demo_customer bench@acme.example bench-password-1 "Acme Auto"
three=$url/api/customer/dashboard three_cookie=$(session_of "$jar")
bytes=$(api GET /api/customer/dashboard | wc -c)
jar=$work/one.jar
start_lotcast one 127.0.0.1:0 --one-process
demo_customer bench@acme.example bench-password-1 "Acme Auto"
one=$url/api/customer/dashboard one_cookie=$(session_of "$jar")
"$bench/bench_hello" "$bytes" "$threads" >"$work/hello.out" &
started+=($!)
wait_for 10 test -s "$work/hello.out"
hello=$(cat "$work/hello.out")

hello_rates='' three_rates='' one_rates=''
for _ in $(seq "$rounds"); do
    hello_rates+=" $(rate "$hello")"
    three_rates+=" $(rate "$three" "$three_cookie")"
    one_rates+=" $(rate "$one" "$one_cookie")"
done
echo "GET dashboard, requests a second, $connections connections, body of $bytes bytes, $rounds rounds of ${duration} s"
summary "bare H2O hello" "$hello_rates"
summary "serve (three processes)" "$three_rates"
summary "serve --one-process" "$one_rates"
awk -v h="$(median "$hello_rates")" -v t="$(median "$three_rates")" -v o="$(median "$one_rates")" \
    'BEGIN { printf "ratio to hello: three processes %.3f, one process %.3f\n", t / h, o / h }'
