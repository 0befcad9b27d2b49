/*
 * The client: one thread, one curl multi.
 *
 * States of a call: queued (in `queue`, under the mutex) → running (in the `running` list, the
 * thread's alone) → over (`done` has been called). The thread takes the queue, then the
 * cancellations, lets libcurl work, and sleeps in curl_multi_poll until a socket, a deadline or
 * curl_multi_wakeup. Deadlines are watched here and not by libcurl, which does not look at
 * transfers that wait for a connection.
 *
 * Who frees: a call dies with its last reference (the caller's handle, and the client's until it is
 * over). The client's memory dies with the last call, so that a handle that outlives
 * http_client_destroy may still be cancelled; what libcurl owns and the thread are gone by then.
 */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "clients/http/internal.h"
#include "rpc/base/clock.h"

#define CONNECTIONS_DEFAULT 256L
/* Longest sleep of the thread, in ms. */
#define POLL_MS_MAX 1000
/* How often a blocking fetch asks whether its context has been stopped, in ms. */
#define STOP_CHECK_MS 50

struct http_client {
    atomic_int refs; /* one of the owner's, one of each call's */
    pthread_t thread;
    const char *user_agent;
    CURLM *multi;
    struct http_call *running; /* the thread's */

    pthread_mutex_t mutex; /* guards what follows */
    struct http_call *queue_first, *queue_last;
    struct http_call *cancel_first;
    bool stopping;
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static bool global_ready;

static void global_init(void)
{
    global_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static void client_unref(struct http_client *client)
{
    if (atomic_fetch_sub(&client->refs, 1) != 1)
        return;
    (void)pthread_mutex_destroy(&client->mutex);
    free(client);
}

void http_call_unref(struct http_call *call)
{
    if (call == NULL || atomic_fetch_sub(&call->refs, 1) != 1)
        return;
    struct http_client *client = call->client;
    http__call_free(call);
    client_unref(client);
}

static void list_add(struct http_client *client, struct http_call *call)
{
    call->running_next = client->running;
    if (client->running != NULL)
        client->running->running_previous = call;
    client->running = call;
    call->running = true;
}

static void list_remove(struct http_client *client, struct http_call *call)
{
    if (call->running_previous != NULL)
        call->running_previous->running_next = call->running_next;
    else
        client->running = call->running_next;
    if (call->running_next != NULL)
        call->running_next->running_previous = call->running_previous;
    call->running = false;
}

/* The one place where a call ends: `done`, and the client's reference goes. */
static void finish(struct http_client *client, struct http_call *call,
                   struct http_response *response, enum http_failure failure)
{
    assert(!call->over);
    call->over = true;
    if (call->running) {
        list_remove(client, call);
        (void)curl_multi_remove_handle(client->multi, call->easy);
    }
    if (call->easy != NULL) {
        curl_easy_cleanup(call->easy);
        call->easy = NULL;
    }
    call->done(call->done_arg, response, failure);
    http_call_unref(call);
}

static void start(struct http_client *client, struct http_call *call)
{
    if (call->deadline_ms <= clock_mono_ms()) {
        finish(client, call, NULL, HTTP_FAILURE_TIMEOUT);
        return;
    }
    if (!http__transfer_open(call, client->user_agent) ||
        curl_multi_add_handle(client->multi, call->easy) != CURLM_OK) {
        finish(client, call, NULL, HTTP_FAILURE_CONNECT);
        return;
    }
    list_add(client, call);
}

/* Takes what other threads have left. Returns false when the client is to stop. */
static bool take_orders(struct http_client *client)
{
    (void)pthread_mutex_lock(&client->mutex);
    struct http_call *queue = client->queue_first;
    struct http_call *cancels = client->cancel_first;
    client->queue_first = NULL;
    client->queue_last = NULL;
    client->cancel_first = NULL;
    bool stopping = client->stopping;
    (void)pthread_mutex_unlock(&client->mutex);
    while (queue != NULL) {
        struct http_call *call = queue;
        queue = call->queue_next;
        if (stopping)
            finish(client, call, NULL, HTTP_FAILURE_CANCELLED);
        else
            start(client, call);
    }
    while (cancels != NULL) {
        struct http_call *call = cancels;
        cancels = call->cancel_next;
        if (!call->over)
            finish(client, call, NULL, HTTP_FAILURE_CANCELLED);
        http_call_unref(call);
    }
    return !stopping;
}

static void take_results(struct http_client *client)
{
    for (;;) {
        int left;
        CURLMsg *message = curl_multi_info_read(client->multi, &left);
        if (message == NULL)
            return;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result; /* the message dies with the handle's removal */
        void *private = NULL;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct http_call *call = private;
        struct http_response *response = NULL;
        enum http_failure failure = http__transfer_result(call, result, &response);
        finish(client, call, response, failure);
    }
}

/* Ends what is overdue; returns the time until the next deadline, in ms. */
static int expire(struct http_client *client)
{
    int64_t now_ms = clock_mono_ms();
    int64_t wait_ms = POLL_MS_MAX;
    struct http_call *call = client->running;
    while (call != NULL) {
        struct http_call *next = call->running_next;
        int64_t left_ms = call->deadline_ms - now_ms;
        if (call->deadline_ms <= now_ms)
            finish(client, call, NULL,
                   call->address_refused && !call->request_begun ? HTTP_FAILURE_ADDRESS
                                                                 : HTTP_FAILURE_TIMEOUT);
        else if (left_ms < wait_ms)
            wait_ms = left_ms;
        call = next;
    }
    return (int)wait_ms;
}

static void *client_main(void *arg)
{
    struct http_client *client = arg;
    while (take_orders(client)) {
        int running;
        (void)curl_multi_perform(client->multi, &running);
        take_results(client);
        int wait_ms = expire(client);
        (void)curl_multi_poll(client->multi, NULL, 0, wait_ms, NULL);
    }
    while (client->running != NULL)
        finish(client, client->running, NULL, HTTP_FAILURE_CANCELLED);
    return NULL;
}

static enum rpc_code start_thread(struct http_client *client, struct rpc_status *status)
{
    /* No signal is for this thread, nor for libcurl's resolvers; OpenSSL may raise SIGPIPE. */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&client->thread, NULL, client_main, client);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "no thread for the HTTP client");
    return RPC_OK;
}

enum rpc_code http_client_create(const struct http_options *options,
                                 struct http_client **ret_client, struct rpc_status *status)
{
    (void)pthread_once(&global_once, global_init);
    struct http_client *client = global_ready ? calloc(1, sizeof *client) : NULL;
    CURLM *multi = client == NULL ? NULL : curl_multi_init();
    if (multi == NULL) {
        free(client);
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "no memory for the HTTP client");
    }
    atomic_init(&client->refs, 1);
    client->user_agent = options->user_agent;
    client->multi = multi;
    (void)pthread_mutex_init(&client->mutex, NULL);
    long total =
        options->connections_max == 0 ? CONNECTIONS_DEFAULT : (long)options->connections_max;
    (void)curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, total);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, total);
    (void)curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                            (long)options->connections_per_host_max);
    enum rpc_code code = start_thread(client, status);
    if (code != RPC_OK) {
        (void)curl_multi_cleanup(multi);
        client_unref(client);
        return code;
    }
    *ret_client = client;
    return RPC_OK;
}

void http_client_destroy(struct http_client *client)
{
    if (client == NULL)
        return;
    assert(!pthread_equal(pthread_self(), client->thread));
    (void)pthread_mutex_lock(&client->mutex);
    client->stopping = true;
    (void)pthread_mutex_unlock(&client->mutex);
    (void)curl_multi_wakeup(client->multi);
    (void)pthread_join(client->thread, NULL);
    (void)curl_multi_cleanup(client->multi);
    client_unref(client);
}

struct http_call *http_client_send(struct http_client *client, const struct http_request *request,
                                   void (*done)(void *arg, struct http_response *response,
                                                enum http_failure failure),
                                   void *arg)
{
    struct http_call *call = http__call_create(request);
    if (call == NULL) {
        done(arg, NULL, HTTP_FAILURE_CONNECT);
        return NULL;
    }
    call->client = client;
    call->done = done;
    call->done_arg = arg;
    atomic_fetch_add(&client->refs, 1);
    atomic_fetch_add(&call->refs, 1); /* the client's */
    (void)pthread_mutex_lock(&client->mutex);
    if (client->stopping) { /* from a `done` that goes on although the client is being destroyed */
        (void)pthread_mutex_unlock(&client->mutex);
        done(arg, NULL, HTTP_FAILURE_CANCELLED);
        http_call_unref(call);
        http_call_unref(call);
        return NULL;
    }
    if (client->queue_last != NULL)
        client->queue_last->queue_next = call;
    else
        client->queue_first = call;
    client->queue_last = call;
    (void)curl_multi_wakeup(client->multi);
    (void)pthread_mutex_unlock(&client->mutex);
    return call;
}

void http_call_cancel(struct http_call *call)
{
    struct http_client *client = call->client;
    (void)pthread_mutex_lock(&client->mutex);
    /* Once it is stopping everything is cancelled anyway, and the multi may be gone. */
    if (!client->stopping && !call->cancel_queued) {
        call->cancel_queued = true;
        atomic_fetch_add(&call->refs, 1); /* the list's */
        call->cancel_next = client->cancel_first;
        client->cancel_first = call;
        (void)curl_multi_wakeup(client->multi);
    }
    (void)pthread_mutex_unlock(&client->mutex);
}

/* What a blocking fetch waits on. */
struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t cond; /* on the monotonic clock */
    bool over;
    struct http_response *response;
    enum http_failure failure;
};

static void on_fetched(void *arg, struct http_response *response, enum http_failure failure)
{
    struct waiter *waiter = arg;
    (void)pthread_mutex_lock(&waiter->mutex);
    waiter->over = true;
    waiter->response = response;
    waiter->failure = failure;
    (void)pthread_cond_signal(&waiter->cond); /* under the lock: the waiter frees itself after it */
    (void)pthread_mutex_unlock(&waiter->mutex);
}

static void wait_some(struct waiter *waiter)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += STOP_CHECK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    (void)pthread_cond_timedwait(&waiter->cond, &waiter->mutex, &until);
}

enum http_failure http_client_fetch(struct http_client *client, const struct rpc_context *context,
                                    const struct http_request *request,
                                    struct http_response **ret_response)
{
    struct http_request bounded = *request;
    if (context != NULL && context->deadline_ms < bounded.deadline_ms)
        bounded.deadline_ms = context->deadline_ms;
    struct waiter waiter = {.over = false};
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&waiter.cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&waiter.mutex, NULL);
    struct http_call *call = http_client_send(client, &bounded, on_fetched, &waiter);
    bool cancelled = false;
    (void)pthread_mutex_lock(&waiter.mutex);
    while (!waiter.over) {
        if (!cancelled && context != NULL && context->cancelled != NULL &&
            atomic_load(context->cancelled)) {
            cancelled = true;
            http_call_cancel(call);
        }
        wait_some(&waiter);
    }
    (void)pthread_mutex_unlock(&waiter.mutex);
    http_call_unref(call);
    (void)pthread_cond_destroy(&waiter.cond);
    (void)pthread_mutex_destroy(&waiter.mutex);
    if (waiter.failure == HTTP_FAILURE_NONE)
        *ret_response = waiter.response;
    return waiter.failure;
}
