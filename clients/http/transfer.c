/*
 * One transfer: the request's copy, libcurl's options and callbacks, and the response.
 *
 * Invariants: a connection is made, and a request is sent on one, only to an address that the
 * policy lets in: OPENSOCKET sees the very address that connect(2) gets, whatever DNS said before,
 * and PREREQ sees the peer of a connection that another request, maybe with another policy, has
 * left in the pool. A POST goes out at most once: libcurl would send it again when a kept
 * connection turns out dead, and the peer may have acted on the first one.
 */
#include "clients/http/internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MS_DEFAULT ((int64_t)10000)
/* Time over which rate_min_bytes is measured, in seconds. */
#define RATE_WINDOW_S 10L
/* How long a connection may idle before it is not used again, in seconds: below common servers'
 * limits. */
#define IDLE_S_MAX 20L
/* Longest textual address of PREREQ. */
#define ADDRESS_TEXT_BYTES 64

static void map_v4(const struct in_addr *v4, uint8_t ret_address[static 16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    memcpy(ret_address, mapped, sizeof mapped);
    memcpy(ret_address + sizeof mapped, v4, 4);
}

static bool socket_address(const struct sockaddr *from, uint8_t ret_address[static 16])
{
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        map_v4(&v4.sin_addr, ret_address);
        return true;
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        memcpy(ret_address, &v6.sin6_addr, 16);
        return true;
    }
    return false;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *peer)
{
    struct http_call *call = arg;
    uint8_t address[16];
    if (purpose != CURLSOCKTYPE_IPCXN || !socket_address(&peer->addr, address) ||
        (call->has_policy && !http_address_allowed(&call->policy, address))) {
        call->address_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(peer->family, peer->socktype | SOCK_CLOEXEC, peer->protocol);
}

static bool text_address(const char *text, uint8_t ret_address[static 16])
{
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        map_v4(&v4, ret_address);
        return true;
    }
    char plain[ADDRESS_TEXT_BYTES];
    size_t len = strcspn(text, "%"); /* a zone */
    if (len >= sizeof plain)
        return false;
    memcpy(plain, text, len);
    plain[len] = '\0';
    return inet_pton(AF_INET6, plain, ret_address) == 1;
}

static int on_before_request(void *arg, char *peer, char *local, int peer_port, int local_port)
{
    (void)local;
    (void)peer_port;
    (void)local_port;
    struct http_call *call = arg;
    uint8_t address[16];
    if (call->has_policy && (peer == NULL || !text_address(peer, address) ||
                             !http_address_allowed(&call->policy, address))) {
        call->address_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (call->request_begun && call->verb == HTTP_POST) {
        call->resend_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    call->request_begun = true;
    return CURL_PREREQFUNC_OK;
}

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static void keep_header(struct http_call *call, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (colon == NULL || colon == line || call->header_count == HTTP_HEADERS_MAX ||
        memchr(line, '\0', len) != NULL)
        return;
    const char *value = colon + 1;
    const char *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    struct buffer *text = &call->header_text;
    for (const char *at = line; at < colon; at++)
        (void)buffer_append_byte(text, (uint8_t)ascii_lower(*at));
    (void)buffer_append_byte(text, '\0');
    (void)buffer_append(text, value, (size_t)(end - value));
    if (buffer_append_byte(text, '\0'))
        call->header_count++;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;
    size_t len = size * count;
    call->header_bytes += len;
    if (call->header_bytes > HTTP_HEADER_BYTES_MAX) {
        call->too_large = true;
        return 0;
    }
    if (call->body_begun)
        return len; /* a trailer */
    size_t end = len;
    while (end > 0 && (data[end - 1] == '\r' || data[end - 1] == '\n'))
        end--;
    if (end >= 5 && memcmp(data, "HTTP/", 5) == 0) { /* after a 1xx the next response begins */
        buffer_clear(&call->header_text);
        call->header_count = 0;
    } else {
        keep_header(call, data, end);
    }
    return call->header_text.failed ? 0 : len;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;
    size_t len = size * count;
    call->body_begun = true;
    size_t room = call->body_bytes_max - call->received.len;
    if (len > room) {
        if (call->keep_partial)
            call->truncated = buffer_append(&call->received, data, room);
        else
            call->too_large = true;
        return 0;
    }
    return buffer_append(&call->received, data, len) ? len : 0;
}

/* Counts what came over the wire, before Content-Encoding is undone. */
static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    (void)down_total;
    (void)up_total;
    (void)up;
    struct http_call *call = arg;
    if (down < 0 || (uint64_t)down <= call->wire_bytes_max)
        return 0;
    call->too_large = true;
    return 1;
}

static bool has_line_break(const char *text)
{
    return text[strcspn(text, "\r\n")] != '\0';
}

/* libcurl's spellings: "Name: value", "Name;" for an empty value, "Name:" for leaving one out. */
static bool copy_headers(struct http_call *call, const struct http_request *request)
{
    if (request->header_count > HTTP_HEADERS_MAX)
        return false;
    struct buffer line;
    buffer_init(&line, HTTP_HEADER_BYTES_MAX);
    bool ok = true;
    for (size_t i = 0; ok && i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        buffer_clear(&line);
        ok = header->name[0] != '\0' && strpbrk(header->name, ":; \t\r\n") == NULL &&
             !has_line_break(header->value) && buffer_append_string(&line, header->name) &&
             (header->value[0] == '\0' ? buffer_append_byte(&line, ';')
                                       : buffer_append_string(&line, ": ") &&
                                             buffer_append_string(&line, header->value)) &&
             buffer_append_byte(&line, '\0');
        struct curl_slist *list = ok ? curl_slist_append(call->headers, (char *)line.data) : NULL;
        ok = list != NULL;
        if (ok)
            call->headers = list;
    }
    buffer_fini(&line);
    /* No waiting for 100 Continue. */
    struct curl_slist *list = ok ? curl_slist_append(call->headers, "Expect:") : NULL;
    if (list != NULL)
        call->headers = list;
    return list != NULL;
}

struct http_call *http__call_create(const struct http_request *request)
{
    struct http_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return NULL;
    atomic_init(&call->refs, 1);
    call->verb = request->verb;
    call->has_policy = request->policy != NULL;
    if (call->has_policy)
        call->policy = *request->policy;
    call->deadline_ms = request->deadline_ms;
    call->connect_ms_max =
        request->connect_ms_max > 0 ? request->connect_ms_max : CONNECT_MS_DEFAULT;
    call->wire_bytes_max = request->wire_bytes_max;
    call->body_bytes_max = request->body_bytes_max;
    call->keep_partial = request->keep_partial;
    call->accept_encoded = request->accept_encoded;
    call->rate_min_bytes = request->rate_min_bytes;
    buffer_init(&call->received, request->body_bytes_max);
    buffer_init(&call->header_text, HTTP_HEADER_BYTES_MAX + 2 * HTTP_HEADERS_MAX);
    call->url = strdup(request->url);
    call->body_len = request->body.len;
    call->body = malloc(request->body.len + 1);
    if (call->url == NULL || call->body == NULL || !copy_headers(call, request)) {
        http__call_free(call);
        return NULL;
    }
    if (request->body.len > 0)
        memcpy(call->body, request->body.data, request->body.len);
    return call;
}

void http__call_free(struct http_call *call)
{
    if (call->easy != NULL)
        curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    buffer_fini(&call->received);
    buffer_fini(&call->header_text);
    free(call->url);
    free(call->body);
    free(call);
}

static void set_verb(struct http_call *call)
{
    CURL *easy = call->easy;
    bool has_body = call->verb == HTTP_POST || (call->verb == HTTP_DELETE && call->body_len > 0);
    if (has_body) {
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (char *)call->body);
    }
    if (call->verb == HTTP_DELETE)
        (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
    if (call->verb == HTTP_HEAD)
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
}

/* What must hold for the checks above to mean anything: no proxy, no other protocol, no redirects.
 */
static bool set_safety(CURL *easy)
{
    return curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) == CURLE_OK;
}

static bool set_callbacks(struct http_call *call)
{
    CURL *easy = call->easy;
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_XFERINFODATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_before_request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK;
}

bool http__transfer_open(struct http_call *call, const char *user_agent)
{
    CURL *easy = curl_easy_init();
    call->easy = easy;
    if (easy == NULL || !set_safety(easy) || !set_callbacks(call))
        return false;
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_ms_max);
    (void)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, IDLE_S_MAX);
    /* A look-up that hangs is left behind: waiting for its thread would stall everyone. */
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    if (call->rate_min_bytes > 0) {
        (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)call->rate_min_bytes);
        (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, RATE_WINDOW_S);
    }
    if (user_agent != NULL && curl_easy_setopt(easy, CURLOPT_USERAGENT, user_agent) != CURLE_OK)
        return false;
    if (call->accept_encoded &&
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate") != CURLE_OK)
        return false;
    set_verb(call);
    return curl_easy_setopt(easy, CURLOPT_URL, call->url) == CURLE_OK;
}

static struct http_response *make_response(struct http_call *call)
{
    long status = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    /* A NUL after the body, which its length does not count: text parsers like one. */
    size_t bytes = sizeof(struct http_response) + call->header_text.len + call->received.len + 1;
    struct http_response *response = malloc(bytes);
    if (response == NULL)
        return NULL;
    *response = (struct http_response){.status = (int)status, .truncated = call->truncated};
    response->owned = span_of(response, bytes);
    char *text = (char *)response + sizeof *response;
    if (call->header_text.len > 0)
        memcpy(text, call->header_text.data, call->header_text.len);
    for (size_t i = 0; i < call->header_count; i++) {
        struct http_header *header = &response->headers[i];
        header->name = text;
        text += strlen(text) + 1;
        header->value = text;
        text += strlen(text) + 1;
    }
    response->header_count = call->header_count;
    if (call->received.len > 0)
        memcpy(text, call->received.data, call->received.len);
    text[call->received.len] = '\0';
    response->body = span_of(text, call->received.len);
    return response;
}

/* The one mapper of libcurl's codes. */
static enum http_failure failure_of(CURLcode result)
{
    if (result == CURLE_COULDNT_RESOLVE_HOST)
        return HTTP_FAILURE_DNS;
    if (result == CURLE_COULDNT_CONNECT || result == CURLE_OUT_OF_MEMORY)
        return HTTP_FAILURE_CONNECT;
    if (result == CURLE_OPERATION_TIMEDOUT)
        return HTTP_FAILURE_TIMEOUT;
    if (result == CURLE_SSL_CONNECT_ERROR || result == CURLE_PEER_FAILED_VERIFICATION ||
        result == CURLE_SSL_CERTPROBLEM || result == CURLE_SSL_CIPHER ||
        result == CURLE_SSL_CACERT_BADFILE || result == CURLE_SSL_ISSUER_ERROR ||
        result == CURLE_SSL_INVALIDCERTSTATUS || result == CURLE_SSL_CRL_BADFILE)
        return HTTP_FAILURE_TLS;
    return HTTP_FAILURE_PROTOCOL;
}

enum http_failure http__transfer_result(struct http_call *call, CURLcode result,
                                        struct http_response **ret_response)
{
    if (call->address_refused && !call->request_begun)
        return HTTP_FAILURE_ADDRESS;
    if (call->too_large)
        return HTTP_FAILURE_TOO_LARGE;
    if (call->resend_refused)
        return HTTP_FAILURE_PROTOCOL;
    if (result != CURLE_OK && !call->truncated)
        return failure_of(result);
    struct http_response *response = make_response(call);
    if (response == NULL)
        return HTTP_FAILURE_TOO_LARGE;
    *ret_response = response;
    return HTTP_FAILURE_NONE;
}

const char *http_response_header(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcmp(response->headers[i].name, name) == 0)
            return response->headers[i].value;
    }
    return NULL;
}

void http_response_free(struct http_response *response)
{
    if (response != NULL)
        free((void *)(uintptr_t)response->owned.data);
}
