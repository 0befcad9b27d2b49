/*
 * Turns at a host: SITE_REQUESTS_PER_HOST_MAX at a time, whichever scan takes them. A host is
 * listed while some scan knows it; the list is short, as scans at a time are.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clients/site/fetch.h"

struct host_turns {
    struct host_turns *next;
    size_t refs;
    int taken;
    char name[];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* all of what follows */
static struct host_turns *hosts;

struct host_turns *site__turns_acquire(const char *name)
{
    (void)pthread_mutex_lock(&mutex);
    struct host_turns *turns = hosts;
    while (turns != NULL && strcmp(turns->name, name) != 0)
        turns = turns->next;
    if (turns == NULL) {
        size_t len = strlen(name) + 1;
        turns = calloc(1, sizeof *turns + len);
        if (turns != NULL) {
            memcpy(turns->name, name, len);
            turns->next = hosts;
            hosts = turns;
        }
    }
    if (turns != NULL)
        turns->refs++;
    (void)pthread_mutex_unlock(&mutex);
    return turns;
}

void site__turns_release(struct host_turns *turns)
{
    if (turns == NULL)
        return;
    (void)pthread_mutex_lock(&mutex);
    if (--turns->refs == 0) {
        struct host_turns **link = &hosts;
        while (*link != turns)
            link = &(*link)->next;
        *link = turns->next;
        free(turns);
    }
    (void)pthread_mutex_unlock(&mutex);
}

bool site__turns_take(struct host_turns *turns)
{
    (void)pthread_mutex_lock(&mutex);
    bool is_free = turns->taken < SITE_REQUESTS_PER_HOST_MAX;
    turns->taken += is_free;
    (void)pthread_mutex_unlock(&mutex);
    return is_free;
}

void site__turns_give(struct host_turns *turns)
{
    (void)pthread_mutex_lock(&mutex);
    turns->taken--;
    (void)pthread_mutex_unlock(&mutex);
}
