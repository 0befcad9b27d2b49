/*
 * A memory of pages for tests of scans that remember: records as they would be stored.
 */
#ifndef TEST_UNIT_CLIENTS_SITE_PAGES_H
#define TEST_UNIT_CLIENTS_SITE_PAGES_H

#include "clients/site/site.h"

#define SITE_PAGES_ENTRIES_MAX 512

struct site_pages_entry {
    char *url;
    uint8_t *packed;
    size_t len;
    bool is_met;
};

struct site_pages {
    struct site_pages_entry entries[SITE_PAGES_ENTRIES_MAX];
    size_t count;
    int kept, same; /* calls */
    int prepared;   /* URLs */
};

/* What a scan is to be given. */
struct site_memory site_pages_memory(struct site_pages *pages);
/* Keeps a record, or (NULL) that it is as it was. */
void site_pages_keep(void *pages, const char *url, Lotcast__V1__PageRecord *page);
/* The entry of a URL, or NULL. */
struct site_pages_entry *site_pages_find(struct site_pages *pages, const char *url);
void site_pages_free(struct site_pages *pages);

#endif
