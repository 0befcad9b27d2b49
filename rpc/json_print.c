/*
 * Printing: walks a message with a stack of its own and appends to one buffer. Room is asked for
 * once a field, so that most fields are a copy of their name and a few bytes behind it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/base/utf8.h"
#include "rpc/json_internal.h"

#define REDACTED "\"[redacted]\""
/* Longest escape: a control character's \u00XX. */
#define ESCAPE_BYTES 6

/* An open object or list. */
struct frame {
    const ProtobufCMessage *message; /* NULL: a list */
    const struct json__plan *plan;
    const struct json__field *list; /* whose messages or entries are printed */
    ProtobufCMessage *const *items;
    size_t count; /* fields or items */
    size_t next;
    bool begun; /* something has been printed in it */
};

struct printer {
    const struct json_codec *codec;
    struct buffer *out;
    struct rpc_status *status;
    size_t depth;
    struct frame frames[JSON_DEPTH_MAX];
};

/* --- scalars -----------------------------------------------------------------------------------
 */

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
static bool print_string(struct printer *printer, const char *text)
{
    struct buffer *out = printer->out;
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
static bool print_float(struct printer *printer, double value, bool narrow)
{
    struct buffer *out = printer->out;
    char text[32];
    if (isnan(value) || isinf(value)) {
        if (printer->codec->options.integers_as_numbers)
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

static bool print_integer(struct printer *printer, const struct json__field *field, bool negative,
                          uint64_t magnitude)
{
    bool as_numbers = printer->codec->options.integers_as_numbers;
    bool wide = field->element_bytes == sizeof(uint64_t);
    if (as_numbers && wide && magnitude > (uint64_t)JSON_INTEGER_MAX)
        return false;
    bool quoted = wide && !as_numbers && field->places == 0;
    char *start = (char *)buffer_reserve(printer->out, JSON__NUMBER_BYTES_MAX);
    if (start == NULL)
        return true; /* the buffer remembers */
    char *at = start;
    if (quoted)
        *at++ = '"';
    at += field->places > 0 ? json__number_write_places(at, negative, magnitude, field->places)
                            : json__number_write(at, negative, magnitude);
    if (quoted)
        *at++ = '"';
    printer->out->len += (size_t)(at - start);
    return true;
}

/* The key of a map's entry: always a string. */
static bool print_key(struct printer *printer, const struct json__field *field, const void *slot)
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
        return print_string(printer, *(const protobuf_c_boolean *)slot ? "true" : "false");
    case JSON__STRING:
        return print_string(printer, *(char *const *)slot);
    case JSON__FLOAT:
    case JSON__DOUBLE:
    case JSON__ENUM:
    case JSON__BYTES:
    case JSON__MESSAGE:
    case JSON__WRAPPER:
        return false;
    }
    return print_string(printer, text);
}

static bool print_signed(struct printer *printer, const struct json__field *field, int64_t value)
{
    return print_integer(printer, field, value < 0, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static void print_enum(struct printer *printer, const struct json__field *field, int32_t value)
{
    const ProtobufCEnumValue *known =
        protobuf_c_enum_descriptor_get_value(field->enumeration, value);
    if (known != NULL)
        (void)print_string(printer, known->name);
    else
        (void)buffer_printf(printer->out, "%d", (int)value);
}

/* Prints the scalar at `slot`. False: it cannot be JSON. */
static bool print_scalar(struct printer *printer, const struct json__field *field, const void *slot)
{
    switch (field->kind) {
    case JSON__INT32:
        return print_signed(printer, field, *(const int32_t *)slot);
    case JSON__UINT32:
        return print_integer(printer, field, false, *(const uint32_t *)slot);
    case JSON__INT64:
        return print_signed(printer, field, *(const int64_t *)slot);
    case JSON__UINT64:
        return print_integer(printer, field, false, *(const uint64_t *)slot);
    case JSON__FLOAT:
        return print_float(printer, *(const float *)slot, true);
    case JSON__DOUBLE:
        return print_float(printer, *(const double *)slot, false);
    case JSON__BOOL:
        if (*(const protobuf_c_boolean *)slot)
            (void)buffer_append(printer->out, "true", 4);
        else
            (void)buffer_append(printer->out, "false", 5);
        return true;
    case JSON__ENUM:
        print_enum(printer, field, *(const int32_t *)slot);
        return true;
    case JSON__STRING:
        return print_string(printer, *(char *const *)slot);
    case JSON__BYTES:
        print_bytes(printer->out, slot);
        return true;
    case JSON__MESSAGE:
    case JSON__WRAPPER:
        break;
    }
    return false;
}

/* --- the walk ----------------------------------------------------------------------------------
 */

static size_t repeated_count(const struct json__field *field, const ProtobufCMessage *message)
{
    size_t count;
    memcpy(&count, json__member(message, field->quantifier_offset), sizeof count);
    return count;
}

/* Whether a single field has a value other than its default, or is marked as there. */
static bool is_set(const struct json__field *field, const ProtobufCMessage *message)
{
    static const uint8_t zeros[sizeof(uint64_t)];
    const void *member = json__member(message, field->offset);
    const void *quantifier = json__member(message, field->quantifier_offset);
    if (field->presence == JSON__CASE && *(const uint32_t *)quantifier != field->id)
        return false;
    if (field->presence == JSON__HAS && !*(const protobuf_c_boolean *)quantifier)
        return false;
    if (field->kind == JSON__MESSAGE || field->kind == JSON__WRAPPER)
        return *(void *const *)member != NULL;
    if (field->presence != JSON__ALWAYS)
        return true;
    if (field->kind == JSON__STRING)
        return *(char *const *)member != NULL && **(char *const *)member != '\0';
    if (field->kind == JSON__BYTES)
        return ((const ProtobufCBinaryData *)member)->len > 0;
    return memcmp(member, zeros, field->element_bytes) != 0;
}

/* `"name":`, with a comma before it if something is before it. */
static void print_name(struct printer *printer, struct frame *frame,
                       const struct json__field *field)
{
    size_t skip = frame->begun ? 0 : 1;
    (void)buffer_append(printer->out, field->prefix + skip, field->prefix_len - skip);
    frame->begun = true;
}

static enum rpc_code fail(struct printer *printer, const struct json__field *field,
                          const char *reason)
{
    return rpc_status_set(printer->status, RPC_INTERNAL, "field %s of %s %s", field->name,
                          printer->frames[printer->depth - 1].plan->message->name, reason);
}

static enum rpc_code push(struct printer *printer, struct frame frame,
                          const struct json__field *field, char opening)
{
    if (printer->depth == JSON_DEPTH_MAX)
        return fail(printer, field, "is nested too deeply");
    printer->frames[printer->depth++] = frame;
    (void)buffer_append_byte(printer->out, (uint8_t)opening);
    return RPC_OK;
}

static struct frame object_frame(const struct json__plan *plan, const ProtobufCMessage *message)
{
    return (struct frame){.message = message, .plan = plan, .count = plan->field_count};
}

/* The value of a message, wrapper or scalar whose slot is given; may push. */
static enum rpc_code print_value(struct printer *printer, const struct json__field *field,
                                 const void *slot)
{
    if (field->kind == JSON__MESSAGE || field->kind == JSON__WRAPPER) {
        const ProtobufCMessage *message = *(ProtobufCMessage *const *)slot;
        if (message == NULL)
            return fail(printer, field, "lacks a message");
        if (field->kind == JSON__MESSAGE)
            return push(printer, object_frame(field->plan, message), field, '{');
        slot = json__member(message, field->value->offset);
        field = field->value;
    }
    return print_scalar(printer, field, slot)
               ? RPC_OK
               : fail(printer, field, "has no value that JSON can hold");
}

static enum rpc_code print_list(struct printer *printer, struct frame *frame,
                                const struct json__field *field)
{
    size_t count = repeated_count(field, frame->message);
    if (count == 0 && !printer->codec->options.print_defaults)
        return RPC_OK;
    print_name(printer, frame, field);
    if (count > 0 && field->redacted) {
        (void)buffer_append_string(printer->out, REDACTED);
        return RPC_OK;
    }
    const void *items = *(void *const *)json__member(frame->message, field->offset);
    if (field->kind == JSON__MESSAGE) {
        struct frame list = {.plan = frame->plan,
                             .list = field,
                             .items = (ProtobufCMessage *const *)items,
                             .count = count};
        return push(printer, list, field, field->map ? '{' : '[');
    }
    enum rpc_code code = RPC_OK;
    (void)buffer_append_byte(printer->out, '[');
    for (size_t i = 0; code == RPC_OK && i < count; i++) {
        if (i > 0)
            (void)buffer_append_byte(printer->out, ',');
        code = print_value(printer, field, (const uint8_t *)items + i * field->element_bytes);
    }
    (void)buffer_append_byte(printer->out, ']');
    return code;
}

static enum rpc_code print_field(struct printer *printer, struct frame *frame,
                                 const struct json__field *field)
{
    if (field->hidden)
        return RPC_OK;
    if (field->repeated)
        return print_list(printer, frame, field);
    bool set = is_set(field, frame->message);
    if (!set && (!printer->codec->options.print_defaults || field->presence == JSON__CASE))
        return RPC_OK;
    print_name(printer, frame, field);
    if (set && field->redacted) {
        (void)buffer_append_string(printer->out, REDACTED);
        return RPC_OK;
    }
    if (!set && (field->kind == JSON__MESSAGE || field->kind == JSON__WRAPPER ||
                 field->presence == JSON__HAS)) {
        (void)buffer_append(printer->out, "null", 4);
        return RPC_OK;
    }
    return print_value(printer, field, json__member(frame->message, field->offset));
}

/* An entry of a map: its key, and its value by the entry's second field. */
static enum rpc_code print_entry(struct printer *printer, const struct json__field *map,
                                 const ProtobufCMessage *entry)
{
    const struct json__field *key = &map->plan->fields[0], *value = &map->plan->fields[1];
    if (!print_key(printer, key, json__member(entry, key->offset)))
        return fail(printer, map, "has no key that JSON can hold");
    (void)buffer_append_byte(printer->out, ':');
    const void *slot = json__member(entry, value->offset);
    /* A message that was left out of an entry is an empty one. */
    if (value->kind == JSON__MESSAGE && *(void *const *)slot == NULL) {
        (void)buffer_append(printer->out, "{}", 2);
        return RPC_OK;
    }
    return print_value(printer, value, slot);
}

static enum rpc_code print_item(struct printer *printer, struct frame *frame,
                                const ProtobufCMessage *const *item)
{
    if (frame->begun)
        (void)buffer_append_byte(printer->out, ',');
    frame->begun = true;
    if (*item == NULL)
        return fail(printer, frame->list, "lacks a message");
    if (frame->list->map)
        return print_entry(printer, frame->list, *item);
    return push(printer, object_frame(frame->list->plan, *item), frame->list, '{');
}

/* Prints until only so many frames are open. */
static enum rpc_code walk(struct printer *printer, size_t floor)
{
    enum rpc_code code = RPC_OK;
    while (printer->depth > floor && code == RPC_OK && !printer->out->failed) {
        struct frame *frame = &printer->frames[printer->depth - 1];
        if (frame->next == frame->count) {
            bool is_object = frame->message != NULL || frame->list->map;
            (void)buffer_append_byte(printer->out, is_object ? '}' : ']');
            printer->depth--;
            continue;
        }
        size_t at = frame->next++;
        if (frame->message != NULL)
            code = print_field(printer, frame, &frame->plan->fields[at]);
        else
            code = print_item(printer, frame, (const ProtobufCMessage *const *)&frame->items[at]);
    }
    return code;
}

enum rpc_code json_print(const struct json_codec *codec, const ProtobufCMessage *message,
                         struct buffer *out, struct rpc_status *status)
{
    const struct json__plan *plan = json__plan_of(codec, message->descriptor);
    if (plan == NULL)
        return rpc_status_set(status, RPC_INTERNAL, "message %s is not in the registry",
                              message->descriptor->name);
    struct printer printer;
    printer.codec = codec;
    printer.out = out;
    printer.status = status;
    printer.depth = 1;
    printer.frames[0] = object_frame(plan, message);
    enum rpc_code code = RPC_OK;
    if (plan->wrapper) {
        const struct json__field *value = &plan->fields[0];
        code = print_value(&printer, value, json__member(message, value->offset));
    } else {
        (void)buffer_append_byte(out, '{');
        code = walk(&printer, 0);
    }
    if (code == RPC_OK && out->failed)
        code = rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the answer is too large");
    return code;
}

enum rpc_code json_print_field(const struct json_codec *codec, const ProtobufCMessage *message,
                               const struct registry_field *field, struct buffer *out,
                               struct rpc_status *status)
{
    const struct json__plan *plan = json__plan_of(codec, message->descriptor);
    if (plan == NULL)
        return rpc_status_set(status, RPC_INTERNAL, "message %s is not in the registry",
                              message->descriptor->name);
    /* The field as in its message, but without its name. */
    struct json__field bare = plan->fields[field->descriptor - message->descriptor->fields];
    bare.prefix = ",";
    bare.prefix_len = 1;
    struct printer printer;
    size_t before = out->len;
    printer.codec = codec;
    printer.out = out;
    printer.status = status;
    printer.depth = 1;
    printer.frames[0] = object_frame(plan, message);
    enum rpc_code code = print_field(&printer, &printer.frames[0], &bare);
    if (code == RPC_OK)
        code = walk(&printer, 1);
    if (code == RPC_OK && out->len == before)
        (void)buffer_append(out, "null", 4);
    if (code == RPC_OK && out->failed)
        code = rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the answer is too large");
    return code;
}
