/* Announcements: published, shown newest first, dismissed by each customer for itself, withdrawn.
 */
#include "lotcast/v1/announcements.pb-c.h"
#include "lotcast/v1/dashboard.pb-c.h"
#include "rpc/services/suggestion.h"
#include "test/unit/services/settings_fixture.h"

/* The id, copied; "" with the status when it is refused. */
static void publish(struct logic *logic, const char *message, const char *link, char id[static 64],
                    struct rpc_status *status)
{
    struct test_context test;
    const Lotcast__V1__PublishAnnouncementResponse *response = NULL;
    Lotcast__V1__PublishAnnouncementRequest request =
        LOTCAST__V1__PUBLISH_ANNOUNCEMENT_REQUEST__INIT;
    request.message = (char *)message;
    request.link = (char *)link;
    id[0] = '\0';
    context_begin(&test);
    if (call(logic, &test, "lotcast.v1.Announcements/PublishAnnouncement", &request, &response,
             status) == RPC_OK)
        (void)snprintf(id, 64, "%s", response->id);
    context_end(&test);
}

static enum rpc_code withdraw(struct logic *logic, const char *id, struct rpc_status *status)
{
    struct test_context test;
    const void *response = NULL;
    Lotcast__V1__WithdrawAnnouncementRequest request =
        LOTCAST__V1__WITHDRAW_ANNOUNCEMENT_REQUEST__INIT;
    request.id = (char *)id;
    context_begin(&test);
    enum rpc_code code = call(logic, &test, "lotcast.v1.Announcements/WithdrawAnnouncement",
                              &request, &response, status);
    context_end(&test);
    return code;
}

static enum rpc_code dismiss(struct logic *logic, const char *id, struct rpc_status *status)
{
    struct test_context test;
    const Lotcast__V1__DismissSuggestionResponse *response = NULL;
    Lotcast__V1__DismissSuggestionRequest request = LOTCAST__V1__DISMISS_SUGGESTION_REQUEST__INIT;
    request.id = (char *)id;
    context_begin(&test);
    enum rpc_code code =
        call(logic, &test, "lotcast.v1.Dashboard/DismissSuggestion", &request, &response, status);
    if (code == RPC_OK)
        assert_true(response->success);
    context_end(&test);
    return code;
}

/* The suggestion on the dashboard has this id; "" for none. */
static void expect_shown(struct logic *logic, const char *id, const char *message, const char *link)
{
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__GetDashboardResponse *response = NULL;
    Lotcast__V1__GetDashboardRequest request = LOTCAST__V1__GET_DASHBOARD_REQUEST__INIT;
    context_begin(&test);
    expect_ok(call(logic, &test, "lotcast.v1.Dashboard/GetDashboard", &request, &response, &status),
              &status);
    if (id[0] == '\0') {
        assert_null(response->suggestion);
    } else {
        assert_non_null(response->suggestion);
        assert_string_equal(response->suggestion->id, id);
        assert_string_equal(response->suggestion->type, "template");
        assert_string_equal(response->suggestion->message, message);
        assert_string_equal(response->suggestion->link, link);
    }
    context_end(&test);
}

/* A customer about whom there is nothing else to say. */
static void settled(struct logic *logic)
{
    struct rpc_status status;
    char id[64];
    ready_to_launch(logic);
    expect_ok(launch_now(logic, id, &status), &status);
}

static void the_newest_that_is_not_dismissed_is_shown(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    char first[64], second[64];
    settled(logic);
    expect_shown(logic, "", "", "");
    publish(logic, " New template available ", "", first, &status);
    expect_shown(logic, first, "New template available", "/app/templates");
    publish(logic, "Second", "/app/ads?tab=2", second, &status);
    expect_shown(logic, second, "Second", "/app/ads?tab=2");
    expect_ok(dismiss(logic, second, &status), &status);
    expect_ok(dismiss(logic, second, &status), &status);
    expect_shown(logic, first, "New template available", "/app/templates");
    expect_ok(withdraw(logic, first, &status), &status);
    expect_ok(withdraw(logic, first + strlen("announcement-"), &status), &status);
    expect_shown(logic, "", "", "");
    expect_ok(dismiss(logic, first, &status), &status); /* one that has gone meanwhile */
}

static void how_the_customer_stands_comes_first(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    char id[64];
    const Lotcast__V1__GetDashboardResponse *response = NULL;
    Lotcast__V1__GetDashboardRequest request = LOTCAST__V1__GET_DASHBOARD_REQUEST__INIT;
    put_account(logic);
    publish(logic, "News", "", id, &status);
    context_begin(&test);
    for (int i = 0; i < 2; i++) {
        expect_ok(
            call(logic, &test, "lotcast.v1.Dashboard/GetDashboard", &request, &response, &status),
            &status);
        assert_string_equal(response->suggestion->id, "onboarding-connect");
        expect_ok(dismiss(logic, "onboarding-connect", &status), &status); /* changes nothing */
    }
    context_end(&test);
}

static void refuses_what_is_no_announcement(void **state)
{
    static const struct {
        const char *message, *link, *field;
    } published[] = {
        {"", "", "message"},
        {"   ", "", "message"},
        {"two\nlines", "", "message"},
        {"\x1b[31mred", "", "message"},
        {"News", "https://evil.example/", "link"},
        {"News", "//evil.example/", "link"},
        {"News", "/login", "link"},
        {"News", "/app/../admin", "link"},
        {"News", "javascript:alert(1)", "link"},
    };
    static const struct {
        const char *id, *reason;
    } dismissed[] = {
        {"", "INVALID_ARGUMENT"},
        {"announcement-", "NOT_FOUND"},
        {"announcement-1", "NOT_FOUND"},
        {"announcement-01", "NOT_FOUND"},
        {"announcement--1", "NOT_FOUND"},
        {"announcement-1x", "NOT_FOUND"},
        {"announcement-99999999999999999999", "NOT_FOUND"},
        {"nothing", "NOT_FOUND"},
    };
    static const struct {
        const char *id, *reason;
    } withdrawn[] = {
        {"", "INVALID_ARGUMENT"},
        {"0", "INVALID_ARGUMENT"},
        {"announcement-", "INVALID_ARGUMENT"},
        {"credits-low", "INVALID_ARGUMENT"},
        {"announcement-7", "NOT_FOUND"},
    };
    struct logic *logic = *state;
    struct rpc_status status;
    char id[64];
    put_account(logic);
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        publish(logic, published[i].message, published[i].link, id, &status);
        assert_string_equal(id, "");
        expect_reason(&status, "INVALID_ARGUMENT");
        assert_string_equal(status.field, published[i].field);
    }
    for (size_t i = 0; i < sizeof dismissed / sizeof dismissed[0]; i++) {
        assert_int_not_equal(dismiss(logic, dismissed[i].id, &status), RPC_OK);
        expect_reason(&status, dismissed[i].reason);
    }
    for (size_t i = 0; i < sizeof withdrawn / sizeof withdrawn[0]; i++) {
        assert_int_not_equal(withdraw(logic, withdrawn[i].id, &status), RPC_OK);
        expect_reason(&status, withdrawn[i].reason);
    }
}

/* What a customer's record keeps is bounded, and still no dismissed one comes back. */
static void what_is_kept_is_bounded(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    char id[64];
    settled(logic);
    for (int i = 0; i < 2 * SUGGESTION_DISMISSED_MAX; i++) {
        publish(logic, "News", "", id, &status);
        expect_ok(dismiss(logic, id, &status), &status);
    }
    expect_shown(logic, "", "", "");
    context_begin(&test);
    const Lotcast__V1__CustomerRecord *customer = CUSTOMER_RECORD(logic, &test, customer);
    assert_int_equal(customer->n_dismissed_suggestions, SUGGESTION_DISMISSED_MAX);
    const Lotcast__V1__ListAnnouncementsResponse *list = NULL;
    Lotcast__V1__ListAnnouncementsRequest request = LOTCAST__V1__LIST_ANNOUNCEMENTS_REQUEST__INIT;
    expect_ok(
        call(logic, &test, "lotcast.v1.Announcements/ListAnnouncements", &request, &list, &status),
        &status);
    assert_int_equal(list->n_announcements, SUGGESTION_ANNOUNCEMENTS_MAX);
    assert_string_equal(list->announcements[0]->id, id); /* newest first */
    assert_false(list->announcements[0]->withdrawn);
    assert_int_equal(strlen(list->announcements[0]->published_at), 20);
    context_end(&test);
}

/* The customer's announcements are these, newest first, and dismissed where it says so. */
struct listed {
    const char *id, *message, *link;
    bool dismissed;
};

static void expect_listed(struct logic *logic, const struct listed *want, size_t count)
{
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__ListCustomerAnnouncementsResponse *list = NULL;
    Lotcast__V1__ListCustomerAnnouncementsRequest request =
        LOTCAST__V1__LIST_CUSTOMER_ANNOUNCEMENTS_REQUEST__INIT;
    context_begin(&test);
    expect_ok(call(logic, &test, "lotcast.v1.Announcements/ListCustomerAnnouncements", &request,
                   &list, &status),
              &status);
    assert_int_equal(list->n_announcements, count);
    for (size_t i = 0; i < count; i++) {
        const Lotcast__V1__CustomerAnnouncement *shown = list->announcements[i];
        assert_string_equal(shown->id, want[i].id);
        assert_string_equal(shown->message, want[i].message);
        assert_string_equal(shown->link, want[i].link);
        assert_int_equal(strlen(shown->published_at), 20);
        assert_int_equal(shown->dismissed, want[i].dismissed);
    }
    context_end(&test);
}

static void customers_see_what_is_published(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    char first[64], second[64], third[64];
    put_account(logic);
    expect_listed(logic, NULL, 0);
    publish(logic, "First", "", first, &status);
    publish(logic, "Second", "/app/ads?tab=2", second, &status);
    publish(logic, "Third", "", third, &status);
    expect_ok(dismiss(logic, first, &status), &status);
    expect_listed(logic,
                  (const struct listed[]){{third, "Third", "/app/templates", false},
                                          {second, "Second", "/app/ads?tab=2", false},
                                          {first, "First", "/app/templates", true}},
                  3);
    expect_ok(withdraw(logic, second, &status), &status);
    expect_listed(logic,
                  (const struct listed[]){{third, "Third", "/app/templates", false},
                                          {first, "First", "/app/templates", true}},
                  2);
    expect_ok(withdraw(logic, first, &status), &status);
    expect_ok(withdraw(logic, third, &status), &status);
    expect_listed(logic, NULL, 0);
}

/* The newest alone; and someone who is gone is told nothing. */
static void what_customers_see_is_bounded(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    char id[64];
    const Lotcast__V1__ListCustomerAnnouncementsResponse *list = NULL;
    Lotcast__V1__ListCustomerAnnouncementsRequest request =
        LOTCAST__V1__LIST_CUSTOMER_ANNOUNCEMENTS_REQUEST__INIT;
    context_begin(&test);
    assert_int_equal(call(logic, &test, "lotcast.v1.Announcements/ListCustomerAnnouncements",
                          &request, &list, &status),
                     RPC_NOT_FOUND);
    put_account(logic);
    for (int i = 0; i < SUGGESTION_ANNOUNCEMENTS_MAX + 5; i++)
        publish(logic, "News", "", id, &status);
    expect_ok(call(logic, &test, "lotcast.v1.Announcements/ListCustomerAnnouncements", &request,
                   &list, &status),
              &status);
    assert_int_equal(list->n_announcements, SUGGESTION_ANNOUNCEMENTS_MAX);
    assert_string_equal(list->announcements[0]->id, id);
    context_end(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_newest_that_is_not_dismissed_is_shown, begin, end),
        cmocka_unit_test_setup_teardown(how_the_customer_stands_comes_first, begin, end),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_announcement, begin, end),
        cmocka_unit_test_setup_teardown(what_is_kept_is_bounded, begin, end),
        cmocka_unit_test_setup_teardown(customers_see_what_is_published, begin, end),
        cmocka_unit_test_setup_teardown(what_customers_see_is_bounded, begin, end),
    };
    return cmocka_run_group_tests_name("suggestion", tests, NULL, NULL);
}
