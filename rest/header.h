/*
 * What request headers mean: pure functions over their values.
 */
#ifndef REST_HEADER_H
#define REST_HEADER_H

#include <stdbool.h>

#include "rpc/base/config.h"
#include "rpc/base/span.h"
#include "rpc/context.h"

/* scheme://host:port with its NUL. */
#define HEADER_ORIGIN_BYTES 288
/* A session cookie's value with its NUL. */
#define HEADER_SESSION_BYTES 129
/* An address as text with its NUL. */
#define HEADER_ADDRESS_BYTES 46
/* An entity tag with its quotes and NUL. */
#define HEADER_ETAG_BYTES 35

/* The cookie that holds the session. */
#define HEADER_SESSION_COOKIE "lotcast_session"

/*
 * The origin of an http or https URL as browsers send it: lower case, without a default port or
 * path. False if the URL is not of that form or has user information.
 */
bool header_origin_of_url(const char *url, char ret_origin[static HEADER_ORIGIN_BYTES]);

/* application/json, with charset=utf-8 at most, in any case. */
bool header_is_json(struct span content_type);

/* How much something is wanted: a weight in thousandths, by the most precise name for it. */
struct header_preference {
    int weight;
    int precision; /* 0: it was not named */
};

/* What a request's Accept headers want. Zeroed: there is none. */
struct header_accept {
    struct header_preference html; /* text/html */
    struct header_preference json; /* application/json */
    bool is_there;
};

/* Takes one Accept header more. */
void header_accept_take(struct header_accept *accept, struct span value);
/* Whether text/html is wanted more than application/json: a navigation. */
bool header_accept_prefers_html(const struct header_accept *accept);
/* Whether text/html will do: no header excludes it. */
bool header_accept_allows_html(const struct header_accept *accept);

enum header_coding { HEADER_CODING_IDENTITY, HEADER_CODING_GZIP, HEADER_CODING_BROTLI };
#define HEADER_CODING_COUNT 3

/* What a request's Accept-Encoding headers want. Zeroed: there is none. */
struct header_codings {
    struct header_preference of[HEADER_CODING_COUNT];
};

/* Takes one Accept-Encoding header more. */
void header_codings_take(struct header_codings *codings, struct span value);
/*
 * The coding that is wanted most of those that `available` says there are, the smaller form of two
 * that are wanted alike. Where nothing was said, or none of them will do: identity, which is always
 * there.
 */
enum header_coding header_codings_choose(const struct header_codings *codings,
                                         const bool available[static HEADER_CODING_COUNT]);
/* Its name in Content-Encoding; NULL: none is needed. */
const char *header_coding_name(enum header_coding coding);

/* 1..64 of [A-Za-z0-9._-]. */
bool header_request_id_valid(struct span id);

/* Takes over a W3C traceparent; false for one that is not valid. A later version becomes 00. */
bool header_traceparent_take(struct span value, char ret_parent[static RPC_TRACEPARENT_BYTES]);

/* 1..128 visible ASCII characters. */
bool header_idempotency_key_valid(struct span key);

enum header_session { HEADER_SESSION_NONE, HEADER_SESSION_FOUND, HEADER_SESSION_MALFORMED };

/*
 * The first session cookie of a Cookie header, if there is one: later ones never count, also when
 * the first is malformed (longer than HEADER_SESSION_BYTES - 1, or other than [A-Za-z0-9._-]) or
 * empty.
 */
enum header_session header_session_find(struct span cookie,
                                        char ret_session[static HEADER_SESSION_BYTES]);

/* Whether If-None-Match (`*`, or a list of tags) names `etag`, weakly compared. */
bool header_etag_matches(struct span if_none_match, const char *etag);

/* An address as config_cidr has it: IPv4 as ::ffff:a.b.c.d. */
struct header_address {
    uint8_t bytes[16];
};

bool header_address_parse(struct span text, struct header_address *ret_address);
/* Dotted for IPv4, mapped or not; else RFC 5952. */
void header_address_format(const struct header_address *address,
                           char ret_text[static HEADER_ADDRESS_BYTES]);
bool header_address_is_loopback(const struct header_address *address);
bool header_address_in(const struct header_address *address, const struct config_cidr *cidrs,
                       size_t count);

/*
 * One X-Forwarded-For value, read from its right end: while `address` is a trusted proxy, it
 * becomes the next one to the left. Stops at the first that is not trusted or not an address. True
 * while another value, to the left of this one, would be believed too.
 */
bool header_forwarded_step(struct span forwarded, const struct config_cidr *proxies, size_t count,
                           struct header_address *address);

#endif
