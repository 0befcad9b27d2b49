/*
 * Two tuples of one shape out of any bytes: their keys sort as they do, each part's end is found
 * again, cut texts are equal when the texts are, and any bytes are refused or taken as parts
 * without reading beyond their end.
 */
#include <stdlib.h>

#include "store/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PARTS_MAX 3
/* The first bytes: each part's kind, how much the first tuple gets, where texts are cut. */
#define HEAD_BYTES 3

struct tuple {
    struct store_value parts[PARTS_MAX];
};

static void check(bool held)
{
    if (!held)
        abort();
}

static struct span take(struct span *rest, size_t len)
{
    struct span taken = {rest->data, len < rest->len ? len : rest->len};
    *rest = (struct span){rest->data + taken.len, rest->len - taken.len};
    return taken;
}

static struct tuple make_tuple(uint8_t kinds, struct span bytes)
{
    struct tuple tuple = {0};
    for (size_t i = 0; i < PARTS_MAX; i++) {
        struct store_value *part = &tuple.parts[i];
        part->kind = (enum store_kind)((kinds >> (2 * i) & 3) % 3);
        if (part->kind == STORE_KIND_NUMBER) {
            struct span digits = take(&bytes, sizeof part->number);
            if (digits.len > 0)
                memcpy(&part->number, digits.data, digits.len);
        } else {
            struct span len = take(&bytes, 1);
            part->data = take(&bytes, len.len == 0 ? 0 : len.data[0]);
        }
    }
    return tuple;
}

static struct store_key_buffer encode(const struct tuple *tuple, size_t text_bytes_max)
{
    struct store_key_buffer key;
    size_t ends[PARTS_MAX];
    store__key_begin(&key, 1, 2);
    for (size_t i = 0; i < PARTS_MAX; i++) {
        store__key_append(&key, &tuple->parts[i], text_bytes_max);
        ends[i] = key.len;
    }
    size_t at = STORE_KEY_PREFIX_BYTES;
    for (size_t i = 0; i < PARTS_MAX && !key.failed; i++) {
        struct span rest = {key.data + at, key.len - at};
        at += store__key_part_length(rest, tuple->parts[i].kind);
        check(at == ends[i]);
    }
    return key;
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static int compare_tuples(const struct tuple *a, const struct tuple *b)
{
    int order = 0;
    for (size_t i = 0; i < PARTS_MAX && order == 0; i++)
        order = store__value_compare(&a->parts[i], &b->parts[i]);
    return sign(order);
}

static int compare_keys(const struct store_key_buffer *a, const struct store_key_buffer *b)
{
    return sign(store__span_compare(store__key_span(a), store__key_span(b)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD_BYTES)
        return 0;
    struct span rest = {data + HEAD_BYTES, size - HEAD_BYTES};
    (void)store__key_part_length(rest, STORE_KIND_TEXT);
    (void)store__key_part_length(rest, STORE_KIND_NUMBER);
    struct tuple a = make_tuple(data[0], take(&rest, data[1]));
    struct tuple b = make_tuple(data[0], rest);
    struct store_key_buffer key_a = encode(&a, STORE_TEXT_UNCUT);
    struct store_key_buffer key_b = encode(&b, STORE_TEXT_UNCUT);
    if (!key_a.failed && !key_b.failed)
        check(compare_keys(&key_a, &key_b) == compare_tuples(&a, &b));
    key_a = encode(&a, data[2]);
    key_b = encode(&b, data[2]);
    if (!key_a.failed && !key_b.failed)
        check((compare_keys(&key_a, &key_b) == 0) == (compare_tuples(&a, &b) == 0));
    return 0;
}
