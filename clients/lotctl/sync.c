/*
 * lotctl sync: brings a customer's catalog in step, joining a sync that runs, and shows how far it
 * has come. Ended early it leaves the sync running.
 *
 * The service streams how far it is. Where the door carries no streams (REQ/REP) the sync is one
 * call, beside which its status is asked for now and then: that call's end comes on a thread of the
 * channel's, which hands it over under the lock; all else is the main thread's.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clients/lotctl/table.h"
#include "clients/lotctl/tool.h"
#include "lotcast/v1/ads.pb-c.h"
#include "lotcast/v1/operations.pb-c.h"
#include "rpc/base/clock.h"

/* From one look to the next, in ms; the first comes sooner. */
#define LOOK_MS 3000
#define FIRST_LOOK_MS 300
/* A call's answer is waited for beyond its own deadline, in ms. */
#define SLACK_MS 5000

struct sync {
    struct tool *tool;
    struct rpc_metadata metadata;
    bool draws;           /* standard error is a terminal */
    pthread_mutex_t lock; /* what follows */
    pthread_cond_t ended;
    bool is_over;
    struct rpc_status status;
    struct rpc_payload payload;
};

static void on_done(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    struct sync *sync = arg;
    (void)pthread_mutex_lock(&sync->lock);
    sync->status = *status;
    sync->payload = *payload;
    sync->is_over = true;
    (void)pthread_cond_signal(&sync->ended);
    (void)pthread_mutex_unlock(&sync->lock);
}

/* Whether the call is over within so much time. */
static bool wait_for_end(struct sync *sync, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    (void)pthread_mutex_lock(&sync->lock);
    while (!sync->is_over && pthread_cond_timedwait(&sync->ended, &sync->lock, &until) != ETIMEDOUT)
        continue;
    bool is_over = sync->is_over;
    (void)pthread_mutex_unlock(&sync->lock);
    return is_over;
}

static void draw(const struct sync *sync, int percent, int64_t processed, int64_t total)
{
    char what[64];
    if (!sync->draws)
        return;
    (void)snprintf(what, sizeof what, "%lld of %lld items", (long long)processed, (long long)total);
    tool_draw_bar(percent, what);
}

/* --- the sync as a stream --- */

/* Draws what comes; the last item is what the sync came to. */
static enum rpc_code read_progress(struct sync *sync, struct rpc_stream *stream,
                                   Lotcast__V1__SyncResponse *response, struct rpc_status *status)
{
    const ProtobufCMessage *message = NULL;
    enum rpc_code code;
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    do {
        arena_reset(&arena);
        code = rpc_stream_next(stream, &arena, &message, status);
        const Lotcast__V1__FollowSyncResponse *item = (const void *)message;
        if (code != RPC_OK || item == NULL)
            break;
        draw(sync, item->progress, item->items_processed, item->items_total);
        response->success = !item->in_progress;
        response->items_processed = item->items_processed;
        response->items_added = item->items_added;
        response->items_updated = item->items_updated;
        response->items_removed = item->items_removed;
    } while (message != NULL);
    arena_fini(&arena);
    return code;
}

static enum rpc_code follow(struct sync *sync, bool confirm_removals,
                            Lotcast__V1__SyncResponse *response, struct rpc_status *status)
{
    Lotcast__V1__FollowSyncRequest request = LOTCAST__V1__FOLLOW_SYNC_REQUEST__INIT;
    struct rpc_stream *stream = NULL;
    request.confirm_removals = confirm_removals;
    enum rpc_code code = tool_open_stream(sync->tool, "Operations/FollowSync", &request,
                                          &sync->metadata, 0, &stream, status);
    if (code == RPC_OK)
        code = read_progress(sync, stream, response, status);
    rpc_stream_close(stream);
    if (sync->draws && code != RPC_UNIMPLEMENTED)
        (void)fputc('\n', stderr);
    return code;
}

/* --- the sync as a call --- */

/* How far it has come. A look that fails is no failure of the sync. */
static void look(struct sync *sync)
{
    struct rpc_status status;
    const void *message = NULL;
    Lotcast__V1__GetSyncStatusRequest request = LOTCAST__V1__GET_SYNC_STATUS_REQUEST__INIT;
    const struct registry_method *method = tool_method(sync->tool, "Ads/GetSyncStatus");
    if (method == NULL ||
        tool_call(sync->tool, method, &request, &sync->metadata, &message, &status) != RPC_OK)
        return;
    const Lotcast__V1__GetSyncStatusResponse *shown = message;
    if (shown->in_progress)
        draw(sync, shown->progress, shown->items_processed, shown->items_total);
}

/* One call, until it is answered. NULL, having complained, on failure. */
static const Lotcast__V1__SyncResponse *call_sync(struct sync *sync,
                                                  const struct registry_method *method,
                                                  const Lotcast__V1__SyncRequest *message)
{
    static const struct rpc_call_events events = {.done = on_done};
    struct rpc_context context = sync->tool->context;
    ProtobufCMessage *response = NULL;
    rpc_payload_release(&sync->payload); /* of the call before */
    sync->payload = (struct rpc_payload){.owner = NULL};
    sync->is_over = false;
    context.deadline_ms = clock_mono_ms() + method->deadline_ms + SLACK_MS;
    const struct rpc_request request = {.method = method,
                                        .message = &message->base,
                                        .metadata = &sync->metadata,
                                        .context = &context,
                                        .wait_for_ready = true};
    rpc_call_unref(rpc_channel_start(sync->tool->channel, &request, &events, sync));
    for (int64_t pause = FIRST_LOOK_MS; !wait_for_end(sync, pause); pause = LOOK_MS)
        look(sync);
    enum rpc_code code = sync->status.code;
    if (code == RPC_OK)
        code = rpc_message_unpack(method->output->descriptor, sync->payload.bytes,
                                  &sync->tool->arena, &response, &sync->status);
    if (sync->draws)
        (void)fputc('\n', stderr);
    if (code != RPC_OK) {
        (void)tool_complain(&sync->status);
        return NULL;
    }
    return (const Lotcast__V1__SyncResponse *)response;
}

static int print_sync(struct tool *tool, const Lotcast__V1__SyncResponse *response)
{
    static const struct table_column columns[] = {
        {"ITEMS", true}, {"ADDED", true}, {"UPDATED", true}, {"REMOVED", true}};
    struct arena *arena = &tool->arena;
    struct table table;
    const char *const cells[] = {
        table_number(arena, response->items_processed), table_number(arena, response->items_added),
        table_number(arena, response->items_updated), table_number(arena, response->items_removed)};
    table_init(&table, arena, columns, 4);
    table_row_add(&table, cells);
    return table_print(&table) ? 0 : TOOL_FAILED;
}

/* Until the sync has ended. NULL, having complained, on failure. */
static const Lotcast__V1__SyncResponse *poll_sync(struct sync *sync,
                                                  const struct registry_method *method,
                                                  const Lotcast__V1__SyncRequest *request)
{
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&sync->ended, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    const Lotcast__V1__SyncResponse *response = call_sync(sync, method, request);
    /* It takes longer than one call may: the next joins it. */
    while (response != NULL && response->in_progress)
        response = call_sync(sync, method, request);
    rpc_payload_release(&sync->payload);
    (void)pthread_cond_destroy(&sync->ended);
    return response;
}

int tool_run_sync(struct tool *tool, int argc, char **argv)
{
    Lotcast__V1__SyncResponse followed = LOTCAST__V1__SYNC_RESPONSE__INIT;
    struct rpc_status status;
    Lotcast__V1__SyncRequest request = LOTCAST__V1__SYNC_REQUEST__INIT;
    struct sync sync = {.tool = tool, .lock = PTHREAD_MUTEX_INITIALIZER};
    bool json = tool_take_flag("--json", &argc, argv);
    request.confirm_removals = tool_take_flag("--confirm-removals", &argc, argv);
    const char *customer = tool_take_option("--customer", &argc, argv);
    const struct registry_method *method = tool_method(tool, "Ads/Sync");
    if (argc != 0 || customer == NULL || method == NULL ||
        !rpc_metadata_add(&sync.metadata, RPC_METADATA_CUSTOMER_ID, customer))
        return TOOL_USAGE;
    if (!tool_connect(tool))
        return TOOL_FAILED;
    sync.draws = isatty(STDERR_FILENO) == 1;
    const Lotcast__V1__SyncResponse *response = &followed;
    tool_catch_signals(tool);
    enum rpc_code code = follow(&sync, request.confirm_removals, &followed, &status);
    tool_end_if_caught();
    tool_release_signals(tool); /* there is nothing to clean up */
    if (code == RPC_UNIMPLEMENTED)
        response = poll_sync(&sync, method, &request);
    else if (code != RPC_OK)
        return tool_complain(&status);
    if (response == NULL)
        return TOOL_FAILED;
    return json ? tool_print_json(tool, response) : print_sync(tool, response);
}
