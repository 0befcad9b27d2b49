#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#include "clients/site/internal.h"

struct taken {
    char text[4096]; /* each URL with "i:" or "u:" before it and a newline behind */
    size_t count;
    size_t stop_at;
};

static bool take(void *arg, struct span url, bool is_index)
{
    struct taken *taken = arg;
    size_t used = strlen(taken->text);
    (void)snprintf(taken->text + used, sizeof taken->text - used, "%s:%.*s\n", is_index ? "i" : "u",
                   (int)url.len, (const char *)url.data);
    taken->count++;
    return taken->stop_at == 0 || taken->count < taken->stop_at;
}

static enum site_sitemap_result read_into(struct span body, struct taken *taken)
{
    const struct site_sitemap_sink sink = {taken, take};
    return site__sitemap_read(body, &sink);
}

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define SET HEAD "<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">"

static void reads_sitemaps(void **state)
{
    (void)state;
    static const struct {
        const char *body, *want;
        enum site_sitemap_result result;
    } rows[] = {
        {SET
         "<url><loc> http://a/1 </loc><lastmod>2026</lastmod></url><url><loc>http://a/2</loc></url>"
         "</urlset>",
         "u:http://a/1\nu:http://a/2\n", SITE_SITEMAP_OK},
        {SET "<url><loc>http://a/?x=1&amp;y=2</loc></url></urlset>", "u:http://a/?x=1&y=2\n",
         SITE_SITEMAP_OK},
        {SET "<url><loc><![CDATA[http://a/?x=1&y=2]]></loc></url></urlset>",
         "u:http://a/?x=1&y=2\n", SITE_SITEMAP_OK},
        {SET "</urlset>", "", SITE_SITEMAP_OK},
        {"<urlset><url><loc>http://a/1</loc></url></urlset>", "u:http://a/1\n", SITE_SITEMAP_OK},
        {"<s:urlset xmlns:s='x'><s:url><s:loc>http://a/1</s:loc></s:url></s:urlset>",
         "u:http://a/1\n", SITE_SITEMAP_OK},
        {HEAD "<sitemapindex><sitemap><loc>http://a/s1</loc></sitemap></sitemapindex>",
         "i:http://a/s1\n", SITE_SITEMAP_OK},
        /* Other namespaces' loc are no pages. */
        {"<urlset xmlns:image='i'><url><loc>http://a/1</loc><image:image><image:loc>http://a/i"
         "</image:loc></image:image><image:loc>http://a/j</image:loc></url></urlset>",
         "u:http://a/1\n", SITE_SITEMAP_OK},
        {"<urlset><loc>http://a/1</loc></urlset>", "", SITE_SITEMAP_OK},
        {"<urlset><url><loc></loc></url><url><loc> </loc></url></urlset>", "", SITE_SITEMAP_OK},
        /* Plain text. */
        {"http://a/1\r\nhttp://a/2\n\n http://a/3 ", "u:http://a/1\nu:http://a/2\nu:http://a/3\n",
         SITE_SITEMAP_OK},
        {"\xef\xbb\xbfhttp://a/1\n", "u:http://a/1\n", SITE_SITEMAP_OK},
        /* No sitemaps. */
        {"", "", SITE_SITEMAP_NONE},
        {"hello", "", SITE_SITEMAP_NONE},
        {"<html><body><loc>http://a/1</loc></body></html>", "", SITE_SITEMAP_NONE},
        {"<!DOCTYPE html><html></html>", "", SITE_SITEMAP_NONE},
        {"<rss><channel/></rss>", "", SITE_SITEMAP_NONE},
        /* Cut off and broken: what came before counts. */
        {SET "<url><loc>http://a/1</loc></url><url><loc>http://a/2", "u:http://a/1\n",
         SITE_SITEMAP_PARTLY},
        {SET "<url><loc>http://a/1</loc></url><url><oops</urlset>", "u:http://a/1\n",
         SITE_SITEMAP_PARTLY},
        {SET "<url><loc>http://a/1</loc></url></wrong>", "u:http://a/1\n", SITE_SITEMAP_PARTLY},
        {SET "<url><loc>http://a/&undefined;</loc></url></urlset>", "", SITE_SITEMAP_PARTLY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct taken taken = {.count = 0};
        enum site_sitemap_result result = read_into(span_of_string(rows[i].body), &taken);
        if (result != rows[i].result || strcmp(taken.text, rows[i].want) != 0)
            fail_msg("row %zu: %d\n%s", i, (int)result, taken.text);
    }
}

static void a_doctype_ends_it(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "<!DOCTYPE urlset [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
        "<urlset><url><loc>http://a/&x;</loc></url></urlset>",
        "<!DOCTYPE urlset SYSTEM 'http://127.0.0.1:1/x.dtd'>"
        "<urlset><url><loc>http://a/1</loc></url></urlset>",
        "<!DOCTYPE u [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c "
        "'&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;'>]>"
        "<urlset><url><loc>http://a/&d;</loc></url></urlset>",
        "<!DOCTYPE u [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]><urlset/>",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct taken taken = {.count = 0};
        assert_int_equal(read_into(span_of_string(rows[i]), &taken), SITE_SITEMAP_NONE);
        assert_int_equal(taken.count, 0);
    }
}

static struct span packed(const void *data, size_t len, uint8_t **ret_memory)
{
    z_stream stream = {0};
    size_t room = compressBound(len) + 64;
    *ret_memory = malloc(room);
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (uint8_t *)(uintptr_t)data;
    stream.avail_in = (unsigned)len;
    stream.next_out = *ret_memory;
    stream.avail_out = (unsigned)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    (void)deflateEnd(&stream);
    return span_of(*ret_memory, stream.total_out);
}

static void unpacks_by_content(void **state)
{
    (void)state;
    static const char text[] = SET "<url><loc>http://a/1</loc></url></urlset>";
    uint8_t *memory;
    struct span body = packed(text, sizeof text - 1, &memory);
    struct taken taken = {.count = 0};
    assert_int_equal(read_into(body, &taken), SITE_SITEMAP_OK);
    assert_string_equal(taken.text, "u:http://a/1\n");
    /* Cut off, and flipped bits. */
    for (size_t len = 2; len < body.len; len++) {
        struct taken cut = {.count = 0};
        assert_int_not_equal(read_into(span_of(body.data, len), &cut), SITE_SITEMAP_OK);
    }
    for (size_t i = 0; i < body.len; i++) {
        struct taken flipped = {.count = 0};
        memory[i] ^= 0x10;
        (void)read_into(body, &flipped);
        memory[i] ^= 0x10;
    }
    free(memory);
}

static void caps_what_it_unpacks_and_takes(void **state)
{
    (void)state;
    size_t len = SITE_SITEMAP_BYTES_MAX + 1024 * 1024;
    char *text = malloc(len);
    memset(text, ' ', len);
    static const char front[] = SET "<url><loc>http://a/1</loc></url>";
    static const char back[] = "<url><loc>http://a/2</loc></url></urlset>";
    memcpy(text, front, sizeof front - 1);
    memcpy(text + len - sizeof back + 1, back, sizeof back - 1);
    uint8_t *memory;
    struct span body = packed(text, len, &memory);
    assert_true(body.len < 1024 * 1024); /* a bomb */
    struct taken taken = {.count = 0};
    assert_int_equal(read_into(body, &taken), SITE_SITEMAP_PARTLY);
    assert_string_equal(taken.text, "u:http://a/1\n");
    free(memory);
    size_t used = 0;
    for (size_t i = 0; i < SITE_SITEMAP_URLS_MAX + 10; i++)
        used += (size_t)snprintf(text + used, len - used, "http://a/%zu\n", i);
    taken = (struct taken){.count = 0};
    assert_int_equal(read_into(span_of(text, used), &taken), SITE_SITEMAP_PARTLY);
    assert_int_equal(taken.count, SITE_SITEMAP_URLS_MAX);
    free(text);
}

static void stops_when_the_taker_has_enough_and_when_it_is_deep(void **state)
{
    (void)state;
    struct taken taken = {.stop_at = 1};
    static const char two[] =
        SET "<url><loc>http://a/1</loc></url><url><loc>http://a/2</loc></url></urlset>";
    assert_int_equal(read_into(span_of_string(two), &taken), SITE_SITEMAP_PARTLY);
    assert_int_equal(taken.count, 1);
    char *deep = malloc(300008);
    memcpy(deep, "<urlset>", 8);
    for (size_t i = 0; i < 100000; i++)
        memcpy(deep + 8 + i * 3, "<a>", 3);
    taken = (struct taken){.count = 0};
    assert_int_equal(read_into(span_of(deep, 300008), &taken), SITE_SITEMAP_PARTLY);
    free(deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_sitemaps),
        cmocka_unit_test(a_doctype_ends_it),
        cmocka_unit_test(unpacks_by_content),
        cmocka_unit_test(caps_what_it_unpacks_and_takes),
        cmocka_unit_test(stops_when_the_taker_has_enough_and_when_it_is_deep),
    };
    return cmocka_run_group_tests_name("site_sitemap", tests, NULL, NULL);
}
