/*
 * Commits a second through the RPC, beside one put a transaction on bare LMDB.
 *
 *   bench_store [PEER]      (in BENCH_DIRECTORY, /var/tmp if that is not set: all write to its
 * disk)
 *
 * The store runs in a process of its own, behind ipc as our own processes call it. CALLERS commits
 * are outstanding all the time, each of one record: an acknowledgement, which comes after the
 * commit's sync, starts the next. Records are new ones behind all others, as a peer's single-row
 * inserts are; or, another figure, put at keys all over the store. Behind each round what each has
 * written last is read back and compared. Bare LMDB puts the same bytes with default flags, a
 * transaction and so a sync for each, from one thread (more would wait for the same lock).
 *
 * A PEER is run as `PEER - CLIENTS SECONDS` and prints the commits a second of so many clients; it
 * is measured with several numbers of them, and the best number's rounds stand beside ours. Rounds
 * of all alternate.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
#define ROUND_S 2
#define ROUND_MS (ROUND_S * 1000)
#define RECORD_BYTES_MAX 64
#define ANSWER_ARENA_BYTES 4096
/* Of a peer's clients. */
#define COUNTS 6
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

struct run;

/* One that has a commit outstanding all the time. */
struct caller {
    struct run *run;
    unsigned number; /* of CALLERS: no two write to the same key */
    unsigned seed;
    Lotcast__V1__LedgerBalanceRecord last;
};

struct run {
    struct rpc_channel *channel;
    struct store_client *client; /* the same channel's */
    const struct registry_method *method;
    uint32_t table;
    bool is_scattered;
    int64_t until_us;
    struct caller callers[CALLERS];

    pthread_mutex_t lock;
    pthread_cond_t over;
    size_t active;
    int64_t commits;
    char wrong[RPC_STATUS_MESSAGE_BYTES + 16]; /* why, if one has failed */
};

/* At one of KEYS keys, wherever that lies; or a new one behind all others. */
static Lotcast__V1__LedgerBalanceRecord make_record(bool is_scattered, unsigned number,
                                                    unsigned *seed)
{
    static atomic_llong last = KEYS;
    Lotcast__V1__LedgerBalanceRecord record = LOTCAST__V1__LEDGER_BALANCE_RECORD__INIT;
    record.customer_id = is_scattered ? rand_r(seed) % (KEYS / CALLERS) * CALLERS + number
                                      : atomic_fetch_add(&last, 1);
    record.balance_centi = 1000000 + rand_r(seed);
    record.entries = rand_r(seed) % 1000;
    return record;
}

static void send_commit(struct caller *caller);

/* Whether the commit went through, and its record has a version. */
static bool is_acknowledged(const struct rpc_status *status, struct span packed)
{
    struct arena arena;
    arena_init(&arena, ANSWER_ARENA_BYTES);
    Lotcast__V1__CommitResponse *response =
        status->code != RPC_OK
            ? NULL
            : lotcast__v1__commit_response__unpack(&arena.protobuf, packed.len, packed.data);
    bool right = response != NULL && response->n_results == 1 && response->results[0]->version > 0;
    arena_fini(&arena);
    return right;
}

static void on_done(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    struct caller *caller = arg;
    struct run *run = caller->run;
    bool right = is_acknowledged(status, payload->bytes);
    rpc_payload_release(payload);
    bool goes_on = right && clock_mono_us() < run->until_us;
    (void)pthread_mutex_lock(&run->lock);
    run->commits += right;
    if (!right)
        (void)snprintf(run->wrong, sizeof run->wrong, "%d %s", (int)status->code, status->message);
    if (!goes_on && --run->active == 0)
        (void)pthread_cond_signal(&run->over);
    (void)pthread_mutex_unlock(&run->lock);
    if (goes_on)
        send_commit(caller);
}

static void send_commit(struct caller *caller)
{
    static const struct rpc_call_events events = {.done = on_done};
    struct run *run = caller->run;
    uint8_t packed[RECORD_BYTES_MAX];
    caller->last = make_record(run->is_scattered, caller->number, &caller->seed);
    Lotcast__V1__PutOp put = LOTCAST__V1__PUT_OP__INIT;
    Lotcast__V1__CommitOp op = LOTCAST__V1__COMMIT_OP__INIT;
    Lotcast__V1__CommitOp *ops = &op;
    Lotcast__V1__CommitRequest message = LOTCAST__V1__COMMIT_REQUEST__INIT;
    put.table = run->table;
    put.value.len = lotcast__v1__ledger_balance_record__pack(&caller->last, packed);
    put.value.data = packed;
    op.kind_case = LOTCAST__V1__COMMIT_OP__KIND_PUT;
    op.put = &put;
    message.ops = &ops;
    message.n_ops = 1;
    const struct rpc_request request = {
        .method = run->method, .message = &message.base, .wait_for_ready = true};
    rpc_call_unref(rpc_channel_start(run->channel, &request, &events, caller));
}

/* What was acknowledged is there. */
static void read_back(struct store_client *client, const struct caller *caller)
{
    struct arena arena;
    struct rpc_status status;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    struct rpc_context context = {.arena = &arena, .deadline_ms = clock_mono_ms() + 10000};
    struct store_read_op op = {.record = &lotcast__v1__ledger_balance_record__descriptor,
                               .key = store_key(store_number(caller->last.customer_id))};
    expect_ok("read", store_read(client, &context, &op, 1, &status), &status);
    const Lotcast__V1__LedgerBalanceRecord *found =
        op.ret_row_count == 1 ? (const Lotcast__V1__LedgerBalanceRecord *)op.ret_rows[0] : NULL;
    if (found == NULL || found->balance_centi != caller->last.balance_centi ||
        found->entries != caller->last.entries)
        give_up("read", "what was acknowledged is not there");
    arena_fini(&arena);
}

static double run_rpc(struct run *run, bool is_scattered, unsigned round)
{
    int64_t begin_us = clock_mono_us();
    run->is_scattered = is_scattered;
    run->until_us = begin_us + ROUND_MS * (int64_t)1000;
    run->active = CALLERS;
    run->commits = 0;
    for (unsigned i = 0; i < CALLERS; i++) {
        run->callers[i] = (struct caller){.run = run, .number = i, .seed = round * CALLERS + i + 1};
        send_commit(&run->callers[i]);
    }
    (void)pthread_mutex_lock(&run->lock);
    while (run->active > 0)
        (void)pthread_cond_wait(&run->over, &run->lock);
    (void)pthread_mutex_unlock(&run->lock);
    if (run->wrong[0] != '\0')
        give_up("a commit", run->wrong);
    double rate = (double)run->commits * 1e6 / (double)(clock_mono_us() - begin_us);
    for (unsigned i = 0; i < CALLERS; i++)
        read_back(run->client, &run->callers[i]);
    return rate;
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
    const Lotcast__V1__LedgerBalanceRecord record = make_record(false, 0, seed);
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

/* --- a peer --- */

static const unsigned client_counts[COUNTS] = {1, 4, 16, 32, 64, 128};

static double run_peer(const char *peer, unsigned clients)
{
    char command[2 * PATH_BYTES];
    double rate = 0;
    (void)snprintf(command, sizeof command, "'%s' - %u %d", peer, clients, ROUND_S);
    FILE *out = popen(command, "re");
    if (out == NULL || fscanf(out, "%lf", &rate) != 1 || pclose(out) != 0)
        give_up("the peer", "failed");
    return rate;
}

/* --- all --- */

struct measured {
    double rpc[ROUNDS], scattered[ROUNDS], lmdb[ROUNDS], peer[COUNTS][ROUNDS];
};

static void run_rounds(struct run *run, const char *directory, const char *peer,
                       struct measured *measured)
{
    char path[PATH_BYTES];
    MDB_dbi dbi = 0;
    (void)snprintf(path, sizeof path, "%s/bare.mdb", directory);
    MDB_env *env = open_lmdb(path, &dbi);
    for (unsigned i = 0; i < ROUNDS; i++) {
        measured->lmdb[i] = run_lmdb(env, dbi, i);
        measured->rpc[i] = run_rpc(run, false, i);
        measured->scattered[i] = run_rpc(run, true, i);
        printf("round %u: LMDB %.0f/s, RPC %.0f/s, all over the store %.0f/s", i + 1,
               measured->lmdb[i], measured->rpc[i], measured->scattered[i]);
        for (size_t c = 0; c < COUNTS && peer != NULL; c++) {
            measured->peer[c][i] = run_peer(peer, client_counts[c]);
            printf(", PostgreSQL with %u clients %.0f/s", client_counts[c], measured->peer[c][i]);
        }
        printf("\n");
        (void)fflush(stdout);
    }
    mdb_env_close(env);
}

static void report(struct measured *measured, bool has_peer)
{
    const char *unit = "commits/s";
    const struct bench_series bare = {"LMDB, one put a transaction", unit, measured->lmdb, ROUNDS};
    const struct bench_series ours = {"commits over ipc, 64 callers", unit, measured->rpc, ROUNDS};
    const struct bench_series scattered = {"commits over ipc, 64 callers, all over the store", unit,
                                           measured->scattered, ROUNDS};
    struct bench_series best = {.values = NULL};
    char names[COUNTS][64];
    bench_report(&bare, NULL);
    for (size_t c = 0; c < COUNTS && has_peer; c++) {
        (void)snprintf(names[c], sizeof names[c], "PostgreSQL 15, %u clients", client_counts[c]);
        const struct bench_series series = {names[c], unit, measured->peer[c], ROUNDS};
        bench_report(&series, NULL);
        if (best.values == NULL || bench_quantile(&series, 0.5) > bench_quantile(&best, 0.5))
            best = series;
    }
    bench_report(&scattered, NULL);
    bench_report(&ours, &bare);
    if (has_peer)
        bench_report(&ours, &best);
}

static void measure(const char *directory, const char *url, const char *peer)
{
    static struct measured measured;
    static struct run run = {.lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER};
    struct registry *registry = make_registry();
    struct rpc_status status;
    const struct rpc_channel_options options = {.url = url};
    expect_ok("channel", rpc_channel_open(&options, &run.channel, &status), &status);
    run.client = store_client_create(run.channel, registry);
    run.method = registry_method_find(registry, span_of_string("lotcast.v1.Store/Commit"));
    run.table =
        registry_message_of(registry, &lotcast__v1__ledger_balance_record__descriptor)->table->id;
    if (run.client == NULL)
        give_up("client", "out of memory");
    run_rounds(&run, directory, peer, &measured);
    report(&measured, peer != NULL);
    store_client_destroy(run.client);
    rpc_channel_close(run.channel);
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
    const char *disk = getenv("BENCH_DIRECTORY");
    (void)snprintf(directory, sizeof directory, "%s/bench-store-XXXXXX",
                   disk == NULL ? "/var/tmp" : disk);
    if (mkdtemp(directory) == NULL || pipe2(ready, O_CLOEXEC) != 0 || pipe2(stop, O_CLOEXEC) != 0)
        give_up(directory, strerror(errno));
    (void)snprintf(store_directory, sizeof store_directory, "%s/store", directory);
    (void)snprintf(url, sizeof url, "ipc://%s/store.sock", directory);
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
    measure(directory, url, argc > 1 ? argv[1] : NULL);
    (void)close(stop[1]);
    int wait_status = 1;
    (void)waitpid(child, &wait_status, 0);
    clean_up(directory);
    return wait_status == 0 ? 0 : 1;
}
