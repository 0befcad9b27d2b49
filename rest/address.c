/*
 * How many connections each address has. One table for all threads, under one lock: it is touched
 * at accept and close alone.
 */
#include <stdlib.h>
#include <string.h>

#include "rest/internal.h"

#define BUCKET_COUNT 4096

struct address_count {
    struct address_count *next;
    uint8_t key[16];
    size_t count;
};

struct rest_address_table {
    pthread_mutex_t lock;
    uint64_t seed;
    struct address_count *buckets[BUCKET_COUNT];
};

struct rest_address_table *rest_address_table_create(void)
{
    struct rest_address_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return NULL;
    (void)pthread_mutex_init(&table->lock, NULL);
    table->seed = (uint64_t)(uintptr_t)table ^ (uint64_t)getpid() << 32;
    return table;
}

void rest_address_table_destroy(struct rest_address_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        while (table->buckets[i] != NULL) {
            struct address_count *first = table->buckets[i];
            table->buckets[i] = first->next;
            free(first);
        }
    }
    (void)pthread_mutex_destroy(&table->lock);
    free(table);
}

/* IPv6 by /64: whoever has one address has them all. IPv4 by the whole. */
static void make_key(const struct header_address *address, uint8_t key[static 16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    memcpy(key, address->bytes, 16);
    if (memcmp(key, mapped, sizeof mapped) != 0)
        memset(key + 8, 0, 8);
}

static struct address_count **find(struct rest_address_table *table, const uint8_t key[static 16])
{
    uint64_t hash = table->seed;
    for (size_t i = 0; i < 16; i++)
        hash = (hash ^ key[i]) * 1099511628211u; /* FNV-1a's prime */
    struct address_count **at = &table->buckets[(hash >> 20) % BUCKET_COUNT];
    while (*at != NULL && memcmp((*at)->key, key, 16) != 0)
        at = &(*at)->next;
    return at;
}

bool rest_address_add(struct rest_address_table *table, const struct header_address *address,
                      size_t max)
{
    uint8_t key[16];
    make_key(address, key);
    (void)pthread_mutex_lock(&table->lock);
    struct address_count **at = find(table, key);
    if (*at == NULL) {
        *at = calloc(1, sizeof **at);
        if (*at != NULL)
            memcpy((*at)->key, key, sizeof key);
    }
    bool fits = *at != NULL && (*at)->count < max;
    if (fits)
        (*at)->count++;
    (void)pthread_mutex_unlock(&table->lock);
    return fits;
}

void rest_address_remove(struct rest_address_table *table, const struct header_address *address)
{
    uint8_t key[16];
    make_key(address, key);
    (void)pthread_mutex_lock(&table->lock);
    struct address_count **at = find(table, key);
    if (*at != NULL && --(*at)->count == 0) {
        struct address_count *gone = *at;
        *at = gone->next;
        free(gone);
    }
    (void)pthread_mutex_unlock(&table->lock);
}
