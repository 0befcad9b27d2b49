/*
 * Reading: gets, ranges and queries in one snapshot.
 *
 * Requests are checked and turned into keys before the transaction is opened (prepare), and run
 * with it open, when nothing but the engine is called and each record is copied once, unparsed,
 * into the call's arena.
 */
#ifndef STORE_QUERY_H
#define STORE_QUERY_H

#include "lotcast/v1/store.pb-c.h"
#include "rpc/context.h"
#include "store/record.h"

/* Ops of one read, and filters of one query, at most. */
#define STORE_READ_OPS_MAX 4096
/* Stamps that one call asks for, at most. */
#define STORE_PARTITIONS_MAX 1024
#define STORE_FILTERS_MAX 16
/* Words of one search at most. */
#define STORE_WORDS_MAX 64
/* Rows of an answer, with what each costs beside its bytes: ranges are cut there … */
#define STORE_ANSWER_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define STORE_ROW_BYTES 64
/* … and gets may go up to here, below RPC_MESSAGE_BYTES_MAX. */
#define STORE_ANSWER_BYTES_HARD_MAX ((size_t)14 * 1024 * 1024)

/* An open snapshot and what an answer may still hold. */
struct store_reader {
    struct store_engine *engine;
    struct store_txn *txn;
    const struct rpc_context
        *context;        /* its arena takes the rows; asked now and then whether to stop */
    size_t answer_bytes; /* so far */
    uint32_t steps;      /* since the context was asked */
};

struct store_image;

struct store_get {
    const struct store_index *index;
    struct span key;
};

struct store_range {
    const struct store_index *index;
    struct span begin, end; /* keys: begin inclusive, end exclusive; in the arena */
    bool reverse;
    bool count_only;
    bool is_whole;      /* all entries with these values of the index's own fields */
    uint32_t limit;     /* 0: none */
    struct span cursor; /* as it was given: where to begin again if not one row fits */
};

struct store_filter {
    Lotcast__V1__Comparison comparison;
    struct store_value value;
};

/* What rows are ordered by. */
struct store_order {
    bool is_set;
    bool is_text;
    bool descending;
    bool has_last;
    int64_t last;
    size_t search; /* of a text: its place in the index's search */
    size_t field;  /* of a number: its place in the query's fields */
};

struct store_query {
    struct store_range range;
    size_t filter_count;
    struct store_filter filters[STORE_FILTERS_MAX];
    /* Fields whose values are looked at: the filters' in their order, then the order's. */
    size_t field_count;
    const ProtobufCFieldDescriptor *fields[STORE_FILTERS_MAX + 1];
    /* The index keeps them all, in these places of its covers: records stay closed. */
    bool is_covered;
    size_t covers[STORE_FILTERS_MAX + 1];
    size_t word_count;
    struct span words[STORE_WORDS_MAX]; /* folded, in the arena */
    struct store_order order;
    uint32_t offset;
    bool want_total;
};

/* Each: RPC_INVALID_ARGUMENT with the field, or RPC_RESOURCE_EXHAUSTED when the arena is full. */
enum rpc_code store__get_prepare(const struct store_tables *tables, const Lotcast__V1__GetOp *op,
                                 struct arena *arena, struct store_get *ret_get,
                                 struct rpc_status *status) __attribute__((warn_unused_result));
enum rpc_code store__range_prepare(const struct store_tables *tables,
                                   const Lotcast__V1__RangeOp *op, struct arena *arena,
                                   struct store_range *ret_range, struct rpc_status *status)
    __attribute__((warn_unused_result));
enum rpc_code store__query_prepare(const struct store_tables *tables,
                                   const Lotcast__V1__QueryRequest *request, struct arena *arena,
                                   struct store_query *ret_query, struct rpc_status *status)
    __attribute__((warn_unused_result));

/*
 * With the snapshot open. Each fills in the answer from the context's arena. Errors: RPC_DATA_LOSS,
 * RPC_CANCELLED, RPC_DEADLINE_EXCEEDED, RPC_RESOURCE_EXHAUSTED, and the engine's.
 */
enum rpc_code store__get_run(struct store_reader *reader, const struct store_get *get,
                             Lotcast__V1__ReadResult *result, struct rpc_status *status)
    __attribute__((warn_unused_result));
enum rpc_code store__counter_run(struct store_reader *reader, struct span key,
                                 Lotcast__V1__ReadResult *result, struct rpc_status *status)
    __attribute__((warn_unused_result));
enum rpc_code store__range_run(struct store_reader *reader, const struct store_range *range,
                               Lotcast__V1__ReadResult *result, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* From the image, if one is given, instead of a walk (image.h). */
enum rpc_code store__query_run(struct store_reader *reader, const struct store_query *query,
                               const struct store_image *image,
                               Lotcast__V1__QueryResponse *response, struct rpc_status *status)
    __attribute__((warn_unused_result));

#endif
