#include "rpc/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rpc/base/utf8.h"

/* Copies at most size - 1 bytes and cuts at a character's end. */
static void copy_text(char *to, size_t size, const char *from)
{
    size_t len = from == NULL ? 0 : strlen(from);
    if (len >= size) {
        len = size - 1;
        while (len > 0 && ((unsigned char)from[len] & 0xc0) == 0x80)
            len--;
    }
    if (len > 0)
        memcpy(to, from, len);
    to[len] = '\0';
}

void rpc_status_clear(struct rpc_status *status)
{
    if (status != NULL)
        *status = (struct rpc_status){.position = -1};
}

__attribute__((format(printf, 2, 0))) static void set_message(struct rpc_status *status,
                                                              const char *format, va_list args)
{
    (void)vsnprintf(status->message, sizeof status->message, format, args);
    size_t bad;
    /* vsnprintf may have cut in the middle of a character. */
    if (!utf8_valid(status->message, strlen(status->message), &bad))
        status->message[bad] = '\0';
}

enum rpc_code rpc_status_set(struct rpc_status *status, enum rpc_code code, const char *format, ...)
{
    if (status == NULL)
        return code;
    rpc_status_clear(status);
    status->code = code;
    va_list args;
    va_start(args, format);
    set_message(status, format, args);
    va_end(args);
    return code;
}

enum rpc_code rpc_status_fail(struct rpc_status *status, Lotcast__V1__Reason reason,
                              const char *field)
{
    const struct rpc_reason *row = rpc_reason_get(reason);
    if (status == NULL)
        return row->code;
    rpc_status_clear(status);
    status->code = row->code;
    status->reason = row->reason;
    copy_text(status->message, sizeof status->message, row->message);
    copy_text(status->field, sizeof status->field, field);
    return row->code;
}

enum rpc_code rpc_status_fail_message(struct rpc_status *status, Lotcast__V1__Reason reason,
                                      const char *field, const char *format, ...)
{
    enum rpc_code code = rpc_status_fail(status, reason, field);
    if (status == NULL)
        return code;
    va_list args;
    va_start(args, format);
    set_message(status, format, args);
    va_end(args);
    return code;
}

enum rpc_code rpc_status_fail_upstream(struct rpc_status *status, const char *upstream)
{
    enum rpc_code code = rpc_status_fail(status, LOTCAST__V1__REASON__REASON_UPSTREAM_ERROR, NULL);
    if (status != NULL)
        copy_text(status->upstream, sizeof status->upstream, upstream);
    return code;
}

Lotcast__V1__Status *rpc_status_to_message(const struct rpc_status *status, struct arena *arena)
{
    Lotcast__V1__Status *message = arena_alloc(arena, sizeof *message);
    if (message == NULL)
        return NULL;
    lotcast__v1__status__init(message);
    message->code = (uint32_t)status->code;
    message->reason = status->reason;
    message->message = (char *)status->message;
    message->field = (char *)status->field;
    message->upstream = (char *)status->upstream;
    message->campaign_id = (char *)status->campaign_id;
    message->retry_after_ms = status->retry_after_ms;
    if (status->position >= 0) {
        Google__Protobuf__Int64Value *position = arena_alloc(arena, sizeof *position);
        if (position == NULL)
            return NULL;
        google__protobuf__int64_value__init(position);
        position->value = status->position;
        message->position = position;
    }
    return message;
}

void rpc_status_from_message(struct rpc_status *status, const Lotcast__V1__Status *message)
{
    rpc_status_clear(status);
    if (message == NULL)
        return;
    status->code = message->code < RPC_CODE_COUNT ? (enum rpc_code)message->code : RPC_UNKNOWN;
    status->reason = message->reason;
    status->retry_after_ms = message->retry_after_ms;
    status->position = message->position == NULL ? -1 : message->position->value;
    copy_text(status->message, sizeof status->message, message->message);
    copy_text(status->field, sizeof status->field, message->field);
    copy_text(status->upstream, sizeof status->upstream, message->upstream);
    copy_text(status->campaign_id, sizeof status->campaign_id, message->campaign_id);
}
