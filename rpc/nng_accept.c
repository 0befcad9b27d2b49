/*
 * Accepting connections over NNG's byte streams: a listening socket and the thread that takes what
 * comes. Its owner is who opened it; events come on its thread alone.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "rpc/nng_internal.h"

#include "rpc/base/clock.h"

/* Pause after accepting has failed (too many descriptors), in ms. */
#define ACCEPT_PAUSE_MS 50
/* How often the acceptor looks whether the socket's file is still there, and ticks, in ms. */
#define ACCEPT_CHECK_MS 1000
#define IPC_MODE 0600

struct rpc__acceptor {
    struct rpc__nng_address address;
    const struct rpc__acceptor_events *events;
    void *arg;
    nng_stream_listener *nng; /* the thread's; changed under the lock; NULL: not listening */
    nng_aio *accept_aio;
    int64_t tick_ms; /* of the last; the thread's */
    pthread_t thread;
    bool thread_started;
    pthread_mutex_t lock; /* of stopping */
    bool stopping;
};

static int listen_at(struct rpc__acceptor *acceptor)
{
    int rv = nng_stream_listener_alloc(&acceptor->nng, acceptor->address.url);
    if (rv == 0 && acceptor->address.ipc)
        rv = nng_stream_listener_set_int(acceptor->nng, NNG_OPT_IPC_PERMISSIONS, IPC_MODE);
    if (rv == 0 && acceptor->address.tls)
        rv = nng_stream_listener_set_ptr(acceptor->nng, NNG_OPT_TLS_CONFIG,
                                         acceptor->address.tls_config);
    if (rv != 0)
        return rv;
    /* NNG sets the mode after bind; the mask covers the moment between. */
    mode_t mask = umask(077);
    rv = nng_stream_listener_listen(acceptor->nng);
    (void)umask(mask);
    return rv;
}

/* Listens anew if somebody has removed the socket's file; connections stay. The acceptor's thread.
 */
static void restore_socket(struct rpc__acceptor *acceptor)
{
    struct stat info;
    const char *path = rpc__nng_address_path(&acceptor->address);
    if (!acceptor->address.ipc || lstat(path, &info) == 0 || errno != ENOENT)
        return;
    (void)pthread_mutex_lock(&acceptor->lock);
    if (!acceptor->stopping) {
        nng_stream_listener_free(acceptor->nng);
        acceptor->nng = NULL;
        if (listen_at(acceptor) != 0 && acceptor->nng != NULL) {
            nng_stream_listener_free(acceptor->nng);
            acceptor->nng = NULL; /* tried again at the next look */
        }
    }
    (void)pthread_mutex_unlock(&acceptor->lock);
}

/* The next connection, NULL if there was none for a while. */
static nng_stream *accept_stream(struct rpc__acceptor *acceptor)
{
    int rv = NNG_ECLOSED;
    if (acceptor->nng != NULL) {
        nng_stream_listener_accept(acceptor->nng, acceptor->accept_aio);
        nng_aio_wait(acceptor->accept_aio);
        rv = nng_aio_result(acceptor->accept_aio);
    }
    if (rv == 0)
        return nng_aio_get_output(acceptor->accept_aio, 0);
    if (rv != NNG_ETIMEDOUT)
        (void)usleep(ACCEPT_PAUSE_MS * 1000);
    return NULL;
}

static void take_stream(struct rpc__acceptor *acceptor, nng_stream *stream)
{
    if (rpc__nng_peer_is_ours(stream, &acceptor->address))
        acceptor->events->stream(acceptor->arg, stream);
    else
        nng_stream_free(stream);
}

static void tick(struct rpc__acceptor *acceptor)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms - acceptor->tick_ms < ACCEPT_CHECK_MS)
        return;
    acceptor->tick_ms = now_ms;
    restore_socket(acceptor);
    if (acceptor->events->tick != NULL)
        acceptor->events->tick(acceptor->arg);
}

static void *acceptor_main(void *arg)
{
    struct rpc__acceptor *acceptor = arg;
    (void)pthread_setname_np(pthread_self(), "rpc-accept");
    for (;;) {
        (void)pthread_mutex_lock(&acceptor->lock);
        bool stopping = acceptor->stopping;
        (void)pthread_mutex_unlock(&acceptor->lock);
        if (stopping)
            return NULL;
        nng_stream *stream = accept_stream(acceptor);
        if (stream != NULL)
            take_stream(acceptor, stream);
        tick(acceptor);
    }
}

/* --- opening --- */

/* Whether somebody listens at the socket; a queue that is full means yes. */
static bool somebody_listens(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    int rc = connect(fd, (const struct sockaddr *)&address, sizeof address);
    bool refused = rc != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return !refused;
}

/* Removes a socket that a dead server left. */
static enum rpc_code remove_stale(const char *path, struct rpc_status *status)
{
    struct stat info;
    if (lstat(path, &info) != 0)
        return RPC_OK; /* nothing there; any other trouble is listen's to tell */
    if (!S_ISSOCK(info.st_mode))
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "%s is not a socket", path);
    if (somebody_listens(path))
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "another process listens at %s",
                              path);
    (void)unlink(path);
    return RPC_OK;
}

static struct rpc__acceptor *acceptor_create(const struct rpc__nng_address *address,
                                             const struct rpc__acceptor_events *events, void *arg)
{
    struct rpc__acceptor *acceptor = calloc(1, sizeof *acceptor);
    if (acceptor == NULL)
        return NULL;
    acceptor->address = *address;
    acceptor->events = events;
    acceptor->arg = arg;
    acceptor->tick_ms = clock_mono_ms();
    (void)pthread_mutex_init(&acceptor->lock, NULL);
    return acceptor;
}

enum rpc_code rpc__acceptor_open(const struct rpc__nng_address *address,
                                 const struct rpc__acceptor_events *events, void *arg,
                                 struct rpc__acceptor **ret_acceptor, struct rpc_status *status)
{
    if (address->ipc) {
        enum rpc_code code = remove_stale(rpc__nng_address_path(address), status);
        if (code != RPC_OK)
            return code;
    }
    struct rpc__acceptor *acceptor = acceptor_create(address, events, arg);
    if (acceptor == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    int rv = nng_aio_alloc(&acceptor->accept_aio, NULL, NULL);
    if (rv == 0)
        rv = listen_at(acceptor);
    if (rv == 0)
        nng_aio_set_timeout(acceptor->accept_aio, ACCEPT_CHECK_MS);
    if (rv == 0 && pthread_create(&acceptor->thread, NULL, acceptor_main, acceptor) != 0)
        rv = NNG_ENOMEM;
    acceptor->thread_started = rv == 0;
    if (rv != 0) {
        rpc__acceptor_close(acceptor);
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "cannot listen at %s: %s",
                              address->url, nng_strerror(rv));
    }
    *ret_acceptor = acceptor;
    return RPC_OK;
}

void rpc__acceptor_close(struct rpc__acceptor *acceptor)
{
    if (acceptor == NULL)
        return;
    (void)pthread_mutex_lock(&acceptor->lock);
    acceptor->stopping = true;
    if (acceptor->nng != NULL)
        nng_stream_listener_close(acceptor->nng);
    (void)pthread_mutex_unlock(&acceptor->lock);
    if (acceptor->thread_started)
        (void)pthread_join(acceptor->thread, NULL);
    nng_aio_free(acceptor->accept_aio);
    if (acceptor->nng != NULL)
        nng_stream_listener_free(acceptor->nng);
    (void)pthread_mutex_destroy(&acceptor->lock);
    free(acceptor);
}
