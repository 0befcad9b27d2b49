/*
 * A loop and its thread. All of libh2o's objects are made and disposed of on the thread itself,
 * since libh2o keeps memory a thread.
 */
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "rest/internal.h"
#include "rpc/base/clock.h"

/* Accepted in a row, before others have their turn. */
#define ACCEPT_BURST 64
/* A connection that has not sent a request yet when a drain begins has so long for it, in ms. */
#define DRAIN_FRESH_MS 1000

/* The kernel's bytes are drawn once; each refill's end is the next one's seed. */
void rest_thread_random(struct rest_thread *thread, void *bytes, size_t len)
{
    if (thread->random_used + len > sizeof thread->random.bytes) {
        struct rest_random next;
        randombytes_buf_deterministic(&next, sizeof next, thread->random.seed);
        thread->random = next;
        thread->random_used = 0;
    }
    memcpy(bytes, thread->random.bytes + thread->random_used, len);
    thread->random_used += len;
}

/* --- accept --- */

static void on_accept(h2o_socket_t *listener, const char *error)
{
    struct rest_thread *thread = listener->data;
    if (error != NULL)
        return;
    for (int i = 0; i < ACCEPT_BURST; i++) {
        errno = 0;
        h2o_socket_t *socket = h2o_evloop_socket_accept(listener);
        if (socket == NULL) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                h2o_socket_read_stop(listener);
                thread->accept_paused = true;
            }
            return;
        }
        rest_connection_accept(thread, socket);
    }
}

static void close_listener(struct rest_thread *thread)
{
    if (thread->listener == NULL)
        return;
    h2o_socket_read_stop(thread->listener);
    for (;;) { /* those who are connected already are not turned away */
        h2o_socket_t *socket = h2o_evloop_socket_accept(thread->listener);
        if (socket == NULL)
            break;
        rest_connection_accept(thread, socket);
    }
    h2o_socket_close(thread->listener);
    thread->listener = NULL;
}

/* --- commands --- */

static void drain(struct rest_thread *thread)
{
    if (thread->draining)
        return;
    close_listener(thread);
    thread->draining = true;
    h2o_context_request_shutdown(&thread->context);
    int64_t limit_ms = clock_mono_ms() + DRAIN_FRESH_MS;
    h2o_linklist_t *node = thread->connections.next;
    while (node != &thread->connections) {
        struct rest_connection *connection =
            H2O_STRUCT_FROM_MEMBER(struct rest_connection, link, node);
        node = node->next;
        if (connection->gated && connection->fresh && connection->deadline_ms > limit_ms)
            connection->deadline_ms = limit_ms;
        rest_connection_close_idle(connection);
    }
}

static void cut_all(struct rest_thread *thread)
{
    close_listener(thread);
    h2o_linklist_t *node = thread->connections.next;
    while (node != &thread->connections) {
        struct rest_connection *connection =
            H2O_STRUCT_FROM_MEMBER(struct rest_connection, link, node);
        node = node->next;
        if (connection->request != NULL)
            rest_call_cancel(connection->request);
        rest_connection_cut(connection);
    }
    rest_linger_close_all(thread);
}

static void on_wakeup(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct rest_thread *thread = H2O_STRUCT_FROM_MEMBER(struct rest_thread, wakeups, receiver);
    while (!h2o_linklist_is_empty(messages))
        h2o_linklist_unlink(messages->next);
    atomic_store(&thread->woken, false); /* before the commands are read: none is missed */
    int commands = atomic_exchange(&thread->commands, 0);
    if ((commands & REST_COMMAND_DRAIN) != 0)
        drain(thread);
    if ((commands & REST_COMMAND_CUT) != 0)
        cut_all(thread);
    if ((commands & REST_COMMAND_STOP) != 0)
        thread->stopping = true;
}

void rest_thread_command(struct rest_thread *thread, int commands)
{
    (void)atomic_fetch_or(&thread->commands, commands);
    if (!atomic_exchange(&thread->woken, true))
        h2o_multithread_send_message(&thread->wakeups, &thread->wakeup);
}

/* --- tick --- */

static void tick(struct rest_thread *thread, int64_t now_ms)
{
    thread->next_tick_ms = now_ms + REST_TICK_MS;
    if (thread->accept_paused && thread->listener != NULL) {
        thread->accept_paused = false;
        h2o_socket_read_start(thread->listener, on_accept);
    }
    rest_requests_tick(thread, now_ms);
    if (++thread->tick_count % REST_TICKS_OF_CONNECTIONS == 0)
        rest_connections_tick(thread, now_ms);
    rest_linger_tick(thread, now_ms);
    if (thread->index == 0 && !thread->stopping)
        rest_ready_tick(thread->rest->ready, now_ms);
}

/* --- life --- */

static void open_loop(struct rest_thread *thread)
{
    struct rest *rest = thread->rest;
    thread->loop = h2o_evloop_create();
    h2o_context_init(&thread->context, thread->loop, &rest->config);
    thread->accept = (h2o_accept_ctx_t){.ctx = &thread->context, .hosts = rest->config.hosts};
    h2o_linklist_init_anchor(&thread->connections);
    h2o_linklist_init_anchor(&thread->lingering);
    h2o_linklist_init_anchor(&thread->calls);
    h2o_linklist_init_anchor(&thread->rearms);
    h2o_multithread_register_receiver(thread->context.queue, &thread->replies,
                                      rest_request_on_replies);
    h2o_multithread_register_receiver(thread->context.queue, &thread->items, rest_stream_on_items);
    h2o_multithread_register_receiver(thread->context.queue, &thread->wakeups, on_wakeup);
    randombytes_buf(thread->random.seed, sizeof thread->random.seed);
    thread->random_used = sizeof thread->random.bytes;
    thread->printed = printed_create(REST_PRINTED_BYTES_MAX);
    rest_watch_open(thread);
    thread->listener =
        h2o_evloop_socket_create(thread->loop, thread->listen_fd, H2O_SOCKET_FLAG_DONT_READ);
    thread->listener->data = thread;
    h2o_socket_read_start(thread->listener, on_accept);
}

static void close_loop(struct rest_thread *thread)
{
    h2o_context_t *context = &thread->context;
    h2o_multithread_queue_t *queue = context->queue;
    rest_watch_close(thread);
    printed_destroy(thread->printed);
    h2o_multithread_unregister_receiver(queue, &thread->replies);
    h2o_multithread_unregister_receiver(queue, &thread->items);
    h2o_multithread_unregister_receiver(queue, &thread->wakeups);
    h2o_timeout_unlink(&context->http2._graceful_shutdown_timeout);
    h2o_context_dispose(context);
    free(queue);                           /* disposed of, but not freed, by 2.2.5 */
    (void)h2o_evloop_run(thread->loop, 0); /* frees the sockets that were closed */
    h2o_evloop_destroy(thread->loop);
}

static bool is_busy(struct rest_thread *thread)
{
    return !thread->stopping || !h2o_linklist_is_empty(&thread->connections) ||
           !h2o_linklist_is_empty(&thread->calls) || !h2o_linklist_is_empty(&thread->lingering);
}

/* One turn of the loop, which sleeps so long at most; how long the next may. */
static int32_t turn(struct rest_thread *thread, int32_t wait_ms)
{
    rpc_channel_hold(); /* calls that one turn begins leave together */
    (void)h2o_evloop_run(thread->loop, wait_ms);
    rpc_channel_release();
    bool work = rest_connections_rearm(thread);
    int64_t now_ms = clock_mono_ms();
    if (now_ms >= thread->next_tick_ms) {
        tick(thread, now_ms);
        work = true; /* what it has begun is gone on with in the next turn */
    }
    return work ? 0 : REST_TICK_MS;
}

void *rest_thread_run(void *arg)
{
    struct rest_thread *thread = arg;
    struct rest *rest = thread->rest;
    sigset_t signals;
    char name[16];
    int32_t wait = 0;
    /* A client that is gone is an error of the write, not of the process. */
    (void)sigfillset(&signals);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)snprintf(name, sizeof name, "rest-%zu", thread->index % 1000);
    (void)prctl(PR_SET_NAME, name);
    thread->id = pthread_self();
    open_loop(thread);
    (void)pthread_mutex_lock(&rest->lock);
    rest->threads_up++;
    (void)pthread_cond_broadcast(&rest->changed);
    (void)pthread_mutex_unlock(&rest->lock);
    while (is_busy(thread))
        wait = turn(thread, wait);
    close_loop(thread);
    return NULL;
}
