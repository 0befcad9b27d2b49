/*
 * The JSON codec's insides. json_plan.c makes plans of the registry's messages; json_parse.c walks
 * a text and fills messages, json_error.c says why it did not; json_text.c knows JSON's texts and
 * checks a whole one (with json_keys.c for duplicate keys); json_value.c turns texts into scalars,
 * for json_path.c too; json_number.c has the exact numbers, json_known.c the well-known types that
 * JSON shows as a string, json_any.c Any. json_print.c walks messages, json_scalar.c prints values.
 */
#ifndef RPC_JSON_INTERNAL_H
#define RPC_JSON_INTERNAL_H

#include "rpc/json.h"

/* Longest text of one integer or decimal: sign, 20 digits, point, leading zeros, quotes. */
#define JSON__NUMBER_BYTES_MAX 40
/* Most decimal places of a field: 10^15 still leaves a digit below 2^53. */
#define JSON__PLACES_MAX 15
/* Texts are indexed with 32 bits inside; longer ones are refused. */
#define JSON__TEXT_BYTES_MAX ((size_t)UINT32_MAX / 2)

/* --- plans -------------------------------------------------------------------------------------
 */

enum json__kind {
    JSON__INT32,
    JSON__UINT32,
    JSON__INT64,
    JSON__UINT64,
    JSON__FLOAT,
    JSON__DOUBLE,
    JSON__BOOL,
    JSON__ENUM,
    JSON__STRING,
    JSON__BYTES,
    JSON__MESSAGE,
    JSON__WRAPPER, /* a google.protobuf.*Value: a bare value or null */
};

/* What JSON has for a message. */
enum json__form {
    JSON__PLAIN,      /* an object of its fields */
    JSON__WRAPPED,    /* google.protobuf.*Value: the bare value or null */
    JSON__TIMESTAMP,  /* a string, as the next two */
    JSON__DURATION,   /* */
    JSON__FIELD_MASK, /* */
    JSON__STRUCT,     /* any object */
    JSON__VALUE,      /* any value */
    JSON__LIST_VALUE, /* any list */
    JSON__ANY,        /* its message with an @type, or a value beside one */
};

/* How a message's struct says whether a single field is there. */
enum json__presence {
    JSON__ALWAYS, /* a default value is absence */
    JSON__HAS,    /* proto2 optional: a protobuf_c_boolean */
    JSON__CASE,   /* a oneof: its case is the field's number */
};

struct json__field {
    enum json__kind kind; /* an element's, of a repeated field */
    enum json__presence presence;
    bool repeated;
    bool map;        /* repeated entries that JSON shows as an object */
    bool takes_null; /* null is a value of it: google.protobuf.Value and NullValue */
    bool hidden;
    bool redacted;
    unsigned places; /* decimal places of an integer */
    uint32_t id;
    size_t offset;
    size_t quantifier_offset;
    size_t element_bytes;
    const struct json__plan *plan;   /* MESSAGE, WRAPPER and maps */
    const struct json__field *value; /* WRAPPER: its `value`, with this field's rules */
    const ProtobufCEnumDescriptor *enumeration;
    const char *name; /* JSON's */
    size_t name_len;
    const char *prefix; /* `,"name":` */
    size_t prefix_len;
    const struct registry_field *registry;
};

struct json__name {
    const char *text;
    size_t len;
    const struct json__field *field; /* NULL: a free slot */
};

struct json__plan {
    const struct registry_message *message;
    enum json__form form;
    size_t field_count;
    struct json__field *fields; /* in the order of the descriptor: by number */
    size_t name_mask;           /* slots - 1 */
    struct json__name *names;   /* by json__name_hash, open addressing */
};

struct json__plan_slot {
    const ProtobufCMessageDescriptor *descriptor; /* NULL: free */
    const struct json__plan *plan;
};

struct json_codec {
    struct json_options options;
    const struct registry *registry;
    struct arena arena; /* holds all plans */
    size_t plan_count;
    struct json__plan *plans;
    size_t slot_mask;
    struct json__plan_slot *slots;
};

/* NULL: no message of the registry. */
const struct json__plan *json__plan_of(const struct json_codec *codec,
                                       const ProtobufCMessageDescriptor *descriptor);
/* By JSON name, or by the .proto name where the options allow it; NULL: there is none. */
const struct json__field *json__field_find(const struct json__plan *plan, struct span name);

/* --- texts -------------------------------------------------------------------------------------
 */

/* Bytes at the front of `data` that need no look: ASCII but for quotes, backslashes and controls.
 */
size_t json__plain_run(const uint8_t *data, size_t len);

static inline void json__blanks_skip(struct span text, size_t *at)
{
    while (*at < text.len && (text.data[*at] == ' ' || text.data[*at] == '\n' ||
                              text.data[*at] == '\r' || text.data[*at] == '\t'))
        (*at)++;
}

/*
 * Each goes over a token that begins at *at. False, with *at at the offence, if there is none.
 * A string's raw text lies between its quotes.
 */
bool json__string_scan(struct span text, size_t *at, struct span *ret_raw, bool *ret_escaped);
bool json__number_scan(struct span text, size_t *at, struct span *ret_number);
bool json__literal_scan(struct span text, size_t *at, const char *literal);
/* The bytes that a scanned string with escapes stands for; NULL data: the arena is full. */
struct span json__string_decode(struct span raw, struct arena *arena);

/*
 * As json_text_check. RPC_INVALID_ARGUMENT with the position of an offence, RPC_RESOURCE_EXHAUSTED
 * when the arena is full.
 */
enum rpc_code json__text_check(struct span text, struct arena *arena, size_t *ret_position);

/* Keys of one open object that are compared one by one, before a table is made. */
#define JSON__KEYS_FEW 16

struct json__key {
    const uint8_t *data;
    uint32_t len;
    uint32_t digest;
};

struct json__key_slot {
    const uint8_t *data;
    uint32_t len;
    uint32_t serial; /* of the object; any other than the present one's: free */
};

/* The keys of the object that is open at one depth. */
struct json__key_set {
    uint32_t serial;
    uint32_t count;
    uint32_t mask;                /* slots - 1 */
    struct json__key_slot *slots; /* NULL until an object of this depth has many keys */
    struct json__key few[JSON__KEYS_FEW];
};

struct json__keys {
    struct arena *arena;
    uint32_t serial; /* objects so far */
    struct json__key_set sets[JSON_DEPTH_MAX];
};

void json__keys_init(struct json__keys *keys, struct arena *arena);
/* An object begins at a depth from 0. */
void json__keys_open(struct json__keys *keys, size_t depth);
/* Borrows the (decoded) key. RPC_ALREADY_EXISTS: the object has it; RPC_RESOURCE_EXHAUSTED. */
enum rpc_code json__keys_add(struct json__keys *keys, size_t depth, struct span key);

/* --- numbers -----------------------------------------------------------------------------------
 */

/*
 * Reads a JSON number exactly: its value × 10^places. False if it is no JSON number, is no integer
 * then, or its magnitude is beyond 64 bits.
 */
bool json__number_read(struct span text, unsigned places, bool *ret_negative,
                       uint64_t *ret_magnitude);
/* Whether the text is a JSON number by its grammar. */
bool json__number_valid(struct span text);
/* Whether it is digits with at most a sign before them. */
bool json__number_plain(struct span text);
/* Write decimal text without a NUL and return its length, at most JSON__NUMBER_BYTES_MAX. */
size_t json__number_write(char *out, bool negative, uint64_t magnitude);
size_t json__number_write_places(char *out, bool negative, uint64_t magnitude, unsigned places);

/* --- values ------------------------------------------------------------------------------------
 */

enum json__token {
    JSON__TOKEN_FALSE,
    JSON__TOKEN_TRUE,
    JSON__TOKEN_NUMBER, /* the text is a valid JSON number */
    JSON__TOKEN_STRING, /* the text is valid UTF-8 without NUL */
    JSON__TOKEN_NULL,   /* only for a field that takes it */
    JSON__TOKEN_KEY,    /* a map's: a string, whatever the key's type */
    JSON__TOKEN_TEXT,   /* of a URL: the field's type says what it is */
};

/*
 * Stores a scalar at `slot`, which has the form of the field's type. RPC_INVALID_ARGUMENT: it does
 * not fit (nothing is stored); RPC_RESOURCE_EXHAUSTED: the arena is full.
 */
enum rpc_code json__value_store(const struct json_codec *codec, const struct json__field *field,
                                enum json__token token, struct span text, struct arena *arena,
                                void *slot);
/* Longest text of json__value_expected, in bytes with its NUL. */
#define JSON__EXPECTED_BYTES 64
/* Writes what a field's value has to be, for people, and returns the text: "a whole number". */
const char *json__value_expected(const struct json__field *field,
                                 char text[static JSON__EXPECTED_BYTES]);

/*
 * Where a single field of `message` lives. Wrappers get their message, whose value the slot is
 * then. RPC_INVALID_ARGUMENT: another member of its oneof is set; RPC_RESOURCE_EXHAUSTED.
 */
enum rpc_code json__slot_single(const struct json__field *field, ProtobufCMessage *message,
                                struct arena *arena, void **ret_slot);
/* Makes room for one element more, after those that are there; *capacity 0: that of a new array. */
enum rpc_code json__slot_element(const struct json__field *field, ProtobufCMessage *message,
                                 size_t *capacity, struct arena *arena, void **ret_slot);
/* Says that the field is there, or counts the element, once its slot has been filled. */
void json__slot_filled(const struct json__field *field, ProtobufCMessage *message);
/* A new initialised message; NULL: the arena is full. */
ProtobufCMessage *json__message_new(const struct json__plan *plan, struct arena *arena);
/* A single message of `message`, made and marked as there if it is not; codes of json__slot_single.
 */
enum rpc_code json__message_enter(const struct json__field *field, ProtobufCMessage *message,
                                  struct arena *arena, ProtobufCMessage **ret_inner);
/* The scalar that a slot's value is: a wrapper's `value`, else the field itself. */
static inline const struct json__field *json__scalar_of(const struct json__field *field)
{
    return field->kind == JSON__WRAPPER ? field->value : field;
}

static inline void *json__member(const void *message, size_t offset)
{
    return (uint8_t *)(uintptr_t)message + offset;
}

/*
 * Append the scalar of such a slot, and the key of a map's entry, which is always a string. False:
 * JSON has nothing for it. The buffer remembers if it is full.
 */
bool json__scalar_print(const struct json_codec *codec, const struct json__field *field,
                        const void *slot, struct buffer *out);
bool json__key_print(const struct json__field *field, const void *slot, struct buffer *out);

/* --- well-known types --------------------------------------------------------------------------
 */

/* Whether JSON has a string for a message of this form. */
static inline bool json__form_is_text(enum json__form form)
{
    return form == JSON__TIMESTAMP || form == JSON__DURATION || form == JSON__FIELD_MASK;
}

/* Fills a message of such a form. RPC_INVALID_ARGUMENT, RPC_RESOURCE_EXHAUSTED. */
enum rpc_code json__known_parse(const struct json__plan *plan, struct span text,
                                struct arena *arena, ProtobufCMessage *message);
/* Appends it as a string with its quotes. False: JSON has no text for it. */
bool json__known_print(const struct json__plan *plan, const ProtobufCMessage *message,
                       struct buffer *out);

/* The plan of the message that an Any's type URL names; NULL: the registry has none. */
const struct json__plan *json__any_plan(const struct json_codec *codec, struct span url);
/* Packs `inner` into an Any. RPC_RESOURCE_EXHAUSTED. */
enum rpc_code json__any_pack(const struct json__plan *plan, ProtobufCMessage *any, struct span url,
                             const ProtobufCMessage *inner, struct arena *arena);

#endif
