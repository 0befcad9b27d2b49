#include "test/unit/clients/meta_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/base/clock.h"

#define DEADLINE_MS 20000

static void copy(char *to, size_t size, const char *from)
{
    size_t len = strnlen(from, size - 1);
    memcpy(to, from, len);
    to[len] = '\0';
}

static void handle(void *arg, struct http_exchange *exchange)
{
    struct meta_script *f = arg;
    (void)pthread_mutex_lock(&f->lock);
    struct request *request = &f->requests[f->request_count % REQUESTS_MAX];
    size_t at = f->request_count < f->answer_count ? f->request_count : f->answer_count - 1;
    f->request_count++;
    copy(request->verb, sizeof request->verb, exchange->verb);
    copy(request->target, sizeof request->target, exchange->target);
    copy(request->head, sizeof request->head, exchange->head);
    size_t len =
        exchange->body_len < sizeof request->body ? exchange->body_len : sizeof request->body - 1;
    memcpy(request->body, exchange->body, len);
    request->body[len] = '\0';
    struct answer answer = f->answers[at];
    (void)pthread_mutex_unlock(&f->lock);
    if (answer.status == 0)
        exchange->close = true; /* no answer at all */
    else
        http_exchange_answer_text(exchange, answer.status, answer.headers, answer.body);
}

int meta_script_setup(void **state)
{
    struct meta_script *f = calloc(1, sizeof *f);
    (void)pthread_mutex_init(&f->lock, NULL);
    f->server = http_server_start(handle, f);
    (void)snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u", http_server_port(f->server));
    struct http_options http = {.user_agent = "test"};
    assert_int_equal(http_client_create(&http, &f->http, &f->status), RPC_OK);
    struct meta_options options = {f->http, f->url, f->url, "v24.0", "42", SECRET};
    f->client = meta_client_create(&options);
    assert_non_null(f->client);
    arena_init(&f->arena, ARENA_CALL_BYTES_MAX);
    f->context =
        (struct rpc_context){.arena = &f->arena, .deadline_ms = clock_mono_ms() + DEADLINE_MS};
    *state = f;
    return 0;
}

int meta_script_teardown(void **state)
{
    struct meta_script *f = *state;
    meta_client_destroy(f->client);
    http_client_destroy(f->http);
    http_server_stop(f->server);
    arena_fini(&f->arena);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

void meta_script_set(struct meta_script *f, const struct answer *answers, size_t count)
{
    (void)pthread_mutex_lock(&f->lock);
    memcpy(f->answers, answers, count * sizeof *answers);
    f->answer_count = count;
    f->request_count = 0;
    (void)pthread_mutex_unlock(&f->lock);
    f->context.deadline_ms = clock_mono_ms() + DEADLINE_MS;
}

size_t meta_script_count(struct meta_script *f)
{
    (void)pthread_mutex_lock(&f->lock);
    size_t count = f->request_count;
    (void)pthread_mutex_unlock(&f->lock);
    return count;
}

const struct request *meta_script_request(struct meta_script *f, size_t index)
{
    assert_true(index < meta_script_count(f));
    return &f->requests[index];
}
