/* The comparison of inventories, and when it may remove. */
#include "rpc/services/model/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ITEMS_MAX 16
#define TEXT_BYTES 256

/* "a1 b2": identities a and b with contents 1 and 2. */
static size_t parse(const char *text, char identities[ITEMS_MAX][2], struct diff_item *items)
{
    size_t count = 0;
    for (; *text != '\0'; text += text[2] == ' ' ? 3 : 2) {
        identities[count][0] = text[0];
        identities[count][1] = '\0';
        items[count] = (struct diff_item){identities[count], span_of(text + 1, 1)};
        count++;
    }
    return count;
}

static void print(char *to, const size_t *indices, size_t count, const struct diff_item *items)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(to + len, TEXT_BYTES - len, "%s", items[indices[i]].identity);
    to[len] = '\0';
}

static void compares(void **state)
{
    (void)state;
    static const struct {
        const char *stored, *found, *added, *changed, *removed;
        size_t same;
    } rows[] = {
        {"", "", "", "", "", 0},
        {"", "a1", "a", "", "", 0},
        {"a1", "", "", "", "a", 0},
        {"a1", "a1", "", "", "", 1},
        {"a1", "a2", "", "a", "", 0},
        {"a1 b1 c1", "c1 b2 d1 e1", "de", "b", "a", 1},
        {"z1 a1 m1", "q1 z1 b1", "qb", "", "am", 1},
        {"", "a1 a2 a1", "a", "", "", 0},
        {"a1", "a2 a1", "", "a", "", 0},
        {"b1 a1", "a1 b1", "", "", "", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        char stored_ids[ITEMS_MAX][2], found_ids[ITEMS_MAX][2];
        struct diff_item stored[ITEMS_MAX], found[ITEMS_MAX];
        char text[TEXT_BYTES];
        struct diff diff;
        arena_init(&arena, 1024 * 1024);
        size_t stored_count = parse(rows[i].stored, stored_ids, stored);
        size_t found_count = parse(rows[i].found, found_ids, found);
        assert_true(diff_inventory(stored, stored_count, found, found_count, &arena, &diff));
        print(text, diff.added, diff.added_count, found);
        assert_string_equal(text, rows[i].added);
        print(text, diff.changed, diff.changed_count, found);
        assert_string_equal(text, rows[i].changed);
        print(text, diff.removed, diff.removed_count, stored);
        assert_string_equal(text, rows[i].removed);
        assert_int_equal(diff.same_count, rows[i].same);
        arena_fini(&arena);
    }
}

/* Applying a diff to what is stored gives what was found, whatever the two lists are. */
static void applies(void **state)
{
    (void)state;
    srand(7);
    for (int round = 0; round < 2000; round++) {
        char names[2][ITEMS_MAX][2];
        struct diff_item items[2][ITEMS_MAX];
        size_t counts[2] = {0, 0};
        for (size_t side = 0; side < 2; side++) {
            for (char c = 'a'; c < 'a' + ITEMS_MAX; c++) {
                if (rand() % 2 == 0)
                    continue;
                size_t at = counts[side]++;
                names[side][at][0] = c;
                names[side][at][1] = '\0';
                items[side][at] =
                    (struct diff_item){names[side][at], span_of("12" + rand() % 2, 1)};
            }
        }
        struct arena arena;
        struct diff diff;
        arena_init(&arena, 1024 * 1024);
        assert_true(diff_inventory(items[0], counts[0], items[1], counts[1], &arena, &diff));
        assert_int_equal(counts[0] - diff.removed_count + diff.added_count, counts[1]);
        assert_int_equal(diff.same_count + diff.changed_count + diff.added_count, counts[1]);
        for (size_t i = 0; i < counts[1]; i++) {
            size_t of = diff.stored_of[i];
            if (of != DIFF_NEW)
                assert_string_equal(items[0][of].identity, items[1][i].identity);
        }
        arena_fini(&arena);
    }
}

static void guards_removal(void **state)
{
    (void)state;
    static const struct {
        size_t stored, removed;
        bool allowed;
    } rows[] = {{0, 0, true},      {1, 0, true}, {1, 1, false}, {2, 1, true},
                {2, 2, false},     {3, 1, true}, {3, 2, false}, {247, 123, true},
                {247, 124, false}, {4, 2, true}, {4, 3, false}, {100, 51, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct diff diff = {.removed_count = rows[i].removed};
        assert_int_equal(diff_removal_allowed(&diff, rows[i].stored), rows[i].allowed);
    }
}

static void refuses_a_full_arena(void **state)
{
    (void)state;
    struct diff_item items[2] = {{"a", span_of("1", 1)}, {"b", span_of("1", 1)}};
    struct arena arena;
    struct diff diff;
    arena_init(&arena, 16);
    assert_false(diff_inventory(items, 2, items, 2, &arena, &diff));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),
        cmocka_unit_test(applies),
        cmocka_unit_test(guards_removal),
        cmocka_unit_test(refuses_a_full_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
