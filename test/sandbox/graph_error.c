#include <stdarg.h>
#include <stdio.h>

#include "test/sandbox/graph.h"

static unsigned http_status(int code)
{
    if (code == 1 || code == 2)
        return 500;
    return code == 10 || (code >= 200 && code <= 299) ? 403 : 400;
}

void graph_error(struct graph_call *call, int code, int subcode, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char trace[GRAPH_TEXT_BYTES];
    graph_random_text("A", trace);
    struct buffer *out = &call->x->answer;
    buffer_clear(out);
    call->x->status = http_status(code);
    (void)buffer_append_string(out, "{\"error\":{\"message\":");
    json_tree_print_string(text, out);
    (void)buffer_printf(out, ",\"type\":\"OAuthException\",\"code\":%d", code);
    if (subcode != 0)
        (void)buffer_printf(out,
                            ",\"error_subcode\":%d,\"error_user_title\":\"Check your "
                            "settings\",\"error_user_msg\":\"Something in this request must be "
                            "changed before it is sent again.\"",
                            subcode);
    (void)buffer_printf(out, ",\"is_transient\":%s,\"fbtrace_id\":\"%.12s\"}}",
                        code == 2 ? "true" : "false", trace);
}

void graph_not_found(struct graph_call *call, const char *id)
{
    graph_error(call, 100, 33,
                "Unsupported %s request. Object with ID '%s' does not exist, cannot be loaded due "
                "to missing permissions, or does not support this operation",
                strcmp(call->x->method, "GET") == 0 ? "get" : "post", id);
}

bool graph_allowed(struct graph_call *call, unsigned scopes)
{
    if (call->token != NULL && (call->token->scopes & scopes) != 0)
        return true;
    for (size_t i = 0; i < GRAPH_SCOPE_COUNT; i++) {
        if ((scopes & (1u << i)) == 0)
            continue;
        graph_error(call, 200, 0, "(#200) Requires %s permission to manage the object",
                    graph_scope_names[i]);
        break;
    }
    return false;
}

void graph_usage_headers(struct graph_call *call)
{
    struct exchange *x = call->x;
    long long percent = call->graph->usage_percent;
    exchange_add_header(x, "facebook-api-version", call->graph->version);
    exchange_add_header(x, "X-App-Usage",
                        exchange_printf(x,
                                        "{\"call_count\":%lld,\"total_cputime\":%lld,"
                                        "\"total_time\":%lld}",
                                        percent, percent / 2, percent / 3));
    exchange_add_header(
        x, "X-Business-Use-Case-Usage",
        exchange_printf(x,
                        "{\"%lld\":[{\"type\":\"ads_management\",\"call_count\":%lld,"
                        "\"total_cputime\":%lld,\"total_time\":%lld,"
                        "\"estimated_time_to_regain_access\":%d,\"ads_api_access_tier\":"
                        "\"standard_access\"}]}",
                        (long long)graph_business_id, percent, percent / 2, percent / 3,
                        percent >= 100 ? 2 : 0));
    exchange_add_header(
        x, "X-Ad-Account-Usage",
        exchange_printf(x, "{\"acc_id_util_pct\":%lld.5}", percent >= 100 ? 99 : percent));
}
