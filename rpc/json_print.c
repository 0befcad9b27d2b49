/*
 * Printing: walks a message with a stack of its own and appends to one buffer. Room is asked for
 * once a field, so that most fields are a copy of their name and a few bytes behind it.
 */
#include <math.h>
#include <string.h>

#include "rpc/json_internal.h"
#include "rpc/unpack.h"

#define REDACTED "\"[redacted]\""

enum frame_kind {
    FRAME_OBJECT, /* a message's fields */
    FRAME_LIST,
    FRAME_MAP,
    FRAME_ANY, /* an Any that is empty, or whose value is printed by the frame above it */
};

/* An open object or list. */
struct frame {
    enum frame_kind kind;
    bool begun;                      /* something has been printed in it */
    const ProtobufCMessage *message; /* OBJECT */
    const struct json__plan *plan;   /* OBJECT: the message's; else of the one that has the list */
    const struct json__field *list;  /* LIST, MAP: whose messages or entries are printed */
    ProtobufCMessage *const *items;
    size_t count; /* fields or items */
    size_t next;
};

struct printer {
    const struct json_codec *codec;
    struct buffer *out;
    struct rpc_status *status;
    const struct json__plan *root;
    bool has_arena;
    struct arena arena; /* for messages within an Any; once has_arena */
    size_t depth;
    struct frame frames[JSON_DEPTH_MAX];
};

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
    const struct json__plan *plan =
        printer->depth == 0 ? printer->root : printer->frames[printer->depth - 1].plan;
    return rpc_status_set(printer->status, RPC_INTERNAL, "field %s of %s %s",
                          field == NULL ? "" : field->name, plan->message->name, reason);
}

static enum rpc_code fail_value(struct printer *printer, const struct json__field *field)
{
    return fail(printer, field, "has no value that JSON can hold");
}

static struct arena *arena_of(struct printer *printer)
{
    if (!printer->has_arena)
        arena_init(&printer->arena, ARENA_CALL_BYTES_MAX);
    printer->has_arena = true;
    return &printer->arena;
}

static enum rpc_code push(struct printer *printer, const struct frame *frame,
                          const struct json__field *field)
{
    if (printer->depth == JSON_DEPTH_MAX)
        return fail(printer, field, "is nested too deeply");
    printer->frames[printer->depth++] = *frame;
    (void)buffer_append_byte(printer->out, frame->kind == FRAME_LIST ? '[' : '{');
    return RPC_OK;
}

static enum rpc_code push_object(struct printer *printer, const struct json__plan *plan,
                                 const ProtobufCMessage *message, const struct json__field *field)
{
    struct frame frame = {
        .kind = FRAME_OBJECT, .message = message, .plan = plan, .count = plan->field_count};
    return push(printer, &frame, field);
}

/* A map's key as bytes, to compare. */
static struct span key_of(const struct json__field *key, const ProtobufCMessage *entry)
{
    const void *slot = json__member(entry, key->offset);
    return key->kind == JSON__STRING ? span_of_string(*(char *const *)slot)
                                     : span_of(slot, key->element_bytes);
}

/*
 * A map's entries, of which the last counts where a key comes twice: what was packed may have it
 * so, JSON must not.
 */
static enum rpc_code push_map(struct printer *printer, struct frame *frame)
{
    const struct json__field *key = &frame->list->plan->fields[0];
    struct json__keys keys;
    ProtobufCMessage **kept = arena_calloc(arena_of(printer), frame->count, sizeof *kept);
    size_t first = frame->count;
    json__keys_init(&keys, arena_of(printer));
    json__keys_open(&keys, 0);
    for (size_t i = frame->count; kept != NULL && i > 0; i--) {
        enum rpc_code code = frame->items[i - 1] == NULL
                                 ? RPC_OK
                                 : json__keys_add(&keys, 0, key_of(key, frame->items[i - 1]));
        if (code == RPC_OK)
            kept[--first] = frame->items[i - 1];
        else if (code != RPC_ALREADY_EXISTS)
            kept = NULL;
    }
    if (kept == NULL)
        return rpc_status_set(printer->status, RPC_RESOURCE_EXHAUSTED, "the answer is too large");
    frame->items = kept + first;
    frame->count -= first;
    return push(printer, frame, frame->list);
}

/* A repeated field of messages, or a map. */
static enum rpc_code push_items(struct printer *printer, const struct json__plan *plan,
                                const ProtobufCMessage *message, const struct json__field *list)
{
    struct frame frame = {.kind = list->map ? FRAME_MAP : FRAME_LIST, .plan = plan, .list = list};
    frame.count = repeated_count(list, message);
    memcpy(&frame.items, json__member(message, list->offset), sizeof frame.items);
    return list->map && frame.count > 1 ? push_map(printer, &frame) : push(printer, &frame, list);
}

/* Begins an Any: its type, then the members of its message, or "value", which is still to come. */
static enum rpc_code open_any(struct printer *printer, const struct json__plan *any_plan,
                              const ProtobufCMessage *any, const struct json__field *field,
                              const struct json__plan **ret_plan, ProtobufCMessage **ret_inner)
{
    const char *url;
    ProtobufCBinaryData packed;
    memcpy(&url, json__member(any, any_plan->fields[0].offset), sizeof url);
    memcpy(&packed, json__member(any, any_plan->fields[1].offset), sizeof packed);
    const struct json__plan *plan = json__any_plan(printer->codec, span_of_string(url));
    if (plan == NULL)
        return fail(printer, field, "is of an unknown type");
    enum rpc_code code =
        rpc_message_unpack(plan->message->descriptor, span_of(packed.data, packed.len),
                           arena_of(printer), ret_inner, NULL);
    if (code != RPC_OK)
        return fail(printer, field, "does not hold what its type says");
    struct frame frame = {.kind = FRAME_ANY, .begun = true, .plan = any_plan};
    if (plan->form == JSON__PLAIN)
        frame = (struct frame){.kind = FRAME_OBJECT,
                               .begun = true,
                               .message = *ret_inner,
                               .plan = plan,
                               .count = plan->field_count};
    code = push(printer, &frame, field);
    (void)buffer_append_string(printer->out, "\"@type\":");
    (void)json_append_string(printer->out, span_of_string(url));
    if (plan->form != JSON__PLAIN)
        (void)buffer_append_string(printer->out, ",\"value\":");
    *ret_plan = plan;
    return code;
}

static bool is_empty_any(const struct json__plan *plan, const ProtobufCMessage *any)
{
    return !is_set(&plan->fields[0], any) && !is_set(&plan->fields[1], any);
}

/* The member of a google.protobuf.Value that is set; NULL: none. */
static const struct json__field *member_of(const struct json__plan *plan,
                                           const ProtobufCMessage *value)
{
    for (size_t i = 0; i < plan->field_count; i++) {
        if (is_set(&plan->fields[i], value))
            return &plan->fields[i];
    }
    return NULL;
}

/* A Value that is no message. */
static enum rpc_code print_dynamic(struct printer *printer, const struct json__field *member,
                                   const ProtobufCMessage *value, const struct json__field *field)
{
    const void *slot = json__member(value, member->offset);
    if (member->kind == JSON__DOUBLE && !isfinite(*(const double *)slot))
        return fail_value(printer, field);
    return json__scalar_print(printer->codec, member, slot, printer->out)
               ? RPC_OK
               : fail_value(printer, field);
}

/* A message in its form; may push. `field` has it, or NULL. */
static enum rpc_code print_message(struct printer *printer, const struct json__plan *plan,
                                   const ProtobufCMessage *message, const struct json__field *field)
{
    enum rpc_code code = RPC_OK;
    /* An Any may hold an Any, and a Value holds a Struct or a list. */
    while (plan->form == JSON__ANY && code == RPC_OK && !is_empty_any(plan, message)) {
        ProtobufCMessage *inner = NULL;
        code = open_any(printer, plan, message, field, &plan, &inner);
        if (code != RPC_OK || plan->form == JSON__PLAIN)
            return code;
        message = inner;
    }
    const struct json__field *member = &plan->fields[0];
    if (plan->form == JSON__VALUE) {
        member = member_of(plan, message);
        if (member == NULL)
            return fail_value(printer, field);
        if (member->kind != JSON__MESSAGE)
            return print_dynamic(printer, member, message, field);
        memcpy(&message, json__member(message, member->offset), sizeof message);
        plan = member->plan;
        member = &plan->fields[0];
    }
    switch (plan->form) {
    case JSON__PLAIN:
        return push_object(printer, plan, message, field);
    case JSON__WRAPPED:
        return json__scalar_print(printer->codec, member, json__member(message, member->offset),
                                  printer->out)
                   ? RPC_OK
                   : fail_value(printer, field);
    case JSON__TIMESTAMP:
    case JSON__DURATION:
    case JSON__FIELD_MASK:
        return json__known_print(plan, message, printer->out) ? RPC_OK : fail_value(printer, field);
    case JSON__STRUCT:
    case JSON__LIST_VALUE:
        return push_items(printer, plan, message, member);
    case JSON__ANY:
        return push(printer, &(struct frame){.kind = FRAME_ANY, .plan = plan}, field);
    case JSON__VALUE:
        break;
    }
    return fail_value(printer, field);
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
            return print_message(printer, field->plan, message, field);
        slot = json__member(message, field->value->offset);
        field = field->value;
    }
    return json__scalar_print(printer->codec, field, slot, printer->out)
               ? RPC_OK
               : fail_value(printer, field);
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
    if (field->kind == JSON__MESSAGE)
        return push_items(printer, frame->plan, frame->message, field);
    if (printer->depth == JSON_DEPTH_MAX)
        return fail(printer, field, "is nested too deeply");
    const void *items = *(void *const *)json__member(frame->message, field->offset);
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

/* A single field that is not set. */
static enum rpc_code print_absent(struct printer *printer, struct frame *frame,
                                  const struct json__field *field)
{
    const struct json_options *options = &printer->codec->options;
    bool has_default = field->kind != JSON__MESSAGE && field->kind != JSON__WRAPPER &&
                       field->presence != JSON__HAS;
    if (field->presence == JSON__CASE ||
        !(has_default ? options->print_defaults : options->print_nulls))
        return RPC_OK;
    print_name(printer, frame, field);
    if (has_default)
        return print_value(printer, field, json__member(frame->message, field->offset));
    (void)buffer_append(printer->out, "null", 4);
    return RPC_OK;
}

static enum rpc_code print_field(struct printer *printer, struct frame *frame,
                                 const struct json__field *field)
{
    if (field->hidden)
        return RPC_OK;
    if (field->repeated)
        return print_list(printer, frame, field);
    if (!is_set(field, frame->message))
        return print_absent(printer, frame, field);
    print_name(printer, frame, field);
    if (field->redacted) {
        (void)buffer_append_string(printer->out, REDACTED);
        return RPC_OK;
    }
    return print_value(printer, field, json__member(frame->message, field->offset));
}

/* An entry of a map: its key, and its value by the entry's second field. */
static enum rpc_code print_entry(struct printer *printer, const struct json__field *map,
                                 const ProtobufCMessage *entry)
{
    const struct json__field *key = &map->plan->fields[0], *value = &map->plan->fields[1];
    if (!json__key_print(key, json__member(entry, key->offset), printer->out))
        return fail(printer, map, "has no key that JSON can hold");
    (void)buffer_append_byte(printer->out, ':');
    const void *slot = json__member(entry, value->offset);
    ProtobufCMessage *empty = NULL;
    bool is_message = value->kind == JSON__MESSAGE || value->kind == JSON__WRAPPER;
    /* A message that was left out of an entry is an empty one. */
    if (is_message && *(void *const *)slot == NULL) {
        empty = json__message_new(value->plan, arena_of(printer));
        slot = &empty;
    }
    return print_value(printer, value, slot);
}

static enum rpc_code print_item(struct printer *printer, struct frame *frame,
                                const ProtobufCMessage *item)
{
    if (frame->begun)
        (void)buffer_append_byte(printer->out, ',');
    frame->begun = true;
    if (item == NULL)
        return fail(printer, frame->list, "lacks a message");
    if (frame->kind == FRAME_MAP)
        return print_entry(printer, frame->list, item);
    return print_message(printer, frame->list->plan, item, frame->list);
}

/* Prints until only so many frames are open. */
static enum rpc_code walk(struct printer *printer, size_t floor)
{
    enum rpc_code code = RPC_OK;
    while (printer->depth > floor && code == RPC_OK && !printer->out->failed) {
        struct frame *frame = &printer->frames[printer->depth - 1];
        if (frame->next == frame->count) {
            (void)buffer_append_byte(printer->out, frame->kind == FRAME_LIST ? ']' : '}');
            printer->depth--;
            continue;
        }
        size_t at = frame->next++;
        if (frame->kind == FRAME_OBJECT)
            code = print_field(printer, frame, &frame->plan->fields[at]);
        else
            code = print_item(printer, frame, frame->items[at]);
    }
    return code;
}

static void begin(struct printer *printer, const struct json_codec *codec,
                  const struct json__plan *plan, struct buffer *out, struct rpc_status *status)
{
    printer->codec = codec;
    printer->out = out;
    printer->status = status;
    printer->root = plan;
    printer->has_arena = false;
    printer->depth = 0;
}

static enum rpc_code end(struct printer *printer, enum rpc_code code)
{
    if (printer->has_arena)
        arena_fini(&printer->arena);
    if (code == RPC_OK && printer->out->failed)
        code = rpc_status_set(printer->status, RPC_RESOURCE_EXHAUSTED, "the answer is too large");
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
    begin(&printer, codec, plan, out, status);
    enum rpc_code code = print_message(&printer, plan, message, NULL);
    if (code == RPC_OK)
        code = walk(&printer, 0);
    return end(&printer, code);
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
    begin(&printer, codec, plan, out, status);
    printer.depth = 1;
    printer.frames[0] = (struct frame){.kind = FRAME_OBJECT, .message = message, .plan = plan};
    enum rpc_code code = print_field(&printer, &printer.frames[0], &bare);
    if (code == RPC_OK)
        code = walk(&printer, 1);
    if (code == RPC_OK && out->len == before)
        (void)buffer_append(out, "null", 4);
    return end(&printer, code);
}
