#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rest/internal.h"

#define HOST_BYTES 256

/* Splits host:port or [v6]:port; the host may be empty: any. */
static bool split(const char *listen, char host[static HOST_BYTES], const char **ret_port)
{
    const char *colon = strrchr(listen, ':');
    if (colon == NULL || colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    size_t len = (size_t)(colon - listen);
    const char *begin = listen;
    if (len >= 2 && begin[0] == '[' && begin[len - 1] == ']') {
        begin++;
        len -= 2;
    }
    if (len >= HOST_BYTES)
        return false;
    memcpy(host, begin, len);
    host[len] = '\0';
    *ret_port = colon + 1;
    return true;
}

static int open_socket(const struct sockaddr *address, socklen_t address_len)
{
    int on = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
        bind(fd, address, address_len) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

static unsigned *port_of(struct sockaddr_storage *address, unsigned *port)
{
    *port = address->ss_family == AF_INET6
                ? ntohs(((struct sockaddr_in6 *)(void *)address)->sin6_port)
                : ntohs(((struct sockaddr_in *)(void *)address)->sin_port);
    return port;
}

/* The first socket finds out the port; the others bind that one. */
static bool open_all(const struct addrinfo *info, int *fds, size_t count, unsigned *ret_port)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    size_t opened = 0;
    fds[0] = open_socket(info->ai_addr, info->ai_addrlen);
    if (fds[0] < 0)
        return false;
    bool good = getsockname(fds[0], (struct sockaddr *)&address, &len) == 0;
    for (opened = 1; good && opened < count; opened++) {
        fds[opened] = open_socket((struct sockaddr *)&address, len);
        if (fds[opened] < 0)
            break;
    }
    if (good && opened == count) {
        (void)port_of(&address, ret_port);
        return true;
    }
    int error = errno;
    for (size_t i = 0; i < opened; i++)
        (void)close(fds[i]);
    errno = error;
    return false;
}

enum rpc_code rest_listen(const char *listen, int *fds, size_t count, unsigned *ret_port,
                          struct rpc_status *status)
{
    char host[HOST_BYTES];
    const char *port = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *info = NULL;
    if (!split(listen, host, &port) ||
        getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &info) != 0)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "cannot listen at %s: bad address",
                              listen);
    bool opened = open_all(info, fds, count, ret_port);
    int error = errno;
    freeaddrinfo(info);
    if (!opened)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "cannot listen at %s: %s", listen,
                              strerror(error));
    return RPC_OK;
}
