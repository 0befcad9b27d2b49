/*
 * The facade as HTTP clients see it, good ones and bad ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/integration/rest_fixture.h"

static struct rest_fixture fixture;

static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

struct row {
    const char *name;
    const char *request;
    int status;
    const char *in_body; /* NULL: anything */
    const char *in_head;
};

static void run_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct raw_answer answer;
        raw_request(&fixture, rows[i].request, &answer);
        if (answer.status != rows[i].status)
            fail_msg("%s: %d instead of %d\n%s%s", rows[i].name, answer.status, rows[i].status,
                     answer.head, answer.body);
        if (rows[i].in_body != NULL)
            assert_contains(answer.body, rows[i].in_body);
        if (rows[i].in_head != NULL)
            assert_contains(answer.head, rows[i].in_head);
        assert_non_null(raw_header(&answer, "x-request-id"));
        assert_string_equal(raw_header(&answer, "x-content-type-options"), "nosniff");
        raw_answer_free(&answer);
    }
}

#define RUN(rows) run_rows(rows, sizeof rows / sizeof rows[0])

static void test_smoke(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"healthz", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200, "\"ok\"", NULL},
        {"login",
         "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
         "Content-Length: 36\r\n\r\n{\"email\":\"a@b.c\",\"password\":\"right\"}",
         200, "{\"success\":true,\"redirectTo\":\"/app/dashboard\"}",
         "lotcast_session=fresh-token_1; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000\r\n"},
        {"dashboard",
         "GET /api/customer/dashboard HTTP/1.1\r\nHost: x\r\nCookie: lotcast_session=good\r\n\r\n",
         200, "\"itemCount\":247", "etag: \""},
        {"no session", "GET /api/customer/dashboard HTTP/1.1\r\nHost: x\r\n\r\n", 401,
         "AUTH_REQUIRED", "lotcast_session=; Path=/"},
    };
    RUN(rows);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smoke),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
