#!/usr/bin/env bash
# The headline: a million open dashboards, one poll a minute each, is 16,667 polls a second. `lotcast serve` over
# HEADLINE_CUSTOMERS (100,000) customers with HEADLINE_SESSIONS (1,000,000) sessions, each polled once a minute, for
# HEADLINE_SECONDS (300) at HEADLINE_RATE (16,667), every answer checked, while one more customer syncs and buys credits
# all the time. Before it, HEADLINE_FIRST (60) seconds at the same rate, in which each session is looked at for the first
# time since the start: figures of their own, "first minute". What was reached is printed: the rate of right answers,
# latencies from when each poll was due, errors, and the seconds in which more than 1 of 100 answers was late. The load generator, the sandbox and all of it share this machine. headline.sh BENCH_CUSTOMERS BENCH_LOAD
set -euo pipefail
customers_bin=$(realpath "$1") load_bin=$(realpath "$2")
cd "$(dirname "$0")"
. lib.sh
bench_begin
customers=${HEADLINE_CUSTOMERS:-100000}
sessions=${HEADLINE_SESSIONS:-1000000}
seconds=${HEADLINE_SECONDS:-300}
first=${HEADLINE_FIRST:-60}
rate=${HEADLINE_RATE:-16667}
connections=${HEADLINE_CONNECTIONS:-512}

# Syncs and purchases, one after another, until $work/beside is removed; leaves how many of each went well, and not.
beside() {
    local syncs=0 purchases=0 failed=0 pay price=20000
    while [ -e "$work/beside" ]; do
        price=$((price + 1))
        if curl -sf -o /dev/null -H 'Content-Type: application/json' -d "{\"number\":$((price % 200 + 1)),\"price\":$price}" "$stripe_url/_control/vehicle" &&
            api POST /api/customer/ads/sync >/dev/null; then
            syncs=$((syncs + 1))
        else
            failed=$((failed + 1))
        fi
        if pay=$(api POST /api/customer/billing/purchase '{"packageId":"pkg_500"}' | sed 's/.*"checkoutUrl":"//; s/".*//') &&
            curl -sf -o /dev/null -X POST "$pay/confirm"; then
            purchases=$((purchases + 1))
        else
            failed=$((failed + 1))
        fi
        echo "$syncs $purchases $failed" >"$work/beside.new"
        mv "$work/beside.new" "$work/beside.done"
        sleep 0.2
    done
}

start_sandbox --history-days 30
jar=$work/beside.jar
start_lotcast headline 127.0.0.1:0
demo_customer bench@acme.example bench-password-1 "Acme Auto"
stop_lotcast
"$customers_bin" "$work/headline/data" "$customers" "$sessions" >"$work/sessions"
start_lotcast headline 127.0.0.1:0

# polls NAME SECONDS: with what goes on beside them. Ends with another code than 0 when an answer was wrong.
polls() {
    local name=$1 seconds=$2 result status=0 syncs purchases failed
    touch "$work/beside"
    beside 2>"$work/beside.err" &
    beside_pid=$!
    result=$("$load_bin" "$url/api/customer/dashboard" "$work/sessions" "$connections" "$seconds" "$rate") || status=1
    rm "$work/beside"
    wait "$beside_pid"
    read -r syncs purchases failed <"$work/beside.done"
    echo "$name: GET dashboard at $rate/s for $seconds s over $sessions sessions of $customers customers and $connections connections:"
    echo "$result"
    echo "beside it $syncs syncs and $purchases purchases, $failed of them failed"
    report "$name: polls answered" 1/s "$(field rate "$result")"
    report "$name: p50" ms "$(field p50_ms "$result")"
    report "$name: p99" ms "$(field p99_ms "$result")"
    report "$name: p99.9" ms "$(field p999_ms "$result")"
    report "$name: max" ms "$(field max_ms "$result")"
    report "$name: wrong answers" polls "$(field wrong "$result")"
    report "$name: unanswered" polls "$(field unanswered "$result")"
    report "$name: syncs beside" syncs "$syncs"
    report "$name: purchases beside" purchases "$purchases"
    report "$name: failed beside" calls "$failed"
    [ "$failed" -eq 0 ] || cat "$work/beside.err" >&2
    return $status
}

status=0
[ "$first" -eq 0 ] || polls "first minute" "$first" || status=1
polls headline "$seconds" || status=1
exit $status
