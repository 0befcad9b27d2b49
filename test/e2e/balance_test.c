/*
 * Two logic processes behind one rest process: one is killed and one drains, under load. A store of
 * their own, no sandbox: nothing here leaves the machine's own processes.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/support/process.h"
#include "test/support/rest_client.h"

#define LOGICS 2
#define READERS 4
#define READY_MS 20000
#define EXIT_MS 10000
#define PATH_BYTES 160
#define ENV_BYTES 640
/* Requests that go well between one event and the next. */
#define SETTLED 40

struct role {
    struct process process;
    char log[PATH_BYTES];
};

struct cluster {
    char directory[64];
    struct role store, rest, logic[LOGICS];
    unsigned logs; /* a new one for each process */
    char url[PROCESS_LINE_BYTES];
};

static void start_role(struct cluster *cluster, struct role *role, const char *name,
                       const char *logic_urls, const char *door)
{
    char data[ENV_BYTES], logic[ENV_BYTES], rpc[ENV_BYTES];
    char *argv[] = {getenv("LOTCAST_BIN"), (char *)name, NULL};
    char *env[] = {data,
                   logic,
                   rpc,
                   (char *)"LOTCAST_LISTEN=127.0.0.1:0",
                   strcmp(name, "logic") == 0 ? (char *)"LOTCAST_PUBLIC_URL=http://localhost:1"
                                              : NULL,
                   NULL};
    assert_non_null(argv[0]);
    char log[PATH_BYTES];
    (void)snprintf(log, sizeof log, "%s/%s.%u.log", cluster->directory, name, ++cluster->logs);
    memcpy(role->log, log, sizeof log);
    (void)snprintf(data, sizeof data, "LOTCAST_DATA_DIR=%s/data", cluster->directory);
    (void)snprintf(logic, sizeof logic, "LOTCAST_LOGIC_URL=%s", logic_urls);
    (void)snprintf(rpc, sizeof rpc, "LOTCAST_RPC=req+ipc://%s/%s", cluster->directory, door);
    process_start(&role->process, argv, env, role->log);
}

static bool log_holds(const char *path, const char *text)
{
    char line[4096];
    bool found = false;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = strstr(line, text) != NULL;
    (void)fclose(file);
    return found;
}

static bool says_ready(void *arg)
{
    const struct role *role = arg;
    return log_holds(role->log, "\"ready\"");
}

static void start_logic(struct cluster *cluster, size_t index)
{
    char url[ENV_BYTES], door[16];
    struct role *role = &cluster->logic[index];
    (void)snprintf(url, sizeof url, "ipc://%s/logic%zu", cluster->directory, index);
    (void)snprintf(door, sizeof door, "door%zu", index);
    start_role(cluster, role, "logic", url, door);
    if (!wait_until(says_ready, role, READY_MS))
        fail_msg("a logic is not ready; see %s", role->log);
}

static int start(void **state)
{
    static struct cluster cluster;
    char urls[ENV_BYTES];
    temp_directory(cluster.directory);
    start_role(&cluster, &cluster.store, "store", "ipc:///none", "door");
    for (size_t i = 0; i < LOGICS; i++)
        start_logic(&cluster, i);
    (void)snprintf(urls, sizeof urls, "ipc://%s/logic0,ipc://%s/logic1", cluster.directory,
                   cluster.directory);
    start_role(&cluster, &cluster.rest, "rest", urls, "door");
    if (!process_read_line(&cluster.rest.process, cluster.url, READY_MS))
        fail_msg("rest printed no URL; see %s", cluster.rest.log);
    *state = &cluster;
    return 0;
}

static int stop(void **state)
{
    struct cluster *cluster = *state;
    struct role *const roles[] = {&cluster->rest, &cluster->logic[0], &cluster->store};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        process_signal(&roles[i]->process, SIGTERM);
        assert_int_equal(process_wait(&roles[i]->process, EXIT_MS), 0);
    }
    return 0;
}

/* --- load --- */

struct load {
    struct rest_client browser; /* a customer's */
    const char *url;
    pthread_t readers[READERS];
    pthread_t writer;
    atomic_bool over;
    atomic_uint read;     /* answers of 200 */
    atomic_uint written;  /* customers made */
    atomic_int odd_read;  /* a status that is not 200; 0: none */
    atomic_int odd_write; /* … that is neither 200 nor, where may_fail, 503 */
    atomic_bool may_fail; /* a write may have been lost with its process */
    atomic_uint sign_ups; /* begun */
};

static struct rest_client new_browser(const char *url)
{
    struct rest_client browser = {.timeout_ms = 10000};
    (void)snprintf(browser.base, sizeof browser.base, "http://127.0.0.1%s", strrchr(url, ':'));
    return browser;
}

static int sign_up(struct rest_client *browser, unsigned number)
{
    char body[256];
    struct rest_answer answer;
    (void)snprintf(body, sizeof body,
                   "{\"email\":\"b%u@acme.example\",\"password\":\"correct horse\","
                   "\"company\":\"Acme\"}",
                   number);
    rest_client_request(browser, "POST", "/api/auth/signup", body, NULL, &answer);
    int status = answer.status;
    rest_answer_free(&answer);
    return status;
}

static void *read_on(void *arg)
{
    struct load *load = arg;
    struct rest_client browser = load->browser;
    while (!atomic_load(&load->over)) {
        struct rest_answer answer;
        rest_client_request(&browser, "GET", "/api/customer/dashboard", NULL, NULL, &answer);
        if (answer.status == 200)
            (void)atomic_fetch_add(&load->read, 1);
        else
            atomic_store(&load->odd_read, answer.status == 0 ? -1 : answer.status);
        rest_answer_free(&answer);
    }
    return NULL;
}

/* Each customer is new: one that is taken was made twice. */
static void *write_on(void *arg)
{
    struct load *load = arg;
    while (!atomic_load(&load->over)) {
        struct rest_client browser = new_browser(load->url);
        bool may_fail = atomic_load(&load->may_fail);
        int status = sign_up(&browser, atomic_fetch_add(&load->sign_ups, 1));
        may_fail = may_fail || atomic_load(&load->may_fail);
        if (status == 200)
            (void)atomic_fetch_add(&load->written, 1);
        else if (status != 503 || !may_fail)
            atomic_store(&load->odd_write, status == 0 ? -1 : status);
    }
    return NULL;
}

static void load_start(struct load *load, const struct cluster *cluster)
{
    load->url = cluster->url;
    load->browser = new_browser(cluster->url);
    assert_int_equal(sign_up(&load->browser, atomic_fetch_add(&load->sign_ups, 1)), 200);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&load->readers[i], NULL, read_on, load), 0);
    assert_int_equal(pthread_create(&load->writer, NULL, write_on, load), 0);
}

static void load_end(struct load *load)
{
    atomic_store(&load->over, true);
    for (size_t i = 0; i < READERS; i++)
        (void)pthread_join(load->readers[i], NULL);
    (void)pthread_join(load->writer, NULL);
}

struct settled {
    struct load *load;
    unsigned read, written;
};

static bool has_settled(void *arg)
{
    const struct settled *settled = arg;
    return atomic_load(&settled->load->read) >= settled->read &&
           atomic_load(&settled->load->written) >= settled->written;
}

/* Lets so many requests go well; fails the test at once where one did not. */
static void let_settle(struct load *load)
{
    struct settled settled = {load, atomic_load(&load->read) + SETTLED,
                              atomic_load(&load->written) + 2};
    assert_true(wait_until(has_settled, &settled, READY_MS));
    assert_int_equal(atomic_load(&load->odd_read), 0);
    assert_int_equal(atomic_load(&load->odd_write), 0);
}

static bool serves_reads(void *arg)
{
    const struct role *role = arg;
    return log_holds(role->log, "Dashboard/GetDashboard");
}

static void await_reads(struct role *role)
{
    if (!wait_until(serves_reads, role, READY_MS))
        fail_msg("a logic has no part of the load; see %s", role->log);
}

/* --- the test --- */

static void test_one_is_killed_and_one_drains(void **state)
{
    struct cluster *cluster = *state;
    static struct load load;
    load_start(&load, cluster);
    for (size_t i = 0; i < LOGICS; i++)
        await_reads(&cluster->logic[i]);
    let_settle(&load);

    atomic_store(&load.may_fail, true);
    process_kill(&cluster->logic[0].process);
    let_settle(&load); /* no read failed, no customer was made twice */
    atomic_store(&load.may_fail, false);

    start_logic(cluster, 0);
    await_reads(&cluster->logic[0]);
    let_settle(&load);

    process_signal(&cluster->logic[1].process, SIGTERM);
    assert_int_equal(process_wait(&cluster->logic[1].process, EXIT_MS), 0);
    let_settle(&load); /* and no write either */
    load_end(&load);
    assert_int_equal(atomic_load(&load.odd_read), 0);
    assert_int_equal(atomic_load(&load.odd_write), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_is_killed_and_one_drains, start, stop),
    };
    return cmocka_run_group_tests_name("balance", tests, NULL, NULL);
}
