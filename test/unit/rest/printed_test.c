#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rest/printed.h"

#define ROOM ((size_t)1024 * 1024)

static const int route_a, route_b;

static struct span text(const char *from)
{
    return span_of_string(from);
}

/* Offers what is a sighting; the second is kept. */
static void offer(struct printed *printed, const void *route, const char *packed, const char *body)
{
    printed_offer(printed, route, text(packed), text(body), "\"tag\"");
}

static bool has(struct printed *printed, const void *route, const char *packed, const char *body)
{
    struct printed_answer *answer = printed_take(printed, route, text(packed));
    if (answer == NULL)
        return false;
    assert_true(span_equal(answer->text, text(body)));
    assert_string_equal(answer->etag, "\"tag\"");
    printed_release(answer);
    return true;
}

static void what_comes_a_second_time_is_kept(void **state)
{
    (void)state;
    struct printed *printed = printed_create(ROOM);
    assert_non_null(printed);
    assert_false(has(printed, &route_a, "one", "1"));
    offer(printed, &route_a, "one", "1");
    assert_false(has(printed, &route_a, "one", "1"));
    offer(printed, &route_a, "one", "1");
    assert_true(has(printed, &route_a, "one", "1"));
    assert_true(has(printed, &route_a, "one", "1"));
    printed_destroy(printed);
}

static void only_the_same_answer_of_the_same_route_is_found(void **state)
{
    (void)state;
    static const char *const others[] = {"", "o", "on", "one1", "onE", "two", "one\x01 and on"};
    struct printed *printed = printed_create(ROOM);
    assert_non_null(printed);
    for (int i = 0; i < 2; i++) {
        offer(printed, &route_a, "one", "1");
        offer(printed, &route_a, "", "{}");
    }
    assert_true(has(printed, &route_a, "one", "1"));
    assert_true(has(printed, &route_a, "", "{}"));
    assert_false(has(printed, &route_b, "one", "1"));
    assert_false(has(printed, &route_b, "", "{}"));
    for (size_t i = 1; i < sizeof others / sizeof others[0]; i++)
        assert_false(has(printed, &route_a, others[i], ""));
    /* Nothing is read beyond the response's end. */
    char *exact = malloc(3);
    assert_non_null(exact);
    memcpy(exact, "one", 3);
    struct printed_answer *answer = printed_take(printed, &route_a, span_of(exact, 3));
    assert_non_null(answer);
    printed_release(answer);
    free(exact);
    printed_destroy(printed);
}

static void what_is_held_outlives_its_place_and_the_table(void **state)
{
    (void)state;
    struct printed *printed = printed_create(ROOM);
    assert_non_null(printed);
    offer(printed, &route_a, "one", "1");
    offer(printed, &route_a, "one", "1");
    struct printed_answer *held = printed_take(printed, &route_a, text("one"));
    assert_non_null(held);
    printed_destroy(printed);
    assert_true(span_equal(held->text, text("1")));
    printed_release(held);
    printed_release(NULL);
    printed_destroy(NULL);
}

/* More than there is room for, of all sizes: what is there is right, and some always is. */
static void the_bound_holds(void **state)
{
    (void)state;
    const size_t bound = 64 * 1024;
    struct printed *printed = printed_create(bound);
    assert_non_null(printed);
    static char body[PRINTED_ANSWER_BYTES_MAX + 1];
    memset(body, 'x', sizeof body);
    size_t total = 0;
    for (int i = 0; i < 500; i++) {
        char packed[16];
        struct span bytes = span_of((uint8_t *)body, (size_t)i * 30);
        (void)snprintf(packed, sizeof packed, "%d", i);
        for (int times = 0; times < 2; times++)
            printed_offer(printed, &route_a, text(packed), bytes, "\"tag\"");
        struct printed_answer *answer = printed_take(printed, &route_a, text(packed));
        assert_non_null(answer);
        assert_int_equal(answer->text.len, bytes.len);
        printed_release(answer);
    }
    for (int i = 0; i < 500; i++) {
        char packed[16];
        (void)snprintf(packed, sizeof packed, "%d", i);
        struct printed_answer *answer = printed_take(printed, &route_a, text(packed));
        total += answer == NULL ? 0 : answer->bytes;
        printed_release(answer);
    }
    assert_true(total > 0 && total <= bound);
    printed_destroy(printed);
}

static void what_does_not_fit_is_not_kept(void **state)
{
    (void)state;
    static char large[PRINTED_ANSWER_BYTES_MAX];
    static const char long_tag[] = "\"0123456789012345678901234567890123456789\"";
    memset(large, 'x', sizeof large);
    const struct {
        size_t bound;
        size_t len;
        const char *tag;
        bool is_kept;
    } rows[] = {
        {ROOM, sizeof large - 3, "\"t\"", true},
        {ROOM, sizeof large - 2, "\"t\"", false},
        {ROOM, 10, long_tag, false},
        {100, 10, "\"t\"", false},
        {0, 0, "\"t\"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct printed *printed = printed_create(rows[i].bound);
        assert_non_null(printed);
        struct span body = span_of((uint8_t *)large, rows[i].len);
        for (int times = 0; times < 3; times++)
            printed_offer(printed, &route_a, text("one"), body, rows[i].tag);
        struct printed_answer *answer = printed_take(printed, &route_a, text("one"));
        assert_int_equal(answer != NULL, rows[i].is_kept);
        printed_release(answer);
        printed_destroy(printed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_a_second_time_is_kept),
        cmocka_unit_test(only_the_same_answer_of_the_same_route_is_found),
        cmocka_unit_test(what_is_held_outlives_its_place_and_the_table),
        cmocka_unit_test(the_bound_holds),
        cmocka_unit_test(what_does_not_fit_is_not_kept),
    };
    return cmocka_run_group_tests_name("printed", tests, NULL, NULL);
}
