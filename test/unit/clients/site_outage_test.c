/* Pages that cannot be had: what of a site is still known, and when a scan knows nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rpc/base/buffer.h"
#include "test/unit/clients/site_fixture.h"
#include "test/unit/clients/site_pages.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define LD(json) "<script type='application/ld+json'>" json "</script>"
#define PAGES 60

/* A site of a start page, two lists of links and PAGES items; by number what is wrong with it. */
static struct {
    atomic_bool has_sitemap, has_validators;
    atomic_int status[PAGES]; /* of an item's page; 0: well */
    atomic_int list_status;   /* of the second list */
    atomic_int sitemap_status;
} site;

static int write_page(const char *target, struct buffer *out)
{
    int number = -1;
    char rest = '\0';
    if (strcmp(target, "/robots.txt") == 0) {
        (void)buffer_append_string(out, site.has_sitemap ? "Sitemap: /s.xml" : "");
    } else if (strcmp(target, "/s.xml") == 0 && site.has_sitemap) {
        (void)buffer_append_string(out, "<urlset>");
        for (int i = 0; i < PAGES; i++)
            (void)buffer_printf(out, "<url><loc>/p/%d</loc></url>", i);
        (void)buffer_append_string(out, "</urlset>");
        return site.sitemap_status;
    } else if (strcmp(target, "/") == 0) {
        (void)buffer_append_string(out, site.has_sitemap ? "<p>hi" : "<a href=/list>list</a>");
    } else if (strcmp(target, "/list") == 0) {
        (void)buffer_append_string(out, "<a rel=next href='/list?page=2'>2</a>");
        for (int i = 0; i < PAGES / 2; i++)
            (void)buffer_printf(out, "<a href=/p/%d>x</a>", i);
    } else if (strcmp(target, "/list?page=2") == 0) {
        for (int i = PAGES / 2; i < PAGES; i++)
            (void)buffer_printf(out, "<a href=/p/%d>x</a>", i);
        return site.list_status;
    } else if (sscanf(target, "/p/%d%c", &number, &rest) == 1 && number >= 0 && number < PAGES) {
        (void)buffer_printf(out, LD("{\"@type\":\"Product\",\"name\":\"N\",\"sku\":\"S%d\"}"),
                            number);
        return site.status[number];
    } else {
        return 404;
    }
    return 0;
}

static bool answer(struct site_fixture *fixture, struct http_exchange *exchange)
{
    (void)fixture;
    struct buffer body;
    char headers[128];
    buffer_init(&body, (size_t)1024 * 1024);
    int status = write_page(exchange->target, &body);
    (void)snprintf(headers, sizeof headers, "Content-Type: text/html\r\nRetry-After: 0\r\n%s",
                   site.has_validators ? "ETag: \"1\"\r\n" : "");
    if (status == 0 && strcasestr(exchange->head, "If-None-Match: \"1\"") != NULL)
        http_exchange_answer_text(exchange, 304, headers, "");
    else
        http_exchange_answer(exchange, status == 0 ? 200 : status, headers, body.data,
                             status == 0 ? body.len : 0);
    buffer_fini(&body);
    return true;
}

struct test {
    struct site_fixture fixture;
    struct site_pages pages;
    struct site_memory memory;
};

static void begin(struct test *test, bool has_sitemap, bool has_validators)
{
    for (int i = 0; i < PAGES; i++)
        site.status[i] = 0;
    site.list_status = 0;
    site.sitemap_status = 0;
    site.has_sitemap = has_sitemap;
    site.has_validators = has_validators;
    site_fixture_start(&test->fixture, NULL, 0);
    test->pages = (struct site_pages){.count = 0};
    test->memory = site_pages_memory(&test->pages);
    test->fixture.special = answer;
    test->fixture.memory = &test->memory;
    assert_int_equal(site_fixture_scan(&test->fixture), RPC_OK);
    assert_int_equal(test->fixture.scan.item_count, PAGES);
    assert_true(test->fixture.scan.complete);
    assert_int_equal(test->fixture.scan.held_count, 0);
}

static void end(struct test *test)
{
    site_fixture_stop(&test->fixture);
    site_pages_free(&test->pages);
}

static void fail_pages(int count, int status)
{
    for (int i = 0; i < PAGES; i++)
        site.status[i] = i < count ? status : 0;
}

static void one_bad_page_holds_what_it_says_and_no_more(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool has_sitemap, has_validators;
        int failing, status;
        size_t items, held;
        bool complete;
    } cases[] = {
        {"gone", true, false, 5, 404, PAGES - 5, 0, true},
        {"gone for good", false, false, 50, 410, PAGES - 50, 0, true},
        {"one of many", true, false, 1, 500, PAGES - 1, 1, true},
        {"refused", true, false, 2, 403, PAGES - 2, 2, true},
        {"a few links", false, false, 3, 503, PAGES - 3, 3, true},
        {"a few more", true, false, 5, 500, PAGES - 5, 5, true},
        {"an outage", true, false, 8, 500, PAGES - 8, 8, false},
        {"known as it was", true, true, 1, 500, PAGES, 0, true},
        {"known links", false, true, 5, 500, PAGES, 0, true},
        {"known, but an outage", true, true, 10, 500, PAGES, 0, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct test test;
        print_message("%s\n", cases[i].name);
        begin(&test, cases[i].has_sitemap, cases[i].has_validators);
        fail_pages(cases[i].failing, cases[i].status);
        assert_int_equal(site_fixture_scan(&test.fixture), RPC_OK);
        assert_int_equal(test.fixture.scan.item_count, cases[i].items);
        assert_int_equal(test.fixture.scan.held_count, cases[i].held);
        assert_int_equal(test.fixture.scan.complete, cases[i].complete);
        char wanted[128];
        (void)snprintf(wanted, sizeof wanted, "%s/p/0", test.fixture.origin);
        bool is_there = false;
        for (size_t j = 0; j < test.fixture.scan.held_count; j++)
            is_there = is_there || strcmp(test.fixture.scan.held[j], wanted) == 0;
        assert_int_equal(is_there, cases[i].held > 0);
        end(&test);
    }
}

/* A list that cannot be had leads where it led before; one that never could, nowhere. */
static void a_list_leads_where_it_led(void **state)
{
    (void)state;
    struct test test;
    for (int has_validators = 0; has_validators < 2; has_validators++) {
        begin(&test, false, has_validators != 0);
        site.list_status = 500;
        assert_int_equal(site_fixture_scan(&test.fixture), RPC_OK);
        assert_int_equal(test.fixture.scan.item_count, PAGES);
        assert_true(test.fixture.scan.complete);
        fail_pages(2, 404);
        assert_int_equal(site_fixture_scan(&test.fixture), RPC_OK);
        assert_int_equal(test.fixture.scan.item_count, PAGES - 2);
        assert_true(test.fixture.scan.complete);
        /* Without a memory, who knows what it led to. */
        test.fixture.memory = NULL;
        assert_int_equal(site_fixture_scan(&test.fixture), RPC_OK);
        assert_int_equal(test.fixture.scan.item_count, PAGES / 2 - 2);
        assert_false(test.fixture.scan.complete);
        end(&test);
    }
    begin(&test, false, false);
    site_pages_free(&test.pages);
    test.pages.count = 0;
    site.list_status = 500;
    assert_int_equal(site_fixture_scan(&test.fixture), RPC_OK);
    assert_int_equal(test.fixture.scan.item_count, PAGES / 2);
    assert_true(test.fixture.scan.complete);
    end(&test);
}

static void nothing_but_failures_is_an_outage(void **state)
{
    (void)state;
    struct test test;
    for (int status = 500; status <= 503; status += 3) {
        begin(&test, true, false);
        fail_pages(PAGES, status);
        assert_int_equal(site_fixture_scan(&test.fixture), RPC_FAILED_PRECONDITION);
        assert_int_equal(test.fixture.status.reason,
                         LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE);
        /* That nothing is there any more is another matter. */
        fail_pages(PAGES, 404);
        assert_int_equal(site_fixture_scan(&test.fixture), RPC_OK);
        assert_int_equal(test.fixture.scan.item_count, 0);
        end(&test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bad_page_holds_what_it_says_and_no_more),
        cmocka_unit_test(a_list_leads_where_it_led),
        cmocka_unit_test(nothing_but_failures_is_an_outage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
