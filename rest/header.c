#include "rest/header.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "rest/chars.h"

static struct span trim(struct span text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Cuts what is before `separator` off the front of `rest`; false at its end. */
static bool next_part(struct span *rest, char separator, struct span *ret_part)
{
    if (rest->data == NULL)
        return false;
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, separator, rest->len);
    size_t len = at == NULL ? rest->len : (size_t)(at - rest->data);
    *ret_part = trim(span_of(rest->data, len));
    *rest = at == NULL ? (struct span){NULL, 0} : span_of(at + 1, rest->len - len - 1);
    return true;
}

static bool equals_ignoring_case(struct span text, const char *want)
{
    return text.len == strlen(want) && strncasecmp((const char *)text.data, want, text.len) == 0;
}

/* --- origin --- */

bool header_origin_of_url(const char *url, char ret_origin[static HEADER_ORIGIN_BYTES])
{
    const char *colon = strstr(url, "://");
    if (colon == NULL)
        return false;
    struct span scheme = span_of(url, (size_t)(colon - url));
    bool https = equals_ignoring_case(scheme, "https");
    if (!https && !equals_ignoring_case(scheme, "http"))
        return false;
    const char *host = colon + 3;
    size_t len = strcspn(host, "/?#");
    const char *default_port = https ? ":443" : ":80";
    size_t port_len = strlen(default_port);
    for (size_t i = 0; i < len; i++) {
        if (!chars_is_alphanumeric(host[i]) && strchr("-._~:[]", host[i]) == NULL)
            return false;
    }
    if (len > port_len && memcmp(host + len - port_len, default_port, port_len) == 0)
        len -= port_len;
    if (len == 0 || host[0] == ':' || len + 9 > HEADER_ORIGIN_BYTES)
        return false;
    int written = snprintf(ret_origin, HEADER_ORIGIN_BYTES, "%s://%.*s", https ? "https" : "http",
                           (int)len, host);
    for (int i = 0; i < written; i++) {
        if (ret_origin[i] >= 'A' && ret_origin[i] <= 'Z')
            ret_origin[i] = (char)(ret_origin[i] - 'A' + 'a');
    }
    return true;
}

/* --- media types --- */

bool header_is_json(struct span content_type)
{
    struct span rest = content_type;
    struct span part;
    if (!next_part(&rest, ';', &part) || !equals_ignoring_case(part, "application/json"))
        return false;
    size_t charsets = 0;
    while (next_part(&rest, ';', &part)) {
        if (part.len == 0)
            continue;
        if (!equals_ignoring_case(part, "charset=utf-8") &&
            !equals_ignoring_case(part, "charset=\"utf-8\""))
            return false;
        charsets++;
    }
    return charsets <= 1;
}

/* A weight as thousandths; malformed ones count as 0. */
static int parse_weight(struct span text)
{
    if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1'))
        return 0;
    int weight = (text.data[0] - '0') * 1000;
    int place = 100;
    for (size_t i = 2; i < text.len; i++) {
        if (!chars_is_digit((char)text.data[i]))
            return 0;
        weight += (text.data[i] - '0') * place;
        place /= 10;
    }
    if (text.len > 1 && text.data[1] != '.')
        return 0;
    return weight > 1000 ? 0 : weight;
}

static void prefer(struct header_preference *preference, int precision, int weight)
{
    if (precision != 0 && precision >= preference->precision)
        *preference = (struct header_preference){weight, precision};
}

/* 1: all, 2: of the main type, 3: exact; 0: another one. */
static int precision_of(struct span range, const char *exact, const char *main_type)
{
    if (equals_ignoring_case(range, exact))
        return 3;
    if (equals_ignoring_case(range, main_type))
        return 2;
    return equals_ignoring_case(range, "*/*") ? 1 : 0;
}

/* The next item of a list like Accept's, and its weight in thousandths. False: there is none. */
static bool next_weighted(struct span *list, struct span *ret_name, int *ret_weight)
{
    struct span item;
    struct span parameter;
    if (!next_part(list, ',', &item))
        return false;
    *ret_weight = 1000;
    (void)next_part(&item, ';', ret_name);
    while (next_part(&item, ';', &parameter)) {
        if (parameter.len > 2 && (parameter.data[0] == 'q' || parameter.data[0] == 'Q') &&
            parameter.data[1] == '=')
            *ret_weight = parse_weight(span_of(parameter.data + 2, parameter.len - 2));
    }
    return true;
}

void header_accept_take(struct header_accept *accept, struct span value)
{
    struct span range;
    int weight;
    while (next_weighted(&value, &range, &weight)) {
        accept->is_there = accept->is_there || range.len > 0;
        prefer(&accept->html, precision_of(range, "text/html", "text/*"), weight);
        prefer(&accept->json, precision_of(range, "application/json", "application/*"), weight);
    }
}

bool header_accept_prefers_html(const struct header_accept *accept)
{
    return accept->html.weight > accept->json.weight;
}

bool header_accept_allows_html(const struct header_accept *accept)
{
    return !accept->is_there || accept->html.weight > 0;
}

/* --- codings --- */

static const char *const coding_names[HEADER_CODING_COUNT] = {
    [HEADER_CODING_IDENTITY] = "identity",
    [HEADER_CODING_GZIP] = "gzip",
    [HEADER_CODING_BROTLI] = "br",
};

void header_codings_take(struct header_codings *codings, struct span value)
{
    struct span name;
    int weight;
    while (next_weighted(&value, &name, &weight)) {
        bool all = equals_ignoring_case(name, "*");
        if (equals_ignoring_case(name, "x-gzip"))
            name = span_of_string("gzip");
        for (size_t i = 0; i < HEADER_CODING_COUNT; i++)
            prefer(&codings->of[i],
                   equals_ignoring_case(name, coding_names[i]) ? 3
                   : all                                       ? 1
                                                               : 0,
                   weight);
    }
}

enum header_coding header_codings_choose(const struct header_codings *codings,
                                         const bool available[static HEADER_CODING_COUNT])
{
    /* Where it is not named, everything that is wanted comes before it. */
    enum header_coding chosen = HEADER_CODING_IDENTITY;
    int best = codings->of[chosen].weight;
    for (size_t i = HEADER_CODING_IDENTITY + 1; i < HEADER_CODING_COUNT; i++) {
        if (!available[i] || codings->of[i].weight == 0 || codings->of[i].weight < best)
            continue;
        chosen = (enum header_coding)i;
        best = codings->of[i].weight;
    }
    return chosen;
}

const char *header_coding_name(enum header_coding coding)
{
    return coding == HEADER_CODING_IDENTITY ? NULL : coding_names[coding];
}

/* --- ids --- */

bool header_request_id_valid(struct span id)
{
    if (id.len == 0 || id.len > RPC_REQUEST_ID_BYTES - 1)
        return false;
    return ascii_run(id.data, id.len, ASCII_ID) == id.len;
}

bool header_idempotency_key_valid(struct span key)
{
    if (key.len == 0 || key.len > 128)
        return false;
    for (size_t i = 0; i < key.len; i++) {
        if (key.data[i] <= 0x20 || key.data[i] >= 0x7f)
            return false;
    }
    return true;
}

/* Lower-case hex digits, not all zero where that has no meaning. */
static bool is_hex(const uint8_t *text, size_t len, bool zero_allowed)
{
    bool zero = true;
    for (size_t i = 0; i < len; i++) {
        if (!chars_is_digit((char)text[i]) && (text[i] < 'a' || text[i] > 'f'))
            return false;
        zero = zero && text[i] == '0';
    }
    return zero_allowed || !zero;
}

bool header_traceparent_take(struct span value, char ret_parent[static RPC_TRACEPARENT_BYTES])
{
    const size_t len = RPC_TRACEPARENT_BYTES - 1; /* 00-32-16-02 */
    const uint8_t *text = value.data;
    if (value.len < len || !is_hex(text, 2, true) || memcmp(text, "ff", 2) == 0)
        return false;
    bool is_later = memcmp(text, "00", 2) != 0;
    if (value.len > len && (!is_later || text[len] != '-'))
        return false;
    if (text[2] != '-' || text[35] != '-' || text[52] != '-' || !is_hex(text + 3, 32, false) ||
        !is_hex(text + 36, 16, false) || !is_hex(text + 53, 2, true))
        return false;
    memcpy(ret_parent, text, len);
    ret_parent[len] = '\0';
    memcpy(ret_parent, "00", 2);
    return true;
}

/* --- cookies --- */

enum header_session header_session_find(struct span cookie,
                                        char ret_session[static HEADER_SESSION_BYTES])
{
    struct span pair;
    const size_t name_len = strlen(HEADER_SESSION_COOKIE);
    while (next_part(&cookie, ';', &pair)) {
        if (pair.len <= name_len || memcmp(pair.data, HEADER_SESSION_COOKIE, name_len) != 0 ||
            pair.data[name_len] != '=')
            continue;
        struct span value = span_of(pair.data + name_len + 1, pair.len - name_len - 1);
        if (value.len == 0 || value.len >= HEADER_SESSION_BYTES)
            return HEADER_SESSION_MALFORMED;
        if (ascii_run(value.data, value.len, ASCII_ID) != value.len)
            return HEADER_SESSION_MALFORMED;
        memcpy(ret_session, value.data, value.len);
        ret_session[value.len] = '\0';
        return HEADER_SESSION_FOUND;
    }
    return HEADER_SESSION_NONE;
}

/* --- entity tags --- */

bool header_etag_matches(struct span if_none_match, const char *etag)
{
    struct span item;
    if (span_equal_string(trim(if_none_match), "*"))
        return true;
    while (next_part(&if_none_match, ',', &item)) { /* our tags hold no comma */
        if (item.len > 2 && memcmp(item.data, "W/", 2) == 0)
            item = span_of(item.data + 2, item.len - 2);
        if (span_equal_string(item, etag))
            return true;
    }
    return false;
}

/* --- addresses --- */

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool header_address_parse(struct span text, struct header_address *ret_address)
{
    char copy[HEADER_ADDRESS_BYTES];
    struct header_address address;
    text = trim(text);
    if (text.len > 2 && text.data[0] == '[') { /* [v6] or [v6]:port */
        const uint8_t *end = memchr(text.data, ']', text.len);
        if (end == NULL)
            return false;
        text = span_of(text.data + 1, (size_t)(end - text.data) - 1);
    }
    if (text.len == 0)
        return false;
    const uint8_t *colon = memchr(text.data, ':', text.len);
    if (colon != NULL && memchr(text.data, '.', text.len) != NULL &&
        memchr(colon + 1, ':', text.len - (size_t)(colon - text.data) - 1) == NULL)
        text.len = (size_t)(colon - text.data); /* v4:port */
    if (text.len >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (strlen(copy) != text.len)
        return false;
    if (inet_pton(AF_INET6, copy, address.bytes) != 1) {
        memcpy(address.bytes, mapped_prefix, sizeof mapped_prefix);
        if (inet_pton(AF_INET, copy, address.bytes + sizeof mapped_prefix) != 1)
            return false;
    }
    *ret_address = address;
    return true;
}

void header_address_format(const struct header_address *address,
                           char ret_text[static HEADER_ADDRESS_BYTES])
{
    bool is_v4 = memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) == 0;
    const char *text =
        inet_ntop(is_v4 ? AF_INET : AF_INET6, address->bytes + (is_v4 ? sizeof mapped_prefix : 0),
                  ret_text, HEADER_ADDRESS_BYTES);
    if (text == NULL)
        ret_text[0] = '\0';
}

bool header_address_is_loopback(const struct header_address *address)
{
    static const uint8_t loopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    if (memcmp(address->bytes, loopback, sizeof loopback) == 0)
        return true;
    return memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) == 0 &&
           address->bytes[sizeof mapped_prefix] == 127;
}

bool header_address_in(const struct header_address *address, const struct config_cidr *cidrs,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (config_cidr_contains(&cidrs[i], address->bytes))
            return true;
    }
    return false;
}

bool header_forwarded_step(struct span forwarded, const struct config_cidr *proxies, size_t count,
                           struct header_address *address)
{
    size_t end = forwarded.len;
    while (header_address_in(address, proxies, count)) {
        size_t begin = end;
        while (begin > 0 && forwarded.data[begin - 1] != ',')
            begin--;
        if (!header_address_parse(span_of(forwarded.data + begin, end - begin), address))
            return false;
        if (begin == 0)
            return header_address_in(address, proxies, count);
        end = begin - 1;
    }
    return false;
}
