/*
 * Answers. Each request is answered once, by one of the functions here, on the loop's thread.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "google/api/httpbody.pb-c.h"
#include "rest/argument.h"
#include "rest/chars.h"
#include "rest/internal.h"

/* The session cookie's life, in seconds. */
#define SESSION_COOKIE_S "2592000"
/* Of a file's name in Content-Disposition, with its NUL; of a media type. */
#define FILE_NAME_BYTES 101
#define MEDIA_TYPE_BYTES_MAX 200
/* Bytes of an entity tag before they are hex. */
#define ETAG_HASH_BYTES 16

static const char json_type[] = "application/json";
static const char octet_stream[] = "application/octet-stream";
static const char no_store[] = "no-store";
/* What no page of ours asks a browser for. */
static const char no_permissions[] =
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
    "magnetometer=(), "
    "microphone=(), midi=(), payment=(), usb=(), xr-spatial-tracking=()";
static const char revalidate[] = "private, no-cache";

struct reason_phrase {
    int status;
    const char *phrase;
};

static const struct reason_phrase reason_phrases[] = {
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Content"},
    {302, "Found"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

static const char *phrase_of(int status)
{
    for (size_t i = 0; i < sizeof reason_phrases / sizeof reason_phrases[0]; i++) {
        if (reason_phrases[i].status == status)
            return reason_phrases[i].phrase;
    }
    return "Unknown";
}

void rest_respond_add_header(struct rest_request *request, const h2o_token_t *token,
                             const char *value)
{
    h2o_add_header(&request->req->pool, &request->req->res.headers, token, NULL, value,
                   strlen(value));
}

static void add_named_header(struct rest_request *request, const char *name, const char *value)
{
    h2o_add_header_by_str(&request->req->pool, &request->req->res.headers, name, strlen(name), 0,
                          NULL, value, strlen(value));
}

/* What every answer carries. */
static void begin(struct rest_request *request, int status, const char *cache_control)
{
    request->req->res.status = status;
    request->req->res.reason = phrase_of(status);
    add_named_header(request, "x-request-id", request->request_id);
    add_named_header(request, "x-content-type-options", "nosniff");
    if (request->vary != NULL)
        rest_respond_add_header(request, H2O_TOKEN_VARY, request->vary);
    rest_respond_add_header(request, H2O_TOKEN_CACHE_CONTROL, cache_control);
}

/* Sends bytes that outlive the request; `has_body` false is an answer that has none by its status
 * (204, 304). */
static void send_bytes(struct rest_request *request, struct span bytes, bool has_body)
{
    static h2o_generator_t generator = {NULL, NULL};
    h2o_req_t *req = request->req;
    h2o_iovec_t body = h2o_iovec_init(bytes.data, bytes.len);
    size_t count = has_body && !request->is_head && body.len > 0 ? 1 : 0;
    if (has_body)
        req->res.content_length = body.len;
    if (request->thread->draining)
        req->http1_is_persistent = 0;
    request->answered = true;
    request->status = req->res.status;
    rest_connection_writing(request->connection, body.len);
    h2o_start_response(req, &generator);
    h2o_send(req, &body, count, H2O_SEND_STATE_FINAL);
}

/* Sends what is in request->body. */
static void finish(struct rest_request *request, bool has_body)
{
    send_bytes(request, buffer_span(&request->body), has_body);
}

/* --- cookies --- */

static void set_cookie(struct rest_request *request, const char *value, const char *age)
{
    const char *cookie = arena_printf(
        &request->arena, "%s=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%s%s",
        HEADER_SESSION_COOKIE, value, age, request->thread->rest->cookie_secure ? "; Secure" : "");
    if (cookie != NULL)
        rest_respond_add_header(request, H2O_TOKEN_SET_COOKIE, cookie);
}

static void clear_cookie(struct rest_request *request)
{
    set_cookie(request, "", "0");
}

/* --- errors --- */

static void print_text_member(struct buffer *body, bool *first, const char *key, const char *text)
{
    if (*text == '\0')
        return;
    (void)buffer_printf(body, "%s\"%s\":", *first ? "" : ",", key);
    (void)json_append_string(body, span_of_string(text));
    *first = false;
}

static void print_details(struct buffer *body, const struct rpc_status *status)
{
    bool first = true;
    if (status->field[0] == '\0' && status->position < 0 && status->upstream[0] == '\0' &&
        status->campaign_id[0] == '\0')
        return;
    (void)buffer_append_string(body, ",\"details\":{");
    print_text_member(body, &first, "field", status->field);
    if (status->position >= 0) {
        (void)buffer_printf(body, "%s\"position\":%" PRId64, first ? "" : ",", status->position);
        first = false;
    }
    print_text_member(body, &first, "upstream", status->upstream);
    print_text_member(body, &first, "campaignId", status->campaign_id);
    (void)buffer_append_byte(body, '}');
}

static void add_retry_after(struct rest_request *request, uint32_t retry_after_ms)
{
    uint32_t seconds = retry_after_ms / 1000 + (retry_after_ms % 1000 != 0);
    const char *text = arena_printf(&request->arena, "%" PRIu32, seconds == 0 ? 1 : seconds);
    if (text != NULL)
        rest_respond_add_header(request, H2O_TOKEN_RETRY_AFTER, text);
}

/* For people. */
static const char *choose_message(struct rest_request *request, const struct rpc_status *status,
                                  const struct rpc_reason *reason)
{
    /* A plain code's message may speak of our insides; so may that of an internal error. */
    if (status->reason == LOTCAST__V1__REASON__REASON_UNSPECIFIED || reason->code == RPC_INTERNAL ||
        status->message[0] == '\0')
        return reason->message;
    /* A wrong value of which nothing was said: what it may be. */
    if (reason->reason != LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT || request->route == NULL ||
        strcmp(status->message, reason->message) != 0)
        return status->message;
    const char *what =
        argument_describe(request->route->method->input, status->field, &request->arena);
    return what == NULL ? status->message : what;
}

void rest_respond_status(struct rest_request *request, const struct rpc_status *status)
{
    bool is_plain = status->reason == LOTCAST__V1__REASON__REASON_UNSPECIFIED;
    const struct rpc_reason *reason =
        rpc_reason_get(is_plain ? rpc_reason_of_code(status->code) : status->reason);
    const char *message = choose_message(request, status, reason);
    buffer_clear(&request->body);
    (void)buffer_printf(&request->body, "{\"error\":{\"code\":\"%s\",\"message\":", reason->name);
    (void)json_append_string(&request->body, span_of_string(message));
    if (!is_plain)
        print_details(&request->body, status);
    (void)buffer_append_string(&request->body, "}}");
    request->reason = reason->name;
    begin(request, reason->http_status, no_store);
    rest_respond_add_header(request, H2O_TOKEN_CONTENT_TYPE, json_type);
    if (reason->http_status == 429 || reason->http_status == 503)
        add_retry_after(request, status->retry_after_ms);
    if (reason->reason == LOTCAST__V1__REASON__REASON_AUTH_REQUIRED)
        clear_cookie(request);
    finish(request, true);
}

void rest_respond_reason(struct rest_request *request, Lotcast__V1__Reason reason,
                         const char *field)
{
    struct rpc_status status;
    (void)rpc_status_fail(&status, reason, field);
    rest_respond_status(request, &status);
}

static void respond_internal(struct rest_request *request)
{
    request->req->res.headers.size = 0; /* of the answer that was not to be */
    rest_respond_reason(request, LOTCAST__V1__REASON__REASON_INTERNAL, NULL);
}

/* --- Allow --- */

void rest_respond_options(struct rest_request *request, const char *allow)
{
    begin(request, 204, no_store);
    rest_respond_add_header(request, H2O_TOKEN_ALLOW, allow);
    finish(request, false);
}

void rest_respond_not_allowed(struct rest_request *request, const char *allow)
{
    rest_respond_add_header(request, H2O_TOKEN_ALLOW, allow);
    rest_respond_reason(request, LOTCAST__V1__REASON__REASON_METHOD_NOT_ALLOWED, NULL);
}

/* --- the method's answer --- */

/* How a body is answered. */
struct answer {
    const char *content_type;
    const char *disposition; /* or NULL */
    bool accepted;           /* 202 */
    bool cacheable;
};

static const char *string_field(const ProtobufCMessage *message, const struct registry_field *field)
{
    const char *text = NULL;
    memcpy(&text, (const uint8_t *)message + field->descriptor->offset, sizeof text);
    return text == NULL ? "" : text;
}

static bool is_plain_text(const char *text, bool (*allowed)(char))
{
    for (const char *at = text; *at != '\0'; at++) {
        if (!allowed(*at))
            return false;
    }
    return *text != '\0';
}

/* What the session effect of the method does to the cookie. False: the token is none. */
static bool apply_session(struct rest_request *request, const ProtobufCMessage *message)
{
    const struct route *route = request->route;
    if (route->method->rules->session == LOTCAST__V1__SESSION_EFFECT__SESSION_EFFECT_CLEARS)
        clear_cookie(request);
    if (route->session == NULL)
        return true;
    const char *token = string_field(message, route->session);
    if (!is_plain_text(token, chars_is_id) || strlen(token) >= HEADER_SESSION_BYTES)
        return false;
    set_cookie(request, token, SESSION_COOKIE_S);
    return true;
}

static bool is_location_char(char c)
{
    return (unsigned char)c > 0x20 && (unsigned char)c < 0x7f;
}

static void respond_redirect(struct rest_request *request, const ProtobufCMessage *message)
{
    const char *location = string_field(message, request->route->redirect);
    if (!is_plain_text(location, is_location_char)) {
        respond_internal(request);
        return;
    }
    begin(request, 302, no_store);
    rest_respond_add_header(request, H2O_TOKEN_LOCATION, location);
    finish(request, true);
}

static void hash_body(struct rest_request *request)
{
    uint8_t hash[ETAG_HASH_BYTES];
    (void)crypto_generichash(hash, sizeof hash, request->body.data, request->body.len, NULL, 0);
    request->etag[0] = '"';
    (void)sodium_bin2hex(request->etag + 1, sizeof request->etag - 1, hash, sizeof hash);
    memcpy(request->etag + 1 + 2 * sizeof hash, "\"", 2);
}

static bool client_has(const struct rest_request *request, const char *etag)
{
    const struct rest_values *values = &request->headers[REST_HEADER_IF_NONE_MATCH];
    for (size_t i = 0; i < values->count && i < REST_VALUES_MAX; i++) {
        if (header_etag_matches(values->items[i], etag))
            return true;
    }
    return false;
}

/* Answers a cacheable body, which outlives the request, or says that the client has it. */
static void respond_tagged(struct rest_request *request, const char *etag, struct span body,
                           const struct answer *answer)
{
    bool unchanged = client_has(request, etag);
    begin(request, unchanged ? 304 : 200, revalidate);
    rest_respond_add_header(request, H2O_TOKEN_ETAG, etag);
    if (unchanged) {
        send_bytes(request, (struct span){0}, false);
        return;
    }
    rest_respond_add_header(request, H2O_TOKEN_CONTENT_TYPE, answer->content_type);
    if (answer->disposition != NULL)
        rest_respond_add_header(request, H2O_TOKEN_CONTENT_DISPOSITION, answer->disposition);
    send_bytes(request, body, true);
}

/* Answers with what is in request->body. */
static void respond_body(struct rest_request *request, const struct answer *answer)
{
    if (request->body.failed) {
        respond_internal(request);
        return;
    }
    if (answer->cacheable) {
        hash_body(request);
        respond_tagged(request, request->etag, buffer_span(&request->body), answer);
        return;
    }
    begin(request, answer->accepted ? 202 : 200, no_store);
    rest_respond_add_header(request, H2O_TOKEN_CONTENT_TYPE, answer->content_type);
    if (answer->disposition != NULL)
        rest_respond_add_header(request, H2O_TOKEN_CONTENT_DISPOSITION, answer->disposition);
    finish(request, true);
}

void rest_respond_body(struct rest_request *request, const char *content_type)
{
    const struct answer answer = {.content_type = content_type};
    respond_body(request, &answer);
}

/* --- files --- */

/* The form of the file that the client wants most. */
static enum header_coding choose_coding(const struct rest_request *request,
                                        const struct rest_file *file)
{
    const h2o_headers_t *headers = &request->req->headers;
    const bool available[HEADER_CODING_COUNT] = {
        [HEADER_CODING_IDENTITY] = true,
        [HEADER_CODING_GZIP] = file->gzip.len > 0,
        [HEADER_CODING_BROTLI] = file->brotli.len > 0,
    };
    struct header_codings codings = {0};
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        if (span_equal_string(span_of(header->name->base, header->name->len), "accept-encoding"))
            header_codings_take(&codings, span_of(header->value.base, header->value.len));
    }
    return header_codings_choose(&codings, available);
}

/* Each representation has its own tag. */
static void tag_file(struct rest_request *request, const struct rest_file *file,
                     enum header_coding coding)
{
    static const char *const suffixes[HEADER_CODING_COUNT] = {[HEADER_CODING_IDENTITY] = "",
                                                              [HEADER_CODING_GZIP] = "-gz",
                                                              [HEADER_CODING_BROTLI] = "-br"};
    (void)snprintf(request->etag, sizeof request->etag, "\"%s%s\"", file->hash, suffixes[coding]);
}

/*
 * What a page may load, and what it tells others: nothing. No Referer goes with an item's picture,
 * so that no dealer's host learns where its pictures are looked at, and one that refuses other
 * sites' pages shows them. fetch() sends its Origin all the same (CROSS_ORIGIN).
 */
static void add_page_headers(struct rest_request *request, const char *policy)
{
    add_named_header(request, "content-security-policy", policy);
    add_named_header(request, "referrer-policy", "no-referrer");
    add_named_header(request, "cross-origin-opener-policy", "same-origin");
    add_named_header(request, "permissions-policy", no_permissions);
}

/* The file's bytes in that form. False: no memory. */
static bool find_bytes(struct rest_request *request, const struct rest_file *file,
                       enum header_coding coding, struct span *ret_bytes)
{
    buffer_clear(&request->body);
    if (coding == HEADER_CODING_IDENTITY && file->identity.data == NULL &&
        !rest_file_unpack(file, &request->body))
        return false;
    *ret_bytes = coding == HEADER_CODING_GZIP     ? file->gzip
                 : coding == HEADER_CODING_BROTLI ? file->brotli
                 : file->identity.data != NULL    ? file->identity
                                                  : buffer_span(&request->body);
    return true;
}

void rest_respond_file(struct rest_request *request, const struct rest_file *file)
{
    enum header_coding coding = choose_coding(request, file);
    struct span bytes = {0};
    tag_file(request, file, coding);
    bool unchanged = client_has(request, request->etag);
    if (!unchanged && !find_bytes(request, file, coding, &bytes)) {
        respond_internal(request);
        return;
    }
    request->vary = request->vary == NULL ? "accept-encoding" : "accept, accept-encoding";
    begin(request, unchanged ? 304 : 200, file->cache_control);
    rest_respond_add_header(request, H2O_TOKEN_ETAG, request->etag);
    add_named_header(request, "cross-origin-resource-policy", "same-origin");
    if (file->policy != NULL)
        add_page_headers(request, file->policy);
    if (unchanged) {
        finish(request, false);
        return;
    }
    rest_respond_add_header(request, H2O_TOKEN_CONTENT_TYPE, file->content_type);
    if (coding != HEADER_CODING_IDENTITY)
        rest_respond_add_header(request, H2O_TOKEN_CONTENT_ENCODING, header_coding_name(coding));
    send_bytes(request, bytes, true);
}

/* --- what the response says of its answer --- */

/*
 * Content-Disposition, so that a browser saves the answer. The name is made one that every system
 * takes. NULL where the route has none; false for a response without a name.
 */
static bool find_disposition(struct rest_request *request, const ProtobufCMessage *message,
                             const char **ret_disposition)
{
    char name[FILE_NAME_BYTES];
    if (request->route->attachment == NULL)
        return true;
    const char *text = string_field(message, request->route->attachment);
    size_t len = strnlen(text, sizeof name - 1);
    for (size_t i = 0; i < len; i++)
        name[i] = chars_is_id(text[i]) && (i > 0 || text[i] != '.') ? text[i] : '_';
    name[len] = '\0';
    *ret_disposition = arena_printf(&request->arena, "attachment; filename=\"%s\"", name);
    return len > 0 && *ret_disposition != NULL;
}

static bool is_media_type_char(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f;
}

/* The body and the type that the method has made itself: no message is no bytes. False: the type is
 * none that a header can hold, or they are too many. */
static bool take_raw_body(struct rest_request *request, const ProtobufCMessage *message,
                          const char **ret_type)
{
    static const Google__Api__HttpBody nothing = GOOGLE__API__HTTP_BODY__INIT;
    const Google__Api__HttpBody *body =
        message == NULL ? &nothing : (const Google__Api__HttpBody *)(const void *)message;
    const char *type = *body->content_type == '\0' ? octet_stream : body->content_type;
    if (strlen(type) > MEDIA_TYPE_BYTES_MAX || !is_plain_text(type, is_media_type_char) ||
        !buffer_append(&request->body, body->data.data, body->data.len))
        return false;
    *ret_type = type;
    return true;
}

static bool bool_field(const ProtobufCMessage *message, const struct registry_field *field)
{
    protobuf_c_boolean value = 0;
    if (field == NULL)
        return false;
    memcpy(&value, (const uint8_t *)message + field->descriptor->offset, sizeof value);
    return value != 0;
}

static const ProtobufCMessage *message_field(const ProtobufCMessage *message,
                                             const struct registry_field *field)
{
    const ProtobufCMessage *inner = NULL;
    memcpy(&inner, (const uint8_t *)message + field->descriptor->offset, sizeof inner);
    return inner;
}

/* What the route answers of the response, into request->body. False: it cannot be. */
static bool print_answer(struct rest_request *request, const ProtobufCMessage *message,
                         const char **ret_type)
{
    const struct registry_field *field = request->route->answer;
    const struct json_codec *codec = request->thread->rest->codec;
    struct rpc_status status;
    buffer_clear(&request->body);
    if (request->route->raw_answer)
        return take_raw_body(request, field == NULL ? message : message_field(message, field),
                             ret_type);
    *ret_type = json_type;
    return (field == NULL
                ? json_print(codec, message, &request->body, &status)
                : json_print_field(codec, message, field, &request->body, &status)) == RPC_OK;
}

/* Whether nothing but a text and its tag is made of the response. */
static bool is_printable(const struct route *route)
{
    const Lotcast__V1__MethodRules *rules = route->method->rules;
    return rules->cacheable && !route->raw_answer && route->redirect == NULL &&
           route->attachment == NULL && route->accepted == NULL && route->session == NULL &&
           rules->session == LOTCAST__V1__SESSION_EFFECT__SESSION_EFFECT_UNSPECIFIED;
}

/* Whether the response is one that was printed before, and so is answered. */
static bool respond_printed(struct rest_request *request, struct span packed)
{
    static const struct answer as_json = {.content_type = json_type, .cacheable = true};
    struct printed *printed = request->thread->printed;
    if (printed == NULL || !is_printable(request->route))
        return false;
    request->printed = printed_take(printed, request->route, packed);
    if (request->printed == NULL)
        return false;
    respond_tagged(request, request->printed->etag, request->printed->text, &as_json);
    return true;
}

static void keep_printed(struct rest_request *request, struct span packed)
{
    if (request->thread->printed != NULL && is_printable(request->route))
        printed_offer(request->thread->printed, request->route, packed, buffer_span(&request->body),
                      request->etag);
}

void rest_respond_message(struct rest_request *request, struct span packed)
{
    const struct registry_method *method = request->route->method;
    ProtobufCMessage *message = NULL;
    struct rpc_status status;
    struct answer answer = {0};
    if (respond_printed(request, packed))
        return;
    if (rpc_message_unpack(method->output->descriptor, packed, &request->arena, &message,
                           &status) != RPC_OK) {
        respond_internal(request);
        return;
    }
    if (request->route->redirect != NULL) {
        respond_redirect(request, message);
        return;
    }
    if (!print_answer(request, message, &answer.content_type) ||
        !find_disposition(request, message, &answer.disposition) ||
        !apply_session(request, message)) {
        respond_internal(request);
        return;
    }
    answer.accepted = bool_field(message, request->route->accepted);
    answer.cacheable = method->rules->cacheable && !answer.accepted;
    respond_body(request, &answer);
    if (request->status == 200 || request->status == 304)
        keep_printed(request, packed);
}

/* --- a file that comes in pieces --- */

bool rest_respond_piece_take(struct rest_request *request, struct span packed, struct arena *arena,
                             struct rest_piece_head *head)
{
    const struct route *route = request->route;
    const char *type = NULL;
    ProtobufCMessage *item = NULL;
    struct rpc_status status;
    if (rpc_message_unpack(route->method->output->descriptor, packed, arena, &item, &status) !=
            RPC_OK ||
        !take_raw_body(request, route->answer == NULL ? item : message_field(item, route->answer),
                       &type))
        return false;
    if (head->content_type != NULL)
        return true;
    head->content_type = arena_strdup(&request->arena, type);
    return head->content_type != NULL && find_disposition(request, item, &head->disposition);
}

void rest_respond_pieces_whole(struct rest_request *request, const struct rest_piece_head *head)
{
    const struct answer answer = {.content_type = head->content_type,
                                  .disposition = head->disposition,
                                  .cacheable = request->route->method->rules->cacheable};
    if (head->content_type == NULL) /* a stream without an item is none */
        respond_internal(request);
    else
        respond_body(request, &answer);
}

void rest_respond_pieces_begin(struct rest_request *request, const struct rest_piece_head *head)
{
    begin(request, 200, request->route->method->rules->cacheable ? revalidate : no_store);
    rest_respond_add_header(request, H2O_TOKEN_CONTENT_TYPE, head->content_type);
    if (head->disposition != NULL)
        rest_respond_add_header(request, H2O_TOKEN_CONTENT_DISPOSITION, head->disposition);
    /* Its end is where the connection ends, for who knows no chunks. */
    if (request->thread->draining || request->req->version < 0x101)
        request->req->http1_is_persistent = 0;
    request->answered = true;
    request->status = request->req->res.status;
}
