#include "store/key.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define ESCAPED 0xff
#define END_WHOLE 0x01
#define END_CUT 0x02
#define SIGN_BIT ((uint64_t)1 << 63)

static void append(struct store_key_buffer *key, const void *data, size_t len)
{
    if (key->failed || len > sizeof key->data - key->len) {
        key->failed = true;
        return;
    }
    if (len > 0)
        memcpy(key->data + key->len, data, len);
    key->len += len;
}

static void append_byte(struct store_key_buffer *key, uint8_t byte)
{
    append(key, &byte, 1);
}

void store__key_begin(struct store_key_buffer *key, uint32_t table, uint32_t index)
{
    assert(table < STORE_ID_LIMIT && index < STORE_ID_LIMIT);
    key->len = 0;
    key->failed = false;
    key->is_cut = false;
    const uint8_t prefix[STORE_KEY_PREFIX_BYTES] = {(uint8_t)(table >> 8), (uint8_t)table,
                                                    (uint8_t)(index >> 8), (uint8_t)index};
    append(key, prefix, sizeof prefix);
}

void store__key_append_raw(struct store_key_buffer *key, struct span parts)
{
    append(key, parts.data, parts.len);
}

static void append_number(struct store_key_buffer *key, int64_t number)
{
    uint64_t bits = (uint64_t)number ^ SIGN_BIT;
    uint8_t bytes[STORE_NUMBER_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(bits >> (8 * (sizeof bytes - 1 - i)));
    append(key, bytes, sizeof bytes);
}

/* How many bytes of the text fit, escaped, into `bytes_max`; never half an escaped 00. */
static size_t fitting(struct span text, size_t bytes_max)
{
    size_t used = 0;
    for (size_t i = 0; i < text.len; i++) {
        size_t width = text.data[i] == 0 ? 2 : 1;
        if (width > bytes_max - used)
            return i;
        used += width;
    }
    return text.len;
}

static void append_escaped(struct store_key_buffer *key, struct span text)
{
    size_t at = 0;
    while (at < text.len) {
        const uint8_t *zero = memchr(text.data + at, 0, text.len - at);
        size_t end = zero == NULL ? text.len : (size_t)(zero - text.data) + 1;
        append(key, text.data + at, end - at);
        if (zero != NULL)
            append_byte(key, ESCAPED);
        at = end;
    }
}

static void append_text(struct store_key_buffer *key, struct span text, size_t bytes_max)
{
    size_t kept = bytes_max == STORE_TEXT_UNCUT ? text.len : fitting(text, bytes_max);
    append_escaped(key, (struct span){text.data, kept});
    append_byte(key, 0);
    if (kept == text.len) {
        append_byte(key, END_WHOLE);
        return;
    }
    uint8_t hash[STORE_TEXT_HASH_BYTES];
    (void)crypto_generichash(hash, sizeof hash, text.data, text.len, NULL, 0);
    append_byte(key, END_CUT);
    append(key, hash, sizeof hash);
    key->is_cut = true;
}

void store__key_append(struct store_key_buffer *key, const struct store_value *value,
                       size_t text_bytes_max)
{
    if (value->kind == STORE_KIND_NUMBER)
        append_number(key, value->number);
    else
        append_text(key, value->data, text_bytes_max);
}

void store__key_step_over(struct store_key_buffer *key)
{
    while (key->len > 0 && key->data[key->len - 1] == 0xff)
        key->len--;
    assert(key->len > 0); /* table ids stay below 0xffff */
    key->data[key->len - 1]++;
}

size_t store__key_part_length(struct span parts, enum store_kind kind)
{
    if (kind == STORE_KIND_NUMBER)
        return parts.len >= STORE_NUMBER_BYTES ? STORE_NUMBER_BYTES : 0;
    size_t at = 0;
    while (at + 1 < parts.len) {
        const uint8_t *zero = memchr(parts.data + at, 0, parts.len - 1 - at);
        if (zero == NULL)
            return 0;
        at = (size_t)(zero - parts.data) + 2;
        if (zero[1] == ESCAPED)
            continue;
        if (zero[1] == END_WHOLE)
            return at;
        if (zero[1] == END_CUT && parts.len - at >= STORE_TEXT_HASH_BYTES)
            return at + STORE_TEXT_HASH_BYTES;
        return 0;
    }
    return 0;
}

int store__span_compare(struct span a, struct span b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

int store__value_compare(const struct store_value *a, const struct store_value *b)
{
    if (a->kind != STORE_KIND_NUMBER)
        return store__span_compare(a->data, b->data);
    return (a->number > b->number) - (a->number < b->number);
}
