#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "rpc/nng_internal.h"

#include "rpc/base/clock.h"
#include "rpc/wire.h"

/* How long a socket may take to close, in ms; nng_close can hang. */
#define CLOSE_WAIT_MS 2000
/* Of req+ipc:// and req+tcp://. */
#define ADDRESS_PREFIX_LEN 10
/* NNG's own header in front of a packet: request id and hops. */
#define SP_HEADER_BYTES_MAX 64

/* --- addresses --- */

/* Whether host (len bytes, perhaps in brackets) is one of the loopback's. */
static bool host_is_loopback(const char *host, size_t len)
{
    char text[INET6_ADDRSTRLEN];
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof text)
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, text, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, text, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcmp(text, "localhost") == 0;
}

static enum rpc_code check_tcp(const char *host_port, struct rpc_status *status)
{
    const char *colon = strrchr(host_port, ':');
    const char *port = colon == NULL ? "" : colon + 1;
    if (*port == '\0' || port[strspn(port, "0123456789")] != '\0')
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "a TCP address is req+tcp://host:port");
    if (!host_is_loopback(host_port, (size_t)(colon - host_port)))
        return rpc_status_set(status, RPC_FAILED_PRECONDITION,
                              "TCP beyond loopback needs TLS; use a loopback address or ipc");
    return RPC_OK;
}

static enum rpc_code check_path(struct span path, struct rpc_status *status)
{
    size_t max = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    if (path.len == 0 || path.data[0] != '/')
        return rpc_status_set(status, RPC_INVALID_ARGUMENT,
                              "an ipc address is req+ipc:///absolute/path");
    if (path.len > max)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION,
                              "the socket's path has %zu bytes; at most %zu are possible: use a "
                              "directory with a shorter name",
                              path.len, max);
    return RPC_OK;
}

enum rpc_code rpc__nng_address_parse(const char *url, struct rpc__nng_address *ret_address,
                                     struct rpc_status *status)
{
    bool is_ipc = strncmp(url, "req+ipc://", ADDRESS_PREFIX_LEN) == 0;
    if (!is_ipc && strncmp(url, "req+tcp://", ADDRESS_PREFIX_LEN) != 0)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT,
                              "an address begins with req+ipc:// or req+tcp://");
    const char *rest = url + ADDRESS_PREFIX_LEN;
    enum rpc_code code =
        is_ipc ? check_path(span_of_string(rest), status) : check_tcp(rest, status);
    if (code != RPC_OK)
        return code;
    const char *address = url + sizeof "req+" - 1;
    if (strlen(address) >= sizeof ret_address->url)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "the address is too long");
    (void)snprintf(ret_address->url, sizeof ret_address->url, "%s", address);
    ret_address->ipc = is_ipc;
    return RPC_OK;
}

/* --- peers --- */

/* The uid of a local TCP socket with these addresses, from one of /proc/net's tables. */
static bool find_uid(const char *table, const char *local, const char *remote, unsigned *ret_uid)
{
    FILE *file = fopen(table, "re");
    if (file == NULL)
        return false;
    char line[512];
    bool found = false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        char from[64];
        char to[64];
        unsigned uid;
        if (sscanf(line, " %*[^:]: %63s %63s %*s %*s %*s %*s %u", from, to, &uid) != 3)
            continue;
        found = strcmp(from, local) == 0 && strcmp(to, remote) == 0;
        if (found)
            *ret_uid = uid;
    }
    (void)fclose(file);
    return found;
}

/* An address as /proc/net/tcp and tcp6 print it: 32-bit words in the machine's order. */
static bool proc_address(const nng_sockaddr *address, char *text, size_t size)
{
    if (address->s_family == NNG_AF_INET) {
        (void)snprintf(text, size, "%08X:%04X", address->s_in.sa_addr,
                       ntohs(address->s_in.sa_port));
        return true;
    }
    if (address->s_family != NNG_AF_INET6)
        return false;
    uint32_t words[4];
    memcpy(words, address->s_in6.sa_addr, sizeof words);
    (void)snprintf(text, size, "%08X%08X%08X%08X:%04X", words[0], words[1], words[2], words[3],
                   ntohs(address->s_in6.sa_port));
    return true;
}

/* A loopback TCP peer has no credentials of its own, but the kernel's table has its socket's owner.
 */
static bool tcp_peer_uid(nng_pipe pipe, unsigned *ret_uid)
{
    nng_sockaddr local;
    nng_sockaddr remote;
    char local_text[64];
    char remote_text[64];
    if (nng_pipe_get_addr(pipe, NNG_OPT_LOCADDR, &local) != 0 ||
        nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &remote) != 0 ||
        !proc_address(&local, local_text, sizeof local_text) ||
        !proc_address(&remote, remote_text, sizeof remote_text))
        return false;
    const char *table = local.s_family == NNG_AF_INET ? "/proc/net/tcp" : "/proc/net/tcp6";
    return find_uid(table, remote_text, local_text, ret_uid);
}

bool rpc__nng_peer_is_ours(nng_pipe pipe, bool ipc)
{
    uint64_t ipc_uid;
    unsigned tcp_uid;
    if (ipc)
        return nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &ipc_uid) == 0 &&
               ipc_uid == geteuid();
    return tcp_peer_uid(pipe, &tcp_uid) && tcp_uid == geteuid();
}

/* --- errors --- */

enum rpc_code rpc__nng_status(int rv, struct rpc_status *status)
{
    switch (rv) {
    case 0:
        rpc_status_clear(status);
        return RPC_OK;
    case NNG_ECANCELED:
        return rpc_status_set(status, RPC_CANCELLED, "the call was cancelled");
    case NNG_ENOMEM:
    case NNG_ENOFILES:
    case NNG_ENOSPC:
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory or descriptors");
    case NNG_EMSGSIZE:
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the message is too large");
    case NNG_ETIMEDOUT:
        return rpc_status_set(status, RPC_DEADLINE_EXCEEDED, "the call took too long");
    case NNG_EINVAL:
    case NNG_ENOTSUP:
    case NNG_ESTATE:
    case NNG_EINTERNAL:
        return rpc_status_set(status, RPC_INTERNAL, "the transport failed");
    default: /* refused, reset, closed, unreachable and the system's own errors */
        return rpc_status_set(status, RPC_UNAVAILABLE, "the service cannot be reached");
    }
}

/* --- sockets --- */

int rpc__nng_socket_prepare(nng_socket socket)
{
    return nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ,
                               WIRE_PACKET_BYTES_MAX + SP_HEADER_BYTES_MAX);
}

/* Shared by the one who waits and the thread that closes; freed by the last of them. */
struct closing {
    nng_socket socket;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closed;
    bool left; /* nobody waits any more */
};

static void closing_free(struct closing *closing)
{
    (void)pthread_cond_destroy(&closing->changed);
    (void)pthread_mutex_destroy(&closing->lock);
    free(closing);
}

static void *closing_main(void *arg)
{
    struct closing *closing = arg;
    (void)nng_close(closing->socket);
    (void)pthread_mutex_lock(&closing->lock);
    closing->closed = true;
    bool mine = closing->left;
    (void)pthread_cond_signal(&closing->changed);
    (void)pthread_mutex_unlock(&closing->lock);
    if (mine)
        closing_free(closing);
    return NULL;
}

static bool closing_wait(struct closing *closing)
{
    int64_t until_ms = clock_mono_ms() + CLOSE_WAIT_MS;
    struct timespec until = {until_ms / 1000, (until_ms % 1000) * 1000000};
    int rc = 0;
    (void)pthread_mutex_lock(&closing->lock);
    while (!closing->closed && rc == 0)
        rc = pthread_cond_timedwait(&closing->changed, &closing->lock, &until);
    bool closed = closing->closed;
    closing->left = !closed;
    (void)pthread_mutex_unlock(&closing->lock);
    return closed;
}

bool rpc__nng_socket_close(nng_socket socket)
{
    struct closing *closing = calloc(1, sizeof *closing);
    if (closing == NULL)
        return false;
    closing->socket = socket;
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&closing->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&closing->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    pthread_t thread;
    if (pthread_create(&thread, NULL, closing_main, closing) != 0) {
        closing_free(closing);
        return false;
    }
    (void)pthread_detach(thread);
    bool closed = closing_wait(closing);
    if (closed)
        closing_free(closing);
    return closed;
}

/* --- messages --- */

nng_msg *rpc__nng_packet(const Lotcast__V1__PacketHeader *header, size_t payload_bytes,
                         uint8_t **ret_payload, struct rpc_status *status)
{
    struct wire_size size;
    if (wire_measure(header, payload_bytes, &size, status) != RPC_OK)
        return NULL;
    nng_msg *msg;
    if (nng_msg_alloc(&msg, size.packet_bytes) != 0) {
        (void)rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
        return NULL;
    }
    *ret_payload = wire_write_header(header, &size, nng_msg_body(msg));
    return msg;
}

static void free_msg(struct rpc_payload *payload)
{
    nng_msg_free(payload->owner);
}

struct rpc_payload rpc__nng_payload(nng_msg *msg, struct span bytes)
{
    return (struct rpc_payload){bytes, free_msg, msg};
}
