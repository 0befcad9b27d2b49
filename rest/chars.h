/*
 * Classes of characters in HTTP (RFC 9110, 9112). Locale-free.
 */
#ifndef REST_CHARS_H
#define REST_CHARS_H

#include <stdbool.h>
#include <string.h>

#include "rpc/base/ascii.h"

static inline bool chars_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool chars_is_alphanumeric(char c)
{
    return chars_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* tchar: of methods and header names. */
static inline bool chars_is_token(char c)
{
    return chars_is_alphanumeric(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* Of a header's value: visible, SP, HTAB, obs-text. */
static inline bool chars_is_field_value(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

/*
 * Of a request target. Wider than RFC 3986 by what browsers send in queries as it is ([]{}|\^`);
 * what they all encode is refused.
 */
static inline bool chars_is_target(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte > 0x20 && byte < 0x7f && c != '#' && c != '"' && c != '<' && c != '>';
}

/* Of a Host value: names, addresses in brackets, a port. */
static inline bool chars_is_host(char c)
{
    return chars_is_alphanumeric(c) || (c != '\0' && strchr("-._~:[]%!$&'()*+;=", c) != NULL);
}

/* Of a request id, an Idempotency-Key or a session token where each is bounded too. */
static inline bool chars_is_id(char c)
{
    return ascii_is(c, ASCII_ID);
}

#endif
