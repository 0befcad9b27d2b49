#include "test/sandbox/http.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

/* Memory of one exchange, in bytes: a batch of 5,000 items as a tree is the most. */
#define EXCHANGE_ARENA_BYTES_MAX ((size_t)512 * 1024 * 1024)
/* gzip instead of zlib in zlib's window argument. */
#define GZIP_WINDOW_BITS (15 + 16)

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("sandbox: out of memory\n", stderr);
        abort();
    }
    return memory;
}

const char *exchange_header(const struct exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

const char *exchange_origin(struct exchange *x)
{
    const char *host = exchange_header(x, "Host");
    return exchange_printf(x, "http://%s", host == NULL ? "localhost" : host);
}

const struct param *exchange_param(const struct exchange *x, const char *name)
{
    for (const struct param *param = x->params; param != NULL; param = param->next)
        if (strcmp(param->name, name) == 0)
            return param;
    return NULL;
}

const char *exchange_param_text(const struct exchange *x, const char *name)
{
    const struct param *param = exchange_param(x, name);
    return param == NULL ? NULL : param->text;
}

const struct json_tree *exchange_param_json(struct exchange *x, const char *name)
{
    const struct param *param = exchange_param(x, name);
    if (param == NULL)
        return NULL;
    if (param->json != NULL && param->json->kind != JSON_TREE_STRING)
        return param->json;
    const struct json_tree *tree = NULL;
    if (!json_tree_parse(span_of_string(param->text), &x->arena, &tree))
        return NULL;
    return tree;
}

const char *exchange_printf(struct exchange *x, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int len = vasprintf(&text, format, args);
    va_end(args);
    must(len < 0 ? NULL : text);
    const char *copy = must(arena_strndup(&x->arena, text, (size_t)len));
    free(text);
    return copy;
}

void exchange_add_header(struct exchange *x, const char *name, const char *value)
{
    if (x->header_count == EXCHANGE_HEADERS_MAX)
        return;
    x->headers[x->header_count].name = name;
    x->headers[x->header_count].value = value;
    x->header_count++;
}

void exchange_redirect(struct exchange *x, const char *location)
{
    x->status = MHD_HTTP_FOUND;
    x->content_type = "text/plain";
    exchange_add_header(x, "Location", location);
}

void html_append(struct buffer *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        const char *entity = *at == '&'    ? "&amp;"
                             : *at == '<'  ? "&lt;"
                             : *at == '>'  ? "&gt;"
                             : *at == '"'  ? "&quot;"
                             : *at == '\'' ? "&#39;"
                                           : NULL;
        if (entity != NULL)
            (void)buffer_append_string(out, entity);
        else
            (void)buffer_append_byte(out, (uint8_t)*at);
    }
}

void query_append(struct buffer *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (isalnum((unsigned char)*at) || strchr("-._~", *at) != NULL)
            (void)buffer_append_byte(out, (uint8_t)*at);
        else
            (void)buffer_printf(out, "%%%02X", (unsigned char)*at);
    }
}

bool gzip_append(struct buffer *out, struct span bytes)
{
    z_stream stream = {0};
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t bound = deflateBound(&stream, (uLong)bytes.len);
    uint8_t *space = buffer_reserve(out, bound);
    if (space != NULL) {
        stream.next_in = (Bytef *)(uintptr_t)bytes.data;
        stream.avail_in = (uInt)bytes.len;
        stream.next_out = space;
        stream.avail_out = (uInt)bound;
        if (deflate(&stream, Z_FINISH) == Z_STREAM_END)
            out->len += stream.total_out;
        else
            space = NULL;
    }
    (void)deflateEnd(&stream);
    return space != NULL;
}

static void add_param(struct exchange *x, const char *name, const char *text,
                      const struct json_tree *json)
{
    struct param *param = must(arena_calloc(&x->arena, 1, sizeof *param));
    *param = (struct param){.name = name, .text = text, .json = json, .next = x->params};
    x->params = param;
}

static enum MHD_Result on_query(void *arg, enum MHD_ValueKind kind, const char *key,
                                const char *value)
{
    (void)kind;
    struct exchange *x = arg;
    add_param(x, must(arena_strdup(&x->arena, key)),
              must(arena_strdup(&x->arena, value == NULL ? "" : value)), NULL);
    return MHD_YES;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes one name or value of a form; NULL on a bad escape or a NUL. */
static const char *form_text(struct exchange *x, const char *text, size_t len)
{
    char *to = must(arena_alloc(&x->arena, len + 1));
    size_t used = 0;
    for (size_t at = 0; at < len; at++) {
        char c = text[at] == '+' ? ' ' : text[at];
        if (c == '%') {
            int high = at + 2 < len ? hex_digit(text[at + 1]) : -1;
            int low = high < 0 ? -1 : hex_digit(text[at + 2]);
            if (low < 0)
                return NULL;
            c = (char)(high * 16 + low);
            at += 2;
        }
        if (c == '\0')
            return NULL;
        to[used++] = c;
    }
    to[used] = '\0';
    return to;
}

static bool read_form(struct exchange *x)
{
    const char *at = buffer_cstring(&x->body);
    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, "&");
        const char *equals = memchr(at, '=', len);
        size_t name_len = equals == NULL ? len : (size_t)(equals - at);
        const char *name = form_text(x, at, name_len);
        const char *value = equals == NULL ? "" : form_text(x, equals + 1, len - name_len - 1);
        if (name == NULL || value == NULL)
            return false;
        if (len > 0)
            add_param(x, name, value, NULL);
        at += len + (at[len] == '&' ? 1 : 0);
    }
    return true;
}

static bool read_json(struct exchange *x)
{
    const struct json_tree *tree = NULL;
    if (!json_tree_parse(buffer_span(&x->body), &x->arena, &tree) || tree->kind != JSON_TREE_OBJECT)
        return false;
    for (const struct json_tree *member = tree->first; member != NULL; member = member->next) {
        const char *text = json_tree_text(member);
        if (member->kind == JSON_TREE_BOOL)
            text = member->boolean ? "true" : "false";
        add_param(x, member->key, text, member);
    }
    return true;
}

static void read_params(struct exchange *x)
{
    (void)MHD_get_connection_values(x->connection, MHD_GET_ARGUMENT_KIND, on_query, x);
    if (x->body.failed) {
        x->body_bad = true;
        return;
    }
    if (x->body.len == 0)
        return;
    const char *type = exchange_header(x, "Content-Type");
    if (type != NULL && strncasecmp(type, "application/json", 16) == 0)
        x->body_bad = !read_json(x);
    else if (type != NULL && strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0)
        x->body_bad = !read_form(x);
    else
        x->body_bad = true;
}

static void compress_answer(struct exchange *x)
{
    const char *accepted = exchange_header(x, "Accept-Encoding");
    if (!x->compress || x->answer.len == 0 || accepted == NULL || strstr(accepted, "gzip") == NULL)
        return;
    struct buffer packed;
    buffer_init(&packed, EXCHANGE_ANSWER_BYTES_MAX);
    if (gzip_append(&packed, buffer_span(&x->answer))) {
        struct buffer plain = x->answer;
        x->answer = packed;
        packed = plain;
        exchange_add_header(x, "Content-Encoding", "gzip");
    }
    exchange_add_header(x, "Vary", "Accept-Encoding");
    buffer_fini(&packed);
}

static enum MHD_Result send_answer(struct exchange *x)
{
    compress_answer(x);
    if (x->answer.failed)
        return MHD_NO;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(x->answer.len, x->answer.data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    if (x->content_type != NULL)
        (void)MHD_add_response_header(response, "Content-Type", x->content_type);
    for (size_t i = 0; i < x->header_count; i++)
        (void)MHD_add_response_header(response, x->headers[i].name, x->headers[i].value);
    enum MHD_Result result = MHD_queue_response(x->connection, x->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **state)
{
    (void)version;
    struct http_service *service = arg;
    struct exchange *x = *state;
    if (x == NULL) {
        x = must(calloc(1, sizeof *x));
        *state = x;
        x->connection = connection;
        arena_init(&x->arena, EXCHANGE_ARENA_BYTES_MAX);
        buffer_init(&x->body, EXCHANGE_BODY_BYTES_MAX);
        buffer_init(&x->answer, EXCHANGE_ANSWER_BYTES_MAX);
        x->path = must(arena_strdup(&x->arena, url));
        x->method = must(arena_strdup(&x->arena, method));
        return MHD_YES;
    }
    if (*data_len > 0) {
        (void)buffer_append(&x->body, data, *data_len);
        *data_len = 0;
        return MHD_YES;
    }
    read_params(x);
    x->status = MHD_HTTP_OK;
    service->handler(service->arg, x);
    return x->drop ? MHD_NO : send_answer(x);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)connection;
    (void)code;
    struct exchange *x = *state;
    if (x == NULL)
        return;
    buffer_fini(&x->body);
    buffer_fini(&x->answer);
    arena_fini(&x->arena);
    free(x);
    *state = NULL;
}

bool http_service_start(struct http_service *service, const char *address, uint16_t port,
                        exchange_handler *handler, void *arg)
{
    service->handler = handler;
    service->arg = arg;
    struct sockaddr_in socket_address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, address, &socket_address.sin_addr) != 1)
        return false;
    service->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, port, NULL, NULL,
        on_request, service, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&socket_address,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
        MHD_OPTION_END);
    if (service->daemon == NULL)
        return false;
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(service->daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (info == NULL || info->port == 0) {
        http_service_stop(service);
        return false;
    }
    service->port = info->port;
    return true;
}

void http_service_stop(struct http_service *service)
{
    if (service->daemon != NULL)
        MHD_stop_daemon(service->daemon);
    service->daemon = NULL;
}
