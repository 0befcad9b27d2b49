/*
 * Searches over an inventory of 100,000 and of 1,000,000 items, each with its true total and the
 * first 50 records.
 *
 *   bench_search [PEER.so]      (in BENCH_DIRECTORY, /var/tmp if that is not set)
 *
 * Ours is the store's Query from its request to its answer, in this process: words folded, a
 * snapshot, the search, the total, and the 50 packed records checked and copied out. The product's
 * inventory page asks just that; another figure has it through the RPC over ipc, with the records
 * unpacked. A peer (peers/search_peer.h) is asked for the same of the same texts, folded already,
 * and records. Totals, ids and all bytes of the records have to be alike. Rounds alternate.
 *
 * Searches of an inventory that has not changed are answered from an image in memory. What the
 * first two cost behind a change, a walk and the making of the image, are figures of their own.
 */
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rpc/base/clock.h"
#include "store/client.h"
#include "store/fold.h"
#include "store/internal.h"
#include "test/bench/items.h"
#include "test/bench/peers/search_peer.h"
#include "test/bench/report.h"

#define ITEMS_A_COMMIT 1000
#define CUSTOMER 1
#define ROUNDS 31
#define ROUNDS_CHANGED 5
#define KINDS 5
#define DRAIN_MS 5000
#define CALL_MS 60000
#define PATH_BYTES 256
#define NAME_BYTES 96
#define FOLDED_BYTES_MAX 512
#define ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct bench {
    char directory[PATH_BYTES];
    int64_t items;
    const struct search_peer *peer; /* or NULL */
    void *opened;                   /* the peer's */
    struct registry *registry;
    struct store *store;
    struct rpc_server *server;
    struct rpc_channel *channel;
    struct store_client *client;
};

struct kind {
    const char *name;
    char words[64];
};

static _Noreturn void give_up(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_search: %s: %s\n", what, why);
    exit(1);
}

static void expect_ok(const char *what, enum rpc_code code, const struct rpc_status *status)
{
    if (code != RPC_OK)
        give_up(what, status->message);
}

static double now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* --- the store --- */

static void open_store(struct bench *bench)
{
    const struct registry_sources sources = registry_sources_get();
    struct rpc_status status;
    char path[PATH_BYTES + 32];
    char url[PATH_BYTES + 32];
    (void)snprintf(path, sizeof path, "%s/store", bench->directory);
    (void)snprintf(url, sizeof url, "ipc://%s/store.sock", bench->directory);
    expect_ok("registry", registry_create(&sources, &bench->registry, &status), &status);
    const struct store_options store_options = {.directory = path, .registry = bench->registry};
    expect_ok("store", store_open(&store_options, &bench->store, &status), &status);
    const struct rpc_server_options options = {.name = "store",
                                               .registry = bench->registry,
                                               .services = store_service(bench->store),
                                               .service_count = 1};
    expect_ok("server", rpc_server_create(&options, &bench->server, &status), &status);
    expect_ok("listen", rpc_server_listen(bench->server, url, RPC_TRUST_ROLE, &status), &status);
    const struct rpc_channel_options channel_options = {.url = url};
    expect_ok("channel", rpc_channel_open(&channel_options, &bench->channel, &status), &status);
    bench->client = store_client_create(bench->channel, bench->registry);
    if (bench->client == NULL)
        give_up("client", "out of memory");
}

static void close_store(struct bench *bench)
{
    static const char *const names[] = {
        "store/data.mdb", "store/lock.mdb", "store/store.lock", "store", "store.sock", "peer", ""};
    store_client_destroy(bench->client);
    rpc_channel_close(bench->channel);
    rpc_server_drain(bench->server, DRAIN_MS);
    rpc_server_destroy(bench->server);
    store_close(bench->store);
    registry_destroy(bench->registry);
    if (bench->peer != NULL)
        bench->peer->close(bench->opened);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[PATH_BYTES + 32];
        (void)snprintf(path, sizeof path, "%s/%s", bench->directory, names[i]);
        (void)remove(path);
    }
}

/* --- filling both --- */

static void fold(const char *text, char folded[static FOLDED_BYTES_MAX])
{
    size_t len = 0;
    if (!store__fold(span_of_string(text), (uint8_t *)folded, FOLDED_BYTES_MAX - 1, &len))
        give_up("fold", "out of memory");
    folded[len] = '\0';
}

static void add_to_peer(const struct bench *bench, const Lotcast__V1__ItemRecord *item)
{
    char folded[SEARCH_TEXTS][FOLDED_BYTES_MAX];
    const char *texts[SEARCH_TEXTS];
    uint8_t packed[4096];
    const char *const plain[SEARCH_TEXTS] = {item->title, item->brand, item->model, item->vin,
                                             item->sku};
    for (size_t i = 0; i < SEARCH_TEXTS; i++) {
        fold(plain[i], folded[i]);
        texts[i] = folded[i];
    }
    if (lotcast__v1__item_record__get_packed_size(item) > sizeof packed)
        give_up("an item", "is too large");
    size_t len = lotcast__v1__item_record__pack(item, packed);
    if (!bench->peer->add(bench->opened, item->item_id, texts, packed, len))
        give_up(bench->peer->name, "takes no item");
}

/* Puts so many items, from this one on. */
static void put_items(struct bench *bench, struct arena *arena, int64_t first, int64_t count)
{
    struct rpc_context context = {.arena = arena, .deadline_ms = clock_mono_ms() + CALL_MS};
    struct rpc_status status;
    struct store_commit commit;
    store_commit_init(&commit, bench->client, &context);
    for (int64_t i = 0; i < count; i++) {
        struct item_texts texts;
        Lotcast__V1__ItemRecord item;
        bench_item_make(CUSTOMER, first + i, &texts, &item);
        (void)store_commit_put(&commit, &item);
    }
    expect_ok("commit", store_commit_send(&commit, &context, NULL, &status), &status);
    arena_reset(arena);
}

static void fill(struct bench *bench, struct arena *arena)
{
    char path[PATH_BYTES + 32];
    int64_t begin_ms = clock_mono_ms();
    for (int64_t number = 1; number <= bench->items; number += ITEMS_A_COMMIT)
        put_items(bench, arena, number, ITEMS_A_COMMIT);
    printf("%lld items written in %.1f s", (long long)bench->items,
           (double)(clock_mono_ms() - begin_ms) / 1000);
    if (bench->peer == NULL) {
        printf("\n");
        return;
    }
    (void)snprintf(path, sizeof path, "%s/peer", bench->directory);
    begin_ms = clock_mono_ms();
    bench->opened = bench->peer->open(path);
    if (bench->opened == NULL)
        give_up(bench->peer->name, "does not open");
    for (int64_t number = 1; number <= bench->items; number++) {
        struct item_texts texts;
        Lotcast__V1__ItemRecord item;
        bench_item_make(CUSTOMER, number, &texts, &item);
        add_to_peer(bench, &item);
    }
    if (!bench->peer->finish(bench->opened))
        give_up(bench->peer->name, "does not finish");
    printf(", by %s (without syncs) in %.1f s\n", bench->peer->name,
           (double)(clock_mono_ms() - begin_ms) / 1000);
    (void)fflush(stdout);
}

/* --- asking --- */

static uint64_t sum_of(const uint8_t *bytes, size_t len)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += bytes[i];
    return sum;
}

/* In this process; in ms. The page's ids are read when the time has been taken. */
static double ask_store(struct bench *bench, struct arena *arena, const char *words,
                        struct search_page *ret_page)
{
    Lotcast__V1__KeyPart part = LOTCAST__V1__KEY_PART__INIT;
    Lotcast__V1__KeyPart *parts = &part;
    Lotcast__V1__RangeOp range = LOTCAST__V1__RANGE_OP__INIT;
    Lotcast__V1__QueryRequest request = LOTCAST__V1__QUERY_REQUEST__INIT;
    Lotcast__V1__QueryResponse response = LOTCAST__V1__QUERY_RESPONSE__INIT;
    struct rpc_status status;
    const Lotcast__V1__TableRules *table =
        registry_message_of(bench->registry, &lotcast__v1__item_record__descriptor)->table;
    part.kind_case = LOTCAST__V1__KEY_PART__KIND_NUMBER;
    part.number = CUSTOMER;
    range.table = table->id;
    for (size_t i = 0; i < table->n_indexes; i++)
        range.index = table->indexes[i]->n_search > 0 ? table->indexes[i]->id : range.index;
    range.prefix = &parts;
    range.n_prefix = 1;
    range.limit = SEARCH_PAGE_MAX;
    request.range = &range;
    request.search = (char *)words;
    request.want_total = true;
    struct rpc_context context = {.arena = arena, .deadline_ms = clock_mono_ms() + CALL_MS};
    *ret_page = (struct search_page){.total = 0};
    double begin_ms = now_ms();
    enum rpc_code code = store__query(bench->store, &context, &request, &response, &status);
    for (size_t i = 0; code == RPC_OK && i < response.n_rows; i++) {
        ret_page->bytes += response.rows[i]->value.len;
        ret_page->sum += sum_of(response.rows[i]->value.data, response.rows[i]->value.len);
    }
    double took_ms = now_ms() - begin_ms;
    expect_ok("query", code, &status);
    ret_page->total = response.total;
    for (; ret_page->count < response.n_rows; ret_page->count++) {
        const ProtobufCBinaryData *packed = &response.rows[ret_page->count]->value;
        Lotcast__V1__ItemRecord *item =
            lotcast__v1__item_record__unpack(&arena->protobuf, packed->len, packed->data);
        if (item == NULL)
            give_up("query", "a record is broken");
        ret_page->ids[ret_page->count] = item->item_id;
    }
    arena_reset(arena);
    return took_ms;
}

/* Over ipc, unpacked; in ms. */
static double ask_rpc(struct bench *bench, struct arena *arena, const char *words, int64_t total)
{
    struct store_query_op query = {.range = {.record = &lotcast__v1__item_record__descriptor,
                                             .index = "listing",
                                             .key = store_key(store_number(CUSTOMER)),
                                             .is_range = true,
                                             .limit = SEARCH_PAGE_MAX},
                                   .search = words,
                                   .want_total = true};
    struct rpc_context context = {.arena = arena, .deadline_ms = clock_mono_ms() + CALL_MS};
    struct rpc_status status;
    double begin_ms = now_ms();
    expect_ok("query", store_query(bench->client, &context, &query, &status), &status);
    double took_ms = now_ms() - begin_ms;
    if (query.ret_total != total)
        give_up(words, "another total through the RPC");
    arena_reset(arena);
    return took_ms;
}

static double ask_peer(const struct bench *bench, const char *words, const struct search_page *ours)
{
    struct search_page page;
    double begin_ms = now_ms();
    if (!bench->peer->search(bench->opened, words, SEARCH_PAGE_MAX, &page))
        give_up(bench->peer->name, "a search fails");
    double took_ms = now_ms() - begin_ms;
    if (page.total != ours->total || page.count != ours->count || page.bytes != ours->bytes ||
        page.sum != ours->sum || memcmp(page.ids, ours->ids, page.count * sizeof page.ids[0]) != 0)
        give_up(words, "both do not find the same");
    return took_ms;
}

/* --- measuring --- */

struct measured {
    double ours[KINDS + 1][ROUNDS], rpc[KINDS + 1][ROUNDS], peers[KINDS + 1][ROUNDS];
    int64_t totals[KINDS];
};

static void make_kinds(int64_t items, struct kind kinds[static KINDS])
{
    struct item_texts texts;
    Lotcast__V1__ItemRecord item;
    char vin[FOLDED_BYTES_MAX];
    bench_item_make(CUSTOMER, items / 2, &texts, &item);
    fold(texts.vin, vin);
    kinds[0] = (struct kind){"a common word", "honda"};
    kinds[1] = (struct kind){"two words", "skoda combi"};
    kinds[2] = (struct kind){"a substring", "xdrive4"};
    kinds[3] = (struct kind){.name = "a VIN"};
    (void)snprintf(kinds[3].words, sizeof kinds[3].words, "%.17s", vin);
    kinds[4] = (struct kind){"a miss", "lamborghini"};
}

static void run_rounds(struct bench *bench, struct arena *arena, const struct kind *kinds,
                       struct measured *measured)
{
    struct search_page page;
    for (size_t kind = 0; kind < KINDS; kind++) /* all is warm afterwards */
        (void)ask_rpc(bench, arena, kinds[kind].words,
                      (ask_store(bench, arena, kinds[kind].words, &page), page.total));
    for (size_t round = 0; round < ROUNDS; round++) {
        double sums[3] = {0, 0, 0};
        for (size_t kind = 0; kind < KINDS; kind++) {
            const char *words = kinds[kind].words;
            double ours = ask_store(bench, arena, words, &page);
            double rpc = ask_rpc(bench, arena, words, page.total);
            double peers = bench->peer == NULL ? 1 : ask_peer(bench, words, &page);
            measured->ours[kind][round] = ours;
            measured->rpc[kind][round] = rpc;
            measured->peers[kind][round] = peers;
            measured->totals[kind] = page.total;
            sums[0] += log(ours);
            sums[1] += log(rpc);
            sums[2] += log(peers);
        }
        measured->ours[KINDS][round] = exp(sums[0] / KINDS);
        measured->rpc[KINDS][round] = exp(sums[1] / KINDS);
        measured->peers[KINDS][round] = exp(sums[2] / KINDS);
    }
}

static void report(const struct bench *bench, const struct kind *kinds, struct measured *measured,
                   const char *size)
{
    for (size_t kind = 0; kind <= KINDS; kind++) {
        char names[3][NAME_BYTES];
        const char *name = kind == KINDS ? "geometric mean" : kinds[kind].name;
        (void)snprintf(names[0], NAME_BYTES, "search %s: %s", size, name);
        (void)snprintf(names[1], NAME_BYTES, "search %s over ipc: %s", size, name);
        (void)snprintf(names[2], NAME_BYTES, "%s", bench->peer == NULL ? "" : bench->peer->name);
        struct bench_series ours = {names[0], "ms", measured->ours[kind], ROUNDS};
        struct bench_series rpc = {names[1], "ms", measured->rpc[kind], ROUNDS};
        struct bench_series peers = {names[2], "ms", measured->peers[kind], ROUNDS};
        bench_report(&ours, bench->peer == NULL ? NULL : &peers);
        bench_report(&rpc, bench->peer == NULL ? NULL : &peers);
        if (kind < KINDS)
            printf("  %s: %lld found\n", kinds[kind].words, (long long)measured->totals[kind]);
    }
}

/* What the first searches cost behind a change. */
static void run_changed(struct bench *bench, struct arena *arena, const char *words,
                        const char *size)
{
    double first[ROUNDS_CHANGED], second[ROUNDS_CHANGED];
    char names[2][NAME_BYTES];
    struct search_page page;
    for (int64_t round = 0; round < ROUNDS_CHANGED; round++) {
        put_items(bench, arena, 1 + round * ITEMS_A_COMMIT, 1);
        first[round] = ask_store(bench, arena, words, &page);
        second[round] = ask_store(bench, arena, words, &page);
    }
    (void)snprintf(names[0], NAME_BYTES, "search %s: the first behind a change", size);
    (void)snprintf(names[1], NAME_BYTES, "search %s: the second behind a change", size);
    bench_report(&(struct bench_series){names[0], "ms", first, ROUNDS_CHANGED}, NULL);
    bench_report(&(struct bench_series){names[1], "ms", second, ROUNDS_CHANGED}, NULL);
}

static void run(const struct search_peer *peer, int64_t items, const char *size)
{
    static struct measured measured;
    struct bench bench = {.items = items, .peer = peer};
    struct kind kinds[KINDS];
    struct arena arena;
    const char *disk = getenv("BENCH_DIRECTORY");
    (void)snprintf(bench.directory, sizeof bench.directory, "%s/bench-search-XXXXXX",
                   disk == NULL ? "/var/tmp" : disk);
    if (mkdtemp(bench.directory) == NULL)
        give_up(bench.directory, strerror(errno));
    arena_init(&arena, ARENA_BYTES_MAX);
    open_store(&bench);
    fill(&bench, &arena);
    make_kinds(items, kinds);
    run_rounds(&bench, &arena, kinds, &measured);
    report(&bench, kinds, &measured, size);
    run_changed(&bench, &arena, kinds[0].words, size);
    close_store(&bench);
    arena_fini(&arena);
}

int main(int argc, char **argv)
{
    const struct search_peer *peer = NULL;
    if (argc > 1) {
        void *library = dlopen(argv[1], RTLD_NOW);
        peer = library == NULL ? NULL : dlsym(library, SEARCH_PEER_SYMBOL);
        if (peer == NULL)
            give_up(argv[1], dlerror());
    }
    run(peer, 100000, "100,000");
    run(peer, 1000000, "1,000,000");
    return 0;
}
