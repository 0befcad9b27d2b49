/* lotcast.v1.Store over the records. A commit's call is deferred: it holds no worker while it
 * waits. */
#include "store/image.h"
#include "store/internal.h"
#include "store/metrics.h"

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
}

/* --- stamps --- */

static enum rpc_code near_find(const void *store, const Lotcast__V1__Partition *partition,
                               size_t *ret_place, struct rpc_status *status)
{
    return store__stamp_find(&((const struct store *)store)->tables, partition, ret_place, status);
}

static uint64_t near_read(const void *store, size_t place)
{
    return store__stamp_read(((const struct store *)store)->stamps, place);
}

struct store_near store_near_of(const struct store *store)
{
    return (struct store_near){
        .store = store, .is_here = true, .find = near_find, .read = near_read};
}

static enum rpc_code read_stamps(const struct store *store, struct arena *arena,
                                 Lotcast__V1__Partition *const *partitions, size_t count,
                                 uint64_t **ret_stamps, struct rpc_status *status)
{
    if (count > STORE_PARTITIONS_MAX)
        return store__invalid(status, "partitions", "a call asks for at most %d stamps",
                              STORE_PARTITIONS_MAX);
    uint64_t *stamps = arena_calloc(arena, count, sizeof *stamps);
    if (stamps == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < count; i++) {
        size_t stamp;
        enum rpc_code code = store__stamp_find(&store->tables, partitions[i], &stamp, status);
        if (code != RPC_OK)
            return code;
        stamps[i] = store__stamp_read(store->stamps, stamp);
    }
    *ret_stamps = stamps;
    return RPC_OK;
}

/* --- Read --- */

struct read_item {
    Lotcast__V1__ReadOp__KindCase kind;
    struct store_get get;
    struct store_range range;
    struct store_key_buffer counter;
};

static enum rpc_code prepare_item(const struct store_tables *tables, const Lotcast__V1__ReadOp *op,
                                  struct arena *arena, struct read_item *item,
                                  struct rpc_status *status)
{
    size_t len;
    item->kind = op->kind_case;
    switch (op->kind_case) {
    case LOTCAST__V1__READ_OP__KIND_GET:
        return store__get_prepare(tables, op->get, arena, &item->get, status);
    case LOTCAST__V1__READ_OP__KIND_RANGE:
        return store__range_prepare(tables, op->range, arena, &item->range, status);
    case LOTCAST__V1__READ_OP__KIND_COUNTER:
        len = strlen(op->counter);
        if (len == 0 || len > STORE_COUNTER_NAME_BYTES_MAX)
            return store__invalid(status, "counter", "a counter's name has 1 to %d bytes",
                                  STORE_COUNTER_NAME_BYTES_MAX);
        store__own_key(STORE_OWN_COUNTERS, op->counter, &item->counter);
        return RPC_OK;
    case LOTCAST__V1__READ_OP__KIND__NOT_SET:
    case _LOTCAST__V1__READ_OP__KIND__CASE_IS_INT_SIZE:
    default:
        return store__invalid(status, "kind", "an op is a get, a range or a counter");
    }
}

static enum rpc_code run_item(struct store_reader *reader, const struct read_item *item,
                              Lotcast__V1__ReadResult *result, struct rpc_status *status)
{
    if (item->kind == LOTCAST__V1__READ_OP__KIND_GET)
        return store__get_run(reader, &item->get, result, status);
    if (item->kind == LOTCAST__V1__READ_OP__KIND_RANGE)
        return store__range_run(reader, &item->range, result, status);
    return store__counter_run(reader, store__key_span(&item->counter), result, status);
}

/* Behind the last read of a batch. */
static void end_snapshot(void *shared)
{
    struct store_txn *txn = shared;
    txn->engine->ops->read_end(txn);
}

/* Reads of one batch share a snapshot, which the batch's end ends. */
static enum rpc_code reader_begin(struct store *store, const struct rpc_context *context,
                                  struct rpc_batch *batch, struct store_reader *reader,
                                  struct rpc_status *status)
{
    *reader = (struct store_reader){.engine = store->engine, .context = context};
    if (batch != NULL && batch->shared != NULL) {
        reader->txn = batch->shared;
        return RPC_OK;
    }
    metric_add(&store__metric_reads, 1);
    enum rpc_code code = store->engine->ops->read_begin(store->engine, &reader->txn, status);
    if (code == RPC_OK && batch != NULL)
        *batch = (struct rpc_batch){reader->txn, end_snapshot};
    return code;
}

/* Ends the batch's snapshot before its time, so that the next read begins another. */
static void renew_snapshot(struct rpc_batch *batch)
{
    if (batch == NULL || batch->shared == NULL)
        return;
    end_snapshot(batch->shared);
    *batch = (struct rpc_batch){0};
}

/* What failed on a snapshot is not gone on with there: the file may have been reopened. */
static void reader_end(struct store_reader *reader, struct rpc_batch *batch, enum rpc_code code)
{
    if (batch != NULL && code == RPC_OK)
        return;
    if (batch != NULL)
        *batch = (struct rpc_batch){0};
    reader->engine->ops->read_end(reader->txn);
}

static enum rpc_code make_results(const Lotcast__V1__ReadRequest *request, struct arena *arena,
                                  Lotcast__V1__ReadResponse *response, struct rpc_status *status)
{
    Lotcast__V1__ReadResult *results = arena_calloc(arena, request->n_ops, sizeof *results);
    response->results = arena_calloc(arena, request->n_ops, sizeof *response->results);
    if (results == NULL || response->results == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < request->n_ops; i++) {
        lotcast__v1__read_result__init(&results[i]);
        response->results[i] = &results[i];
    }
    response->n_results = request->n_ops;
    return RPC_OK;
}

enum rpc_code store__read(struct store *store, const struct rpc_context *context,
                          struct rpc_batch *batch, const Lotcast__V1__ReadRequest *request,
                          Lotcast__V1__ReadResponse *response, struct rpc_status *status)
{
    if (request->n_ops > STORE_READ_OPS_MAX)
        return store__invalid(status, "ops", "a read has at most %d ops", STORE_READ_OPS_MAX);
    struct read_item *items = arena_calloc(context->arena, request->n_ops, sizeof *items);
    if (items == NULL)
        return out_of_memory(status);
    enum rpc_code code = make_results(request, context->arena, response, status);
    for (size_t i = 0; i < request->n_ops && code == RPC_OK; i++)
        code = prepare_item(&store->tables, request->ops[i], context->arena, &items[i], status);
    /* A stamp that is younger than the snapshot would vouch for what it had already changed. */
    if (request->n_partitions > 0)
        renew_snapshot(batch);
    if (code == RPC_OK && request->n_partitions > 0)
        code = read_stamps(store, context->arena, request->partitions, request->n_partitions,
                           &response->stamps, status);
    response->n_stamps = code == RPC_OK ? request->n_partitions : 0;
    struct store_reader reader;
    if (code == RPC_OK)
        code = reader_begin(store, context, batch, &reader, status);
    if (code != RPC_OK)
        return code;
    for (size_t i = 0; i < request->n_ops && code == RPC_OK; i++)
        code = run_item(&reader, &items[i], response->results[i], status);
    reader_end(&reader, batch, code);
    return code;
}

/* --- Query --- */

/* Whether the stamp says that nothing has changed since it was read; 0 never does. */
static bool is_still(const struct store *store, size_t stamp, uint64_t value)
{
    return value != 0 && store__stamp_read(store->stamps, stamp) == value;
}

enum rpc_code store__query(struct store *store, const struct rpc_context *context,
                           const Lotcast__V1__QueryRequest *request,
                           Lotcast__V1__QueryResponse *response, struct rpc_status *status)
{
    struct store_query query;
    struct store_reader reader;
    struct store_image *image = NULL;
    size_t stamp = 0;
    enum rpc_code code =
        store__query_prepare(&store->tables, request, context->arena, &query, status);
    /* Read before the snapshot is begun, and looked at again behind that. */
    bool suits = code == RPC_OK && store__image_suits(&query, &stamp);
    uint64_t value = suits ? store__stamp_read(store->stamps, stamp) : 0;
    if (code == RPC_OK)
        code = reader_begin(store, context, NULL, &reader, status);
    if (code != RPC_OK)
        return code;
    suits = suits && is_still(store, stamp, value);
    if (suits)
        image = store__images_take(store->images, &reader, &query, value);
    size_t steps = reader.steps;
    code = store__query_run(&reader, &query, image, response, status);
    if (suits && image == NULL && code == RPC_OK)
        store__images_note(store->images, &query, value, reader.steps - steps);
    store__image_unref(image);
    reader_end(&reader, NULL, code);
    return code;
}

/* --- Commit --- */

enum rpc_code store__commit(struct store *store, const Lotcast__V1__CommitRequest *request,
                            struct store_commit_work *work, struct rpc_status *status)
{
    enum rpc_code code = store__commit_prepare(&store->tables, request, work, status);
    return code == RPC_OK ? store__writer_submit(store->writer, work, status) : code;
}

/* --- the handlers --- */

static void finish_commit(struct store_commit_work *work)
{
    rpc_server_call_finish(work->arg, work->code, &work->status); /* frees the work */
}

static enum rpc_code handle_read(struct rpc_server_call *call, const void *request, void *response,
                                 struct rpc_status *status)
{
    return store__read(rpc_server_call_self(call), rpc_server_call_context(call),
                       rpc_server_call_batch(call), request, response, status);
}

static enum rpc_code handle_stamps(struct rpc_server_call *call, const void *message,
                                   void *response_message, struct rpc_status *status)
{
    const Lotcast__V1__StampsRequest *request = message;
    Lotcast__V1__StampsResponse *response = response_message;
    enum rpc_code code =
        read_stamps(rpc_server_call_self(call), rpc_server_call_arena(call), request->partitions,
                    request->n_partitions, &response->stamps, status);
    response->n_stamps = code == RPC_OK ? request->n_partitions : 0;
    return code;
}

static enum rpc_code handle_commit(struct rpc_server_call *call, const void *request,
                                   void *response, struct rpc_status *status)
{
    struct store_commit_work *work = arena_calloc(rpc_server_call_arena(call), 1, sizeof *work);
    if (work == NULL)
        return out_of_memory(status);
    work->context = rpc_server_call_context(call);
    work->response = response;
    work->done = finish_commit;
    work->arg = call;
    enum rpc_code code = store__commit(rpc_server_call_self(call), request, work, status);
    return code == RPC_OK ? RPC_DEFERRED : code;
}

static enum rpc_code handle_query(struct rpc_server_call *call, const void *request, void *response,
                                  struct rpc_status *status)
{
    return store__query(rpc_server_call_self(call), rpc_server_call_context(call), request,
                        response, status);
}

static enum rpc_code handle_backup(struct rpc_server_call *call, const void *request,
                                   void *response, struct rpc_status *status)
{
    (void)request;
    return store__backup(rpc_server_call_self(call), rpc_server_call_context(call), response,
                         status);
}

static enum rpc_code handle_stream_backup(struct rpc_server_call *call, const void *request,
                                          void *response, struct rpc_status *status)
{
    (void)request;
    (void)response; /* the items have it all */
    return store__backup_send(rpc_server_call_self(call), call, status);
}

static enum rpc_code handle_check(struct rpc_server_call *call, const void *request, void *response,
                                  struct rpc_status *status)
{
    return store__check(rpc_server_call_self(call), rpc_server_call_context(call), request,
                        response, status);
}

rpc_handler *const store__handlers[] = {handle_read,         handle_stamps, handle_commit,
                                        handle_query,        handle_backup, handle_check,
                                        handle_stream_backup};
