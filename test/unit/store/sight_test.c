/* Stamps in sight of another process: the same as by a call, or nothing. */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sight.h"
#include "store/stamp.h"
#include "test/unit/store/fixture.h"

#define CUSTOMER (&lotcast__v1__customer_record__descriptor)
#define WAIT_MS 10000

enum { FIRST, SECOND, ALL, WATCHED };

static const struct store_partition watched[WATCHED] = {
    [FIRST] = {CUSTOMER, true, {.kind = STORE_KEY_NUMBER, .number = 1}},
    [SECOND] = {CUSTOMER, true, {.kind = STORE_KEY_NUMBER, .number = 2}},
    [ALL] = {.record = CUSTOMER},
};

/* A client whose store is in sight. */
struct view {
    struct store_sight *sight;
    uint32_t places[WATCHED];
};

static void view_open(struct view *view, struct fixture *fixture)
{
    struct test_context test;
    view->sight = store_sight_create(fixture->directory, fixture->registry);
    assert_non_null(view->sight);
    const struct store_near near = store_sight_near(view->sight);
    store_client_set_near(fixture->client, &near);
    context_begin(&test);
    assert_true(store_near_find(fixture->client, &test.arena, watched, WATCHED, view->places));
    context_end(&test);
}

static uint64_t seen(const struct view *view, size_t which)
{
    const struct store_near near = store_sight_near(view->sight);
    return near.read(near.store, view->places[which]);
}

static void ask(struct fixture *fixture, uint64_t stamps[static WATCHED])
{
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    expect_ok(store_read_stamped(fixture->client, &test.context, NULL, 0, watched, WATCHED, stamps,
                                 &status),
              &status);
    context_end(&test);
}

static void expect_same(struct fixture *fixture, const struct view *view)
{
    uint64_t stamps[WATCHED];
    ask(fixture, stamps);
    for (size_t i = 0; i < WATCHED; i++) {
        assert_true(stamps[i] != STORE_STAMP_NONE);
        assert_true(seen(view, i) == stamps[i]);
    }
}

static void put_customer(struct fixture *fixture, int64_t id)
{
    Lotcast__V1__CustomerRecord customer = LOTCAST__V1__CUSTOMER_RECORD__INIT;
    customer.customer_id = id;
    (void)put_record(fixture, &customer);
}

static void are_those_of_a_call(void **state)
{
    struct fixture *fixture = *state;
    struct view view;
    view_open(&view, fixture);
    expect_same(fixture, &view);
    for (int64_t id = 1; id <= 3; id++) {
        uint64_t before[] = {seen(&view, FIRST), seen(&view, SECOND), seen(&view, ALL)};
        put_customer(fixture, id);
        assert_int_equal(seen(&view, FIRST) != before[0], id == 1);
        assert_int_equal(seen(&view, SECOND) != before[1], id == 2);
        assert_true(seen(&view, ALL) != before[2]);
        expect_same(fixture, &view);
    }
    store_sight_destroy(view.sight);
}

/* As after a crash: the file is what it was, and the next store's. */
static void begin_anew_with_the_next_store(void **state)
{
    struct fixture *fixture = *state;
    struct view view;
    view_open(&view, fixture);
    uint64_t before[] = {seen(&view, FIRST), seen(&view, SECOND), seen(&view, ALL)};
    fixture_stop(fixture);
    for (size_t i = 0; i < WATCHED; i++)
        assert_true(seen(&view, i) == before[i]);
    fixture_start(fixture);
    for (size_t i = 0; i < WATCHED; i++) {
        assert_true(seen(&view, i) != STORE_STAMP_NONE);
        assert_true(seen(&view, i) != before[i]);
    }
    expect_same(fixture, &view);
    put_customer(fixture, 1);
    expect_same(fixture, &view);
    store_sight_destroy(view.sight);
}

static void path_of(const struct fixture *fixture, char path[static PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%s/" STORE_STAMPS_FILE, fixture->directory);
}

static bool is_out_of_sight(void *arg)
{
    return seen(arg, FIRST) == STORE_STAMP_NONE;
}

static bool is_in_sight(void *arg)
{
    return !is_out_of_sight(arg);
}

static void end_with_their_file(void **state)
{
    struct fixture *fixture = *state;
    struct view view;
    char path[PATH_MAX];
    path_of(fixture, path);
    view_open(&view, fixture);
    expect_same(fixture, &view);
    for (int times = 0; times < 2; times++) {
        assert_int_equal(unlink(path), 0);
        assert_true(wait_until(is_out_of_sight, &view, WAIT_MS));
        put_customer(fixture, 1); /* seen by nobody */
        assert_true(is_out_of_sight(&view));
        fixture_stop(fixture);
        fixture_start(fixture);
        assert_true(wait_until(is_in_sight, &view, WAIT_MS));
        expect_same(fixture, &view);
    }
    store_sight_destroy(view.sight);
}

static void may_be_looked_for_before_they_are_there(void **state)
{
    struct fixture *fixture = *state;
    struct view view;
    char path[PATH_MAX];
    path_of(fixture, path);
    fixture_stop(fixture);
    assert_int_equal(unlink(path), 0);
    fixture->client = store_client_create(NULL, fixture->registry);
    assert_non_null(fixture->client);
    view_open(&view, fixture);
    assert_true(is_out_of_sight(&view));
    store_client_destroy(fixture->client);
    fixture_start(fixture);
    assert_true(wait_until(is_in_sight, &view, WAIT_MS));
    expect_same(fixture, &view);
    store_sight_destroy(view.sight);
}

enum kind { SHORT, OTHER_HEAD, LINK, DIRECTORY };

/* Puts something else in the file's place. */
static void make_other(enum kind kind, const char *path)
{
    char other[PATH_MAX];
    (void)snprintf(other, sizeof other, "%s.other", path);
    int fd = -1;
    switch (kind) {
    case SHORT:
    case OTHER_HEAD:
        fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, (off_t)STORE_STAMPS_FILE_BYTES - (kind == SHORT)), 0);
        if (kind == SHORT)
            assert_int_equal(write(fd, STORE_STAMPS_HEAD, sizeof STORE_STAMPS_HEAD),
                             sizeof STORE_STAMPS_HEAD);
        assert_int_equal(close(fd), 0);
        break;
    case LINK:
        assert_int_equal(rename(path, other), 0);
        assert_int_equal(symlink(other, path), 0);
        break;
    case DIRECTORY:
        assert_int_equal(mkdir(path, 0700), 0);
        break;
    }
}

static void nothing_else_is_taken_for_them(void **state)
{
    static const enum kind kinds[] = {SHORT, OTHER_HEAD, LINK, DIRECTORY};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct view view;
        char path[PATH_MAX];
        path_of(fixture, path);
        if (kinds[i] != LINK)
            assert_int_equal(unlink(path), 0);
        make_other(kinds[i], path);
        view_open(&view, fixture);
        if (!is_out_of_sight(&view))
            fail_msg("row %zu", i);
        store_sight_destroy(view.sight);
        assert_int_equal(kinds[i] == DIRECTORY ? rmdir(path) : unlink(path), 0);
        fixture_stop(fixture); /* makes the file again */
        fixture_start(fixture);
    }
}

/* A store whose file cannot be made serves all the same; its stamps are told by calls alone. */
static void a_store_does_without_the_file(void **state)
{
    static const enum kind kinds[] = {LINK, DIRECTORY};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct view view;
        char path[PATH_MAX];
        uint64_t before[WATCHED], after[WATCHED];
        path_of(fixture, path);
        fixture_stop(fixture);
        if (kinds[i] != LINK)
            assert_int_equal(unlink(path), 0);
        make_other(kinds[i], path);
        fixture_start(fixture);
        view_open(&view, fixture);
        ask(fixture, before);
        put_customer(fixture, 1);
        ask(fixture, after);
        assert_true(before[FIRST] != after[FIRST]);
        assert_true(before[SECOND] == after[SECOND]);
        assert_true(is_out_of_sight(&view));
        store_sight_destroy(view.sight);
        assert_int_equal(kinds[i] == DIRECTORY ? rmdir(path) : unlink(path), 0);
        fixture_stop(fixture);
        fixture_start(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(are_those_of_a_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(begin_anew_with_the_next_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(end_with_their_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(may_be_looked_for_before_they_are_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_else_is_taken_for_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_does_without_the_file, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
