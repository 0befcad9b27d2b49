#!/usr/bin/env bash
# Dashboard requests a second, real handler, real records, real JSON, at 64 connections: `lotcast serve`
# (three processes) and `--one-process`, each beside a bare H2O hello with a body of the same size.
# Also with If-None-Match. Every answer's body and ETag are compared (bench_load); the same is measured by
# wrk, which looks at statuses alone, so that it can be seen what the comparing costs. Runs are interleaved. ROUNDS
# and DURATION (seconds) may be set. http.sh BENCH_HELLO BENCH_LOAD
set -euo pipefail
hello_bin=$(realpath "$1") load_bin=$(realpath "$2")
cd "$(dirname "$0")"
. lib.sh
bench_begin

connections=64
rounds=${ROUNDS:-5}
duration=${DURATION:-2}
threads=$(nproc)

# checked TEXT URL [HEADER …]: right answers a second; fails when one was wrong. TEXT is in the body.
checked() {
    local text=$1 target=$2
    shift 2
    field rate "$("$load_bin" "$target" = "$connections" "$duration" "$text" "$@")"
}

# counted URL [HEADER …]: requests a second; fails when any answer was not 2xx or 3xx.
counted() {
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

declare -A rates
add() { rates[$1]+=" $2"; }
items='"itemCount":247,'
for _ in $(seq "$rounds"); do
    add hello "$(checked xxxx "$hello")"
    add three "$(checked "$items" "$three" "$three_cookie")"
    add one "$(checked "$items" "$one" "$one_cookie")"
    add three_tag "$(checked "$items" "$three" "$three_cookie" If-None-Match)"
    add one_tag "$(checked "$items" "$one" "$one_cookie" If-None-Match)"
    add hello_wrk "$(counted "$hello")"
    add three_wrk "$(counted "$three" "$three_cookie")"
    add one_wrk "$(counted "$one" "$one_cookie")"
    add three_tag_wrk "$(counted "$three" "$three_cookie" "If-None-Match: $(tag_of "$three" "$three_cookie")")"
    add one_tag_wrk "$(counted "$one" "$one_cookie" "If-None-Match: $(tag_of "$one" "$one_cookie")")"
done
echo "GET dashboard, $connections connections, body of $bytes bytes, $rounds rounds of ${duration} s"
report "bare H2O hello" 1/s "${rates[hello]}"
report "dashboard, serve" 1/s "${rates[three]}" "bare H2O hello" "${rates[hello]}"
report "dashboard, one process" 1/s "${rates[one]}" "bare H2O hello" "${rates[hello]}"
report "304, serve" 1/s "${rates[three_tag]}" "bare H2O hello" "${rates[hello]}"
report "304, one process" 1/s "${rates[one_tag]}" "bare H2O hello" "${rates[hello]}"
report "wrk: bare H2O hello" 1/s "${rates[hello_wrk]}"
report "wrk: dashboard, serve" 1/s "${rates[three_wrk]}" "wrk: bare H2O hello" "${rates[hello_wrk]}"
report "wrk: dashboard, one process" 1/s "${rates[one_wrk]}" "wrk: bare H2O hello" "${rates[hello_wrk]}"
report "wrk: 304, serve" 1/s "${rates[three_tag_wrk]}" "wrk: bare H2O hello" "${rates[hello_wrk]}"
report "wrk: 304, one process" 1/s "${rates[one_tag_wrk]}" "wrk: bare H2O hello" "${rates[hello_wrk]}"
