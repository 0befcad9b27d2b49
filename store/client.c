#include "store/client.h"

#include <stdlib.h>

#include "rpc/base/buffer.h"
#include "store/client_internal.h"
#include "store/fold.h"

/* Ops that a commit has room for at first. */
#define OPS_FIRST 8
/* What can go into one commit, in bytes; the server's limit on a record is lower. */
#define RECORD_BYTES_MAX RPC_MESSAGE_BYTES_MAX

/* What folding can make of a byte at most: U+FDFA, three bytes, becomes eighteen letters of two. */
#define FOLDED_BYTES_PER_BYTE_MAX 12

/* Pieces of a backup on their way at once. */
#define BACKUP_ITEMS 4

static const struct registry_method *find_method(const struct registry *registry, const char *name)
{
    return registry_method_find(registry, span_of_string(name));
}

struct store_client *store_client_create(struct rpc_channel *channel,
                                         const struct registry *registry)
{
    struct store_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    client->channel = channel;
    client->registry = registry;
    client->read = find_method(registry, "lotcast.v1.Store/Read");
    client->stamps = find_method(registry, "lotcast.v1.Store/Stamps");
    client->commit = find_method(registry, "lotcast.v1.Store/Commit");
    client->query = find_method(registry, "lotcast.v1.Store/Query");
    client->backup = find_method(registry, "lotcast.v1.Store/Backup");
    client->stream_backup = find_method(registry, "lotcast.v1.Store/StreamBackup");
    client->check = find_method(registry, "lotcast.v1.Store/Check");
    if (client->read == NULL || client->stamps == NULL || client->commit == NULL ||
        client->query == NULL || client->backup == NULL || client->stream_backup == NULL ||
        client->check == NULL) {
        free(client);
        return NULL;
    }
    return client;
}

void store_client_destroy(struct store_client *client)
{
    free(client);
}

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
}

static enum rpc_code call(const struct store_client *client, struct rpc_context *context,
                          const struct registry_method *method, const ProtobufCMessage *request,
                          const ProtobufCMessage **ret_response, struct rpc_status *status)
{
    const struct rpc_request made = {.method = method,
                                     .message = request,
                                     .context = context,
                                     .wait_for_ready = context->waits_for_ready};
    return rpc_channel_call(client->channel, &made, ret_response, status);
}

/* --- keys --- */

static Lotcast__V1__KeyPart *make_part(struct arena *arena, const struct store_key_part *part)
{
    Lotcast__V1__KeyPart *made = arena_alloc(arena, sizeof *made);
    if (made == NULL)
        return NULL;
    lotcast__v1__key_part__init(made);
    switch (part->kind) {
    case STORE_KEY_TEXT:
        made->kind_case = LOTCAST__V1__KEY_PART__KIND_TEXT;
        made->text = arena_strndup(arena, part->data.data, part->data.len);
        return made->text == NULL ? NULL : made;
    case STORE_KEY_DATA:
        made->kind_case = LOTCAST__V1__KEY_PART__KIND_DATA;
        made->data = (ProtobufCBinaryData){part->data.len, (uint8_t *)part->data.data};
        return made;
    case STORE_KEY_NUMBER:
    default:
        made->kind_case = LOTCAST__V1__KEY_PART__KIND_NUMBER;
        made->number = part->number;
        return made;
    }
}

static Lotcast__V1__KeyPart **make_parts(struct arena *arena, const struct store_key *key)
{
    Lotcast__V1__KeyPart **parts = arena_calloc(arena, key->count, sizeof *parts);
    for (size_t i = 0; i < key->count && parts != NULL; i++) {
        parts[i] = make_part(arena, &key->parts[i]);
        if (parts[i] == NULL)
            return NULL;
    }
    return parts;
}

static const Lotcast__V1__TableRules *find_table(const struct store_client *client,
                                                 const ProtobufCMessageDescriptor *record)
{
    const struct registry_message *message = registry_message_of(client->registry, record);
    return message == NULL ? NULL : message->table;
}

/* The numbers of a record's table and index; an unknown one is a bug of the caller's. */
static enum rpc_code find_index(const struct store_client *client,
                                const ProtobufCMessageDescriptor *record, const char *name,
                                uint32_t *ret_table, uint32_t *ret_index, struct rpc_status *status)
{
    const Lotcast__V1__TableRules *table = find_table(client, record);
    if (table == NULL)
        return rpc_status_set(status, RPC_INTERNAL, "%s is not a record", record->name);
    *ret_table = table->id;
    *ret_index = 0;
    if (name == NULL)
        return RPC_OK;
    for (size_t i = 0; i < table->n_indexes; i++) {
        if (strcmp(table->indexes[i]->name, name) == 0) {
            *ret_index = table->indexes[i]->id;
            return RPC_OK;
        }
    }
    return rpc_status_set(status, RPC_INTERNAL, "%s has no index %s", table->name, name);
}

/* --- reading: requests --- */

static enum rpc_code make_get(const struct store_client *client, struct arena *arena,
                              const struct store_read_op *op, Lotcast__V1__ReadOp *made,
                              struct rpc_status *status)
{
    Lotcast__V1__GetOp *get = arena_alloc(arena, sizeof *get);
    if (get == NULL)
        return out_of_memory(status);
    lotcast__v1__get_op__init(get);
    get->n_key = op->key.count;
    get->key = make_parts(arena, &op->key);
    if (get->key == NULL)
        return out_of_memory(status);
    made->kind_case = LOTCAST__V1__READ_OP__KIND_GET;
    made->get = get;
    return find_index(client, op->record, op->index, &get->table, &get->index, status);
}

static bool make_bounds(struct arena *arena, const struct store_read_op *op,
                        Lotcast__V1__RangeOp *range)
{
    if (op->has_lower)
        range->lower = make_part(arena, &op->lower);
    if (op->has_upper)
        range->upper = make_part(arena, &op->upper);
    return op->has_lower == (range->lower != NULL) && op->has_upper == (range->upper != NULL);
}

static enum rpc_code make_range(const struct store_client *client, struct arena *arena,
                                const struct store_read_op *op, Lotcast__V1__RangeOp **ret_range,
                                struct rpc_status *status)
{
    Lotcast__V1__RangeOp *range = arena_alloc(arena, sizeof *range);
    if (range == NULL)
        return out_of_memory(status);
    lotcast__v1__range_op__init(range);
    range->n_prefix = op->key.count;
    range->prefix = make_parts(arena, &op->key);
    if (range->prefix == NULL || !make_bounds(arena, op, range))
        return out_of_memory(status);
    range->reverse = op->reverse;
    range->limit = op->limit;
    range->count_only = op->count_only;
    range->cursor = (ProtobufCBinaryData){op->cursor.len, (uint8_t *)op->cursor.data};
    *ret_range = range;
    return find_index(client, op->record, op->index, &range->table, &range->index, status);
}

static enum rpc_code make_read_op(const struct store_client *client, struct arena *arena,
                                  const struct store_read_op *op, Lotcast__V1__ReadOp **ret_made,
                                  struct rpc_status *status)
{
    Lotcast__V1__ReadOp *made = arena_alloc(arena, sizeof *made);
    if (made == NULL)
        return out_of_memory(status);
    lotcast__v1__read_op__init(made);
    *ret_made = made;
    if (op->counter != NULL) {
        made->kind_case = LOTCAST__V1__READ_OP__KIND_COUNTER;
        made->counter = (char *)op->counter;
        return RPC_OK;
    }
    if (op->is_range) {
        made->kind_case = LOTCAST__V1__READ_OP__KIND_RANGE;
        return make_range(client, arena, op, &made->range, status);
    }
    return make_get(client, arena, op, made, status);
}

/* --- reading: results --- */

static enum rpc_code take_rows(struct arena *arena, struct store_read_op *op,
                               Lotcast__V1__Row *const *rows, size_t count,
                               struct rpc_status *status)
{
    op->ret_row_count = 0;
    op->ret_rows = arena_calloc(arena, count, sizeof *op->ret_rows);
    op->ret_versions = arena_calloc(arena, count, sizeof *op->ret_versions);
    if (op->ret_rows == NULL || op->ret_versions == NULL)
        return out_of_memory(status);
    if (count > 0 && op->record == NULL)
        return rpc_status_set(status, RPC_INTERNAL, "the store answered rows to a counter");
    for (size_t i = 0; i < count; i++) {
        const Lotcast__V1__Row *row = rows[i];
        enum rpc_code code =
            rpc_message_unpack(op->record, (struct span){row->value.data, row->value.len}, arena,
                               &op->ret_rows[i], status);
        if (code == RPC_INVALID_ARGUMENT)
            return rpc_status_set(status, RPC_DATA_LOSS, "a stored record is no %s",
                                  op->record->name);
        if (code != RPC_OK)
            return code;
        op->ret_versions[i] = row->version;
        op->ret_row_count++;
    }
    return RPC_OK;
}

static enum rpc_code take_result(struct arena *arena, struct store_read_op *op,
                                 const Lotcast__V1__ReadResult *result, struct rpc_status *status)
{
    op->ret_count = result->count;
    op->ret_cursor = (struct span){result->cursor.data, result->cursor.len};
    return take_rows(arena, op, result->rows, result->n_rows, status);
}

/* --- stamps --- */

bool store__partitions_make(const struct store_client *client, struct arena *arena,
                            const struct store_partition *partitions, size_t count,
                            Lotcast__V1__Partition ***ret_made)
{
    Lotcast__V1__Partition **made = arena_calloc(arena, count, sizeof *made);
    for (size_t i = 0; i < count && made != NULL; i++) {
        const Lotcast__V1__TableRules *table = find_table(client, partitions[i].record);
        made[i] = arena_alloc(arena, sizeof *made[i]);
        if (made[i] == NULL)
            return false;
        lotcast__v1__partition__init(made[i]);
        made[i]->table = table == NULL ? 0 : table->id; /* 0: the store refuses it */
        made[i]->key = partitions[i].has_key ? make_part(arena, &partitions[i].key) : NULL;
        if (partitions[i].has_key && made[i]->key == NULL)
            return false;
    }
    *ret_made = made;
    return made != NULL;
}

enum rpc_code store_stamps_pack(const struct store_client *client, struct arena *arena,
                                const struct store_partition *partitions, size_t count,
                                struct span *ret_question, struct rpc_status *status)
{
    Lotcast__V1__StampsRequest request = LOTCAST__V1__STAMPS_REQUEST__INIT;
    if (!store__partitions_make(client, arena, partitions, count, &request.partitions))
        return out_of_memory(status);
    request.n_partitions = count;
    size_t bytes = protobuf_c_message_get_packed_size(&request.base);
    uint8_t *packed = arena_alloc(arena, bytes + 1);
    if (packed == NULL)
        return out_of_memory(status);
    *ret_question = span_of(packed, protobuf_c_message_pack(&request.base, packed));
    return RPC_OK;
}

uint64_t *store_stamps_unpack(struct span packed, size_t count)
{
    Lotcast__V1__StampsResponse *response =
        lotcast__v1__stamps_response__unpack(NULL, packed.len, packed.data);
    if (response == NULL)
        return NULL;
    uint64_t *stamps = NULL;
    if (response->n_stamps == count) {
        stamps = response->stamps;
        response->stamps = NULL;
        response->n_stamps = 0;
    }
    lotcast__v1__stamps_response__free_unpacked(response, NULL);
    return stamps;
}

struct rpc_call *store_stamps_start(struct store_client *client, const struct rpc_context *context,
                                    struct span question, const struct rpc_call_events *events,
                                    void *arg)
{
    const struct rpc_request request = {.method = client->stamps,
                                        .packed = question,
                                        .context = context,
                                        .wait_for_ready = context->waits_for_ready};
    return rpc_channel_start(client->channel, &request, events, arg);
}

/* --- reading --- */

enum rpc_code store_read(struct store_client *client, struct rpc_context *context,
                         struct store_read_op *ops, size_t count, struct rpc_status *status)
{
    return store_read_stamped(client, context, ops, count, NULL, 0, NULL, status);
}

enum rpc_code store_read_stamped(struct store_client *client, struct rpc_context *context,
                                 struct store_read_op *ops, size_t count,
                                 const struct store_partition *partitions, size_t partition_count,
                                 uint64_t *ret_stamps, struct rpc_status *status)
{
    Lotcast__V1__ReadRequest request = LOTCAST__V1__READ_REQUEST__INIT;
    request.n_ops = count;
    request.ops = arena_calloc(context->arena, count, sizeof *request.ops);
    request.n_partitions = partition_count;
    if (request.ops == NULL || !store__partitions_make(client, context->arena, partitions,
                                                       partition_count, &request.partitions))
        return out_of_memory(status);
    for (size_t i = 0; i < count; i++) {
        enum rpc_code code = make_read_op(client, context->arena, &ops[i], &request.ops[i], status);
        if (code != RPC_OK)
            return code;
    }
    const ProtobufCMessage *answer;
    enum rpc_code code = call(client, context, client->read, &request.base, &answer, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__ReadResponse *response = (const Lotcast__V1__ReadResponse *)answer;
    if (response->n_results != count || response->n_stamps != partition_count)
        return rpc_status_set(status, RPC_INTERNAL, "the store answered %zu of %zu reads",
                              response->n_results, count);
    for (size_t i = 0; i < count && code == RPC_OK; i++)
        code = take_result(context->arena, &ops[i], response->results[i], status);
    if (code == RPC_OK && partition_count > 0)
        memcpy(ret_stamps, response->stamps, partition_count * sizeof *ret_stamps);
    return code;
}

enum rpc_code store_get(struct store_client *client, struct rpc_context *context,
                        const ProtobufCMessageDescriptor *record, const char *index,
                        struct store_key key, void *ret_record, uint64_t *ret_version,
                        struct rpc_status *status)
{
    struct store_read_op op = {.record = record, .index = index, .key = key};
    enum rpc_code code = store_read(client, context, &op, 1, status);
    if (code != RPC_OK)
        return code;
    ProtobufCMessage *found = op.ret_row_count == 0 ? NULL : op.ret_rows[0];
    memcpy(ret_record, &found, sizeof found);
    if (ret_version != NULL)
        *ret_version = op.ret_row_count == 0 ? 0 : op.ret_versions[0];
    return RPC_OK;
}

/* --- queries --- */

static bool make_filters(struct arena *arena, const struct store_query_op *query,
                         Lotcast__V1__QueryRequest *request)
{
    request->n_filters = query->filter_count;
    request->filters = arena_calloc(arena, query->filter_count, sizeof *request->filters);
    for (size_t i = 0; i < query->filter_count && request->filters != NULL; i++) {
        Lotcast__V1__FilterOp *filter = arena_alloc(arena, sizeof *filter);
        if (filter == NULL)
            return false;
        lotcast__v1__filter_op__init(filter);
        filter->field = (char *)query->filters[i].field;
        filter->comparison = query->filters[i].comparison;
        filter->value = make_part(arena, &query->filters[i].value);
        if (filter->value == NULL)
            return false;
        request->filters[i] = filter;
    }
    return request->filters != NULL;
}

static bool make_order(struct arena *arena, const struct store_query_op *query,
                       Lotcast__V1__QueryRequest *request)
{
    if (query->order_field == NULL)
        return true;
    const struct store_key_part last = store_number(query->order_last);
    Lotcast__V1__OrderOp *order = arena_alloc(arena, sizeof *order);
    if (order == NULL)
        return false;
    lotcast__v1__order_op__init(order);
    order->field = (char *)query->order_field;
    order->descending = query->order_descending;
    if (query->order_has_last)
        order->last = make_part(arena, &last);
    request->order = order;
    return query->order_has_last == (order->last != NULL);
}

enum rpc_code store_query(struct store_client *client, struct rpc_context *context,
                          struct store_query_op *query, struct rpc_status *status)
{
    struct arena *arena = context->arena;
    Lotcast__V1__QueryRequest request = LOTCAST__V1__QUERY_REQUEST__INIT;
    enum rpc_code code = make_range(client, arena, &query->range, &request.range, status);
    if (code != RPC_OK)
        return code;
    if (!make_filters(arena, query, &request) || !make_order(arena, query, &request))
        return out_of_memory(status);
    if (query->search != NULL)
        request.search = (char *)query->search;
    request.offset = query->offset;
    request.want_total = query->want_total;
    const ProtobufCMessage *answer;
    code = call(client, context, client->query, &request.base, &answer, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__QueryResponse *response = (const Lotcast__V1__QueryResponse *)answer;
    query->ret_total = response->total;
    query->range.ret_count = response->total;
    query->range.ret_cursor = (struct span){response->cursor.data, response->cursor.len};
    return take_rows(arena, &query->range, response->rows, response->n_rows, status);
}

/* --- writing --- */

void store_commit_init(struct store_commit *commit, const struct store_client *client,
                       struct rpc_context *context)
{
    *commit = (struct store_commit){.arena = context->arena, .client = client};
}

static bool grow_ops(struct store_commit *commit)
{
    if (commit->count < commit->capacity)
        return true;
    size_t capacity = commit->capacity == 0 ? OPS_FIRST : commit->capacity * 2;
    Lotcast__V1__CommitOp **ops = arena_calloc(commit->arena, capacity, sizeof *ops);
    if (ops == NULL)
        return false;
    if (commit->count > 0)
        memcpy(ops, commit->ops, commit->count * sizeof *ops);
    commit->ops = ops;
    commit->capacity = capacity;
    return true;
}

/* An empty op at the end; NULL, and the commit has failed, when memory is out. */
static Lotcast__V1__CommitOp *add_op(struct store_commit *commit)
{
    Lotcast__V1__CommitOp *op = arena_alloc(commit->arena, sizeof *op);
    if (op == NULL || !grow_ops(commit)) {
        commit->failed = true;
        return NULL;
    }
    lotcast__v1__commit_op__init(op);
    commit->ops[commit->count++] = op;
    return op;
}

/* The number of the op that was just added. */
static size_t last_op(const struct store_commit *commit)
{
    return commit->count == 0 ? 0 : commit->count - 1;
}

static size_t add_put(struct store_commit *commit, const void *record,
                      Lotcast__V1__Precondition precondition, uint64_t version)
{
    const ProtobufCMessage *message = record;
    const Lotcast__V1__TableRules *table = find_table(commit->client, message->descriptor);
    size_t len = protobuf_c_message_get_packed_size(message);
    Lotcast__V1__CommitOp *op = add_op(commit);
    Lotcast__V1__PutOp *put = arena_alloc(commit->arena, sizeof *put);
    uint8_t *packed = len > RECORD_BYTES_MAX ? NULL : arena_alloc(commit->arena, len);
    if (op == NULL || put == NULL || packed == NULL) {
        commit->failed = true;
        return last_op(commit);
    }
    lotcast__v1__put_op__init(put);
    put->table = table == NULL ? 0 : table->id; /* which the store refuses */
    put->value = (ProtobufCBinaryData){protobuf_c_message_pack(message, packed), packed};
    put->precondition = precondition;
    put->version = version;
    op->kind_case = LOTCAST__V1__COMMIT_OP__KIND_PUT;
    op->put = put;
    return last_op(commit);
}

size_t store_commit_put(struct store_commit *commit, const void *record)
{
    return add_put(commit, record, LOTCAST__V1__PRECONDITION__PRECONDITION_UNSPECIFIED, 0);
}

size_t store_commit_put_new(struct store_commit *commit, const void *record)
{
    return add_put(commit, record, LOTCAST__V1__PRECONDITION__PRECONDITION_ABSENT, 0);
}

size_t store_commit_put_version(struct store_commit *commit, const void *record, uint64_t version)
{
    return add_put(commit, record, LOTCAST__V1__PRECONDITION__PRECONDITION_VERSION, version);
}

static size_t add_delete(struct store_commit *commit, const ProtobufCMessageDescriptor *record,
                         const struct store_key *key, Lotcast__V1__Precondition precondition,
                         uint64_t version)
{
    const Lotcast__V1__TableRules *table = find_table(commit->client, record);
    Lotcast__V1__CommitOp *op = add_op(commit);
    Lotcast__V1__DeleteOp *made = arena_alloc(commit->arena, sizeof *made);
    Lotcast__V1__KeyPart **parts = make_parts(commit->arena, key);
    if (op == NULL || made == NULL || parts == NULL) {
        commit->failed = true;
        return last_op(commit);
    }
    lotcast__v1__delete_op__init(made);
    made->table = table == NULL ? 0 : table->id;
    made->key = parts;
    made->n_key = key->count;
    made->precondition = precondition;
    made->version = version;
    op->kind_case = LOTCAST__V1__COMMIT_OP__KIND_DELETE;
    op->delete_ = made;
    return last_op(commit);
}

size_t store_commit_delete(struct store_commit *commit, const ProtobufCMessageDescriptor *record,
                           struct store_key key)
{
    return add_delete(commit, record, &key, LOTCAST__V1__PRECONDITION__PRECONDITION_UNSPECIFIED, 0);
}

size_t store_commit_delete_version(struct store_commit *commit,
                                   const ProtobufCMessageDescriptor *record, struct store_key key,
                                   uint64_t version)
{
    return add_delete(commit, record, &key, LOTCAST__V1__PRECONDITION__PRECONDITION_VERSION,
                      version);
}

size_t store_commit_check(struct store_commit *commit, const ProtobufCMessageDescriptor *record,
                          struct store_key key, uint64_t version)
{
    const Lotcast__V1__TableRules *table = find_table(commit->client, record);
    Lotcast__V1__CommitOp *op = add_op(commit);
    Lotcast__V1__CheckOp *check = arena_alloc(commit->arena, sizeof *check);
    Lotcast__V1__KeyPart **parts = make_parts(commit->arena, &key);
    if (op == NULL || check == NULL || parts == NULL) {
        commit->failed = true;
        return last_op(commit);
    }
    lotcast__v1__check_op__init(check);
    check->table = table == NULL ? 0 : table->id;
    check->key = parts;
    check->n_key = key.count;
    check->precondition = LOTCAST__V1__PRECONDITION__PRECONDITION_VERSION;
    check->version = version;
    op->kind_case = LOTCAST__V1__COMMIT_OP__KIND_CHECK;
    op->check = check;
    return last_op(commit);
}

size_t store_commit_add(struct store_commit *commit, const char *counter, int64_t delta)
{
    Lotcast__V1__CommitOp *op = add_op(commit);
    Lotcast__V1__AddOp *add = arena_alloc(commit->arena, sizeof *add);
    if (op == NULL || add == NULL) {
        commit->failed = true;
        return last_op(commit);
    }
    lotcast__v1__add_op__init(add);
    add->counter = arena_strdup(commit->arena, counter);
    add->delta = delta;
    if (add->counter == NULL) {
        commit->failed = true;
        return last_op(commit);
    }
    op->kind_case = LOTCAST__V1__COMMIT_OP__KIND_ADD;
    op->add = add;
    return last_op(commit);
}

enum rpc_code store_commit_send(struct store_commit *commit, struct rpc_context *context,
                                const Lotcast__V1__CommitResponse **ret_response,
                                struct rpc_status *status)
{
    if (commit->failed)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the commit is too large");
    Lotcast__V1__CommitRequest request = LOTCAST__V1__COMMIT_REQUEST__INIT;
    request.ops = commit->ops;
    request.n_ops = commit->count;
    const ProtobufCMessage *answer;
    enum rpc_code code =
        call(commit->client, context, commit->client->commit, &request.base, &answer, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__CommitResponse *response = (const Lotcast__V1__CommitResponse *)answer;
    if (response->n_results != commit->count)
        return rpc_status_set(status, RPC_INTERNAL, "the store answered %zu of %zu ops",
                              response->n_results, commit->count);
    if (ret_response != NULL)
        *ret_response = response;
    return RPC_OK;
}

enum rpc_code store_numbers_take(struct store_client *client, struct rpc_context *context,
                                 const char *counter, int64_t count, int64_t *ret_first,
                                 struct rpc_status *status)
{
    const Lotcast__V1__CommitResponse *response;
    struct store_commit commit;
    store_commit_init(&commit, client, context);
    size_t op = store_commit_add(&commit, counter, count);
    enum rpc_code code = store_commit_send(&commit, context, &response, status);
    if (code == RPC_OK)
        *ret_first = response->results[op]->value - count + 1;
    return code;
}

enum rpc_code store_backup(struct store_client *client, struct rpc_context *context,
                           const Lotcast__V1__BackupResponse **ret_response,
                           struct rpc_status *status)
{
    const Lotcast__V1__BackupRequest request = LOTCAST__V1__BACKUP_REQUEST__INIT;
    const ProtobufCMessage *message = NULL;
    enum rpc_code code = call(client, context, client->backup, &request.base, &message, status);
    if (code == RPC_OK)
        *ret_response = (const Lotcast__V1__BackupResponse *)(const void *)message;
    return code;
}

enum rpc_code store_backup_stream(struct store_client *client, struct rpc_context *context,
                                  struct rpc_stream **ret_stream, struct rpc_status *status)
{
    const Lotcast__V1__StreamBackupRequest message = LOTCAST__V1__STREAM_BACKUP_REQUEST__INIT;
    const struct rpc_request request = {.method = client->stream_backup,
                                        .message = &message.base,
                                        .context = context,
                                        .wait_for_ready = context->waits_for_ready,
                                        .stream_items = BACKUP_ITEMS};
    return rpc_stream_open(client->channel, &request, ret_stream, status);
}

enum rpc_code store_check_part(struct store_client *client, struct rpc_context *context,
                               struct span cursor, const Lotcast__V1__CheckResponse **ret_response,
                               struct rpc_status *status)
{
    Lotcast__V1__CheckRequest request = LOTCAST__V1__CHECK_REQUEST__INIT;
    const ProtobufCMessage *message = NULL;
    request.cursor = (ProtobufCBinaryData){cursor.len, (uint8_t *)cursor.data};
    enum rpc_code code = call(client, context, client->check, &request.base, &message, status);
    if (code == RPC_OK)
        *ret_response = (const Lotcast__V1__CheckResponse *)(const void *)message;
    return code;
}

const char *store_text_fold(struct arena *arena, const char *text)
{
    struct span given = span_of_string(text);
    size_t room = given.len * FOLDED_BYTES_PER_BYTE_MAX;
    size_t len = 0;
    char *folded = arena_alloc(arena, room + 1);
    if (folded == NULL || !store__fold(given, (uint8_t *)folded, room, &len))
        return NULL;
    folded[len] = '\0';
    return folded;
}
