/*
 * sandbox: what Lotcast meets outside, on loopback: a dealer's website and Meta's dialog and Graph
 * API. For development, the demo and tests; nothing in it is real.
 *
 *     sandbox [--meta 127.0.0.1:4001] [--site 127.0.0.1:4002] [--clock 2026-02-06T20:00:00Z]
 *             [--history-days 30] …                                        (--help says the rest)
 *
 * prints a line for each service and then `ready` (port 0 takes a free one):
 *
 *     meta http://127.0.0.1:4001           LOTCAST_META_GRAPH_URL
 *     dialog http://127.0.0.1:4001         LOTCAST_META_DIALOG_URL
 *     app_id 1029384756                    LOTCAST_META_APP_ID
 *     app_secret sandbox-app-secret        LOTCAST_META_APP_SECRET
 *     site http://127.0.0.1:4002/          for the customer to enter; needs
 * LOTCAST_SCAN_ALLOW=127.0.0.0/8 ready
 *
 * SIGTERM or SIGINT ends it. Meta's objects live in memory (with --state FILE they are kept over a
 * restart).
 *
 * The site: Acme Auto, 247 vehicles, 198 in stock: a sitemap index with a gzip sitemap, JSON-LD,
 * microdata and OpenGraph; the last 37 only on later pages of the listings; one vehicle under two
 * URLs; six pages behind robots.txt that do not count.
 *
 * Meta: Jane Doe, with a disabled, a USD and a EUR ad account, two Pages and the business Acme Ads.
 * Once a campaign has been activated it delivers, --history-days back: 30 full days show 123,490
 * impressions, 2,340 clicks, a reach of 45,600 and 847.32 spent. The last two days are restated.
 *
 * For tests, JSON bodies to either listener:
 *
 *     POST /_control/fail
 * {"path":"/items_batch","method":"POST","service":"meta"|"site","skip":0,"times":1,
 *                               "delay_ms":0,"drop":"before"|"after","status":503,"body":…,
 *                               "error":{"code":190,…},"header_name":…,"header_value":…}
 *                              the next `times` calls (-1: all) whose path has `path` in it fail so
 *     POST /_control/clear     forgets these
 *     GET  /_control/requests  {"total","max_concurrent","requests":[{"method","path","count"}]}
 *     POST /_control/reset     counts from 0
 *     POST /_control/clock     {"advance_s":86400} moves the stand-ins' clock on
 *     POST /_control/vehicle   {"number":0..246,"in_stock":bool,"removed":bool,"price":USD};
 * without a number: all GET  /_control/objects   everything that was made at Meta POST
 * /_control/usage     {"percent":100}: what the usage headers say; from 100 on calls are throttled
 *     POST /_control/tokens    {"valid":false}: every token issued so far is dead
 *     POST /_control/batches   {"items_max":5000,"delay_ms":400}: batches above it get error 1; how
 * long one takes POST /_control/refuse    {"retailer_id":"7","message":"…"}: batches refuse this
 * item
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "rpc/base/clock.h"
#include "test/sandbox/control.h"
#include "test/sandbox/dealer.h"

struct options {
    const char *meta;
    const char *site;
    const char *clock;
};

struct sandbox {
    struct control control;
    struct dealer dealer;
    struct http_service site;
};

static void on_site_work(void *arg, struct exchange *x)
{
    dealer_handle(arg, x);
}

static bool is_control(const struct exchange *x)
{
    return strncmp(x->path, "/_control/", strlen("/_control/")) == 0;
}

static void on_site(void *arg, struct exchange *x)
{
    struct sandbox *sandbox = arg;
    if (is_control(x))
        (void)control_handle(&sandbox->control, x);
    else
        control_run(&sandbox->control, "site", x, on_site_work, &sandbox->dealer);
}

int main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static struct sandbox sandbox;
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    control_init(&sandbox.control);
    dealer_init(&sandbox.dealer);
    if (!http_service_start(&sandbox.site, "127.0.0.1", 0, on_site, &sandbox))
        return EXIT_FAILURE;
    printf("site http://127.0.0.1:%d/\nready\n", sandbox.site.port);
    fflush(stdout);
    int number;
    (void)sigwait(&signals, &number);
    http_service_stop(&sandbox.site);
    return EXIT_SUCCESS;
}
