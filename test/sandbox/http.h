/*
 * HTTP for the stand-ins: libmicrohttpd with a thread a connection (a handler may sleep), requests
 * read whole, parameters from the query, a form or a JSON body alike.
 *
 * An exchange belongs to its connection's thread.
 */
#ifndef TEST_SANDBOX_HTTP_H
#define TEST_SANDBOX_HTTP_H

#include <stdatomic.h>

#include "clients/meta/json_tree.h"
#include "rpc/base/arena.h"
#include "rpc/base/buffer.h"

/* Largest request body, in bytes: Meta takes 30 MB of requests in a batch. */
#define EXCHANGE_BODY_BYTES_MAX ((size_t)32 * 1024 * 1024)
/* Largest answer, in bytes. */
#define EXCHANGE_ANSWER_BYTES_MAX ((size_t)32 * 1024 * 1024)
#define EXCHANGE_HEADERS_MAX 16

struct MHD_Connection;
struct MHD_Daemon;

struct param {
    const char *name;
    const char *text;             /* of a form field, or of a scalar in a JSON body */
    const struct json_tree *json; /* of a member of a JSON body, else NULL */
    struct param *next;
};

struct exchange {
    struct MHD_Connection *connection;
    struct arena arena;
    const char *method;
    const char *path; /* decoded, without the query */
    struct buffer body;
    bool body_bad; /* too large, or a form or JSON body that cannot be read */
    struct param *params;
    /* The answer. */
    unsigned status;
    const char *content_type;
    struct buffer answer;
    bool compress; /* gzip it where the client takes that */
    struct {
        const char *name;
        const char *value;
    } headers[EXCHANGE_HEADERS_MAX];
    size_t header_count;
    bool drop; /* close the connection instead of answering */
};

typedef void exchange_handler(void *arg, struct exchange *x);

struct http_service {
    struct MHD_Daemon *daemon;
    exchange_handler *handler;
    void *arg;
    uint16_t port;
};

/* Listens on `address` ("127.0.0.1") and `port` (0: a free one, then in service->port). */
bool http_service_start(struct http_service *service, const char *address, uint16_t port,
                        exchange_handler *handler, void *arg);
void http_service_stop(struct http_service *service);

/* A request header, or NULL. */
const char *exchange_header(const struct exchange *x, const char *name);
/* http://HOST as the client named it. */
const char *exchange_origin(struct exchange *x);
const struct param *exchange_param(const struct exchange *x, const char *name);
/* Its text; NULL when absent or no scalar. */
const char *exchange_param_text(const struct exchange *x, const char *name);
/* Its value as JSON: of a JSON body as it is, of a form parsed from the text. NULL: absent or not
 * JSON. */
const struct json_tree *exchange_param_json(struct exchange *x, const char *name);

/* Texts in the exchange's arena; they end the process when memory is short. */
const char *exchange_printf(struct exchange *x, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void exchange_add_header(struct exchange *x, const char *name, const char *value);
void exchange_redirect(struct exchange *x, const char *location);

/* Appends `text` with &, <, > and quotes as entities. */
void html_append(struct buffer *out, const char *text);
/* Appends `text` percent-encoded for a query. */
void query_append(struct buffer *out, const char *text);
/* Appends `bytes` as a gzip file. */
bool gzip_append(struct buffer *out, struct span bytes);

#endif
