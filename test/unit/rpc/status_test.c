#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/base/utf8.h"
#include "rpc/status.h"

/* Through the packed bytes and back. */
static void carry(const struct rpc_status *from, struct rpc_status *to)
{
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    Lotcast__V1__Status *message = rpc_status_to_message(from, &arena);
    assert_non_null(message);
    size_t len = lotcast__v1__status__get_packed_size(message);
    uint8_t *packed = arena_alloc(&arena, len);
    assert_non_null(packed);
    (void)lotcast__v1__status__pack(message, packed);
    Lotcast__V1__Status *back = lotcast__v1__status__unpack(&arena.protobuf, len, packed);
    assert_non_null(back);
    memset(to, 0xa5, sizeof *to);
    rpc_status_from_message(to, back);
    arena_fini(&arena);
}

static void assert_same(const struct rpc_status *a, const struct rpc_status *b)
{
    assert_int_equal(a->code, b->code);
    assert_int_equal(a->reason, b->reason);
    assert_int_equal(a->retry_after_ms, b->retry_after_ms);
    assert_true(a->position == b->position);
    assert_string_equal(a->message, b->message);
    assert_string_equal(a->field, b->field);
    assert_string_equal(a->upstream, b->upstream);
    assert_string_equal(a->campaign_id, b->campaign_id);
}

static void a_status_survives_the_wire(void **state)
{
    (void)state;
    struct rpc_status from, to;
    rpc_status_clear(&from);
    carry(&from, &to);
    assert_same(&from, &to);

    assert_int_equal(rpc_status_fail(&from, LOTCAST__V1__REASON__REASON_INVALID_URL, "url"),
                     RPC_INVALID_ARGUMENT);
    carry(&from, &to);
    assert_same(&from, &to);
    assert_string_equal(to.message, "Please enter a valid URL");
    assert_string_equal(to.field, "url");

    assert_int_equal(rpc_status_fail_upstream(&from, "meta"), RPC_UNAVAILABLE);
    from.retry_after_ms = 1500;
    from.position = 0;
    memcpy(from.campaign_id, "120", 4);
    carry(&from, &to);
    assert_same(&from, &to);
    assert_string_equal(to.upstream, "meta");

    assert_int_equal(rpc_status_set(&from, RPC_ABORTED, "lost %d times", 3), RPC_ABORTED);
    carry(&from, &to);
    assert_same(&from, &to);
    assert_int_equal(to.reason, LOTCAST__V1__REASON__REASON_UNSPECIFIED);
    assert_string_equal(to.message, "lost 3 times");
    assert_true(to.position == -1);
}

static void what_the_wire_says_is_not_believed(void **state)
{
    (void)state;
    struct rpc_status status;
    rpc_status_from_message(&status, NULL);
    assert_int_equal(status.code, RPC_OK);

    Lotcast__V1__Status message = LOTCAST__V1__STATUS__INIT;
    message.code = 17;
    rpc_status_from_message(&status, &message);
    assert_int_equal(status.code, RPC_UNKNOWN);
    message.code = UINT32_MAX;
    rpc_status_from_message(&status, &message);
    assert_int_equal(status.code, RPC_UNKNOWN);
}

/* Texts longer than the status has room for end at a character. */
static void long_texts_are_cut_at_a_character(void **state)
{
    (void)state;
    char text[600];
    for (size_t lead = 0; lead < 3; lead++) {
        memset(text, 'x', lead);
        for (size_t at = lead; at + 3 < sizeof text; at += 3)
            memcpy(text + at, "\xe2\x82\xac", 3);
        text[lead + (sizeof text - lead - 1) / 3 * 3] = '\0';
        struct rpc_status status;
        rpc_status_fail_message(&status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, text, "%s",
                                text);
        assert_true(strlen(status.field) >= RPC_STATUS_FIELD_BYTES - 3);
        assert_true(strlen(status.message) >= RPC_STATUS_MESSAGE_BYTES - 3);
        assert_true(utf8_valid(status.field, strlen(status.field), NULL));
        assert_true(utf8_valid(status.message, strlen(status.message), NULL));
    }
}

static void detail_may_be_unwanted(void **state)
{
    (void)state;
    rpc_status_clear(NULL);
    assert_int_equal(rpc_status_set(NULL, RPC_INTERNAL, "%s", "x"), RPC_INTERNAL);
    assert_int_equal(rpc_status_fail(NULL, LOTCAST__V1__REASON__REASON_NOT_FOUND, "a"),
                     RPC_NOT_FOUND);
    assert_int_equal(
        rpc_status_fail_message(NULL, LOTCAST__V1__REASON__REASON_CONFLICT, NULL, "%s", "x"),
        RPC_ABORTED);
    assert_int_equal(rpc_status_fail_upstream(NULL, "stripe"), RPC_UNAVAILABLE);
}

static void an_exhausted_arena_gives_no_message(void **state)
{
    (void)state;
    struct rpc_status status;
    rpc_status_fail(&status, LOTCAST__V1__REASON__REASON_INVALID_JSON, NULL);
    status.position = 7;
    struct arena arena;
    for (size_t bytes = 0; bytes <= sizeof(Lotcast__V1__Status); bytes += 16) {
        arena_init(&arena, bytes);
        assert_null(rpc_status_to_message(&status, &arena));
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_survives_the_wire),
        cmocka_unit_test(what_the_wire_says_is_not_believed),
        cmocka_unit_test(long_texts_are_cut_at_a_character),
        cmocka_unit_test(detail_may_be_unwanted),
        cmocka_unit_test(an_exhausted_arena_gives_no_message),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
