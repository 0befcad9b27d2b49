/*
 * Lists of the Graph API, which are many calls: page after page, always on the configured base.
 *
 * A page says where the next one is by a cursor, or, on some edges, only by the URL of the next
 * page. That URL has the token in it and could lead anywhere: it is never requested, kept or
 * logged. What is taken of it are the parameters that stand for a place in a list, by name.
 */
#include <ctype.h>

#include "clients/meta/internal.h"

/* Pages of one list at most, and rows asked for in each. */
#define LIST_PAGES_MAX 2000
#define LIST_PAGE_ROWS "100"
/* A URL of a next page, in bytes; a longer one is none. */
#define NEXT_BYTES_MAX 16384
#define PLACE_PARAMS_MAX 8

/* Where a page of a list begins. */
struct place {
    struct meta__pair params[PLACE_PARAMS_MAX];
    size_t count;
};

/* The parameters that say so. None of them changes what is asked for: Graph takes "method", too. */
static const char *const place_names[] = {"after", "__after_id", "__paging_token", "offset",
                                          "page",  "cursor",     "since",          "until"};

static bool is_place_name(const char *name)
{
    for (size_t i = 0; i < sizeof place_names / sizeof *place_names; i++)
        if (strcmp(name, place_names[i]) == 0)
            return true;
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* The text without its percent-encoding, in the arena. NULL: it is no such text, or no memory. */
static const char *decode(struct arena *arena, const char *text, size_t len)
{
    char *out = arena_alloc(arena, len + 1);
    size_t used = 0;
    for (size_t i = 0; out != NULL && i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0)
                return NULL;
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[used++] = c == '+' && text[i] == '+' ? ' ' : c;
    }
    if (out != NULL)
        out[used] = '\0';
    return out;
}

/* What the URL of a next page says of its place. */
static void read_next(const char *next, struct arena *arena, struct place *ret_place)
{
    const char *at = strlen(next) <= NEXT_BYTES_MAX ? strchr(next, '?') : NULL;
    for (at = at == NULL ? "" : at + 1; *at != '\0' && *at != '#';) {
        size_t len = strcspn(at, "&#");
        const char *equals = memchr(at, '=', len);
        size_t name_len = equals == NULL ? 0 : (size_t)(equals - at);
        const char *name = decode(arena, at, name_len);
        if (name != NULL && is_place_name(name) && ret_place->count < PLACE_PARAMS_MAX) {
            const char *value = decode(arena, equals + 1, len - name_len - 1);
            if (value != NULL && value[0] != '\0')
                ret_place->params[ret_place->count++] = (struct meta__pair){name, value};
        }
        at += len + (at[len] == '&');
    }
}

static bool is_same(const struct place *a, const struct place *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->params[i].name, b->params[i].name) != 0 ||
            strcmp(a->params[i].value, b->params[i].value) != 0)
            return false;
    return true;
}

/*
 * Moves on to the next page; count is 0 where this was the last. False for an answer that is no
 * page, or whose next page is itself: it would go round in circles.
 */
static bool move_on(const struct json_tree *answer, struct arena *arena, struct place *place)
{
    const struct json_tree *paging = json_tree_get(answer, "paging");
    const char *next = json_tree_get_text(paging, "next");
    const char *after = json_tree_get_text(json_tree_get(paging, "cursors"), "after");
    struct place there = {.count = 0};
    if (next == NULL) {
        *place = there;
        return true;
    }
    if (after != NULL && after[0] != '\0')
        there.params[there.count++] = (struct meta__pair){"after", after};
    else
        read_next(next, arena, &there);
    if (there.count == 0 || is_same(&there, place))
        return false;
    *place = there;
    return true;
}

/* Whether the list's own parameters have the name; the place's goes before it. */
static bool place_has(const struct place *place, const char *name)
{
    for (size_t i = 0; i < place->count; i++)
        if (strcmp(place->params[i].name, name) == 0)
            return true;
    return false;
}

enum rpc_code meta__list(struct meta_client *client, struct rpc_context *context, const char *token,
                         const char *path, const struct meta__pair *params, size_t param_count,
                         bool (*row)(void *arg, const struct json_tree *row), void *arg,
                         struct rpc_status *status)
{
    struct place place = {.count = 0};
    for (size_t page = 0; page < LIST_PAGES_MAX; page++) {
        struct meta__request request;
        meta__request_init(&request, HTTP_GET, META_REPEATABLE, path, token);
        const char *limit = LIST_PAGE_ROWS;
        for (size_t i = 0; i < param_count; i++) {
            if (strcmp(params[i].name, "limit") == 0)
                limit = params[i].value;
            else if (!place_has(&place, params[i].name))
                meta__param(&request, params[i].name, params[i].value);
        }
        meta__param(&request, "limit", limit);
        for (size_t i = 0; i < place.count; i++)
            meta__param(&request, place.params[i].name, place.params[i].value);
        const struct json_tree *answer = NULL;
        enum rpc_code code = meta__call(client, context, &request, &answer, NULL, status);
        if (code != RPC_OK)
            return code;
        const struct json_tree *data = json_tree_get(answer, "data");
        if (data == NULL || data->kind != JSON_TREE_ARRAY)
            return meta__fail_answer(status);
        for (const struct json_tree *at = data->first; at != NULL; at = at->next)
            if (!row(arg, at))
                return RPC_OK;
        if (!move_on(answer, context->arena, &place))
            return meta__fail_answer(status);
        if (place.count == 0)
            return RPC_OK;
    }
    return meta__fail_answer(status);
}
