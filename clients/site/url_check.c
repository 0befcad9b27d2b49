#include <arpa/inet.h>

#include "clients/site/internal.h"

static const uint8_t loopback_v4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
static const uint8_t loopback_v6[16] = {[15] = 1};

/* The address that the host is written as, if it is one. */
static bool literal_address(const char *host, uint8_t ret_address[static 16])
{
    struct in_addr v4;
    if (inet_pton(AF_INET6, host, ret_address) == 1)
        return true;
    if (inet_pton(AF_INET, host, &v4) != 1)
        return false;
    memset(ret_address, 0, 10);
    memset(ret_address + 10, 0xff, 2);
    memcpy(ret_address + 12, &v4, 4);
    return true;
}

static bool host_allowed(const struct http_address_policy *policy, const char *host)
{
    uint8_t address[16];
    if (literal_address(host, address))
        return http_address_allowed(policy, address);
    if (strcmp(host, "localhost") == 0)
        return http_address_allowed(policy, loopback_v4) ||
               http_address_allowed(policy, loopback_v6);
    return strchr(host, '.') != NULL;
}

/* White space around is a slip of the hand, as people paste addresses. */
static struct span trim(const char *text)
{
    size_t len = strlen(text);
    while (len > 0 && (uint8_t)text[len - 1] <= ' ')
        len--;
    size_t at = 0;
    while (at < len && (uint8_t)text[at] <= ' ')
        at++;
    return span_of(text + at, len - at);
}

enum rpc_code site_url_check(const char *url, const struct http_address_policy *policy,
                             struct arena *arena, const char **ret_url, struct rpc_status *status)
{
    struct span text = trim(url);
    struct url parsed;
    size_t before = 0;
    while (before < text.len && strchr(":/?#", text.data[before]) == NULL)
        before++;
    bool has_scheme = text.len - before >= 3 && memcmp(text.data + before, "://", 3) == 0;
    if (text.len > 0 && text.len <= URL_BYTES_MAX && !has_scheme) {
        char *completed =
            arena_printf(arena, "https://%.*s", (int)text.len, (const char *)text.data);
        if (completed == NULL)
            return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "no memory for a URL");
        text = span_of_string(completed);
    }
    if (!url_parse(text, arena, &parsed) || !host_allowed(policy, parsed.host))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_URL, "url");
    *ret_url = parsed.text;
    return RPC_OK;
}
