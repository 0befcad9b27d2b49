/*
 * /readyz and /healthz, while the server behind the facade serves and when it drains.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/integration/rest_fixture.h"
#include "test/support/process.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define DASHBOARD                                         \
    "GET /api/customer/dashboard HTTP/1.1\r\nHost: x\r\n" \
    "Cookie: lotcast_session=good\r\n\r\n"
#define PATIENCE_MS 10000

static struct rest_fixture fixture;

static int status_of(const char *request)
{
    struct raw_answer answer;
    raw_request(&fixture, request, &answer);
    int status = answer.status;
    raw_answer_free(&answer);
    return status;
}

static bool readyz_is(void *status)
{
    return status_of(GET("/readyz")) == *(const int *)status;
}

static void expect_unavailable(const char *request)
{
    struct raw_answer answer;
    raw_request(&fixture, request, &answer);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.body, "\"UNAVAILABLE\""));
    assert_string_equal(raw_header(&answer, "retry-after"), "1");
    assert_non_null(raw_header(&answer, "x-request-id"));
    raw_answer_free(&answer);
}

static void test_readiness(void **state)
{
    int ready = 200;
    (void)state;
    assert_true(wait_until(readyz_is, &ready, PATIENCE_MS)); /* its health is asked first */
    assert_int_equal(status_of(GET("/healthz")), 200);
    assert_int_equal(status_of(DASHBOARD), 200);
    rpc_server_drain(fixture.server, 0);
    expect_unavailable(GET("/readyz")); /* at once: the channel knows */
    expect_unavailable(DASHBOARD);
    assert_int_equal(status_of(GET("/healthz")), 200);
}

static int start(void **state)
{
    (void)state;
    rest_fixture_start(&fixture, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rest_fixture_stop(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_readiness)};
    return cmocka_run_group_tests(tests, start, stop);
}
