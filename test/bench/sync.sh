#!/usr/bin/env bash
# A sync of a site of which nothing has changed: `lotcast serve` asks for all its SYNC_ITEMS (100,000) pages again, which
# answer 304, compares them with the inventory and with what Meta has, and sends nothing. Wall time, and CPU of the
# service's processes; the site (bench_scan) and Meta (the sandbox) are on the same machine. ROUNDS may be set.
# sync.sh BENCH_SCAN
set -euo pipefail
scan_bin=$(realpath "$1")
cd "$(dirname "$0")"
. lib.sh
bench_begin
items=${SYNC_ITEMS:-100000}
rounds=${ROUNDS:-3}

# cpu_s: of the service's processes so far.
cpu_s() {
    local each ticks=0
    for each in "$pid" $(cat "/proc/$pid/task/"*/children); do
        ticks=$((ticks + $(awk '{ print $14 + $15 }' "/proc/$each/stat")))
    done
    awk -v ticks="$ticks" -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.2f", ticks / hz }'
}

number_of() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" <<<"$2"; }

has_items() { [ "$(number_of total "$(api GET '/api/customer/inventory?limit=1')")" -eq "$items" ]; }
is_running() { api GET /api/customer/dashboard | grep -q '"status":"running"'; }
is_idle() { api GET /api/customer/ads/sync/status | grep -q '"inProgress":false'; }

started_at() { api GET /api/customer/ads/sync/status | sed -n 's/.*"startedAt":"\([^"]*\)".*/\1/p'; }

# A customer of that site, whose ads run.
start_customer() {
    local dialog callback
    api POST /api/auth/signup '{"email":"bench@acme.example","password":"bench-password-1","company":"Acme Auto","name":"Demo"}' >/dev/null
    api POST /api/onboarding/website "{\"url\":\"$site_url\"}" >/dev/null
    wait_for 900 has_items
    dialog=$(location GET /api/auth/meta/connect)
    callback=$(location GET "$(authorized "$dialog")")
    location GET "$callback" >/dev/null
    # It goes on by itself where it takes longer than its answer may.
    api POST /api/onboarding/launch '{"monthlyBudget":2500,"currency":"USD","targeting":{"countries":["US"],"ageMin":25,"ageMax":65}}' >/dev/null || :
    wait_for 900 is_running
    wait_for 900 is_idle
}

# sync: until it is over. All is to be as it was.
sync() {
    local state before
    before=$(started_at)
    # It goes on by itself where it takes longer than its answer may.
    api POST /api/customer/ads/sync >/dev/null || :
    wait_for 900 is_idle
    state=$(api GET /api/customer/ads/sync/status)
    [ "$(started_at)" != "$before" ] || { echo "sync: none was begun: $state" >&2; return 1; }
    for count in itemsAdded itemsUpdated itemsRemoved; do
        [ "$(number_of "$count" "$state")" = 0 ] || { echo "sync: not unchanged: $state" >&2; return 1; }
    done
    grep -q '"error":null' <<<"$state" || { echo "sync: $state" >&2; return 1; }
    has_items
}

start_sandbox --history-days 30 --batch-ms 1 --page-size 500
"$scan_bin" site >"$work/site.out" &
started+=($!)
wait_for 10 test -s "$work/site.out"
site_url=$(sed "s/PAGES/$items/" "$work/site.out")
jar=$work/jar
LOTCAST_SCAN_MAX_ITEMS=$items start_lotcast lotcast 127.0.0.1:0
pid=${started[-1]}
begin=$(date +%s%N)
start_customer
echo "$items items: read for the first time and launched in $((($(date +%s%N) - begin) / 1000000000)) s"
sleep 1.1 # startedAt has whole seconds
sync # what the launch has left to do is none of it
wall='' cpu=''
for _ in $(seq "$rounds"); do
    sleep 1.1
    before=$(cpu_s) begin=$(date +%s%N)
    sync
    wall+=" $(awk -v ns=$(($(date +%s%N) - begin)) 'BEGIN { printf "%.2f", ns / 1e9 }')"
    cpu+=" $(awk -v now="$(cpu_s)" -v before="$before" 'BEGIN { printf "%.2f", now - before }')"
done
report "sync of $items items, unchanged" s "$wall"
report "sync of $items items, unchanged: CPU" s "$cpu"
