#include "test/fuzz/page_check.h"

#include <stdlib.h>

#include "clients/site/internal.h"
#include "rpc/base/utf8.h"

#define ARENA_BYTES ((size_t)128 * 1024 * 1024)

static void check(bool held)
{
    if (!held)
        abort();
}

static void check_text(const char *text, size_t bytes_max)
{
    check(strlen(text) <= bytes_max && utf8_valid(text, strlen(text), NULL));
    for (const char *at = text; *at != '\0'; at++)
        check((unsigned char)*at >= 0x20 && *at != 0x7f);
}

static void check_url(const char *text, struct arena *arena)
{
    struct url url;
    check(text[0] == '\0' || url_parse(span_of_string(text), arena, &url));
}

static void check_items(const struct site_page *page, struct arena *arena)
{
    struct site_collection *collection = site__collection_create(arena, 100000);
    struct site_scan scan = {.item_count = 0};
    struct site_set identities;
    check(collection != NULL);
    for (const struct site_found *found = page->found_first; found != NULL; found = found->next)
        (void)site__collection_add(collection, found);
    site__collection_finish(collection, &scan);
    site__set_init(&identities);
    for (size_t i = 0; i < scan.item_count; i++) {
        const Lotcast__V1__ItemRecord *item = scan.items[i];
        struct site_set_entry *entry = site__set_find(&identities, item->identity);
        check(entry != NULL && entry->text == NULL && item->identity[0] != '\0');
        entry->text = item->identity;
        identities.count++;
        check_text(item->title, SITE_TITLE_BYTES_MAX);
        check_text(item->description, SITE_DESCRIPTION_BYTES_MAX);
        check_text(item->brand, SITE_WORD_BYTES_MAX);
        check_text(item->sku, SITE_WORD_BYTES_MAX);
        check_url(item->url, arena);
        check_url(item->image_url, arena);
        check(item->price_minor == -1 || item->price_minor > 0);
        check(strlen(item->currency) == 0 || strlen(item->currency) == 3);
    }
    site__set_fini(&identities);
    site__collection_destroy(collection);
}

void page_check(struct span body, const char *type)
{
    struct arena arena;
    struct url url;
    struct site_page page;
    arena_init(&arena, ARENA_BYTES);
    check(url_parse(span_of_string("http://x.example/p"), &arena, &url));
    if (site__page_read(&url, body, type, type, false, &arena, &page))
        check_items(&page, &arena);
    if (site__page_parse(&url, body, type, type, false, &arena, &page))
        check_items(&page, &arena);
    arena_fini(&arena);
}
