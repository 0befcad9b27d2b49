/* Scans that remember: what has not changed is not sent again, and gives the same items. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "clients/site/fetch.h"
#include "rpc/base/clock.h"
#include "test/unit/clients/site_fixture.h"
#include "test/unit/clients/site_pages.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define LD(json) "<script type='application/ld+json'>" json "</script>"

/* A page with a version, which its validator is made of. */
struct page {
    const char *target;
    const char *body;
    int version; /* 0: without a validator */
    bool by_date;
};

static struct page site[] = {
    {"/", "<a href='/list'>list</a><a href='/about'>about</a>", 1, false},
    {"/about", "<p>us", 1, true},
    {"/list",
     "<link rel=next href='/list?page=2'><div itemscope itemtype='https://schema.org/Product'><a "
     "href='/p/1'><span itemprop=name>Short</span></a></div>" LD(
         "{\"@type\":\"ItemList\",\"itemListElement\":[{\"@type\":\"ListItem\",\"url\":\"/p/"
         "2\"}]}"),
     1, false},
    {"/list?page=2", "<a href='/p/3'>3</a>", 1, false},
    {"/p/1",
     LD("{\"@type\":\"Car\",\"name\":\"The long "
        "name\",\"sku\":\"S1\",\"vehicleIdentificationNumber\":\"1HGCM82633A004352\","
        "\"mileageFromOdometer\":\"12000 km\",\"brand\":\"Honda\",\"image\":\"/1.jpg\","
        "\"vehicleModelDate\":\"2020\",\"itemCondition\":\"UsedCondition\","
        "\"offers\":{\"price\":2,\"priceCurrency\":\"EUR\",\"availability\":\"SoldOut\"}}"),
     1, false},
    {"/p/2", LD("{\"@type\":\"Product\",\"name\":\"Two\"}"), 1, true},
    {"/p/3",
     "<meta property='og:type' content='product'><meta property='og:title' content='Three'>"
     "<meta property='product:price:amount' content='3'>",
     1, false},
    {"/p/4", LD("{\"@type\":\"Product\",\"name\":\"Four\"}"), 0, false},
};

/* What the server has seen since it was asked last. */
static atomic_int whole, unchanged;

static bool answer(struct site_fixture *fixture, struct http_exchange *exchange)
{
    (void)fixture;
    for (size_t i = 0; i < COUNT(site); i++) {
        const struct page *page = &site[i];
        if (page->body == NULL || strcmp(page->target, exchange->target) != 0)
            continue;
        char headers[200] = "Content-Type: text/html\r\n";
        char asked[100] = "no condition";
        if (page->version > 0 && page->by_date) {
            (void)snprintf(asked, sizeof asked,
                           "If-Modified-Since: Fri, 06 Feb 2026 20:00:%02d GMT\r\n", page->version);
            (void)snprintf(headers, sizeof headers,
                           "Content-Type: text/html\r\nLast-Modified: Fri, 06 Feb 2026 20:00:%02d "
                           "GMT\r\n",
                           page->version);
        } else if (page->version > 0) {
            (void)snprintf(asked, sizeof asked, "If-None-Match: W/\"v%d\"\r\n", page->version);
            (void)snprintf(headers, sizeof headers,
                           "Content-Type: text/html\r\nETag: W/\"v%d\"\r\n", page->version);
        }
        bool is_same = strcasestr(exchange->head, asked) != NULL;
        atomic_fetch_add(is_same ? &unchanged : &whole, 1);
        http_exchange_answer_text(exchange, is_same ? 304 : 200, headers,
                                  is_same ? "" : page->body);
        return true;
    }
    return false;
}

static void begin(struct site_fixture *fixture, struct site_memory *memory,
                  struct site_pages *pages)
{
    site_fixture_start(fixture, NULL, 0);
    fixture->special = answer;
    *memory = site_pages_memory(pages);
    fixture->memory = memory;
    for (size_t i = 0; i < COUNT(site); i++)
        site[i].version = site[i].version > 0;
}

static void scan(struct site_fixture *fixture)
{
    atomic_store(&whole, 0);
    atomic_store(&unchanged, 0);
    assert_int_equal(site_fixture_scan(fixture), RPC_OK);
    assert_true(fixture->scan.complete);
}

/* All that is found, sorted by identity. */
static void hashes_of(const struct site_scan *found, char out[static 2048])
{
    const char *lines[32];
    size_t used = 0;
    size_t count = found->item_count;
    assert_true(count <= COUNT(lines));
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        while (at > 0 && strcmp(lines[at - 1], found->items[i]->identity) > 0) {
            lines[at] = lines[at - 1];
            at--;
        }
        lines[at] = found->items[i]->identity;
    }
    for (size_t i = 0; i < count; i++) {
        const Lotcast__V1__ItemRecord *item = NULL;
        for (size_t j = 0; j < count; j++)
            item = strcmp(found->items[j]->identity, lines[i]) == 0 ? found->items[j] : item;
        used += (size_t)snprintf(out + used, 2048 - used, "%s ", lines[i]);
        for (size_t j = 0; j < item->content_hash.len; j++)
            used += (size_t)snprintf(out + used, 2048 - used, "%02x", item->content_hash.data[j]);
        used += (size_t)snprintf(out + used, 2048 - used, "\n");
    }
}

static void sends_nothing_twice(void **state)
{
    (void)state;
    struct site_fixture fixture;
    struct site_memory memory;
    struct site_pages pages = {.count = 0};
    char first[2048], second[2048];
    begin(&fixture, &memory, &pages);
    scan(&fixture);
    hashes_of(&fixture.scan, first);
    assert_int_equal(fixture.scan.item_count, 3);
    assert_int_equal(atomic_load(&whole), 7);
    assert_int_equal(pages.kept, 7);
    assert_int_equal(pages.same, 0);
    int64_t fetched = fixture.scan.pages_fetched;
    for (int i = 1; i <= 2; i++) {
        scan(&fixture);
        hashes_of(&fixture.scan, second);
        assert_string_equal(first, second);
        assert_int_equal(atomic_load(&whole), 0);
        assert_int_equal(atomic_load(&unchanged), 7);
        assert_int_equal(fixture.scan.pages_fetched, fetched);
        assert_int_equal(pages.kept, 7);
        assert_int_equal(pages.same, 7 * i);
        assert_int_equal(pages.prepared, 6 * (i + 1)); /* all but the start page */
    }
    site_fixture_stop(&fixture);
    site_pages_free(&pages);
}

static void reads_what_has_changed(void **state)
{
    (void)state;
    struct site_fixture fixture;
    struct site_memory memory;
    struct site_pages pages = {.count = 0};
    begin(&fixture, &memory, &pages);
    scan(&fixture);
    const char *was = site[5].body;
    const char *list = site[3].body;
    site[5].version++;
    site[5].body = LD("{\"@type\":\"Product\",\"name\":\"Two again\"}");
    site[3].version++;
    site[3].body = "<a href='/p/4'>4</a>"; /* three is not listed any more, four is new */
    scan(&fixture);
    assert_int_equal(fixture.scan.item_count, 3);
    assert_string_equal(site_fixture_item(&fixture, "url:{O}/p/2")->title, "Two again");
    assert_string_equal(site_fixture_item(&fixture, "url:{O}/p/4")->title, "Four");
    assert_int_equal(atomic_load(&whole), 3);
    assert_int_equal(atomic_load(&unchanged), 4);
    site[5].body = was;
    site[3].body = list;
    site_fixture_stop(&fixture);
    site_pages_free(&pages);
}

/* What is kept is not believed where another reader has kept it, or where it is not enough. */
static void spoil(struct site_pages *pages, int layout, bool has_links)
{
    for (size_t i = 0; i < pages->count; i++) {
        Lotcast__V1__PageRecord *page =
            lotcast__v1__page_record__unpack(NULL, pages->entries[i].len, pages->entries[i].packed);
        assert_non_null(page);
        page->layout += layout;
        page->traits = has_links ? page->traits : 0;
        site_pages_keep(pages, pages->entries[i].url, page);
        lotcast__v1__page_record__free_unpacked(page, NULL);
    }
}

static void asks_again_where_it_does_not_know(void **state)
{
    (void)state;
    struct site_fixture fixture;
    struct site_memory memory;
    struct site_pages pages = {.count = 0};
    begin(&fixture, &memory, &pages);
    scan(&fixture);
    spoil(&pages, 1, true);
    scan(&fixture);
    assert_int_equal(fixture.scan.item_count, 3);
    assert_int_equal(atomic_load(&whole), 7);
    assert_int_equal(atomic_load(&unchanged), 0);
    spoil(&pages, 0, false);
    scan(&fixture);
    assert_int_equal(fixture.scan.item_count, 3);
    assert_int_equal(atomic_load(&whole), 4); /* what links to others */
    scan(&fixture);
    assert_int_equal(atomic_load(&whole), 0);
    site_fixture_stop(&fixture);
    site_pages_free(&pages);
}

/* A shop's start page is remembered, and so is that the shop lists everything. */
static atomic_int shop_is_ill;

static bool answer_shop(struct site_fixture *fixture, struct http_exchange *exchange)
{
    (void)fixture;
    const char *target = exchange->target;
    if (strcmp(target, "/") == 0) {
        bool is_same = strcasestr(exchange->head, "If-None-Match: \"s\"") != NULL;
        atomic_fetch_add(is_same ? &unchanged : &whole, 1);
        http_exchange_answer_text(exchange, is_same ? 304 : 200,
                                  "Content-Type: text/html\r\nETag: \"s\"\r\n",
                                  is_same ? ""
                                          : "Shopify.shop; Shopify.currency = "
                                            "{\"active\":\"USD\"}<a href='/p/1'>1</a>");
        return true;
    }
    if (strncmp(target, "/products.json", 14) == 0) {
        bool is_first = strstr(target, "page=1") != NULL;
        http_exchange_answer_text(
            exchange, atomic_load(&shop_is_ill) ? 503 : 200,
            "Content-Type: application/json\r\nRetry-After: 0\r\n",
            is_first ? "{\"products\":[{\"id\":1,\"title\":\"A\",\"handle\":\"a\",\"variants\":"
                       "[{\"price\":\"1.00\"}]}]}"
                     : "{\"products\":[]}");
        return true;
    }
    if (strcmp(target, "/p/1") == 0) {
        http_exchange_answer_text(exchange, 200, NULL,
                                  LD("{\"@type\":\"Product\",\"name\":\"page\"}"));
        return true;
    }
    return false;
}

static void remembers_a_shop(void **state)
{
    (void)state;
    struct site_fixture fixture;
    struct site_memory memory;
    struct site_pages pages = {.count = 0};
    begin(&fixture, &memory, &pages);
    fixture.special = answer_shop;
    scan(&fixture);
    (void)site_fixture_item(&fixture, "sku:1");
    scan(&fixture);
    (void)site_fixture_item(&fixture, "sku:1");
    assert_int_equal(fixture.scan.item_count, 1);
    assert_int_equal(atomic_load(&unchanged), 1);
    assert_int_equal(atomic_load(&whole), 0);
    /* It has listed everything before: its pages are no second inventory. */
    atomic_store(&shop_is_ill, 1);
    assert_int_not_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.status.reason, LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE);
    atomic_store(&shop_is_ill, 0);
    site_fixture_stop(&fixture);
    site_pages_free(&pages);
}

static void waits_as_long_as_it_is_told(void **state)
{
    (void)state;
    char soon[64], late[64];
    time_t now_s = (time_t)(clock_now_ms() / 1000);
    const struct {
        time_t at;
        char *out;
    } dates[] = {{now_s + 5, soon}, {now_s + 3600, late}};
    for (size_t i = 0; i < COUNT(dates); i++) {
        struct tm parts;
        (void)strftime(dates[i].out, 64, "%a, %d %b %Y %H:%M:%S GMT",
                       gmtime_r(&dates[i].at, &parts));
    }
    const struct {
        const char *value;
        int64_t from_ms, to_ms;
    } cases[] = {{"3", 3000, 3000},
                 {"86400", 10000, 10000},
                 {"0", 0, 0},
                 {soon, 2000, 5000},
                 {late, 10000, 10000},
                 {"Fri, 06 Feb 2015 20:00:00 GMT", 0, 0},
                 {"Fri, 06 Feb 2026 20:00:00 CET", 500, 500},
                 {"Friday", 500, 500},
                 {"-1", 500, 500},
                 {"", 500, 500}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http_response response = {.header_count = 1};
        response.headers[0] = (struct http_header){"retry-after", cases[i].value};
        int64_t ms = site__fetch_backoff_ms(&response, 0);
        if (ms < cases[i].from_ms || ms > cases[i].to_ms)
            print_message("%s: %lld\n", cases[i].value, (long long)ms);
        assert_in_range(ms, cases[i].from_ms, cases[i].to_ms);
    }
}

static void shares_turns_at_a_host(void **state)
{
    (void)state;
    struct host_turns *a = site__turns_acquire("host.example");
    struct host_turns *b = site__turns_acquire("host.example");
    struct host_turns *other = site__turns_acquire("other.example");
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, other);
    for (int i = 0; i < SITE_REQUESTS_PER_HOST_MAX; i++)
        assert_true(site__turns_take(i % 2 == 0 ? a : b));
    assert_false(site__turns_take(a));
    assert_false(site__turns_take(b));
    assert_true(site__turns_take(other));
    site__turns_give(b);
    assert_true(site__turns_take(a));
    for (int i = 0; i < SITE_REQUESTS_PER_HOST_MAX; i++)
        site__turns_give(a);
    site__turns_give(other);
    site__turns_release(other);
    site__turns_release(b);
    site__turns_release(a);
    site__turns_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_nothing_twice),
        cmocka_unit_test(reads_what_has_changed),
        cmocka_unit_test(asks_again_where_it_does_not_know),
        cmocka_unit_test(remembers_a_shop),
        cmocka_unit_test(waits_as_long_as_it_is_told),
        cmocka_unit_test(shares_turns_at_a_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
