/*
 * Classes of ASCII characters that are looked at on every call, by one table. Locale-free.
 */
#ifndef RPC_BASE_ASCII_H
#define RPC_BASE_ASCII_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ascii_class {
    ASCII_HEX = 1,    /* 0-9 a-f */
    ASCII_KEY = 2,    /* a-z 0-9 - _ . : of a metadata entry's key */
    ASCII_ID = 4,     /* A-Z a-z 0-9 - _ . : of a request id, a session's token, … */
    ASCII_BASE64 = 8, /* A-Z a-z 0-9 - _ : of URL-safe base64 */
};

/* The classes that a byte is in; none for '\0'. */
extern const uint8_t ascii_classes[256];

static inline bool ascii_is(char c, enum ascii_class class)
{
    return (ascii_classes[(unsigned char)c] & class) != 0;
}

/* Bytes at the front that are all of the class. The other takes text that ends with a NUL. */
static inline size_t ascii_run(const void *bytes, size_t len, enum ascii_class class)
{
    const char *text = bytes;
    size_t at = 0;
    while (at < len && ascii_is(text[at], class))
        at++;
    return at;
}

static inline size_t ascii_run_of_string(const char *text, enum ascii_class class)
{
    size_t at = 0;
    while (ascii_is(text[at], class))
        at++;
    return at;
}

#endif
