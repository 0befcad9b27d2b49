/*
 * sandbox: what Lotcast meets outside, on loopback: a dealer's website, Meta's dialog and Graph
 * API, and Stripe Checkout. For development, the demo and tests; nothing in it is real.
 *
 *     sandbox [--meta 127.0.0.1:4001] [--site 127.0.0.1:4002] [--stripe 127.0.0.1:4003]
 *             [--clock 2026-02-06T20:00:00Z] [--history-days 30] …         (--help says the rest)
 *
 * prints a line for each service and then `ready` (port 0 takes a free one):
 *
 *     meta http://127.0.0.1:4001           LOTCAST_META_GRAPH_URL
 *     dialog http://127.0.0.1:4001         LOTCAST_META_DIALOG_URL
 *     app_id 1029384756                    LOTCAST_META_APP_ID
 *     app_secret sandbox-app-secret        LOTCAST_META_APP_SECRET
 *     site http://127.0.0.1:4002/          for the customer to enter
 *     stripe http://127.0.0.1:4003         LOTCAST_STRIPE_API_URL
 *     stripe_secret_key sk_test_sandbox    LOTCAST_STRIPE_SECRET_KEY
 *     stripe_webhook_secret whsec_sandbox  LOTCAST_STRIPE_WEBHOOK_SECRET
 *     ready
 *
 * (the site needs LOTCAST_SCAN_ALLOW=127.0.0.0/8).
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
 * Stripe: sessions, refunds, and a page with Pay, Pay by bank and Cancel. Its events go, signed, to
 * --webhook or to what /_control/stripe_webhook says, until they are answered with 2xx.
 *
 * For tests, JSON bodies to any listener:
 *
 *     POST /_control/fail
 * {"path":"/items_batch","method":"POST","service":"meta"|"site","skip":0,"times":1,
 *                               "delay_ms":0,"drop":"before"|"after","status":503,"body":…,
 *                               "error":{"code":190,…},"header_name":…,"header_value":…}
 *                              the next `times` calls (-1: all) whose path has `path` in it fail so
 *     POST /_control/clear     forgets these
 *     GET  /_control/requests
 * {"total","unchanged","max_concurrent","requests":[{"method","path","count"}]} POST
 * /_control/reset     counts from 0 POST /_control/clock     {"advance_s":86400} moves the
 * stand-ins' clock on POST /_control/vehicle
 * {"number":0..246,"in_stock":bool,"removed":bool,"price":USD}; without a number: all GET
 * /_control/objects   everything that was made at Meta POST
 * /_control/usage     {"percent":100}: what the usage headers say; from 100 on calls are throttled
 *     POST /_control/tokens    {"valid":false}: every token issued so far is dead
 *     POST /_control/batches   {"items_max":5000,"delay_ms":400}: batches above it get error 1; how
 *                              long one takes
 *     POST /_control/refuse    {"retailer_id":"7","message":"…"}: batches refuse this item
 *     /_control/stripe_…       see cashier.h
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "rpc/base/clock.h"
#include "test/sandbox/cashier.h"
#include "test/sandbox/control.h"
#include "test/sandbox/dealer.h"
#include "test/sandbox/graph.h"

/* Nothing but loopback is listened on. */
#define ADDRESS "127.0.0.1"

struct options {
    uint16_t meta_port;
    uint16_t site_port;
    uint16_t stripe_port;
};

struct sandbox {
    struct control control;
    struct dealer dealer;
    struct graph graph;
    struct cashier cashier;
    struct http_service meta;
    struct http_service site;
    struct http_service stripe;
};

static bool is_control(const struct exchange *x)
{
    return strncmp(x->path, "/_control/", strlen("/_control/")) == 0;
}

/* Sets what is given of in_stock, removed and price, for one vehicle or for all. */
static void control_vehicle(struct dealer *dealer, struct exchange *x)
{
    const char *in_stock = exchange_param_text(x, "in_stock");
    const char *removed = exchange_param_text(x, "removed");
    int64_t number = control_param_integer(x, "number", -1);
    int64_t price = control_param_integer(x, "price", -1);
    (void)pthread_mutex_lock(&dealer->lock);
    for (int i = 0; i < VEHICLE_COUNT; i++) {
        struct vehicle *vehicle = &dealer->vehicles[i];
        if (number >= 0 && number != i)
            continue;
        if (in_stock != NULL)
            vehicle->in_stock = strcmp(in_stock, "true") == 0;
        if (removed != NULL)
            vehicle->removed = strcmp(removed, "true") == 0;
        if (price >= 0)
            vehicle->price_usd = (int)price;
        vehicle->version++;
    }
    (void)pthread_mutex_unlock(&dealer->lock);
    (void)buffer_append_string(&x->answer, "{\"success\":true}");
}

static void on_control(struct sandbox *sandbox, struct exchange *x)
{
    if (control_handle(&sandbox->control, x) || cashier_control(&sandbox->cashier, x) ||
        graph_control(&sandbox->graph, x))
        return;
    if (strcmp(x->path, "/_control/vehicle") == 0) {
        control_vehicle(&sandbox->dealer, x);
        return;
    }
    x->status = 404;
    (void)buffer_append_string(&x->answer, "{\"success\":false}");
}

static void site_work(void *arg, struct exchange *x)
{
    dealer_handle(arg, x);
}

static void on_site(void *arg, struct exchange *x)
{
    struct sandbox *sandbox = arg;
    if (is_control(x))
        on_control(sandbox, x);
    else
        control_run(&sandbox->control, "site", x, site_work, &sandbox->dealer);
}

static void meta_work(void *arg, struct exchange *x)
{
    graph_handle(arg, x);
}

static void on_meta(void *arg, struct exchange *x)
{
    struct sandbox *sandbox = arg;
    if (is_control(x))
        on_control(sandbox, x);
    else
        control_run(&sandbox->control, "meta", x, meta_work, &sandbox->graph);
}

static void stripe_work(void *arg, struct exchange *x)
{
    cashier_handle(arg, x);
}

static void on_stripe(void *arg, struct exchange *x)
{
    struct sandbox *sandbox = arg;
    if (is_control(x))
        on_control(sandbox, x);
    else
        control_run(&sandbox->control, "stripe", x, stripe_work, &sandbox->cashier);
}

/* 127.0.0.1:PORT; nothing but loopback is ever listened on. */
static bool parse_address(const char *text, uint16_t *ret_port)
{
    size_t prefix = strlen(ADDRESS ":");
    if (strncmp(text, ADDRESS ":", prefix) != 0)
        return false;
    char *end = NULL;
    unsigned long port = strtoul(text + prefix, &end, 10);
    if (end == text + prefix || *end != '\0' || port > UINT16_MAX)
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

static bool parse_number(const char *text, int64_t max, int64_t *ret_number)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 0 || number > max)
        return false;
    *ret_number = number;
    return true;
}

static bool set_clock(const char *text)
{
    int64_t at_ms;
    if (!clock_parse_rfc3339(text, &at_ms))
        return false;
    clock_set_offset_ms(at_ms - clock_now_ms());
    return true;
}

static bool set_option(struct sandbox *sandbox, struct options *options, int option,
                       const char *value)
{
    struct graph *graph = &sandbox->graph;
    switch (option) {
    case 'm':
        return parse_address(value, &options->meta_port);
    case 's':
        return parse_address(value, &options->site_port);
    case 't':
        return parse_address(value, &options->stripe_port);
    case 'w':
        cashier_set_webhook(&sandbox->cashier, value);
        return true;
    case 'K':
        sandbox->cashier.secret_key = value;
        return true;
    case 'W':
        sandbox->cashier.webhook_secret = value;
        return true;
    case 'c':
        return set_clock(value);
    case 'd':
        return parse_number(value, 1000, &graph->history_days);
    case 'q':
        graph->quiet_today = true;
        return true;
    case 'b':
        return parse_number(value, 600000, &graph->batch_delay_ms);
    case 'p':
        return parse_number(value, 5000, &graph->page_size) && graph->page_size > 0;
    case 'i':
        graph->app_id = value;
        return true;
    case 'k':
        graph->app_secret = value;
        return true;
    case 'v':
        graph->version = value;
        return true;
    case 'z':
        graph->time_zone = value;
        return true;
    default:
        return false;
    }
}

static bool parse_options(int argc, char **argv, struct sandbox *sandbox, struct options *options)
{
    static const struct option names[] = {
        {"meta", required_argument, NULL, 'm'},
        {"site", required_argument, NULL, 's'},
        {"stripe", required_argument, NULL, 't'},
        {"webhook", required_argument, NULL, 'w'},
        {"stripe-key", required_argument, NULL, 'K'},
        {"stripe-webhook-secret", required_argument, NULL, 'W'},
        {"clock", required_argument, NULL, 'c'},
        {"history-days", required_argument, NULL, 'd'},
        {"quiet-today", no_argument, NULL, 'q'},
        {"batch-ms", required_argument, NULL, 'b'},
        {"page-size", required_argument, NULL, 'p'},
        {"app-id", required_argument, NULL, 'i'},
        {"app-secret", required_argument, NULL, 'k'},
        {"api-version", required_argument, NULL, 'v'},
        {"time-zone", required_argument, NULL, 'z'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    for (int option = getopt_long(argc, argv, "", names, NULL); option != -1;
         option = getopt_long(argc, argv, "", names, NULL))
        if (!set_option(sandbox, options, option, optarg))
            return false;
    return optind == argc;
}

static void print_usage(void)
{
    fputs(
        "usage: sandbox [--meta 127.0.0.1:PORT] [--site 127.0.0.1:PORT] [--stripe 127.0.0.1:PORT]\n"
        "               PORT 0, the default: a free one\n"
        "               [--clock 2026-02-06T20:00:00Z]   the time at which the clock starts\n"
        "               [--history-days N]   days that a campaign has run when it is activated "
        "(0)\n"
        "               [--quiet-today]      today has no figures yet\n"
        "               [--batch-ms N]       time that a batch of items takes (400)\n"
        "               [--page-size N]      rows of a page of Meta's lists at most (10)\n"
        "               [--time-zone NAME]   of the ad accounts (UTC)\n"
        "               [--app-id ID] [--app-secret TEXT] [--api-version v24.0]\n"
        "               [--webhook URL]      where Stripe's events go\n"
        "               [--stripe-key TEXT] [--stripe-webhook-secret TEXT]\n"
        "Stand-ins of Meta, of Stripe and of a dealer's website; the top of test/sandbox/main.c "
        "says "
        "more.\n",
        stderr);
}

static void print_services(const struct sandbox *sandbox)
{
    printf("meta http://" ADDRESS ":%d\n", sandbox->meta.port);
    printf("dialog http://" ADDRESS ":%d\n", sandbox->meta.port);
    printf("app_id %s\napp_secret %s\n", sandbox->graph.app_id, sandbox->graph.app_secret);
    printf("site http://" ADDRESS ":%d/\n", sandbox->site.port);
    printf("stripe http://" ADDRESS ":%d\n", sandbox->stripe.port);
    printf("stripe_secret_key %s\nstripe_webhook_secret %s\nready\n", sandbox->cashier.secret_key,
           sandbox->cashier.webhook_secret);
    (void)fflush(stdout);
}

static bool start_services(struct sandbox *sandbox, const struct options *options)
{
    return http_service_start(&sandbox->meta, ADDRESS, options->meta_port, on_meta, sandbox) &&
           http_service_start(&sandbox->site, ADDRESS, options->site_port, on_site, sandbox) &&
           http_service_start(&sandbox->stripe, ADDRESS, options->stripe_port, on_stripe,
                              sandbox) &&
           cashier_start(&sandbox->cashier, sandbox->stripe.port);
}

static void stop_services(struct sandbox *sandbox)
{
    control_stop(&sandbox->control);
    cashier_stop(&sandbox->cashier);
    http_service_stop(&sandbox->meta);
    http_service_stop(&sandbox->site);
    http_service_stop(&sandbox->stripe);
}

int main(int argc, char **argv)
{
    static struct sandbox sandbox;
    struct options options = {0};
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    control_init(&sandbox.control);
    dealer_init(&sandbox.dealer);
    graph_init(&sandbox.graph, &sandbox.control);
    cashier_init(&sandbox.cashier, &sandbox.control);
    if (sodium_init() < 0 || !parse_options(argc, argv, &sandbox, &options)) {
        print_usage();
        return 2;
    }
    (void)setenv("TZ", sandbox.graph.time_zone, 1);
    tzset();
    if (!start_services(&sandbox, &options)) {
        fputs("sandbox: a port cannot be listened on\n", stderr);
        stop_services(&sandbox);
        return EXIT_FAILURE;
    }
    print_services(&sandbox);
    int number;
    (void)sigwait(&signals, &number);
    stop_services(&sandbox);
    return EXIT_SUCCESS;
}
