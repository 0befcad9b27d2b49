#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "clients/site/frontier.h"
#include "rpc/base/clock.h"
#include "test/unit/clients/site_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define XML_TYPE "Content-Type: application/xml\r\n"
#define TEXT_TYPE "Content-Type: text/plain\r\n"

/* The thin way: robots.txt, a sitemap index, a gzip sitemap, pages in three formats, a list in
 * pages. */
static const struct route dealer[] = {
    {"/robots.txt", "User-agent: *\nDisallow: /private/\nSitemap: {O}/index.xml\n", TEXT_TYPE, 0,
     false},
    {"/index.xml",
     "<?xml version='1.0'?><sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>"
     "<sitemap><loc>{O}/cars.xml.gz</loc></sitemap><sitemap><loc>\n{O}/index.xml\n</loc></sitemap>"
     "<sitemap><loc>http://10.0.0.1/x.xml</loc></sitemap></sitemapindex>",
     XML_TYPE, 0, false},
    {"/cars.xml.gz",
     "<?xml version='1.0'?><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9' "
     "xmlns:image='http://www.google.com/schemas/sitemap-image/1.1'>"
     "<url><loc>{O}/car/1</loc><image:image><image:loc>{O}/not-a-page</image:loc></image:image></"
     "url>"
     "<url><loc>{O}/car/2?a=1&amp;b=2</loc></url><url><loc>{O}/car/3</loc></url>"
     "<url><loc>{O}/private/4</loc></url><url><loc>{O}/gone</loc></url>"
     "<url><loc>http://elsewhere.example/car/5</loc></url></urlset>",
     "Content-Type: application/gzip\r\n", 0, true},
    {"/",
     "<html><head><title>Dealer</title></head><body><a href='/list'>All</a> <a "
     "href='/private/x'>x</a>"
     "</body></html>",
     NULL, 0, false},
    {"/car/1",
     "<html><head><script type='application/ld+json'>{\"@context\":\"https://schema.org\","
     "\"@type\":[\"Product\",\"Car\"],\"name\":\"2024 Honda Civic\",\"brand\":{\"name\":\"Honda\"},"
     "\"model\":\"Civic\",\"vehicleModelDate\":\"2024\",\"vehicleIdentificationNumber\":"
     "\"1hgcm82633a004352\","
     "\"image\":[\"javascript:alert(1)\",\"/img/1.jpg\"],\"itemCondition\":\"https://schema.org/"
     "UsedCondition\","
     "\"mileageFromOdometer\":{\"@type\":\"QuantitativeValue\",\"value\":\"12,345\",\"unitCode\":"
     "\"SMI\"},"
     "\"offers\":{\"@type\":\"Offer\",\"price\":28000,\"priceCurrency\":\"USD\","
     "\"availability\":\"https://schema.org/InStock\"}}</script></head><body></body></html>",
     NULL, 0, false},
    {"/car/2?a=1&b=2",
     "<html><body><div itemscope itemtype='http://schema.org/Product'><h1 itemprop='name'>Volvo "
     "<b>V60</b></h1><meta itemprop='sku' content='A-2'><div itemprop='offers' itemscope "
     "itemtype='http://schema.org/Offer'><span itemprop='price'>28.000,00 &euro;</span>"
     "<link itemprop='availability' href='http://schema.org/SoldOut'></div></div></body></html>",
     NULL, 0, false},
    {"/car/3",
     "<html><head><meta property='og:type' content='product'><meta property='og:title' "
     "content='Mazda 3'>"
     "<meta property='product:price:amount' content='9999.5'><meta "
     "property='product:price:currency' "
     "content='GBP'><meta property='og:image' content='//img.example/3.jpg'></head></html>",
     NULL, 0, false},
    {"/list",
     "<html><head><link rel='next' href='/list?page=2'></head><body>"
     "<div itemscope itemtype='https://schema.org/Product'><a href='/car/1'><span "
     "itemprop='name'>Civic"
     "</span></a></div><div itemscope itemtype='https://schema.org/Product'><a href='/car/6'>"
     "<span itemprop='name'>Six</span></a></div></body></html>",
     NULL, 0, false},
    {"/list?page=2", "<html><body><a href='/list'>1</a> <a href='/car/7'>Seven</a></body></html>",
     NULL, 0, false},
    {"/car/6",
     "<script type=\"application/ld+json; charset=utf-8\">{\"@graph\":[{\"@type\":\"WebPage\"},"
     "{\"@type\":\"Car\",\"name\":\"Six\",\"offers\":[{\"@type\":\"Offer\",\"price\":\"USD "
     "6000\"}]}]}</script>",
     NULL, 0, false},
    {"/car/7",
     "<script type='APPLICATION/LD+JSON'>{broken</script><script "
     "type='application/ld+json'>//<![CDATA[\n"
     "{\"@type\":\"Product\",\"name\":\"Seven\"}\n//]]></script>",
     NULL, 0, false},
};

static void reads_a_dealers_site(void **state)
{
    (void)state;
    struct site_fixture fixture;
    site_fixture_start(&fixture, dealer, COUNT(dealer));
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    const Lotcast__V1__ItemRecord *item = site_fixture_item(&fixture, "vin:1HGCM82633A004352");
    assert_string_equal(item->title, "2024 Honda Civic");
    assert_string_equal(item->brand, "Honda");
    assert_string_equal(item->model, "Civic");
    assert_int_equal(item->kind, LOTCAST__V1__ITEM_KIND__ITEM_KIND_VEHICLE);
    assert_int_equal(item->year, 2024);
    assert_int_equal(item->mileage, 12345);
    assert_string_equal(item->mileage_unit, "MI");
    assert_int_equal(item->condition, LOTCAST__V1__ITEM_CONDITION__ITEM_CONDITION_USED);
    assert_int_equal(item->price_minor, 2800000);
    assert_string_equal(item->currency, "USD");
    assert_true(item->in_stock);
    assert_non_null(strstr(item->image_url, "/img/1.jpg"));
    assert_non_null(strstr(item->url, "/car/1"));
    assert_string_equal(item->excluded, "");
    assert_int_equal(item->content_hash.len, 32);
    item = site_fixture_item(&fixture, "sku:A-2");
    assert_string_equal(item->title, "Volvo V60");
    assert_int_equal(item->price_minor, 2800000);
    assert_string_equal(item->currency, "EUR");
    assert_false(item->in_stock);
    item = site_fixture_item(&fixture, "url:{O}/car/3");
    assert_string_equal(item->title, "Mazda 3");
    assert_int_equal(item->price_minor, 999950);
    assert_string_equal(item->currency, "GBP");
    assert_string_equal(item->image_url, "http://img.example/3.jpg");
    item = site_fixture_item(&fixture, "url:{O}/car/6");
    assert_int_equal(item->price_minor, 600000);
    item = site_fixture_item(&fixture, "url:{O}/car/7");
    assert_string_equal(item->excluded, "missing_price");
    assert_int_equal(item->price_minor, -1);
    assert_int_equal(fixture.scan.item_count, 5);
    assert_true(fixture.scan.complete);
    assert_true(http_server_parallel_max(fixture.server) <= SITE_REQUESTS_PER_HOST_MAX);
    site_fixture_stop(&fixture);
}

#define LD(json) "<script type='application/ld+json'>" json "</script>"

/* No sitemap: start page → section → numbered list → pages with an item each. */
static const struct route shop[] = {
    {"/",
     "<a href='/shop/'>Shop</a><a href='/about'>About</a><a href='/cart'>Cart</a><a "
     "href='/x.pdf'>P</a>",
     NULL, 0, false},
    {"/about", "<p>us", NULL, 0, false},
    {"/cart", LD("{\"@type\":\"Product\",\"name\":\"cart\"}"), NULL, 0, false},
    {"/shop/", "<a href='/shop/tools?sort=1'>Tools</a>", NULL, 0, false},
    {"/shop/tools?sort=1",
     "<a href='/p/1'>1</a><a href='?sort=1&amp;page=2'>2</a><a href='?sort=1&amp;page=3'>3</a>",
     NULL, 0, false},
    {"/shop/tools?sort=1&page=2", "<a href='/p/2'>2</a><a rel=nofollow href='/p/9'>9</a>", NULL, 0,
     false},
    {"/shop/tools?sort=1&page=3", "<a href='/p/3'>3</a><a href='/p/4'>4</a>", NULL, 0, false},
    {"/p/1", LD("{\"@type\":\"Product\",\"name\":\"One\"}"), NULL, 0, false},
    {"/p/2",
     "<title>x</title><div itemscope itemtype=http://schema.org/Product><p itemprop=name>Zwei "
     "f\xfcr",
     "Content-Type: text/html; charset=iso-8859-1\r\n", 0, false},
    {"/p/3", LD("{\"@type\":\"Product\",\"name\":\"Three\",\"url\":\"/p/3?utm_source=x\"}"), NULL,
     0, false},
    {"/p/4", LD("{\"@type\":\"Product\",\"description\":\"no name\",\"offers\":{\"price\":\"4\"}}"),
     NULL, 0, false},
    {"/p/9", LD("{\"@type\":\"Product\",\"name\":\"nine\"}"), NULL, 0, false},
};

static void follows_links_where_there_is_no_sitemap(void **state)
{
    (void)state;
    struct site_fixture fixture;
    site_fixture_start(&fixture, shop, COUNT(shop));
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_string_equal(site_fixture_item(&fixture, "url:{O}/p/1")->title, "One");
    assert_string_equal(site_fixture_item(&fixture, "url:{O}/p/2")->title, "Zwei f\xc3\xbcr");
    assert_string_equal(site_fixture_item(&fixture, "url:{O}/p/3")->title, "Three");
    assert_string_equal(site_fixture_item(&fixture, "url:{O}/p/4")->excluded, "missing_title");
    assert_int_equal(fixture.scan.item_count, 4);
    assert_true(fixture.scan.complete);
    site_fixture_stop(&fixture);
}

/* A sitemap that lists a part; the rest is behind the list's further pages. */
static const struct route partly[] = {
    {"/sitemap.xml",
     "<urlset><url><loc>{O}/v/1</loc></url><url><loc>{O}/blog/a</loc></url></urlset>", XML_TYPE, 0,
     false},
    {"/", "<a href='/list'>list</a>", NULL, 0, false},
    {"/blog/a", "<a href='/blog/b'>b</a>", NULL, 0, false},
    {"/list",
     "<a href='/list/page/2'>2</a>" LD(
         "{\"@type\":\"ItemList\",\"itemListElement\":[{\"@type\":\"ListItem\",\"item\":{\"@type\":"
         "\"Product\","
         "\"name\":\"short\",\"url\":\"/v/"
         "1\",\"offers\":{\"price\":1,\"priceCurrency\":\"USD\"}}},{\"@type\":"
         "\"ListItem\",\"url\":\"/v/2\"}]}"),
     NULL, 0, false},
    {"/list/page/2", "<a href='/v/3'>3</a><a href='/list'>1</a>", NULL, 0, false},
    {"/v/1",
     LD("{\"@type\":\"Product\",\"name\":\"The long name\",\"sku\":\"S1\",\"offers\":{\"price\":2,"
        "\"priceCurrency\":\"EUR\",\"availability\":\"SoldOut\"}}"),
     NULL, 0, false},
    {"/v/2", LD("{\"@type\":\"Product\",\"name\":\"Two\"}"), NULL, 0, false},
    {"/v/3", LD("{\"@type\":\"Product\",\"name\":\"Three\"}"), NULL, 0, false},
};

static void completes_what_a_sitemap_leaves_out(void **state)
{
    (void)state;
    struct site_fixture fixture;
    site_fixture_start(&fixture, partly, COUNT(partly));
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    const Lotcast__V1__ItemRecord *item = site_fixture_item(&fixture, "sku:S1");
    assert_string_equal(item->title, "The long name"); /* not the list's */
    assert_int_equal(item->price_minor, 200);
    assert_string_equal(item->currency, "EUR");
    assert_false(item->in_stock);
    (void)site_fixture_item(&fixture, "url:{O}/v/2");
    (void)site_fixture_item(&fixture, "url:{O}/v/3");
    assert_int_equal(fixture.scan.item_count, 3);
    assert_true(fixture.scan.complete);
    site_fixture_stop(&fixture);
}

static bool answer_by_agent(struct site_fixture *fixture, struct http_exchange *exchange)
{
    static const struct route page = {.body = LD("{\"@type\":\"Product\",\"name\":\"ours\"}")};
    if (strcmp(exchange->target, "/agent") != 0 ||
        strstr(exchange->head, "\r\nUser-Agent: LotcastBot/") == NULL)
        return false;
    site_fixture_answer(fixture, exchange, &page);
    return true;
}

/* Redirects of the start page decide where the site is; a start page may be a sitemap itself. */
static void starts_where_it_is_sent(void **state)
{
    (void)state;
    static const struct route routes[] = {
        {"/old", "", "Location: {O}/older\r\n", 301, false},
        {"/older", "", "Location: agent\r\n", 308, false},
        {"/map.xml", "<urlset><url><loc>{O}/agent</loc></url></urlset>", XML_TYPE, 0, false},
    };
    struct site_fixture fixture;
    char url[256];
    site_fixture_start(&fixture, routes, COUNT(routes));
    fixture.special = answer_by_agent;
    /* localhost is another site than 127.0.0.1, and ::1, which it also stands for, is not allowed.
     */
    (void)snprintf(url, sizeof url, "http://localhost:%u/old", http_server_port(fixture.server));
    assert_int_equal(site_fixture_scan_url(&fixture, url), RPC_OK);
    assert_int_equal(fixture.scan.item_count, 1);
    (void)site_fixture_item(&fixture, "url:{O}/agent");
    fixture.start = "/map.xml";
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    (void)site_fixture_item(&fixture, "url:{O}/agent");
    assert_int_equal(fixture.scan.item_count, 1);
    site_fixture_stop(&fixture);
}

static void the_same_site_gives_the_same_hashes(void **state)
{
    (void)state;
    struct site_fixture fixture;
    site_fixture_start(&fixture, dealer, COUNT(dealer));
    uint8_t before[32];
    for (int round = 0; round < 2; round++) {
        assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
        const Lotcast__V1__ItemRecord *item = site_fixture_item(&fixture, "vin:1HGCM82633A004352");
        if (round == 1)
            assert_memory_equal(before, item->content_hash.data, sizeof before);
        memcpy(before, item->content_hash.data, sizeof before);
    }
    site_fixture_stop(&fixture);
}

#define THREADS 4

static void *scan_dealer(void *arg)
{
    struct site_fixture *fixture = arg;
    for (int i = 0; i < 5; i++) {
        if (site_fixture_scan(fixture) != RPC_OK || fixture->scan.item_count != 5)
            return arg;
    }
    return NULL;
}

static void several_scans_run_side_by_side(void **state)
{
    (void)state;
    struct site_fixture fixtures[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        site_fixture_start(&fixtures[i], dealer, COUNT(dealer));
    /* They share one client, as the jobs do. */
    struct http_client *own[THREADS];
    for (int i = 0; i < THREADS; i++) {
        own[i] = fixtures[i].http;
        fixtures[i].http = fixtures[0].http;
        assert_int_equal(pthread_create(&threads[i], NULL, scan_dealer, &fixtures[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
        fixtures[i].http = own[i];
    }
    for (int i = 0; i < THREADS; i++)
        site_fixture_stop(&fixtures[i]);
}

static void knows_numbered_pages(void **state)
{
    (void)state;
    static const struct {
        const char *page, *link;
        bool want;
    } rows[] = {
        {"/list", "/list?page=2", true},
        {"/list?page=2", "/list?page=3", true},
        {"/list?a=1&page=2", "/list?a=1&page=3", true},
        {"/list?page=2&a=1", "/list?a=1&page=3", true},
        {"/list?a=1", "/list?page=2&a=1", true},
        {"/list?a=1", "/list?page=2&a=2", false},
        {"/list?a=1", "/list?page=2", false},
        {"/list", "/other?page=2", false},
        {"/list", "/list?page=x", false},
        {"/list", "/list?page=", false},
        {"/list", "/list?page=9999999", false},
        {"/list", "/list?id=2", false},
        {"/list", "/list", false},
        {"/list", "/list/page/2", true},
        {"/list/", "/list/page/2/", true},
        {"/list/page/2/", "/list/page/3/", true},
        {"/list/page/2", "/list", false},
        {"/list", "/list/2", false},
        {"/list", "http://other.example/list?page=2", false},
    };
    struct arena arena;
    arena_init(&arena, (size_t)1024 * 1024);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct url base, page, link;
        assert_true(url_parse(span_of_string("http://x.example/"), &arena, &base));
        assert_true(url_resolve(&base, span_of_string(rows[i].page), &arena, &page));
        assert_true(url_resolve(&base, span_of_string(rows[i].link), &arena, &link));
        if (frontier__is_numbered(&page, &link, &arena) != rows[i].want)
            fail_msg("%s on %s", rows[i].link, rows[i].page);
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_dealers_site),
        cmocka_unit_test(follows_links_where_there_is_no_sitemap),
        cmocka_unit_test(completes_what_a_sitemap_leaves_out),
        cmocka_unit_test(starts_where_it_is_sent),
        cmocka_unit_test(the_same_site_gives_the_same_hashes),
        cmocka_unit_test(several_scans_run_side_by_side),
        cmocka_unit_test(knows_numbered_pages),
    };
    return cmocka_run_group_tests_name("site_scan", tests, NULL, NULL);
}
