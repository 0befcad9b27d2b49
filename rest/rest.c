#include "rest/rest.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "rest/internal.h"
#include "rpc/base/clock.h"

#define CONNECTIONS_MAX_DEFAULT 20000
#define CONNECTIONS_PER_ADDRESS_MAX_DEFAULT 256
#define THREADS_MAX 64
/* libh2o's own limits, above ours: a body; time for a request and between requests, in ms. */
#define LIBH2O_BODY_BYTES_MAX (2 * GATE_BODY_BYTES_MAX)
#define LIBH2O_REQUEST_MS_MAX 90000
/* HTTP/2: requests at work at once on one connection, and how long a drain waits for them, in ms.
 */
#define HTTP2_REQUESTS_MAX 32
#define HTTP2_GRACEFUL_MS 2000
/* What is left to connections that were cut, in ms. */
#define CUT_MS 500

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
}

static void configure(struct rest *rest)
{
    h2o_globalconf_t *config = &rest->config;
    h2o_config_init(config);
    config->server_name = h2o_iovec_init(H2O_STRLIT("lotcast"));
    config->max_request_entity_size = LIBH2O_BODY_BYTES_MAX;
    config->http1.req_timeout = LIBH2O_REQUEST_MS_MAX;
    config->http1.upgrade_to_http2 = rest->http2;
    config->http2.idle_timeout = REST_IDLE_MS_MAX;
    config->http2.graceful_shutdown_timeout = HTTP2_GRACEFUL_MS;
    config->http2.max_concurrent_requests_per_connection = HTTP2_REQUESTS_MAX;
    h2o_hostconf_t *host = h2o_config_register_host(config, h2o_iovec_init(H2O_STRLIT("default")),
                                                    65535 /* any port */);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    path->error_log.emit_request_errors = 0;
    h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = rest_request_handle;
}

static int64_t or_default(int64_t value, int64_t value_default)
{
    return value == 0 ? value_default : value;
}

static void copy_limits(struct rest *rest, const struct rest_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    rest->connections_max =
        options->connections_max == 0 ? CONNECTIONS_MAX_DEFAULT : options->connections_max;
    rest->connections_per_address_max = options->connections_per_address_max == 0
                                            ? CONNECTIONS_PER_ADDRESS_MAX_DEFAULT
                                            : options->connections_per_address_max;
    rest->head_ms_max = or_default(options->head_ms_max, REST_HEAD_MS_MAX);
    rest->body_ms_max = or_default(options->body_ms_max, REST_BODY_MS_MAX);
    rest->idle_ms_max = or_default(options->idle_ms_max, REST_IDLE_MS_MAX);
    rest->write_ms_max = or_default(options->write_ms_max, REST_WRITE_MS_MAX);
    rest->thread_count = options->threads != 0 ? options->threads : cores > 0 ? (size_t)cores : 1;
    if (rest->thread_count > THREADS_MAX)
        rest->thread_count = THREADS_MAX;
}

static bool use_public_url(struct rest *rest, const char *url)
{
    char *copy = strdup(url);
    if (copy == NULL || !header_origin_of_url(url, rest->origin)) {
        free(copy);
        return false;
    }
    free(rest->public_url);
    rest->public_url = copy;
    rest->cookie_secure = strncmp(rest->origin, "https:", 6) == 0;
    return true;
}

static enum rpc_code copy_options(struct rest *rest, const struct rest_options *options,
                                  struct rpc_status *status)
{
    rest->registry = options->registry;
    rest->channel = options->channel;
    rest->http2 = options->http2;
    rest->web_files = options->web_files;
    rest->web_file_count = options->web_file_count;
    copy_limits(rest, options);
    rest->listen = strdup(options->listen);
    rest->proxies = calloc(options->trusted_proxy_count + 1, sizeof rest->proxies[0]);
    rest->threads = calloc(rest->thread_count, sizeof rest->threads[0]);
    rest->addresses = rest_address_table_create();
    if (rest->listen == NULL || rest->proxies == NULL || rest->threads == NULL ||
        rest->addresses == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < options->trusted_proxy_count; i++)
        rest->proxies[i] = options->trusted_proxies[i];
    rest->proxy_count = options->trusted_proxy_count;
    if (options->public_url != NULL && *options->public_url != '\0' &&
        !use_public_url(rest, options->public_url))
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "not an http or https URL: %s",
                              options->public_url);
    return RPC_OK;
}

static enum rpc_code make_metrics(struct rest *rest, struct rpc_status *status)
{
    size_t count = router_route_count(rest->router);
    rest->route_metrics = calloc(count + 1, sizeof rest->route_metrics[0]);
    if (rest->route_metrics == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < count; i++) {
        const struct route *route = router_route_at(rest->router, i);
        rest->route_metrics[i] = rest_route_metrics_get(route->verb, route->template);
        if (rest->route_metrics[i] == NULL)
            return out_of_memory(status);
    }
    rest_metrics_start();
    return RPC_OK;
}

static enum rpc_code build(struct rest *rest, const struct rest_options *options,
                           struct rpc_status *status)
{
    enum rpc_code code = copy_options(rest, options, status);
    rpc_channel_on_batch_end(options->channel, rest_call_batch_end);
    rest->check_access = registry_method_find(
        options->registry, span_of_string("lotcast.v1.AccessControl/CheckAccess"));
    if (code == RPC_OK && rest->check_access == NULL)
        code = rpc_status_set(status, RPC_FAILED_PRECONDITION,
                              "lotcast.v1.AccessControl is not declared");
    if (code == RPC_OK)
        code = router_create(options->registry, &rest->router, status);
    if (code == RPC_OK)
        code = json_codec_create(options->registry, &json_options_api, &rest->codec, status);
    if (code == RPC_OK)
        code = rest_ready_create(options, &rest->ready, status);
    if (code == RPC_OK)
        code = rest_scrape_create(options, &rest->scrape, status);
    if (code == RPC_OK)
        code = make_metrics(rest, status);
    return code;
}

enum rpc_code rest_create(const struct rest_options *options, struct rest **ret_rest,
                          struct rpc_status *status)
{
    pthread_condattr_t attributes;
    if (sodium_init() < 0)
        return rpc_status_set(status, RPC_INTERNAL, "libsodium does not start");
    struct rest *rest = calloc(1, sizeof *rest);
    if (rest == NULL)
        return out_of_memory(status);
    (void)pthread_mutex_init(&rest->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&rest->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    enum rpc_code code = build(rest, options, status);
    configure(rest);
    if (code != RPC_OK) {
        rest_destroy(rest);
        return code;
    }
    *ret_rest = rest;
    return RPC_OK;
}

/* --- start --- */

static void wait_until_up(struct rest *rest, size_t count)
{
    (void)pthread_mutex_lock(&rest->lock);
    while (rest->threads_up < count)
        (void)pthread_cond_wait(&rest->changed, &rest->lock);
    (void)pthread_mutex_unlock(&rest->lock);
}

static void stop_threads(struct rest *rest, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rest_thread_command(&rest->threads[i], REST_COMMAND_CUT | REST_COMMAND_STOP);
    for (size_t i = 0; i < count; i++)
        (void)pthread_join(rest->threads[i].id, NULL);
}

static enum rpc_code start_threads(struct rest *rest, const int *fds, struct rpc_status *status)
{
    for (size_t i = 0; i < rest->thread_count; i++) {
        struct rest_thread *thread = &rest->threads[i];
        pthread_t id;
        thread->rest = rest;
        thread->index = i;
        thread->listen_fd = fds[i];
        int error = pthread_create(&id, NULL, rest_thread_run, thread);
        if (error != 0) {
            for (size_t j = i; j < rest->thread_count; j++)
                (void)close(fds[j]);
            wait_until_up(rest, i);
            stop_threads(rest, i);
            return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                                  strerror(error));
        }
    }
    wait_until_up(rest, rest->thread_count);
    return RPC_OK;
}

enum rpc_code rest_start(struct rest *rest, unsigned *ret_port, struct rpc_status *status)
{
    int fds[THREADS_MAX];
    unsigned port = 0;
    enum rpc_code code = rest_listen(rest->listen, fds, rest->thread_count, &port, status);
    if (code != RPC_OK)
        return code;
    if (rest->public_url == NULL) {
        char url[64];
        (void)snprintf(url, sizeof url, "http://localhost:%u", port);
        if (!use_public_url(rest, url)) {
            for (size_t i = 0; i < rest->thread_count; i++)
                (void)close(fds[i]);
            return out_of_memory(status);
        }
    }
    code = rest_special_describe(rest, status);
    if (code != RPC_OK) {
        for (size_t i = 0; i < rest->thread_count; i++)
            (void)close(fds[i]);
        return code;
    }
    code = start_threads(rest, fds, status);
    if (code != RPC_OK)
        return code;
    rest->started = true;
    if (ret_port != NULL)
        *ret_port = port;
    return RPC_OK;
}

/* --- end --- */

void rest_note_closed(struct rest *rest)
{
    if (!atomic_load(&rest->draining))
        return;
    (void)pthread_mutex_lock(&rest->lock);
    (void)pthread_cond_broadcast(&rest->changed);
    (void)pthread_mutex_unlock(&rest->lock);
}

/* Waits until all connections are closed; false when the time is up. */
static bool wait_until_closed(struct rest *rest, int64_t timeout_ms)
{
    struct timespec until;
    int result = 0;
    if (timeout_ms < 0)
        timeout_ms = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&rest->lock);
    while (atomic_load(&rest->connection_count) > 0 && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&rest->changed, &rest->lock, &until);
    (void)pthread_mutex_unlock(&rest->lock);
    return atomic_load(&rest->connection_count) == 0;
}

static void command_all(struct rest *rest, int commands)
{
    for (size_t i = 0; i < rest->thread_count; i++)
        rest_thread_command(&rest->threads[i], commands);
}

void rest_drain(struct rest *rest, int64_t timeout_ms)
{
    if (!rest->started)
        return;
    int64_t end_ms = clock_mono_ms() + timeout_ms;
    atomic_store(&rest->draining, true);
    command_all(rest, REST_COMMAND_DRAIN);
    int64_t left_ms = end_ms - clock_mono_ms();
    if (wait_until_closed(rest, left_ms > CUT_MS ? left_ms - CUT_MS : 0))
        return;
    command_all(rest, REST_COMMAND_CUT);
    (void)wait_until_closed(rest, end_ms - clock_mono_ms());
}

void rest_destroy(struct rest *rest)
{
    if (rest == NULL)
        return;
    atomic_store(&rest->draining, true);
    if (rest->started)
        stop_threads(rest, rest->thread_count);
    rest_ready_destroy(rest->ready);
    rest_scrape_destroy(rest->scrape);
    h2o_config_dispose(&rest->config);
    router_destroy(rest->router);
    json_codec_destroy(rest->codec);
    rest_address_table_destroy(rest->addresses);
    (void)pthread_cond_destroy(&rest->changed);
    (void)pthread_mutex_destroy(&rest->lock);
    buffer_fini(&rest->openapi_gzip);
    free(rest->route_metrics);
    free(rest->proxies);
    free(rest->threads);
    free(rest->listen);
    free(rest->public_url);
    free(rest);
}
