/* What the store counts; any thread. Commits a group is the ratio of the first two. */
#ifndef STORE_METRICS_H
#define STORE_METRICS_H

#include "rpc/base/metrics.h"

extern struct metric store__metric_commits;      /* acknowledged */
extern struct metric store__metric_groups;       /* transactions that were synced */
extern struct metric store__metric_refused;      /* failed alone: a precondition, a unique index */
extern struct metric store__metric_write_errors; /* transactions that failed as a whole */
extern struct metric store__metric_reads;        /* snapshots */
extern struct metric store__metric_queue;        /* commits that are not answered yet */
extern struct metric store__metric_commit_time;  /* a group, from its begin until it is durable */

void store__metrics_register(void);

#endif
