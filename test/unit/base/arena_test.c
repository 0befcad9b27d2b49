#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/base/arena.h"

static void hands_out_aligned_memory_that_does_not_overlap(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    unsigned char *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = arena_alloc(&arena, i * 7);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
        memset(blocks[i], (int)i, i * 7);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t at = 0; at < i * 7; at++)
            assert_int_equal(blocks[i][at], (unsigned char)i);
    }
    arena_fini(&arena);
}

static void refuses_more_than_its_limit_and_overflow(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1000);
    assert_null(arena_alloc(&arena, 1001));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_calloc(&arena, SIZE_MAX / 2, 4));
    assert_non_null(arena_alloc(&arena, 900));
    assert_null(arena_alloc(&arena, 200));
    arena_reset(&arena);
    assert_non_null(arena_alloc(&arena, 900));
    arena_fini(&arena);
}

static void copies_text(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1000);
    assert_string_equal(arena_strdup(&arena, "abc"), "abc");
    assert_string_equal(arena_strndup(&arena, "abcdef", 4), "abcd");
    assert_string_equal(arena_printf(&arena, "%s-%d", "x", 12), "x-12");
    assert_null(arena_strndup(&arena, "x", SIZE_MAX));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_aligned_memory_that_does_not_overlap),
        cmocka_unit_test(refuses_more_than_its_limit_and_overflow),
        cmocka_unit_test(copies_text),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
