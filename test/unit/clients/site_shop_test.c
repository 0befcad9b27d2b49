/* Shops' interfaces and named feeds, read over a real server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "clients/site/feed.h"
#include "test/unit/clients/site_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define JSON_TYPE "Content-Type: application/json\r\n"
#define XML_TYPE "Content-Type: application/xml\r\n"
#define LD(json) "<script type='application/ld+json'>" json "</script>"

#define SHOPIFY_START(currency)                                \
    "<html><script>Shopify.shop = 'x.myshopify.com';" currency \
    "</script><body><a href='/products/a'>a</a></body></html>"
#define USD "Shopify.currency = {\"active\":\"USD\",\"rate\":\"1.0\"};"
#define PRODUCT_A                                                                             \
    "{\"id\":1,\"title\":\"Shirt &amp; tie\",\"handle\":\"a\",\"body_html\":\"<p>soft</p>\"," \
    "\"vendor\":\"Acme\",\"images\":[{\"src\":\"https://cdn.example/a.jpg\"}],\"variants\":[" \
    "{\"price\":\"9.00\",\"available\":false},{\"price\":\"12.50\",\"available\":true},"      \
    "{\"price\":\"11.00\",\"available\":true}]}"
#define PRODUCT_B                                                                \
    "{\"id\":2,\"title\":\"Gone\",\"handle\":\"b\",\"images\":[],\"variants\":[" \
    "{\"price\":\"20.00\",\"available\":false},{\"price\":\"18.00\",\"available\":false}]}"

static int asked(struct site_fixture *fixture)
{
    return atomic_load(&fixture->requests);
}

/* The third page repeats the second, as some stores do. */
static const struct route shopify[] = {
    {"/", SHOPIFY_START(USD), NULL, 0, false},
    {"/products.json?limit=250&page=1", "{\"products\":[" PRODUCT_A "]}", JSON_TYPE, 0, false},
    {"/products.json?limit=250&page=2", "{\"products\":[" PRODUCT_B "]}", JSON_TYPE, 0, false},
    {"/products.json?limit=250&page=3", "{\"products\":[" PRODUCT_B "]}", JSON_TYPE, 0, false},
    {"/products.json?limit=250&page=4", "{\"products\":[{\"id\":3,\"title\":\"no\"}]}", JSON_TYPE,
     0, false},
    {"/products/a", LD("{\"@type\":\"Product\",\"name\":\"page\",\"sku\":\"other\"}"), NULL, 0,
     false},
};

static void reads_shopify(void **state)
{
    (void)state;
    struct site_fixture fixture;
    site_fixture_start(&fixture, shopify, COUNT(shopify));
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 2);
    assert_true(fixture.scan.complete);
    const Lotcast__V1__ItemRecord *item = site_fixture_item(&fixture, "sku:1");
    assert_string_equal(item->title, "Shirt & tie");
    assert_string_equal(item->description, "soft");
    assert_string_equal(item->brand, "Acme");
    assert_string_equal(item->image_url, "https://cdn.example/a.jpg");
    assert_int_equal(item->price_minor, 1100);
    assert_string_equal(item->currency, "USD");
    assert_true(item->in_stock);
    assert_non_null(strstr(item->url, "/products/a"));
    item = site_fixture_item(&fixture, "sku:2");
    assert_int_equal(item->price_minor, 1800);
    assert_false(item->in_stock);
    assert_int_equal(asked(&fixture), 5); /* robots.txt, the start page, three pages */
    site_fixture_stop(&fixture);
}

/* Without a currency the list says where the pages are, and they say the rest. */
static const struct route no_currency[] = {
    {"/", SHOPIFY_START(""), NULL, 0, false},
    {"/products.json?limit=250&page=1", "{\"products\":[" PRODUCT_A "," PRODUCT_B "]}", JSON_TYPE,
     0, false},
    {"/products.json?limit=250&page=2", "{\"products\":[]}", JSON_TYPE, 0, false},
    {"/products/a",
     LD("{\"@type\":\"Product\",\"name\":\"A\",\"sku\":\"S-A\",\"offers\":{\"price\":11,"
        "\"priceCurrency\":\"CAD\"}}"),
     NULL, 0, false},
    {"/products/b", LD("{\"@type\":\"Product\",\"name\":\"B\",\"sku\":\"S-B\"}"), NULL, 0, false},
};

static void reads_pages_where_the_currency_is_not_said(void **state)
{
    (void)state;
    struct site_fixture fixture;
    site_fixture_start(&fixture, no_currency, COUNT(no_currency));
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 2);
    assert_string_equal(site_fixture_item(&fixture, "sku:S-A")->currency, "CAD");
    assert_string_equal(site_fixture_item(&fixture, "sku:S-B")->title, "B");
    assert_true(fixture.scan.complete);
    site_fixture_stop(&fixture);
}

#define WOO_START                                                              \
    "<html><head><link rel='https://api.w.org/' href='/blog/wp-json/'></head>" \
    "<body class='woocommerce-page'><a href='/p/1'>1</a></body></html>"
#define WOO_ITEM(id, sku, price, unit)                                                             \
    "{\"id\":" id ",\"name\":\"Tea &#8211; " id "\",\"sku\":\"" sku "\",\"permalink\":\"{O}/p/" id \
    "\",\"short_description\":\"<p>green</p>\",\"prices\":{\"price\":\"" price                     \
    "\",\"regular_price\":\"9999\",\"currency_code\":\"EUR\",\"currency_minor_unit\":" unit        \
    "},\"images\":[{\"src\":\"{O}/i.jpg\"}],\"is_in_stock\":true}"

static const struct route woocommerce[] = {
    {"/", WOO_START, NULL, 0, false},
    {"/blog/wp-json/wc/store/v1/products?per_page=100&page=1",
     "[" WOO_ITEM("1", "T1", "1999", "2") "," WOO_ITEM("2", "", "5", "2") "]",
     JSON_TYPE "X-WP-TotalPages: 2\r\n", 0, false},
    {"/blog/wp-json/wc/store/v1/products?per_page=100&page=2",
     "[" WOO_ITEM("3", "T3", "700", "0") "]", JSON_TYPE "X-WP-TotalPages: 2\r\n", 0, false},
};

static void reads_woocommerce(void **state)
{
    (void)state;
    struct site_fixture fixture;
    site_fixture_start(&fixture, woocommerce, COUNT(woocommerce));
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 3);
    const Lotcast__V1__ItemRecord *item = site_fixture_item(&fixture, "sku:T1");
    assert_string_equal(item->title, "Tea \xe2\x80\x93 1");
    assert_int_equal(item->price_minor, 1999);
    assert_string_equal(item->currency, "EUR");
    assert_string_equal(item->description, "green");
    assert_int_equal(site_fixture_item(&fixture, "sku:2")->price_minor, 5);
    assert_int_equal(site_fixture_item(&fixture, "sku:T3")->price_minor, 70000);
    assert_int_equal(asked(&fixture), 4);
    site_fixture_stop(&fixture);
}

/* What forbids the list, or has none, is read page by page; nothing is asked for that is forbidden.
 */
static const struct {
    const char *robots;
    const char *start;
    int list_status;
    bool complete;
    int asked; /* besides what is the same for all: robots.txt, two sitemaps, start page, page */
} no_lists[] = {
    {"", "<a href='/p/1'>1</a>", 200, true, 0},
    {"", "We like woocommerce.<a href='/p/1'>1</a>", 404, true, 1},
    {"", SHOPIFY_START(USD) "<a href='/p/1'>1</a>", 404, true, 2},
    {"", SHOPIFY_START(USD) "<a href='/p/1'>1</a>", 302, true, 2},
    {"", SHOPIFY_START(USD) "<a href='/p/1'>1</a>", 503, false, 4},
    {"User-agent: *\nDisallow: /*.json\n", SHOPIFY_START(USD) "<a href='/p/1'>1</a>", 200, true, 1},
};

static void reads_pages_where_there_is_no_list(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(no_lists); i++) {
        const struct route routes[] = {
            {"/robots.txt", no_lists[i].robots, "Content-Type: text/plain\r\n", 0, false},
            {"/", no_lists[i].start, NULL, 0, false},
            {"/products.json?limit=250&page=1", "{\"products\":[" PRODUCT_A "]}",
             JSON_TYPE "Location: /password\r\nRetry-After: 0\r\n", no_lists[i].list_status, false},
            {"/p/1", LD("{\"@type\":\"Product\",\"name\":\"One\"}"), NULL, 0, false},
        };
        struct site_fixture fixture;
        site_fixture_start(&fixture, routes, COUNT(routes));
        assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
        assert_int_equal(fixture.scan.item_count, 1);
        (void)site_fixture_item(&fixture, "url:{O}/p/1");
        assert_int_equal(fixture.scan.complete, no_lists[i].complete);
        if (asked(&fixture) != 5 + no_lists[i].asked)
            print_message("case %zu\n", i);
        assert_int_equal(asked(&fixture), 5 + no_lists[i].asked);
        site_fixture_stop(&fixture);
    }
}

/* A list that breaks off leaves nothing to be taken for gone. */
static void knows_that_a_list_broke_off(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
    } second[] = {{"", 500}, {"", 404}, {"{\"products\":[", 200}, {"<html>", 200}};
    for (size_t i = 0; i < COUNT(second); i++) {
        const struct route routes[] = {
            {"/", SHOPIFY_START(USD), NULL, 0, false},
            {"/products.json?limit=250&page=1", "{\"products\":[" PRODUCT_A "]}", JSON_TYPE, 0,
             false},
            {"/products.json?limit=250&page=2", second[i].body, "Retry-After: 0\r\n",
             second[i].status, false},
        };
        struct site_fixture fixture;
        site_fixture_start(&fixture, routes, COUNT(routes));
        assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
        assert_int_equal(fixture.scan.item_count, 1);
        assert_false(fixture.scan.complete);
        site_fixture_stop(&fixture);
    }
}

static const struct route named[] = {
    {"/export/all.xml",
     "<rss xmlns:g='http://base.google.com/ns/1.0'><channel><item><g:id>1</g:id><title>One</title>"
     "<link>https://elsewhere.example/1</link><g:price>5 USD</g:price></item><item><g:id>2</g:id>"
     "<title>Two</title><link>https://elsewhere.example/1</link><g:price>6 USD</g:price></item>"
     "</channel></rss>",
     XML_TYPE, 0, false},
    {"/stock.csv", "id,title,link,price\n7,Seven,{O}/7,7 USD\n", "Content-Type: text/csv\r\n", 0,
     true},
    {"/cut.csv", "id,title,link,price\n7,Seven,{O}/7,7 USD\n8,\"Eight",
     "Content-Type: text/csv\r\n", 0, false},
    {"/none.csv", "id,title,link,price\n", "Content-Type: text/csv\r\n", 0, false},
};

static void reads_a_feed_that_the_url_names(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        const char *identity;
        size_t count;
        bool complete;
    } cases[] = {{"/export/all.xml", "sku:2", 2, true},
                 {"/stock.csv", "sku:7", 1, true},
                 {"/cut.csv", "sku:7", 1, false},
                 {"/none.csv", NULL, 0, true}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct site_fixture fixture;
        site_fixture_start(&fixture, named, COUNT(named));
        fixture.start = cases[i].start;
        assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
        assert_int_equal(fixture.scan.item_count, cases[i].count);
        assert_int_equal(fixture.scan.complete, cases[i].complete);
        if (cases[i].identity != NULL)
            (void)site_fixture_item(&fixture, cases[i].identity);
        assert_int_equal(asked(&fixture), 2); /* robots.txt and the feed */
        site_fixture_stop(&fixture);
    }
}

/* A feed that the site points at is read beside its pages, and adds what they do not have. */
static const struct route pointed[] = {
    {"/robots.txt",
     "User-agent: *\nDisallow: /private/\nSitemap: {O}/sitemap.xml\nSitemap: "
     "{O}/google-products.txt\n",
     "Content-Type: text/plain\r\n", 0, false},
    {"/sitemap.xml",
     "<urlset><url><loc>{O}/p/1</loc></url><url><loc>{O}/catalog.tsv</loc></url></urlset>",
     XML_TYPE, 0, false},
    {"/",
     "<html><head><link rel=alternate type='application/rss+xml' href='/feed/'>"
     "<link rel=alternate type='application/rss+xml' href='/merchant.rss'>"
     "<link rel=alternate type='application/rss+xml' "
     "href='/private/products.xml'></head><body></body></html>",
     NULL, 0, false},
    {"/p/1",
     LD("{\"@type\":\"Product\",\"name\":\"Page\",\"sku\":\"P1\",\"offers\":{\"price\":1,"
        "\"priceCurrency\":\"USD\"}}"),
     NULL, 0, false},
    {"/merchant.rss",
     "<rss "
     "xmlns:g='http://base.google.com/ns/1.0'><channel><item><g:id>g1</g:id><title>Feed</title>"
     "<link>{O}/p/1</link><g:price>2 USD</g:price><g:brand>Acme</g:brand></item></channel></rss>",
     XML_TYPE, 0, false},
    {"/catalog.tsv", "id\ttitle\tlink\tprice\nt\tTab\t{O}/p/9\t9 USD\n",
     "Content-Type: text/plain\r\n", 0, false},
    {"/google-products.txt", "id\ttitle\tprice\nnolink\tNo link\t3 USD\n",
     "Content-Type: text/plain\r\n", 0, false},
    {"/private/products.xml",
     "<rss><channel><item><id>secret</id><title>x</title><price>1 "
     "USD</price></item></channel></rss>",
     XML_TYPE, 0, false},
};

static void reads_feeds_that_the_site_points_at(void **state)
{
    (void)state;
    struct site_fixture fixture;
    site_fixture_start(&fixture, pointed, COUNT(pointed));
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 3);
    const Lotcast__V1__ItemRecord *item = site_fixture_item(&fixture, "sku:P1");
    assert_string_equal(item->title, "Page");
    assert_string_equal(item->brand, "Acme");
    assert_int_equal(item->price_minor, 100);
    assert_string_equal(site_fixture_item(&fixture, "url:{O}/p/9")->title, "Tab");
    assert_string_equal(site_fixture_item(&fixture, "sku:nolink")->title, "No link");
    assert_true(fixture.scan.complete);
    site_fixture_stop(&fixture);
}

/* ---- shops that nothing gives away ---- */

/* robots.txt, the start page, two sitemaps that are not there; then what is guessed at. */
#define BEFORE_GUESSES 4
#define GUESSES 4

static const struct route bare_shopify[] = {
    {"/", "<div id=app></div>", NULL, 0, false},
    {"/meta.json", "{\"name\":\"Acme\",\"currency\":\"CAD\"}", JSON_TYPE, 0, false},
    {"/products.json?limit=250&page=1", "{\"products\":[" PRODUCT_A "]}", JSON_TYPE, 0, false},
    {"/products.json?limit=250&page=2", "{\"products\":[]}", JSON_TYPE, 0, false},
};
static const struct route bare_woocommerce[] = {
    {"/", "<div id=app></div>", NULL, 0, false},
    {"/wp-json/wc/store/v1/products?per_page=100&page=1", "[" WOO_ITEM("1", "T1", "1999", "2") "]",
     JSON_TYPE "X-WP-TotalPages: 1\r\n", 0, false},
};
static const struct route old_woocommerce[] = {
    {"/", "<div id=app></div>", NULL, 0, false},
    {"/wp-json/wc/store/products?per_page=100&page=1", "[" WOO_ITEM("1", "T1", "1999", "2") "]",
     JSON_TYPE "X-WP-TotalPages: 1\r\n", 0, false},
};
/* No currency anywhere, and pages that say nothing. */
static const struct route mute_shopify[] = {
    {"/", SHOPIFY_START(""), NULL, 0, false},
    {"/products.json?limit=250&page=1", "{\"products\":[" PRODUCT_A "]}", JSON_TYPE, 0, false},
    {"/products/a", "<h1>Shirt</h1>", NULL, 0, false},
    {"/products.json?limit=250&page=2", "{\"products\":[]}", JSON_TYPE, 0, false},
};
static const struct route no_shop[] = {
    {"/", "<p>We mend shoes.", NULL, 0, false},
    {"/meta.json", "[1]", JSON_TYPE, 0, false},
    {"/products.json?limit=250&page=1", "{\"products\":[]}", JSON_TYPE, 0, false},
    {"/wp-json/wc/store/v1/products?per_page=100&page=1", "<html>oops", NULL, 500, false},
};
static const struct route forbidden_shop[] = {
    {"/robots.txt", "User-agent: *\nDisallow: /products.json\nDisallow: /wp-json\nDisallow: /meta",
     "", 0, false},
    {"/", "<div id=app></div>", NULL, 0, false},
    {"/products.json?limit=250&page=1", "{\"products\":[" PRODUCT_A "]}", JSON_TYPE, 0, false},
};

static void asks_shops_that_nothing_gives_away(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const struct route *routes;
        size_t count;
        const char *identity; /* NULL: no item */
        const char *currency, *excluded;
        int requests; /* 0: never mind */
    } cases[] = {
        {"shopify", bare_shopify, COUNT(bare_shopify), "sku:1", "CAD", "", 0},
        {"woocommerce", bare_woocommerce, COUNT(bare_woocommerce), "sku:T1", "EUR", "", 0},
        {"old woocommerce", old_woocommerce, COUNT(old_woocommerce), "sku:T1", "EUR", "",
         BEFORE_GUESSES + GUESSES},
        {"no currency", mute_shopify, COUNT(mute_shopify), "sku:1", "", SITE_EXCLUDED_CURRENCY, 0},
        {"none", no_shop, COUNT(no_shop), NULL, "", "", 0},
        {"forbidden", forbidden_shop, COUNT(forbidden_shop), NULL, "", "", BEFORE_GUESSES},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct site_fixture fixture;
        print_message("%s\n", cases[i].name);
        site_fixture_start(&fixture, cases[i].routes, cases[i].count);
        assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
        assert_true(fixture.scan.complete);
        assert_int_equal(fixture.scan.item_count, cases[i].identity != NULL);
        if (cases[i].identity != NULL) {
            const Lotcast__V1__ItemRecord *item = site_fixture_item(&fixture, cases[i].identity);
            assert_string_equal(item->currency, cases[i].currency);
            assert_string_equal(item->excluded, cases[i].excluded);
        }
        if (cases[i].requests > 0)
            assert_int_equal(asked(&fixture), cases[i].requests);
        site_fixture_stop(&fixture);
    }
}

static void detects_shops(void **state)
{
    (void)state;
    static const struct {
        const char *page;
        const char *header, *value;
        const char *want;
    } cases[] = {
        {"plain", "server", "x", NULL},
        {"", "server", "x", NULL},
        {"Shopify.theme = 1; Shopify.currency = {\"active\":\"EUR\"", "server", "x", "shopify EUR"},
        {"Shopify.theme = 1; Shopify.currency = {\"active\":\"EU", "server", "x", "shopify "},
        {"Shopify.theme; Shopify.currency = {\"active\":\"<b>\"}", "server", "x", "shopify "},
        {"", "powered-by", "Shopify", "shopify "},
        {"woocommerce", "server", "x", "woocommerce https://s.example/wp-json/"},
        {"woocommerce", "link", "<https://s.example/a/wp-json/>; rel=\"https://api.w.org/\"",
         "woocommerce https://s.example/a/wp-json/"},
        {"woocommerce", "link", "<https://evil.example/wp-json/>; rel=\"https://api.w.org/\"",
         NULL},
        {"<link rel='https://api.w.org/' href='/?rest_route=/'>woocommerce", "server", "x",
         "woocommerce https://s.example/?rest_route=/"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena;
        struct url home;
        arena_init(&arena, 65536);
        struct http_response response = {.header_count = 1};
        response.headers[0] = (struct http_header){cases[i].header, cases[i].value};
        assert_true(url_parse(span_of_string("https://s.example/"), &arena, &home));
        const char *shop =
            site__shop_detect(span_of_string(cases[i].page), &response, &home, &arena);
        if (cases[i].want == NULL) {
            assert_null(shop);
        } else {
            assert_non_null(shop);
            assert_string_equal(shop, cases[i].want);
        }
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_shopify),
        cmocka_unit_test(reads_pages_where_the_currency_is_not_said),
        cmocka_unit_test(reads_woocommerce),
        cmocka_unit_test(reads_pages_where_there_is_no_list),
        cmocka_unit_test(knows_that_a_list_broke_off),
        cmocka_unit_test(reads_a_feed_that_the_url_names),
        cmocka_unit_test(reads_feeds_that_the_site_points_at),
        cmocka_unit_test(asks_shops_that_nothing_gives_away),
        cmocka_unit_test(detects_shops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
