#include "test/unit/clients/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CONNECTIONS_MAX 4096

struct http_server {
    http_server_handler *handler;
    void *arg;
    int listener;
    unsigned port;
    pthread_t acceptor;
    pthread_mutex_t mutex; /* guards what follows */
    bool stopping;
    int fds[CONNECTIONS_MAX]; /* -1 once closed */
    pthread_t threads[CONNECTIONS_MAX];
    int connections;
    int running;
    int running_max;
};

struct connection {
    struct http_server *server;
    int index;
    int fd;
};

bool http_exchange_write(struct http_exchange *exchange, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = send(exchange->fd, at, len, MSG_NOSIGNAL);
        if (n <= 0) {
            exchange->close = true;
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool http_exchange_write_text(struct http_exchange *exchange, const char *text)
{
    return http_exchange_write(exchange, text, strlen(text));
}

void http_exchange_answer(struct http_exchange *exchange, int status, const char *headers,
                          const void *body, size_t len)
{
    char head[8192];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n", status,
                     len, headers == NULL ? "" : headers);
    assert_true(n > 0 && (size_t)n < sizeof head);
    if (http_exchange_write(exchange, head, (size_t)n) && strcmp(exchange->verb, "HEAD") != 0)
        (void)http_exchange_write(exchange, body, len);
}

void http_exchange_answer_text(struct http_exchange *exchange, int status, const char *headers,
                               const char *body)
{
    http_exchange_answer(exchange, status, headers, body, strlen(body));
}

void http_exchange_hang(struct http_exchange *exchange)
{
    char byte;
    exchange->close = true;
    while (recv(exchange->fd, &byte, 1, 0) > 0) {
    }
}

/* Reads a head and a body with Content-Length. */
static bool read_request(struct http_exchange *exchange)
{
    size_t len = 0;
    char *end = NULL;
    while (end == NULL) {
        if (len == sizeof exchange->head - 1)
            return false;
        ssize_t n = recv(exchange->fd, exchange->head + len, 1, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        exchange->head[len] = '\0';
        if (exchange->head[0] < 'A') /* TLS's first byte, for one */
            return false;
        end = len >= 4 ? strstr(exchange->head + len - 4, "\r\n\r\n") : NULL;
    }
    if (sscanf(exchange->head, "%7s %4095s", exchange->verb, exchange->target) != 2)
        return false;
    const char *length = strcasestr(exchange->head, "\r\ncontent-length:");
    size_t wanted = length == NULL ? 0 : strtoul(length + 17, NULL, 10);
    if (wanted >= sizeof exchange->body)
        return false;
    exchange->body_len = 0;
    while (exchange->body_len < wanted) {
        ssize_t n =
            recv(exchange->fd, exchange->body + exchange->body_len, wanted - exchange->body_len, 0);
        if (n <= 0)
            return false;
        exchange->body_len += (size_t)n;
    }
    exchange->body[wanted] = '\0';
    return true;
}

static void count_running(struct http_server *server, int delta)
{
    (void)pthread_mutex_lock(&server->mutex);
    server->running += delta;
    if (server->running > server->running_max)
        server->running_max = server->running;
    (void)pthread_mutex_unlock(&server->mutex);
}

static void *connection_main(void *arg)
{
    struct connection *connection = arg;
    struct http_server *server = connection->server;
    struct http_exchange *exchange = calloc(1, sizeof *exchange);
    exchange->server = server;
    exchange->fd = connection->fd;
    while (!exchange->close && read_request(exchange)) {
        count_running(server, 1);
        server->handler(server->arg, exchange);
        count_running(server, -1);
    }
    (void)pthread_mutex_lock(&server->mutex);
    server->fds[connection->index] = -1;
    (void)close(connection->fd);
    (void)pthread_mutex_unlock(&server->mutex);
    free(exchange);
    free(connection);
    return NULL;
}

static void *acceptor_main(void *arg)
{
    struct http_server *server = arg;
    for (;;) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        (void)pthread_mutex_lock(&server->mutex);
        bool stopping = server->stopping || server->connections == CONNECTIONS_MAX;
        if (fd >= 0 && !stopping) {
            int on = 1; /* head and body are written apart */
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            struct connection *connection = malloc(sizeof *connection);
            *connection = (struct connection){server, server->connections, fd};
            server->fds[server->connections] = fd;
            (void)pthread_create(&server->threads[server->connections], NULL, connection_main,
                                 connection);
            server->connections++;
        }
        (void)pthread_mutex_unlock(&server->mutex);
        if (stopping) {
            if (fd >= 0)
                (void)close(fd);
            return NULL;
        }
    }
}

struct http_server *http_server_start(http_server_handler *handler, void *arg)
{
    struct http_server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    server->handler = handler;
    server->arg = arg;
    (void)pthread_mutex_init(&server->mutex, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof address;
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, 128), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->acceptor, NULL, acceptor_main, server), 0);
    return server;
}

void http_server_stop(struct http_server *server)
{
    (void)pthread_mutex_lock(&server->mutex);
    server->stopping = true;
    for (int i = 0; i < server->connections; i++) {
        if (server->fds[i] >= 0)
            (void)shutdown(server->fds[i], SHUT_RDWR);
    }
    (void)pthread_mutex_unlock(&server->mutex);
    (void)shutdown(server->listener, SHUT_RDWR);
    (void)pthread_join(server->acceptor, NULL);
    (void)close(server->listener);
    for (int i = 0; i < server->connections; i++)
        (void)pthread_join(server->threads[i], NULL);
    (void)pthread_mutex_destroy(&server->mutex);
    free(server);
}

unsigned http_server_port(const struct http_server *server)
{
    return server->port;
}

int http_server_connections(struct http_server *server)
{
    (void)pthread_mutex_lock(&server->mutex);
    int connections = server->connections;
    (void)pthread_mutex_unlock(&server->mutex);
    return connections;
}

int http_server_parallel_max(struct http_server *server)
{
    (void)pthread_mutex_lock(&server->mutex);
    int most = server->running_max;
    (void)pthread_mutex_unlock(&server->mutex);
    return most;
}
