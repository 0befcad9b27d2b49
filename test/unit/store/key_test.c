/* Keys sort as the values in them do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "store/key.h"

#define TUPLES 2000
#define PARTS_MAX 3
#define TEXT_BYTES_MAX 12

struct tuple {
    struct store_value parts[PARTS_MAX];
    uint8_t bytes[PARTS_MAX][TEXT_BYTES_MAX];
};

/* xorshift64: the same tuples each time. */
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static int64_t random_number(uint64_t *seed)
{
    static const int64_t edges[] = {INT64_MIN, INT64_MIN + 1, -256, -1, 0, 1, 255, 256, INT64_MAX};
    uint64_t dice = next_random(seed);
    if (dice % 3 == 0)
        return edges[next_random(seed) % (sizeof edges / sizeof edges[0])];
    return (int64_t)(next_random(seed) >> (dice % 64)) * (dice & 64 ? -1 : 1);
}

/* Few different bytes, the special ones among them, so that texts share beginnings. */
static struct span random_text(uint64_t *seed, uint8_t bytes[static TEXT_BYTES_MAX])
{
    static const uint8_t alphabet[] = {0x00, 0x01, 0x02, 0x61, 0xfe, 0xff};
    size_t len = next_random(seed) % (TEXT_BYTES_MAX + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = alphabet[next_random(seed) % sizeof alphabet];
    return (struct span){bytes, len};
}

static void make_tuple(uint64_t *seed, const enum store_kind kinds[PARTS_MAX], struct tuple *tuple)
{
    for (size_t i = 0; i < PARTS_MAX; i++) {
        tuple->parts[i] = (struct store_value){.kind = kinds[i]};
        if (kinds[i] == STORE_KIND_NUMBER)
            tuple->parts[i].number = random_number(seed);
        else
            tuple->parts[i].data = random_text(seed, tuple->bytes[i]);
    }
}

static int compare_tuples(const struct tuple *a, const struct tuple *b)
{
    for (size_t i = 0; i < PARTS_MAX; i++) {
        int order = store__value_compare(&a->parts[i], &b->parts[i]);
        if (order != 0)
            return order;
    }
    return 0;
}

static struct store_key_buffer encode(const struct tuple *tuple)
{
    struct store_key_buffer key;
    store__key_begin(&key, 3, 1);
    for (size_t i = 0; i < PARTS_MAX; i++)
        store__key_append(&key, &tuple->parts[i], STORE_TEXT_UNCUT);
    assert_false(key.failed);
    assert_false(key.is_cut);
    return key;
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void sorts_as_the_tuples_do(void **state)
{
    (void)state;
    static const enum store_kind shapes[][PARTS_MAX] = {
        {STORE_KIND_NUMBER, STORE_KIND_NUMBER, STORE_KIND_NUMBER},
        {STORE_KIND_TEXT, STORE_KIND_TEXT, STORE_KIND_TEXT},
        {STORE_KIND_DATA, STORE_KIND_NUMBER, STORE_KIND_TEXT},
        {STORE_KIND_NUMBER, STORE_KIND_DATA, STORE_KIND_NUMBER},
    };
    struct tuple *tuples = calloc(TUPLES, sizeof *tuples);
    struct store_key_buffer *keys = calloc(TUPLES, sizeof *keys);
    assert_non_null(tuples);
    assert_non_null(keys);
    uint64_t seed = 0x9e3779b97f4a7c15;
    for (size_t shape = 0; shape < sizeof shapes / sizeof shapes[0]; shape++) {
        for (size_t i = 0; i < TUPLES; i++) {
            make_tuple(&seed, shapes[shape], &tuples[i]);
            keys[i] = encode(&tuples[i]);
        }
        for (size_t i = 0; i < TUPLES; i++) {
            for (size_t j = 0; j < TUPLES; j += 7) {
                int want = sign(compare_tuples(&tuples[i], &tuples[j]));
                int got =
                    sign(store__span_compare(store__key_span(&keys[i]), store__key_span(&keys[j])));
                if (want != got)
                    fail_msg("shape %zu: tuples %zu and %zu: %d, not %d", shape, i, j, got, want);
            }
        }
    }
    free(tuples);
    free(keys);
}

static void tells_where_a_part_ends(void **state)
{
    (void)state;
    static const enum store_kind kinds[] = {STORE_KIND_TEXT, STORE_KIND_NUMBER, STORE_KIND_DATA};
    uint64_t seed = 42;
    for (size_t i = 0; i < TUPLES; i++) {
        struct tuple tuple;
        make_tuple(&seed, kinds, &tuple);
        struct store_key_buffer key;
        store__key_begin(&key, 1, 0);
        size_t ends[PARTS_MAX];
        for (size_t part = 0; part < PARTS_MAX; part++) {
            /* Half of the texts are cut. */
            store__key_append(&key, &tuple.parts[part], i % 2 == 0 ? STORE_TEXT_UNCUT : 4);
            ends[part] = key.len;
        }
        size_t at = STORE_KEY_PREFIX_BYTES;
        for (size_t part = 0; part < PARTS_MAX; part++) {
            struct span rest = {key.data + at, key.len - at};
            at += store__key_part_length(rest, kinds[part]);
            assert_int_equal(at, ends[part]);
        }
    }
}

static void finds_no_end_in_broken_parts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *bytes;
        size_t len;
        enum store_kind kind;
    } rows[] = {
        {"empty text", "", 0, STORE_KIND_TEXT},
        {"no end", "abc", 3, STORE_KIND_TEXT},
        {"half an end", "abc\0", 4, STORE_KIND_TEXT},
        {"unknown end", "abc\0\3", 5, STORE_KIND_TEXT},
        {"escaped to the end", "abc\0\xff", 5, STORE_KIND_DATA},
        {"cut without its hash", "abc\0\2hash", 9, STORE_KIND_TEXT},
        {"short number", "1234567", 7, STORE_KIND_NUMBER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = store__key_part_length(span_of(rows[i].bytes, rows[i].len), rows[i].kind);
        if (len != 0)
            fail_msg("%s: %zu", rows[i].name, len);
    }
}

static void steps_over_everything_that_begins_alike(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (size_t i = 0; i < TUPLES; i++) {
        uint8_t bytes[TEXT_BYTES_MAX];
        struct store_key_buffer over;
        store__key_begin(&over, 1, 0);
        store__key_append_raw(&over, random_text(&seed, bytes));
        struct store_key_buffer extended = over;
        struct store_key_buffer base = over;
        store__key_append_raw(&extended, span_of("\xff\xff\xff\xff", 4));
        store__key_step_over(&over);
        assert_true(store__span_compare(store__key_span(&extended), store__key_span(&over)) < 0);
        /* Nothing lies between: the bound without its last step begins the base key. */
        assert_true(over.len <= base.len);
        over.data[over.len - 1]--;
        assert_memory_equal(over.data, base.data, over.len);
    }
}

static void keeps_cut_texts_in_order_with_others(void **state)
{
    (void)state;
    uint64_t seed = 99;
    enum { CUT = 6 };
    struct tuple a;
    struct tuple b;
    static const enum store_kind kinds[] = {STORE_KIND_TEXT, STORE_KIND_NUMBER, STORE_KIND_NUMBER};
    for (size_t i = 0; i < 100 * (size_t)TUPLES; i++) {
        make_tuple(&seed, kinds, &a);
        make_tuple(&seed, kinds, &b);
        struct store_key_buffer key_a;
        struct store_key_buffer key_b;
        store__key_begin(&key_a, 1, 1);
        store__key_begin(&key_b, 1, 1);
        store__key_append(&key_a, &a.parts[0], CUT);
        store__key_append(&key_b, &b.parts[0], CUT);
        bool both_cut = key_a.is_cut && key_b.is_cut;
        int want = sign(store__value_compare(&a.parts[0], &b.parts[0]));
        int got = sign(store__span_compare(store__key_span(&key_a), store__key_span(&key_b)));
        assert_int_equal(want == 0, got == 0);
        if (!both_cut)
            assert_int_equal(want, got);
    }
}

static void fails_when_a_key_is_full_and_stays_failed(void **state)
{
    (void)state;
    static uint8_t bytes[STORE_ENGINE_KEY_BYTES_MAX];
    struct store_key_buffer key;
    store__key_begin(&key, 1, 0);
    const struct store_value text = {
        .kind = STORE_KIND_TEXT,
        .data = {bytes, STORE_ENGINE_KEY_BYTES_MAX / 2 - STORE_KEY_PREFIX_BYTES}};
    store__key_append(&key, &text, STORE_TEXT_UNCUT); /* doubled by its escapes */
    assert_false(key.failed);
    store__key_append(&key, &text, STORE_TEXT_UNCUT);
    assert_true(key.failed);
    const struct store_value nothing = {.kind = STORE_KIND_TEXT};
    store__key_append(&key, &nothing, STORE_TEXT_UNCUT);
    assert_true(key.failed);
    assert_true(key.len <= sizeof key.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_as_the_tuples_do),
        cmocka_unit_test(tells_where_a_part_ends),
        cmocka_unit_test(finds_no_end_in_broken_parts),
        cmocka_unit_test(steps_over_everything_that_begins_alike),
        cmocka_unit_test(keeps_cut_texts_in_order_with_others),
        cmocka_unit_test(fails_when_a_key_is_full_and_stays_failed),
    };
    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
