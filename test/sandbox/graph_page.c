#include <stdio.h>
#include <stdlib.h>

#include "test/sandbox/graph.h"

/* Rows of a page where the caller names no limit, as Meta has it. */
#define PAGE_ROWS_DEFAULT 25
#define CURSOR_PREFIX "QVFIU"

/* The key in a cursor; absent and empty: 0. False with the error answered for one that is none. */
static bool read_cursor(struct graph_call *call, const char *name, int64_t *ret_key)
{
    const char *text = exchange_param_text(call->x, name);
    size_t prefix = strlen(CURSOR_PREFIX);
    *ret_key = 0;
    if (text == NULL || text[0] == '\0')
        return true;
    char *end = NULL;
    bool ours = strncmp(text, CURSOR_PREFIX, prefix) == 0;
    int64_t key = ours ? strtoll(text + prefix, &end, 16) : 0;
    if (!ours || *end != '\0' || key <= 0) {
        graph_error(call, 100, 0, "(#100) Invalid cursors values: %s", name);
        return false;
    }
    *ret_key = key;
    return true;
}

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
    if (!read_cursor(call, "after", &page->after) || !read_cursor(call, "before", &page->before))
        return false;
    if (page->before != 0) {
        page->marks = arena_calloc(&call->x->arena, (size_t)page->limit, sizeof *page->marks);
        if (page->marks == NULL)
            abort();
    }
    (void)buffer_append_string(&call->x->answer, "{\"data\":[");
    page->start = call->x->answer.len;
    return true;
}

static bool row_backward(struct graph_call *call, struct graph_page *page, int64_t key)
{
    struct buffer *out = &call->x->answer;
    if (key >= page->before) {
        page->more = true;
        return false;
    }
    if (page->rows > 0)
        (void)buffer_append_byte(out, ',');
    page->marks[page->rows % page->limit] = (struct graph_page_mark){key, out->len};
    page->rows++;
    page->last_key = key;
    return true;
}

bool graph_page_row(struct graph_call *call, struct graph_page *page, int64_t key)
{
    if (page->before != 0)
        return row_backward(call, page, key);
    page->less = page->less || key <= page->after;
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

/* Takes all but the last `limit` rows out of the answer. */
static void cut_front(struct graph_page *page, struct buffer *out)
{
    if (page->rows == 0)
        return;
    page->less = page->rows > page->limit;
    const struct graph_page_mark *first = &page->marks[page->less ? page->rows % page->limit : 0];
    page->first_key = first->key;
    memmove(out->data + page->start, out->data + first->at, out->len - first->at);
    out->len -= first->at - page->start;
}

/* ,"NAME":"URL of this list from the cursor on" */
static void print_link(struct graph_call *call, const char *name, const char *cursor, int64_t key)
{
    struct exchange *x = call->x;
    struct buffer url;
    buffer_init(&url, EXCHANGE_ANSWER_BYTES_MAX);
    (void)buffer_printf(&url, "%s%s?access_token=", exchange_origin(x), x->path);
    query_append(&url, call->token == NULL ? "" : call->token->text);
    for (const struct param *param = x->params; param != NULL; param = param->next) {
        if (param->text == NULL || graph_value_in(param->name, "access_token|after|before"))
            continue;
        (void)buffer_printf(&url, "&%s=", param->name);
        query_append(&url, param->text);
    }
    (void)buffer_printf(&url, "&%s=" CURSOR_PREFIX "%llX", cursor, (unsigned long long)key);
    (void)buffer_printf(&x->answer, ",\"%s\":", name);
    json_tree_print_string(buffer_cstring(&url), &x->answer);
    buffer_fini(&url);
}

void graph_page_end(struct graph_call *call, struct graph_page *page)
{
    struct buffer *out = &call->x->answer;
    if (page->before != 0 && !out->failed)
        cut_front(page, out);
    (void)buffer_append_byte(out, ']');
    if (page->last_key == 0) {
        (void)buffer_append_byte(out, '}');
        return;
    }
    (void)buffer_printf(out,
                        ",\"paging\":{\"cursors\":{\"before\":\"" CURSOR_PREFIX
                        "%llX\",\"after\":\"" CURSOR_PREFIX "%llX\"}",
                        (unsigned long long)page->first_key, (unsigned long long)page->last_key);
    if (page->less)
        print_link(call, "previous", "before", page->first_key);
    if (page->more)
        print_link(call, "next", "after", page->last_key);
    (void)buffer_append_string(out, "}}");
}
