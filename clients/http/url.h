/*
 * URLs of websites: the one parser that checks them and that requests are made from, so that a
 * check and a connection can never see two different hosts. RFC 3986 over libcurl's URL API, with
 * what WHATWG browsers would read otherwise refused.
 */
#ifndef CLIENTS_HTTP_URL_H
#define CLIENTS_HTTP_URL_H

#include "rpc/base/arena.h"
#include "rpc/base/span.h"

/* Longest URL that is taken from a website or a customer, in bytes. */
#define URL_BYTES_MAX 2048

struct url {
    const char *scheme; /* http or https */
    const char *host;   /* lower case, punycode kept; IPv6 without brackets */
    uint16_t port;      /* the default filled in */
    const char *path;   /* "/" at least, percent-encoding normalised, dots resolved */
    const char *query;  /* without "?", or NULL */
    const char *text;   /* the whole, normalised, without a fragment */
};

/*
 * Parses an absolute http or https URL into `arena`. False for anything else: another scheme,
 * userinfo, a backslash, a control character, a space, full-width digits, a host in decimal, octal
 * or hex shorthand (http://2130706433, 0x7f.1), an empty host, more than URL_BYTES_MAX.
 */
bool url_parse(struct span text, struct arena *arena, struct url *ret_url);
/* Resolves a reference (RFC 3986, 5.2) against `base`, then as url_parse. */
bool url_resolve(const struct url *base, struct span reference, struct arena *arena,
                 struct url *ret_url);
/*
 * The identity of a page: scheme and host lower case, no default port, no fragment, no tracking
 * parameters (utm_*, gclid, fbclid, …), query sorted. In `arena`; NULL on exhaustion.
 */
const char *url_canonical(const struct url *url, struct arena *arena);
/* Whether both have the same scheme, host and port. */
bool url_same_origin(const struct url *a, const struct url *b);

#endif
