/* Any bytes behind a head as a table of products: each row gives what it should, and no more. */
#include <stdlib.h>
#include <string.h>

#include "clients/site/feed.h"
#include "rpc/base/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char delimiters[] = ",\t;|";

static bool take(void *arg, const struct site_found *found)
{
    size_t *rows = arg;
    if (found->url == NULL || *rows == 0)
        abort();
    --*rows;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct url url = {.scheme = "https",
                                   .host = "shop.example",
                                   .port = 443,
                                   .path = "/f",
                                   .text = "https://shop.example/f"};
    struct arena arena;
    struct buffer table;
    size_t rows = 0;
    if (size == 0)
        return 0;
    char delimiter = delimiters[data[0] % 4];
    arena_init(&arena, (size_t)1024 * 1024);
    buffer_init(&table, (size_t)2 * 1024 * 1024);
    (void)buffer_printf(&table, "title%cprice%cid%clink\n", delimiter, delimiter, delimiter);
    for (size_t i = 1; i < size; i++)
        rows += data[i] == '\n' || data[i] == '\r';
    rows++;
    (void)buffer_append(&table, data + 1, size - 1);
    struct site_feed feed = {
        .url = &url, .is_named = true, .now_ms = 0, .arena = &arena, .arg = &rows, .take = take};
    bool is_text = memchr(data, '\0', size) == NULL; /* else it may be told from its first bytes */
    if (!table.failed && site__feed_read(buffer_span(&table), &feed) == SITE_FEED_NONE && is_text)
        abort();
    buffer_fini(&table);
    arena_fini(&arena);
    return 0;
}
