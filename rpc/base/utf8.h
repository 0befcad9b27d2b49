/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef RPC_BASE_UTF8_H
#define RPC_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed sequence at the front of `text` (1 to 4), or 0 if there is none. */
size_t utf8_sequence_length(const char *text, size_t len);

/* Whether all of `text` is well formed; else `ret_position` (unless NULL) is the first bad byte's
 * offset. */
bool utf8_valid(const char *text, size_t len, size_t *ret_position);

/* Bytes at the front that are printable ASCII, 0x20 to 0x7e. */
size_t utf8_plain_run(const char *text, size_t len);

/* Writes the code point (a scalar value) as 1 to 4 bytes and returns how many. */
size_t utf8_encode(uint32_t code_point, char bytes[static 4]);

#endif
