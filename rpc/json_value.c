/*
 * From a token's text to a scalar in a message, and where in the message it goes.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/base/utf8.h"
#include "rpc/json_internal.h"

/* Elements of a repeated field's first array; later ones double. */
#define ELEMENTS_FIRST 4

/* Largest magnitude of a 64-bit integer's negative side. */
#define INT64_MIN_MAGNITUDE ((uint64_t)INT64_MAX + 1)

/* Text that says anything, by the type of its field. */
static bool is_untyped(enum json__token token)
{
    return token == JSON__TOKEN_TEXT || token == JSON__TOKEN_KEY;
}

/* The text of a number that may also have come in quotes, or in a URL. */
static bool is_number(const struct json_codec *codec, enum json__token token, struct span text)
{
    if (token == JSON__TOKEN_NUMBER)
        return true;
    if (token == JSON__TOKEN_STRING && codec->options.strict_numbers)
        return false;
    return (token == JSON__TOKEN_STRING || is_untyped(token)) && json__number_valid(text);
}

/* An integer within the field's type, scaled by its decimal places. */
static bool read_integer(const struct json_codec *codec, const struct json__field *field,
                         enum json__token token, struct span text, bool *ret_negative,
                         uint64_t *ret_magnitude)
{
    if (!is_number(codec, token, text))
        return false;
    bool is_key = token == JSON__TOKEN_KEY;
    if ((codec->options.strict_numbers || is_key) && field->places == 0 &&
        !json__number_plain(text))
        return false;
    /* A map's keys differ where their texts do. */
    if (is_key && span_equal_string(text, "-0"))
        return false;
    bool narrow = codec->options.integers_as_numbers && !is_key;
    bool negative;
    uint64_t magnitude;
    if (!json__number_read(text, field->places, &negative, &magnitude))
        return false;
    uint64_t positive_max = 0, negative_max = 0;
    switch (field->kind) {
    case JSON__INT32:
        positive_max = INT32_MAX;
        negative_max = (uint64_t)INT32_MAX + 1;
        break;
    case JSON__UINT32:
        positive_max = UINT32_MAX;
        break;
    case JSON__INT64:
        positive_max = narrow ? (uint64_t)JSON_INTEGER_MAX : (uint64_t)INT64_MAX;
        negative_max = narrow ? (uint64_t)JSON_INTEGER_MAX : INT64_MIN_MAGNITUDE;
        break;
    case JSON__UINT64:
        positive_max = narrow ? (uint64_t)JSON_INTEGER_MAX : UINT64_MAX;
        break;
    case JSON__FLOAT:
    case JSON__DOUBLE:
    case JSON__BOOL:
    case JSON__ENUM:
    case JSON__STRING:
    case JSON__BYTES:
    case JSON__MESSAGE:
    case JSON__WRAPPER:
        return false;
    }
    if (magnitude > (negative ? negative_max : positive_max))
        return false;
    *ret_negative = negative;
    *ret_magnitude = magnitude;
    return true;
}

static enum rpc_code store_integer(const struct json_codec *codec, const struct json__field *field,
                                   enum json__token token, struct span text, void *slot)
{
    bool negative;
    uint64_t magnitude;
    if (!read_integer(codec, field, token, text, &negative, &magnitude))
        return RPC_INVALID_ARGUMENT;
    /* Two's complement, so that signed and unsigned slots are filled alike. */
    uint64_t bits = negative ? -magnitude : magnitude;
    uint32_t low = (uint32_t)bits;
    if (field->element_bytes == sizeof low)
        memcpy(slot, &low, sizeof low);
    else
        memcpy(slot, &bits, sizeof bits);
    return RPC_OK;
}

static bool read_special(struct span text, double *ret_value)
{
    if (span_equal_string(text, "NaN"))
        *ret_value = NAN;
    else if (span_equal_string(text, "Infinity"))
        *ret_value = INFINITY;
    else if (span_equal_string(text, "-Infinity"))
        *ret_value = -INFINITY;
    else
        return false;
    return true;
}

static enum rpc_code store_float(const struct json_codec *codec, const struct json__field *field,
                                 enum json__token token, struct span text, struct arena *arena,
                                 void *slot)
{
    double value;
    bool quoted = token == JSON__TOKEN_STRING && !codec->options.strict_numbers;
    if (!quoted || !read_special(text, &value)) {
        if (!is_number(codec, token, text))
            return RPC_INVALID_ARGUMENT;
        char *digits = arena_strndup(arena, text.data, text.len);
        if (digits == NULL)
            return RPC_RESOURCE_EXHAUSTED;
        value = strtod(digits, NULL);
        if (isinf(value))
            return RPC_INVALID_ARGUMENT;
    }
    if (field->kind == JSON__DOUBLE) {
        memcpy(slot, &value, sizeof value);
        return RPC_OK;
    }
    float narrow = (float)value;
    if (isinf(narrow) && !isinf(value))
        return RPC_INVALID_ARGUMENT;
    memcpy(slot, &narrow, sizeof narrow);
    return RPC_OK;
}

static enum rpc_code store_bool(enum json__token token, struct span text, void *slot)
{
    protobuf_c_boolean value =
        token == JSON__TOKEN_TRUE || (is_untyped(token) && span_equal_string(text, "true"));
    bool is_false =
        token == JSON__TOKEN_FALSE || (is_untyped(token) && span_equal_string(text, "false"));
    if (!value && !is_false)
        return RPC_INVALID_ARGUMENT;
    memcpy(slot, &value, sizeof value);
    return RPC_OK;
}

/* The names are sorted. */
static bool find_enum_name(const ProtobufCEnumDescriptor *descriptor, struct span name,
                           int32_t *ret_value)
{
    unsigned low = 0, high = descriptor->n_value_names;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const ProtobufCEnumValueIndex *at = &descriptor->values_by_name[middle];
        size_t len = strlen(at->name);
        int order = memcmp(at->name, name.data, len < name.len ? len : name.len);
        if (order == 0 && len == name.len) {
            *ret_value = descriptor->values[at->index].value;
            return true;
        }
        if (order < 0 || (order == 0 && len < name.len))
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static enum rpc_code store_enum(const struct json__field *field, enum json__token token,
                                struct span text, void *slot)
{
    int32_t value = 0;
    bool named = token == JSON__TOKEN_NULL; /* NullValue's only one, 0 */
    named |= (token == JSON__TOKEN_STRING || token == JSON__TOKEN_TEXT) &&
             find_enum_name(field->enumeration, text, &value);
    if (!named) {
        bool negative;
        uint64_t magnitude;
        if ((token != JSON__TOKEN_NUMBER && token != JSON__TOKEN_TEXT) ||
            !json__number_read(text, 0, &negative, &magnitude) ||
            magnitude > (uint64_t)INT32_MAX + negative)
            return RPC_INVALID_ARGUMENT;
        value = (int32_t)(negative ? -(int64_t)magnitude : (int64_t)magnitude);
    }
    memcpy(slot, &value, sizeof value);
    return RPC_OK;
}

static enum rpc_code store_string(enum json__token token, struct span text, struct arena *arena,
                                  void *slot)
{
    if (token != JSON__TOKEN_STRING && !is_untyped(token))
        return RPC_INVALID_ARGUMENT;
    /* A URL's text has not been checked by anyone; a NUL would cut a C string. */
    if (token == JSON__TOKEN_TEXT && (!utf8_valid((const char *)text.data, text.len, NULL) ||
                                      (text.len > 0 && memchr(text.data, 0, text.len) != NULL)))
        return RPC_INVALID_ARGUMENT;
    char *copy = arena_strndup(arena, text.data, text.len);
    if (copy == NULL)
        return RPC_RESOURCE_EXHAUSTED;
    memcpy(slot, &copy, sizeof copy);
    return RPC_OK;
}

/* Both alphabets of RFC 4648; -1 for any other byte. */
static int base64_digit(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return byte - 'A';
    if (byte >= 'a' && byte <= 'z')
        return byte - 'a' + 26;
    if (byte >= '0' && byte <= '9')
        return byte - '0' + 52;
    if (byte == '+' || byte == '-')
        return 62;
    return byte == '/' || byte == '_' ? 63 : -1;
}

/* Decodes into `out`, of 3 bytes for 4 digits. Padding may be left out, but must be right if there.
 */
static bool decode_base64(struct span text, uint8_t *out, size_t *ret_len)
{
    size_t digits = text.len;
    while (digits > 0 && text.len - digits < 2 && text.data[digits - 1] == '=')
        digits--;
    if (digits % 4 == 1 || (digits != text.len && text.len % 4 != 0))
        return false;
    uint32_t bits = 0;
    size_t len = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = base64_digit(text.data[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        /* After 2, 3 and 4 digits of a group there is a whole byte more. */
        if (i % 4 == 1)
            out[len++] = (uint8_t)(bits >> 4);
        else if (i % 4 == 2)
            out[len++] = (uint8_t)(bits >> 2);
        else if (i % 4 == 3)
            out[len++] = (uint8_t)bits;
    }
    *ret_len = len;
    return true;
}

static enum rpc_code store_bytes(enum json__token token, struct span text, struct arena *arena,
                                 void *slot)
{
    if (token != JSON__TOKEN_STRING && token != JSON__TOKEN_TEXT)
        return RPC_INVALID_ARGUMENT;
    ProtobufCBinaryData bytes = {0, arena_alloc(arena, text.len / 4 * 3 + 3)};
    if (bytes.data == NULL)
        return RPC_RESOURCE_EXHAUSTED;
    if (!decode_base64(text, bytes.data, &bytes.len))
        return RPC_INVALID_ARGUMENT;
    memcpy(slot, &bytes, sizeof bytes);
    return RPC_OK;
}

enum rpc_code json__value_store(const struct json_codec *codec, const struct json__field *field,
                                enum json__token token, struct span text, struct arena *arena,
                                void *slot)
{
    switch (field->kind) {
    case JSON__INT32:
    case JSON__UINT32:
    case JSON__INT64:
    case JSON__UINT64:
        return store_integer(codec, field, token, text, slot);
    case JSON__FLOAT:
    case JSON__DOUBLE:
        return store_float(codec, field, token, text, arena, slot);
    case JSON__BOOL:
        return store_bool(token, text, slot);
    case JSON__ENUM:
        return store_enum(field, token, text, slot);
    case JSON__STRING:
        return store_string(token, text, arena, slot);
    case JSON__BYTES:
        return store_bytes(token, text, arena, slot);
    case JSON__MESSAGE:
    case JSON__WRAPPER:
        break;
    }
    return RPC_INVALID_ARGUMENT;
}

static const char *expected_form(enum json__form form)
{
    switch (form) {
    case JSON__TIMESTAMP:
        return "a time like \"2026-02-06T20:00:00Z\"";
    case JSON__DURATION:
        return "a duration like \"1.5s\"";
    case JSON__FIELD_MASK:
        return "a text of field names with commas";
    case JSON__LIST_VALUE:
        return "a list";
    case JSON__VALUE:
        return "a value in range";
    case JSON__PLAIN:
    case JSON__WRAPPED:
    case JSON__STRUCT:
    case JSON__ANY:
        break;
    }
    return "an object";
}

static const char *expected_kind(enum json__kind kind)
{
    switch (kind) {
    case JSON__INT32:
    case JSON__UINT32:
    case JSON__INT64:
    case JSON__UINT64:
        return "a whole number in range";
    case JSON__FLOAT:
    case JSON__DOUBLE:
        return "a number in range";
    case JSON__BOOL:
        return "true or false";
    case JSON__ENUM:
        return "one of the names that are listed for it";
    case JSON__STRING:
        return "a text";
    case JSON__BYTES:
        return "a text in base64";
    case JSON__MESSAGE:
    case JSON__WRAPPER:
        break;
    }
    return "an object";
}

const char *json__value_expected(const struct json__field *field,
                                 char text[static JSON__EXPECTED_BYTES])
{
    const struct json__field *scalar = json__scalar_of(field);
    if (field->kind == JSON__MESSAGE && !field->map)
        (void)snprintf(text, JSON__EXPECTED_BYTES, "%s", expected_form(field->plan->form));
    else if (field->places > 0)
        (void)snprintf(text, JSON__EXPECTED_BYTES, "a number in range with at most %u decimals",
                       field->places);
    else
        (void)snprintf(text, JSON__EXPECTED_BYTES, "%s", expected_kind(scalar->kind));
    return text;
}

ProtobufCMessage *json__message_new(const struct json__plan *plan, struct arena *arena)
{
    const ProtobufCMessageDescriptor *descriptor = plan->message->descriptor;
    ProtobufCMessage *message = arena_alloc(arena, descriptor->sizeof_message);
    if (message != NULL)
        registry_message_init(descriptor, message);
    return message;
}

/* The message of a wrapper at `pointer`, made if there is none, and its value's place. */
static enum rpc_code slot_wrapped(const struct json__field *field, void *pointer,
                                  struct arena *arena, void **ret_slot)
{
    ProtobufCMessage *wrapper = json__message_new(field->plan, arena);
    if (wrapper == NULL)
        return RPC_RESOURCE_EXHAUSTED;
    memcpy(pointer, &wrapper, sizeof wrapper);
    *ret_slot = json__member(wrapper, field->value->offset);
    return RPC_OK;
}

enum rpc_code json__slot_single(const struct json__field *field, ProtobufCMessage *message,
                                struct arena *arena, void **ret_slot)
{
    void *member = json__member(message, field->offset);
    if (field->presence == JSON__CASE) {
        uint32_t set;
        memcpy(&set, json__member(message, field->quantifier_offset), sizeof set);
        if (set != 0 && set != field->id)
            return RPC_INVALID_ARGUMENT;
        /* Whatever lay in the union is no message of this kind. */
        if (set == 0)
            memset(member, 0, field->element_bytes);
    }
    if (field->kind == JSON__WRAPPER)
        return slot_wrapped(field, member, arena, ret_slot);
    *ret_slot = member;
    return RPC_OK;
}

enum rpc_code json__slot_element(const struct json__field *field, ProtobufCMessage *message,
                                 size_t *capacity, struct arena *arena, void **ret_slot)
{
    size_t count;
    void *elements;
    memcpy(&count, json__member(message, field->quantifier_offset), sizeof count);
    memcpy(&elements, json__member(message, field->offset), sizeof elements);
    if (count >= *capacity) {
        size_t room = count < ELEMENTS_FIRST ? ELEMENTS_FIRST : count * 2;
        void *more = arena_calloc(arena, room, field->element_bytes);
        if (more == NULL)
            return RPC_RESOURCE_EXHAUSTED;
        if (count > 0)
            memcpy(more, elements, count * field->element_bytes);
        memcpy(json__member(message, field->offset), &more, sizeof more);
        elements = more;
        *capacity = room;
    }
    void *slot = (uint8_t *)elements + count * field->element_bytes;
    if (field->kind == JSON__WRAPPER)
        return slot_wrapped(field, slot, arena, ret_slot);
    *ret_slot = slot;
    return RPC_OK;
}

void json__slot_filled(const struct json__field *field, ProtobufCMessage *message)
{
    void *quantifier = json__member(message, field->quantifier_offset);
    if (field->repeated) {
        size_t count;
        memcpy(&count, quantifier, sizeof count);
        count++;
        memcpy(quantifier, &count, sizeof count);
    } else if (field->presence == JSON__CASE) {
        memcpy(quantifier, &field->id, sizeof field->id);
    } else if (field->presence == JSON__HAS) {
        protobuf_c_boolean has = 1;
        memcpy(quantifier, &has, sizeof has);
    }
}

enum rpc_code json__message_enter(const struct json__field *field, ProtobufCMessage *message,
                                  struct arena *arena, ProtobufCMessage **ret_inner)
{
    void *slot;
    enum rpc_code code = json__slot_single(field, message, arena, &slot);
    if (code != RPC_OK)
        return code;
    ProtobufCMessage *inner;
    memcpy(&inner, slot, sizeof inner);
    if (inner == NULL)
        inner = json__message_new(field->plan, arena);
    if (inner == NULL)
        return RPC_RESOURCE_EXHAUSTED;
    memcpy(slot, &inner, sizeof inner);
    json__slot_filled(field, message);
    *ret_inner = inner;
    return RPC_OK;
}
