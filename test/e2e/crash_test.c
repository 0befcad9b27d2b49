/*
 * What is acknowledged survives, and what runs goes on: kill -9 at every step of a launch, a store
 * that dies or stands still under load, browsers that leave in the middle.
 */
#include <arpa/inet.h>
#include <dirent.h>
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/e2e/system.h"

#define ITEMS 247
/* From a crash to the end of what it interrupted, in ms: 30 s until it goes on, and its own time.
 */
#define GOES_ON_MS 60000
/* A read ends within its deadline of 5 s and what the way back takes, in ms. */
#define ANSWER_MS_MAX 6500

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

static int64_t mono_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A customer who is one POST away from running ads. */
static struct rest_client ready_customer(void)
{
    static int number;
    char email[64];
    struct rest_client browser = system_browser(&system_);
    (void)snprintf(email, sizeof email, "crash-%d@acme.example", ++number);
    system_sign_up(&browser, email);
    system_connect_website(&system_, &browser, ITEMS);
    system_connect_meta(&browser);
    return browser;
}

static void *post_launch(void *arg)
{
    struct rest_client browser = *(struct rest_client *)arg;
    struct rest_answer answer;
    rest_client_request(&browser, "POST", "/api/onboarding/launch", system_launch_body, NULL,
                        &answer);
    /* Whatever it answers: the process behind it is killed. */
    rest_answer_free(&answer);
    return NULL;
}

static bool runs(void *arg)
{
    struct rest_answer answer;
    rest_client_request(arg, "GET", "/api/customer/dashboard", NULL, NULL, &answer);
    bool running =
        answer.status == 200 && strcmp(rest_answer_text(&answer, "status"), "running") == 0;
    rest_answer_free(&answer);
    return running;
}

struct arrival {
    const char *method, *part;
    int64_t before;
};

static bool has_arrived(void *arg)
{
    struct arrival *arrival = arg;
    return system_meta_requests(&system_, arrival->method, arrival->part) > arrival->before;
}

static const char *const kinds[] = {"catalogs", "product_sets", "campaigns",
                                    "adsets",   "adcreatives",  "ads"};
#define KINDS (sizeof kinds / sizeof kinds[0])

/*
 * Kills `role` while Meta works on the step's request (it is late, so the work is done when the
 * caller is dead: an unknown outcome). The launch goes on by itself and has made one of everything.
 */
static void kill_during(const char *role, const char *method, const char *part)
{
    char rule[256];
    int64_t before[KINDS];
    pthread_t thread;
    struct rest_client browser = ready_customer();
    for (size_t i = 0; i < KINDS; i++)
        before[i] = system_meta_count(&system_, kinds[i]);
    struct arrival arrival = {method, part, system_meta_requests(&system_, method, part)};
    (void)snprintf(rule, sizeof rule,
                   "{\"service\":\"meta\",\"method\":\"%s\",\"path\":\"%s\",\"delay_ms\":700}",
                   method, part);
    system_control(&system_, "/_control/fail", rule);
    assert_int_equal(pthread_create(&thread, NULL, post_launch, &browser), 0);
    bool arrived = wait_until(has_arrived, &arrival, 30000);
    system_kill_role(&system_, role);
    (void)pthread_join(thread, NULL);
    if (!arrived)
        fail_msg("no %s %s was seen; see %s", method, part, system_.log);
    system_wait_ready(&system_);
    if (!wait_until(runs, &browser, GOES_ON_MS))
        fail_msg("not running after a kill during %s %s; see %s", method, part, system_.log);
    for (size_t i = 0; i < KINDS; i++) {
        int64_t made = system_meta_count(&system_, kinds[i]) - before[i];
        if (made != 1)
            fail_msg("%lld of kind %s after a kill during %s %s; see %s", (long long)made, kinds[i],
                     method, part, system_.log);
    }
    system_control(&system_, "/_control/clear", "{}");
}

static void a_launch_survives_a_kill_at_every_step(void **state)
{
    (void)state;
    static const struct {
        const char *method, *part;
        bool also_in_one_process;
    } steps[] = {
        {"POST", "/owned_product_catalogs", true},
        {"POST", "/items_batch", false},
        {"GET", "/check_batch_request_status", false},
        {"POST", "/product_sets", false},
        {"POST", "/campaigns", true},
        {"POST", "/adsets", false},
        {"POST", "/adcreatives", false},
        {"POST", "/ads", true},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (!system_.one_process || steps[i].also_in_one_process)
            kill_during("logic", steps[i].method, steps[i].part);
    }
}

static void a_launch_survives_a_kill_of_the_store(void **state)
{
    (void)state;
    kill_during("store", "POST", "/campaigns");
}

static void a_launch_survives_a_kill_of_everything(void **state)
{
    (void)state;
    char rule[] =
        "{\"service\":\"meta\",\"method\":\"POST\",\"path\":\"/adsets\",\"delay_ms\":700}";
    pthread_t thread;
    struct rest_client browser = ready_customer();
    int64_t before = system_meta_count(&system_, "adsets");
    struct arrival arrival = {"POST", "/adsets", system_meta_requests(&system_, "POST", "/adsets")};
    system_control(&system_, "/_control/fail", rule);
    assert_int_equal(pthread_create(&thread, NULL, post_launch, &browser), 0);
    assert_true(wait_until(has_arrived, &arrival, 30000));
    process_kill(&system_.lotcast); /* the roles die with their supervisor */
    (void)pthread_join(thread, NULL);
    system_start_lotcast(&system_);
    assert_true(wait_until(runs, &browser, GOES_ON_MS));
    assert_int_equal(system_meta_count(&system_, "adsets"), before + 1);
    system_control(&system_, "/_control/clear", "{}");
}

static void fifty_launches_at_once_make_one_campaign(void **state)
{
    (void)state;
    pthread_t threads[50];
    struct rest_client browser = ready_customer();
    int64_t before = system_meta_count(&system_, "campaigns");
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_launch, &browser), 0);
    for (size_t i = 0; i < 50; i++)
        (void)pthread_join(threads[i], NULL);
    assert_true(wait_until(runs, &browser, GOES_ON_MS));
    assert_int_equal(system_meta_count(&system_, "campaigns"), before + 1);
}

/* --- load --- */

struct load {
    struct rest_client browser;
    atomic_bool *end;
    int good, refused;
    int64_t slowest_ms;
    int odd_status; /* one that the contract does not allow here */
};

static void *run_load(void *arg)
{
    struct load *load = arg;
    /* One answer that may be kept, and one that is not. */
    static const char *const paths[] = {"/api/customer/dashboard", "/api/customer/settings"};
    for (size_t i = 0; !atomic_load(load->end); i++) {
        struct rest_answer answer;
        int64_t start_ms = mono_ms();
        rest_client_request(&load->browser, "GET", paths[i % 2], NULL, NULL, &answer);
        int64_t took_ms = mono_ms() - start_ms;
        if (took_ms > load->slowest_ms)
            load->slowest_ms = took_ms;
        if (answer.status == 200)
            load->good++;
        else if (answer.status == 503 || answer.status == 504)
            load->refused++;
        else if (answer.status != 0 || !system_.one_process)
            load->odd_status = answer.status == 0 ? -1 : answer.status;
        rest_answer_free(&answer);
    }
    return NULL;
}

#define LOADERS 8

struct load_run {
    struct load loads[LOADERS];
    pthread_t threads[LOADERS];
    atomic_bool end;
};

static void load_start(struct load_run *run, const struct rest_client *browser)
{
    atomic_store(&run->end, false);
    for (size_t i = 0; i < LOADERS; i++) {
        run->loads[i] = (struct load){.browser = *browser, .end = &run->end};
        assert_int_equal(pthread_create(&run->threads[i], NULL, run_load, &run->loads[i]), 0);
    }
}

/* Ends the load: answers were good or honest refusals, and none took longer than it may. */
static int load_end(struct load_run *run)
{
    int good = 0;
    atomic_store(&run->end, true);
    for (size_t i = 0; i < LOADERS; i++) {
        (void)pthread_join(run->threads[i], NULL);
        good += run->loads[i].good;
        assert_int_equal(run->loads[i].odd_status, 0);
        assert_true(run->loads[i].slowest_ms <= ANSWER_MS_MAX);
    }
    return good;
}

/* Whether all processes are there: what is asked is read from the records each time. */
static bool answers(void *arg)
{
    struct rest_answer answer;
    rest_client_request(arg, "GET", "/api/customer/settings", NULL, NULL, &answer);
    bool good = answer.status == 200;
    rest_answer_free(&answer);
    return good;
}

static void a_store_that_dies_under_load_comes_back_by_itself(void **state)
{
    (void)state;
    struct load_run run;
    struct rest_client browser = system_browser(&system_);
    system_sign_up(&browser, "load@acme.example");
    load_start(&run, &browser);
    for (int round = 0; round < 4; round++) {
        system_kill_role(&system_, "store");
        assert_true(wait_until(answers, &browser, 5000));
    }
    assert_true(load_end(&run) > 0);
    /* The sign-up was acknowledged before the first kill. */
    assert_true(answers(&browser));
}

static void a_store_that_stands_still_gives_refusals_in_time(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    struct rest_answer answer;
    if (system_.one_process)
        return; /* there is no store process to stop */
    system_sign_up(&browser, "stopped@acme.example");
    pid_t store = system_role_pid(&system_, "store");
    assert_true(store > 0);
    process_stop(store);
    int64_t start_ms = mono_ms();
    rest_client_request(&browser, "GET", "/api/customer/dashboard", NULL, NULL, &answer);
    assert_true(answer.status == 503 || answer.status == 504);
    assert_true(mono_ms() - start_ms <= ANSWER_MS_MAX);
    rest_answer_free(&answer);
    rest_client_request(&browser, "GET", "/readyz", NULL, NULL, &answer);
    assert_int_equal(answer.status, 503);
    rest_answer_free(&answer);
    rest_client_request(&browser, "GET", "/healthz", NULL, NULL, &answer);
    assert_int_equal(answer.status, 200);
    rest_answer_free(&answer);
    (void)kill(store, SIGCONT);
    assert_true(wait_until(answers, &browser, 5000));
    system_wait_ready(&system_);
}

static int dashboard_status(struct rest_client *browser)
{
    struct rest_answer answer;
    rest_client_request(browser, "GET", "/api/customer/dashboard", NULL, NULL, &answer);
    int status = answer.status;
    rest_answer_free(&answer);
    return status;
}

static bool is_refused(void *browser)
{
    int status = dashboard_status(browser);
    return status == 503 || status == 504;
}

/* An answer that is kept is given as long as the store is there to say that it holds. */
static void a_kept_answer_does_not_hide_a_store_that_stands_still(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    if (system_.one_process)
        return; /* there is no store process to stop */
    system_sign_up(&browser, "kept@acme.example");
    struct rest_client other = browser;
    for (int times = 0; times < 5; times++)
        assert_int_equal(dashboard_status(&browser), 200);
    pid_t store = system_role_pid(&system_, "store");
    assert_true(store > 0);
    process_stop(store);
    assert_true(wait_until(is_refused, &browser, ANSWER_MS_MAX));
    system_kill_role(&system_, "store");
    assert_true(wait_until(answers, &browser, 5000));
    assert_int_equal(dashboard_status(&browser), 200);
    struct rest_answer answer;
    rest_client_request(&browser, "POST", "/api/auth/logout", "{}", NULL, &answer);
    assert_int_equal(answer.status, 200);
    rest_answer_free(&answer);
    assert_int_equal(dashboard_status(&other), 401);
}

/* --- browsers that leave --- */

/* Sends a request and closes the connection without waiting for the answer. */
static void send_and_leave(const char *request)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)strtoul(strrchr(system_.url, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    (void)close(fd);
}

static int64_t descriptors(pid_t pid)
{
    char path[64];
    int64_t count = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        count++;
    (void)closedir(directory);
    return count;
}

struct descriptor_wait {
    pid_t pid;
    int64_t at_most;
};

static bool few_descriptors(void *arg)
{
    struct descriptor_wait *wait = arg;
    return descriptors(wait->pid) <= wait->at_most;
}

static void browsers_that_leave_cost_nothing(void **state)
{
    (void)state;
    char get[1024], post[2048];
    struct rest_client browser = system_browser(&system_);
    system_sign_up(&browser, "leaver@acme.example");
    (void)snprintf(get, sizeof get,
                   "GET /api/customer/dashboard HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n",
                   browser.cookie);
    static const char body[] = "{\"email\":\"leaver@acme.example\",\"password\":\"wrong wrong\"}";
    (void)snprintf(post, sizeof post,
                   "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   sizeof body - 1, body);
    pid_t rest = system_role_pid(&system_, "rest");
    struct descriptor_wait wait = {rest, descriptors(rest) + 10};
    for (int i = 0; i < 1000; i++) {
        send_and_leave(get);
        if (i % 100 == 0)
            send_and_leave(post); /* long: it is hashed */
    }
    assert_true(answers(&browser));
    assert_true(wait_until(few_descriptors, &wait, 20000));
    assert_int_equal(system_role_pid(&system_, "rest"), rest); /* the same process */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(browsers_that_leave_cost_nothing),
        cmocka_unit_test(fifty_launches_at_once_make_one_campaign),
        cmocka_unit_test(a_launch_survives_a_kill_at_every_step),
        cmocka_unit_test(a_launch_survives_a_kill_of_the_store),
        cmocka_unit_test(a_launch_survives_a_kill_of_everything),
        cmocka_unit_test(a_store_that_dies_under_load_comes_back_by_itself),
        cmocka_unit_test(a_store_that_stands_still_gives_refusals_in_time),
        cmocka_unit_test(a_kept_answer_does_not_hide_a_store_that_stands_still),
    };
    return cmocka_run_group_tests_name("crash", tests, start, stop);
}
