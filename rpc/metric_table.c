/*
 * Metrics that are made at run time, one a name and set of labels in the process, whichever server
 * or channel counts in them. They are never freed: what is printed must not lose a series.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/internal.h"

struct made {
    struct metric metric;
    struct made *next;
    char labels[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct made *first; /* under lock */

static struct made *find(const char *name, const char *labels)
{
    for (struct made *made = first; made != NULL; made = made->next)
        if (strcmp(made->metric.name, name) == 0 && strcmp(made->labels, labels) == 0)
            return made;
    return NULL;
}

static struct made *make(enum metric_kind kind, const char *name, const char *help,
                         const char *labels)
{
    size_t bytes = strlen(labels) + 1;
    struct made *made = calloc(1, sizeof *made + bytes);
    if (made == NULL)
        return NULL;
    memcpy(made->labels, labels, bytes);
    made->metric.kind = kind;
    made->metric.name = name;
    made->metric.help = help;
    made->metric.labels = made->labels;
    made->next = first;
    first = made;
    metrics_register(&made->metric);
    return made;
}

struct metric *rpc__metric_get(enum metric_kind kind, const char *name, const char *help,
                               const char *labels)
{
    (void)pthread_mutex_lock(&lock);
    struct made *made = find(name, labels);
    if (made == NULL)
        made = make(kind, name, help, labels);
    (void)pthread_mutex_unlock(&lock);
    return made == NULL ? NULL : &made->metric;
}
