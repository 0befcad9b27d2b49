/*
 * URLs, in three steps: the bytes are checked and percent-encodings normalised here, libcurl's URL
 * API parses and resolves dots, and the host is checked here again. What is handed to libcurl for
 * the request is the text made from the parts that were checked.
 */
#include "clients/http/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/base/utf8.h"

#define HOST_BYTES_MAX 253
#define LABEL_BYTES_MAX 63
/* Its version number without the patch level. */
#define CURL_7_88 0x0758
/* Percent-encoding triples a byte. */
#define ENCODED_BYTES_MAX (3 * URL_BYTES_MAX)
/* Parameters of one query at most: each takes a byte and a separator. */
#define PARAMETERS_MAX (URL_BYTES_MAX / 2 + 1)

/* Parameters that say where a visitor came from, not which page it is. */
static const char *const tracking[] = {
    "gclid",          "gclsrc",    "dclid",    "gbraid", "wbraid",      "gad_source",
    "gad_campaignid", "fbclid",    "msclkid",  "yclid",  "ttclid",      "twclid",
    "igshid",         "li_fat_id", "srsltid",  "mc_cid", "mc_eid",      "_hsenc",
    "_hsmi",          "_ga",       "_gl",      "epik",   "s_kwcid",     "ef_id",
    "mkt_tok",        "vero_id",   "wickedid", "_kx",    "oly_anon_id", "oly_enc_id",
    "rb_clickid",     "irclickid",
};

static bool is_alpha(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_unreserved(uint8_t c)
{
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static int hex_value(uint8_t c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static size_t put_encoded(char *out, uint8_t byte)
{
    static const char digits[] = "0123456789ABCDEF";
    out[0] = '%';
    out[1] = digits[byte >> 4];
    out[2] = digits[byte & 15];
    return 3;
}

/* Whether the whole holds only bytes that a URL may be written with; UTF-8 is encoded further on.
 */
static bool bytes_allowed(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c <= 0x20 || c == 0x7f || c == '\\')
            return false;
    }
    return utf8_valid((const char *)text.data, text.len, NULL);
}

/*
 * Path and query with every byte in its one spelling: encoded where RFC 3986 wants it, unreserved
 * characters plain (so that %2e%2e is seen as dots), hex digits upper case. `out` has room for
 * three times as much.
 */
static size_t normalise_encoding(struct span text, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '#')
            break;
        int high = c == '%' && i + 2 < text.len ? hex_value(text.data[i + 1]) : -1;
        int low = high < 0 ? -1 : hex_value(text.data[i + 2]);
        if (low >= 0) {
            uint8_t byte = (uint8_t)(high * 16 + low);
            i += 2;
            if (is_unreserved(byte))
                out[len++] = (char)byte;
            else
                len += put_encoded(out + len, byte);
        } else if (c == '%' || c >= 0x80 || strchr("\"<>^`{|}", c) != NULL) {
            len += put_encoded(out + len, c);
        } else {
            out[len++] = (char)c;
        }
    }
    return len;
}

/* A DNS name with no label that a resolver could take for a number (WHATWG's "ends in a number").
 */
static bool name_allowed(const char *host, size_t len)
{
    size_t label = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i == len || host[i] == '.') {
            if (i == label || i - label > LABEL_BYTES_MAX)
                return false;
            if (i == len)
                break;
            label = i + 1;
        } else if (!is_alpha((uint8_t)host[i]) && !is_digit((uint8_t)host[i]) && host[i] != '-' &&
                   host[i] != '_') {
            return false;
        }
    }
    const char *last = host + label;
    size_t last_len = len - label;
    if (last_len >= 2 && last[0] == '0' && (last[1] == 'x' || last[1] == 'X'))
        return false;
    for (size_t i = 0; i < last_len; i++) {
        if (!is_digit((uint8_t)last[i]))
            return true;
    }
    return false;
}

/* libidn2, which libcurl calls, reads the thread's character set: let that be UTF-8 for the moment.
 */
static char *punycode_of(const char *text)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (utf8 == (locale_t)0)
        return NULL;
    locale_t before = uselocale(utf8);
    CURLU *handle = curl_url();
    char *host = NULL;
    bool ok = handle != NULL && curl_url_set(handle, CURLUPART_URL, text, 0) == CURLUE_OK &&
              curl_url_get(handle, CURLUPART_HOST, &host, CURLU_PUNYCODE) == CURLUE_OK;
    if (!ok) {
        /* 7.88 leaves the copy that it could not convert behind, and the pointer to it. */
        if (curl_version_info(CURLVERSION_NOW)->version_num >> 8 == CURL_7_88)
            curl_free(host);
        host = NULL;
    }
    curl_url_cleanup(handle);
    (void)uselocale(before);
    freelocale(utf8);
    return host;
}

/* Whether each label with a letter beyond ASCII has become an xn-- one, and no other has changed.
 */
static bool labels_match(const char *before, const char *after)
{
    for (;;) {
        size_t before_len = strcspn(before, ".");
        size_t after_len = strcspn(after, ".");
        bool is_ascii = true;
        for (size_t i = 0; i < before_len; i++)
            is_ascii = is_ascii && (uint8_t)before[i] < 0x80;
        bool same = before_len == after_len && strncasecmp(before, after, before_len) == 0;
        if (is_ascii ? !same : strncmp(after, "xn--", 4) != 0)
            return false;
        if (before[before_len] != after[after_len])
            return false;
        if (before[before_len] == '\0')
            return true;
        before += before_len + 1;
        after += after_len + 1;
    }
}

/*
 * An international name in its ASCII form. IDNA also turns full-width digits and dots into plain
 * ones, so that a name would become an address, or have other labels: that is refused.
 */
static const char *to_ascii(const char *host, struct arena *arena)
{
    char *url = arena_printf(arena, "http://%s/", host);
    char *ascii = url == NULL ? NULL : punycode_of(url);
    const char *copy = NULL;
    if (ascii != NULL && labels_match(host, ascii))
        copy = arena_strdup(arena, ascii);
    curl_free(ascii);
    return copy;
}

static bool is_ascii(const char *text)
{
    while (*text != '\0' && (uint8_t)*text < 0x80)
        text++;
    return *text == '\0';
}

/* The host in its one spelling, or NULL. `text` is what stands between "//" and the path, less the
 * port. */
static const char *check_host(struct span text, struct arena *arena)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr v6;
    if (text.len >= 2 && text.data[0] == '[' && text.data[text.len - 1] == ']') {
        char *inner = arena_strndup(arena, text.data + 1, text.len - 2);
        if (inner == NULL || inet_pton(AF_INET6, inner, &v6) != 1)
            return NULL;
        const char *host = inet_ntop(AF_INET6, &v6, address, sizeof address);
        return host == NULL ? NULL : arena_strdup(arena, host);
    }
    if (text.len > 0 && text.data[text.len - 1] == '.') /* the root's dot says nothing */
        text.len--;
    if (text.len == 0 || text.len > HOST_BYTES_MAX || memchr(text.data, '\0', text.len) != NULL)
        return NULL;
    char *host = arena_strndup(arena, text.data, text.len);
    if (host == NULL)
        return NULL;
    for (char *at = host; *at != '\0'; at++) {
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    }
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return host;
    const char *name = is_ascii(host) ? host : to_ascii(host, arena);
    return name != NULL && strlen(name) <= HOST_BYTES_MAX && name_allowed(name, strlen(name))
               ? name
               : NULL;
}

/* Splits "host:port". Port 0 is returned for none; false for a bad one. */
static bool split_port(struct span *authority, uint16_t *ret_port)
{
    *ret_port = 0;
    size_t at = authority->len;
    while (at > 0 && is_digit(authority->data[at - 1]))
        at--;
    if (at == 0 || authority->data[at - 1] != ':')
        return memchr(authority->data, ':', authority->len) == NULL ||
               (authority->len > 0 && authority->data[authority->len - 1] == ']');
    uint32_t port = 0;
    for (size_t i = at; i < authority->len; i++) {
        port = port * 10 + (uint32_t)(authority->data[i] - '0');
        if (port > 65535)
            return false;
    }
    if (at < authority->len && port == 0)
        return false;
    *ret_port = (uint16_t)port;
    authority->len = at - 1;
    return true;
}

/* Copies one part out of libcurl's handle; absent ones are NULL. */
static bool take_part(CURLU *handle, CURLUPart part, struct arena *arena, const char **ret_text)
{
    char *text = NULL;
    CURLUcode code = curl_url_get(handle, part, &text, 0);
    if (code == CURLUE_NO_QUERY) {
        *ret_text = NULL;
        return true;
    }
    if (code != CURLUE_OK)
        return false;
    *ret_text = arena_strdup(arena, text);
    curl_free(text);
    return *ret_text != NULL;
}

/* Lets libcurl parse the text, and holds it to reading the same host. */
static bool parse_checked(const char *text, struct arena *arena, struct url *url)
{
    CURLU *handle = curl_url();
    const char *host = NULL;
    bool ok = handle != NULL && curl_url_set(handle, CURLUPART_URL, text, 0) == CURLUE_OK &&
              take_part(handle, CURLUPART_HOST, arena, &host) &&
              take_part(handle, CURLUPART_PATH, arena, &url->path) &&
              take_part(handle, CURLUPART_QUERY, arena, &url->query);
    curl_url_cleanup(handle);
    if (!ok)
        return false;
    size_t len = strlen(host);
    bool bracketed = len >= 2 && host[0] == '[';
    return bracketed ? strncmp(host + 1, url->host, len - 2) == 0 && url->host[len - 2] == '\0'
                     : strcmp(host, url->host) == 0;
}

static const char *make_text(const struct url *url, struct arena *arena, const char *query)
{
    bool is_default = url->port == (strcmp(url->scheme, "https") == 0 ? 443 : 80);
    bool bracketed = strchr(url->host, ':') != NULL;
    char port[8] = "";
    if (!is_default) {
        char *end = port + sizeof port - 1;
        char *at = end;
        *end = '\0';
        for (unsigned left = url->port; left > 0; left /= 10)
            *--at = (char)('0' + left % 10);
        *--at = ':';
        memmove(port, at, (size_t)(end - at) + 1);
    }
    return arena_printf(arena, "%s://%s%s%s%s%s%s%s", url->scheme, bracketed ? "[" : "", url->host,
                        bracketed ? "]" : "", port, url->path, query == NULL ? "" : "?",
                        query == NULL ? "" : query);
}

static bool take_scheme(struct span *text, struct url *url)
{
    static const char *const schemes[] = {"http", "https"};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (text->len > len + 3 && strncasecmp((const char *)text->data, schemes[i], len) == 0 &&
            memcmp(text->data + len, "://", 3) == 0) {
            url->scheme = schemes[i];
            *text = span_of(text->data + len + 3, text->len - len - 3);
            return true;
        }
    }
    return false;
}

bool url_parse(struct span text, struct arena *arena, struct url *ret_url)
{
    struct url url = {0};
    if (text.len == 0 || text.len > URL_BYTES_MAX || !bytes_allowed(text) ||
        !take_scheme(&text, &url))
        return false;
    size_t end = 0;
    while (end < text.len && strchr("/?#", text.data[end]) == NULL)
        end++;
    struct span authority = span_of(text.data, end);
    if (!split_port(&authority, &url.port))
        return false;
    if (url.port == 0)
        url.port = strcmp(url.scheme, "https") == 0 ? 443 : 80;
    url.host = check_host(authority, arena);
    if (url.host == NULL)
        return false;
    char rest[ENCODED_BYTES_MAX + 2];
    /* libcurl wants a path before a query. */
    size_t len = 0;
    if (end == text.len || text.data[end] != '/')
        rest[len++] = '/';
    len += normalise_encoding(span_of(text.data + end, text.len - end), rest + len);
    rest[len] = '\0';
    url.path = rest;
    const char *whole = make_text(&url, arena, NULL);
    if (whole == NULL || !parse_checked(whole, arena, &url))
        return false;
    url.text = make_text(&url, arena, url.query);
    if (url.text == NULL || strlen(url.text) > URL_BYTES_MAX)
        return false;
    *ret_url = url;
    return true;
}

/* Whether the reference begins with a scheme of its own. */
static bool has_scheme(struct span reference)
{
    if (reference.len == 0 || !is_alpha(reference.data[0]))
        return false;
    for (size_t i = 1; i < reference.len; i++) {
        uint8_t c = reference.data[i];
        if (c == ':')
            return true;
        if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.')
            return false;
    }
    return false;
}

bool url_resolve(const struct url *base, struct span reference, struct arena *arena,
                 struct url *ret_url)
{
    if (reference.len > URL_BYTES_MAX)
        return false;
    if (has_scheme(reference))
        return url_parse(reference, arena, ret_url);
    if (reference.len == 0 || reference.data[0] == '#') {
        *ret_url = *base;
        return true;
    }
    int len = (int)reference.len;
    const char *ref = (const char *)reference.data;
    char *text;
    if (len >= 2 && ref[0] == '/' && ref[1] == '/') {
        text = arena_printf(arena, "%s:%.*s", base->scheme, len, ref);
    } else {
        struct url place = *base;
        place.path = "";
        const char *origin = make_text(&place, arena, NULL);
        const char *slash = strrchr(base->path, '/');
        size_t keep = ref[0] == '/'   ? 0
                      : ref[0] == '?' ? strlen(base->path)
                                      : (size_t)(slash - base->path) + 1;
        text = origin == NULL
                   ? NULL
                   : arena_printf(arena, "%s%.*s%.*s", origin, (int)keep, base->path, len, ref);
    }
    return text != NULL && url_parse(span_of_string(text), arena, ret_url);
}

static bool is_tracking(struct span parameter)
{
    const uint8_t *equals = memchr(parameter.data, '=', parameter.len);
    size_t len = equals == NULL ? parameter.len : (size_t)(equals - parameter.data);
    const char *name = (const char *)parameter.data;
    if (len >= 4 && strncasecmp(name, "utm_", 4) == 0)
        return true;
    for (size_t i = 0; i < sizeof tracking / sizeof tracking[0]; i++) {
        if (len == strlen(tracking[i]) && strncasecmp(name, tracking[i], len) == 0)
            return true;
    }
    return false;
}

static int compare_spans(const void *a, const void *b)
{
    const struct span *left = a;
    const struct span *right = b;
    size_t shorter = left->len < right->len ? left->len : right->len;
    int order = memcmp(left->data, right->data, shorter);
    if (order != 0)
        return order;
    return left->len < right->len ? -1 : left->len > right->len;
}

const char *url_canonical(const struct url *url, struct arena *arena)
{
    if (url->query == NULL)
        return url->text;
    struct span parameters[PARAMETERS_MAX];
    char query[URL_BYTES_MAX + 1];
    if (strlen(url->query) > URL_BYTES_MAX)
        return NULL;
    size_t count = 0;
    for (const char *at = url->query; *at != '\0';) {
        size_t len = strcspn(at, "&");
        struct span parameter = span_of(at, len);
        if (len > 0 && count < PARAMETERS_MAX && !is_tracking(parameter))
            parameters[count++] = parameter;
        at += len;
        if (*at == '&')
            at++;
    }
    qsort(parameters, count, sizeof parameters[0], compare_spans);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            query[used++] = '&';
        memcpy(query + used, parameters[i].data, parameters[i].len);
        used += parameters[i].len;
    }
    query[used] = '\0';
    return make_text(url, arena, count == 0 ? NULL : query);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
    return strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0 && a->port == b->port;
}
