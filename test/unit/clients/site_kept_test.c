/*
 * Lists that have not changed cost a conditional request and say the same again: robots.txt,
 * sitemaps, feeds, pages of shops' interfaces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "clients/site/kept.h"
#include "test/unit/clients/site_fixture.h"
#include "test/unit/clients/site_pages.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define LD(json) "<script type='application/ld+json'>" json "</script>"
#define JSON_TYPE "Content-Type: application/json\r\n"
#define XML_TYPE "Content-Type: application/xml\r\n"
#define HTML_TYPE "Content-Type: text/html\r\n"

struct place {
    const char *target;
    const char *body;
    const char *headers;
};

#define ITEM(n) "<item><id>F" n "</id><title>Feed " n "</title><price>" n ".00 USD</price></item>"
#define FEED(items) "<rss><channel>" items "</channel></rss>"
#define GOODS(n)                                                                             \
    "{\"id\":" n ",\"title\":\"S" n "\",\"handle\":\"s" n "\",\"variants\":[{\"price\":\"" n \
    ".00\""                                                                                  \
    "}]}"
#define TEA(n)                                                                                   \
    "{\"id\":" n ",\"name\":\"Tea " n "\",\"permalink\":\"/p/" n "\",\"prices\":{\"price\":\"" n \
    "00\",\"currency_code\":\"EUR\",\"currency_minor_unit\":2}}"

static const struct place with_sitemaps[] = {
    {"/robots.txt", "Sitemap: /index.xml\n", ""},
    {"/", "<p>hello", HTML_TYPE},
    {"/index.xml", "<sitemapindex><sitemap><loc>/s1.xml</loc></sitemap></sitemapindex>", XML_TYPE},
    {"/s1.xml",
     "<urlset><url><loc>/p/1</loc></url><url><loc>/p/2</loc></url>"
     "<url><loc>/products-feed.xml</loc></url></urlset>",
     XML_TYPE},
    {"/products-feed.xml", FEED(ITEM("7") ITEM("8")), XML_TYPE},
    {"/p/1", LD("{\"@type\":\"Product\",\"name\":\"One\"}"), HTML_TYPE},
    {"/p/2", LD("{\"@type\":\"Product\",\"name\":\"Two\"}"), HTML_TYPE},
};

static const struct place shopify[] = {
    {"/robots.txt", "", ""},
    {"/", "Shopify.shop; Shopify.currency = {\"active\":\"USD\"}", HTML_TYPE},
    {"/products.json?limit=250&page=1", "{\"products\":[" GOODS("1") "," GOODS("2") "]}",
     JSON_TYPE},
    {"/products.json?limit=250&page=2", "{\"products\":[" GOODS("3") "]}", JSON_TYPE},
    {"/products.json?limit=250&page=3", "{\"products\":[]}", JSON_TYPE},
};

static const struct place woocommerce[] = {
    {"/robots.txt", "", ""},
    {"/", "<body class=woocommerce>", HTML_TYPE},
    {"/wp-json/wc/store/v1/products?per_page=100&page=1", "[" TEA("1") "," TEA("2") "]",
     JSON_TYPE "X-WP-TotalPages: 2\r\n"},
    {"/wp-json/wc/store/v1/products?per_page=100&page=2", "[" TEA("3") "]",
     JSON_TYPE "X-WP-TotalPages: 2\r\n"},
};

static const struct place named_feed[] = {
    {"/robots.txt", "", ""},
    {"/", FEED(ITEM("1") ITEM("2") ITEM("3")), XML_TYPE},
};

/* The site that is served, one body of which may be another now. */
static struct {
    const struct place *places;
    size_t count;
    _Atomic(const char *) changed, body;
} served;

/* Of the last scan. */
static atomic_int whole, unchanged, failing;

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
    return hash;
}

static bool answer(struct site_fixture *fixture, struct http_exchange *exchange)
{
    (void)fixture;
    char headers[256], asked[128];
    const char *changed = served.changed;
    for (size_t i = 0; i < served.count; i++) {
        const struct place *place = &served.places[i];
        if (strcmp(place->target, exchange->target) != 0)
            continue;
        bool is_changed = changed != NULL && strcmp(changed, place->target) == 0;
        const char *body = is_changed ? served.body : place->body;
        unsigned long long version = hash_of(body);
        if (body[0] == '!') { /* out of order */
            atomic_fetch_add(&failing, 1);
            http_exchange_answer_text(exchange, atoi(body + 1), "Retry-After: 0\r\n", "");
            return true;
        }
        (void)snprintf(headers, sizeof headers, "%sETag: \"%llx\"\r\n", place->headers, version);
        (void)snprintf(asked, sizeof asked, "If-None-Match: \"%llx\"\r\n", version);
        bool is_same = strcasestr(exchange->head, asked) != NULL;
        atomic_fetch_add(is_same ? &unchanged : &whole, 1);
        http_exchange_answer_text(exchange, is_same ? 304 : 200, headers, is_same ? "" : body);
        return true;
    }
    return false;
}

struct test {
    struct site_fixture fixture;
    struct site_pages pages;
    struct site_memory memory;
};

static void begin(struct test *test, const struct place *places, size_t count)
{
    site_fixture_start(&test->fixture, NULL, 0);
    test->pages = (struct site_pages){.count = 0};
    test->memory = site_pages_memory(&test->pages);
    test->fixture.special = answer;
    test->fixture.memory = &test->memory;
    served.places = places;
    served.count = count;
    served.changed = NULL;
}

static void end(struct test *test)
{
    site_fixture_stop(&test->fixture);
    site_pages_free(&test->pages);
}

static void scan(struct test *test)
{
    atomic_store(&whole, 0);
    atomic_store(&unchanged, 0);
    atomic_store(&failing, 0);
    for (size_t i = 0; i < test->pages.count; i++)
        test->pages.entries[i].is_met = false;
    if (site_fixture_scan(&test->fixture) != RPC_OK)
        fail_msg("reason %d: %s", test->fixture.status.reason, test->fixture.status.message);
}

/* A number that stands for all items and what they say. */
static uint64_t sum_of(const struct test *test)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < test->fixture.scan.item_count; i++) {
        const Lotcast__V1__ItemRecord *item = test->fixture.scan.items[i];
        uint64_t hash = hash_of(item->identity);
        for (size_t j = 0; j < item->content_hash.len; j++)
            hash = hash * 31 + item->content_hash.data[j];
        sum += hash;
    }
    return sum;
}

static void an_unchanged_list_says_the_same(void **state)
{
    (void)state;
    static const struct {
        const struct place *places;
        size_t count;
        size_t items;
        const char *changed, *body;
        size_t items_then;
        int whole_then;
    } cases[] = {
        {with_sitemaps, COUNT(with_sitemaps), 4, "/s1.xml",
         "<urlset><url><loc>/p/1</loc></url></urlset>", 1, 1},
        {with_sitemaps, COUNT(with_sitemaps), 4, "/products-feed.xml", FEED(ITEM("7")), 3, 1},
        {with_sitemaps, COUNT(with_sitemaps), 4, "/robots.txt",
         "Sitemap: /index.xml\nUser-agent: *\nDisallow: /p/2", 3, 1},
        {shopify, COUNT(shopify), 3, "/products.json?limit=250&page=2", "{\"products\":[]}", 2, 1},
        {woocommerce, COUNT(woocommerce), 3, "/wp-json/wc/store/v1/products?per_page=100&page=2",
         "[" TEA("4") "," TEA("5") "]", 4, 1},
        {named_feed, COUNT(named_feed), 3, "/", FEED(ITEM("3") ITEM("4")), 2, 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct test test;
        print_message("%s\n", cases[i].changed);
        begin(&test, cases[i].places, cases[i].count);
        scan(&test);
        assert_int_equal(test.fixture.scan.item_count, cases[i].items);
        assert_int_equal(atomic_load(&whole), cases[i].count);
        uint64_t sum = sum_of(&test);
        for (int round = 0; round < 2; round++) {
            scan(&test);
            assert_int_equal(atomic_load(&whole), 0);
            assert_int_equal(atomic_load(&unchanged), cases[i].count);
            assert_int_equal(test.fixture.scan.item_count, cases[i].items);
            assert_true(sum_of(&test) == sum);
            assert_true(test.fixture.scan.complete);
            for (size_t j = 0; j < test.pages.count; j++)
                assert_true(test.pages.entries[j].is_met); /* else it would be forgotten */
        }
        served.changed = cases[i].changed;
        served.body = cases[i].body;
        scan(&test);
        assert_int_equal(test.fixture.scan.item_count, cases[i].items_then);
        assert_int_equal(atomic_load(&whole), cases[i].whole_then);
        end(&test);
    }
}

/* Records of before that are of another layout, or of which a part is lost. */
static void what_is_spoilt_is_asked_for_again(void **state)
{
    (void)state;
    struct test test;
    begin(&test, with_sitemaps, COUNT(with_sitemaps));
    scan(&test);
    for (size_t i = 0; i < test.pages.count; i++) {
        struct site_pages_entry *entry = &test.pages.entries[i];
        Lotcast__V1__PageRecord *page =
            lotcast__v1__page_record__unpack(NULL, entry->len, entry->packed);
        if (page->part_count > 0)
            page->content.data[page->content.len / 2] ^= 0x55;
        site_pages_keep(&test.pages, entry->url, page);
        lotcast__v1__page_record__free_unpacked(page, NULL);
    }
    scan(&test);
    assert_int_equal(test.fixture.scan.item_count, 4);
    assert_int_equal(atomic_load(&unchanged), COUNT(with_sitemaps)); /* and then, of lists: */
    assert_int_equal(atomic_load(&whole), 4);
    scan(&test);
    assert_int_equal(atomic_load(&whole), 0);
    assert_int_equal(test.fixture.scan.item_count, 4);
    end(&test);
}

/* ---- what cannot be had ---- */

static void robots_that_is_out_forbids_all(void **state)
{
    (void)state;
    static const struct place forbidding[] = {
        {"/robots.txt", "User-agent: *\nDisallow: /p/2\n", ""},
        {"/", "<a href=/p/1>1</a><a href=/p/2>2</a>", HTML_TYPE},
        {"/p/1", LD("{\"@type\":\"Product\",\"name\":\"One\"}"), HTML_TYPE},
        {"/p/2", LD("{\"@type\":\"Product\",\"name\":\"Two\"}"), HTML_TYPE},
    };
    static const char *const answers[] = {"!500", "!503", "!599"};
    static const char *const absent[] = {"!404", "!403", "!401", "!410"};
    struct test test;
    for (size_t i = 0; i < COUNT(answers); i++) {
        begin(&test, forbidding, COUNT(forbidding));
        served.changed = "/robots.txt";
        served.body = answers[i];
        /* It has never been read: all is forbidden, for an outage's sake. */
        assert_int_equal(site_fixture_scan(&test.fixture), RPC_FAILED_PRECONDITION);
        assert_int_equal(test.fixture.status.reason,
                         LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE);
        served.changed = NULL;
        scan(&test);
        assert_int_equal(test.fixture.scan.item_count, 1);
        served.changed = "/robots.txt";
        /* Nor does it help to know how it was. */
        assert_int_equal(site_fixture_scan(&test.fixture), RPC_FAILED_PRECONDITION);
        assert_int_equal(test.fixture.status.reason,
                         LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE);
        end(&test);
    }
    for (size_t i = 0; i < COUNT(absent); i++) {
        begin(&test, forbidding, COUNT(forbidding));
        scan(&test);
        served.changed = "/robots.txt";
        served.body = absent[i];
        scan(&test);
        assert_int_equal(test.fixture.scan.item_count, 2);
        end(&test);
    }
}

static void a_sitemap_that_is_out_is_as_it_was(void **state)
{
    (void)state;
    struct test test;
    begin(&test, with_sitemaps, COUNT(with_sitemaps));
    scan(&test);
    served.changed = "/s1.xml";
    served.body = "!500";
    scan(&test);
    assert_int_equal(test.fixture.scan.item_count, 4);
    assert_true(test.fixture.scan.complete);
    end(&test);
    /* One that was never read: who knows what it lists. */
    begin(&test, with_sitemaps, COUNT(with_sitemaps));
    served.changed = "/s1.xml";
    served.body = "!500";
    assert_int_equal(site_fixture_scan(&test.fixture), RPC_OK);
    assert_int_equal(test.fixture.scan.item_count, 0);
    assert_false(test.fixture.scan.complete);
    /* Refused for good, it lists nothing for us. */
    served.body = "!403";
    assert_int_equal(site_fixture_scan(&test.fixture), RPC_OK);
    assert_true(test.fixture.scan.complete);
    end(&test);
}

/* ---- the records themselves ---- */

static void large_lists_are_kept_in_parts(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 300000, 1500000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct site_pages pages = {.count = 0};
        struct site_memory memory = site_pages_memory(&pages);
        struct arena arena;
        struct kept kept;
        uint8_t *body = malloc(sizes[i] + 1);
        uint32_t seed = 1;
        for (size_t j = 0; j < sizes[i]; j++) { /* nothing that packs well */
            seed = seed * 1664525 + 1013904223;
            body[j] = (uint8_t)(seed >> 24);
        }
        struct http_response response = {
            .status = 200, .body = span_of(body, sizes[i]), .header_count = 3};
        response.headers[0] = (struct http_header){"etag", "\"e\""};
        response.headers[1] = (struct http_header){"content-type", "text/xml"};
        response.headers[2] = (struct http_header){"x-wp-totalpages", "12"};
        arena_init(&arena, (size_t)16 * 1024 * 1024);
        kept__write(&memory, "http://a.example/", &arena, &response);
        assert_true(pages.count >= 1 + sizes[i] / (256 * 1024));
        assert_string_equal(kept__find(&memory, "http://a.example/", &arena)->etag, "\"e\"");
        assert_true(kept__open(&kept, &memory, "http://a.example/", &arena));
        assert_true(span_equal(kept.response.body, response.body));
        assert_string_equal(http_response_header(&kept.response, "content-type"), "text/xml");
        assert_string_equal(http_response_header(&kept.response, "x-wp-totalpages"), "12");
        kept__same(&kept, &memory, "http://a.example/", &arena);
        assert_int_equal(pages.same, pages.count);
        kept__close(&kept);
        assert_false(kept__open(&kept, &memory, "http://b.example/", &arena));
        assert_false(kept__open(&kept, NULL, "http://a.example/", &arena));
        if (pages.count > 1) { /* its last part is gone */
            pages.count--;
            assert_false(kept__open(&kept, &memory, "http://a.example/", &arena));
            pages.count++;
        }
        site_pages_free(&pages);
        arena_fini(&arena);
        free(body);
    }
}

static void what_is_cut_off_is_not_kept(void **state)
{
    (void)state;
    struct site_pages pages = {.count = 0};
    struct site_memory memory = site_pages_memory(&pages);
    struct arena arena;
    arena_init(&arena, (size_t)16 * 1024 * 1024);
    struct http_response response = {.status = 200, .body = span_of("x", 1), .truncated = true};
    kept__write(&memory, "http://a.example/", &arena, &response);
    response.truncated = false;
    kept__write(NULL, "http://a.example/", &arena, &response);
    assert_int_equal(pages.count, 0);
    assert_false(kept__is_askable(&response));
    assert_null(kept__find(&memory, "http://a.example/", &arena));
    assert_null(kept__find(NULL, "http://a.example/", &arena));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unchanged_list_says_the_same),
        cmocka_unit_test(what_is_spoilt_is_asked_for_again),
        cmocka_unit_test(robots_that_is_out_forbids_all),
        cmocka_unit_test(a_sitemap_that_is_out_is_as_it_was),
        cmocka_unit_test(large_lists_are_kept_in_parts),
        cmocka_unit_test(what_is_cut_off_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
