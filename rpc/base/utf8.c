#include "rpc/base/utf8.h"

#include <string.h>

/* Eight bytes at a time: each byte 1, and each byte's high bit. */
#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* The range of the second byte and the length, by the first byte: RFC 3629, section 4. */
struct lead {
    uint8_t first_low, first_high, second_low, second_high;
    uint8_t length;
};

static const struct lead leads[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static size_t match_lead(const struct lead *lead, const uint8_t *bytes, size_t len)
{
    if (len < lead->length || bytes[1] < lead->second_low || bytes[1] > lead->second_high)
        return 0;
    for (size_t i = 2; i < lead->length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    }
    return lead->length;
}

size_t utf8_sequence_length(const char *text, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)text;
    if (len == 0)
        return 0;
    if (bytes[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++) {
        if (bytes[0] >= leads[i].first_low && bytes[0] <= leads[i].first_high)
            return match_lead(&leads[i], bytes, len);
    }
    return 0;
}

size_t utf8_plain_run(const char *text, size_t len)
{
    size_t at = 0;
    for (; at + sizeof(uint64_t) <= len; at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        /* Has a high bit where there is a byte below 0x20, 0x7f or above. */
        if ((((word - ONES * 0x20) | (word + ONES) | word) & HIGHS) != 0)
            break;
    }
    while (at < len && text[at] >= 0x20 && text[at] < 0x7f)
        at++;
    return at;
}

bool utf8_valid(const char *text, size_t len, size_t *ret_position)
{
    for (size_t at = utf8_plain_run(text, len); at < len;) {
        size_t step = utf8_sequence_length(text + at, len - at);
        if (step == 0) {
            if (ret_position != NULL)
                *ret_position = at;
            return false;
        }
        at += step;
    }
    return true;
}

size_t utf8_encode(uint32_t code_point, char bytes[static 4])
{
    if (code_point < 0x80) {
        bytes[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        bytes[0] = (char)(0xc0 | (code_point >> 6));
        bytes[1] = (char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        bytes[0] = (char)(0xe0 | (code_point >> 12));
        bytes[1] = (char)(0x80 | ((code_point >> 6) & 0x3f));
        bytes[2] = (char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    bytes[0] = (char)(0xf0 | (code_point >> 18));
    bytes[1] = (char)(0x80 | ((code_point >> 12) & 0x3f));
    bytes[2] = (char)(0x80 | ((code_point >> 6) & 0x3f));
    bytes[3] = (char)(0x80 | (code_point & 0x3f));
    return 4;
}
