#include "rpc/services/jobs/pages.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HASH_BYTES 16
/* One commit. */
#define PAGES_COMMIT_MAX 200
#define PAGES_COMMIT_BYTES_MAX ((size_t)2 * 1024 * 1024)
/* Records of one read, when those of vanished pages are looked for. */
#define PAGES_READ_ROWS 200
#define SEEN_FIRST 1024
/* Readings ahead that are kept: a page is asked about a while before its answer comes. */
#define AHEAD_KEPT 4

struct hash {
    uint8_t bytes[HASH_BYTES];
};

/* Records that have been read before they are asked for; NULL: there is none. */
struct ahead {
    struct arena arena;
    size_t count;
    struct hash hashes[SITE_AHEAD_MAX];
    Lotcast__V1__PageRecord *records[SITE_AHEAD_MAX];
};

struct jobs_pages {
    struct site_memory memory;
    struct job_step *step;
    struct ahead ahead[AHEAD_KEPT];
    size_t ahead_next;          /* the oldest */
    struct arena arena;         /* the commit's */
    struct store_commit commit; /* what has not been sent yet */
    bool has_commit;
    bool is_out; /* the store does not take it: nothing more is written */
    struct hash *seen;
    size_t seen_count, seen_capacity;
};

static const ProtobufCMessageDescriptor *const page_record = &lotcast__v1__page_record__descriptor;

static struct hash hash_of(const char *url)
{
    struct hash hash;
    (void)crypto_generichash(hash.bytes, sizeof hash.bytes, (const unsigned char *)url, strlen(url),
                             NULL, 0);
    return hash;
}

static struct store_key key_of(const struct jobs_pages *pages, const uint8_t *hash)
{
    return store_key(store_number(pages->step->job->customer_id), store_data(hash, HASH_BYTES));
}

/* ---- writing ---- */

static void begin_commit(struct jobs_pages *pages)
{
    if (pages->has_commit)
        return;
    arena_reset(&pages->arena);
    struct rpc_context context = jobs__store_context_in(pages->step, &pages->arena);
    store_commit_init(&pages->commit, pages->step->services->options.store, &context);
    pages->has_commit = true;
}

static void send_commit(struct jobs_pages *pages)
{
    struct rpc_status status;
    if (!pages->has_commit)
        return;
    pages->has_commit = false;
    if (pages->commit.count > 0 && !pages->is_out &&
        jobs__step_commit(pages->step, &pages->commit, &status) != RPC_OK)
        pages->is_out = true;
}

static void send_if_large(struct jobs_pages *pages)
{
    if (pages->commit.count >= PAGES_COMMIT_MAX ||
        pages->arena.used_bytes >= PAGES_COMMIT_BYTES_MAX)
        send_commit(pages);
}

/* ---- what the scan asks for ---- */

static void prepare(void *pages_, const char *const *urls, size_t count)
{
    struct jobs_pages *pages = pages_;
    struct ahead *ahead = &pages->ahead[pages->ahead_next];
    struct rpc_status status;
    pages->ahead_next = (pages->ahead_next + 1) % AHEAD_KEPT;
    ahead->count = 0;
    arena_reset(&ahead->arena);
    struct store_read_op *ops = arena_calloc(&ahead->arena, count, sizeof *ops);
    if (ops == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        ahead->hashes[i] = hash_of(urls[i]);
        ops[i].record = page_record;
        ops[i].key = key_of(pages, ahead->hashes[i].bytes);
    }
    struct rpc_context context = jobs__store_context_in(pages->step, &ahead->arena);
    if (store_read(pages->step->services->options.store, &context, ops, count, &status) != RPC_OK)
        return; /* too much at once: they are read one by one */
    for (size_t i = 0; i < count; i++)
        ahead->records[i] =
            ops[i].ret_row_count > 0 ? (Lotcast__V1__PageRecord *)ops[i].ret_rows[0] : NULL;
    ahead->count = count;
}

/* Whether the record has been read already, and is there. */
static bool find_ahead(const struct jobs_pages *pages, struct hash hash,
                       Lotcast__V1__PageRecord **ret_page)
{
    for (size_t i = 1; i <= AHEAD_KEPT; i++) { /* the newest first */
        size_t at = (pages->ahead_next + AHEAD_KEPT - i) % AHEAD_KEPT;
        const struct ahead *ahead = &pages->ahead[at];
        for (size_t j = 0; j < ahead->count; j++) {
            if (memcmp(ahead->hashes[j].bytes, hash.bytes, HASH_BYTES) == 0) {
                *ret_page = ahead->records[j];
                return true;
            }
        }
    }
    return false;
}

static Lotcast__V1__PageRecord *find(void *pages_, const char *url, struct arena *arena)
{
    struct jobs_pages *pages = pages_;
    struct hash hash = hash_of(url);
    struct rpc_status status;
    Lotcast__V1__PageRecord *page = NULL;
    if (find_ahead(pages, hash, &page))
        return page;
    struct rpc_context context = jobs__store_context_in(pages->step, arena);
    enum rpc_code code = store_get(pages->step->services->options.store, &context, page_record,
                                   NULL, key_of(pages, hash.bytes), &page, NULL, &status);
    return code == RPC_OK ? page : NULL;
}

static bool mark_seen(struct jobs_pages *pages, struct hash hash)
{
    if (pages->seen_count == pages->seen_capacity) {
        size_t capacity = pages->seen_capacity == 0 ? SEEN_FIRST : pages->seen_capacity * 2;
        struct hash *seen = reallocarray(pages->seen, capacity, sizeof *seen);
        if (seen == NULL)
            return false;
        pages->seen = seen;
        pages->seen_capacity = capacity;
    }
    pages->seen[pages->seen_count++] = hash;
    return true;
}

static void keep(void *pages_, const char *url, Lotcast__V1__PageRecord *page)
{
    struct jobs_pages *pages = pages_;
    struct hash hash = hash_of(url);
    if (!mark_seen(pages, hash))
        pages->is_out = true; /* it would be taken for vanished */
    if (page == NULL || pages->is_out)
        return;
    begin_commit(pages);
    page->customer_id = pages->step->job->customer_id;
    page->url_hash = (ProtobufCBinaryData){sizeof hash.bytes, hash.bytes};
    (void)store_commit_put(&pages->commit, page);
    page->url_hash = (ProtobufCBinaryData){0};
    send_if_large(pages);
}

/* ---- what has vanished ---- */

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, HASH_BYTES);
}

/* Sorts what was seen, each once. */
static void sort_seen(struct jobs_pages *pages)
{
    size_t kept = 0;
    if (pages->seen_count > 0)
        qsort(pages->seen, pages->seen_count, sizeof *pages->seen, compare);
    for (size_t i = 0; i < pages->seen_count; i++) {
        if (kept == 0 || compare(&pages->seen[kept - 1], &pages->seen[i]) != 0)
            pages->seen[kept++] = pages->seen[i];
    }
    pages->seen_count = kept;
}

static struct store_read_op all_of(const struct jobs_pages *pages)
{
    return (struct store_read_op){.record = page_record,
                                  .key = store_key(store_number(pages->step->job->customer_id)),
                                  .is_range = true,
                                  .limit = PAGES_READ_ROWS};
}

/* Whether there are more records than pages were seen; each of those has one. */
static bool has_vanished(struct jobs_pages *pages, struct arena *arena)
{
    struct rpc_status status;
    struct store_read_op op = all_of(pages);
    struct rpc_context context = jobs__store_context_in(pages->step, arena);
    op.count_only = true;
    op.limit = 0;
    enum rpc_code code =
        store_read(pages->step->services->options.store, &context, &op, 1, &status);
    return code == RPC_OK && op.ret_count > (int64_t)pages->seen_count;
}

static void forget_unseen(struct jobs_pages *pages, const struct store_read_op *rows)
{
    for (size_t i = 0; i < rows->ret_row_count; i++) {
        const Lotcast__V1__PageRecord *page = (const Lotcast__V1__PageRecord *)rows->ret_rows[i];
        bool is_seen = page->url_hash.len == HASH_BYTES && pages->seen_count > 0 &&
                       bsearch(page->url_hash.data, pages->seen, pages->seen_count,
                               sizeof *pages->seen, compare) != NULL;
        if (is_seen)
            continue;
        begin_commit(pages);
        /* The commit outlives the rows. */
        char *hash = arena_strndup(&pages->arena, page->url_hash.data, page->url_hash.len);
        if (hash == NULL) {
            pages->is_out = true;
            return;
        }
        (void)store_commit_delete(
            &pages->commit, page_record,
            store_key(store_number(page->customer_id), store_data(hash, page->url_hash.len)));
        send_if_large(pages);
    }
}

static void forget_vanished(struct jobs_pages *pages)
{
    struct arena arenas[2]; /* a page of rows lends its cursor to the next read */
    struct span cursor = {0};
    arena_init(&arenas[0], JOBS_READ_BYTES_MAX);
    arena_init(&arenas[1], JOBS_READ_BYTES_MAX);
    sort_seen(pages);
    bool goes_on = has_vanished(pages, &arenas[1]);
    for (size_t at = 0; goes_on && !pages->is_out; at ^= 1) {
        struct rpc_status status;
        struct store_read_op op = all_of(pages);
        arena_reset(&arenas[at]);
        struct rpc_context context = jobs__store_context_in(pages->step, &arenas[at]);
        op.cursor = cursor;
        goes_on =
            store_read(pages->step->services->options.store, &context, &op, 1, &status) == RPC_OK;
        if (goes_on)
            forget_unseen(pages, &op);
        cursor = op.ret_cursor;
        goes_on = goes_on && cursor.len > 0;
    }
    arena_fini(&arenas[0]);
    arena_fini(&arenas[1]);
}

/* ---- the whole ---- */

struct jobs_pages *jobs__pages_open(struct job_step *step)
{
    struct jobs_pages *pages = calloc(1, sizeof *pages);
    if (pages == NULL || sodium_init() < 0) {
        free(pages);
        return NULL;
    }
    pages->step = step;
    pages->memory =
        (struct site_memory){.arg = pages, .find = find, .keep = keep, .prepare = prepare};
    for (size_t i = 0; i < AHEAD_KEPT; i++)
        arena_init(&pages->ahead[i].arena, JOBS_READ_BYTES_MAX);
    arena_init(&pages->arena, JOBS_READ_BYTES_MAX);
    return pages;
}

const struct site_memory *jobs__pages_memory(const struct jobs_pages *pages)
{
    return pages == NULL ? NULL : &pages->memory;
}

void jobs__pages_close(struct jobs_pages *pages, bool is_complete)
{
    if (pages == NULL)
        return;
    send_commit(pages);
    if (is_complete && !pages->is_out)
        forget_vanished(pages);
    send_commit(pages);
    arena_fini(&pages->arena);
    for (size_t i = 0; i < AHEAD_KEPT; i++)
        arena_fini(&pages->ahead[i].arena);
    free(pages->seen);
    free(pages);
}
