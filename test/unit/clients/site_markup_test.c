/*
 * Small sites in the markup that programs and dealers of many kinds write, and what a person would
 * say is for sale on each. And every page of them at a glance and by the parser, which must agree.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "clients/site/internal.h"
#include "test/unit/clients/site_fixture.h"
#include "test/unit/clients/site_sites.h"

/* One item: identity|title|price currency|stock|condition|brand|model|year|mileage|image. */
static void describe(const struct site_fixture *fixture, const Lotcast__V1__ItemRecord *item,
                     struct buffer *out)
{
    static const char *const conditions[] = {"-", "new", "used", "refurbished"};
    char *line = NULL;
    char price[48] = "-";
    char mileage[48] = "-";
    if (item->price_minor >= 0)
        (void)snprintf(price, sizeof price, "%" PRId64 ".%02d %s", item->price_minor / 100,
                       (int)(item->price_minor % 100), item->currency);
    if (item->mileage >= 0)
        (void)snprintf(mileage, sizeof mileage, "%" PRId64 "%s", item->mileage, item->mileage_unit);
    int len = asprintf(&line, "%s|%s|%s|%s|%s|%s|%s|%d|%s|%s", item->identity, item->title, price,
                       item->in_stock ? "in" : "out", conditions[item->condition], item->brand,
                       item->model, item->year, mileage, item->image_url);
    assert_true(len > 0);
    /* The origin has another port each time. */
    for (char *at = strstr(line, fixture->origin); at != NULL; at = strstr(at, fixture->origin))
        memmove(at, at + strlen(fixture->origin), strlen(at + strlen(fixture->origin)) + 1);
    assert_true(buffer_append_string(out, line));
    assert_true(buffer_append_string(out, "\n"));
    free(line);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The lines of a text in order, as one text. */
static char *sorted(const char *text)
{
    char *copy = strdup(text);
    char *lines[64];
    size_t count = 0;
    char *rest = copy;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (line[0] == '\0')
            continue;
        assert_true(count < sizeof lines / sizeof lines[0]);
        lines[count++] = line;
    }
    qsort(lines, count, sizeof lines[0], compare);
    struct buffer out;
    buffer_init(&out, (size_t)1024 * 1024);
    for (size_t i = 0; i < count; i++) {
        assert_true(buffer_append_string(&out, lines[i]));
        assert_true(buffer_append_string(&out, "\n"));
    }
    char *result = strdup(out.len == 0 ? "" : buffer_cstring(&out));
    buffer_fini(&out);
    free(copy);
    return result;
}

static bool check_site(const struct site_case *site)
{
    struct site_fixture fixture;
    struct buffer found;
    buffer_init(&found, (size_t)1024 * 1024);
    site_fixture_start(&fixture, site->routes, site->route_count);
    fixture.start = site->start;
    assert_int_equal(site_fixture_scan(&fixture), RPC_OK);
    assert_true(fixture.scan.complete);
    for (size_t i = 0; i < fixture.scan.item_count; i++)
        describe(&fixture, fixture.scan.items[i], &found);
    char *is = sorted(found.len == 0 ? "" : buffer_cstring(&found));
    char *wanted = sorted(site->wanted);
    bool is_same = strcmp(is, wanted) == 0;
    if (!is_same)
        print_message("--- %s\nwanted:\n%sfound:\n%s", site->name, wanted, is);
    free(is);
    free(wanted);
    buffer_fini(&found);
    site_fixture_stop(&fixture);
    return is_same;
}

static void sites_of_all_kinds_say_what_they_sell(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < site_case_count; i++)
        wrong += !check_site(&site_cases[i]);
    assert_int_equal(wrong, 0);
}

/* ---- a glance and the parser ---- */

static const char *text_of(const char *text)
{
    return text == NULL ? "-" : text;
}

static char *describe_page(const struct site_page *page)
{
    struct buffer out;
    buffer_init(&out, (size_t)1024 * 1024);
    (void)buffer_printf(&out, "%s %s %d %d\n", page->canonical, page->base.text, page->is_nofollow,
                        page->is_listing);
    for (const struct site_found *found = page->found_first; found != NULL; found = found->next)
        (void)buffer_printf(&out, "%d %d %s %s %s %" PRId64 " %d\n", (int)found->source,
                            found->is_detail, text_of(found->title), text_of(found->sku),
                            text_of(found->url), found->price_minor, found->in_stock);
    for (const struct site_link *link = page->link_first; link != NULL; link = link->next)
        (void)buffer_printf(&out, "%.*s %d %d\n", (int)link->href.len,
                            (const char *)link->href.data, link->is_next, link->is_follow);
    char *text = strdup(buffer_cstring(&out));
    buffer_fini(&out);
    return text;
}

static void a_glance_sees_what_the_parser_sees(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, (size_t)64 * 1024 * 1024);
    for (size_t i = 0; i < site_case_count; i++) {
        for (size_t j = 0; j < site_cases[i].route_count; j++) {
            const struct route *route = &site_cases[i].routes[j];
            struct site_page seen, parsed;
            struct url url;
            struct span body = span_of_string(route->body);
            arena_reset(&arena);
            assert_true(url_parse(span_of_string("http://a.example/x/y"), &arena, &url));
            assert_true(site__page_read(&url, body, NULL, NULL, false, &arena, &seen));
            assert_true(site__page_parse(&url, body, NULL, NULL, false, &arena, &parsed));
            char *left = describe_page(&seen);
            char *right = describe_page(&parsed);
            assert_string_equal(left, right);
            free(left);
            free(right);
        }
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sites_of_all_kinds_say_what_they_sell),
        cmocka_unit_test(a_glance_sees_what_the_parser_sees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
