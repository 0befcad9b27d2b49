/* Any bytes as a sitemap, packed or not: it ends, and gives no more than its caps. */
#include <stdlib.h>

#include "clients/site/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take(void *arg, struct span url, bool is_index)
{
    size_t *count = arg;
    (void)is_index;
    if (url.len == 0 || url.len > URL_BYTES_MAX || ++*count > SITE_SITEMAP_URLS_MAX)
        abort();
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count = 0;
    const struct site_sitemap_sink sink = {&count, take};
    if (site__sitemap_read(span_of(data, size), &sink) == SITE_SITEMAP_NONE && count > 0)
        abort();
    return 0;
}
