/*
 * The store role: the record store's service, for a server.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "rpc/registry.h"
#include "rpc/server.h"
#include "rpc/status.h"
#include "store/client.h"

struct store;

struct store_options {
    const char *directory;           /* made (0700) if it is not there */
    const struct registry *registry; /* borrowed for the store's life */
    size_t map_bytes;                /* address space at first, grown by itself; 0: 1 GiB */
    size_t image_entries_min; /* ranges with fewer are searched by a walk (image.h); 0: 1000 */
    int64_t lock_wait_ms;     /* for a predecessor that is ending; 0: 5 s, below 0: not at all */
};

/*
 * Opens the records in `directory` and starts the writer. RPC_FAILED_PRECONDITION with a message
 * for people: another process has it open, an incompatible change of a table, no permission, a
 * broken file.
 */
enum rpc_code store_open(const struct store_options *options, struct store **ret_store,
                         struct rpc_status *status) __attribute__((warn_unused_result));
/* Finishes queued commits and closes. No server may still serve it. Takes NULL. */
void store_close(struct store *store);
/* lotcast.v1.Store, for rpc_server_create. Lives as long as the store. */
const struct rpc_service *store_service(struct store *store);

/* The store's stamps, for the clients in its process that end before it does. */
struct store_near store_near_of(const struct store *store);

/* --- backups, as Store.Backup writes them: the file below the store's directory --- */

/*
 * Makes `directory` (which must not be there, or be empty) the store that a backup's file holds:
 * copied whole, against its checksum, opened as `registry`'s, and all of it looked at, under
 * another name beside it until then. RPC_FAILED_PRECONDITION with a message for people;
 * RPC_DATA_LOSS: the file is not what was written. Nothing is left behind on failure.
 */
enum rpc_code store_restore(const char *path, const char *directory,
                            const struct registry *registry, int64_t *ret_records,
                            struct rpc_status *status) __attribute__((warn_unused_result));

#endif
