/*
 * Parsing, in one walk over the text: tokens are checked as they are met and go to their fields at
 * once. A stack of frames stands for the open objects and lists.
 *
 * An error of the text wins over a wrong value before it: when the walk fails, for whatever reason,
 * the whole text is checked (json_text.c), and what that finds is the answer. Where the walk itself
 * cannot see a duplicate key (maps, members that are skipped) or has to look ahead (the @type of an
 * Any may come last), the text is checked first: `checked`. What skips or looks ahead relies on it.
 */
#include <string.h>

#include "rpc/json_parser.h"

/* A value's token. */
struct token {
    enum json__token kind;
    struct span text;
};

/* Checks the whole text, once. False: it is not JSON. */
static bool check_text(struct json__parser *parser)
{
    size_t position = 0;
    if (parser->checked)
        return true;
    enum rpc_code code = json__text_check(parser->text, parser->arena, &position);
    parser->checked = code == RPC_OK;
    if (code == RPC_INVALID_ARGUMENT)
        parser->code = json__fail_json(parser->status, position);
    else if (code != RPC_OK)
        (void)json__fail_memory(parser);
    return parser->checked;
}

/* --- the text ----------------------------------------------------------------------------------
 */

/* The byte at which the next token begins; 0 at the end. */
static uint8_t next_byte(struct json__parser *parser)
{
    json__blanks_skip(parser->text, &parser->at);
    return parser->at == parser->text.len ? 0 : parser->text.data[parser->at];
}

/* A string at its quote; decoded, it lies in the arena, else in the text. */
static bool take_string(struct json__parser *parser, struct span *ret_string)
{
    struct span raw;
    bool escaped;
    if (!json__string_scan(parser->text, &parser->at, &raw, &escaped))
        return false;
    if (escaped)
        raw = json__string_decode(raw, parser->arena);
    if (raw.data == NULL)
        return json__fail_memory(parser);
    *ret_string = raw;
    return true;
}

static bool take_key(struct json__parser *parser, struct span *ret_key)
{
    if (next_byte(parser) != '"' || !take_string(parser, ret_key) || next_byte(parser) != ':')
        return false;
    parser->at++;
    return true;
}

/* Goes over the value at *at, and blanks before it, in a text that has been checked. */
static void skip_value(struct span text, size_t *at)
{
    size_t depth = 0;
    do {
        struct span raw;
        bool escaped;
        json__blanks_skip(text, at);
        uint8_t byte = text.data[*at];
        if (byte == '"') {
            (void)json__string_scan(text, at, &raw, &escaped);
        } else if (byte == '{' || byte == '[' || byte == '}' || byte == ']') {
            depth += byte == '{' || byte == '[' ? 1 : SIZE_MAX;
            (*at)++;
        } else if (byte == ',' || byte == ':') {
            (*at)++;
        } else {
            while (*at < text.len && strchr(",:]} \t\r\n", text.data[*at]) == NULL)
                (*at)++;
        }
    } while (depth > 0);
}

static bool skip_member(struct json__parser *parser)
{
    if (!check_text(parser))
        return false;
    skip_value(parser->text, &parser->at);
    return true;
}

/* --- where a value goes ------------------------------------------------------------------------
 */

static struct json__frame *top(struct json__parser *parser)
{
    return parser->depth == 0 ? NULL : &parser->frames[parser->depth - 1];
}

/* An object or a list begins at its bracket. False, too, where it is nested too deeply. */
static bool push(struct json__parser *parser, const struct json__frame *frame)
{
    if (parser->depth == JSON_DEPTH_MAX)
        return false;
    parser->at++;
    struct json__frame *pushed = &parser->frames[parser->depth++];
    *pushed = *frame;
    if (frame->kind != JSON__FRAME_OBJECT)
        return true;
    pushed->seen = &pushed->few_seen;
    if (frame->plan->field_count > 64)
        pushed->seen =
            arena_calloc(parser->arena, frame->plan->field_count / 64 + 1, sizeof(uint64_t));
    return pushed->seen == NULL ? json__fail_memory(parser) : true;
}

static bool push_map(struct json__parser *parser, const struct json__field *field,
                     ProtobufCMessage *message)
{
    struct json__frame frame = {.kind = JSON__FRAME_MAP, .message = message, .field = field};
    return check_text(parser) && push(parser, &frame);
}

static bool push_list(struct json__parser *parser, const struct json__field *field,
                      ProtobufCMessage *message)
{
    struct json__frame frame = {.kind = JSON__FRAME_LIST, .message = message, .field = field};
    return push(parser, &frame);
}

/* A map's new entry with its key; its value's slot. */
static enum rpc_code slot_entry(struct json__parser *parser, struct json__frame *frame,
                                ProtobufCMessage **ret_owner, void **ret_slot)
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
    code = json__value_store(parser->codec, key, JSON__TOKEN_KEY, frame->key, parser->arena,
                             json__member(entry, key->offset));
    if (code != RPC_OK)
        return code;
    *ret_owner = entry;
    return json__slot_single(&plan->fields[1], entry, parser->arena, ret_slot);
}

/* The field that the next value is for; NULL: it is for a message, in ret_plan and ret_message. */
static const struct json__field *target(struct json__parser *parser,
                                        const struct json__plan **ret_plan,
                                        ProtobufCMessage **ret_message)
{
    const struct json__frame *frame = top(parser);
    if (frame == NULL || frame->kind == JSON__FRAME_ANY) {
        *ret_plan = frame == NULL ? parser->root_plan : frame->plan;
        *ret_message = frame == NULL ? parser->root : frame->message;
        return NULL;
    }
    return frame->kind == JSON__FRAME_MAP ? &frame->field->plan->fields[1] : frame->field;
}

/* The slot of the field that the next value is for, and the message that has it. */
static bool slot_next(struct json__parser *parser, ProtobufCMessage **ret_owner, void **ret_slot)
{
    struct json__frame *frame = top(parser);
    enum rpc_code code = RPC_INTERNAL;
    *ret_owner = frame->message;
    switch (frame->kind) {
    case JSON__FRAME_OBJECT:
        if (frame->field->repeated)
            return json__fail_value(parser, frame->field->map ? "an object" : "a list");
        code = json__slot_single(frame->field, frame->message, parser->arena, ret_slot);
        return code == RPC_OK ? true : json__fail_slot(parser, code);
    case JSON__FRAME_LIST:
        code = json__slot_element(frame->field, frame->message, &frame->capacity, parser->arena,
                                  ret_slot);
        break;
    case JSON__FRAME_MAP:
        code = slot_entry(parser, frame, ret_owner, ret_slot);
        if (code == RPC_INVALID_ARGUMENT)
            return json__fail_message(parser, "This is not a valid key");
        break;
    case JSON__FRAME_ANY:
        break;
    }
    return code == RPC_OK ? true : json__fail_memory(parser);
}

/* Counts what slot_next gave room for, once it has been filled. */
static void slot_done(struct json__parser *parser, const struct json__field *field,
                      ProtobufCMessage *owner)
{
    const struct json__frame *frame = top(parser);
    if (frame->kind == JSON__FRAME_MAP)
        json__slot_filled(frame->field, frame->message);
    json__slot_filled(field, owner);
}

/* The message of the field that the next value is for; one that is there already is merged into. */
static bool message_next(struct json__parser *parser, const struct json__field *field,
                         ProtobufCMessage **ret_message)
{
    ProtobufCMessage *owner, *message = NULL;
    void *slot;
    if (!slot_next(parser, &owner, &slot))
        return false;
    if (top(parser)->kind == JSON__FRAME_OBJECT)
        memcpy(&message, slot, sizeof message);
    if (message == NULL)
        message = json__message_new(field->plan, parser->arena);
    if (message == NULL)
        return json__fail_memory(parser);
    memcpy(slot, &message, sizeof message);
    slot_done(parser, field, owner);
    *ret_message = message;
    return true;
}

/* --- scalars -----------------------------------------------------------------------------------
 */

static bool store(struct json__parser *parser, const struct json__field *field,
                  ProtobufCMessage *owner, struct token token, void *slot)
{
    enum rpc_code code = json__value_store(parser->codec, json__scalar_of(field), token.kind,
                                           token.text, parser->arena, slot);
    if (code == RPC_RESOURCE_EXHAUSTED)
        return json__fail_memory(parser);
    if (code == RPC_OK) {
        slot_done(parser, field, owner);
        return true;
    }
    /* A name that the enum lacks: as if the field, element or entry were not there. */
    if (field->kind == JSON__ENUM && token.kind == JSON__TOKEN_STRING &&
        parser->codec->options.ignore_unknown)
        return true;
    return json__fail_type(parser, field);
}

/* A scalar as a google.protobuf.Value. */
static bool store_value(struct json__parser *parser, const struct json__plan *plan,
                        ProtobufCMessage *message, struct token token)
{
    static const size_t members[] = {
        [JSON__TOKEN_FALSE] = 3,  [JSON__TOKEN_TRUE] = 3, [JSON__TOKEN_NUMBER] = 1,
        [JSON__TOKEN_STRING] = 2, [JSON__TOKEN_NULL] = 0,
    };
    const struct json__field *field = &plan->fields[members[token.kind]];
    void *slot;
    enum rpc_code code = json__slot_single(field, message, parser->arena, &slot);
    if (code != RPC_OK)
        return json__fail_slot(parser, code);
    code = json__value_store(parser->codec, field, token.kind, token.text, parser->arena, slot);
    if (code == RPC_INVALID_ARGUMENT)
        return json__fail_type(parser, field);
    if (code != RPC_OK)
        return json__fail_memory(parser);
    json__slot_filled(field, message);
    return true;
}

/* A scalar for a message that is no wrapper's field. */
static bool fill_message(struct json__parser *parser, const struct json__plan *plan,
                         ProtobufCMessage *message, struct token token)
{
    enum rpc_code code = RPC_INVALID_ARGUMENT;
    if (plan->form == JSON__VALUE)
        return store_value(parser, plan, message, token);
    if (plan->form == JSON__WRAPPED)
        code = json__value_store(parser->codec, &plan->fields[0], token.kind, token.text,
                                 parser->arena, json__member(message, plan->fields[0].offset));
    else if (json__form_is_text(plan->form) && token.kind == JSON__TOKEN_STRING)
        code = json__known_parse(plan, token.text, parser->arena, message);
    if (code == RPC_INVALID_ARGUMENT)
        return json__fail_form(parser, plan);
    return code == RPC_OK ? true : json__fail_memory(parser);
}

static bool on_scalar(struct json__parser *parser, struct token token)
{
    const struct json__plan *plan;
    ProtobufCMessage *owner, *message;
    void *slot;
    const struct json__field *field = target(parser, &plan, &message);
    if (field == NULL)
        return fill_message(parser, plan, message, token);
    if (field->kind == JSON__MESSAGE)
        return message_next(parser, field, &message) &&
               fill_message(parser, field->plan, message, token);
    return slot_next(parser, &owner, &slot) && store(parser, field, owner, token, slot);
}

static bool on_null(struct json__parser *parser)
{
    const struct json__plan *plan;
    ProtobufCMessage *message;
    struct token token = {JSON__TOKEN_NULL, {NULL, 0}};
    const struct json__field *field = target(parser, &plan, &message);
    if (field == NULL)
        return plan->form == JSON__VALUE ? store_value(parser, plan, message, token)
                                         : json__fail_form(parser, plan);
    bool member = top(parser)->kind == JSON__FRAME_OBJECT;
    if (field->takes_null && !(member && field->repeated))
        return on_scalar(parser, token);
    /* A member is as if it were not there. */
    return member ? true : json__fail_message(parser, "This must not be null");
}

/* --- objects and lists -------------------------------------------------------------------------
 */

/* Looks for the @type of the object that begins at the parser's place. False: there is none. */
static bool find_type(struct json__parser *parser, struct span *ret_url)
{
    struct span text = parser->text, key;
    bool escaped;
    size_t at = parser->at + 1;
    for (;;) {
        json__blanks_skip(text, &at);
        if (text.data[at] == ',') {
            at++;
            json__blanks_skip(text, &at);
        }
        if (text.data[at] != '"' || !json__string_scan(text, &at, &key, &escaped))
            return false;
        json__blanks_skip(text, &at);
        at++; /* the colon */
        json__blanks_skip(text, &at);
        if (escaped)
            key = json__string_decode(key, parser->arena);
        if (key.data != NULL && span_equal_string(key, JSON__ANY_TYPE))
            break;
        skip_value(text, &at);
    }
    if (text.data[at] != '"')
        return false;
    size_t before = parser->at;
    parser->at = at;
    bool found = take_string(parser, ret_url);
    parser->at = before;
    return found;
}

static bool push_any(struct json__parser *parser, const struct json__plan *any_plan,
                     ProtobufCMessage *any)
{
    struct json__frame frame = {.kind = JSON__FRAME_OBJECT, .message = any, .plan = any_plan};
    if (!check_text(parser))
        return false;
    if (!find_type(parser, &frame.url)) {
        if (parser->code != RPC_OK)
            return false;
        /* An empty object is an empty Any. */
        size_t at = parser->at + 1;
        json__blanks_skip(parser->text, &at);
        return parser->text.data[at] == '}'
                   ? push(parser, &frame)
                   : json__fail_message(parser, "This must have a text @type");
    }
    frame.plan = json__any_plan(parser->codec, frame.url);
    if (frame.plan == NULL)
        return json__fail_message(parser, "This has an unknown @type");
    frame.any = any;
    frame.message = json__message_new(frame.plan, parser->arena);
    if (frame.message == NULL)
        return json__fail_memory(parser);
    frame.kind = frame.plan->form == JSON__PLAIN ? JSON__FRAME_OBJECT : JSON__FRAME_ANY;
    return push(parser, &frame);
}

/* The Struct or the ListValue within a Value. */
static bool enter_value(struct json__parser *parser, const struct json__field *member,
                        ProtobufCMessage *value, ProtobufCMessage **ret_inner)
{
    enum rpc_code code = json__message_enter(member, value, parser->arena, ret_inner);
    return code == RPC_OK ? true : json__fail_slot(parser, code);
}

static bool open_object(struct json__parser *parser, const struct json__plan *plan,
                        ProtobufCMessage *message)
{
    struct json__frame frame = {.kind = JSON__FRAME_OBJECT, .message = message, .plan = plan};
    switch (plan->form) {
    case JSON__PLAIN:
        return push(parser, &frame);
    case JSON__STRUCT:
        return push_map(parser, &plan->fields[0], message);
    case JSON__VALUE:
        if (!enter_value(parser, &plan->fields[4], message, &message))
            return false;
        return push_map(parser, &plan->fields[4].plan->fields[0], message);
    case JSON__ANY:
        return push_any(parser, plan, message);
    case JSON__WRAPPED:
    case JSON__TIMESTAMP:
    case JSON__DURATION:
    case JSON__FIELD_MASK:
    case JSON__LIST_VALUE:
        break;
    }
    return json__fail_form(parser, plan);
}

static bool open_list(struct json__parser *parser, const struct json__plan *plan,
                      ProtobufCMessage *message)
{
    if (plan->form == JSON__VALUE) {
        if (!enter_value(parser, &plan->fields[5], message, &message))
            return false;
        return push_list(parser, &plan->fields[5].plan->fields[0], message);
    }
    return push_list(parser, &plan->fields[0], message);
}

static bool takes_list(enum json__form form)
{
    return form == JSON__VALUE || form == JSON__LIST_VALUE;
}

static bool on_object(struct json__parser *parser)
{
    const struct json__plan *plan;
    ProtobufCMessage *message;
    const struct json__field *field = target(parser, &plan, &message);
    if (field == NULL)
        return open_object(parser, plan, message);
    const struct json__frame *frame = top(parser);
    if (frame->kind == JSON__FRAME_OBJECT && field->map)
        return push_map(parser, field, frame->message);
    if (field->kind != JSON__MESSAGE)
        return json__fail_type(parser, field);
    return message_next(parser, field, &message) && open_object(parser, field->plan, message);
}

static bool on_list(struct json__parser *parser)
{
    const struct json__plan *plan;
    ProtobufCMessage *message;
    const struct json__field *field = target(parser, &plan, &message);
    if (field == NULL)
        return takes_list(plan->form) ? open_list(parser, plan, message)
                                      : json__fail_form(parser, plan);
    const struct json__frame *frame = top(parser);
    if (frame->kind == JSON__FRAME_OBJECT && field->map)
        return json__fail_value(parser, "an object");
    if (frame->kind == JSON__FRAME_OBJECT && field->repeated)
        return push_list(parser, field, frame->message);
    if (field->kind != JSON__MESSAGE || !takes_list(field->plan->form))
        return json__fail_type(parser, field);
    return message_next(parser, field, &message) && open_list(parser, field->plan, message);
}

/* The innermost object or list ends at its bracket. */
static bool close_frame(struct json__parser *parser)
{
    struct json__frame *frame = top(parser);
    if (frame->kind == JSON__FRAME_ANY && frame->next == 0)
        return json__fail_message(parser, "This must be given");
    if (frame->any != NULL &&
        json__any_pack(json__plan_of(parser->codec, frame->any->descriptor), frame->any, frame->url,
                       frame->message, parser->arena) != RPC_OK)
        return json__fail_memory(parser);
    parser->at++;
    parser->depth--;
    return true;
}

/* --- the walk ----------------------------------------------------------------------------------
 */

static bool on_value(struct json__parser *parser)
{
    struct token token = {JSON__TOKEN_FALSE, {NULL, 0}};
    switch (next_byte(parser)) {
    case '{':
        return on_object(parser);
    case '[':
        return on_list(parser);
    case '"':
        token.kind = JSON__TOKEN_STRING;
        return take_string(parser, &token.text) && on_scalar(parser, token);
    case 't':
        token.kind = JSON__TOKEN_TRUE;
        return json__literal_scan(parser->text, &parser->at, "true") && on_scalar(parser, token);
    case 'f':
        return json__literal_scan(parser->text, &parser->at, "false") && on_scalar(parser, token);
    case 'n':
        return json__literal_scan(parser->text, &parser->at, "null") && on_null(parser);
    default:
        token.kind = JSON__TOKEN_NUMBER;
        return json__number_scan(parser->text, &parser->at, &token.text) &&
               on_scalar(parser, token);
    }
}

/* A member of a message's object: its field is next, or it is skipped. */
static bool on_field(struct json__parser *parser, struct json__frame *frame, struct span key)
{
    const struct json__plan *plan = frame->plan;
    const struct json__field *field = NULL;
    if (frame->next < plan->field_count) {
        const struct json__field *guess = &plan->fields[frame->next];
        if (guess->name_len == key.len && memcmp(guess->name, key.data, key.len) == 0)
            field = guess;
    }
    if (field == NULL)
        field = json__field_find(plan, key);
    if (field == NULL && ((frame->any != NULL && span_equal_string(key, JSON__ANY_TYPE)) ||
                          parser->codec->options.ignore_unknown))
        return skip_member(parser);
    if (field == NULL)
        return json__fail_unknown(parser, key);
    size_t index = (size_t)(field - plan->fields);
    frame->field = field;
    frame->next = index + 1;
    uint64_t bit = (uint64_t)1 << (index % 64);
    if ((frame->seen[index / 64] & bit) != 0)
        return json__fail_message(parser, "This is given twice");
    frame->seen[index / 64] |= bit;
    return on_value(parser);
}

static bool on_any_member(struct json__parser *parser, struct json__frame *frame, struct span key)
{
    if (span_equal_string(key, JSON__ANY_VALUE)) {
        frame->next = 1;
        return on_value(parser);
    }
    if (span_equal_string(key, JSON__ANY_TYPE) || parser->codec->options.ignore_unknown)
        return skip_member(parser);
    return json__fail_unknown(parser, key);
}

/* The next member or element of the innermost object or list, or its end. */
static bool on_next(struct json__parser *parser)
{
    struct json__frame *frame = top(parser);
    uint8_t byte = next_byte(parser);
    if (byte == (frame->kind == JSON__FRAME_LIST ? ']' : '}'))
        return close_frame(parser);
    if (frame->begun) {
        if (byte != ',')
            return false;
        parser->at++;
    }
    frame->begun = true;
    frame->next += frame->kind == JSON__FRAME_LIST;
    if (frame->kind == JSON__FRAME_LIST)
        return on_value(parser);
    struct span key;
    if (!take_key(parser, &key))
        return false;
    if (frame->kind == JSON__FRAME_OBJECT)
        return on_field(parser, frame, key);
    if (frame->kind == JSON__FRAME_ANY)
        return on_any_member(parser, frame, key);
    frame->key = key;
    return on_value(parser);
}

static bool walk(struct json__parser *parser)
{
    if (!on_value(parser))
        return false;
    while (parser->depth > 0) {
        if (!on_next(parser))
            return false;
    }
    return next_byte(parser) == 0 && parser->at == parser->text.len;
}

enum rpc_code json_parse(const struct json_codec *codec, struct span text, struct arena *arena,
                         ProtobufCMessage *message, struct rpc_status *status)
{
    const struct json__plan *plan = json__plan_of(codec, message->descriptor);
    if (plan == NULL)
        return rpc_status_set(status, RPC_INTERNAL, "message %s is not in the registry",
                              message->descriptor->name);
    struct json__parser parser;
    parser.codec = codec;
    parser.text = text;
    parser.at = 0;
    parser.checked = false;
    parser.arena = arena;
    parser.status = status;
    parser.root = message;
    parser.root_plan = plan;
    parser.code = RPC_OK;
    parser.depth = 0;
    if (walk(&parser))
        return RPC_OK;
    if (!check_text(&parser))
        return parser.code;
    return parser.code != RPC_OK ? parser.code : json__fail_json(status, parser.at);
}
