#!/usr/bin/env bash
# The first look: the whole system with the sandbox and a demo customer. `./build.sh run` calls it
# once everything is built. Ctrl-C ends it.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$PWD/build/bin
work=$PWD/build/run
. test/sandbox/lib.sh

rm -rf "$work"
mkdir -p "$work"
trap stop_all EXIT
trap 'exit 0' INT TERM

listen=${LOTCAST_LISTEN:-127.0.0.1:8080}
# Another program may have 8080: then any free port does.
if (exec 3<>"/dev/tcp/${listen%:*}/${listen##*:}") 2>/dev/null; then
    listen=127.0.0.1:0
fi

email=demo@acme.example
password=demo-password-1
jar=$work/demo.jar
start_sandbox --history-days 30
# Welcome credits such that 8,240 are left after the demo's 30 days of spend (847.32 USD).
LOTCAST_SIGNUP_CREDITS=25187 start_lotcast lotcast "$listen"
demo_customer "$email" "$password" "Acme Auto"
admin=admin@lotcast.example
admin_password=admin-password-1
export LOTCAST_DATA_DIR=$work/lotcast/data
"$bin/lotctl" admin create --email "$admin" <<<"$admin_password" >/dev/null
"$bin/lotctl" suggestion publish --message "New template available" >/dev/null

# What there is to click, unless the frontend was left out.
if curl -sf -o /dev/null -H 'Accept: text/html' "$url/login"; then
    cat <<TEXT

Lotcast runs. In a browser:

  $url/login     as $email, password $password: a customer whose ads run
                 as $admin, password $admin_password: who sees all customers
  $url/signup    a customer of your own. Their website is $site_url
                 (type it where the address is asked for); Meta's dialog and Stripe's checkout are
                 stand-ins, where Authorize and Pay are all there is to do
TEXT
fi

cat <<TEXT

Lotcast runs at $url   (logs: build/run/lotcast/log)
The API, to read and to try: $url/api/docs
The sandbox: Meta at $meta_url, a dealer's website at $site_url, Stripe at $stripe_url

Demo customer: $email, password $password. Their dashboard:

$(api GET /api/customer/dashboard)

Admin: $admin, password $admin_password. What admins see of the customer:

  curl -s -c /tmp/lotcast-admin.jar -H 'Content-Type: application/json' $url/api/auth/login -d '{"email":"$admin","password":"$admin_password"}'
  curl -s -b /tmp/lotcast-admin.jar $url/admin/customers/1

A second customer, step by step (paste these lines):

  jar=\$(mktemp)
  curl -s -c \$jar -H 'Content-Type: application/json' $url/api/auth/signup \\
    -d '{"email":"second@example.com","password":"correct horse","company":"Second Motors"}'
  curl -s -b \$jar -H 'Content-Type: application/json' $url/api/onboarding/website -d '{"url":"$site_url"}'
  dialog=\$(curl -s -o /dev/null -w '%{redirect_url}' -b \$jar $url/api/auth/meta/connect)
  # In a browser you would open \$dialog and click Authorize; curl follows its link:
  confirm=\$(printf %s "\$dialog" | sed 's|/oauth?|/oauth/confirm?decision=authorize\&|')
  callback=\$(curl -s -o /dev/null -w '%{redirect_url}' "\$confirm")
  curl -s -o /dev/null -w '%{redirect_url}\\n' -b \$jar "\$callback"
  curl -s -b \$jar -H 'Content-Type: application/json' $url/api/onboarding/launch \\
    -d '{"monthlyBudget":2500,"currency":"USD","targeting":{"countries":["US"],"ageMin":25,"ageMax":65}}'
  curl -s -b \$jar $url/api/customer/dashboard

  # Credits: open checkoutUrl in a browser and click Pay; or, as its button would:
  pay=\$(curl -s -b \$jar -H 'Content-Type: application/json' $url/api/customer/billing/purchase \\
    -d '{"packageId":"pkg_500"}' | sed 's/.*"checkoutUrl":"//; s/".*//')
  curl -s -o /dev/null -w '%{redirect_url}\\n' -X POST "\$pay/confirm"
  curl -s -b \$jar "$url/api/customer/billing?sessionId=\${pay##*/}"

For tools: LOTCAST_DATA_DIR=$work/lotcast/data build/bin/lotctl list

Ctrl-C ends it.
TEXT
wait -n "${started[@]}"
echo "something ended by itself; see build/run/*/log" >&2
exit 1
