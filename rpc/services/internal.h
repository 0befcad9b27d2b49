/*
 * What the services share. Immutable after services_create, except what locks for itself.
 */
#ifndef RPC_SERVICES_INTERNAL_H
#define RPC_SERVICES_INTERNAL_H

#include <stdatomic.h>

#include "rpc/services/model/money.h"
#include "rpc/services/services.h"

/* libsodium's crypto_pwhash_STRBYTES and crypto_generichash_KEYBYTES; services.c holds them to
 * that. */
#define SERVICES_PASSWORD_HASH_BYTES 128
#define SERVICES_HASH_KEY_BYTES 32

/* A write that loses its race so often is a CONFLICT. */
#define SERVICES_COMMIT_TRIES 3

struct answers;
struct jobs;
struct keyring;
struct site_probes;
struct zones;

struct services {
    struct services_options options;
    struct money_rates rates;
    /* Of a password that nobody has: verifying against it takes the time of a real one. */
    char unknown_hash[SERVICES_PASSWORD_HASH_BYTES];
    struct keyring *keyring;
    atomic_bool key_settled; /* key_rotation_settle need not be called again */
    struct answers *answers;
    struct rpc_server_early early;
    struct zones *zones;
    struct jobs *jobs;
    struct site_probes *probes;
    struct rpc_service *rpc;
    size_t rpc_count;
};

/* Handlers, in the order of their service's methods in the .proto; `self` is the struct services.
 */
extern rpc_handler *const admin_handlers[];
extern rpc_handler *const ads_handlers[];
extern rpc_handler *const auth_handlers[];
extern rpc_handler *const meta_auth_handlers[];
extern rpc_handler *const access_control_handlers[];
extern rpc_handler *const dashboard_handlers[];
extern rpc_handler *const onboarding_handlers[];
extern rpc_handler *const settings_handlers[];
extern rpc_handler *const announcements_handlers[];
extern rpc_handler *const billing_handlers[];
extern rpc_handler *const inventory_handlers[];
extern rpc_handler *const performance_handlers[];
extern rpc_handler *const operations_handlers[];

/* The interceptor's `before`; `self` is the struct services. */
enum rpc_code services__auth_before(void *self, struct rpc_server_call *call,
                                    struct rpc_status *status);

/*
 * Turns a store's failure into what a caller may see: the same meaning in the table's words,
 * without the store's own text or op numbers. Returns the code to answer with.
 */
enum rpc_code services__store_failed(enum rpc_code code, struct rpc_status *status);

/* A number as we print ids, in decimal; 0 if the text can't be one. */
int64_t services__id_parse(const char *text);

/* An op that gets one record by its primary key, for a batch of store_read. */
static inline struct store_read_op services__get(const ProtobufCMessageDescriptor *record,
                                                 struct store_key key)
{
    return (struct store_read_op){.record = record, .key = key};
}

/* An op that gets a kind's active job for the customer: its slot is kind:customer. False when out
 * of memory. */
static inline bool services__active_job(struct rpc_context *context, const char *kind,
                                        int64_t customer_id, struct store_read_op *ret_op)
{
    char *slot = arena_printf(context->arena, "%s:%lld", kind, (long long)customer_id);
    if (slot == NULL)
        return false;
    *ret_op = (struct store_read_op){.record = &lotcast__v1__job_record__descriptor,
                                     .index = "by_slot",
                                     .key = store_key(store_text(slot))};
    return true;
}

/* The record that such an op found, or NULL, and its version (0: absent). */
static inline void *services__row(const struct store_read_op *op)
{
    return op->ret_row_count == 0 ? NULL : op->ret_rows[0];
}
static inline uint64_t services__version(const struct store_read_op *op)
{
    return op->ret_row_count == 0 ? 0 : op->ret_versions[0];
}

#endif
