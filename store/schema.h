/*
 * What the data say about themselves: each table's key and indexes as they were when they were
 * written, compared with the registry at open.
 */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "store/record.h"

/* The form of keys and values; a store of another one is refused. */
#define STORE_FORMAT 1

/*
 * Brings the data in step with the tables, before anybody else uses the engine: builds new indexes,
 * drops those that are gone, writes the definitions down. RPC_FAILED_PRECONDITION, with what and
 * why, if a key's fields or an index's meaning has changed, or a new unique index has two equal
 * records.
 */
enum rpc_code store__schema_apply(struct store_engine *engine, const struct store_tables *tables,
                                  struct rpc_status *status) __attribute__((warn_unused_result));

#endif
