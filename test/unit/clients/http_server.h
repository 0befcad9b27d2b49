/*
 * A small HTTP server on 127.0.0.1 for tests of the clients: a thread a connection, keep-alive, and
 * a handler that may also write any bytes it likes.
 */
#ifndef TEST_UNIT_CLIENTS_HTTP_SERVER_H
#define TEST_UNIT_CLIENTS_HTTP_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define HTTP_SERVER_HEAD_BYTES_MAX 16384
#define HTTP_SERVER_BODY_BYTES_MAX 65536

struct http_server;

/* One request, and the way to answer it. Lives for the handler's call. */
struct http_exchange {
    struct http_server *server;
    int fd;
    char verb[8];
    char target[4096]; /* path and query */
    char head[HTTP_SERVER_HEAD_BYTES_MAX];
    char body[HTTP_SERVER_BODY_BYTES_MAX];
    size_t body_len;
    bool close; /* set to end the connection after this answer */
};

typedef void http_server_handler(void *arg, struct http_exchange *exchange);

/* Listens on a port that the system chooses. Fails the test if it cannot. The handler runs on
 * threads of the server's. */
struct http_server *http_server_start(http_server_handler *handler, void *arg);
/* Ends every connection and joins every thread. */
void http_server_stop(struct http_server *server);
unsigned http_server_port(const struct http_server *server);
/* Connections taken so far. */
int http_server_connections(struct http_server *server);
/* Most requests that were being handled at one time. */
int http_server_parallel_max(struct http_server *server);

/* A whole answer with Content-Length; `headers` are lines that end in CRLF, or NULL. A HEAD gets no
 * body. */
void http_exchange_answer(struct http_exchange *exchange, int status, const char *headers,
                          const void *body, size_t len);
void http_exchange_answer_text(struct http_exchange *exchange, int status, const char *headers,
                               const char *body);
/* Raw bytes. False once the client has gone. */
bool http_exchange_write(struct http_exchange *exchange, const void *data, size_t len);
bool http_exchange_write_text(struct http_exchange *exchange, const char *text);
/* Waits until the client has gone or the server stops. */
void http_exchange_hang(struct http_exchange *exchange);

#endif
