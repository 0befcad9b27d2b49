/*
 * What a parse is made of, shared by json_parse.c, which walks a text, and json_error.c, which says
 * where and why it stopped.
 */
#ifndef RPC_JSON_PARSER_H
#define RPC_JSON_PARSER_H

#include "rpc/json_internal.h"

#define JSON__ANY_TYPE "@type"
#define JSON__ANY_VALUE "value"

enum json__frame_kind {
    JSON__FRAME_OBJECT,
    JSON__FRAME_LIST,
    JSON__FRAME_MAP,
    JSON__FRAME_ANY, /* an Any of a message that has a JSON form of its own, as its member "value"
                      */
};

struct json__frame {
    enum json__frame_kind kind;
    bool begun;                    /* a member or an element has been met */
    ProtobufCMessage *message;     /* OBJECT: this one; LIST, MAP: the one that has the field; ANY:
                                      the one inside */
    const struct json__plan *plan; /* OBJECT, ANY: of that message */
    const struct json__field
        *field;            /* OBJECT: the member whose value is next, or NULL; else the list */
    size_t next;           /* OBJECT: the field that is guessed next; LIST: elements begun */
    size_t capacity;       /* LIST and MAP: of the field's array */
    struct span key;       /* MAP: of the entry whose value is next */
    uint64_t few_seen;     /* where `seen` points for up to 64 fields */
    uint64_t *seen;        /* OBJECT: a bit a field */
    ProtobufCMessage *any; /* OBJECT, ANY: the Any that `message` is packed into at the end */
    struct span url;       /* of that Any */
};

struct json__parser {
    const struct json_codec *codec;
    struct span text;
    size_t at;
    bool checked; /* the whole text is JSON */
    struct arena *arena;
    struct rpc_status *status;
    ProtobufCMessage *root;
    const struct json__plan *root_plan;
    enum rpc_code code; /* of the first error; RPC_OK: the text is not JSON */
    size_t depth;
    struct json__frame frames[JSON_DEPTH_MAX];
};

/*
 * Each notes an error at the parser's place and returns false, which ends the walk. A walk that
 * ends so with nothing noted has met what is not JSON.
 */
bool json__fail_memory(struct json__parser *parser);
/* The innermost object has no such member. */
bool json__fail_unknown(struct json__parser *parser, struct span key);
/* INVALID_ARGUMENT with a message for people. */
bool json__fail_message(struct json__parser *parser, const char *message);
/* "This must be …". */
bool json__fail_value(struct json__parser *parser, const char *expected);
/* The value is none that the field, or a message of that plan, can hold. */
bool json__fail_type(struct json__parser *parser, const struct json__field *field);
bool json__fail_form(struct json__parser *parser, const struct json__plan *plan);
/* A slot's code other than RPC_OK. */
bool json__fail_slot(struct json__parser *parser, enum rpc_code code);
/* Not JSON. */
enum rpc_code json__fail_json(struct rpc_status *status, size_t position);

#endif
