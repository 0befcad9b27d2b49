#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_dealers_site),
    };
    return cmocka_run_group_tests_name("site_scan", tests, NULL, NULL);
}
