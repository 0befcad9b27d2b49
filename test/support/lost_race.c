#include "test/support/lost_race.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "lotcast/v1/store.pb-c.h"

static atomic_uint losing_table; /* 0: none */
static atomic_int lost_count;
static _Atomic(rpc_handler *) store_commit; /* every store's is the same */

/* Whether the op expects anything of a record of the table. */
static bool op_expects(const Lotcast__V1__CommitOp *op, uint32_t table)
{
    switch (op->kind_case) {
    case LOTCAST__V1__COMMIT_OP__KIND_PUT:
        return op->put->table == table && op->put->precondition != 0;
    case LOTCAST__V1__COMMIT_OP__KIND_DELETE:
        return op->delete_->table == table && op->delete_->precondition != 0;
    case LOTCAST__V1__COMMIT_OP__KIND_CHECK:
        return op->check->table == table;
    case LOTCAST__V1__COMMIT_OP__KIND_ADD:
    case LOTCAST__V1__COMMIT_OP__KIND__NOT_SET:
    case _LOTCAST__V1__COMMIT_OP__KIND__CASE_IS_INT_SIZE:
        break;
    }
    return false;
}

static enum rpc_code commit(struct rpc_server_call *call, const void *request_, void *response,
                            struct rpc_status *status)
{
    const Lotcast__V1__CommitRequest *request = request_;
    uint32_t table = atomic_load(&losing_table);
    for (size_t i = 0; table != 0 && i < request->n_ops; i++) {
        if (op_expects(request->ops[i], table)) {
            atomic_fetch_add(&lost_count, 1);
            return rpc_status_set(status, RPC_ABORTED, "somebody else was first");
        }
    }
    rpc_handler *real = atomic_load(&store_commit);
    return real(call, request, response, status);
}

void lost_race_init(struct lost_race *race, const struct rpc_service *store)
{
    const ProtobufCServiceDescriptor *descriptor = store->descriptor;
    assert(descriptor->n_methods <= LOST_RACE_METHODS_MAX);
    race->service = *store;
    race->service.handlers = race->handlers;
    for (unsigned i = 0; i < descriptor->n_methods; i++) {
        bool commits = strcmp(descriptor->methods[i].name, "Commit") == 0;
        race->handlers[i] = commits ? commit : store->handlers[i];
        if (commits)
            atomic_store(&store_commit, store->handlers[i]);
    }
}

void lost_race_begin(const struct registry *registry, const ProtobufCMessageDescriptor *record)
{
    const struct registry_message *message = registry_message_of(registry, record);
    assert(message != NULL && message->table != NULL);
    atomic_store(&lost_count, 0);
    atomic_store(&losing_table, message->table->id);
}

int lost_race_end(void)
{
    atomic_store(&losing_table, 0);
    return atomic_load(&lost_count);
}
