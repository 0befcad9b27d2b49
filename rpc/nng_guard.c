/*
 * NNG 1.5.2 (and anything before 1.6) gives up for good where it should try again: if the other end
 * of a connection goes away while the two greet each other, writing fails with EPIPE, NNG takes
 * that for NNG_ECLOSED, its own word for "we are closing", and the listener never accepts another
 * connection, or the dialer never dials again. Nothing tells. A client that is killed at the wrong
 * moment would so stop a server.
 *
 * So each listener and each dialer has a guard: a thread that now and then greets the address
 * itself, over a plain socket, and lets its owner begin anew where NNG stays silent.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rpc/nng_internal.h"

#include "rpc/base/clock.h"

/* Both ends send 8 bytes: 0, S, P, 0, the protocol (here REQ) big-endian, and 16 bits of 0. */
#define GREETING_BYTES 8
static const uint8_t greeting_req[GREETING_BYTES] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

/* A connect waits for room in the backlog at most so long, in ms. */
#define CONNECT_WAIT_MS 200
/* A guard's thread that is still busy with NNG after so long, in seconds, is left behind. */
#define STOP_WAIT_S 3

/* --- probes --- */

static int connect_ipc(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    struct timeval wait = {.tv_usec = CONNECT_WAIT_MS * 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

/* tcp://host:port of a loopback address. */
static int connect_tcp(const char *url)
{
    char host[NNG_ADDRESS_BYTES];
    (void)snprintf(host, sizeof host, "%s", url + sizeof "tcp://" - 1);
    char *colon = strrchr(host, ':');
    *colon = '\0';
    char *name = host;
    if (*name == '[') {
        name++;
        name[strcspn(name, "]")] = '\0';
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(name, colon + 1, &hints, &found) != 0) {
        errno = ENOENT;
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        int error = errno;
        (void)close(fd);
        errno = error;
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

enum rpc__probe_result rpc__probe_begin(struct rpc__probe *probe,
                                        const struct rpc__nng_address *address)
{
    probe->fd =
        address->ipc ? connect_ipc(rpc__nng_address_path(address)) : connect_tcp(address->url);
    if (probe->fd < 0)
        return errno == EAGAIN ? PROBE_WAITING : PROBE_ABSENT;
    if (send(probe->fd, greeting_req, GREETING_BYTES, MSG_NOSIGNAL) == GREETING_BYTES)
        return PROBE_WAITING;
    rpc__probe_end(probe);
    return PROBE_ABSENT;
}

enum rpc__probe_result rpc__probe_wait(struct rpc__probe *probe, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = probe->fd, .events = POLLIN};
    if (probe->fd < 0)
        return PROBE_ABSENT;
    if (poll(&poll_fd, 1, timeout_ms) <= 0)
        return PROBE_WAITING;
    uint8_t greeting[GREETING_BYTES];
    ssize_t got = recv(probe->fd, greeting, sizeof greeting, MSG_DONTWAIT | MSG_PEEK);
    if (got == GREETING_BYTES)
        return PROBE_ANSWERED;
    if (got > 0 || (got < 0 && errno == EAGAIN))
        return PROBE_WAITING;
    rpc__probe_end(probe);
    return PROBE_ABSENT;
}

void rpc__probe_end(struct rpc__probe *probe)
{
    if (probe->fd >= 0)
        (void)close(probe->fd);
    probe->fd = -1;
}

/* --- guards --- */

struct rpc__guard {
    void (*tick)(void *arg);
    void *arg;
    int interval_ms;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping; /* under lock */
    pthread_t thread;
};

static void *guard_main(void *arg)
{
    struct rpc__guard *guard = arg;
    (void)pthread_setname_np(pthread_self(), "rpc-guard");
    (void)pthread_mutex_lock(&guard->lock);
    while (!guard->stopping) {
        int64_t until_ms = clock_mono_ms() + guard->interval_ms;
        struct timespec until = {until_ms / 1000, (until_ms % 1000) * 1000000};
        int rc = 0;
        while (!guard->stopping && rc == 0)
            rc = pthread_cond_timedwait(&guard->wake, &guard->lock, &until);
        if (guard->stopping)
            break;
        (void)pthread_mutex_unlock(&guard->lock);
        guard->tick(guard->arg);
        (void)pthread_mutex_lock(&guard->lock);
    }
    (void)pthread_mutex_unlock(&guard->lock);
    return NULL;
}

static void guard_free(struct rpc__guard *guard)
{
    (void)pthread_cond_destroy(&guard->wake);
    (void)pthread_mutex_destroy(&guard->lock);
    free(guard);
}

struct rpc__guard *rpc__guard_start(int interval_ms, void (*tick)(void *arg), void *arg)
{
    struct rpc__guard *guard = calloc(1, sizeof *guard);
    if (guard == NULL)
        return NULL;
    guard->tick = tick;
    guard->arg = arg;
    guard->interval_ms = interval_ms;
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&guard->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&guard->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (pthread_create(&guard->thread, NULL, guard_main, guard) == 0)
        return guard;
    guard_free(guard);
    return NULL;
}

bool rpc__guard_stop(struct rpc__guard *guard)
{
    if (guard == NULL)
        return true;
    (void)pthread_mutex_lock(&guard->lock);
    guard->stopping = true;
    (void)pthread_cond_signal(&guard->wake);
    (void)pthread_mutex_unlock(&guard->lock);
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until); /* pthread_timedjoin_np knows no other */
    until.tv_sec += STOP_WAIT_S;
    if (pthread_timedjoin_np(guard->thread, NULL, &until) != 0)
        return false;
    guard_free(guard);
    return true;
}
