#!/usr/bin/env bash
# Dashboard requests a second, real handler, real records, real JSON, at 64 connections: `lotcast serve`
# (three processes) and `--one-process`, each beside a bare H2O hello with a body of the same size.
# Also with If-None-Match. Runs are interleaved; the ratios are of medians. ROUNDS and DURATION (seconds)
# may be set. http.sh BENCH_HELLO.
set -euo pipefail
hello_bin=$(realpath "$1")
cd "$(dirname "$0")"
. lib.sh
bench_begin

connections=64
rounds=${ROUNDS:-5}
duration=${DURATION:-3}
threads=$(nproc)

# rate URL [HEADER …]: requests a second; fails when any answer was not 2xx or 3xx.
rate() {
    local out target=$1 headers=()
    shift
    while [ $# -gt 0 ]; do
        headers+=(-H "$1")
        shift
    done
    out=$(wrk -t 1 -c "$connections" -d "${duration}s" "${headers[@]}" "$target")
    if grep -q 'Non-2xx\|Socket errors' <<<"$out"; then
        echo "$out" >&2
        return 1
    fi
    sed -n 's/^Requests\/sec: *//p' <<<"$out"
}

session_of() { awk '$6 == "lotcast_session" { print "Cookie: " $6 "=" $7 }' "$1"; }

# tag_of URL COOKIE: the answer's ETag.
tag_of() { curl -sf -o /dev/null -D - -H "$2" "$1" | tr -d '\r' | awk 'tolower($1) == "etag:" { print $2 }'; }

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
"$hello_bin" "$bytes" "$threads" >"$work/hello.out" &
started+=($!)
wait_for 10 test -s "$work/hello.out"
hello=$(cat "$work/hello.out")

hello_rates='' three_rates='' one_rates='' three_tag_rates='' one_tag_rates=''
for _ in $(seq "$rounds"); do
    hello_rates+=" $(rate "$hello")"
    three_rates+=" $(rate "$three" "$three_cookie")"
    one_rates+=" $(rate "$one" "$one_cookie")"
    three_tag_rates+=" $(rate "$three" "$three_cookie" "If-None-Match: $(tag_of "$three" "$three_cookie")")"
    one_tag_rates+=" $(rate "$one" "$one_cookie" "If-None-Match: $(tag_of "$one" "$one_cookie")")"
done
echo "GET dashboard, $connections connections, body of $bytes bytes, $rounds rounds of ${duration} s"
report "bare H2O hello" 1/s "$hello_rates"
report "dashboard, serve" 1/s "$three_rates" "bare H2O hello" "$hello_rates"
report "dashboard, one process" 1/s "$one_rates" "bare H2O hello" "$hello_rates"
report "304, serve" 1/s "$three_tag_rates" "bare H2O hello" "$hello_rates"
report "304, one process" 1/s "$one_tag_rates" "bare H2O hello" "$hello_rates"
