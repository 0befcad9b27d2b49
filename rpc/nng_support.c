/*
 * Addresses and peers of the transports over NNG.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "rpc/nng_internal.h"

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

static enum rpc_code check_tcp(const char *host_port, bool tls, struct rpc_status *status)
{
    const char *colon = strrchr(host_port, ':');
    const char *port = colon == NULL ? "" : colon + 1;
    if (*port == '\0' || port[strspn(port, "0123456789")] != '\0' ||
        strpbrk(host_port, "/,") != NULL)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "a TCP address is tcp://host:port");
    if (!tls && !host_is_loopback(host_port, (size_t)(colon - host_port)))
        return rpc_status_set(status, RPC_FAILED_PRECONDITION,
                              "TCP beyond loopback needs TLS: tls+tcp://host:port");
    return RPC_OK;
}

static enum rpc_code check_path(struct span path, struct rpc_status *status)
{
    size_t max = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    if (path.len == 0 || path.data[0] != '/')
        return rpc_status_set(status, RPC_INVALID_ARGUMENT,
                              "an ipc address is ipc:///absolute/path");
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
    static const struct {
        const char *prefix;
        size_t skip; /* what NNG does not know */
        bool ipc;
        bool tls;
    } forms[] = {
        {"ipc://", 0, true, false},
        {"tcp://", 0, false, false},
        {"tls+tcp://", 0, false, true},
        {"req+ipc://", sizeof "req+" - 1, true, false},
        {"req+tcp://", sizeof "req+" - 1, false, false},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        size_t prefix_len = strlen(forms[i].prefix);
        if (strncmp(url, forms[i].prefix, prefix_len) != 0)
            continue;
        const char *rest = url + prefix_len;
        enum rpc_code code = forms[i].ipc ? check_path(span_of_string(rest), status)
                                          : check_tcp(rest, forms[i].tls, status);
        if (code != RPC_OK)
            return code;
        const char *address = url + forms[i].skip;
        if (strlen(address) >= sizeof ret_address->url)
            return rpc_status_set(status, RPC_INVALID_ARGUMENT, "the address is too long");
        (void)snprintf(ret_address->url, sizeof ret_address->url, "%s", address);
        ret_address->ipc = forms[i].ipc;
        ret_address->tls = forms[i].tls;
        ret_address->tls_config = NULL;
        return RPC_OK;
    }
    return rpc_status_set(status, RPC_INVALID_ARGUMENT,
                          "an address begins with ipc://, tcp://, tls+tcp://, req+ipc:// or "
                          "req+tcp://");
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
static bool tcp_peer_uid(nng_stream *stream, unsigned *ret_uid)
{
    nng_sockaddr local;
    nng_sockaddr remote;
    char local_text[64];
    char remote_text[64];
    if (nng_stream_get_addr(stream, NNG_OPT_LOCADDR, &local) != 0 ||
        nng_stream_get_addr(stream, NNG_OPT_REMADDR, &remote) != 0 ||
        !proc_address(&local, local_text, sizeof local_text) ||
        !proc_address(&remote, remote_text, sizeof remote_text))
        return false;
    const char *table = local.s_family == NNG_AF_INET ? "/proc/net/tcp" : "/proc/net/tcp6";
    return find_uid(table, remote_text, local_text, ret_uid);
}

bool rpc__nng_peer_is_ours(nng_stream *stream, const struct rpc__nng_address *address)
{
    uint64_t ipc_uid;
    unsigned tcp_uid;
    if (address->tls)
        return true;
    if (address->ipc)
        return nng_stream_get_uint64(stream, NNG_OPT_IPC_PEER_UID, &ipc_uid) == 0 &&
               ipc_uid == geteuid();
    return tcp_peer_uid(stream, &tcp_uid) && tcp_uid == geteuid();
}
