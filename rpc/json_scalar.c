/*
 * Values as JSON: what stands behind a name, in a list, or as a map's key.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/base/utf8.h"
#include "rpc/json_internal.h"

/* Longest escape: a control character's \u00XX. */
#define ESCAPE_BYTES 6

/* The bytes of a control character, quote or backslash. */
static size_t write_escape(uint8_t byte, char out[static ESCAPE_BYTES])
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    static const char hex[] = "0123456789abcdef";
    const char *at = memchr(from, byte, sizeof from - 1);
    out[0] = '\\';
    if (at != NULL) {
        out[1] = to[at - from];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[byte >> 4];
    out[5] = hex[byte & 0xf];
    return ESCAPE_BYTES;
}

/* Appends what a JSON string has for the bytes that json__plain_run stops at. 0: bad UTF-8. */
static size_t append_special(struct buffer *out, const uint8_t *data, size_t len)
{
    if (data[0] >= 0x80) {
        size_t step = utf8_sequence_length((const char *)data, len);
        if (step > 0)
            (void)buffer_append(out, data, step);
        return step;
    }
    char escape[ESCAPE_BYTES];
    (void)buffer_append(out, escape, write_escape(data[0], escape));
    return 1;
}

/* Appends a string; stops at bad UTF-8 unless it is to be replaced. */
static bool append_string(struct buffer *out, struct span text, bool replace)
{
    (void)buffer_append_byte(out, '"');
    for (size_t at = 0; at < text.len && !out->failed;) {
        size_t run = json__plain_run(text.data + at, text.len - at);
        (void)buffer_append(out, text.data + at, run);
        at += run;
        if (at == text.len)
            break;
        size_t step = append_special(out, text.data + at, text.len - at);
        if (step == 0 && !replace)
            return false;
        if (step == 0) {
            (void)buffer_append_string(out, "\xef\xbf\xbd");
            step = 1;
        }
        at += step;
    }
    (void)buffer_append_byte(out, '"');
    return true;
}

bool json_append_string(struct buffer *out, struct span text)
{
    (void)append_string(out, text, true);
    return !out->failed;
}

/* Most texts have nothing to escape and are copied with their quotes at once. */
static bool print_string(struct buffer *out, const char *text)
{
    size_t len = text == NULL ? 0 : strlen(text);
    const uint8_t *data = (const uint8_t *)text;
    if (len > 0 && json__plain_run(data, len) < len)
        return append_string(out, span_of(text, len), false);
    uint8_t *at = buffer_reserve(out, len + 2);
    if (at == NULL)
        return true; /* the buffer remembers */
    at[0] = '"';
    if (len > 0)
        memcpy(at + 1, text, len);
    at[len + 1] = '"';
    out->len += len + 2;
    return true;
}

static void print_bytes(struct buffer *out, const ProtobufCBinaryData *bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = (bytes->len + 2) / 3 * 4 + 2;
    uint8_t *at = buffer_reserve(out, len);
    if (at == NULL)
        return;
    *at++ = '"';
    for (size_t i = 0; i < bytes->len; i += 3) {
        size_t left = bytes->len - i;
        uint32_t group = (uint32_t)bytes->data[i] << 16;
        group |= left > 1 ? (uint32_t)bytes->data[i + 1] << 8 : 0;
        group |= left > 2 ? bytes->data[i + 2] : 0;
        *at++ = (uint8_t)digits[group >> 18];
        *at++ = (uint8_t)digits[group >> 12 & 63];
        *at++ = left > 1 ? (uint8_t)digits[group >> 6 & 63] : '=';
        *at++ = left > 2 ? (uint8_t)digits[group & 63] : '=';
    }
    *at = '"';
    out->len += len;
}

/* The shortest of the usual precisions that reads back as the same number. False: there is none. */
static bool print_float(const struct json_codec *codec, double value, bool narrow,
                        struct buffer *out)
{
    char text[32];
    if (isnan(value) || isinf(value)) {
        if (codec->options.strict_numbers)
            return false;
        (void)buffer_append_string(out, isnan(value) ? "\"NaN\""
                                        : value > 0  ? "\"Infinity\""
                                                     : "\"-Infinity\"");
        return true;
    }
    int most = narrow ? 9 : 17;
    for (int digits = narrow ? 6 : 15; digits <= most; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (narrow ? (float)back == (float)value : back == value)
            break;
    }
    (void)buffer_append_string(out, text);
    return true;
}

static bool print_integer(const struct json_codec *codec, const struct json__field *field,
                          bool negative, uint64_t magnitude, struct buffer *out)
{
    bool as_numbers = codec->options.integers_as_numbers;
    bool wide = field->element_bytes == sizeof(uint64_t);
    if (as_numbers && wide && magnitude > (uint64_t)JSON_INTEGER_MAX)
        return false;
    bool quoted = wide && !as_numbers && field->places == 0;
    char *start = (char *)buffer_reserve(out, JSON__NUMBER_BYTES_MAX);
    if (start == NULL)
        return true; /* the buffer remembers */
    char *at = start;
    if (quoted)
        *at++ = '"';
    at += field->places > 0 ? json__number_write_places(at, negative, magnitude, field->places)
                            : json__number_write(at, negative, magnitude);
    if (quoted)
        *at++ = '"';
    out->len += (size_t)(at - start);
    return true;
}

bool json__key_print(const struct json__field *field, const void *slot, struct buffer *out)
{
    char text[JSON__NUMBER_BYTES_MAX + 1] = {0};
    switch (field->kind) {
    case JSON__INT32: {
        int64_t value = *(const int32_t *)slot;
        (void)json__number_write(text, value < 0, (uint64_t)(value < 0 ? -value : value));
        break;
    }
    case JSON__INT64: {
        int64_t value = *(const int64_t *)slot;
        (void)json__number_write(text, value < 0, value < 0 ? -(uint64_t)value : (uint64_t)value);
        break;
    }
    case JSON__UINT32:
        (void)json__number_write(text, false, *(const uint32_t *)slot);
        break;
    case JSON__UINT64:
        (void)json__number_write(text, false, *(const uint64_t *)slot);
        break;
    case JSON__BOOL:
        return print_string(out, *(const protobuf_c_boolean *)slot ? "true" : "false");
    case JSON__STRING:
        return print_string(out, *(char *const *)slot);
    case JSON__FLOAT:
    case JSON__DOUBLE:
    case JSON__ENUM:
    case JSON__BYTES:
    case JSON__MESSAGE:
    case JSON__WRAPPER:
        return false;
    }
    return print_string(out, text);
}

static bool print_signed(const struct json_codec *codec, const struct json__field *field,
                         int64_t value, struct buffer *out)
{
    return print_integer(codec, field, value < 0, value < 0 ? -(uint64_t)value : (uint64_t)value,
                         out);
}

static void print_enum(const struct json__field *field, int32_t value, struct buffer *out)
{
    if (field->takes_null && value == 0) {
        (void)buffer_append(out, "null", 4);
        return;
    }
    const ProtobufCEnumValue *known =
        protobuf_c_enum_descriptor_get_value(field->enumeration, value);
    if (known != NULL)
        (void)print_string(out, known->name);
    else
        (void)buffer_printf(out, "%d", (int)value);
}

bool json__scalar_print(const struct json_codec *codec, const struct json__field *field,
                        const void *slot, struct buffer *out)
{
    switch (field->kind) {
    case JSON__INT32:
        return print_signed(codec, field, *(const int32_t *)slot, out);
    case JSON__UINT32:
        return print_integer(codec, field, false, *(const uint32_t *)slot, out);
    case JSON__INT64:
        return print_signed(codec, field, *(const int64_t *)slot, out);
    case JSON__UINT64:
        return print_integer(codec, field, false, *(const uint64_t *)slot, out);
    case JSON__FLOAT:
        return print_float(codec, *(const float *)slot, true, out);
    case JSON__DOUBLE:
        return print_float(codec, *(const double *)slot, false, out);
    case JSON__BOOL:
        if (*(const protobuf_c_boolean *)slot)
            (void)buffer_append(out, "true", 4);
        else
            (void)buffer_append(out, "false", 5);
        return true;
    case JSON__ENUM:
        print_enum(field, *(const int32_t *)slot, out);
        return true;
    case JSON__STRING:
        return print_string(out, *(char *const *)slot);
    case JSON__BYTES:
        print_bytes(out, slot);
        return true;
    case JSON__MESSAGE:
    case JSON__WRAPPER:
        break;
    }
    return false;
}
