/*
 * Unary calls over ipc, 64 bytes there and 512 back, with 1 and with 64 outstanding: frames and
 * REQ/REP, and, with a program's path as argument, that peer beside them.
 *
 *   bench_rpc [PEER]
 *
 * Server and client are processes of their own (this program again: bench_rpc serve URL). A call's
 * end starts the next, so as many are outstanding all the time. Every answer is compared with what
 * it has to be. CPU is both processes', a call. Rounds of all alternate.
 *
 * A PEER is run as `PEER OUTSTANDING MS` and prints, of the same calls between two processes of its
 * own: calls a second, p50 and p99 in µs, CPU µs a call.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lotcast/v1/store.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/channel.h"
#include "rpc/registry.h"
#include "rpc/server.h"
#include "test/bench/report.h"

#define REQUEST_BYTES 64
#define RESPONSE_BYTES 512
#define ROUNDS 5
#define ROUND_MS 1000
#define WARM_UP_MS 200
#define LATENCIES_MAX ((size_t)1 << 20)
#define OUTSTANDING_MAX 64
#define WAYS_MAX 4

static _Noreturn void give_up(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_rpc: %s: %s\n", what, why);
    exit(1);
}

static struct registry *make_registry(void)
{
    const struct registry_sources sources = registry_sources_get();
    struct registry *registry = NULL;
    struct rpc_status status;
    if (registry_create(&sources, &registry, &status) != RPC_OK)
        give_up("registry", status.message);
    return registry;
}

/* --- the messages --- */

/* What is asked: a name that fills the request up. */
static void make_request(char name[static REQUEST_BYTES], Lotcast__V1__ReadRequest *request,
                         Lotcast__V1__ReadOp *op, Lotcast__V1__ReadOp **ops)
{
    memset(name, 'n', REQUEST_BYTES);
    name[REQUEST_BYTES - 4] = '\0'; /* the message's and the op's keys and lengths */
    lotcast__v1__read_op__init(op);
    op->kind_case = LOTCAST__V1__READ_OP__KIND_COUNTER;
    op->counter = name;
    *ops = op;
    lotcast__v1__read_request__init(request);
    request->ops = ops;
    request->n_ops = 1;
    if (lotcast__v1__read_request__get_packed_size(request) != REQUEST_BYTES)
        give_up("request", "is not as large as it should be");
}

/* What is answered: one row with a value that fills the answer up. */
static enum rpc_code make_response(struct arena *arena, const char *name,
                                   Lotcast__V1__ReadResponse *response)
{
    size_t len = RESPONSE_BYTES - 11; /* keys, lengths and a count */
    Lotcast__V1__ReadResult *result = arena_alloc(arena, sizeof *result);
    Lotcast__V1__Row *row = arena_alloc(arena, sizeof *row);
    response->results = arena_alloc(arena, sizeof *response->results);
    Lotcast__V1__Row **rows = arena_alloc(arena, sizeof *rows);
    uint8_t *value = arena_alloc(arena, len);
    if (result == NULL || row == NULL || response->results == NULL || rows == NULL || value == NULL)
        return RPC_RESOURCE_EXHAUSTED;
    memset(value, name[0] + 1, len);
    lotcast__v1__row__init(row);
    row->value = (ProtobufCBinaryData){len, value};
    lotcast__v1__read_result__init(result);
    result->rows = rows;
    result->rows[0] = row;
    result->n_rows = 1;
    result->count = 1;
    response->results[0] = result;
    response->n_results = 1;
    return RPC_OK;
}

/* --- the server's process --- */

static enum rpc_code answer(struct rpc_server_call *call, const void *request, void *response,
                            struct rpc_status *status)
{
    const Lotcast__V1__ReadRequest *asked = request;
    if (asked->n_ops != 1 || strlen(asked->ops[0]->counter) != REQUEST_BYTES - 4)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "not what was to be asked");
    return make_response(rpc_server_call_arena(call), asked->ops[0]->counter, response);
}

static int serve(const char *url)
{
    rpc_handler *handlers[64];
    struct rpc_server *server = NULL;
    struct rpc_status status;
    char byte = 1;
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        handlers[i] = answer;
    const struct rpc_service service = {&lotcast__v1__store__descriptor, handlers, NULL};
    const struct rpc_server_options options = {.name = "bench",
                                               .registry = make_registry(),
                                               .services = &service,
                                               .service_count = 1,
                                               .runs_inline = strstr(url, "worker") == NULL};
    if (rpc_server_create(&options, &server, &status) != RPC_OK ||
        rpc_server_listen(server, url, RPC_TRUST_ROLE, &status) != RPC_OK)
        give_up("serve", status.message);
    if (write(STDOUT_FILENO, &byte, 1) != 1)
        give_up("serve", strerror(errno));
    while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
        continue;
    return 0;
}

/* --- the client --- */

/* One way of making calls, with its server. */
struct way {
    const char *name;
    const char *scheme;
    const char *socket;
    char url[128];
    pid_t pid;
    int stop_fd;
    struct rpc_channel *channel;
};

struct run;

struct slot {
    struct run *run;
    int64_t started_us;
};

/* One round's calls. */
struct run {
    struct way *way;
    const struct registry_method *method;
    uint8_t request[REQUEST_BYTES];
    uint8_t response[RESPONSE_BYTES];
    int64_t until_us;
    struct slot slots[OUTSTANDING_MAX];

    pthread_mutex_t lock;
    pthread_cond_t over;
    size_t active;
    size_t count;
    uint32_t *latencies_us;
    bool wrong;
};

struct measured {
    double calls_per_s;
    double p50_us;
    double p99_us;
    double cpu_us;
};

static void start_call(struct slot *slot);

static void on_done(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    struct slot *slot = arg;
    struct run *run = slot->run;
    int64_t now_us = clock_mono_us();
    bool right = status->code == RPC_OK && payload->bytes.len == RESPONSE_BYTES &&
                 memcmp(payload->bytes.data, run->response, RESPONSE_BYTES) == 0;
    rpc_payload_release(payload);
    (void)pthread_mutex_lock(&run->lock);
    run->wrong = run->wrong || !right;
    if (run->count < LATENCIES_MAX)
        run->latencies_us[run->count] = (uint32_t)(now_us - slot->started_us);
    run->count++;
    bool goes_on = right && now_us < run->until_us;
    if (!goes_on && --run->active == 0)
        (void)pthread_cond_signal(&run->over);
    (void)pthread_mutex_unlock(&run->lock);
    if (goes_on)
        start_call(slot);
}

static void start_call(struct slot *slot)
{
    static const struct rpc_call_events events = {.done = on_done};
    struct run *run = slot->run;
    const struct rpc_request request = {.method = run->method,
                                        .packed = span_of(run->request, REQUEST_BYTES),
                                        .wait_for_ready = true};
    slot->started_us = clock_mono_us();
    rpc_call_unref(rpc_channel_start(run->way->channel, &request, &events, slot));
}

static double cpu_us_of(pid_t pid)
{
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
        give_up("CPU time", strerror(errno));
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static struct measured run_for(struct run *run, struct way *way, size_t outstanding, int64_t ms)
{
    double cpu_us = cpu_us_of(getpid()) + cpu_us_of(way->pid);
    int64_t start_us = clock_mono_us();
    run->way = way;
    run->until_us = start_us + ms * 1000;
    run->active = outstanding;
    run->count = 0;
    for (size_t i = 0; i < outstanding; i++) {
        run->slots[i].run = run;
        start_call(&run->slots[i]);
    }
    (void)pthread_mutex_lock(&run->lock);
    while (run->active > 0)
        (void)pthread_cond_wait(&run->over, &run->lock);
    (void)pthread_mutex_unlock(&run->lock);
    if (run->wrong)
        give_up(way->name, "an answer was wrong");
    double elapsed_us = (double)(clock_mono_us() - start_us);
    cpu_us = cpu_us_of(getpid()) + cpu_us_of(way->pid) - cpu_us;
    size_t kept = run->count < LATENCIES_MAX ? run->count : LATENCIES_MAX;
    qsort(run->latencies_us, kept, sizeof run->latencies_us[0], by_size);
    return (struct measured){.calls_per_s = (double)run->count * 1e6 / elapsed_us,
                             .p50_us = run->latencies_us[kept / 2],
                             .p99_us = run->latencies_us[kept * 99 / 100],
                             .cpu_us = cpu_us / (double)run->count};
}

static void start_server(struct way *way)
{
    int ready[2];
    int stop[2];
    char byte;
    if (pipe(ready) != 0 || pipe(stop) != 0)
        give_up("pipe", strerror(errno));
    way->pid = fork();
    if (way->pid == 0) {
        (void)dup2(stop[0], STDIN_FILENO);
        (void)dup2(ready[1], STDOUT_FILENO);
        for (int fd = STDERR_FILENO + 1; fd < 64; fd++)
            (void)close(fd);
        (void)execl("/proc/self/exe", "bench_rpc", "serve", way->url, NULL);
        _exit(127);
    }
    (void)close(ready[1]);
    (void)close(stop[0]);
    if (way->pid < 0 || read(ready[0], &byte, 1) != 1)
        give_up(way->name, "no server");
    (void)close(ready[0]);
    way->stop_fd = stop[1];
}

static void open_way(struct way *way)
{
    struct rpc_status status;
    const struct rpc_channel_options options = {.url = way->url};
    start_server(way);
    if (rpc_channel_open(&options, &way->channel, &status) != RPC_OK)
        give_up(way->name, status.message);
}

static void close_way(struct way *way)
{
    int status;
    rpc_channel_close(way->channel);
    (void)close(way->stop_fd);
    (void)waitpid(way->pid, &status, 0);
    if (status != 0)
        give_up(way->name, "the server has failed");
}

static struct measured run_peer(const char *path, size_t outstanding, int64_t ms)
{
    char command[4096];
    struct measured measured;
    (void)snprintf(command, sizeof command, "'%s' %zu %lld", path, outstanding, (long long)ms);
    FILE *output = popen(command, "r");
    if (output == NULL ||
        fscanf(output, "%lf %lf %lf %lf", &measured.calls_per_s, &measured.p50_us, &measured.p99_us,
               &measured.cpu_us) != 4 ||
        pclose(output) != 0)
        give_up(path, "has failed");
    return measured;
}

/* --- reporting --- */

static const struct {
    const char *name;
    const char *unit;
    size_t offset;
} figures[] = {
    {"calls", "1/s", offsetof(struct measured, calls_per_s)},
    {"p50", "us", offsetof(struct measured, p50_us)},
    {"p99", "us", offsetof(struct measured, p99_us)},
    {"CPU a call", "us", offsetof(struct measured, cpu_us)},
};
#define FIGURES (sizeof figures / sizeof figures[0])

static struct bench_series series_of(const struct measured rounds[ROUNDS], size_t figure,
                                     double values[ROUNDS], char name[64], const char *way,
                                     size_t outstanding)
{
    (void)snprintf(name, 64, "%s, %zu outstanding: %s", way, outstanding, figures[figure].name);
    for (size_t i = 0; i < ROUNDS; i++)
        memcpy(&values[i], (const char *)&rounds[i] + figures[figure].offset, sizeof values[i]);
    return (struct bench_series){name, figures[figure].unit, values, ROUNDS};
}

/* Each way beside the last one. */
static void report(const char *const names[], size_t count, size_t outstanding,
                   const struct measured measured[WAYS_MAX][ROUNDS])
{
    for (size_t f = 0; f < FIGURES; f++) {
        double base_values[ROUNDS];
        char base_name[64];
        struct bench_series base = series_of(measured[count - 1], f, base_values, base_name,
                                             names[count - 1], outstanding);
        for (size_t w = 0; w < count; w++) {
            double values[ROUNDS];
            char name[64];
            struct bench_series series =
                series_of(measured[w], f, values, name, names[w], outstanding);
            bench_report(&series, w == count - 1 ? NULL : &base);
        }
    }
}

static void measure(struct run *run, struct way *ways, size_t way_count, size_t outstanding,
                    const char *peer)
{
    static struct measured measured[WAYS_MAX][ROUNDS];
    const char *names[WAYS_MAX];
    for (size_t w = 0; w < way_count; w++) {
        names[w] = ways[w].name;
        (void)run_for(run, &ways[w], outstanding, WARM_UP_MS);
    }
    names[way_count] = "gRPC C++";
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t w = 0; w < way_count; w++)
            measured[w][round] = run_for(run, &ways[w], outstanding, ROUND_MS);
        if (peer != NULL)
            measured[way_count][round] = run_peer(peer, outstanding, ROUND_MS);
    }
    report(names, peer == NULL ? way_count : way_count + 1, outstanding, measured);
}

static void init_run(struct run *run)
{
    char name[REQUEST_BYTES];
    Lotcast__V1__ReadRequest request;
    Lotcast__V1__ReadOp op;
    Lotcast__V1__ReadOp *ops;
    Lotcast__V1__ReadResponse response = LOTCAST__V1__READ_RESPONSE__INIT;
    struct arena arena;
    arena_init(&arena, 65536);
    make_request(name, &request, &op, &ops);
    (void)lotcast__v1__read_request__pack(&request, run->request);
    if (make_response(&arena, name, &response) != RPC_OK ||
        lotcast__v1__read_response__get_packed_size(&response) != RESPONSE_BYTES)
        give_up("response", "is not as large as it should be");
    (void)lotcast__v1__read_response__pack(&response, run->response);
    arena_fini(&arena);
    run->method = registry_method_find(make_registry(), span_of_string("lotcast.v1.Store/Read"));
    run->latencies_us = malloc(LATENCIES_MAX * sizeof run->latencies_us[0]);
    if (run->latencies_us == NULL || run->method == NULL)
        give_up("client", "cannot be set up");
    (void)pthread_mutex_init(&run->lock, NULL);
    (void)pthread_cond_init(&run->over, NULL);
}

int main(int argc, char **argv)
{
    static struct run run;
    static struct way ways[] = {
        {.name = "frames", .scheme = "ipc://", .socket = "frames"},
        {.name = "frames, on a worker", .scheme = "ipc://", .socket = "worker"},
        {.name = "REQ/REP", .scheme = "req+ipc://", .socket = "reqrep"}};
    char directory[] = "/tmp/bench-rpc-XXXXXX";
    const size_t count = sizeof ways / sizeof ways[0];
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2]);
    if (mkdtemp(directory) == NULL)
        give_up("directory", strerror(errno));
    for (size_t w = 0; w < count; w++) {
        (void)snprintf(ways[w].url, sizeof ways[w].url, "%s%s/%s", ways[w].scheme, directory,
                       ways[w].socket);
        open_way(&ways[w]);
    }
    init_run(&run);
    measure(&run, ways, count, 1, argc > 1 ? argv[1] : NULL);
    measure(&run, ways, count, OUTSTANDING_MAX, argc > 1 ? argv[1] : NULL);
    for (size_t w = 0; w < count; w++)
        close_way(&ways[w]);
    (void)rmdir(directory);
    free(run.latencies_us);
    return 0;
}
