#include "store/metrics.h"

struct metric store__metric_commits =
    METRIC_COUNTER("lotcast_store_commits_total", "Commits that were made durable.");
struct metric store__metric_groups = METRIC_COUNTER(
    "lotcast_store_groups_total", "Groups of commits that were made durable with one sync.");
struct metric store__metric_refused = METRIC_COUNTER(
    "lotcast_store_commits_refused_total", "Commits refused by a precondition or a unique index.");
struct metric store__metric_write_errors =
    METRIC_COUNTER("lotcast_store_write_errors_total", "Groups that could not be written.");
struct metric store__metric_reads =
    METRIC_COUNTER("lotcast_store_reads_total", "Snapshots that were read.");
struct metric store__metric_queue =
    METRIC_GAUGE("lotcast_store_commit_queue", "Commits that are not answered yet.");
struct metric store__metric_commit_time =
    METRIC_HISTOGRAM("lotcast_store_group_seconds", "Time to write and sync a group.");

void store__metrics_register(void)
{
    metrics_register(&store__metric_commits);
    metrics_register(&store__metric_groups);
    metrics_register(&store__metric_refused);
    metrics_register(&store__metric_write_errors);
    metrics_register(&store__metric_reads);
    metrics_register(&store__metric_queue);
    metrics_register(&store__metric_commit_time);
}
