/* Websites that are down, slow, without end, or out to hurt: every scan ends, and says what it
 * should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#include "rpc/base/buffer.h"
#include "rpc/base/clock.h"
#include "test/unit/clients/site_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define LD(json) "<script type='application/ld+json'>" json "</script>"
#define CAR(name)                            \
    LD("{\"@type\":\"Car\",\"name\":\"" name \
       "\",\"offers\":{\"price\":1,\"priceCurrency\":\"USD\"}}")

static void expect_failure(struct site_fixture *fixture, const char *url,
                           Lotcast__V1__Reason reason)
{
    enum rpc_code code =
        url == NULL ? site_fixture_scan(fixture) : site_fixture_scan_url(fixture, url);
    if (code == RPC_OK || fixture->status.reason != reason)
        fail_msg("%s: code %d, reason %d", url == NULL ? "(start)" : url, (int)code,
                 (int)fixture->status.reason);
    assert_int_equal(fixture->scan.item_count, 0);
}

static void robots_that_forbids_everything_is_an_empty_site(void **state)
{
    (void)state;
    static const struct route forbidding[] = {
        {"/robots.txt", "User-agent: LotcastBot\nDisallow: /\nUser-agent: *\nAllow: /\n", "", 0,
         false},
        {"/", CAR("A"), NULL, 0, false},
    };
    struct site_fixture fixture;
    site_fixture_start(&fixture, forbidding, COUNT(forbidding));
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 0);
    assert_int_equal(fixture.scan.pages_fetched, 0);
    assert_int_equal(atomic_load(&fixture.requests), 1);
    site_fixture_stop(&fixture);
}

static void a_start_page_that_cannot_be_had_is_unreachable(void **state)
{
    (void)state;
    static const struct route routes[] = {
        {"/broken", "", NULL, 500, false},
        {"/refused", "", NULL, 403, false},
        {"/loop", "", "Location: /loop\r\n", 302, false},
        {"/nowhere", "", NULL, 302, false},
        {"/ping", "", "Location: /pong\r\n", 301, false},
        {"/pong", "", "Location: /ping\r\n", 301, false},
        {"/no-name", "", "Location: http://name.invalid/\r\n", 301, false},
    };
    static const char *const starts[] = {"/missing", "/broken", "/refused", "/loop",
                                         "/nowhere", "/ping",   "/no-name"};
    struct site_fixture fixture;
    site_fixture_start(&fixture, routes, COUNT(routes));
    for (size_t i = 0; i < COUNT(starts); i++) {
        fixture.start = starts[i];
        expect_failure(&fixture, NULL, LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE);
    }
    expect_failure(&fixture, "http://name.invalid/",
                   LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE);
    expect_failure(&fixture, "http://127.0.0.1:1/",
                   LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE);
    site_fixture_stop(&fixture);
}

static void a_refused_address_is_an_invalid_url(void **state)
{
    (void)state;
    static const char *const urls[] = {"http://10.0.0.1/",
                                       "http://169.254.169.254/latest/",
                                       "http://[::1]/",
                                       "http://127.0.0.2/",
                                       "http://[::ffff:10.0.0.1]/",
                                       "http://[64:ff9b::a00:1]/",
                                       "http://2130706433/",
                                       "not a url",
                                       ""};
    static const char *const targets[] = {"http://10.0.0.1/",        "http://[::1]:1/",
                                          "http://169.254.169.254/", "//127.0.0.2/",
                                          "http://2130706433/",      "javascript:alert(1)",
                                          "file:///etc/passwd",      "http://a@127.0.0.1/",
                                          "http://0x7f.1/",          "/\\127.0.0.2/"};
    struct site_fixture fixture;
    site_fixture_start(&fixture, NULL, 0);
    for (size_t i = 0; i < COUNT(urls); i++)
        expect_failure(&fixture, urls[i], LOTCAST__V1__REASON__REASON_INVALID_URL);
    assert_string_equal(fixture.status.field, "url");
    assert_int_equal(atomic_load(&fixture.requests), 0);
    for (size_t i = 0; i < COUNT(targets); i++) {
        char header[128];
        (void)snprintf(header, sizeof header, "Location: %s\r\n", targets[i]);
        const struct route routes[] = {{"/", "", "Location: /two\r\n", 301, false},
                                       {"/two", "", header, 302, false}};
        fixture.routes = routes;
        fixture.route_count = COUNT(routes);
        expect_failure(&fixture, NULL, LOTCAST__V1__REASON__REASON_INVALID_URL);
    }
    fixture.route_count = 0;
    site_fixture_stop(&fixture);
}

static void refused_links_are_left_out(void **state)
{
    (void)state;
    static const struct route routes[] = {
        {"/robots.txt",
         "Sitemap: http://10.0.0.1/s.xml\nSitemap: http://[::1]/s.xml\nSitemap: "
         "file:///etc/passwd\n"
         "Sitemap: {O}/s.xml\n",
         "", 0, false},
        {"/s.xml",
         "<urlset><url><loc>http://127.0.0.2/x</loc></url><url><loc>http://2130706433/</loc></"
         "url><url><loc>"
         "{O}/away</loc></url><url><loc>{O}/moved</loc></url></urlset>",
         NULL, 0, false},
        {"/",
         "<base href='http://10.0.0.1/'><a href='x'>x</a><a href='http://[::1]/'>y</a><link "
         "rel=next "
         "href='http://192.168.0.1/'>" LD(
             "{\"@type\":\"Product\",\"name\":\"A\",\"image\":\"javascript:x\","
             "\"url\":\"http://10.0.0.1/a\"}"),
         NULL, 0, false},
        {"/away", "", "Location: http://10.0.0.1/\r\n", 302, false},
        {"/moved", "", "Location: /car\r\n", 302, false},
        {"/car", CAR("B"), NULL, 0, false},
    };
    struct site_fixture fixture;
    site_fixture_start(&fixture, routes, COUNT(routes));
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 2);
    assert_string_equal(site_fixture_item(&fixture, "url:{O}/")->image_url, "");
    assert_string_equal(site_fixture_item(&fixture, "url:{O}/car")->title, "B");
    assert_true(fixture.scan.complete);
    site_fixture_stop(&fixture);
}

/* ---- too much ---- */

#define BOMB_BYTES ((size_t)80 * 1024 * 1024)

static uint8_t *bomb;
static size_t bomb_len;

static void make_bomb(void)
{
    static uint8_t zeros[64 * 1024];
    z_stream stream = {0};
    static const char front[] = CAR("before") "<p>";
    bomb = malloc(1024 * 1024);
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = bomb;
    stream.avail_out = 1024 * 1024;
    stream.next_in = (uint8_t *)(uintptr_t)front;
    stream.avail_in = sizeof front - 1;
    assert_int_equal(deflate(&stream, Z_NO_FLUSH), Z_OK);
    memset(zeros, ' ', sizeof zeros);
    for (size_t sent = 0; sent < BOMB_BYTES; sent += sizeof zeros) {
        stream.next_in = zeros;
        stream.avail_in = sizeof zeros;
        assert_int_equal(deflate(&stream, Z_NO_FLUSH), Z_OK);
    }
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    bomb_len = stream.total_out;
    (void)deflateEnd(&stream);
}

static bool answer_bombs(struct site_fixture *fixture, struct http_exchange *exchange)
{
    (void)fixture;
    bool is_page = strcmp(exchange->target, "/bomb") == 0;
    if (!is_page && strcmp(exchange->target, "/bomb.xml.gz") != 0 &&
        strcmp(exchange->target, "/coded.xml") != 0)
        return false;
    bool is_coded = strcmp(exchange->target, "/bomb.xml.gz") != 0;
    http_exchange_answer(exchange, 200,
                         is_coded ? "Content-Type: text/html\r\nContent-Encoding: gzip\r\n" : NULL,
                         bomb, bomb_len);
    return true;
}

static void bombs_and_evil_xml_are_stopped(void **state)
{
    (void)state;
    static const struct route routes[] = {
        {"/robots.txt",
         "Sitemap: /bomb.xml.gz\nSitemap: /coded.xml\nSitemap: /xxe.xml\nSitemap: "
         "/lol.xml\nSitemap: /ok.xml\n",
         "", 0, false},
        {"/xxe.xml",
         "<!DOCTYPE u [<!ENTITY x SYSTEM "
         "'{O}/stolen'>]><urlset><url><loc>{O}/&x;</loc></url></urlset>",
         NULL, 0, false},
        {"/lol.xml",
         "<!DOCTYPE l [<!ENTITY a 'lol'><!ENTITY b "
         "'&a;&a;&a;&a;'>]><urlset><url><loc>{O}/&b;</loc></url></urlset>",
         NULL, 0, false},
        {"/ok.xml", "<urlset><url><loc>{O}/bomb</loc></url></urlset>", NULL, 0, false},
        {"/", "<p>hello", NULL, 0, false},
        {"/stolen", CAR("stolen"), NULL, 0, false},
    };
    struct site_fixture fixture;
    make_bomb();
    site_fixture_start(&fixture, routes, COUNT(routes));
    fixture.special = answer_bombs;
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 1);
    assert_string_equal(fixture.scan.items[0]->title,
                        "before"); /* what came before the cap counts */
    site_fixture_stop(&fixture);
    free(bomb);
}

/* /list?page=N without end; with `mode`: how it goes on. */
static const char *endless_mode;

static bool answer_endless(struct site_fixture *fixture, struct http_exchange *exchange)
{
    char body[1024];
    int page = 0;
    if (sscanf(exchange->target, "/list?page=%d", &page) != 1 &&
        sscanf(exchange->target, "/calendar/%d", &page) != 1)
        return false;
    if (strcmp(endless_mode, "same") == 0)
        (void)snprintf(body, sizeof body,
                       "<a rel=next href='/list?page=%d'>n</a>" LD(
                           "{\"@type\":\"Car\",\"name\":\"A\",\"sku\":\"1\"}"),
                       page + 1);
    else if (strcmp(endless_mode, "items") == 0)
        (void)snprintf(body, sizeof body,
                       "<a rel=next href='/list?page=%d'>n</a>" LD(
                           "{\"@type\":\"Product\",\"name\":\"P\",\"sku\":\"%d\",\"url\":\"/\"}"),
                       page + 1, page);
    else
        (void)snprintf(body, sizeof body,
                       "<a href='/calendar/%d'>a</a><a href='/calendar/%d'>b</a>", page * 2,
                       page * 2 + 1);
    http_exchange_answer_text(exchange, 200, "Content-Type: text/html\r\n", body);
    (void)fixture;
    return true;
}

static void lists_without_end_end(void **state)
{
    (void)state;
    static const struct route routes[] = {
        {"/", "<a href='/list?page=1'>list</a><a href='/calendar/1'>c</a>", NULL, 0, false},
    };
    struct site_fixture fixture;
    site_fixture_start(&fixture, routes, COUNT(routes));
    fixture.special = answer_endless;
    endless_mode = "same";
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_true(fixture.scan.pages_fetched < 100);
    endless_mode = "calendar";
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 0);
    assert_true(fixture.scan.pages_fetched < 400);
    assert_true(fixture.scan.complete);
    endless_mode = "items";
    fixture.items_max = 50;
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 50);
    assert_false(fixture.scan.complete);
    site_fixture_stop(&fixture);
}

/* ---- too slow ---- */

static bool answer_slow(struct site_fixture *fixture, struct http_exchange *exchange)
{
    (void)fixture;
    if (strcmp(exchange->target, "/drip") == 0) {
        (void)http_exchange_write_text(exchange,
                                       "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nx");
        http_exchange_hang(exchange);
        return true;
    }
    if (strcmp(exchange->target, "/hang") != 0)
        return false;
    http_exchange_hang(exchange);
    return true;
}

static void slow_sites_end_with_the_deadline(void **state)
{
    (void)state;
    static const struct route routes[] = {
        {"/", CAR("A") "<a href='/drip'>d</a><a href='/hang'>h</a>", NULL, 0, false},
    };
    struct site_fixture fixture;
    site_fixture_start(&fixture, routes, COUNT(routes));
    fixture.special = answer_slow;
    fixture.deadline_ms = 500;
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 1);
    assert_false(fixture.scan.complete);
    fixture.start = "/drip";
    int64_t before_ms = clock_mono_ms();
    assert_int_equal(site_fixture_scan(&fixture), RPC_DEADLINE_EXCEEDED);
    assert_int_equal(fixture.status.reason, LOTCAST__V1__REASON__REASON_UNSPECIFIED);
    assert_true(clock_mono_ms() - before_ms < 5000);
    site_fixture_stop(&fixture);
}

static bool stop_at_once(void *arg, int64_t items, int64_t pages)
{
    int64_t *calls = arg;
    (void)items;
    (void)pages;
    ++*calls;
    return false;
}

static void progress_and_cancellation_stop_a_scan(void **state)
{
    (void)state;
    static const struct route routes[] = {
        {"/", CAR("A") "<a href='/x'>x</a>", NULL, 0, false},
        {"/empty", "<a href='/x'>x</a>", NULL, 0, false},
    };
    struct site_fixture fixture;
    int64_t calls = 0;
    site_fixture_start(&fixture, routes, COUNT(routes));
    fixture.progress = stop_at_once;
    fixture.progress_arg = &calls;
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 1);
    assert_false(fixture.scan.complete);
    assert_true(calls >= 1);
    fixture.start = "/empty";
    assert_int_equal(site_fixture_scan(&fixture), RPC_CANCELLED);
    atomic_bool cancelled = true;
    struct rpc_context context = {
        .arena = &fixture.arena, .deadline_ms = INT64_MAX, .cancelled = &cancelled};
    const struct site_scan_options options = {
        .http = fixture.http, .policy = &fixture.policy, .url = fixture.origin, .items_max = 10};
    struct site_scan scan;
    assert_int_equal(site_scan_run(&options, &context, &scan, NULL), RPC_CANCELLED);
    atomic_store(&cancelled, false);
    struct arena tiny;
    arena_init(&tiny, 600);
    context.arena = &tiny;
    assert_int_equal(site_scan_run(&options, &context, &scan, NULL), RPC_RESOURCE_EXHAUSTED);
    arena_fini(&tiny);
    site_fixture_stop(&fixture);
}

/* ---- chains, and texts that are not what they seem ---- */

/* Redirects without end, from page to page; an index of indexes, of itself too. */
static bool answer_chains(struct site_fixture *fixture, struct http_exchange *exchange)
{
    int number = 0;
    char text[512];
    if (sscanf(exchange->target, "/hop/%d", &number) == 1) {
        (void)snprintf(text, sizeof text, "Location: /hop/%d\r\n", number + 1);
        http_exchange_answer_text(exchange, 302, text, "");
        return true;
    }
    if (sscanf(exchange->target, "/index/%d", &number) == 1) {
        (void)snprintf(text, sizeof text,
                       "<sitemapindex><sitemap><loc>%s/index/%d</loc></sitemap><sitemap><loc>%s"
                       "/index/%d</loc></sitemap><sitemap><loc>%s/index/1</loc></sitemap>"
                       "</sitemapindex>",
                       fixture->origin, number * 2, fixture->origin, number * 2 + 1,
                       fixture->origin);
        http_exchange_answer_text(exchange, 200, "Content-Type: text/xml\r\n", text);
        return true;
    }
    return false;
}

static void chains_end(void **state)
{
    (void)state;
    static const struct route routes[] = {
        {"/robots.txt", "Sitemap: /index/1\nSitemap: /s.xml\n", "", 0, false},
        {"/", "<p>hi", NULL, 0, false},
        {"/s.xml",
         "<urlset><url><loc>{O}/hop/1</loc></url><url><loc>{O}/loop</loc></url>"
         "<url><loc>{O}/good</loc></url>"
         "<url><loc>http://192.0.2.1/elsewhere</loc></url></urlset>",
         NULL, 0, false},
        {"/loop", "", "Location: /loop\r\n", 301, false},
        {"/good", CAR("good"), NULL, 0, false},
    };
    struct site_fixture fixture;
    site_fixture_start(&fixture, routes, COUNT(routes));
    fixture.special = answer_chains;
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 1);
    assert_string_equal(fixture.scan.items[0]->title, "good");
    assert_true(atomic_load(&fixture.requests) < 60);
    site_fixture_stop(&fixture);
}

static void texts_are_made_presentable(void **state)
{
    (void)state;
    static const struct route routes[] = {
        {"/",
         LD("{\"@type\":\"Product\",\"sku\":\"1\",\"name\":\"<b>Bold</b> &lt;script&gt;\\u202Ex"
            "\\u0000y\\ud800 \xff\xc0\x80z\",\"description\":\"a\\r\\n\\tb\",\"image\":["
            "\"javascript:alert(1)\",\"data:image/png;base64,AA\",\"ftp://a/b.jpg\",\"http://u:p@a/"
            "b.jpg\",\" /ok 1.jpg \"],\"url\":\"javascript:void(0)\",\"brand\":{\"name\":[]},"
            "\"offers\":{\"price\":\"1\",\"priceCurrency\":\"EURO\"}}"),
         "Content-Type: text/html; charset=utf-8\r\n", 0, false},
    };
    struct site_fixture fixture;
    site_fixture_start(&fixture, routes, COUNT(routes));
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    const Lotcast__V1__ItemRecord *item = site_fixture_item(&fixture, "sku:1");
    assert_string_equal(item->title, "Bold xy? \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
    assert_string_equal(item->description, "a b");
    assert_non_null(strstr(item->image_url, "/ok%201.jpg"));
    assert_string_equal(item->currency, "");
    assert_string_equal(item->excluded, SITE_EXCLUDED_CURRENCY);
    site_fixture_stop(&fixture);
}

/* ---- now and then broken ---- */

static bool answer_flaky(struct site_fixture *fixture, struct http_exchange *exchange)
{
    static atomic_int visits;
    static const struct route good = {.body = CAR("A")};
    if (strcmp(exchange->target, "/flaky") != 0)
        return false;
    int visit = atomic_fetch_add(&visits, 1);
    if (visit == 0)
        http_exchange_answer_text(exchange, 500, NULL, "");
    else if (visit == 1)
        http_exchange_answer_text(exchange, 503, "Retry-After: 0\r\n", "");
    else
        site_fixture_answer(fixture, exchange, &good);
    return true;
}

static void a_pages_bad_moment_is_waited_out(void **state)
{
    (void)state;
    static const struct route routes[] = {
        {"/robots.txt", "Sitemap: /s.xml", "", 0, false},
        {"/", "", NULL, 0, false},
        {"/s.xml", "<urlset><url><loc>{O}/flaky</loc></url><url><loc>{O}/gone</loc></url></urlset>",
         NULL, 0, false},
        {"/gone", "", NULL, 410, false},
    };
    static const struct route broken[] = {
        {"/robots.txt", "Sitemap: /s.xml", "", 0, false},
        {"/", CAR("A"), NULL, 0, false},
        {"/s.xml", "<urlset><url><loc>{O}/broken</loc></url></urlset>", NULL, 0, false},
        {"/broken", "", NULL, 500, false},
    };
    struct site_fixture fixture;
    site_fixture_start(&fixture, routes, COUNT(routes));
    fixture.special = answer_flaky;
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 1);
    assert_true(fixture.scan.complete);
    fixture.routes = broken;
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 1);
    assert_true(fixture.scan.complete);
    assert_int_equal(fixture.scan.held_count, 1); /* site_outage_test has the rest */
    site_fixture_stop(&fixture);
}

/* ---- large, and polite ---- */

#define LARGE_PAGES 2000

static bool answer_large(struct site_fixture *fixture, struct http_exchange *exchange)
{
    int number = 0;
    char body[512];
    if (strcmp(exchange->target, "/large.xml") == 0) {
        struct buffer list;
        buffer_init(&list, (size_t)LARGE_PAGES * 100);
        (void)buffer_append_string(&list, "<urlset>");
        for (int i = 0; i < LARGE_PAGES; i++)
            (void)buffer_printf(&list, "<url><loc>%s/item/%d</loc></url>", fixture->origin, i);
        (void)buffer_append_string(&list, "</urlset>");
        http_exchange_answer(exchange, 200, NULL, list.data, list.len);
        buffer_fini(&list);
        return true;
    }
    if (sscanf(exchange->target, "/item/%d", &number) != 1)
        return false;
    (void)snprintf(body, sizeof body,
                   LD("{\"@type\":\"Product\",\"sku\":\"S%d\",\"name\":\"N %d\"}"), number, number);
    http_exchange_answer_text(exchange, 200, "Content-Type: text/html\r\n", body);
    return true;
}

static void reads_many_pages_few_at_once(void **state)
{
    (void)state;
    static const struct route routes[] = {
        {"/robots.txt", "Sitemap: /large.xml", "", 0, false},
        {"/", "", NULL, 0, false},
    };
    static const struct route slow[] = {
        {"/robots.txt", "User-agent: *\nCrawl-delay: 0.05\nSitemap: /s.xml", "", 0, false},
        {"/", "", NULL, 0, false},
        {"/s.xml",
         "<urlset><url><loc>{O}/item/1</loc></url><url><loc>{O}/item/2</loc></url><url><loc>{O}/"
         "item/3</loc>"
         "</url></urlset>",
         NULL, 0, false},
    };
    struct site_fixture fixture;
    site_fixture_start(&fixture, routes, COUNT(routes));
    fixture.special = answer_large;
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, LARGE_PAGES);
    assert_int_equal(fixture.scan.pages_fetched, LARGE_PAGES + 1);
    assert_true(fixture.scan.complete);
    assert_true(http_server_parallel_max(fixture.server) <= SITE_REQUESTS_PER_HOST_MAX);
    site_fixture_stop(&fixture);
    site_fixture_start(&fixture, slow, COUNT(slow));
    fixture.special = answer_large;
    int64_t before_ms = clock_mono_ms();
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 3);
    assert_int_equal(http_server_parallel_max(fixture.server), 1);
    assert_true(clock_mono_ms() - before_ms >= 4 * 50);
    site_fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(robots_that_forbids_everything_is_an_empty_site),
        cmocka_unit_test(a_start_page_that_cannot_be_had_is_unreachable),
        cmocka_unit_test(a_refused_address_is_an_invalid_url),
        cmocka_unit_test(refused_links_are_left_out),
        cmocka_unit_test(bombs_and_evil_xml_are_stopped),
        cmocka_unit_test(lists_without_end_end),
        cmocka_unit_test(slow_sites_end_with_the_deadline),
        cmocka_unit_test(progress_and_cancellation_stop_a_scan),
        cmocka_unit_test(chains_end),
        cmocka_unit_test(texts_are_made_presentable),
        cmocka_unit_test(a_pages_bad_moment_is_waited_out),
        cmocka_unit_test(reads_many_pages_few_at_once),
    };
    return cmocka_run_group_tests_name("site_hostile", tests, NULL, NULL);
}
