#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "clients/site/internal.h"

#define ARENA_BYTES ((size_t)256 * 1024 * 1024)

/* A finding with nothing but what is named. */
static struct site_found found_of(enum site_source source, bool is_detail)
{
    return (struct site_found){.source = source,
                               .is_detail = is_detail,
                               .price_minor = -1,
                               .in_stock = -1,
                               .mileage = -1,
                               .has_own_url = true};
}

struct fixture {
    struct arena arena;
    struct site_collection *collection;
    struct site_scan scan;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.collection = NULL};
    arena_init(&fixture.arena, ARENA_BYTES);
    fixture.collection = site__collection_create(&fixture.arena, 1000000);
    *state = &fixture;
    return fixture.collection == NULL;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    site__collection_destroy(fixture->collection);
    arena_fini(&fixture->arena);
    return 0;
}

static void add(struct fixture *fixture, struct site_found found, enum site_collected want)
{
    assert_int_equal(site__collection_add(fixture->collection, &found), want);
}

static void finish(struct fixture *fixture, size_t count)
{
    site__collection_finish(fixture->collection, &fixture->scan);
    assert_int_equal(fixture->scan.item_count, count);
    assert_int_equal(site__collection_count(fixture->collection), count);
}

static void better_sources_win_field_by_field(void **state)
{
    struct fixture *fixture = *state;
    struct site_found graph = found_of(SITE_SOURCE_OPENGRAPH, true);
    graph.url = "http://x/1";
    graph.title = "graph";
    graph.description = "graph";
    graph.image = "http://x/g.jpg";
    graph.price_minor = 100;
    graph.currency = "EUR";
    struct site_found data = found_of(SITE_SOURCE_MICRODATA, true);
    data.url = "http://x/1";
    data.title = "data";
    data.price_minor = 200;
    data.currency = "USD";
    data.in_stock = 0;
    struct site_found json = found_of(SITE_SOURCE_JSONLD, true);
    json.url = "http://x/1";
    json.title = "json";
    json.sku = "S";
    add(fixture, data, SITE_COLLECTED_NEW);
    add(fixture, graph, SITE_COLLECTED_MERGED);
    add(fixture, json, SITE_COLLECTED_MERGED);
    /* A list does not overrule the item's page, whatever it is written in. */
    struct site_found list = found_of(SITE_SOURCE_JSONLD, false);
    list.url = "http://x/1";
    list.title = "list";
    list.price_minor = 300;
    list.currency = "USD";
    list.brand = "brand";
    add(fixture, list, SITE_COLLECTED_MERGED);
    finish(fixture, 1);
    const Lotcast__V1__ItemRecord *item = fixture->scan.items[0];
    assert_string_equal(item->identity, "sku:S");
    assert_string_equal(item->title, "json");
    assert_string_equal(item->description, "graph");
    assert_string_equal(item->image_url, "http://x/g.jpg");
    assert_int_equal(item->price_minor, 200);
    assert_string_equal(item->currency, "USD");
    assert_false(item->in_stock);
    assert_string_equal(item->brand, "brand");
    assert_string_equal(item->sku, "S");
    assert_string_equal(item->url, "http://x/1");
    assert_string_equal(item->vin, "");
    assert_int_equal(item->mileage, -1);
}

static void keys_tell_items_apart_and_together(void **state)
{
    static const struct {
        struct {
            const char *vin, *sku, *url;
        } found[4];
        const char *identities; /* one after the other */
    } rows[] = {
        {{{"V", "S", "u"}, {"V", NULL, "w"}}, "vin:V "},
        {{{"V", "S", "u"}, {NULL, "S", "w"}}, "vin:V "},
        {{{"V", "S", "u"}, {NULL, NULL, "u"}}, "vin:V "},
        {{{NULL, NULL, "u"}, {"V", NULL, "u"}}, "vin:V "},
        {{{"V", NULL, "u"}, {"W", NULL, "u"}}, "vin:V vin:W "},
        {{{"V", "S", "u"}, {"W", "S", "w"}}, "vin:V vin:W "},
        {{{NULL, "S", "u"}, {NULL, "T", "u"}}, "sku:S sku:T "},
        {{{NULL, "S", NULL}, {NULL, NULL, "u"}}, "sku:S url:u "},
        /* Two that turn out to be one. */
        {{{"V", NULL, NULL}, {NULL, "S", NULL}, {"V", "S", NULL}}, "vin:V "},
        {{{"V", NULL, NULL}, {NULL, NULL, "u"}, {"V", NULL, "u"}, {NULL, NULL, "u"}}, "vin:V "},
        {{{NULL, NULL, "u"}, {NULL, "S", NULL}, {NULL, "S", "u"}}, "sku:S "},
        /* … and two that do not. */
        {{{"V", "S", NULL}, {"W", NULL, NULL}, {"W", "S", NULL}}, "vin:V vin:W "},
        {{{"V", NULL, NULL}}, "vin:V "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *inner = NULL;
        assert_int_equal(set_up(&inner), 0);
        struct fixture *fixture = inner;
        for (size_t j = 0; j < 4; j++) {
            struct site_found found = found_of(SITE_SOURCE_JSONLD, true);
            found.vin = rows[i].found[j].vin;
            found.sku = rows[i].found[j].sku;
            found.url = rows[i].found[j].url;
            found.title = "t";
            if (found.vin != NULL || found.sku != NULL || found.url != NULL)
                (void)site__collection_add(fixture->collection, &found);
        }
        site__collection_finish(fixture->collection, &fixture->scan);
        char text[256] = "";
        for (size_t j = 0; j < fixture->scan.item_count; j++) {
            size_t used = strlen(text);
            (void)snprintf(text + used, sizeof text - used, "%s ",
                           fixture->scan.items[j]->identity);
        }
        if (strcmp(text, rows[i].identities) != 0)
            fail_msg("row %zu gave %s", i, text);
        (void)tear_down(&inner);
    }
}

static void says_why_an_item_is_excluded(void **state)
{
    static const struct {
        const char *title, *currency, *want;
        int64_t price_minor;
    } rows[] = {
        {"t", "USD", "", 100},
        {NULL, "USD", "missing_title", 100},
        {"t", NULL, "missing_price", -1},
        {NULL, NULL, "missing_title", -1},
        {"t", "", "missing_currency", 100},
    };
    struct fixture *fixture = *state;
    char urls[8][16];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct site_found found = found_of(SITE_SOURCE_JSONLD, true);
        (void)snprintf(urls[i], sizeof urls[i], "http://x/%zu", i);
        found.url = urls[i];
        found.title = rows[i].title;
        found.price_minor = rows[i].price_minor;
        found.currency = rows[i].currency;
        add(fixture, found, SITE_COLLECTED_NEW);
    }
    finish(fixture, sizeof rows / sizeof rows[0]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(fixture->scan.items[i]->excluded, rows[i].want);
}

static void the_hash_changes_with_what_is_sent_and_only_then(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 8; i++) {
        struct site_found found = found_of(SITE_SOURCE_JSONLD, true);
        found.url = "http://x/1";
        found.title = i == 1 ? "other" : "t";
        found.description = i == 2 ? "d" : NULL;
        found.price_minor = i == 3 ? 101 : 100;
        found.currency = i == 4 ? "EUR" : "USD";
        found.in_stock = i == 5 ? 0 : 1;
        found.brand = i == 6 ? "b" : NULL;
        found.model = i == 7 ? "b" : NULL;
        struct site_collection *collection = site__collection_create(&fixture->arena, 10);
        assert_int_equal(site__collection_add(collection, &found), SITE_COLLECTED_NEW);
        struct site_scan scan = {.item_count = 0};
        site__collection_finish(collection, &scan);
        static uint8_t hashes[8][32];
        memcpy(hashes[i], scan.items[0]->content_hash.data, 32);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(hashes[i], hashes[j], 32);
        site__collection_finish(collection, &scan);
        assert_memory_equal(hashes[i], scan.items[0]->content_hash.data, 32);
        site__collection_destroy(collection);
    }
}

static void stops_at_its_caps(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    struct site_collection *collection = site__collection_create(&arena, 1000);
    enum site_collected result = SITE_COLLECTED_NEW;
    char url[32];
    for (int i = 0; i < 1000 && result == SITE_COLLECTED_NEW; i++) {
        struct site_found found = found_of(SITE_SOURCE_JSONLD, true);
        (void)snprintf(url, sizeof url, "http://x/%d", i);
        found.url = url;
        found.title = "a title";
        result = site__collection_add(collection, &found);
    }
    assert_int_equal(result, SITE_COLLECTED_NO_MEMORY);
    struct site_scan scan = {.item_count = 0};
    site__collection_finish(collection, &scan); /* what it has is good */
    assert_true(scan.item_count > 0);
    site__collection_destroy(collection);
    arena_fini(&arena);
    arena_init(&arena, ARENA_BYTES);
    collection = site__collection_create(&arena, 2);
    for (int i = 0; i < 4; i++) {
        struct site_found found = found_of(SITE_SOURCE_JSONLD, true);
        (void)snprintf(url, sizeof url, "http://x/%d", i % 3);
        found.url = url;
        result = site__collection_add(collection, &found);
        assert_int_equal(result, i < 2    ? SITE_COLLECTED_NEW
                                 : i == 2 ? SITE_COLLECTED_FULL
                                          : SITE_COLLECTED_MERGED);
    }
    site__collection_destroy(collection);
    arena_fini(&arena);
}

static void holds_a_hundred_thousand(void **state)
{
    struct fixture *fixture = *state;
    char url[64], sku[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 100000; i++) {
            struct site_found found = found_of(SITE_SOURCE_JSONLD, true);
            (void)snprintf(url, sizeof url, "http://dealer.example/inventory/%d", i);
            (void)snprintf(sku, sizeof sku, "STOCK-%d", i);
            found.url = url;
            found.sku = sku;
            found.title = "2024 Honda Civic";
            found.description = "A car.";
            found.price_minor = 100 + i;
            found.currency = "USD";
            add(fixture, found, round == 0 ? SITE_COLLECTED_NEW : SITE_COLLECTED_MERGED);
        }
    }
    finish(fixture, 100000);
    assert_string_equal(fixture->scan.items[99999]->sku, "STOCK-99999");
    assert_true(fixture->arena.used_bytes < (size_t)128 * 1024 * 1024);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(better_sources_win_field_by_field),
        cmocka_unit_test(keys_tell_items_apart_and_together),
        CASE(says_why_an_item_is_excluded),
        CASE(the_hash_changes_with_what_is_sent_and_only_then),
        cmocka_unit_test(stops_at_its_caps),
        CASE(holds_a_hundred_thousand),
    };
    return cmocka_run_group_tests_name("site_collection", tests, NULL, NULL);
}
