/*
 * A borrowed run of bytes. It owns nothing; whoever hands one out names its lifetime.
 */
#ifndef RPC_BASE_SPAN_H
#define RPC_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *data;
    size_t len;
};

/* The bytes of a C string, without its NUL. The span lives as long as the string. */
static inline struct span span_of_string(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static inline struct span span_of(const void *data, size_t len)
{
    return (struct span){(const uint8_t *)data, len};
}

/* Whether two spans hold the same bytes. Not for secrets: its time depends on the bytes. */
static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool span_equal_string(struct span a, const char *text)
{
    return span_equal(a, span_of_string(text));
}

#endif
