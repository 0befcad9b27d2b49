# Functions for scripts that need a whole running system: the demo and the benchmarks. Sourced by bash;
# expects `bin` (the folder of lotcast, lotctl and sandbox) and `work` (a private directory).
# Everything that is started is listed in `started`, for stop_all.

started=()

stop_all() {
    local pid
    for pid in "${started[@]}"; do
        kill -TERM "$pid" 2>/dev/null || continue
    done
    wait 2>/dev/null
}

# wait_for SECONDS COMMAND …: until the command succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# start_sandbox [FLAG …]: sets meta_url, dialog_url, site_url, stripe_url, the app's id and secret, and Stripe's
# two secrets.
start_sandbox() {
    "$bin/sandbox" "$@" >"$work/sandbox.out" 2>"$work/sandbox.log" &
    started+=($!)
    wait_for 20 grep -qs '^ready' "$work/sandbox.out" || { echo "the sandbox did not start: $work/sandbox.log" >&2; return 1; }
    meta_url=$(sed -n 's/^meta //p' "$work/sandbox.out")
    dialog_url=$(sed -n 's/^dialog //p' "$work/sandbox.out")
    app_id=$(sed -n 's/^app_id //p' "$work/sandbox.out")
    app_secret=$(sed -n 's/^app_secret //p' "$work/sandbox.out")
    site_url=$(sed -n 's/^site //p' "$work/sandbox.out")
    stripe_url=$(sed -n 's/^stripe //p' "$work/sandbox.out")
    stripe_secret_key=$(sed -n 's/^stripe_secret_key //p' "$work/sandbox.out")
    stripe_webhook_secret=$(sed -n 's/^stripe_webhook_secret //p' "$work/sandbox.out")
}

# start_lotcast NAME LISTEN [FLAG …]: a system of its own in $work/NAME beside the sandbox; sets url. Stripe's
# events go to the one that was started last.
start_lotcast() {
    local name=$1 listen=$2
    shift 2
    mkdir -p "$work/$name"
    rm -f "$work/$name/out" # of an earlier start
    LOTCAST_DATA_DIR=$work/$name/data LOTCAST_LISTEN=$listen \
        LOTCAST_META_GRAPH_URL=$meta_url LOTCAST_META_DIALOG_URL=$dialog_url \
        LOTCAST_META_APP_ID=$app_id LOTCAST_META_APP_SECRET=$app_secret \
        LOTCAST_STRIPE_API_URL=$stripe_url LOTCAST_STRIPE_SECRET_KEY=$stripe_secret_key \
        LOTCAST_STRIPE_WEBHOOK_SECRET=$stripe_webhook_secret \
        LOTCAST_SCAN_ALLOW=127.0.0.0/8 \
        "$bin/lotcast" serve "$@" >"$work/$name/out" 2>"$work/$name/log" &
    started+=($!)
    wait_for 20 test -s "$work/$name/out" || { echo "lotcast did not start: $work/$name/log" >&2; return 1; }
    url=$(head -n 1 "$work/$name/out")
    wait_for 20 curl -sf -o /dev/null "$url/readyz" || { echo "lotcast is not ready: $work/$name/log" >&2; return 1; }
    curl -sf -o /dev/null -H 'Content-Type: application/json' -d "{\"url\":\"$url/api/webhooks/stripe\"}" \
        "$stripe_url/_control/stripe_webhook" || { echo "the sandbox takes no webhook" >&2; return 1; }
}

# api METHOD PATH [JSON]: a request with the cookie jar $jar; fails unless the answer is 2xx or 3xx.
api() {
    local body=()
    [ $# -lt 3 ] || body=(-H 'Content-Type: application/json' -d "$3")
    curl -sS --fail-with-body --max-time 70 -b "$jar" -c "$jar" -X "$1" "${body[@]}" "$url$2"
}

# location METHOD PATH-OR-URL [CURL ARGUMENT …]: where a redirect leads.
location() {
    local method=$1 target=$2
    shift 2
    case $target in http*) ;; *) target=$url$target ;; esac
    curl -sS -o /dev/null -w '%{redirect_url}' -b "$jar" -c "$jar" -X "$method" "$@" "$target"
}

# authorized DIALOG-URL: what a click on the dialog's Authorize requests.
authorized() { sed 's|/oauth?|/oauth/confirm?decision=authorize\&|' <<<"$1"; }

# demo_customer EMAIL PASSWORD COMPANY: from sign-up to running ads with figures; keeps the session in $jar.
demo_customer() {
    local dialog callback back
    api POST /api/auth/signup "{\"email\":\"$1\",\"password\":\"$2\",\"company\":\"$3\",\"name\":\"Demo\"}" >/dev/null
    api POST /api/onboarding/website "{\"url\":\"$site_url\"}" >/dev/null
    dialog=$(location GET /api/auth/meta/connect)
    callback=$(location GET "$(authorized "$dialog")")
    back=$(location GET "$callback")
    case $back in *error*) echo "connecting Meta failed: $back" >&2; return 1 ;; esac
    api POST /api/onboarding/launch '{"monthlyBudget":2500,"currency":"USD","targeting":{"countries":["US"],"ageMin":25,"ageMax":65}}' >/dev/null
    wait_for 30 has_figures
}

has_figures() {
    api GET /api/customer/dashboard | grep -qv '"impressions":0'
}
