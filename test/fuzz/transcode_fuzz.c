/*
 * Requests of the test's routes: "VERB target\nbody". What is woven into a message prints as JSON;
 * a path finds the same route whichever of its letters are escaped, and gives the same message.
 */
#include <stdlib.h>
#include <string.h>

#include "rest/router.h"
#include "rest/transcode.h"
#include "test/unit/rest/proto/routes_sources.h"

#define INPUT_BYTES_MAX ((size_t)16 * 1024)
#define ANSWER_BYTES_MAX ((size_t)64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct registry *registry;
static struct router *router;
static struct json_codec *codec;

static void check(bool held)
{
    if (!held)
        abort();
}

/* Routes beside those that the service Odd declares. */
static const struct {
    const char *method;
    const char *path;
    const char *body;
} blanks[] = {
    {"A", "/{x}", "*"},
    {"B", "/{x}/{number}", "*"},
    {"C", "/a/{inner.name=b/**}", "inner"},
    {"D", "/{x=**}:go", ""},
    {"E", "/b/{kind}/{flag}/{data}", ""},
    {"F", "/c/{left}", "middle"},
    {"G", "/d", "value"},
    {"H", "/e", "inners"},
    {"I", "/f/{inner.deep.size}/{ratio}", "*"},
    {"J", "/g", "labels"},
};
#define BLANK_COUNT (sizeof blanks / sizeof blanks[0])

static void make_router(void)
{
    static Google__Api__HttpRule rules[BLANK_COUNT];
    struct registry_sources sources = routes_sources_get();
    check(registry_create(&sources, &registry, NULL) == RPC_OK);
    for (size_t i = 0; i < BLANK_COUNT; i++) {
        char name[64] = "lotcast.test.routes.v1.Blank/";
        name[strlen(name)] = blanks[i].method[0];
        struct registry_method *method = (struct registry_method *)(uintptr_t)registry_method_find(
            registry, span_of_string(name));
        check(method != NULL);
        google__api__http_rule__init(&rules[i]);
        rules[i].pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_POST;
        rules[i].post = (char *)blanks[i].path;
        rules[i].body = (char *)blanks[i].body;
        method->http = &rules[i];
    }
    check(router_create(registry, &router, NULL) == RPC_OK);
    check(json_codec_create(registry, &json_options_api, &codec, NULL) == RPC_OK);
}

struct input {
    struct span verb;
    struct span path;
    struct span query;
    struct span body;
};

static struct span until(struct span *text, char end)
{
    const uint8_t *at = text->len == 0 ? NULL : memchr(text->data, end, text->len);
    struct span front = *text;
    if (at == NULL) {
        *text = span_of(text->data + text->len, 0);
        return front;
    }
    front.len = (size_t)(at - text->data);
    *text = span_of(at + 1, text->len - front.len - 1);
    return front;
}

/* The route, and into `out` what comes of the request: JSON, or nothing. */
static const struct route *weave(const struct input *input, struct span raw_path,
                                 struct buffer *out, struct arena *arena)
{
    struct path path;
    char allow[ROUTER_ALLOW_BYTES];
    const struct route *route = NULL;
    ProtobufCMessage *message;
    struct rpc_status status;
    if (!path_split(raw_path, arena, &path) ||
        router_match(router, &path, input->verb, &route, allow) != ROUTER_FOUND)
        return NULL;
    const struct transcode_request request = {.codec = codec,
                                              .route = route,
                                              .path = &path,
                                              .query = input->query,
                                              .body = input->body,
                                              .content_type = span_of_string("a/b"),
                                              .arena = arena};
    rpc_status_clear(&status);
    enum rpc_code code = transcode_request(&request, &message, &status);
    check(code == status.code);
    if (code != RPC_OK)
        return route;
    code = json_print(codec, message, out, &status);
    check(code == RPC_OK || code == RPC_INTERNAL); /* beyond 2^53 in a message of any numbers */
    if (code != RPC_OK)
        buffer_clear(out);
    return route;
}

static bool is_letter(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

/* The path with every letter and digit escaped that is not part of an escape. */
static struct span escape(struct span raw, struct arena *arena)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *text = arena_alloc(arena, raw.len * 3 + 1);
    size_t len = 0;
    check(text != NULL);
    for (size_t i = 0; i < raw.len; i++) {
        bool in_escape = (i >= 1 && raw.data[i - 1] == '%') || (i >= 2 && raw.data[i - 2] == '%');
        if (in_escape || !is_letter(raw.data[i])) {
            text[len++] = raw.data[i];
            continue;
        }
        text[len++] = '%';
        text[len++] = (uint8_t)digits[raw.data[i] >> 4];
        text[len++] = (uint8_t)digits[raw.data[i] & 15];
    }
    return span_of(text, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct buffer plain;
    struct buffer escaped;
    size_t position;
    if (router == NULL)
        make_router();
    if (size > INPUT_BYTES_MAX)
        return 0;
    struct input input = {.body = span_of(data, size)};
    struct span line = until(&input.body, '\n');
    input.verb = until(&line, ' ');
    input.path = until(&line, '?');
    input.query = line;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    buffer_init(&plain, ANSWER_BYTES_MAX);
    buffer_init(&escaped, ANSWER_BYTES_MAX);
    const struct route *route = weave(&input, input.path, &plain, &arena);
    if (route != NULL) {
        check(plain.len == 0 || json_text_check(buffer_span(&plain), &position));
        check(weave(&input, escape(input.path, &arena), &escaped, &arena) == route);
        check(span_equal(buffer_span(&plain), buffer_span(&escaped)));
    }
    buffer_fini(&plain);
    buffer_fini(&escaped);
    arena_fini(&arena);
    return 0;
}
