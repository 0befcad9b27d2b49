/*
 * A role that is restarted: reads that are under way or come meanwhile are answered all the same,
 * by the one that takes its place. One that stays away is told of, within about a second and then
 * at once, and /readyz knows it as soon as its connection has ended.
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
#include <time.h>

#include <cmocka.h>

#include "test/e2e/system.h"

#define READERS 4
#define SOON_MS 30000
/* A restart that takes less loses no read, in ms: RESTART_WAIT_MS less what a busy machine adds. */
#define QUICK_MS 600
/* Times that a role is killed until one restart was quick: each is begun later than the one before.
 */
#define KILLS_MAX 4
/* What a read takes at most to say that the role is away, at first and then, in ms. */
#define FIRST_REFUSAL_MS 2000
#define REFUSAL_MS 500
/* Reads that go well between one kill and the next. */
#define SETTLED 20

static struct system_under_test system_;

static int start(void **state)
{
    (void)state;
    system_start(&system_);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    system_stop(&system_);
    return 0;
}

static int64_t mono_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int get(struct rest_client *browser, const char *path)
{
    struct rest_answer answer;
    rest_client_request(browser, "GET", path, NULL, NULL, &answer);
    int status = answer.status;
    rest_answer_free(&answer);
    return status;
}

static bool is_ready(void *browser)
{
    return get(browser, "/readyz") == 200;
}

/* --- readers --- */

struct load {
    struct rest_client browser;
    pthread_t threads[READERS];
    atomic_bool over;
    atomic_uint read; /* answers of 200 */
    atomic_uint odd;  /* others */
};

static void *read_on(void *arg)
{
    static const char *const paths[] = {"/api/customer/dashboard", "/api/customer/inventory",
                                        "/api/customer/billing"};
    struct load *load = arg;
    struct rest_client browser = load->browser;
    for (size_t i = 0; !atomic_load(&load->over); i++) {
        int status = get(&browser, paths[i % (sizeof paths / sizeof paths[0])]);
        (void)atomic_fetch_add(status == 200 ? &load->read : &load->odd, 1);
    }
    return NULL;
}

struct wanted {
    struct load *load;
    unsigned read;
};

static bool has_read(void *arg)
{
    const struct wanted *wanted = arg;
    return atomic_load(&wanted->load->read) >= wanted->read;
}

static void let_read(struct load *load, unsigned times)
{
    struct wanted wanted = {load, atomic_load(&load->read) + times};
    assert_true(wait_until(has_read, &wanted, SOON_MS));
}

/* Kills the role until it was back quickly, and no read was lost then. On a machine that takes
 * longer the reads come back, and that is all that is promised. */
static void kill_until_quick(struct load *load, const char *role)
{
    for (int i = 0; i < KILLS_MAX; i++) {
        let_read(load, SETTLED);
        unsigned odd = atomic_load(&load->odd);
        int64_t start_ms = mono_ms();
        system_kill_role(&system_, role);
        let_read(load, 2 * READERS); /* more than were under way */
        int64_t took_ms = mono_ms() - start_ms;
        assert_true(wait_until(is_ready, &load->browser, SOON_MS));
        let_read(load, SETTLED);
        if (took_ms < QUICK_MS) {
            assert_int_equal(atomic_load(&load->odd), odd);
            return;
        }
    }
    print_message("no restart of %s took less than %d ms\n", role, QUICK_MS);
}

static void reads_outlive_a_restart(void **state)
{
    static struct load load;
    (void)state;
    load.browser = system_browser(&system_);
    system_sign_up(&load.browser, "reader@acme.example");
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&load.threads[i], NULL, read_on, &load), 0);
    kill_until_quick(&load, "logic");
    kill_until_quick(&load, "store");
    atomic_store(&load.over, true);
    for (size_t i = 0; i < READERS; i++)
        (void)pthread_join(load.threads[i], NULL);
}

/* --- one that stays away --- */

static void a_role_that_stays_away_is_told_of(void **state)
{
    static const char *const roles[] = {"logic", "store"};
    struct rest_client browser = system_browser(&system_);
    (void)state;
    system_sign_up(&browser, "waits@acme.example");
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        assert_true(wait_until(is_ready, &browser, SOON_MS));
        assert_int_equal(get(&browser, "/api/customer/dashboard"), 200);
        process_stop(system_.lotcast.pid); /* so that none takes its place */
        assert_int_equal(kill(system_role_pid(&system_, roles[i]), SIGKILL), 0);
        int64_t start_ms = mono_ms();
        assert_int_equal(get(&browser, "/api/customer/dashboard"), 503);
        assert_in_range(mono_ms() - start_ms, 0, FIRST_REFUSAL_MS);
        assert_int_equal(get(&browser, "/readyz"), 503);
        for (int n = 0; n < 3; n++) {
            start_ms = mono_ms();
            assert_int_equal(get(&browser, "/api/customer/dashboard"), 503);
            assert_in_range(mono_ms() - start_ms, 0, REFUSAL_MS);
        }
        assert_int_equal(kill(system_.lotcast.pid, SIGCONT), 0);
    }
    assert_true(wait_until(is_ready, &browser, SOON_MS));
}

static bool is_not_ready(void *browser)
{
    return get(browser, "/readyz") == 503;
}

/* Long before the next look at its health. */
static void readiness_ends_with_the_connection(void **state)
{
    struct rest_client browser = system_browser(&system_);
    (void)state;
    assert_true(wait_until(is_ready, &browser, SOON_MS));
    process_stop(system_.lotcast.pid);
    assert_int_equal(kill(system_role_pid(&system_, "logic"), SIGKILL), 0);
    assert_true(wait_until(is_not_ready, &browser, REFUSAL_MS / 2));
    assert_int_equal(kill(system_.lotcast.pid, SIGCONT), 0);
    assert_true(wait_until(is_ready, &browser, SOON_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_outlive_a_restart),
        cmocka_unit_test(a_role_that_stays_away_is_told_of),
        cmocka_unit_test(readiness_ends_with_the_connection),
    };
    return cmocka_run_group_tests_name("restart", tests, start, stop);
}
