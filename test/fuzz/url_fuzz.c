/*
 * Any bytes as a URL, and as a reference against one: what is taken is a fixed point, its host is
 * one that libcurl reads alike, and its canonical form is one too.
 */
#include <curl/curl.h>
#include <stdlib.h>

#include "clients/http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARENA_BYTES ((size_t)1024 * 1024)

static void check(bool held)
{
    if (!held)
        abort();
}

static void check_host(const struct url *url)
{
    CURLU *handle = curl_url();
    char *host = NULL;
    check(handle != NULL && curl_url_set(handle, CURLUPART_URL, url->text, 0) == CURLUE_OK);
    check(curl_url_get(handle, CURLUPART_HOST, &host, 0) == CURLUE_OK);
    bool bracketed = host[0] == '[';
    check(strncmp(host + bracketed, url->host, strlen(url->host)) == 0);
    curl_free(host);
    curl_url_cleanup(handle);
}

static void check_url(const struct url *url, struct arena *arena)
{
    struct url again;
    check(strlen(url->text) <= URL_BYTES_MAX && url->path[0] == '/' && url->port != 0);
    for (const char *at = url->text; *at != '\0'; at++)
        check(*at > ' ' && *at < 0x7f && *at != '\\' && *at != '#');
    check(strpbrk(url->host, "/@?#%[] ") == NULL && url->host[0] != '\0');
    check(url_parse(span_of_string(url->text), arena, &again));
    check(strcmp(again.text, url->text) == 0 && url_same_origin(&again, url));
    const char *canonical = url_canonical(url, arena);
    check(canonical != NULL && url_parse(span_of_string(canonical), arena, &again));
    check(strcmp(url_canonical(&again, arena), canonical) == 0);
    check_host(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct url base, url;
    arena_init(&arena, ARENA_BYTES);
    if (url_parse(span_of(data, size), &arena, &url))
        check_url(&url, &arena);
    check(url_parse(span_of_string("https://a.example:8443/b/c?d"), &arena, &base));
    if (url_resolve(&base, span_of(data, size), &arena, &url))
        check_url(&url, &arena);
    arena_fini(&arena);
    return 0;
}
