/*
 * The data as a whole, end to end: a backup while customers sign up, the end of everything, and a
 * restore into a fresh directory, from which all that was acknowledged comes back.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/e2e/system.h"

#define LOADERS 4
/* Sign-ups that are acknowledged before the backup begins, at least. */
#define BEFORE_MIN 12
#define SOON_MS 60000
/* Of one loader, at most. */
#define SIGN_UPS_MAX 10000

static struct system_under_test system_;

static int start(void **state)
{
    (void)state;
    system_.one_process = system_mode_one_process();
    system_start(&system_);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    system_stop(&system_);
    return 0;
}

/* --- lotctl --- */

struct output {
    char text[16384];
    int code;
};

static struct output run(const char *command)
{
    struct output output = {.text = ""};
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(output.text, 1, sizeof output.text - 1, pipe);
    output.text[len] = '\0';
    int status = pclose(pipe);
    output.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return output;
}

/* Runs lotctl on this directory below the system's; fails unless it ends so and says so. */
static void lotctl_expect(const char *directory, const char *arguments, int code, const char *part)
{
    char command[2048];
    (void)snprintf(command, sizeof command, "cd %s && LOTCAST_DATA_DIR=%s '%s' %s 2>&1",
                   system_.directory, directory, getenv("LOTCTL_BIN"), arguments);
    struct output output = run(command);
    if (output.code != code || strstr(output.text, part) == NULL)
        fail_msg("lotctl %s: exit %d, without \"%s\": %s", arguments, output.code, part,
                 output.text);
}

/* A command of the shell in the system's directory. */
static void shell(const char *command)
{
    char full[2048];
    (void)snprintf(full, sizeof full, "cd %s && %s 2>&1", system_.directory, command);
    struct output output = run(full);
    if (output.code != 0)
        fail_msg("%s: exit %d: %s", command, output.code, output.text);
}

/* --- sign-ups --- */

struct loader {
    int number;
    atomic_bool *end;
    atomic_int acknowledged;
};

static int post(struct rest_client *browser, const char *path, int loader, int number)
{
    char body[256];
    struct rest_answer answer;
    (void)snprintf(body, sizeof body,
                   "{\"email\":\"c-%d-%d@acme.example\",\"password\":\"correct horse\"%s}", loader,
                   number, strcmp(path, "/api/auth/signup") == 0 ? ",\"company\":\"Acme\"" : "");
    rest_client_request(browser, "POST", path, body, NULL, &answer);
    int status = answer.status;
    rest_answer_free(&answer);
    return status;
}

/* One after the other, until one is not acknowledged or there have been enough. */
static void *sign_up(void *arg)
{
    struct loader *loader = arg;
    for (int i = 0; i < SIGN_UPS_MAX && !atomic_load(loader->end); i++) {
        struct rest_client browser = system_browser(&system_);
        if (post(&browser, "/api/auth/signup", loader->number, i) != 200)
            break;
        atomic_store(&loader->acknowledged, i + 1);
    }
    return NULL;
}

struct load {
    struct loader loaders[LOADERS];
    pthread_t threads[LOADERS];
    atomic_bool end;
    int at_least;
};

static int acknowledged(struct load *load)
{
    int sum = 0;
    for (size_t i = 0; i < LOADERS; i++)
        sum += atomic_load(&load->loaders[i].acknowledged);
    return sum;
}

static bool has_signed_up(void *arg)
{
    struct load *load = arg;
    return acknowledged(load) >= load->at_least;
}

static void expect_log_ins(int loader, int count)
{
    struct rest_client browser = system_browser(&system_);
    for (int i = 0; i < count; i++) {
        int status = post(&browser, "/api/auth/login", loader, i);
        if (status != 200)
            fail_msg("c-%d-%d cannot log in: %d; see %s", loader, i, status, system_.log);
    }
}

/* --- the tests --- */

static void a_backup_under_load_brings_all_back(void **state)
{
    (void)state;
    static struct load load;
    int before[LOADERS];
    struct stat info;
    char path[256];
    load.at_least = BEFORE_MIN;
    for (int i = 0; i < LOADERS; i++) {
        load.loaders[i] = (struct loader){.number = i, .end = &load.end};
        assert_int_equal(pthread_create(&load.threads[i], NULL, sign_up, &load.loaders[i]), 0);
    }
    assert_true(wait_until(has_signed_up, &load, SOON_MS));
    for (size_t i = 0; i < LOADERS; i++)
        before[i] = atomic_load(&load.loaders[i].acknowledged);
    lotctl_expect("data", "backup copy", 0, "secret.key");
    load.at_least = acknowledged(&load) + LOADERS; /* it goes on */
    assert_true(wait_until(has_signed_up, &load, SOON_MS));
    process_kill(&system_.lotcast);
    atomic_store(&load.end, true);
    for (size_t i = 0; i < LOADERS; i++)
        (void)pthread_join(load.threads[i], NULL);

    (void)snprintf(path, sizeof path, "%s/copy", system_.directory);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    shell("mv data old");
    lotctl_expect("data", "restore copy", 0, "put the secret.key");
    shell("cp old/secret.key data/");
    system_start_lotcast(&system_);
    for (int i = 0; i < LOADERS; i++)
        expect_log_ins(i, before[i]);
    lotctl_expect("data", "store check", 0, "in order");
    lotctl_expect("data", "ledger check", 0, "in order");
    struct rest_client browser = system_browser(&system_);
    system_sign_up(&browser, "afterwards@acme.example");
}

static void only_what_fits_is_restored(void **state)
{
    char elsewhere[128];
    (void)state;
    lotctl_expect("data", "backup second", 0, "bytes in");
    lotctl_expect("data", "backup second", 1, "is there already");
    lotctl_expect("data", "backup --stream second", 1, "is there already");
    lotctl_expect("data", "backup --stream nowhere/copy", 1, "No such file");
    lotctl_expect("data", "backup nowhere/copy", 1, "No such file");
    /* To another file system. */
    (void)snprintf(elsewhere, sizeof elsewhere, "backup /dev/shm/lotcast-ops-%d", (int)getpid());
    lotctl_expect("data", elsewhere, 0, "bytes in");
    lotctl_expect("data", elsewhere, 1, "is there already");
    (void)snprintf(elsewhere, sizeof elsewhere,
                   "mv /dev/shm/lotcast-ops-%d third && test ! -e data/store/backup",
                   (int)getpid());
    shell(elsewhere);
    lotctl_expect("third-fresh", "restore third", 0, "all in order");
    /* Byte by byte through a stream: nothing is left beside the records. */
    lotctl_expect("data", "backup --stream fourth", 0, "bytes in");
    shell("test \"$(stat -c %a fourth)\" = 600 && test ! -e fourth.part && test ! -e "
          "data/store/backup");
    lotctl_expect("fourth-fresh", "restore fourth", 0, "all in order");
    shell("mv data/lotctl.sock aside"); /* REQ/REP alone carries none */
    lotctl_expect("data", "backup --stream fifth", 1, "UNIMPLEMENTED");
    shell("test ! -e fifth && test ! -e fifth.part && mv aside data/lotctl.sock");
    lotctl_expect("data", "restore second", 1, "lotcast runs on it");
    shell("mkdir -m 700 full full/store && touch full/store/data.mdb");
    lotctl_expect("full", "restore second", 1, "is not empty");
    shell("head -c 20000 second > cut");
    lotctl_expect("fresh", "restore cut", 1, "not whole");
    lotctl_expect("fresh", "restore missing", 1, "No such file");
    shell("test ! -e fresh/store && test ! -e fresh/store.restoring");
    lotctl_expect("fresh", "restore second", 0, "all in order");
    lotctl_expect("fresh", "restore second", 1, "is not empty");
    lotctl_expect("data", "restore", 2, "lotctl restore FILE");
    lotctl_expect("data", "backup", 2, "lotctl backup FILE");
    lotctl_expect("data", "store", 2, "lotctl store check");
    lotctl_expect("data", "store check --json", 0, "\"ok\":true");
    lotctl_expect("nowhere", "store check", 1, "no data directory");
}

static void it_is_not_reached_over_http(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    static const char *const paths[] = {"/api/operations/backup",
                                        "/lotcast.v1.Operations/CreateBackup"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_int_equal(post(&browser, paths[i], 0, 0), 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backup_under_load_brings_all_back),
        cmocka_unit_test(only_what_fits_is_restored),
        cmocka_unit_test(it_is_not_reached_over_http),
    };
    return cmocka_run_group_tests_name("ops", tests, start, stop);
}
