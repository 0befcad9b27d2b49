/*
 * Parsing: the text is checked as a whole first (json_text.c), so what yajl then calls back with is
 * valid JSON, and the first error found is the first of the text.
 *
 * A stack of frames stands for the open objects and lists; its depth is bounded by the check.
 * yajl's own memory is one block, large enough by what the check has seen, because yajl never looks
 * whether an allocation failed: on the stack for most texts, in the call's arena where a text needs
 * more.
 */
#include <assert.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "rpc/json_internal.h"

/* yajl's handle, lexer and state stack, which our depth never grows, and a buffer's first 2 KiB for
 * the blank that ends a text: 2.5 KB as measured with 2.1.0. */
#define YAJL_BYTES_FIXED 4096
/* A buffer begins with 2 KiB and doubles until it is larger than its text; old ones are not reused.
 */
#define YAJL_BUFFER_BYTES(len) (4096 + 4 * (len))
#define YAJL_ALIGNMENT _Alignof(max_align_t)

enum frame_kind { FRAME_OBJECT, FRAME_LIST, FRAME_MAP };

struct frame {
    enum frame_kind kind;
    ProtobufCMessage *message;     /* OBJECT: this one; LIST and MAP: the one that has the field */
    const struct json__plan *plan; /* OBJECT */
    const struct json__field
        *field;      /* OBJECT: the member whose value is next, or NULL; else the list */
    size_t next;     /* OBJECT: the field that is guessed next; LIST: elements begun */
    size_t capacity; /* LIST and MAP: of the field's array */
    struct span key; /* MAP: of the entry whose value is next */
    uint64_t *seen;  /* OBJECT: a bit a field, where a field has more names than one */
};

struct parser {
    const struct json_codec *codec;
    struct arena *arena;
    struct rpc_status *status;
    ProtobufCMessage *root;
    const struct json__plan *root_plan;
    enum rpc_code code; /* of the first error */
    size_t depth;
    struct frame frames[JSON_DEPTH_MAX];
};

/* --- errors ------------------------------------------------------------------------------------
 */

struct path {
    char text[RPC_STATUS_FIELD_BYTES * 2]; /* the status cuts it further */
    size_t len;
};

static void path_add(struct path *path, const char *before, const void *text, size_t len)
{
    size_t room = sizeof path->text - 1 - path->len;
    size_t before_len = strlen(before);
    if (before_len + len > room)
        len = before_len > room ? 0 : room - before_len;
    if (before_len <= room) {
        memcpy(path->text + path->len, before, before_len);
        if (len > 0)
            memcpy(path->text + path->len + before_len, text, len);
        path->len += before_len + len;
    }
    path->text[path->len] = '\0';
}

/* Where the parser is: `targeting.countries[0]`. */
static void path_make(const struct parser *parser, struct path *path)
{
    path->len = 0;
    path->text[0] = '\0';
    for (size_t i = 0; i < parser->depth; i++) {
        const struct frame *frame = &parser->frames[i];
        char index[JSON__NUMBER_BYTES_MAX + 1];
        switch (frame->kind) {
        case FRAME_OBJECT:
            if (frame->field != NULL)
                path_add(path, path->len == 0 ? "" : ".", frame->field->name,
                         frame->field->name_len);
            break;
        case FRAME_LIST: {
            size_t len = json__number_write(index, false, frame->next - 1);
            index[len++] = ']';
            path_add(path, "[", index, len);
            break;
        }
        case FRAME_MAP:
            path_add(path, ".", frame->key.data, frame->key.len);
            break;
        }
    }
}

/* Each of these returns 0, which stops yajl. */
static int fail_memory(struct parser *parser)
{
    parser->code =
        rpc_status_set(parser->status, RPC_RESOURCE_EXHAUSTED, "the request is too large");
    return 0;
}

static int fail_unknown(struct parser *parser, struct span key)
{
    struct path path;
    parser->frames[parser->depth - 1].field = NULL;
    path_make(parser, &path);
    path_add(&path, path.len == 0 ? "" : ".", key.data, key.len);
    parser->code =
        rpc_status_fail(parser->status, LOTCAST__V1__REASON__REASON_UNKNOWN_FIELD, path.text);
    return 0;
}

static int fail_value(struct parser *parser, const char *expected)
{
    struct path path;
    path_make(parser, &path);
    parser->code =
        rpc_status_fail_message(parser->status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                                path.text, "This must be %s", expected);
    return 0;
}

/* The value is none that the field can hold. */
static int fail_type(struct parser *parser, const struct json__field *field)
{
    char expected[JSON__EXPECTED_BYTES];
    return fail_value(parser, json__value_expected(field, expected));
}

static int fail_message(struct parser *parser, const char *message)
{
    struct path path;
    path_make(parser, &path);
    parser->code = rpc_status_fail_message(
        parser->status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, path.text, "%s", message);
    return 0;
}

/* --- where a value goes ------------------------------------------------------------------------
 */

static struct frame *top(struct parser *parser)
{
    return parser->depth == 0 ? NULL : &parser->frames[parser->depth - 1];
}

static int push_object(struct parser *parser, const struct json__plan *plan,
                       ProtobufCMessage *message)
{
    assert(parser->depth < JSON_DEPTH_MAX);
    struct frame frame = {.kind = FRAME_OBJECT, .message = message, .plan = plan};
    if (!parser->codec->options.strict_names) {
        frame.seen = arena_calloc(parser->arena, plan->field_count / 64 + 1, sizeof(uint64_t));
        if (frame.seen == NULL)
            return fail_memory(parser);
    }
    parser->frames[parser->depth++] = frame;
    return 1;
}

/* A map's new entry with its key; its value's slot. */
static enum rpc_code slot_entry(struct parser *parser, struct frame *frame,
                                const struct json__field **ret_field, ProtobufCMessage **ret_owner,
                                void **ret_slot)
{
    const struct json__plan *plan = frame->field->plan;
    void *element;
    enum rpc_code code =
        json__slot_element(frame->field, frame->message, &frame->capacity, parser->arena, &element);
    if (code != RPC_OK)
        return code;
    ProtobufCMessage *entry = json__message_new(plan, parser->arena);
    if (entry == NULL)
        return RPC_RESOURCE_EXHAUSTED;
    memcpy(element, &entry, sizeof entry);
    const struct json__field *key = &plan->fields[0];
    code = json__value_store(parser->codec, key, JSON__TOKEN_TEXT, frame->key, parser->arena,
                             json__member(entry, key->offset));
    if (code != RPC_OK)
        return code;
    json__slot_filled(frame->field, frame->message);
    *ret_field = &plan->fields[1];
    *ret_owner = entry;
    return json__slot_single(*ret_field, entry, parser->arena, ret_slot);
}

/* The field that the next value is for, the message that has it, and its slot; 0 after a failure.
 */
static int slot_next(struct parser *parser, const struct json__field **ret_field,
                     ProtobufCMessage **ret_owner, void **ret_slot)
{
    struct frame *frame = top(parser);
    enum rpc_code code = RPC_INTERNAL;
    *ret_field = frame->field;
    *ret_owner = frame->message;
    switch (frame->kind) {
    case FRAME_OBJECT:
        if (frame->field->repeated)
            return fail_value(parser, frame->field->map ? "an object" : "a list");
        code = json__slot_single(frame->field, frame->message, parser->arena, ret_slot);
        if (code == RPC_INVALID_ARGUMENT)
            return fail_message(parser, "Only one of several fields may be given");
        break;
    case FRAME_LIST:
        code = json__slot_element(frame->field, frame->message, &frame->capacity, parser->arena,
                                  ret_slot);
        break;
    case FRAME_MAP:
        code = slot_entry(parser, frame, ret_field, ret_owner, ret_slot);
        if (code == RPC_INVALID_ARGUMENT)
            return fail_message(parser, "This is not a valid key");
        break;
    }
    return code == RPC_OK ? 1 : fail_memory(parser);
}

/* --- yajl's callbacks --------------------------------------------------------------------------
 */

/* A list's element has begun. */
static void begin_value(struct parser *parser)
{
    struct frame *frame = top(parser);
    if (frame != NULL && frame->kind == FRAME_LIST)
        frame->next++;
}

static int store(struct parser *parser, const struct json__field *field, ProtobufCMessage *owner,
                 void *slot, enum json__token token, struct span text)
{
    enum rpc_code code =
        json__value_store(parser->codec, json__scalar_of(field), token, text, parser->arena, slot);
    if (code == RPC_RESOURCE_EXHAUSTED)
        return fail_memory(parser);
    if (code != RPC_OK)
        return fail_type(parser, field);
    json__slot_filled(field, owner);
    return 1;
}

static int on_scalar(struct parser *parser, enum json__token token, struct span text)
{
    const struct json__field *field;
    ProtobufCMessage *owner;
    void *slot;
    begin_value(parser);
    if (parser->depth == 0) {
        if (!parser->root_plan->wrapper)
            return fail_value(parser, "an object");
        field = &parser->root_plan->fields[0];
        return store(parser, field, parser->root, json__member(parser->root, field->offset), token,
                     text);
    }
    if (!slot_next(parser, &field, &owner, &slot))
        return 0;
    return store(parser, field, owner, slot, token, text);
}

static int on_null(void *context)
{
    struct parser *parser = context;
    begin_value(parser);
    const struct frame *frame = top(parser);
    if (frame == NULL)
        return fail_value(parser, "an object");
    if (frame->kind != FRAME_OBJECT)
        return fail_message(parser, "This must not be null");
    return 1; /* as if it were not there */
}

static int on_boolean(void *context, int value)
{
    return on_scalar(context, value ? JSON__TOKEN_TRUE : JSON__TOKEN_FALSE, (struct span){NULL, 0});
}

static int on_number(void *context, const char *text, size_t len)
{
    return on_scalar(context, JSON__TOKEN_NUMBER, span_of(text, len));
}

static int on_string(void *context, const unsigned char *text, size_t len)
{
    return on_scalar(context, JSON__TOKEN_STRING, span_of(text, len));
}

/* An object where a map's field is next. */
static int push_container(struct parser *parser, enum frame_kind kind)
{
    const struct frame *frame = top(parser);
    assert(parser->depth < JSON_DEPTH_MAX);
    parser->frames[parser->depth++] =
        (struct frame){.kind = kind, .message = frame->message, .field = frame->field};
    return 1;
}

static int on_start_map(void *context)
{
    struct parser *parser = context;
    begin_value(parser);
    struct frame *frame = top(parser);
    if (frame == NULL && !parser->root_plan->wrapper)
        return push_object(parser, parser->root_plan, parser->root);
    if (frame == NULL)
        return fail_type(parser, &parser->root_plan->fields[0]);
    if (frame->kind == FRAME_OBJECT && frame->field->map)
        return push_container(parser, FRAME_MAP);
    const struct json__field *field;
    ProtobufCMessage *owner, *message = NULL;
    void *slot;
    const struct json__field *expected =
        frame->kind == FRAME_MAP ? &frame->field->plan->fields[1] : frame->field;
    if (expected->kind != JSON__MESSAGE)
        return fail_type(parser, expected);
    if (!slot_next(parser, &field, &owner, &slot))
        return 0;
    /* A single message that is there already is merged into. */
    if (frame->kind == FRAME_OBJECT)
        memcpy(&message, slot, sizeof message);
    if (message == NULL)
        message = json__message_new(field->plan, parser->arena);
    if (message == NULL)
        return fail_memory(parser);
    memcpy(slot, &message, sizeof message);
    json__slot_filled(field, owner);
    return push_object(parser, field->plan, message);
}

static int on_map_key(void *context, const unsigned char *text, size_t len)
{
    struct parser *parser = context;
    struct frame *frame = top(parser);
    struct span key = span_of(text, len);
    if (frame->kind == FRAME_MAP) {
        /* Kept until the value comes: yajl's own copy does not last. */
        frame->key = span_of(arena_strndup(parser->arena, text, len), len);
        return frame->key.data == NULL ? fail_memory(parser) : 1;
    }
    const struct json__plan *plan = frame->plan;
    const struct json__field *field = NULL;
    if (frame->next < plan->field_count) {
        const struct json__field *guess = &plan->fields[frame->next];
        if (guess->name_len == len && memcmp(guess->name, text, len) == 0)
            field = guess;
    }
    if (field == NULL)
        field = json__field_find(plan, key);
    if (field == NULL)
        return fail_unknown(parser, key);
    size_t index = (size_t)(field - plan->fields);
    frame->field = field;
    frame->next = index + 1;
    if (frame->seen != NULL) {
        uint64_t bit = (uint64_t)1 << (index % 64);
        if ((frame->seen[index / 64] & bit) != 0)
            return fail_message(parser, "This is given twice");
        frame->seen[index / 64] |= bit;
    }
    return 1;
}

static int on_start_array(void *context)
{
    struct parser *parser = context;
    begin_value(parser);
    const struct frame *frame = top(parser);
    if (frame == NULL)
        return fail_value(parser, "an object");
    const struct json__field *field = frame->field;
    if (frame->kind == FRAME_OBJECT && field->map)
        return fail_value(parser, "an object");
    if (frame->kind == FRAME_MAP)
        field = &field->plan->fields[1];
    if (frame->kind != FRAME_OBJECT || !field->repeated)
        return fail_type(parser, field);
    return push_container(parser, FRAME_LIST);
}

static int on_end(void *context)
{
    struct parser *parser = context;
    parser->depth--;
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start_map,
    .yajl_map_key = on_map_key,
    .yajl_end_map = on_end,
    .yajl_start_array = on_start_array,
    .yajl_end_array = on_end,
};

/* --- yajl's memory -----------------------------------------------------------------------------
 */

struct block {
    uint8_t *bytes;
    size_t size;
    size_t used;
};

static void *block_malloc(void *context, size_t size)
{
    struct block *block = context;
    /* Each allocation remembers its size before it, for realloc. */
    size_t padded = (size + 2 * YAJL_ALIGNMENT - 1) / YAJL_ALIGNMENT * YAJL_ALIGNMENT;
    assert(block->size - block->used >= padded);
    uint8_t *start = block->bytes + block->used;
    memcpy(start, &size, sizeof size);
    block->used += padded;
    return start + YAJL_ALIGNMENT;
}

static void *block_realloc(void *context, void *pointer, size_t size)
{
    void *fresh = block_malloc(context, size);
    if (pointer != NULL) {
        size_t old;
        memcpy(&old, (uint8_t *)pointer - YAJL_ALIGNMENT, sizeof old);
        memcpy(fresh, pointer, old < size ? old : size);
    }
    return fresh;
}

static void block_free(void *context, void *pointer)
{
    (void)context; /* goes with the arena */
    (void)pointer;
}

/* Bytes that yajl needs at most. */
static size_t block_bytes(struct span text, bool escapes)
{
    size_t size = YAJL_BYTES_FIXED;
    if (escapes) /* strings with them are decoded into a buffer */
        size += YAJL_BUFFER_BYTES(text.len);
    if (text.data[text.len - 1] >= '0' && text.data[text.len - 1] <= '9')
        size += YAJL_BUFFER_BYTES(text.len); /* a number that ends the text is copied to one */
    return size;
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static enum rpc_code fail_json(struct rpc_status *status, size_t position)
{
    enum rpc_code code = rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_JSON, NULL);
    if (status != NULL)
        status->position = (int64_t)position;
    return code;
}

static enum rpc_code run_yajl(struct parser *parser, struct span text, bool escapes)
{
    _Alignas(YAJL_ALIGNMENT) uint8_t fixed[YAJL_BYTES_FIXED];
    struct block block = {.bytes = fixed, .size = block_bytes(text, escapes)};
    if (block.size > sizeof fixed)
        block.bytes = arena_alloc(parser->arena, block.size);
    if (block.bytes == NULL) {
        (void)fail_memory(parser);
        return parser->code;
    }
    yajl_alloc_funcs memory = {block_malloc, block_realloc, block_free, &block};
    yajl_handle handle = yajl_alloc(&callbacks, &memory, parser);
    (void)yajl_config(handle, yajl_dont_validate_strings, 1); /* checked already, and better */
    yajl_status result = yajl_parse(handle, text.data, text.len);
    if (result == yajl_status_ok)
        result = yajl_complete_parse(handle);
    size_t position = yajl_get_bytes_consumed(handle);
    yajl_free(handle);
    if (parser->code != RPC_OK)
        return parser->code;
    return result == yajl_status_ok ? RPC_OK : fail_json(parser->status, position);
}

enum rpc_code json_parse(const struct json_codec *codec, struct span text, struct arena *arena,
                         ProtobufCMessage *message, struct rpc_status *status)
{
    const struct json__plan *plan = json__plan_of(codec, message->descriptor);
    if (plan == NULL)
        return rpc_status_set(status, RPC_INTERNAL, "message %s is not in the registry",
                              message->descriptor->name);
    bool escapes = false;
    size_t position = 0;
    enum rpc_code code = json__text_check(text, arena, &escapes, &position);
    if (code == RPC_INVALID_ARGUMENT)
        return fail_json(status, position);
    if (code != RPC_OK)
        return rpc_status_set(status, code, "the request is too large");
    struct parser parser;
    parser.codec = codec;
    parser.arena = arena;
    parser.status = status;
    parser.root = message;
    parser.root_plan = plan;
    parser.code = RPC_OK;
    parser.depth = 0;
    return run_yajl(&parser, text, escapes);
}
