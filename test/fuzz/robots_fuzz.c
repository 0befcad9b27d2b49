/* Any bytes as robots.txt, asked about a few paths: it ends, and robots.txt itself is always
 * allowed. */
#include <stdlib.h>

#include "clients/site/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARENA_BYTES ((size_t)16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const urls[] = {"http://x.example/", "http://x.example/robots.txt",
                                       "http://x.example/a/b.php?c=d&e",
                                       "http://x.example/%C3%A9/aaab"};
    struct arena arena;
    struct site_robots robots;
    arena_init(&arena, ARENA_BYTES);
    if (site__robots_parse(span_of(data, size), &arena, &robots)) {
        if (robots.crawl_delay_ms < 0 || robots.crawl_delay_ms > SITE_CRAWL_DELAY_MS_MAX)
            abort();
        for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
            struct url url;
            bool allowed = url_parse(span_of_string(urls[i]), &arena, &url) &&
                           site__robots_allow(&robots, &url);
            if (i == 1 && !allowed)
                abort();
        }
    }
    arena_fini(&arena);
    return 0;
}
