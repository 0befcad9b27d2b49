/*
 * A site that has been read before costs one conditional request a page; what has changed is read,
 * what has gone is gone. And what lotctl shows of the site. Against real processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "test/e2e/system.h"

#define ITEMS 247
/* Requests for what is no page, which is asked about like one: robots.txt, the sitemap index, three
 * sitemaps. */
#define OTHER_REQUESTS 5

static struct system_under_test system_;

static int start(void **state)
{
    (void)state;
    system_.one_process = system_mode_one_process();
    system_start(&system_);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    system_stop(&system_);
    return 0;
}

/* What one more scan of the site costs. */
struct cost {
    int64_t total, unchanged;
};

static struct cost scan(struct rest_client *browser, int64_t items)
{
    struct cost cost = {0};
    int64_t total;
    int64_t unchanged = system_unchanged(&system_, &total);
    system_connect_website(&system_, browser, items);
    cost.unchanged = system_unchanged(&system_, &cost.total) - unchanged;
    cost.total -= total;
    return cost;
}

static void an_unchanged_site_costs_a_conditional_request_a_page(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    system_sign_up(&browser, "again@acme.example");
    struct cost first = scan(&browser, ITEMS);
    assert_int_equal(first.unchanged, 0);
    assert_true(first.total > ITEMS + OTHER_REQUESTS);
    struct cost second = scan(&browser, ITEMS);
    assert_int_equal(second.total, first.total);
    assert_int_equal(second.unchanged, second.total);

    /* A car in the middle of the list: its page, and what lists it, have changed. */
    system_control(&system_, "/_control/vehicle", "{\"number\":3,\"price\":19999}");
    struct cost third = scan(&browser, ITEMS);
    assert_true(third.unchanged < second.unchanged && third.unchanged >= second.unchanged - 3);
    struct rest_answer answer;
    rest_client_request(&browser, "GET", "/api/customer/inventory?limit=100&sort=price", NULL, NULL,
                        &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "19999"));
    rest_answer_free(&answer);

    system_control(&system_, "/_control/vehicle", "{\"number\":5,\"removed\":true}");
    (void)scan(&browser, ITEMS - 1);
    system_control(&system_, "/_control/vehicle", "{\"number\":5,\"removed\":false}");
    (void)scan(&browser, ITEMS);
    struct cost last = scan(&browser, ITEMS);
    assert_int_equal(last.unchanged, last.total);
}

/* Runs lotctl: its exit code, and whether `part` is in what it says. */
static void lotctl(const char *allow, const char *arguments, int code, const char *part)
{
    char command[1024];
    static char said[1024 * 1024];
    (void)snprintf(command, sizeof command, "LOTCAST_SCAN_ALLOW=%s '%s' %s 2>&1", allow,
                   getenv("LOTCTL_BIN"), arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(said, 1, sizeof said - 1, pipe);
    said[len] = '\0';
    int status = pclose(pipe);
    if (WEXITSTATUS(status) != code || strstr(said, part) == NULL)
        fail_msg("lotctl %s: exit %d, without \"%s\": %s", arguments, WEXITSTATUS(status), part,
                 said);
}

static void lotctl_shows_what_a_scan_finds(void **state)
{
    (void)state;
    char arguments[PROCESS_LINE_BYTES + 64];
    (void)snprintf(arguments, sizeof arguments, "scan %s", system_.site_url);
    lotctl("127.0.0.0/8", arguments, 0, "247 items on ");
    lotctl("127.0.0.0/8", arguments, 0, "out of stock");
    lotctl("10.0.0.0/8", arguments, 1, "INVALID_URL");
    (void)snprintf(arguments, sizeof arguments, "scan --json %sinventory/used", system_.site_url);
    lotctl("127.0.0.0/8", arguments, 0, "\"identity\":\"sku:AA1005\"");
    lotctl("127.0.0.0/8", "scan", 2, "not understood");
    lotctl("127.0.0.0/8", "scan ftp://a.example/", 1, "INVALID_URL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unchanged_site_costs_a_conditional_request_a_page),
        cmocka_unit_test(lotctl_shows_what_a_scan_finds),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
