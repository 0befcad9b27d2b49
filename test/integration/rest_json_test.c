/*
 * The corpus of JSON texts as bodies of real requests: what is not JSON is INVALID_JSON at its
 * exact place, and what is JSON is anything but that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/integration/rest_fixture.h"
#include "test/support/json_cases.h"

static void every_text_is_judged_alike(void **state)
{
    const struct rest_fixture *fixture = *state;
    int fd = raw_connect(fixture);
    for (size_t i = 0; i < json_case_count; i++) {
        const struct json_case *json_case = &json_cases[i];
        struct raw_answer answer;
        char head[256], want[64];
        if (json_case->len == 0)
            continue; /* a missing body is an empty object */
        (void)snprintf(head, sizeof head,
                       "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                       json_case->len);
        raw_send(fd, head);
        raw_send_bytes(fd, json_case->text, json_case->len);
        raw_read(fd, false, &answer);
        (void)snprintf(want, sizeof want, "\"position\":%ld}", json_case->position);
        bool refused = answer.status == 400 && strstr(answer.body, "\"INVALID_JSON\"") != NULL;
        if (answer.status == 0 || answer.status >= 500 ||
            refused != (json_case->position != JSON_CASE_TAKEN) ||
            (refused && strstr(answer.body, want) == NULL))
            fail_msg("%s: %d %s", json_case->name, answer.status, answer.body);
        raw_answer_free(&answer);
    }
    (void)close(fd);
}

/* Texts that are small to send and large to judge. */
static void hostile_texts_are_refused(void **state)
{
    const struct rest_fixture *fixture = *state;
    static const struct {
        const char *piece;
        size_t count;
        const char *want;
    } rows[] = {
        {"[", 100000, "\"position\":32}"},       {"{\"a\":", 100000, "\"position\":160}"},
        {" ", 1000000, "\"position\":1000000}"}, {"\"", 1, "\"position\":1}"},
        {"1", 1000000, "\"INVALID_ARGUMENT\""},  {"\"\\ud800", 100000, "\"position\":1}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct raw_answer answer;
        char head[256];
        size_t len = strlen(rows[i].piece);
        char *body = malloc(len * rows[i].count);
        assert_non_null(body);
        for (size_t j = 0; j < rows[i].count; j++)
            memcpy(body + j * len, rows[i].piece, len);
        int fd = raw_connect(fixture);
        (void)snprintf(head, sizeof head,
                       "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                       len * rows[i].count);
        raw_send(fd, head);
        raw_send_bytes(fd, body, len * rows[i].count);
        raw_read(fd, false, &answer);
        assert_int_equal(answer.status, 400);
        if (strstr(answer.body, rows[i].want) == NULL)
            fail_msg("%zu times %s: %s", rows[i].count, rows[i].piece, answer.body);
        raw_answer_free(&answer);
        (void)close(fd);
        free(body);
    }
}

static int start(void **state)
{
    static struct rest_fixture fixture;
    rest_fixture_start(&fixture, NULL);
    *state = &fixture;
    return 0;
}

static int stop(void **state)
{
    rest_fixture_stop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_is_judged_alike),
        cmocka_unit_test(hostile_texts_are_refused),
    };
    return cmocka_run_group_tests_name("rest_json", tests, start, stop);
}
