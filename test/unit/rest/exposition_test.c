#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rest/exposition.h"
#include "rpc/base/metrics.h"

#define A "# HELP a Of a.\n# TYPE a counter\n"
#define B "# HELP b Of b.\n# TYPE b gauge\n"
#define B2 "# HELP b2 Of b2.\n# TYPE b2 gauge\n"

static const struct {
    const char *name;
    const char *texts[3];
    const char *want;
} rows[] = {
    {"nothing", {NULL}, ""},
    {"empty texts", {"", ""}, ""},
    {"one", {A "a 1\n" B "b 2\n"}, A "a 1\n" B "b 2\n"},
    {"the same family",
     {A "a{p=\"x\"} 1\n", A "a{p=\"y\"} 2\na{p=\"z\"} 3\n"},
     A "a{p=\"x\"} 1\na{p=\"y\"} 2\na{p=\"z\"} 3\n"},
    {"in order, of three",
     {B "b{p=\"x\"} 1\n", A "a 1\n" B2 "b2 1\n", A "a 3\n" B "b{p=\"z\"} 3\n"},
     A "a 1\na 3\n" B "b{p=\"x\"} 1\nb{p=\"z\"} 3\n" B2 "b2 1\n"},
    {"out of order", {B "b 1\n" A "a 1\n"}, A "a 1\n" B "b 1\n"},
    {"another help", {A "a 1\n", "# HELP a More.\n# TYPE a counter\na 2\n"}, A "a 1\na 2\n"},
    {"another type", {A "a 1\n", "# HELP a Of a.\n# TYPE a gauge\na 2\n"}, A "a 1\n"},
    {"no samples", {A, B "b 1\n"}, A B "b 1\n"},
    {"what is before a family", {"x 1\n# y\n" A "a 1\n"}, A "a 1\n"},
    {"no end of the last line", {A "a 1", A "a 2"}, A "a 1\na 2\n"},
    {"a comment behind a family", {A "a 1\n# x\na 2\n" B "b 1\n"}, A "a 1\n" B "b 1\n"},
    {"cut short", {"# HELP a", "# HELP ", "# HEL"}, "# HELP a\n"},
};

static void merges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct buffer out;
        struct span texts[3];
        size_t count = 0;
        arena_init(&arena, 1 << 20);
        buffer_init(&out, 1 << 20);
        while (count < 3 && rows[i].texts[count] != NULL) {
            texts[count] = span_of_string(rows[i].texts[count]);
            count++;
        }
        assert_true(exposition_merge(texts, count, &arena, &out));
        const char *text = buffer_cstring(&out);
        assert_non_null(text);
        if (strcmp(text, rows[i].want) != 0)
            fail_msg("%s: %s", rows[i].name, text);
        buffer_fini(&out);
        arena_fini(&arena);
    }
}

static void says_when_it_does_not_fit(void **state)
{
    (void)state;
    const struct span text = span_of_string(A "a 1\n");
    struct arena arena;
    struct buffer out;
    arena_init(&arena, 1 << 20);
    buffer_init(&out, 10);
    assert_false(exposition_merge(&text, 1, &arena, &out));
    buffer_fini(&out);
    arena_fini(&arena);
    arena_init(&arena, 1);
    buffer_init(&out, 1 << 20);
    assert_false(exposition_merge(&text, 1, &arena, &out));
    buffer_fini(&out);
    arena_fini(&arena);
}

/* What two processes print is what their metrics are, labelled. */
static void labels_by_process(void **state)
{
    (void)state;
    static struct metric plain = METRIC_COUNTER("test_plain_total", "Plain.");
    static struct metric labelled = METRIC_GAUGE("test_labelled", "Labelled.");
    static struct metric slow = METRIC_HISTOGRAM("test_slow_seconds", "Slow.");
    struct buffer texts[2], out;
    struct arena arena;
    labelled.labels = "a=\"b\"";
    metrics_register(&plain);
    metrics_register(&labelled);
    metrics_register(&slow);
    metric_observe_us(&slow, 100);
    for (size_t i = 0; i < 2; i++) {
        buffer_init(&texts[i], 1 << 20);
        metrics_print_process(&texts[i], i == 0 ? "rest" : "logic");
        metric_add(&plain, 1);
    }
    const struct span spans[2] = {buffer_span(&texts[0]), buffer_span(&texts[1])};
    arena_init(&arena, 1 << 20);
    buffer_init(&out, 1 << 20);
    assert_true(exposition_merge(spans, 2, &arena, &out));
    const char *text = buffer_cstring(&out);
    static const char *const wanted[] = {
        "# TYPE test_plain_total counter\n"
        "test_plain_total{process=\"rest\"} 0\ntest_plain_total{process=\"logic\"} 1\n",
        "test_labelled{a=\"b\",process=\"rest\"} 0\ntest_labelled{a=\"b\",process=\"logic\"} 0\n",
        "test_slow_seconds_bucket{process=\"rest\",le=\"0.000064\"} 0\n",
        "test_slow_seconds_bucket{process=\"logic\",le=\"+Inf\"} 1\n",
        "test_slow_seconds_sum{process=\"logic\"} 0.000100\n",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (strstr(text, wanted[i]) == NULL)
            fail_msg("no %s in %s", wanted[i], text);
    }
    for (size_t i = 0; i < 2; i++)
        buffer_fini(&texts[i]);
    buffer_fini(&out);
    arena_fini(&arena);
    assert_int_not_equal(metrics_instance(), 0);
    assert_int_equal(metrics_instance(), metrics_instance());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges),
        cmocka_unit_test(says_when_it_does_not_fit),
        cmocka_unit_test(labels_by_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
