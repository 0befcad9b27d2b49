/*
 * Path variables and query parameters: one field by its path, from text that carries no type.
 */
#include <string.h>

#include "rpc/json_internal.h"

static enum rpc_code fail(struct rpc_status *status, Lotcast__V1__Reason reason, struct span path,
                          const char *expected)
{
    char text[RPC_STATUS_FIELD_BYTES * 2];
    size_t len = path.len < sizeof text ? path.len : sizeof text - 1;
    if (len > 0)
        memcpy(text, path.data, len);
    text[len] = '\0';
    return expected == NULL
               ? rpc_status_fail(status, reason, text)
               : rpc_status_fail_message(status, reason, text, "This must be %s", expected);
}

/* Cuts the first segment off a path. */
static struct span take_segment(struct span *path)
{
    const uint8_t *dot = path->len == 0 ? NULL : memchr(path->data, '.', path->len);
    struct span segment = *path;
    if (dot == NULL) {
        *path = (struct span){NULL, 0};
        return segment;
    }
    segment.len = (size_t)(dot - path->data);
    *path = (struct span){dot + 1, path->len - segment.len - 1};
    return segment;
}

/* Whether one text is a value of the field: of a message, where JSON has a string for it. */
static bool is_leaf(const struct json__field *field)
{
    return field->kind != JSON__MESSAGE || json__form_is_text(field->plan->form);
}

static enum rpc_code store_known(const struct json__field *field, struct span text,
                                 struct arena *arena, void *slot)
{
    ProtobufCMessage *known = json__message_new(field->plan, arena);
    if (known == NULL)
        return RPC_RESOURCE_EXHAUSTED;
    memcpy(slot, &known, sizeof known);
    return json__known_parse(field->plan, text, arena, known);
}

static enum rpc_code store(const struct json_codec *codec, const struct json__field *field,
                           ProtobufCMessage *message, struct span text, struct arena *arena)
{
    void *slot;
    /* A capacity of 0 copies the array for each element: parameters are few. */
    size_t capacity = 0;
    enum rpc_code code = field->repeated
                             ? json__slot_element(field, message, &capacity, arena, &slot)
                             : json__slot_single(field, message, arena, &slot);
    if (code == RPC_OK && field->kind == JSON__MESSAGE)
        code = store_known(field, text, arena, slot);
    else if (code == RPC_OK)
        code =
            json__value_store(codec, json__scalar_of(field), JSON__TOKEN_TEXT, text, arena, slot);
    if (code == RPC_OK)
        json__slot_filled(field, message);
    return code;
}

enum rpc_code json_set_from_text(const struct json_codec *codec, ProtobufCMessage *message,
                                 struct span path, struct span text, struct arena *arena,
                                 struct rpc_status *status)
{
    const struct json__plan *plan = json__plan_of(codec, message->descriptor);
    struct span rest = path;
    enum rpc_code code = RPC_OK;
    const struct json__field *field = NULL;
    if (text.data == NULL)
        text = span_of_string("");
    while (plan != NULL && code == RPC_OK) {
        bool last = rest.len == 0 || memchr(rest.data, '.', rest.len) == NULL;
        field = json__field_find(plan, take_segment(&rest));
        if (field == NULL || field->map || (!last && field->repeated) || is_leaf(field) != last)
            return fail(status, LOTCAST__V1__REASON__REASON_UNKNOWN_FIELD, path, NULL);
        if (last) {
            code = store(codec, field, message, text, arena);
            break;
        }
        code = json__message_enter(field, message, arena, &message);
        plan = field->plan;
        if (plan->form != JSON__PLAIN)
            return fail(status, LOTCAST__V1__REASON__REASON_UNKNOWN_FIELD, path, NULL);
    }
    if (plan == NULL)
        return rpc_status_set(status, RPC_INTERNAL, "message %s is not in the registry",
                              message->descriptor->name);
    char expected[JSON__EXPECTED_BYTES];
    if (code == RPC_INVALID_ARGUMENT)
        return fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, path,
                    json__value_expected(field, expected));
    if (code != RPC_OK)
        return rpc_status_set(status, code, "the request is too large");
    return RPC_OK;
}
