/* kill -9 at any moment, and full disks. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/store/fixture.h"

#define USER (&lotcast__v1__user_record__descriptor)

/* --- kill -9 --- */

#define KILLS 40
#define THREADS 4
/* Numbers of one round and thread at most. */
#define NUMBERS_MAX 100000
/* Reports that are awaited before the kill, at most. */
#define REPORTS_MAX 300

/* What a child writes after an answer; shorter than PIPE_BUF, so never torn. */
struct report {
    int64_t number;
    int64_t is_refused;
};

struct child {
    struct fixture *fixture;
    int pipe;
    int64_t first;
};

static enum rpc_code commit_number(struct fixture *fixture, int64_t number, bool is_to_be_refused)
{
    struct test_context test;
    struct rpc_status status;
    struct store_commit commit;
    char email[32];
    context_begin(&test);
    (void)snprintf(email, sizeof email, "%lld@x", (long long)number);
    Lotcast__V1__UserRecord user = make_user(number, email);
    store_commit_init(&commit, fixture->client, &test.context);
    (void)store_commit_put_new(&commit, &user);
    (void)store_commit_add(&commit, "users", 1);
    if (is_to_be_refused)
        (void)store_commit_check(&commit, USER, store_key(store_number(number)), 0);
    enum rpc_code code = store_commit_send(&commit, &test.context, NULL, &status);
    context_end(&test);
    return code;
}

static void *commit_and_report(void *arg)
{
    const struct child *self = arg;
    for (int64_t number = self->first; number < self->first + NUMBERS_MAX; number++) {
        bool is_to_be_refused = number % 5 == 0;
        enum rpc_code code = commit_number(self->fixture, number, is_to_be_refused);
        if (code != (is_to_be_refused ? RPC_ABORTED : RPC_OK))
            _exit(3);
        const struct report report = {number, is_to_be_refused};
        if (write(self->pipe, &report, sizeof report) != sizeof report)
            _exit(4);
    }
    return NULL;
}

static _Noreturn void run_child(const char *directory, int pipe, int64_t first)
{
    struct fixture fixture = {.registry = make_registry()};
    struct child children[THREADS];
    pthread_t threads[THREADS];
    (void)snprintf(fixture.directory, sizeof fixture.directory, "%s", directory);
    fixture_start(&fixture);
    for (int64_t i = 0; i < THREADS; i++) {
        children[i] = (struct child){&fixture, pipe, first + i * NUMBERS_MAX};
        if (pthread_create(&threads[i], NULL, commit_and_report, &children[i]) != 0)
            _exit(5);
    }
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    _exit(6); /* it was to be killed long ago */
}

struct journal {
    struct report *reports;
    size_t count;
};

static void read_reports(int pipe, struct journal *journal, size_t at_most)
{
    struct report report;
    for (size_t i = 0; i < at_most; i++) {
        ssize_t len = read(pipe, &report, sizeof report);
        if (len == 0)
            return;
        assert_int_equal(len, sizeof report);
        journal->reports[journal->count++] = report;
    }
}

static void check_journal(struct fixture *fixture, const struct journal *journal)
{
    for (size_t i = 0; i < journal->count; i++) {
        const struct report *report = &journal->reports[i];
        bool is_there = user_version(fixture, report->number) != 0;
        if (is_there == (report->is_refused != 0))
            fail_msg("%lld was %s", (long long)report->number,
                     report->is_refused ? "refused and is there" : "acknowledged and is lost");
    }
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    struct store_read_op ops[] = {
        {.counter = "users"},
        {.record = USER, .is_range = true, .count_only = true},
        {.record = USER, .index = "by_email", .is_range = true, .count_only = true}};
    expect_ok(store_read(fixture->client, &test.context, ops, 3, &status), &status);
    assert_int_equal(ops[0].ret_count, ops[1].ret_count);
    assert_int_equal(ops[0].ret_count, ops[2].ret_count);
    context_end(&test);
}

static void keeps_what_it_acknowledged_over_kill_9(void **state)
{
    (void)state;
    struct fixture fixture = {.registry = make_registry()};
    struct journal journal = {calloc(KILLS * (size_t)(REPORTS_MAX + 70000), sizeof(struct report)),
                              0};
    temp_directory(fixture.directory);
    assert_non_null(journal.reports);
    unsigned dice = 12345;
    for (int64_t round = 0; round < KILLS; round++) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            (void)close(ends[0]);
            run_child(fixture.directory, ends[1], 1 + round * THREADS * NUMBERS_MAX);
        }
        (void)close(ends[1]);
        dice = dice * 1103515245U + 12345U;
        read_reports(ends[0], &journal, (dice >> 16) % REPORTS_MAX); /* 0: while it opens */
        assert_int_equal(kill(child, SIGKILL), 0);
        read_reports(ends[0], &journal, SIZE_MAX); /* what was in the pipe counts */
        (void)close(ends[0]);
        int wait_status;
        assert_int_equal(waitpid(child, &wait_status, 0), child);
        assert_true(WIFSIGNALED(wait_status));
        if (round % 4 == 3) { /* other rounds open what the last one left */
            fixture_start(&fixture);
            check_journal(&fixture, &journal);
            fixture_stop(&fixture);
        }
    }
    print_message("%zu reports over %d kills\n", journal.count, KILLS);
    assert_true(journal.count > KILLS);
    free(journal.reports);
    registry_destroy(fixture.registry);
}

/* --- a full disk --- */

#define ROW_BYTES 20000

static enum rpc_code put_row(struct fixture *fixture, int64_t id)
{
    struct test_context test;
    struct rpc_status status;
    struct store_commit commit;
    char email[32];
    context_begin(&test);
    char *name = arena_alloc(&test.arena, ROW_BYTES + 1);
    assert_non_null(name);
    memset(name, 'n', ROW_BYTES);
    name[ROW_BYTES] = '\0';
    (void)snprintf(email, sizeof email, "%lld@x", (long long)id);
    Lotcast__V1__UserRecord user = make_user(id, email);
    user.name = name;
    store_commit_init(&commit, fixture->client, &test.context);
    (void)store_commit_put_new(&commit, &user);
    (void)store_commit_add(&commit, "users", 1);
    enum rpc_code code = store_commit_send(&commit, &test.context, NULL, &status);
    context_end(&test);
    return code;
}

static void check_rows(struct fixture *fixture, int64_t last)
{
    for (int64_t id = 1; id <= last; id++)
        assert_true(user_version(fixture, id) != 0);
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    struct store_read_op ops[] = {{.counter = "users"},
                                  {.record = USER, .is_range = true, .count_only = true}};
    expect_ok(store_read(fixture->client, &test.context, ops, 2, &status), &status);
    assert_int_equal(ops[0].ret_count, last);
    assert_int_equal(ops[1].ret_count, last);
    context_end(&test);
}

/* Puts rows until one is refused; returns the last that was not. */
static int64_t fill_up(struct fixture *fixture, int64_t from)
{
    for (int64_t id = from;; id++) {
        enum rpc_code code = put_row(fixture, id);
        if (code == RPC_OK) {
            assert_true(id < 10000);
            continue;
        }
        assert_true(code == RPC_RESOURCE_EXHAUSTED || code == RPC_UNAVAILABLE);
        return id - 1;
    }
}

static void full_disk(struct fixture *fixture, void (*make_room)(const char *directory))
{
    int64_t last = fill_up(fixture, 1);
    assert_true(last > 0);
    for (int i = 0; i < 5; i++) {
        assert_int_not_equal(put_row(fixture, last + 1), RPC_OK);
        check_rows(fixture, last);
    }
    make_room(fixture->directory);
    assert_int_equal(put_row(fixture, last + 1), RPC_OK);
    check_rows(fixture, last + 1);
    fixture_stop(fixture);
    fixture_start(fixture);
    check_rows(fixture, last + 1);
}

static void lift_limit(const char *directory)
{
    (void)directory;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void survives_a_file_that_may_not_grow(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit limit;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = (rlim_t)2 * 1024 * 1024;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    full_disk(fixture, lift_limit);
}

static void remove_filler(const char *directory)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/filler", directory);
    assert_int_equal(unlink(path), 0);
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        (void)close(fd);
    return written;
}

/* As root of a user namespace of its own: only in a process with one thread. */
static bool become_root(void)
{
    char users[64], groups[64];
    (void)snprintf(users, sizeof users, "0 %u 1", (unsigned)geteuid());
    (void)snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getegid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_file("/proc/self/uid_map", users) &&
           write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/gid_map", groups);
}

static bool mount_small(const char *directory)
{
    return mount("store", directory, "tmpfs", 0, "size=4m,mode=0700") == 0;
}

/* A file system of its own; where the machine lets nobody have one, a limit of the process's. */
static void survives_a_full_file_system(void **state)
{
    (void)state;
    struct fixture fixture = {.registry = make_registry()};
    temp_directory(fixture.directory);
    if (!mount_small(fixture.directory) && (!become_root() || !mount_small(fixture.directory))) {
        void *limited = &fixture;
        fixture_start(&fixture);
        survives_a_file_that_may_not_grow(&limited);
        fixture_stop(&fixture);
        registry_destroy(fixture.registry);
        return;
    }
    char path[128];
    static char filler[1024 * 1024];
    (void)snprintf(path, sizeof path, "%s/filler", fixture.directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, filler, sizeof filler), sizeof filler);
    assert_int_equal(close(fd), 0);
    fixture_start(&fixture);
    full_disk(&fixture, remove_filler);
    fixture_stop(&fixture);
    assert_int_equal(umount2(fixture.directory, MNT_DETACH), 0);
    registry_destroy(fixture.registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_it_acknowledged_over_kill_9),
        cmocka_unit_test_setup_teardown(survives_a_file_that_may_not_grow, set_up, tear_down),
        cmocka_unit_test(survives_a_full_file_system),
    };
    return cmocka_run_group_tests_name("durability", tests, NULL, NULL);
}
