#include "test/unit/clients/site_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "rpc/base/buffer.h"
#include "rpc/base/clock.h"

#define ARENA_BYTES ((size_t)256 * 1024 * 1024)
#define BODY_BYTES_MAX ((size_t)16 * 1024 * 1024)

static void expand(const struct site_fixture *fixture, const char *text, struct buffer *out)
{
    while (*text != '\0') {
        const char *mark = strstr(text, "{O}");
        size_t len = mark == NULL ? strlen(text) : (size_t)(mark - text);
        assert_true(buffer_append(out, text, len));
        if (mark == NULL)
            return;
        assert_true(buffer_append_string(out, fixture->origin));
        text = mark + 3;
    }
}

static void pack(struct buffer *body)
{
    z_stream stream = {0};
    size_t room = compressBound(body->len) + 64;
    uint8_t *packed = malloc(room);
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = body->data;
    stream.avail_in = (unsigned)body->len;
    stream.next_out = packed;
    stream.avail_out = (unsigned)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    buffer_clear(body);
    assert_true(buffer_append(body, packed, stream.total_out));
    (void)deflateEnd(&stream);
    free(packed);
}

void site_fixture_answer(struct site_fixture *fixture, struct http_exchange *exchange,
                         const struct route *route)
{
    struct buffer body, headers;
    buffer_init(&body, BODY_BYTES_MAX);
    buffer_init(&headers, BODY_BYTES_MAX);
    expand(fixture, route->body == NULL ? "" : route->body, &body);
    expand(fixture, route->headers == NULL ? "Content-Type: text/html\r\n" : route->headers,
           &headers);
    if (route->is_gzip)
        pack(&body);
    http_exchange_answer(exchange, route->status == 0 ? 200 : route->status,
                         buffer_cstring(&headers), body.data, body.len);
    buffer_fini(&body);
    buffer_fini(&headers);
}

static void handle(void *arg, struct http_exchange *exchange)
{
    struct site_fixture *fixture = arg;
    atomic_fetch_add(&fixture->requests, 1);
    for (size_t i = 0; i < fixture->route_count; i++) {
        if (strcmp(fixture->routes[i].target, exchange->target) == 0) {
            site_fixture_answer(fixture, exchange, &fixture->routes[i]);
            return;
        }
    }
    if (fixture->special == NULL || !fixture->special(fixture, exchange))
        http_exchange_answer_text(exchange, 404, NULL, "");
}

void site_fixture_start(struct site_fixture *fixture, const struct route *routes, size_t count)
{
    size_t cidrs = 0;
    *fixture = (struct site_fixture){.routes = routes, .route_count = count};
    fixture->server = http_server_start(handle, fixture);
    (void)snprintf(fixture->origin, sizeof fixture->origin, "http://127.0.0.1:%u",
                   http_server_port(fixture->server));
    const struct http_options options = {.user_agent = "Other/1"};
    assert_int_equal(http_client_create(&options, &fixture->http, NULL), RPC_OK);
    assert_true(config_parse_cidrs("127.0.0.1/32", &fixture->loopback, 1, &cidrs));
    fixture->policy = (struct http_address_policy){true, &fixture->loopback, 1};
    arena_init(&fixture->arena, ARENA_BYTES);
}

void site_fixture_stop(struct site_fixture *fixture)
{
    http_client_destroy(fixture->http);
    http_server_stop(fixture->server);
    arena_fini(&fixture->arena);
}

enum rpc_code site_fixture_scan_url(struct site_fixture *fixture, const char *url)
{
    struct rpc_context context = {.arena = &fixture->arena};
    context.deadline_ms =
        clock_mono_ms() + (fixture->deadline_ms == 0 ? 30000 : fixture->deadline_ms);
    const struct site_scan_options options = {
        .http = fixture->http,
        .policy = &fixture->policy,
        .url = url,
        .items_max = fixture->items_max == 0 ? 100000 : fixture->items_max,
        .progress = fixture->progress,
        .progress_arg = fixture->progress_arg,
        .memory = fixture->memory,
    };
    fixture->scan = (struct site_scan){0};
    rpc_status_clear(&fixture->status);
    return site_scan_run(&options, &context, &fixture->scan, &fixture->status);
}

enum rpc_code site_fixture_scan(struct site_fixture *fixture)
{
    char url[256];
    (void)snprintf(url, sizeof url, "%s%s", fixture->origin,
                   fixture->start == NULL ? "/" : fixture->start);
    return site_fixture_scan_url(fixture, url);
}

const Lotcast__V1__ItemRecord *site_fixture_item(struct site_fixture *fixture, const char *identity)
{
    struct buffer wanted;
    const Lotcast__V1__ItemRecord *item = NULL;
    buffer_init(&wanted, BODY_BYTES_MAX);
    expand(fixture, identity, &wanted);
    const char *text = buffer_cstring(&wanted);
    for (size_t i = 0; i < fixture->scan.item_count && item == NULL; i++) {
        if (strcmp(fixture->scan.items[i]->identity, text) == 0)
            item = fixture->scan.items[i];
    }
    if (item == NULL) {
        for (size_t i = 0; i < fixture->scan.item_count; i++)
            print_message("  has %s\n", fixture->scan.items[i]->identity);
        fail_msg("no item %s", text);
    }
    buffer_fini(&wanted);
    return item;
}
