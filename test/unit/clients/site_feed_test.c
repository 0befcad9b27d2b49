/* Feeds of products: RSS, Atom, CSV and TSV, packed or not, whole or broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "clients/site/feed.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
/* 2026-02-06T20:00:00Z */
#define NOW_MS INT64_C(1770408000000)
#define OUT_BYTES 8192

static const struct url feed_url = {.scheme = "https",
                                    .host = "shop.example",
                                    .port = 443,
                                    .path = "/feed.xml",
                                    .text = "https://shop.example/feed.xml"};

struct reading {
    char out[OUT_BYTES]; /* "title|sku|url|price currency|stock\n" an item */
    size_t used;
    size_t count;
    size_t stop_at; /* 0: never */
    struct site_found last;
};

static const char *shown(const char *text)
{
    return text == NULL ? "-" : text;
}

static bool take(void *arg, const struct site_found *found)
{
    struct reading *reading = arg;
    reading->last = *found;
    int len =
        snprintf(reading->out + reading->used, OUT_BYTES - reading->used, "%s|%s|%s|%lld %s|%d\n",
                 shown(found->title), shown(found->sku), shown(found->url),
                 (long long)found->price_minor, shown(found->currency), found->in_stock);
    if (len > 0 && reading->used + (size_t)len < OUT_BYTES)
        reading->used += (size_t)len;
    return ++reading->count != reading->stop_at;
}

static enum site_feed_result read_bytes(struct span body, bool is_named, struct reading *reading)
{
    struct arena arena;
    arena_init(&arena, (size_t)4 * 1024 * 1024);
    struct site_feed feed = {.url = &feed_url,
                             .is_named = is_named,
                             .now_ms = NOW_MS,
                             .arena = &arena,
                             .arg = reading,
                             .take = take};
    enum site_feed_result result = site__feed_read(body, &feed);
    arena_fini(&arena);
    return result;
}

static enum site_feed_result read_text(const char *text, struct reading *reading)
{
    *reading = (struct reading){.stop_at = 0};
    return read_bytes(span_of_string(text), true, reading);
}

#define RSS(items)                                                                             \
    "<?xml version='1.0'?><rss version='2.0' xmlns:g='http://base.google.com/ns/1.0' "         \
    "xmlns:media='http://search.yahoo.com/mrss/'><channel><title>All</title><link>https://x</" \
    "link>" items "</channel></rss>"
#define HEAD "id,title,link,price,availability\n"

static const struct {
    const char *text;
    const char *want; /* NULL: no feed */
    enum site_feed_result result;
} feeds[] = {
    /* RSS */
    {RSS("<item><g:id>A1</g:id><title>Red &amp; "
         "blue</title><link>https://shop.example/a?utm_source=g</link>"
         "<g:price>28,000.00 USD</g:price><g:availability>in_stock</g:availability></item>"),
     "Red & blue|A1|https://shop.example/a|2800000 USD|1\n", SITE_FEED_OK},
    {RSS("<item><g:id>A1</g:id><g:title><![CDATA[<b>One</b> two]]></g:title><g:link>/b</g:link>"
         "<g:price>1.5 EUR</g:price><g:availability>out of stock</g:availability></item>"
         "<item><g:id>A2</g:id><title>No price</title></item>"),
     "One two|A1|https://shop.example/b|150 EUR|0\nNo price|A2|https://shop.example/feed.xml|-1 "
     "-|-1\n",
     SITE_FEED_OK},
    {RSS("<item><media:title>no</media:title><g:shipping><g:price>5 USD</g:price></g:shipping>"
         "<g:id>1</g:id><title>T</title><g:price>9 USD</g:price></item>"),
     "T|1|https://shop.example/feed.xml|900 USD|-1\n", SITE_FEED_OK},
    {"<rss><channel><item><g:id>7</g:id><title>Undeclared</title><g:price>3 "
     "USD</g:price></item></channel></rss>",
     "Undeclared|7|https://shop.example/feed.xml|300 USD|-1\n", SITE_FEED_OK},
    /* Atom */
    {"<feed xmlns='http://www.w3.org/2005/Atom' "
     "xmlns:g='http://base.google.com/ns/1.0'><title>x</title><entry>"
     "<title>Atom</title><link rel='self' href='https://shop.example/no'/><link "
     "href='https://shop.example/c'/>"
     "<summary>s</summary><g:id>C</g:id><g:price>4 GBP</g:price></entry></feed>",
     "Atom|C|https://shop.example/c|400 GBP|-1\n", SITE_FEED_OK},
    /* A list of vehicles */
    {"<?xml version='1.0'?><listings><title>l</title><listing><vehicle_id>v1</vehicle_id>"
     "<title>2020 "
     "Volvo</title><url>https://other.example/v1</url><image><url>https://i.example/1.jpg"
     "</url></image><make>Volvo</make><model>V60</model><year>2020</year><mileage><value>12000</"
     "value>"
     "<unit>KM</unit></mileage><vin>yv1zw25v0m2345678</vin><price>20000 EUR</price>"
     "<availability>not_available</availability></listing></listings>",
     "2020 Volvo|v1|https://other.example/v1|2000000 EUR|0\n", SITE_FEED_OK},
    /* Sales */
    {RSS("<item><g:id>1</g:id><title>T</title><g:price>10 USD</g:price><g:sale_price>8 "
         "USD</g:sale_price></item>"),
     "T|1|https://shop.example/feed.xml|800 USD|-1\n", SITE_FEED_OK},
    {RSS("<item><g:id>1</g:id><title>T</title><g:price>10 USD</g:price><g:sale_price>8 "
         "USD</g:sale_price>"
         "<g:sale_price_effective_date>2026-02-06T21:30+0100/2026-02-07T00:00Z</"
         "g:sale_price_effective_date></item>"),
     "T|1|https://shop.example/feed.xml|1000 USD|-1\n", SITE_FEED_OK},
    {RSS("<item><g:id>1</g:id><title>T</title><g:price>10 USD</g:price><g:sale_price>8 "
         "USD</g:sale_price>"
         "<g:sale_price_effective_date>2026-02-06T20:30:00+0100 / 2026-02-07T00:00:00-0500</"
         "g:sale_price_effective_date></item>"),
     "T|1|https://shop.example/feed.xml|800 USD|-1\n", SITE_FEED_OK},
    {RSS("<item><g:id>1</g:id><title>T</title><g:price>10 USD</g:price><g:sale_price>8 "
         "USD</g:sale_price>"
         "<g:sale_price_effective_date>soon</g:sale_price_effective_date></item>"),
     "T|1|https://shop.example/feed.xml|1000 USD|-1\n", SITE_FEED_OK},
    {RSS("<item><g:id>1</g:id><title>T</title><g:price>10 USD</g:price><g:sale_price>0 "
         "USD</g:sale_price></item>"),
     "T|1|https://shop.example/feed.xml|1000 USD|-1\n", SITE_FEED_OK},
    /* Numbers of last resort */
    {RSS("<item><title>T</title><g:mpn>M-1</g:mpn><g:gtin>0012345678905</g:gtin><g:price>1 "
         "USD</g:price></item>"),
     "T|0012345678905|https://shop.example/feed.xml|100 USD|-1\n", SITE_FEED_OK},
    /* Broken XML: what came before counts */
    {"<rss><channel><item><id>1</id><title>A</title><price>1 "
     "USD</price></item><item><id>2</id><title>B</ti",
     "A|1|https://shop.example/feed.xml|100 USD|-1\n", SITE_FEED_PARTLY},
    /* No lists of products */
    {"<rss version='2.0'><channel><item><title>Our new "
     "office</title><link>https://x</link><guid>1</guid></item></channel></rss>",
     NULL, SITE_FEED_NONE},
    {"<!DOCTYPE rss [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><rss><channel><item><id>1</id>"
     "<title>&b;</title><price>1 USD</price></item></channel></rss>",
     NULL, SITE_FEED_NONE},
    {"<!DOCTYPE x SYSTEM 'http://127.0.0.1:1/x.dtd'><rss><channel><item><id>1</id><title>t</title>"
     "<price>1 USD</price></item></channel></rss>",
     NULL, SITE_FEED_NONE},
    {"<urlset><url><loc>https://shop.example/</loc></url></urlset>", NULL, SITE_FEED_NONE},
    {"<html><body><p>item</p></body></html>", NULL, SITE_FEED_NONE},
    {"", NULL, SITE_FEED_NONE},
    {"{\"id\":1}", NULL, SITE_FEED_NONE},
    {"%PDF-1.4", NULL, SITE_FEED_NONE},
    /* Tables */
    {HEAD "1,One,https://shop.example/1,1.00 USD,in stock\n2,Two,https://shop.example/2,2.00 "
          "USD,out of stock\n",
     "One|1|https://shop.example/1|100 USD|1\nTwo|2|https://shop.example/2|200 USD|0\n",
     SITE_FEED_OK},
    {"\xef\xbb\xbf\"ID\",\"Title\",\"Image link\",\"PRICE\"\r\n\r\n\"1\",\"a \"\"b\"\", "
     "c\nd\",x,\"1,5 EUR\"\r\n",
     "a \"b\", c d|1|https://shop.example/feed.xml|150 EUR|-1\n", SITE_FEED_OK},
    {"g:id\tg:title\tg:sale price\tg:price\n1\tTab, comma\t\t3 USD\n2\t\"Q\"\t2 USD\t3 USD",
     "Tab, comma|1|https://shop.example/feed.xml|300 USD|-1\nQ|2|https://shop.example/feed.xml|200 "
     "USD|-1\n",
     SITE_FEED_OK},
    {"sku;name;price;currency\nS;Semikolon;1.234,50;EUR\n",
     "Semikolon|S|https://shop.example/feed.xml|123450 EUR|-1\n", SITE_FEED_OK},
    {"id|title|price\n1|Bar|1 USD\n", "Bar|1|https://shop.example/feed.xml|100 USD|-1\n",
     SITE_FEED_OK},
    {"id,title,price\n1,short\n,,\n2,long,2 USD,more,and,more\n",
     "short|1|https://shop.example/feed.xml|-1 -|-1\nlong|2|https://shop.example/feed.xml|200 "
     "USD|-1\n",
     SITE_FEED_OK},
    {"title,title,price,id\nfirst,second,1 USD,1\n",
     "first|1|https://shop.example/feed.xml|100 USD|-1\n", SITE_FEED_OK},
    {"id,title,price\n1,\"never ends,1 USD\n2,b,2 USD\n", "", SITE_FEED_PARTLY},
    {"id,title\n1,no price column\n", NULL, SITE_FEED_NONE},
    {"price,currency\n1,USD\n", NULL, SITE_FEED_NONE},
    {"hello world, this is a text\nof some lines\n", NULL, SITE_FEED_NONE},
    {"https://shop.example/1\nhttps://shop.example/2\n", NULL, SITE_FEED_NONE},
};

static void reads_feeds(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(feeds); i++) {
        struct reading reading;
        enum site_feed_result result = read_text(feeds[i].text, &reading);
        if (result != feeds[i].result ||
            strcmp(reading.out, feeds[i].want == NULL ? "" : feeds[i].want) != 0)
            print_message("feed %zu: %d\n%s\n", i, (int)result, reading.out);
        assert_int_equal(result, feeds[i].result);
        assert_string_equal(reading.out, feeds[i].want == NULL ? "" : feeds[i].want);
    }
}

static void reads_what_vehicles_have(void **state)
{
    (void)state;
    struct arena arena;
    struct reading reading = {.stop_at = 0};
    arena_init(&arena, (size_t)4 * 1024 * 1024);
    struct site_feed feed = {
        .url = &feed_url, .now_ms = NOW_MS, .arena = &arena, .arg = &reading, .take = take};
    const struct site_product product = {.fields = {[SITE_FIELD_TITLE] = "V60",
                                                    [SITE_FIELD_VIN] = "yv1zw25v0m2345678",
                                                    [SITE_FIELD_YEAR] = "2020",
                                                    [SITE_FIELD_MILEAGE] = "12,000",
                                                    [SITE_FIELD_MILEAGE_UNIT] = "KM",
                                                    [SITE_FIELD_CONDITION] = "USED",
                                                    [SITE_FIELD_ID] = "v1",
                                                    [SITE_FIELD_LINK] = "/v1"}};
    assert_true(site__feed_open(&feed));
    site__feed_give(&feed, &product);
    assert_true(reading.last.is_vehicle);
    assert_int_equal(reading.last.year, 2020);
    assert_int_equal(reading.last.mileage, 12000);
    assert_int_equal(reading.last.condition, LOTCAST__V1__ITEM_CONDITION__ITEM_CONDITION_USED);
    assert_null(reading.last.sku); /* its own page may know it by another number */
    assert_int_equal(reading.last.source, SITE_SOURCE_FEED);
    site__feed_close(&feed);
    arena_fini(&arena);
}

/* Fields of any text come back as they were written by RFC 4180. */
static void reads_what_was_quoted(void **state)
{
    (void)state;
    static const char alphabet[] = "ab\",\n\r\t;| z";
    unsigned seed = 7;
    for (int round = 0; round < 500; round++) {
        char title[32] = "x";
        char row[256] = "id,title,price\n1,\"x";
        size_t used = 1;
        size_t at = strlen(row);
        for (int i = 0; i < 20; i++) {
            seed = seed * 1103515245u + 12345u;
            char c = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
            title[used++] = c;
            row[at++] = c;
            if (c == '"')
                row[at++] = c;
        }
        (void)snprintf(row + at, sizeof row - at, "\",1 USD\n");
        struct reading reading;
        struct arena arena;
        arena_init(&arena, 4096);
        assert_int_equal(read_text(row, &reading), SITE_FEED_OK);
        assert_int_equal(reading.count, 1);
        const char *want = site__text_clean(span_of(title, used), SITE_TITLE_BYTES_MAX, &arena);
        assert_memory_equal(reading.out, want, strlen(want));
        assert_int_equal(reading.out[strlen(want)], '|');
        arena_fini(&arena);
    }
}

static size_t pack(const void *data, size_t len, uint8_t *out, size_t room)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)data;
    stream.avail_in = (unsigned)len;
    stream.next_out = out;
    stream.avail_out = (unsigned)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t size = stream.total_out;
    (void)deflateEnd(&stream);
    return size;
}

static void reads_packed_feeds(void **state)
{
    (void)state;
    static const char text[] = HEAD "1,One,https://shop.example/1,1.00 USD,in stock\n";
    static const char want[] = "One|1|https://shop.example/1|100 USD|1\n";
    uint8_t packed[1024];
    size_t half = sizeof text / 2;
    size_t len = pack(text, half, packed, sizeof packed);
    len += pack(text + half, sizeof text - 1 - half, packed + len, sizeof packed - len);
    struct reading reading = {.stop_at = 0};
    assert_int_equal(read_bytes(span_of(packed, len), true, &reading), SITE_FEED_OK);
    assert_string_equal(reading.out, want);
    reading = (struct reading){.stop_at = 0};
    assert_int_equal(read_bytes(span_of(packed, len - 4), true, &reading), SITE_FEED_PARTLY);
    /* Padding behind it is nothing. */
    memset(packed + len, 0, 8);
    reading = (struct reading){.stop_at = 0};
    assert_int_equal(read_bytes(span_of(packed, len + 8), true, &reading), SITE_FEED_OK);
    assert_string_equal(reading.out, want);
}

/* Rows, fields, nesting and bytes that go on for ever end at their caps. */
static void ends_at_its_caps(void **state)
{
    (void)state;
    size_t size = (size_t)3 * 1024 * 1024;
    char *text = malloc(size + 1);
    struct reading reading;
    memset(text, 'x', size);
    memcpy(text, "id,title,price\n1,", 17);
    text[size] = '\0';
    assert_int_equal(read_text(text, &reading), SITE_FEED_OK); /* a title, cut off */
    assert_int_equal(reading.count, 1);
    memset(text + 17, ',', size - 17);
    assert_int_equal(read_text(text, &reading), SITE_FEED_OK); /* columns without end */
    memcpy(text, "<rss><channel>", 14);
    for (size_t at = 14; at + 4 <= size; at += 4)
        memcpy(text + at, "<a>x", 4);
    assert_int_equal(read_text(text, &reading), SITE_FEED_NONE); /* elements in each other */
    for (size_t at = 14; at + 4 <= size; at += 4)
        memcpy(text + at, "<a/>", 4);
    assert_int_equal(read_text(text, &reading), SITE_FEED_NONE); /* elements without end */
    memset(text, 'x', size);
    (void)memcpy(text, "<rss><channel><item><price>1 USD</price><title>", 47);
    assert_int_equal(read_text(text, &reading), SITE_FEED_NONE); /* an item that never ends */
    free(text);
}

static void packs_no_bomb(void **state)
{
    (void)state;
    size_t size = (size_t)300 * 1024 * 1024;
    char *text = malloc(size);
    uint8_t *packed = malloc((size_t)1024 * 1024);
    memset(text, '\n', size);
    memcpy(text, "id,title,price\n", 15);
    size_t len = pack(text, size, packed, (size_t)1024 * 1024);
    free(text);
    struct reading reading = {.stop_at = 0};
    assert_int_equal(read_bytes(span_of(packed, len), true, &reading), SITE_FEED_PARTLY);
    free(packed);
}

static void stops_when_enough(void **state)
{
    (void)state;
    struct reading reading = {.stop_at = 1};
    assert_int_equal(read_bytes(span_of_string(HEAD "1,a,,1 USD,\n2,b,,1 USD,\n"), true, &reading),
                     SITE_FEED_PARTLY);
    assert_int_equal(reading.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_feeds),           cmocka_unit_test(reads_what_vehicles_have),
        cmocka_unit_test(reads_what_was_quoted), cmocka_unit_test(reads_packed_feeds),
        cmocka_unit_test(ends_at_its_caps),      cmocka_unit_test(packs_no_bomb),
        cmocka_unit_test(stops_when_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
