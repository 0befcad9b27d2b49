#include <stdio.h>
#include <stdlib.h>

#include "test/sandbox/graph.h"

/* Rows of a page where the caller names no limit, as Meta has it. */
#define PAGE_ROWS_DEFAULT 25
#define CURSOR_PREFIX "QVFIU"

bool graph_page_start(struct graph_call *call, int64_t size, struct graph_page *page)
{
    *page =
        (struct graph_page){.limit = control_param_integer(call->x, "limit", PAGE_ROWS_DEFAULT)};
    const char *limit = exchange_param_text(call->x, "limit");
    if (limit != NULL && page->limit <= 0) {
        graph_error(call, 100, 0, "(#100) Param limit must be a positive integer");
        return false;
    }
    if (page->limit > size)
        page->limit = size;
    const char *after = exchange_param_text(call->x, "after");
    if (after != NULL && after[0] != '\0') {
        char *end = NULL;
        size_t prefix = strlen(CURSOR_PREFIX);
        bool ours = strncmp(after, CURSOR_PREFIX, prefix) == 0;
        page->after = ours ? strtoll(after + prefix, &end, 16) : 0;
        if (!ours || *end != '\0' || page->after <= 0) {
            graph_error(call, 100, 0, "(#100) Invalid cursors values: after");
            return false;
        }
    }
    (void)buffer_append_string(&call->x->answer, "{\"data\":[");
    return true;
}

bool graph_page_row(struct graph_call *call, struct graph_page *page, int64_t key)
{
    if (key <= page->after || page->more)
        return false;
    if (page->rows == page->limit) {
        page->more = true;
        return false;
    }
    if (page->rows == 0)
        page->first_key = key;
    else
        (void)buffer_append_byte(&call->x->answer, ',');
    page->rows++;
    page->last_key = key;
    return true;
}

void graph_page_end(struct graph_call *call, const struct graph_page *page)
{
    struct exchange *x = call->x;
    (void)buffer_append_byte(&x->answer, ']');
    if (page->last_key == 0) {
        (void)buffer_append_byte(&x->answer, '}');
        return;
    }
    (void)buffer_printf(&x->answer,
                        ",\"paging\":{\"cursors\":{\"before\":\"" CURSOR_PREFIX
                        "%llX\",\"after\":\"" CURSOR_PREFIX "%llX\"}",
                        (unsigned long long)page->first_key, (unsigned long long)page->last_key);
    if (page->more) {
        struct buffer url;
        buffer_init(&url, EXCHANGE_ANSWER_BYTES_MAX);
        (void)buffer_printf(&url, "%s%s?access_token=", exchange_origin(x), x->path);
        query_append(&url, call->token == NULL ? "" : call->token->text);
        for (const struct param *param = x->params; param != NULL; param = param->next) {
            if (param->text == NULL || graph_value_in(param->name, "access_token|after"))
                continue;
            (void)buffer_printf(&url, "&%s=", param->name);
            query_append(&url, param->text);
        }
        (void)buffer_printf(&url, "&after=" CURSOR_PREFIX "%llX",
                            (unsigned long long)page->last_key);
        (void)buffer_append_string(&x->answer, ",\"next\":");
        json_tree_print_string(buffer_cstring(&url), &x->answer);
        buffer_fini(&url);
    }
    (void)buffer_append_string(&x->answer, "}}");
}
