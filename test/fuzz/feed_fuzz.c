/* Any bytes as a feed, an XML one by its first byte, packed or not: it ends, and what it gives can
 * be kept by. */
#include <stdlib.h>

#include "clients/site/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take(void *arg, const struct site_found *found)
{
    size_t *count = arg;
    if (found->url == NULL || found->price_minor < -1 || found->mileage < -1 ||
        (found->price_minor >= 0 && found->currency == NULL))
        abort();
    return ++*count < 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct url url = {.scheme = "https",
                                   .host = "shop.example",
                                   .port = 443,
                                   .path = "/f",
                                   .text = "https://shop.example/f"};
    struct arena arena;
    size_t count = 0;
    arena_init(&arena, (size_t)1024 * 1024);
    struct site_feed feed = {.url = &url,
                             .is_named = size % 2 == 0,
                             .now_ms = INT64_C(1770408000000),
                             .arena = &arena,
                             .arg = &count,
                             .take = take};
    if (site__feed_read(span_of(data, size), &feed) == SITE_FEED_NONE && count > 0)
        abort();
    arena_fini(&arena);
    return 0;
}
