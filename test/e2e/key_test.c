/*
 * The key that Meta tokens are sealed with, end to end: rotated under load, while the service is
 * killed, given from outside, and lost to a backup that is older than it. After each the tokens
 * work at the sandbox's Meta.
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/e2e/system.h"

/* Customers with a token, the one who has launched included. */
#define CUSTOMERS 6
/* Of them so many connect again and again. */
#define LOADERS 3
#define PATIENCE_MS 60000
#define ITEMS 247

static struct system_under_test system_;
static struct rest_client browsers[CUSTOMERS]; /* 0 has launched */

/* --- lotctl and files --- */

struct output {
    char text[16384];
    int code;
};

/* In the data directory. */
static struct output shell(const char *command)
{
    struct output output = {.text = ""};
    char full[2048];
    (void)snprintf(full, sizeof full,
                   "cd %s/data && LOTCAST_DATA_DIR=. && export LOTCAST_DATA_DIR && %s 2>&1",
                   system_.directory, command);
    FILE *pipe = popen(full, "r");
    assert_non_null(pipe);
    size_t len = fread(output.text, 1, sizeof output.text - 1, pipe);
    output.text[len] = '\0';
    int status = pclose(pipe);
    output.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return output;
}

static void shell_expect(const char *command, int code, const char *part)
{
    struct output output = shell(command);
    if (output.code != code || strstr(output.text, part) == NULL)
        fail_msg("%s: exit %d, without \"%s\": %s; see %s", command, output.code, part, output.text,
                 system_.log);
}

/* The current key's id. */
static void current_key(char id[static 17])
{
    struct output output = shell("\"$LOTCTL_BIN\" key show --json");
    const char *at = strstr(output.text, "\"id\":\"");
    if (output.code != 0 || at == NULL)
        fail_msg("key show: exit %d: %s", output.code, output.text);
    (void)snprintf(id, 17, "%s", at + strlen("\"id\":\""));
}

/* Whether one key is left that all tokens are sealed with; for wait_until. */
static bool is_settled(void *unused)
{
    char all[96];
    (void)unused;
    struct output output = shell("\"$LOTCTL_BIN\" key show --json");
    (void)snprintf(all, sizeof all,
                   "\"role\":\"current\",\"tokens\":%d}],\"tokens\":%d,\"rotating\":false",
                   CUSTOMERS, CUSTOMERS);
    return output.code == 0 && strstr(output.text, all) != NULL;
}

static void await_settled(void)
{
    if (!wait_until(is_settled, NULL, PATIENCE_MS))
        fail_msg("%s; see %s", shell("\"$LOTCTL_BIN\" key show").text, system_.log);
    assert_int_equal(shell("test -e secret.key.previous").code, 1);
    if (system_.extra_env[0] == NULL)
        shell_expect("stat -c %a secret.key", 0, "600");
}

/* --- customers --- */

static int request(struct rest_client *browser, const char *method, const char *path,
                   const char *body)
{
    struct rest_answer answer;
    rest_client_request(browser, method, path, body, NULL, &answer);
    int status = answer.status;
    rest_answer_free(&answer);
    return status;
}

static void expect_status(const char *status)
{
    struct rest_answer answer;
    rest_client_request(&browsers[0], "GET", "/api/customer/dashboard", NULL, NULL, &answer);
    assert_int_equal(answer.status, 200);
    if (strcmp(rest_answer_text(&answer, "status"), status) != 0)
        fail_msg("%s; see %s", answer.body, system_.log);
    rest_answer_free(&answer);
}

/* Whether the service answers again: a write is not tried twice by itself. For wait_until. */
static bool answers(void *unused)
{
    (void)unused;
    return request(&browsers[0], "GET", "/api/customer/dashboard", NULL) == 200;
}

/* Meta does what is asked with the launched customer's token. */
static void expect_token_works(void)
{
    assert_int_equal(request(&browsers[0], "POST", "/api/customer/ads/pause", "{}"), 200);
    expect_status("paused");
    assert_int_equal(request(&browsers[0], "POST", "/api/customer/ads/resume", "{}"), 200);
    expect_status("running");
    assert_int_equal(
        request(&browsers[0], "PATCH", "/api/customer/ads", "{\"monthlyBudget\":2600}"), 200);
}

/* Connects again: whether it went well. */
static bool reconnect(struct rest_client *browser)
{
    struct rest_answer answer;
    char callback[2048];
    rest_client_request(browser, "GET", "/api/auth/meta/connect", NULL, NULL, &answer);
    bool good = answer.status == 302;
    if (good) {
        system_dialog(answer.location, "authorize", callback);
        rest_answer_free(&answer);
        const char *path = strstr(callback, "/api/auth/meta/callback?");
        rest_client_request(browser, "GET", path == NULL ? "/" : path, NULL, NULL, &answer);
        good = answer.status == 302 && strstr(answer.location, "error=") == NULL;
    }
    rest_answer_free(&answer);
    return good;
}

static int start(void **state)
{
    (void)state;
    system_.one_process = system_mode_one_process();
    system_start(&system_);
    for (int i = 0; i < CUSTOMERS; i++) {
        char email[64];
        (void)snprintf(email, sizeof email, "key-%d@acme.example", i);
        browsers[i] = system_browser(&system_);
        system_sign_up(&browsers[i], email);
        system_connect_meta(&browsers[i]);
    }
    system_connect_website(&system_, &browsers[0], ITEMS);
    return request(&browsers[0], "POST", "/api/onboarding/launch", system_launch_body) == 200 ? 0
                                                                                              : -1;
}

static int stop(void **state)
{
    (void)state;
    system_stop(&system_);
    return 0;
}

/* --- tests --- */

struct loader {
    pthread_t thread;
    struct rest_client *browser;
    atomic_bool *end;
    atomic_int done, failed;
};

static void *load(void *arg)
{
    struct loader *loader = arg;
    while (!atomic_load(loader->end)) {
        if (reconnect(loader->browser) &&
            request(loader->browser, "GET", "/api/auth/meta/accounts", NULL) == 200)
            atomic_fetch_add(&loader->done, 1);
        else
            atomic_fetch_add(&loader->failed, 1);
    }
    return NULL;
}

static bool has_connected(void *loader_)
{
    struct loader *loader = loader_;
    return atomic_load(&loader->done) > 0 || atomic_load(&loader->failed) > 0;
}

static void rotates_under_load(void **state)
{
    struct loader loaders[LOADERS] = {0};
    atomic_bool end = false;
    char before[17], after[17];
    (void)state;
    await_settled();
    current_key(before);
    for (int i = 0; i < LOADERS; i++) {
        loaders[i].browser = &browsers[1 + i];
        loaders[i].end = &end;
        assert_int_equal(pthread_create(&loaders[i].thread, NULL, load, &loaders[i]), 0);
    }
    for (int i = 0; i < LOADERS; i++)
        assert_true(wait_until(has_connected, &loaders[i], PATIENCE_MS));
    for (int round = 0; round < 3; round++)
        shell_expect("\"$LOTCTL_BIN\" key rotate", 0, "The old key is removed");
    atomic_store(&end, true);
    for (int i = 0; i < LOADERS; i++) {
        (void)pthread_join(loaders[i].thread, NULL);
        assert_true(atomic_load(&loaders[i].done) > 0);
        assert_int_equal(atomic_load(&loaders[i].failed), 0);
    }
    await_settled();
    current_key(after);
    assert_string_not_equal(before, after);
    expect_token_works();
    assert_int_equal(request(&browsers[0], "POST", "/api/customer/ads/sync", "{}"), 200);
    shell_expect("\"$LOTCTL_BIN\" audit list", 0, "rotate_key");
    shell_expect("\"$LOTCTL_BIN\" key", 2, "not understood");
}

static bool has_previous(void *unused)
{
    (void)unused;
    return shell("test -e secret.key.previous").code == 0;
}

static void survives_kills(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        await_settled();
        /* Its own end is not looked at: in one process its service goes away under it. */
        shell_expect("(\"$LOTCTL_BIN\" key rotate >/dev/null 2>&1 &) && echo begun", 0, "begun");
        (void)wait_until(has_previous, NULL, 300);
        system_kill_role(&system_, "logic");
        system_wait_ready(&system_);
    }
    await_settled();
    /* /readyz may still say what was before the kill. */
    assert_true(wait_until(answers, NULL, PATIENCE_MS));
    expect_token_works();
}

static void a_backup_under_a_lost_key_has_customers_reconnect(void **state)
{
    (void)state;
    shell_expect("rm -f ../older && \"$LOTCTL_BIN\" backup ../older && cp secret.key ../older.key",
                 0, "secret.key");
    shell_expect("\"$LOTCTL_BIN\" key rotate --json", 0, "\"rotating\":false");
    process_signal(&system_.lotcast, SIGTERM);
    assert_int_equal(process_wait(&system_.lotcast, 10000), 0);
    shell_expect("mv store ../newer && \"$LOTCTL_BIN\" restore ../older", 0, "all in order");
    system_start_lotcast(&system_);

    assert_false(wait_until(is_settled, NULL, 500));
    expect_status("attention");
    assert_int_equal(request(&browsers[0], "POST", "/api/customer/ads/sync", "{}"), 409);
    shell_expect("\"$LOTCTL_BIN\" key show", 0, "unknown");
    shell_expect("grep -c tokens_unreadable ../lotcast.log", 0, "1\n");
    /* One connects again, the others' key is found. */
    assert_true(reconnect(&browsers[0]));
    expect_token_works();
    process_signal(&system_.lotcast, SIGTERM);
    assert_int_equal(process_wait(&system_.lotcast, 10000), 0);
    shell_expect("cp ../older.key secret.key.previous && echo there", 0, "there");
    system_start_lotcast(&system_);
    await_settled();
    expect_token_works();
}

/* What is left of a rotation by hand: none other begins before it has been seen to. */
static void one_rotation_at_a_time(void **state)
{
    (void)state;
    shell_expect("printf %064d 7 >secret.key.previous && chmod 600 secret.key.previous && "
                 "\"$LOTCTL_BIN\" key rotate",
                 1, "not over yet");
    shell_expect("\"$LOTCTL_BIN\" key show", 0, "previous");
    expect_token_works();
    process_signal(&system_.lotcast, SIGTERM);
    assert_int_equal(process_wait(&system_.lotcast, 10000), 0);
    system_start_lotcast(&system_);
    await_settled();
}

static void a_key_from_outside_is_changed_there(void **state)
{
    (void)state;
    process_signal(&system_.lotcast, SIGTERM);
    assert_int_equal(process_wait(&system_.lotcast, 10000), 0);
    shell_expect("mv secret.key secret.key.previous && echo moved", 0, "moved");
    system_.extra_env[0] =
        (char *)"LOTCAST_SECRET_KEY="
                "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    system_start_lotcast(&system_);
    await_settled();
    shell_expect("\"$LOTCTL_BIN\" key show", 0, "given as LOTCAST_SECRET_KEY");
    shell_expect("\"$LOTCTL_BIN\" key rotate", 1, "give another as LOTCAST_SECRET_KEY");
    expect_token_works();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotates_under_load),
        cmocka_unit_test(survives_kills),
        cmocka_unit_test(a_backup_under_a_lost_key_has_customers_reconnect),
        cmocka_unit_test(one_rotation_at_a_time),
        cmocka_unit_test(a_key_from_outside_is_changed_there),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
