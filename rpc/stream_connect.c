/*
 * The connections of the stream transport's clients.
 *
 * A thread connects: at once when there is no connection, then with backoff until there is one
 * whose server has greeted. Until the first attempt after a loss has failed, calls wait for it;
 * from then on only those do that want to (wait_for_ready). The same thread looks for signs of
 * life.
 */
#include <sodium.h>
#include <stdlib.h>

#include "rpc/stream_client.h"

#include "rpc/base/clock.h"

/* Backoff of connecting, in ms; each pause is between half of it and all of it. */
#define BACKOFF_MS_MIN 20
#define BACKOFF_MS_MAX 400
/* Behind so long without an attempt the next is made at once, in ms. */
#define STEADY_MS 2000
/* How long one attempt may take, in ms, and after how long those who do not wait are refused. */
#define DIAL_TIMEOUT_MS 2000
#define GREETING_WAIT_MS 1000
/* A server that has been silent for so long, with calls and without, is asked for a sign of life,
 * which it has so long to give, in ms. */
#define SILENCE_BUSY_MS 1000
#define SILENCE_IDLE_MS 10000
#define ALIVE_TIMEOUT_MS 3000
/* How often the thread looks, in ms. */
#define LOOK_MS 500
/* How long opening waits for a first connection, in ms, so that a call right after it finds one. */
#define FIRST_CONNECT_WAIT_MS 100
/* How long closing waits for NNG to let go, in ms, before the memory is given up. */
#define CLOSE_WAIT_MS 2000
#define CALLS_MAX_DEFAULT 1024
/* Slots beyond the calls in flight: a call is over a moment before its slot is free. */
#define SLOTS_SPARE 64
/* Memory for a response's header. */
#define HEADER_ARENA_BYTES ((size_t)256 * 1024)

/* --- connecting --- */

/* Waits for a change, at most until then. Under the lock. */
static void wait_changed(struct rpc__client *client, int64_t until_ms)
{
    struct timespec until = rpc__timespec_of_ms(until_ms);
    (void)pthread_cond_timedwait(&client->changed, &client->lock, &until);
}

static struct rpc__link *link_create(struct rpc__client *client, nng_stream *stream)
{
    struct rpc__link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        nng_stream_free(stream);
        return NULL;
    }
    link->client = client;
    link->conn =
        rpc__sconn_create(stream, SIDE_CLIENT, client->address.tls, &rpc__link_events, link);
    if (link->conn == NULL) {
        free(link);
        return NULL;
    }
    arena_init(&link->arena, HEADER_ARENA_BYTES);
    return link;
}

/* One attempt; false: it has failed. True: the server is there, but has not greeted yet. */
static bool dial(struct rpc__client *client)
{
    nng_stream_dialer_dial(client->dialer, client->dial_aio);
    nng_aio_wait(client->dial_aio);
    if (nng_aio_result(client->dial_aio) != 0)
        return false;
    nng_stream *stream = nng_aio_get_output(client->dial_aio, 0);
    if (!rpc__nng_peer_is_ours(stream, &client->address)) {
        nng_stream_free(stream);
        return false;
    }
    struct rpc__link *link = link_create(client, stream);
    if (link == NULL)
        return false;
    struct rpc__sconn *conn = rpc__sconn_ref(link->conn);
    (void)pthread_mutex_lock(&client->lock);
    link->next = client->links;
    client->links = link;
    client->connecting = link;
    client->connecting_ms = clock_mono_ms();
    client->was_ready = false;
    bool stopping = client->stopping;
    (void)pthread_mutex_unlock(&client->lock);
    if (stopping)
        rpc__sconn_close(conn);
    rpc__sconn_start(conn); /* the link may be gone from here on */
    rpc__sconn_unref(conn);
    return true;
}

/* Those who do not want to wait are refused from here on. Under the lock, which it gives up. */
static void attempt_failed(struct rpc__client *client)
{
    if (client->failed)
        return;
    client->failed = true;
    (void)pthread_mutex_unlock(&client->lock);
    rpc__client_end_lost_calls(client, NULL);
    (void)pthread_mutex_lock(&client->lock);
}

/* A pause between half of it and all of it, so that many clients do not come at once. */
static int64_t jittered(int64_t pause_ms)
{
    return pause_ms - (int64_t)randombytes_uniform((uint32_t)(pause_ms / 2 + 1));
}

/* Pauses before the next attempt, the longer the more there were of late. Under the lock. */
static void back_off(struct rpc__client *client, int64_t *pause_ms)
{
    if (clock_mono_ms() - client->attempted_ms >= STEADY_MS)
        *pause_ms = 0;
    int64_t until_ms = client->attempted_ms + jittered(*pause_ms);
    while (!client->stopping && clock_mono_ms() < until_ms)
        wait_changed(client, until_ms);
    *pause_ms = *pause_ms == 0 ? BACKOFF_MS_MIN : 2 * *pause_ms;
    if (*pause_ms > BACKOFF_MS_MAX)
        *pause_ms = BACKOFF_MS_MAX;
    client->attempted_ms = clock_mono_ms();
}

/* One attempt, until it has succeeded or failed. Under the lock, which it gives up meanwhile. */
static void attempt(struct rpc__client *client)
{
    (void)pthread_mutex_unlock(&client->lock);
    bool made = dial(client);
    (void)pthread_mutex_lock(&client->lock);
    while (made && client->connecting != NULL && !client->stopping) {
        int64_t patience_ms = client->connecting_ms + GREETING_WAIT_MS;
        if (clock_mono_ms() >= patience_ms)
            attempt_failed(client); /* a stopped server; it may still come */
        wait_changed(client, client->failed ? clock_mono_ms() + LOOK_MS : patience_ms);
    }
    if (!made || !client->was_ready)
        attempt_failed(client);
}

/* Under the lock. */
static void look_for_life(struct rpc__client *client)
{
    for (struct rpc__link *link = client->links; link != NULL; link = link->next)
        if (link != client->connecting)
            rpc__sconn_keep_alive(link->conn, link->calls > 0 ? SILENCE_BUSY_MS : SILENCE_IDLE_MS,
                                  ALIVE_TIMEOUT_MS);
}

static void *connector_main(void *arg)
{
    struct rpc__client *client = arg;
    int64_t pause_ms = 0;
    (void)pthread_setname_np(pthread_self(), "rpc-connect");
    (void)pthread_mutex_lock(&client->lock);
    while (!client->stopping) {
        look_for_life(client);
        if (client->ready == NULL) {
            back_off(client, &pause_ms);
            if (!client->stopping)
                attempt(client);
        } else {
            wait_changed(client, clock_mono_ms() + LOOK_MS);
        }
    }
    (void)pthread_mutex_unlock(&client->lock);
    return NULL;
}

/* --- opening and closing --- */

static void client_free(struct rpc__client *client)
{
    nng_aio_free(client->dial_aio);
    if (client->dialer != NULL)
        nng_stream_dialer_free(client->dialer);
    (void)pthread_cond_destroy(&client->changed);
    (void)pthread_mutex_destroy(&client->lock);
    rpc__nng_tls_fini(&client->address);
    free(client->slots);
    free(client);
}

/* Takes the address's TLS configuration, also on failure. */
static struct rpc__client *client_create(struct rpc__nng_address *address, size_t calls_max)
{
    struct rpc__client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        rpc__nng_tls_fini(address);
        return NULL;
    }
    (void)pthread_mutex_init(&client->lock, NULL);
    rpc__cond_init(&client->changed);
    client->address = *address;
    client->slot_count = calls_max + SLOTS_SPARE;
    if (client->slot_count > RPC__INDEX_MASK)
        client->slot_count = RPC__INDEX_MASK;
    client->slots = calloc(client->slot_count, sizeof *client->slots);
    if (client->slots == NULL || nng_aio_alloc(&client->dial_aio, NULL, NULL) != 0 ||
        nng_stream_dialer_alloc(&client->dialer, address->url) != 0 ||
        (address->tls &&
         nng_stream_dialer_set_ptr(client->dialer, NNG_OPT_TLS_CONFIG, address->tls_config) != 0)) {
        client_free(client);
        return NULL;
    }
    nng_aio_set_timeout(client->dial_aio, DIAL_TIMEOUT_MS);
    for (size_t i = client->slot_count; i-- > 0;) {
        client->slots[i].next = client->free_first;
        client->free_first = (uint32_t)i + 1;
    }
    return client;
}

static void wait_first_connection(struct rpc__client *client)
{
    int64_t until_ms = clock_mono_ms() + FIRST_CONNECT_WAIT_MS;
    (void)pthread_mutex_lock(&client->lock);
    while (client->ready == NULL && !client->failed && clock_mono_ms() < until_ms)
        wait_changed(client, until_ms);
    (void)pthread_mutex_unlock(&client->lock);
}

static enum rpc_code stream_open(struct rpc_channel *channel,
                                 const struct rpc_channel_options *options, void **ret_state,
                                 struct rpc_status *status)
{
    struct rpc__nng_address address;
    enum rpc_code code = rpc__nng_address_parse(options->url, &address, status);
    if (code == RPC_OK)
        code = rpc__nng_tls_init(&address, options->tls, false, status);
    if (code != RPC_OK)
        return code;
    struct rpc__client *client =
        client_create(&address, options->calls_max == 0 ? CALLS_MAX_DEFAULT : options->calls_max);
    if (client == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    client->channel = channel;
    client->attempted_ms = clock_mono_ms() - STEADY_MS;
    if (pthread_create(&client->thread, NULL, connector_main, client) != 0) {
        client_free(client);
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "cannot start a thread");
    }
    wait_first_connection(client);
    *ret_state = client;
    return RPC_OK;
}

/* All calls are over; what is left are the connections. */
static void stream_close(void *state)
{
    struct rpc__client *client = state;
    (void)pthread_mutex_lock(&client->lock);
    client->stopping = true;
    for (struct rpc__link *link = client->links; link != NULL; link = link->next)
        rpc__sconn_close(link->conn);
    (void)pthread_cond_broadcast(&client->changed);
    (void)pthread_mutex_unlock(&client->lock);
    nng_stream_dialer_close(client->dialer);
    (void)pthread_join(client->thread, NULL);

    int64_t until_ms = clock_mono_ms() + CLOSE_WAIT_MS;
    (void)pthread_mutex_lock(&client->lock);
    while (client->links != NULL && clock_mono_ms() < until_ms)
        wait_changed(client, until_ms);
    bool over = client->links == NULL;
    (void)pthread_mutex_unlock(&client->lock);
    if (over) /* else NNG still has one, and the memory stays */
        client_free(client);
}

static bool stream_is_ready(void *state)
{
    struct rpc__client *client = state;
    (void)pthread_mutex_lock(&client->lock);
    bool ready = client->ready != NULL;
    (void)pthread_mutex_unlock(&client->lock);
    return ready;
}

const struct rpc__transport rpc__transport_stream = {
    .open = stream_open,
    .close = stream_close,
    .start = rpc__client_start,
    .cancel = rpc__client_cancel,
    .grant = rpc__client_grant,
    .is_ready = stream_is_ready,
};
