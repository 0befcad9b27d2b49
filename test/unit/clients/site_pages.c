#include "test/unit/clients/site_pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* As site.h promises. */
#define RECORD_BYTES_MAX ((size_t)512 * 1024)

struct site_pages_entry *site_pages_find(struct site_pages *pages, const char *url)
{
    for (size_t i = 0; i < pages->count; i++) {
        if (strcmp(pages->entries[i].url, url) == 0)
            return &pages->entries[i];
    }
    return NULL;
}

static Lotcast__V1__PageRecord *find(void *pages, const char *url, struct arena *arena)
{
    const struct site_pages_entry *entry = site_pages_find(pages, url);
    return entry == NULL
               ? NULL
               : lotcast__v1__page_record__unpack(&arena->protobuf, entry->len, entry->packed);
}

void site_pages_keep(void *pages_, const char *url, Lotcast__V1__PageRecord *page)
{
    struct site_pages *pages = pages_;
    struct site_pages_entry *entry = site_pages_find(pages, url);
    if (page == NULL) {
        assert_non_null(entry);
        entry->is_met = true;
        pages->same++;
        return;
    }
    if (entry == NULL) {
        assert_true(pages->count < SITE_PAGES_ENTRIES_MAX);
        entry = &pages->entries[pages->count++];
        *entry = (struct site_pages_entry){.url = strdup(url)};
    }
    free(entry->packed);
    entry->len = lotcast__v1__page_record__get_packed_size(page);
    assert_true(entry->len <= RECORD_BYTES_MAX);
    entry->packed = malloc(entry->len + 1);
    (void)lotcast__v1__page_record__pack(page, entry->packed);
    entry->is_met = true;
    pages->kept++;
}

static void prepare(void *pages_, const char *const *urls, size_t count)
{
    struct site_pages *pages = pages_;
    assert_true(count <= SITE_AHEAD_MAX);
    for (size_t i = 0; i < count; i++)
        assert_true(strncmp(urls[i], "http", 4) == 0);
    pages->prepared += (int)count;
}

struct site_memory site_pages_memory(struct site_pages *pages)
{
    return (struct site_memory){
        .arg = pages, .find = find, .keep = site_pages_keep, .prepare = prepare};
}

void site_pages_free(struct site_pages *pages)
{
    for (size_t i = 0; i < pages->count; i++) {
        free(pages->entries[i].url);
        free(pages->entries[i].packed);
    }
}
