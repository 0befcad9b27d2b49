/*
 * What the logic uses of the store: typed gets, ranges and commits over a channel. A record is its
 * protobuf message; its table, key and indexes come from the registry.
 *
 * All functions block until the answer or the context's deadline; results live in the context's
 * arena. Common errors: RPC_UNAVAILABLE, RPC_DEADLINE_EXCEEDED, RPC_RESOURCE_EXHAUSTED,
 * RPC_CANCELLED.
 */
#ifndef STORE_CLIENT_H
#define STORE_CLIENT_H

#include "lotcast/v1/records.pb-c.h"
#include "lotcast/v1/store.pb-c.h"
#include "rpc/channel.h"
#include "rpc/context.h"

/* Parts of a key at most. */
#define STORE_KEY_PARTS_MAX 4

struct store_client;

/* Borrows channel and registry for its life. Any thread may use it. NULL when out of memory. */
struct store_client *store_client_create(struct rpc_channel *channel,
                                         const struct registry *registry);
void store_client_destroy(struct store_client *client);

/* A key's values in the order of its fields. Plain value; texts and bytes are borrowed. */
struct store_key_part {
    enum { STORE_KEY_NUMBER, STORE_KEY_TEXT, STORE_KEY_DATA } kind;
    int64_t number;
    struct span data;
};

struct store_key {
    size_t count;
    struct store_key_part parts[STORE_KEY_PARTS_MAX];
};

static inline struct store_key_part store_number(int64_t number)
{
    return (struct store_key_part){.kind = STORE_KEY_NUMBER, .number = number};
}
static inline struct store_key_part store_text(const char *text)
{
    return (struct store_key_part){.kind = STORE_KEY_TEXT, .data = span_of_string(text)};
}
static inline struct store_key_part store_data(const void *data, size_t len)
{
    return (struct store_key_part){.kind = STORE_KEY_DATA, .data = span_of(data, len)};
}

/* store_key(store_number(12), store_text("x")) */
#define store_key(...)                                                   \
    ((struct store_key){sizeof((struct store_key_part[]){__VA_ARGS__}) / \
                            sizeof(struct store_key_part),               \
                        {__VA_ARGS__}})

/* --- reading: a batch in one snapshot --- */

/* One op of a batch and, after store_read, its result. */
struct store_read_op {
    /* what is asked */
    const ProtobufCMessageDescriptor *record; /* its type */
    const char *index;                        /* NULL: the primary key */
    struct store_key key; /* get: all parts; range: the first ones (possibly none) */
    bool is_range;
    bool reverse;              /* range: from its end */
    uint32_t limit;            /* range: rows at most; 0: as many as fit into an answer */
    bool has_lower, has_upper; /* range: inclusive bounds of the part behind `key` */
    struct store_key_part lower, upper;
    struct span cursor;  /* range: go on behind an earlier ret_cursor */
    bool count_only;     /* range: only ret_count */
    const char *counter; /* instead of a record: a counter's value in ret_count */
    /* what came back */
    size_t ret_row_count;
    ProtobufCMessage **ret_rows; /* unpacked records */
    uint64_t *ret_versions;
    int64_t ret_count;
    struct span ret_cursor; /* not empty: there is more */
};

/* Fills in the results of all ops, read in one snapshot. */
enum rpc_code store_read(struct store_client *client, struct rpc_context *context,
                         struct store_read_op *ops, size_t count, struct rpc_status *status)
    __attribute__((warn_unused_result));

/*
 * All records whose primary key begins with `key`, of the record's table and those that share its
 * partition group (options.proto); or, without a key, all of the record's table.
 */
struct store_partition {
    const ProtobufCMessageDescriptor *record;
    bool has_key;
    struct store_key_part key;
};

/* A partition in flux: nothing equals it. */
#define STORE_STAMP_NONE UINT64_C(0)

/*
 * As store_read, with the stamps of `partition_count` partitions, one each in `ret_stamps`: as long
 * as a partition has its stamp, a read of it would find the same.
 */
enum rpc_code store_read_stamped(struct store_client *client, struct rpc_context *context,
                                 struct store_read_op *ops, size_t count,
                                 const struct store_partition *partitions, size_t partition_count,
                                 uint64_t *ret_stamps, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* Stamps that one question asks for, at most. */
#define STORE_STAMPS_ASKED_MAX 1024

/*
 * For those who ask after the same stamps often: the packed question, in the arena. Questions one
 * behind the other are one question. RPC_OK, or RPC_RESOURCE_EXHAUSTED.
 */
enum rpc_code store_stamps_pack(const struct store_client *client, struct arena *arena,
                                const struct store_partition *partitions, size_t count,
                                struct span *ret_question, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Asks a packed question without waiting, as rpc_channel_start does. */
struct rpc_call *store_stamps_start(struct store_client *client, const struct rpc_context *context,
                                    struct span question, const struct rpc_call_events *events,
                                    void *arg);
/* The stamps in its answer: `count` of them, or NULL if there are others. To be freed. */
uint64_t *store_stamps_unpack(struct span packed, size_t count);

/* Stamps in sight, which are read without a call: of a store in this process (store_near_of) or on
 * this machine (sight.h). */
struct store_near {
    const void *store;
    bool is_here; /* in this process: while they are read it is alive */
    /* Where a partition's stamp is; `key` NULL: of all the table. */
    enum rpc_code (*find)(const void *store, const Lotcast__V1__Partition *partition,
                          size_t *ret_place, struct rpc_status *status);
    uint64_t (*read)(const void *store, size_t place);
};

/* Says that the channel leads there, as far as is known. Before anyone else uses the client. */
void store_client_set_near(struct store_client *client, const struct store_near *near);
/*
 * Where the stamps of the partitions are, for store_near_stamp. False: none are in sight, there is
 * no such partition, or the arena is full.
 */
bool store_near_find(const struct store_client *client, struct arena *arena,
                     const struct store_partition *partitions, size_t count, uint32_t *ret_places);
/* Whether the stamps in sight are of this process's own store. */
bool store_near_is_here(const struct store_client *client);
/* The stamp that is there now; STORE_STAMP_NONE: in flux, or out of sight. */
uint64_t store_near_stamp(const struct store_client *client, uint32_t place);

/*
 * One record by its primary key (index NULL) or a unique index. An absent record is RPC_OK with
 * NULL and version 0. `ret_record` is the address of a pointer to the record's type (filled in with
 * memcpy, so that any type will do); `ret_version` may be NULL.
 */
enum rpc_code store_get(struct store_client *client, struct rpc_context *context,
                        const ProtobufCMessageDescriptor *record, const char *index,
                        struct store_key key, void *ret_record, uint64_t *ret_version,
                        struct rpc_status *status) __attribute__((warn_unused_result));

/* --- queries: a page of a range's records that pass --- */

struct store_filter_op {
    const char *field; /* a scalar of the record */
    Lotcast__V1__Comparison comparison;
    struct store_key_part value; /* of the field's kind; bools and enums are numbers */
};

/* What is asked and, after store_query, its result. */
struct store_query_op {
    /* Whose record, index, key, bounds, reverse, limit, cursor and count_only are asked for, and
     * whose ret_… hold the page. No cursor with an order. */
    struct store_read_op range;
    const struct store_filter_op *filters; /* all must hold */
    size_t filter_count;
    const char *search;      /* NULL: none; words, all of which must be in the index's texts */
    const char *order_field; /* NULL: the range's order; else range.limit is needed */
    bool order_descending;
    bool order_has_last; /* records with this number come last in both directions */
    int64_t order_last;
    uint32_t offset; /* rows that pass and are skipped */
    bool want_total;
    int64_t ret_total; /* all that pass, if wanted */
};

/*
 * RPC_INVALID_ARGUMENT with the field: no such field, a value of another kind, an order or a search
 * that the index is not made for, more than 64 words or 1,024 bytes of them (field "search").
 */
enum rpc_code store_query(struct store_client *client, struct rpc_context *context,
                          struct store_query_op *query, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* --- writing: all or nothing --- */

struct store_commit {
    struct arena *arena;
    Lotcast__V1__CommitOp **ops;
    size_t count, capacity;
    bool failed; /* sticky: out of arena */
    const struct store_client *client;
};

/* Begins an empty commit in the context's arena. */
void store_commit_init(struct store_commit *commit, const struct store_client *client,
                       struct rpc_context *context);
/*
 * Each adds an op and returns its number, by which its result is found. Records are packed at once.
 * put_new expects that there is no such record; put_version that it has that version (0: absent);
 * put writes whatever is there.
 */
size_t store_commit_put(struct store_commit *commit, const void *record);
size_t store_commit_put_new(struct store_commit *commit, const void *record);
size_t store_commit_put_version(struct store_commit *commit, const void *record, uint64_t version);
/* Deletes, whether it is there or not; or only at that version. */
size_t store_commit_delete(struct store_commit *commit, const ProtobufCMessageDescriptor *record,
                           struct store_key key);
size_t store_commit_delete_version(struct store_commit *commit,
                                   const ProtobufCMessageDescriptor *record, struct store_key key,
                                   uint64_t version);
/* Nothing is written; the commit fails unless the record has that version (0: is absent). */
size_t store_commit_check(struct store_commit *commit, const ProtobufCMessageDescriptor *record,
                          struct store_key key, uint64_t version);
/* Adds to a named counter. */
size_t store_commit_add(struct store_commit *commit, const char *counter, int64_t delta);

/*
 * Sends it. RPC_OK: it is durable, and `ret_response` (may be NULL) has one result an op.
 * RPC_ABORTED: a precondition did not hold (status.field is "ops[N]"). RPC_ALREADY_EXISTS: a unique
 * index has the value already (status.field is the index's name). Neither wrote anything.
 * RPC_UNAVAILABLE and RPC_DEADLINE_EXCEEDED leave it unknown whether it happened.
 */
enum rpc_code store_commit_send(struct store_commit *commit, struct rpc_context *context,
                                const Lotcast__V1__CommitResponse **ret_response,
                                struct rpc_status *status) __attribute__((warn_unused_result));

/* Takes `count` numbers from a counter: returns the first of them, from 1. */
enum rpc_code store_numbers_take(struct store_client *client, struct rpc_context *context,
                                 const char *counter, int64_t count, int64_t *ret_first,
                                 struct rpc_status *status) __attribute__((warn_unused_result));

/* --- for operators --- */

/* A cursor of a check at most, in bytes. */
#define STORE_CHECK_CURSOR_BYTES_MAX 511

/* A copy of all records in a file on the store's machine. RPC_ABORTED: one is under way. */
enum rpc_code store_backup(struct store_client *client, struct rpc_context *context,
                           const Lotcast__V1__BackupResponse **ret_response,
                           struct rpc_status *status) __attribute__((warn_unused_result));

/* The same as a stream of StreamBackupResponses, which the caller closes; its context outlives it.
 */
enum rpc_code store_backup_stream(struct store_client *client, struct rpc_context *context,
                                  struct rpc_stream **ret_stream, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* The next part of a check, behind a cursor; an empty one begins. The last answer has none. */
enum rpc_code store_check_part(struct store_client *client, struct rpc_context *context,
                               struct span cursor, const Lotcast__V1__CheckResponse **ret_response,
                               struct rpc_status *status) __attribute__((warn_unused_result));

/* --- texts --- */

/*
 * Folds valid UTF-8 as indexes that are searched do, without case and accents: texts that people
 * mean to be the same have the same bytes. NULL when out of memory.
 */
const char *store_text_fold(struct arena *arena, const char *text);

#endif
