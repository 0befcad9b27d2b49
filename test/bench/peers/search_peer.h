/*
 * Another search over the same items, in a library that bench_search loads.
 */
#ifndef TEST_BENCH_PEERS_SEARCH_PEER_H
#define TEST_BENCH_PEERS_SEARCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts of an item that are searched. */
#define SEARCH_TEXTS 5
/* Rows of a page at most. */
#define SEARCH_PAGE_MAX 50

struct search_page {
    int64_t total;
    size_t count;
    int64_t ids[SEARCH_PAGE_MAX];
    size_t bytes; /* of the rows' records, all of which were read */
    uint64_t sum; /* of all their bytes */
};

struct search_peer {
    const char *name;
    /* Makes an index in a new file; NULL on failure. */
    void *(*open)(const char *path);
    /* Adds an item, in order of ids. */
    bool (*add)(void *peer, int64_t id, const char *const texts[SEARCH_TEXTS], const void *record,
                size_t record_len);
    /* Behind the last one: now it is at its best. */
    bool (*finish)(void *peer);
    /* How many have all words, which have spaces between them, and the first of them by id. */
    bool (*search)(void *peer, const char *words, size_t limit, struct search_page *ret_page);
    void (*close)(void *peer);
};

/* The library's only symbol. */
#define SEARCH_PEER_SYMBOL "search_peer"

#endif
