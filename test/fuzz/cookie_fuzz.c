/*
 * Header values: the first byte chooses the header, the rest is its value.
 */
#include <assert.h>
#include <string.h>

#include "rest/chars.h"
#include "rest/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_cookie(struct span value)
{
    char session[HEADER_SESSION_BYTES];
    if (header_session_find(value, session) != HEADER_SESSION_FOUND)
        return;
    assert(strlen(session) > 0);
    for (const char *at = session; *at != '\0'; at++)
        assert(chars_is_id(*at));
}

static void check_traceparent(struct span value)
{
    char parent[RPC_TRACEPARENT_BYTES];
    char again[RPC_TRACEPARENT_BYTES];
    if (!header_traceparent_take(value, parent))
        return;
    assert(strlen(parent) == RPC_TRACEPARENT_BYTES - 1);
    assert(header_traceparent_take(span_of_string(parent), again) && strcmp(parent, again) == 0);
}

static void check_address(struct span value)
{
    struct header_address address;
    struct header_address again;
    char text[HEADER_ADDRESS_BYTES];
    if (!header_address_parse(value, &address))
        return;
    header_address_format(&address, text);
    assert(header_address_parse(span_of_string(text), &again));
    char text_again[HEADER_ADDRESS_BYTES];
    header_address_format(&again, text_again);
    assert(strcmp(text, text_again) == 0);
}

static void check_forwarded(struct span value)
{
    struct config_cidr proxies[2];
    struct header_address address;
    size_t count = 0;
    assert(config_parse_cidrs("10.0.0.0/8,::1", proxies, 2, &count));
    assert(header_address_parse(span_of_string("10.1.2.3"), &address));
    if (header_forwarded_step(value, proxies, count, &address))
        assert(header_address_in(&address, proxies, count));
}

static void check_accept(struct span value)
{
    static const bool available[HEADER_CODING_COUNT] = {true, true, true};
    struct header_accept accept = {0};
    struct header_codings codings = {0};
    header_accept_take(&accept, value);
    if (header_accept_prefers_html(&accept))
        assert(header_accept_allows_html(&accept));
    header_codings_take(&codings, value);
    assert(header_codings_choose(&codings, available) < HEADER_CODING_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    struct span value = span_of(bytes + 1, size - 1);
    switch (bytes[0]) {
    case 'c':
        check_cookie(value);
        break;
    case 't':
        check_traceparent(value);
        break;
    case 'j':
        (void)header_is_json(value);
        break;
    case 'a':
        check_accept(value);
        break;
    case 'e':
        (void)header_etag_matches(value, "\"x\"");
        break;
    case 'i':
        check_address(value);
        break;
    case 'f':
        check_forwarded(value);
        break;
    default:
        break;
    }
    return 0;
}
