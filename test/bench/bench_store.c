/*
 * Commits a second through the RPC, beside one put a transaction on bare LMDB.
 *
 *   bench_store [DIRECTORY]      (default /var/tmp: both write to its disk)
 *
 * The store runs in a process of its own behind req+ipc; CALLERS threads here each wait for their
 * commit's acknowledgement, which comes after its sync, before they send the next. Bare LMDB puts
 * the same bytes with default flags, a transaction and so a sync for each, from one thread (more
 * would wait for the same lock). Rounds of both alternate; medians are printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rpc/base/clock.h"
#include "store/client.h"
#include "store/metrics.h"
#include "store/record.h"
#include "store/store.h"
#include "test/bench/report.h"

#define CALLERS 64 /* as the figure's name says */
#define ROUNDS 5
#define ROUND_MS 2000
#define DRAIN_MS 5000
#define MAP_BYTES ((size_t)4 << 30)
#define PATH_BYTES 256
/* Records are spread over so many keys. */
#define KEYS 1000000

static _Noreturn void give_up(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_store: %s: %s\n", what, why);
    exit(1);
}

static void expect_ok(const char *what, enum rpc_code code, const struct rpc_status *status)
{
    if (code != RPC_OK)
        give_up(what, status->message);
}

static struct registry *make_registry(void)
{
    const struct registry_sources sources = registry_sources_get();
    struct registry *registry = NULL;
    struct rpc_status status;
    expect_ok("registry", registry_create(&sources, &registry, &status), &status);
    return registry;
}

/* --- the store's process --- */

/* Serves until `stop_fd` is at its end, then tells how large groups were. */
static void serve(const char *directory, const char *url, int ready_fd, int stop_fd)
{
    struct registry *registry = make_registry();
    struct store *store = NULL;
    struct rpc_server *server = NULL;
    struct rpc_status status;
    char byte = 1;
    const struct store_options store_options = {.directory = directory, .registry = registry};
    expect_ok("store", store_open(&store_options, &store, &status), &status);
    const struct rpc_server_options options = {.name = "store",
                                               .registry = registry,
                                               .services = store_service(store),
                                               .service_count = 1};
    expect_ok("server", rpc_server_create(&options, &server, &status), &status);
    expect_ok("listen", rpc_server_listen(server, url, RPC_TRUST_ROLE, &status), &status);
    if (write(ready_fd, &byte, 1) != 1)
        give_up("ready", strerror(errno));
    while (read(stop_fd, &byte, 1) < 0 && errno == EINTR)
        ;
    rpc_server_drain(server, DRAIN_MS);
    rpc_server_destroy(server);
    int64_t commits = (int64_t)atomic_load(&store__metric_commits.value);
    int64_t groups = (int64_t)atomic_load(&store__metric_groups.value);
    printf("%.1f commits a sync\n", groups == 0 ? 0.0 : (double)commits / (double)groups);
    (void)fflush(stdout);
    store_close(store);
    registry_destroy(registry);
}

/* --- through the RPC --- */

struct caller {
    pthread_t thread;
    const struct store_client *client;
    const atomic_bool *stop;
    unsigned seed;
    int64_t commits;
};

static Lotcast__V1__LedgerBalanceRecord make_record(unsigned *seed)
{
    Lotcast__V1__LedgerBalanceRecord record = LOTCAST__V1__LEDGER_BALANCE_RECORD__INIT;
    record.customer_id = rand_r(seed) % KEYS;
    record.balance_centi = 1000000 + rand_r(seed);
    record.entries = rand_r(seed) % 1000;
    return record;
}

static void *call(void *arg)
{
    struct caller *self = arg;
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    while (!atomic_load(self->stop)) {
        struct rpc_context context = {.arena = &arena, .deadline_ms = clock_mono_ms() + 10000};
        struct rpc_status status;
        struct store_commit commit;
        const Lotcast__V1__LedgerBalanceRecord record = make_record(&self->seed);
        store_commit_init(&commit, self->client, &context);
        (void)store_commit_put(&commit, &record);
        expect_ok("commit", store_commit_send(&commit, &context, NULL, &status), &status);
        self->commits++;
        arena_reset(&arena);
    }
    arena_fini(&arena);
    return NULL;
}

static void pause_ms(int64_t ms)
{
    const struct timespec time = {ms / 1000, (ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

static double run_rpc(const struct store_client *client, unsigned round)
{
    struct caller callers[CALLERS];
    atomic_bool stop = false;
    int64_t begin_us = clock_mono_us();
    int64_t commits = 0;
    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i] =
            (struct caller){.client = client, .stop = &stop, .seed = round * CALLERS + i + 1};
        if (pthread_create(&callers[i].thread, NULL, call, &callers[i]) != 0)
            give_up("thread", "cannot be started");
    }
    pause_ms(ROUND_MS);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < CALLERS; i++) {
        (void)pthread_join(callers[i].thread, NULL);
        commits += callers[i].commits;
    }
    return (double)commits * 1e6 / (double)(clock_mono_us() - begin_us);
}

/* --- bare LMDB --- */

static void expect_mdb(const char *what, int error)
{
    if (error != 0)
        give_up(what, mdb_strerror(error));
}

static MDB_env *open_lmdb(const char *path, MDB_dbi *ret_dbi)
{
    MDB_env *env;
    MDB_txn *txn;
    expect_mdb("env", mdb_env_create(&env));
    expect_mdb("mapsize", mdb_env_set_mapsize(env, MAP_BYTES));
    expect_mdb("open", mdb_env_open(env, path, MDB_NOSUBDIR, 0600));
    expect_mdb("begin", mdb_txn_begin(env, NULL, 0, &txn));
    expect_mdb("dbi", mdb_dbi_open(txn, NULL, 0, ret_dbi));
    expect_mdb("commit", mdb_txn_commit(txn));
    return env;
}

static void put_one(MDB_env *env, MDB_dbi dbi, unsigned *seed)
{
    const Lotcast__V1__LedgerBalanceRecord record = make_record(seed);
    uint8_t stored[128] = {0};
    size_t len =
        lotcast__v1__ledger_balance_record__pack(&record, stored + STORE_RECORD_HEAD_BYTES);
    struct store_key_buffer key;
    const struct store_value id = {.kind = STORE_KIND_NUMBER, .number = record.customer_id};
    store__key_begin(&key, 14, 0);
    store__key_append(&key, &id, STORE_TEXT_UNCUT);
    MDB_val key_val = {key.len, key.data};
    MDB_val value = {STORE_RECORD_HEAD_BYTES + len, stored};
    MDB_txn *txn;
    expect_mdb("begin", mdb_txn_begin(env, NULL, 0, &txn));
    expect_mdb("put", mdb_put(txn, dbi, &key_val, &value, 0));
    expect_mdb("commit", mdb_txn_commit(txn));
}

static double run_lmdb(MDB_env *env, MDB_dbi dbi, unsigned round)
{
    unsigned seed = round + 1;
    int64_t begin_us = clock_mono_us();
    int64_t puts = 0;
    while (clock_mono_us() - begin_us < ROUND_MS * (int64_t)1000) {
        put_one(env, dbi, &seed);
        puts++;
    }
    return (double)puts * 1e6 / (double)(clock_mono_us() - begin_us);
}

/* --- both --- */

static void measure(const char *directory, const char *url)
{
    struct registry *registry = make_registry();
    struct rpc_channel *channel = NULL;
    struct rpc_status status;
    char path[PATH_BYTES];
    MDB_dbi dbi = 0;
    double rpc[ROUNDS];
    double lmdb[ROUNDS];
    const struct rpc_channel_options options = {.url = url};
    expect_ok("channel", rpc_channel_open(&options, &channel, &status), &status);
    struct store_client *client = store_client_create(channel, registry);
    if (client == NULL)
        give_up("client", "out of memory");
    (void)snprintf(path, sizeof path, "%s/bare.mdb", directory);
    MDB_env *env = open_lmdb(path, &dbi);
    for (unsigned i = 0; i < ROUNDS; i++) {
        lmdb[i] = run_lmdb(env, dbi, i);
        rpc[i] = run_rpc(client, i);
        printf("round %u: LMDB %.0f/s, RPC %.0f/s\n", i + 1, lmdb[i], rpc[i]);
        (void)fflush(stdout);
    }
    struct bench_series bare = {"LMDB, one put a transaction", "commits/s", lmdb, ROUNDS};
    struct bench_series ours = {"store over req+ipc, 64 callers", "commits/s", rpc, ROUNDS};
    bench_report(&bare, NULL);
    bench_report(&ours, &bare);
    mdb_env_close(env);
    store_client_destroy(client);
    rpc_channel_close(channel);
    registry_destroy(registry);
}

static void clean_up(const char *directory)
{
    static const char *const names[] = {
        "store/data.mdb", "store/lock.mdb", "store/store.lock", "store",
        "store.sock",     "bare.mdb",       "bare.mdb-lock",    ""};
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
    int ready[2];
    int stop[2];
    char byte;
    (void)snprintf(directory, sizeof directory, "%s/bench-store-XXXXXX",
                   argc > 1 ? argv[1] : "/var/tmp");
    if (mkdtemp(directory) == NULL || pipe2(ready, O_CLOEXEC) != 0 || pipe2(stop, O_CLOEXEC) != 0)
        give_up(directory, strerror(errno));
    (void)snprintf(store_directory, sizeof store_directory, "%s/store", directory);
    (void)snprintf(url, sizeof url, "req+ipc://%s/store.sock", directory);
    pid_t child = fork();
    if (child < 0)
        give_up("fork", strerror(errno));
    if (child == 0) {
        (void)close(stop[1]);
        (void)close(ready[0]);
        serve(store_directory, url, ready[1], stop[0]);
        _exit(0);
    }
    (void)close(ready[1]);
    (void)close(stop[0]);
    if (read(ready[0], &byte, 1) != 1)
        give_up("the store", "did not start");
    measure(directory, url);
    (void)close(stop[1]);
    int wait_status = 1;
    (void)waitpid(child, &wait_status, 0);
    clean_up(directory);
    return wait_status == 0 ? 0 : 1;
}
