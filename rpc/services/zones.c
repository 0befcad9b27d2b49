#include "rpc/services/zones.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORY "/usr/share/zoneinfo/"

struct entry {
    struct entry *next;
    struct zone *zone;
    char name[ZONE_NAME_BYTES];
};

/* Only grows, and only by files that exist: bounded by tzdata's size. */
struct zones {
    pthread_mutex_t lock;
    struct entry *entries; /* under lock; an entry never changes once it is linked */
};

struct zones *zones_create(void)
{
    struct zones *zones = calloc(1, sizeof *zones);
    if (zones != NULL)
        (void)pthread_mutex_init(&zones->lock, NULL);
    return zones;
}

void zones_destroy(struct zones *zones)
{
    if (zones == NULL)
        return;
    while (zones->entries != NULL) {
        struct entry *entry = zones->entries;
        zones->entries = entry->next;
        zone_destroy(entry->zone);
        free(entry);
    }
    (void)pthread_mutex_destroy(&zones->lock);
    free(zones);
}

static struct entry *find(struct entry *entry, const char *name)
{
    while (entry != NULL && strcmp(entry->name, name) != 0)
        entry = entry->next;
    return entry;
}

/* NULL if there is no such file, or it is no zone. */
static struct entry *load(const char *name)
{
    char path[sizeof DIRECTORY + ZONE_NAME_BYTES];
    (void)snprintf(path, sizeof path, "%s%s", DIRECTORY, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    struct entry *entry = calloc(1, sizeof *entry);
    uint8_t *data = malloc(ZONE_DATA_BYTES_MAX);
    if (entry != NULL && data != NULL) {
        size_t len = fread(data, 1, ZONE_DATA_BYTES_MAX, file);
        entry->zone = zone_create(span_of(data, len));
        memcpy(entry->name, name, strnlen(name, ZONE_NAME_BYTES - 1));
    }
    if (entry != NULL && entry->zone == NULL) {
        free(entry);
        entry = NULL;
    }
    free(data);
    (void)fclose(file);
    return entry;
}

bool zones_find(struct zones *zones, const char *name, const struct zone **ret_zone)
{
    if (name[0] == '\0' || strcmp(name, "UTC") == 0) {
        *ret_zone = NULL;
        return true;
    }
    if (!zone_name_valid(name))
        return false;
    (void)pthread_mutex_lock(&zones->lock);
    struct entry *entry = find(zones->entries, name);
    if (entry == NULL) {
        entry = load(name);
        if (entry != NULL) {
            entry->next = zones->entries;
            zones->entries = entry;
        }
    }
    (void)pthread_mutex_unlock(&zones->lock);
    if (entry == NULL)
        return false;
    *ret_zone = entry->zone;
    return true;
}

const char *zones_shown(const char *name)
{
    return name[0] == '\0' ? "UTC" : name;
}
