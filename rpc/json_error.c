/*
 * Where a parse stopped, and why.
 */
#include <string.h>

#include "rpc/json_parser.h"

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
static void path_make(const struct json__parser *parser, struct path *path)
{
    path->len = 0;
    path->text[0] = '\0';
    for (size_t i = 0; i < parser->depth; i++) {
        const struct json__frame *frame = &parser->frames[i];
        const char *dot = path->len == 0 ? "" : ".";
        char index[JSON__NUMBER_BYTES_MAX + 1];
        switch (frame->kind) {
        case JSON__FRAME_OBJECT:
            if (frame->field != NULL)
                path_add(path, dot, frame->field->name, frame->field->name_len);
            break;
        case JSON__FRAME_LIST: {
            size_t len = json__number_write(index, false, frame->next - 1);
            index[len++] = ']';
            path_add(path, "[", index, len);
            break;
        }
        case JSON__FRAME_MAP:
            path_add(path, dot, frame->key.data, frame->key.len);
            break;
        case JSON__FRAME_ANY:
            if (frame->next > 0)
                path_add(path, dot, JSON__ANY_VALUE, strlen(JSON__ANY_VALUE));
            break;
        }
    }
}

bool json__fail_memory(struct json__parser *parser)
{
    parser->code =
        rpc_status_set(parser->status, RPC_RESOURCE_EXHAUSTED, "the request is too large");
    return false;
}

bool json__fail_unknown(struct json__parser *parser, struct span key)
{
    struct path path;
    parser->frames[parser->depth - 1].field = NULL;
    path_make(parser, &path);
    path_add(&path, path.len == 0 ? "" : ".", key.data, key.len);
    parser->code =
        rpc_status_fail(parser->status, LOTCAST__V1__REASON__REASON_UNKNOWN_FIELD, path.text);
    return false;
}

bool json__fail_message(struct json__parser *parser, const char *message)
{
    struct path path;
    path_make(parser, &path);
    parser->code = rpc_status_fail_message(
        parser->status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, path.text, "%s", message);
    return false;
}

bool json__fail_value(struct json__parser *parser, const char *expected)
{
    struct path path;
    path_make(parser, &path);
    parser->code =
        rpc_status_fail_message(parser->status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                                path.text, "This must be %s", expected);
    return false;
}

bool json__fail_type(struct json__parser *parser, const struct json__field *field)
{
    char expected[JSON__EXPECTED_BYTES];
    return json__fail_value(parser, json__value_expected(field, expected));
}

bool json__fail_form(struct json__parser *parser, const struct json__plan *plan)
{
    struct json__field field = {.kind = JSON__MESSAGE, .plan = plan};
    return json__fail_type(parser, plan->form == JSON__WRAPPED ? &plan->fields[0] : &field);
}

bool json__fail_slot(struct json__parser *parser, enum rpc_code code)
{
    return code == RPC_INVALID_ARGUMENT
               ? json__fail_message(parser, "Only one of several fields may be given")
               : json__fail_memory(parser);
}

enum rpc_code json__fail_json(struct rpc_status *status, size_t position)
{
    enum rpc_code code = rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_JSON, NULL);
    if (status != NULL)
        status->position = (int64_t)position;
    return code;
}
