/*
 * The proto3 JSON mapping (protobuf.dev/programming-guides/json), the well-known types included, by
 * plans that are made once from the registry. Our API's own choices are options on top. protobuf's
 * conformance suite holds the codec to it (test/conformance).
 *
 * Stricter than the mapping has to be, always: a member given twice, \u0000 (a C string would be
 * cut), a nesting deeper than JSON_DEPTH_MAX. A oneof's members exclude each other; null is absence
 * (but a google.protobuf.Value is it), and refused within a list or a map. An Any is of a type of
 * the registry.
 */
#ifndef RPC_JSON_H
#define RPC_JSON_H

#include "rpc/base/buffer.h"
#include "rpc/registry.h"
#include "rpc/status.h"

/* Nesting at most, of objects and arrays together. */
#define JSON_DEPTH_MAX 32
/* Integers that a JSON number carries exactly: below 2^53. */
#define JSON_INTEGER_MAX ((int64_t)9007199254740991)

struct json_codec; /* immutable, any thread */

/* All false: the proto3 JSON mapping as it stands, with unknown members refused. */
struct json_options {
    /* 64-bit integers are JSON numbers too. One outside ±(2^53 - 1) is an error, both ways. */
    bool integers_as_numbers;
    /* An integer with decimal_places (lotcast.v1.field) is the number that it stands for: 12.5. */
    bool decimals;
    /* A number is taken only as a JSON number, never quoted; one for an integer has neither a point
     * nor an exponent. NaN and the infinities are errors, both ways. */
    bool strict_numbers;
    /* Every field is printed that is not a message, and of a oneof only the member that is set. */
    bool print_defaults;
    /* Messages, and fields with a presence of their own, that are absent are printed as null. */
    bool print_nulls;
    bool hide_session_token; /* fields marked session_token are not printed */
    bool hide_redacted;  /* fields marked redacted print as "[redacted]" (for logs and terminals) */
    bool strict_names;   /* only the JSON name is taken, not the .proto name too */
    bool ignore_unknown; /* members that no field has, and names that an enum lacks, are skipped */
};

/* The options of the REST API. */
extern const struct json_options json_options_api;

/* Makes a plan for every message of the registry, which must outlive the codec. */
enum rpc_code json_codec_create(const struct registry *registry, const struct json_options *options,
                                struct json_codec **ret_codec, struct rpc_status *status)
    __attribute__((warn_unused_result));
void json_codec_destroy(struct json_codec *codec);

/*
 * Parses `text` into `message` (initialised, of a type of the registry), allocating in `arena`.
 * Fields that are absent or null stay as they are. Empty text is an error; the caller decides what
 * a missing body means. Errors, the first that holds over the whole text: INVALID_JSON      not
 * JSON (RFC 8259), a duplicate key, bad UTF-8, a lone surrogate, \u0000, nesting deeper than 32;
 * position set UNKNOWN_FIELD     field set to its path INVALID_ARGUMENT  a value that the field's
 * type cannot hold; field set RESOURCE_EXHAUSTED  (plain) the arena is full
 */
enum rpc_code json_parse(const struct json_codec *codec, struct span text, struct arena *arena,
                         ProtobufCMessage *message, struct rpc_status *status)
    __attribute__((warn_unused_result));

/*
 * Sets one field by its JSON path ("filters.inStock"; [] brackets are the caller's to translate)
 * from the text of a path variable or a query parameter, as google.api.http has it.
 * UNKNOWN_FIELD: there is none, or it is no scalar; INVALID_ARGUMENT: the text does not fit.
 */
enum rpc_code json_set_from_text(const struct json_codec *codec, ProtobufCMessage *message,
                                 struct span path, struct span text, struct arena *arena,
                                 struct rpc_status *status) __attribute__((warn_unused_result));

/*
 * Appends `message` as JSON. RPC_INTERNAL for an integer beyond 2^53, a NaN, bad UTF-8 or nesting
 * that json_parse would refuse; RPC_RESOURCE_EXHAUSTED when the buffer's maximum is reached, or
 * nearly so. What was appended before a failure stays there.
 */
enum rpc_code json_print(const struct json_codec *codec, const ProtobufCMessage *message,
                         struct buffer *out, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* As json_print, the value of one field of `message` alone; null for one that would not be printed.
 */
enum rpc_code json_print_field(const struct json_codec *codec, const ProtobufCMessage *message,
                               const struct registry_field *field, struct buffer *out,
                               struct rpc_status *status) __attribute__((warn_unused_result));

/* Appends `text` as a JSON string with its quotes; bad UTF-8 is replaced. False: the buffer is
 * full. */
bool json_append_string(struct buffer *out, struct span text);

/*
 * Checks that `text` is one JSON value as the API takes it: what INVALID_JSON above says, without
 * building anything. False with the offset of the first offence.
 */
bool json_text_check(struct span text, size_t *ret_position);

#endif
