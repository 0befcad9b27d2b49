#include <stdio.h>

#include "clients/meta/internal.h"

/* Push-back where Meta throttles without saying for how long. */
#define THROTTLED_MS_DEFAULT (INT64_C(5) * 1000)

#define SUBCODE_ANY (-1)

struct error_row {
    int64_t first; /* Meta's codes, both inclusive */
    int64_t last;
    int64_t subcode;
    enum rpc_code code;
};

/* The first row that fits holds: dead tokens and throttling first, which Meta also marks transient.
 */
static const struct error_row firm_rows[] = {
    {190, 190, SUBCODE_ANY, RPC_UNAUTHENTICATED},
    {102, 102, SUBCODE_ANY, RPC_UNAUTHENTICATED},
    {4, 4, SUBCODE_ANY, RPC_RESOURCE_EXHAUSTED},
    {17, 17, SUBCODE_ANY, RPC_RESOURCE_EXHAUSTED},
    {32, 32, SUBCODE_ANY, RPC_RESOURCE_EXHAUSTED},
    {341, 341, SUBCODE_ANY, RPC_RESOURCE_EXHAUSTED},
    {613, 613, SUBCODE_ANY, RPC_RESOURCE_EXHAUSTED},
    {80000, 80014, SUBCODE_ANY, RPC_RESOURCE_EXHAUSTED},
};

/* These only where is_transient does not say that it passes. */
static const struct error_row rows[] = {
    {1, 2, SUBCODE_ANY, RPC_UNAVAILABLE},
    {10, 10, SUBCODE_ANY, RPC_PERMISSION_DENIED},
    {200, 299, SUBCODE_ANY, RPC_PERMISSION_DENIED},
    {368, 368, SUBCODE_ANY, RPC_PERMISSION_DENIED},
    {100, 100, 33, RPC_NOT_FOUND},
    {100, 100, SUBCODE_ANY, RPC_INVALID_ARGUMENT},
};

static bool look_up(const struct error_row *table, size_t count, int64_t code, int64_t subcode,
                    enum rpc_code *ret_code)
{
    for (size_t i = 0; i < count; i++) {
        if (code < table[i].first || code > table[i].last ||
            (table[i].subcode != SUBCODE_ANY && table[i].subcode != subcode))
            continue;
        *ret_code = table[i].code;
        return true;
    }
    return false;
}

/* Where there is no error object, or one with a code that we do not know. */
static enum rpc_code by_http_status(int http_status, bool has_code)
{
    if (http_status == 429)
        return RPC_RESOURCE_EXHAUSTED;
    if (http_status >= 400 && http_status < 500 && has_code)
        return RPC_INVALID_ARGUMENT;
    return RPC_UNAVAILABLE;
}

static enum rpc_code classify(const struct json_tree *error, int http_status)
{
    int64_t code = 0;
    int64_t subcode = 0;
    bool has_code = json_tree_integer(json_tree_get(error, "code"), &code);
    (void)json_tree_integer(json_tree_get(error, "error_subcode"), &subcode);
    enum rpc_code found;
    if (has_code && look_up(firm_rows, sizeof firm_rows / sizeof *firm_rows, code, subcode, &found))
        return found;
    if (json_tree_true(json_tree_get(error, "is_transient")))
        return RPC_UNAVAILABLE;
    if (has_code && look_up(rows, sizeof rows / sizeof *rows, code, subcode, &found))
        return found;
    return by_http_status(http_status, has_code);
}

bool meta__error_reduce(const struct json_tree *error)
{
    int64_t code = 0;
    const char *message = json_tree_get_text(error, "message");
    return json_tree_integer(json_tree_get(error, "code"), &code) && code == 1 && message != NULL &&
           strcasestr(message, "reduce the amount") != NULL;
}

enum rpc_code meta__fail(enum rpc_code code, struct rpc_status *status)
{
    if (code == RPC_UNAUTHENTICATED) {
        (void)rpc_status_fail(status, LOTCAST__V1__REASON__REASON_META_NOT_CONNECTED, NULL);
        if (status != NULL)
            (void)snprintf(status->upstream, sizeof status->upstream, "meta");
    } else {
        (void)rpc_status_fail_upstream(status, "meta");
    }
    if (status != NULL)
        status->code = code;
    return code;
}

enum rpc_code meta__fail_answer(struct rpc_status *status)
{
    return meta__fail(RPC_UNAVAILABLE, status);
}

enum rpc_code meta__fail_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
}

enum rpc_code meta__error(const struct json_tree *error, int http_status,
                          const struct http_response *response, struct arena *arena,
                          struct rpc_status *status)
{
    enum rpc_code code = meta__fail(classify(error, http_status), status);
    if (code == RPC_RESOURCE_EXHAUSTED && status != NULL) {
        int64_t wait_ms = meta__usage_wait_ms(response, arena);
        status->retry_after_ms = (uint32_t)(wait_ms > 0 ? wait_ms : THROTTLED_MS_DEFAULT);
    }
    return code;
}
