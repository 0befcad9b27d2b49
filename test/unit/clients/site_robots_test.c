#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "clients/site/internal.h"

#define ARENA_BYTES ((size_t)16 * 1024 * 1024)

static bool allowed(const char *robots_text, const char *path)
{
    struct arena arena;
    struct site_robots robots;
    struct url url;
    char text[512];
    arena_init(&arena, ARENA_BYTES);
    (void)snprintf(text, sizeof text, "http://x.example%s", path);
    assert_true(url_parse(span_of_string(text), &arena, &url));
    assert_true(site__robots_parse(span_of_string(robots_text), &arena, &robots));
    bool result = site__robots_allow(&robots, &url);
    arena_fini(&arena);
    return result;
}

static const struct {
    const char *robots, *path;
    bool want;
} decision_rows[] = {
    {"", "/", true},
    {"User-agent: *\nDisallow: /\n", "/", false},
    {"User-agent: *\nDisallow: /\n", "/robots.txt", true},
    {"User-agent: *\nDisallow:\n", "/x", true},
    {"User-agent: *\nDisallow: /a\n", "/a", false},
    {"User-agent: *\nDisallow: /a\n", "/abc/d", false},
    {"User-agent: *\nDisallow: /a\n", "/b", true},
    {"User-agent: *\nDisallow: /a\n", "/A", true},
    {"User-agent: *\nDisallow: /a/\n", "/a", true},
    {"User-agent: *\nDisallow: a\n", "/a", true}, /* no path */
    /* The longest wins, Allow on a tie, whatever the order. */
    {"User-agent: *\nDisallow: /a\nAllow: /a/b\n", "/a/b/c", true},
    {"User-agent: *\nAllow: /a/b\nDisallow: /a\n", "/a/c", false},
    {"User-agent: *\nDisallow: /a\nAllow: /a\n", "/a", true},
    {"User-agent: *\nAllow: /a\nDisallow: /a\n", "/a", true},
    {"User-agent: *\nAllow: /\nDisallow: /$\n", "/", false},
    {"User-agent: *\nAllow: /$\nDisallow: /\n", "/", true},
    {"User-agent: *\nAllow: /$\nDisallow: /\n", "/x", false},
    /* Stars and the end. */
    {"User-agent: *\nDisallow: /*.php\n", "/a/b.php?x", false},
    {"User-agent: *\nDisallow: /*.php$\n", "/a/b.php", false},
    {"User-agent: *\nDisallow: /*.php$\n", "/a/b.php?x", true},
    {"User-agent: *\nDisallow: /*.php$\n", "/a.php/b.php", false},
    {"User-agent: *\nDisallow: /a*/b\n", "/a/b", false},
    {"User-agent: *\nDisallow: /a*/b\n", "/axx/b/c", false},
    {"User-agent: *\nDisallow: /a*/b\n", "/ab", true},
    {"User-agent: *\nDisallow: *\n", "/x", false},
    {"User-agent: *\nDisallow: /*a*b*c*\n", "/xaxbxc", false},
    {"User-agent: *\nDisallow: /*a*b*c*\n", "/xaxcxb", true},
    {"User-agent: *\nDisallow: /x$y\n", "/x$y", false},
    {"User-agent: *\nDisallow: /aab$\n", "/aab", false},
    {"User-agent: *\nDisallow: /aab$\n", "/aabaab", true},
    {"User-agent: *\nDisallow: /*?\n", "/a?b", false},
    {"User-agent: *\nDisallow: /*?\n", "/a", true},
    {"User-agent: *\nDisallow: /?id=\n", "/?id=3", false},
    /* Spellings of one path. */
    {"User-agent: *\nDisallow: /%7Ejoe\n", "/~joe", false},
    {"User-agent: *\nDisallow: /~joe\n", "/%7ejoe", false},
    {"User-agent: *\nDisallow: /a%2fb\n", "/a/b", true},
    {"User-agent: *\nDisallow: /a%2fb\n", "/a%2Fb", false},
    {"User-agent: *\nDisallow: /\xc3\xa9\n", "/%C3%A9", false},
    /* Groups. */
    {"User-agent: lotcastbot\nDisallow: /a\n\nUser-agent: *\nDisallow: /b\n", "/a", false},
    {"User-agent: lotcastbot\nDisallow: /a\n\nUser-agent: *\nDisallow: /b\n", "/b", true},
    {"User-agent: *\nDisallow: /b\n\nUser-agent: LotcastBot/1.0\nDisallow: /a\n", "/b", true},
    {"User-agent: *\nDisallow: /b\n\nUser-agent: LotcastBot/1.0\nDisallow: /a\n", "/a", false},
    {"User-agent: lotcastbot\nDisallow: /a\nUser-agent: x\nDisallow: /c\nUser-agent: "
     "LOTCASTBOT\nDisallow: /b\n",
     "/b", false},
    {"User-agent: lotcastbot\nDisallow: /a\nUser-agent: x\nDisallow: /c\nUser-agent: "
     "LOTCASTBOT\nDisallow: /b\n",
     "/c", true},
    {"User-agent: other\nUser-agent: lotcastbot\nDisallow: /\n", "/x", false},
    {"User-agent: lotcastbot\nUser-agent: other\nDisallow: /\n", "/x", false},
    {"User-agent: lotcastbot\nDisallow:\nUser-agent: *\nDisallow: /\n", "/x", true},
    {"User-agent: otherbot\nDisallow: /\n", "/x", true},
    {"User-agent: lotcastbotter\nDisallow: /\n", "/x", true},
    {"User-agent: lot\nDisallow: /\n", "/x", true},
    {"Disallow: /\n", "/x", true}, /* belongs to no group */
    /* Sitemap and unknown lines end no group. */
    {"User-agent: *\nSitemap: http://x.example/s\nDisallow: /\n", "/x", false},
    {"User-agent: a\nNoindex: /\nUser-agent: *\nDisallow: /x\n", "/x", false},
    /* Forms of lines. */
    {"\xef\xbb\xbfUser-agent: *\nDisallow: /x\n", "/x", false},
    {"USER-AGENT : * # all\r\n  disallow\t:  /x # not this\r\n", "/x", false},
    {"User-agent: *\rDisallow: /x\r", "/x", false},
    {"User-agent: *\nDisallow: /x", "/x", false},
    {"User-agent: *\nDisallow /x\n:\n::\nDisallow: /y\n", "/x", true},
    {"<html><body>User-agent: *</body></html>", "/x", true},
};

static void decides_as_the_standard_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof decision_rows / sizeof decision_rows[0]; i++) {
        if (allowed(decision_rows[i].robots, decision_rows[i].path) != decision_rows[i].want)
            fail_msg("row %zu: %s for\n%s", i, decision_rows[i].path, decision_rows[i].robots);
    }
}

static void reads_delays_and_sitemaps(void **state)
{
    (void)state;
    static const struct {
        const char *robots;
        int64_t delay_ms;
        size_t sitemaps;
    } rows[] = {
        {"User-agent: *\nCrawl-delay: 2\n", 2000, 0},
        {"User-agent: *\nCrawl-delay: 0.5\n", 500, 0},
        {"User-agent: *\nCrawl-delay: 1.25\n", 1250, 0},
        {"User-agent: *\nCrawl-delay: 3600\n", 10000, 0},
        {"User-agent: *\nCrawl-delay: 99999999999999999999999999\n", 10000, 0},
        {"User-agent: *\nCrawl-delay: -1\n", 0, 0},
        {"User-agent: *\nCrawl-delay: soon\n", 0, 0},
        {"User-agent: other\nCrawl-delay: 5\n", 0, 0},
        {"User-agent: *\nCrawl-delay: 5\nUser-agent: lotcastbot\nDisallow: /x\n", 0, 0},
        {"Sitemap: http://a/1\nUser-agent: x\nSITEMAP: /2\nSitemap:\n", 0, 2},
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct site_robots robots;
        assert_true(site__robots_parse(span_of_string(rows[i].robots), &arena, &robots));
        assert_int_equal(robots.crawl_delay_ms, rows[i].delay_ms);
        assert_int_equal(robots.sitemap_count, rows[i].sitemaps);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static void stands_a_hostile_file(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    size_t len = 600 * 1024;
    char *text = arena_alloc(&arena, len + 1);
    assert_non_null(text);
    size_t used = (size_t)snprintf(text, len, "User-agent: *\n");
    while (used + 40 < len)
        used += (size_t)snprintf(text + used, len - used, "Disallow: /*a*a*a*a*a*a*b\n");
    struct site_robots robots;
    assert_true(site__robots_parse(span_of(text, used), &arena, &robots));
    assert_true(robots.rule_count <= 10000);
    char path[1900];
    memset(path, 'a', sizeof path);
    memcpy(path, "http://x.example/", 17);
    struct url url;
    assert_true(url_parse(span_of(path, sizeof path), &arena, &url));
    assert_true(site__robots_allow(&robots, &url));
    /* What stands behind 500 KiB is not read. */
    memset(text, '#', len);
    memcpy(text + len - 32, "\nUser-agent: *\nDisallow: /\n", 27);
    assert_true(site__robots_parse(span_of(text, len), &arena, &robots));
    assert_true(site__robots_allow(&robots, &url));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_as_the_standard_says),
        cmocka_unit_test(reads_delays_and_sitemaps),
        cmocka_unit_test(stands_a_hostile_file),
    };
    return cmocka_run_group_tests_name("site_robots", tests, NULL, NULL);
}
