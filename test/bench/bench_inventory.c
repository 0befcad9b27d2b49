/*
 * How long pages of an inventory of 100,000 items take, through the RPC.
 *
 *   bench_inventory [DIRECTORY]      (default /var/tmp: the store writes to its disk)
 *
 * The store runs in this process behind ipc, as another role would call it. Each question is asked
 * ROUNDS times by one caller, with its total; the 99th percentile is printed beside the figures.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rpc/base/clock.h"
#include "store/client.h"
#include "store/store.h"
#include "test/bench/items.h"
#include "test/bench/report.h"

#define ITEMS 100000
#define ITEMS_A_COMMIT 1000
#define CUSTOMERS 2
#define ROUNDS 200
#define DRAIN_MS 5000
#define CALL_MS 60000
#define PATH_BYTES 256
#define LIMIT 50

static _Noreturn void give_up(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_inventory: %s: %s\n", what, why);
    exit(1);
}

static void expect_ok(const char *what, enum rpc_code code, const struct rpc_status *status)
{
    if (code != RPC_OK)
        give_up(what, status->message);
}

/* --- items --- */

static void fill(struct store_client *client, int64_t customer_id)
{
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    for (int64_t number = 1; number <= ITEMS; number += ITEMS_A_COMMIT) {
        struct rpc_context context = {.arena = &arena, .deadline_ms = clock_mono_ms() + CALL_MS};
        struct rpc_status status;
        struct store_commit commit;
        store_commit_init(&commit, client, &context);
        for (int64_t i = 0; i < ITEMS_A_COMMIT; i++) {
            struct item_texts texts;
            Lotcast__V1__ItemRecord item;
            bench_item_make(customer_id, number + i, &texts, &item);
            (void)store_commit_put(&commit, &item);
        }
        expect_ok("commit", store_commit_send(&commit, &context, NULL, &status), &status);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

/* --- questions --- */

struct question {
    const char *name;
    const char *search;
    bool in_stock;
    bool priced; /* from 10,000 to 20,000 */
    const char *order;
    bool descending;
    uint32_t offset;
};

static const struct question questions[] = {
    {"list, first page", NULL, false, false, NULL, false, 0},
    {"list, last page", NULL, false, false, NULL, false, ITEMS - LIMIT},
    {"in stock", NULL, true, false, NULL, false, 0},
    {"in stock, prices", NULL, true, true, NULL, false, 0},
    {"sort by price", NULL, false, false, "price_minor", false, 0},
    {"sort by -price, in stock", NULL, true, false, "price_minor", true, 0},
    {"sort by title", NULL, false, false, "title", false, 0},
    {"sort by title, middle page", NULL, false, false, "title", false, ITEMS / 2},
    {"search: common word", "honda", false, false, NULL, false, 0},
    {"search: two words", "skoda octavia", false, false, NULL, false, 0},
    {"search: part of a word", "xdrive4", false, false, NULL, false, 0},
    {"search: a stock number", "stk-098765", false, false, NULL, false, 0},
    {"search: nothing has it", "lamborghini", false, false, NULL, false, 0},
    {"search, filter and sort", "citroen feel", true, true, "price_minor", false, 0},
};

static int64_t ask(struct store_client *client, struct arena *arena,
                   const struct question *question, int64_t *ret_total)
{
    struct store_filter_op filters[3];
    struct store_query_op query = {.range = {.record = &lotcast__v1__item_record__descriptor,
                                             .index = "listing",
                                             .key = store_key(store_number(1)),
                                             .is_range = true,
                                             .limit = LIMIT},
                                   .filters = filters,
                                   .search = question->search,
                                   .order_field = question->order,
                                   .order_descending = question->descending,
                                   .offset = question->offset,
                                   .want_total = true};
    if (question->order != NULL && question->order[0] == 'p') {
        query.order_has_last = true;
        query.order_last = -1;
    }
    if (question->in_stock)
        filters[query.filter_count++] = (struct store_filter_op){
            "in_stock", LOTCAST__V1__COMPARISON__COMPARISON_EQUAL, store_number(1)};
    if (question->priced) {
        filters[query.filter_count++] = (struct store_filter_op){
            "price_minor", LOTCAST__V1__COMPARISON__COMPARISON_GREATER_OR_EQUAL,
            store_number(1000000)};
        filters[query.filter_count++] = (struct store_filter_op){
            "price_minor", LOTCAST__V1__COMPARISON__COMPARISON_LESS_OR_EQUAL,
            store_number(2000000)};
    }
    struct rpc_context context = {.arena = arena, .deadline_ms = clock_mono_ms() + CALL_MS};
    struct rpc_status status;
    int64_t begin_us = clock_mono_us();
    expect_ok("query", store_query(client, &context, &query, &status), &status);
    int64_t took_us = clock_mono_us() - begin_us;
    *ret_total = query.ret_total;
    arena_reset(arena);
    return took_us;
}

static void measure(struct store_client *client)
{
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        double took_ms[ROUNDS];
        int64_t total = 0;
        for (int round = 0; round < ROUNDS; round++)
            took_ms[round] = (double)ask(client, &arena, &questions[i], &total) / 1000;
        struct bench_series series = {questions[i].name, "ms", took_ms, ROUNDS};
        bench_report(&series, NULL);
        printf("  total %lld, p99 %.1f ms\n", (long long)total, bench_quantile(&series, 0.99));
        (void)fflush(stdout);
    }
    arena_fini(&arena);
}

/* --- the store --- */

static void run(const char *directory, const char *url)
{
    const struct registry_sources sources = registry_sources_get();
    struct registry *registry = NULL;
    struct store *store = NULL;
    struct rpc_server *server = NULL;
    struct rpc_channel *channel = NULL;
    struct rpc_status status;
    expect_ok("registry", registry_create(&sources, &registry, &status), &status);
    const struct store_options store_options = {.directory = directory, .registry = registry};
    expect_ok("store", store_open(&store_options, &store, &status), &status);
    const struct rpc_server_options options = {.name = "store",
                                               .registry = registry,
                                               .services = store_service(store),
                                               .service_count = 1};
    expect_ok("server", rpc_server_create(&options, &server, &status), &status);
    expect_ok("listen", rpc_server_listen(server, url, RPC_TRUST_ROLE, &status), &status);
    const struct rpc_channel_options channel_options = {.url = url};
    expect_ok("channel", rpc_channel_open(&channel_options, &channel, &status), &status);
    struct store_client *client = store_client_create(channel, registry);
    if (client == NULL)
        give_up("client", "out of memory");
    int64_t begin_ms = clock_mono_ms();
    for (int64_t customer_id = 1; customer_id <= CUSTOMERS; customer_id++)
        fill(client, customer_id);
    double seconds = (double)(clock_mono_ms() - begin_ms) / 1000;
    printf("writing: %.0f items/s in commits of %d\n", CUSTOMERS * ITEMS / seconds, ITEMS_A_COMMIT);
    measure(client);
    store_client_destroy(client);
    rpc_channel_close(channel);
    rpc_server_drain(server, DRAIN_MS);
    rpc_server_destroy(server);
    store_close(store);
    registry_destroy(registry);
}

static void clean_up(const char *directory)
{
    static const char *const names[] = {"store/data.mdb", "store/lock.mdb", "store/store.lock",
                                        "store",          "store.sock",     ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        (void)remove(path);
    }
}

int main(int argc, char **argv)
{
    char directory[PATH_BYTES - 32];
    char store_directory[PATH_BYTES];
    char url[PATH_BYTES];
    (void)snprintf(directory, sizeof directory, "%s/bench-inventory-XXXXXX",
                   argc > 1 ? argv[1] : "/var/tmp");
    if (mkdtemp(directory) == NULL)
        give_up(directory, strerror(errno));
    (void)snprintf(store_directory, sizeof store_directory, "%s/store", directory);
    (void)snprintf(url, sizeof url, "req+ipc://%s/store.sock", directory);
    run(store_directory, url);
    clean_up(directory);
    return 0;
}
