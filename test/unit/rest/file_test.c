#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rest/file.h"

#define BYTES_MAX ((size_t)1024 * 1024)

static uint8_t *make_bytes(size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    uint32_t seed = 1;
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245u + 12345u;
        bytes[i] = (uint8_t)(i % 7 == 0 ? seed >> 16 : 'a' + i % 3);
    }
    return bytes;
}

static void test_what_is_packed_comes_out(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 100, 65536, 300000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t *bytes = make_bytes(lengths[i]);
        struct buffer packed, again, out;
        buffer_init(&packed, BYTES_MAX);
        buffer_init(&again, BYTES_MAX);
        buffer_init(&out, BYTES_MAX);
        assert_true(rest_file_pack(span_of(bytes, lengths[i]), &packed));
        assert_true(rest_file_pack(span_of(bytes, lengths[i]), &again));
        assert_true(span_equal(buffer_span(&packed), buffer_span(&again)));
        struct rest_file file = {.gzip = buffer_span(&packed)};
        assert_true(buffer_append_string(&out, "before"));
        assert_true(rest_file_unpack(&file, &out));
        assert_int_equal(out.len, lengths[i] + 6);
        assert_memory_equal(out.data + 6, bytes, lengths[i]);
        buffer_fini(&packed);
        buffer_fini(&again);
        buffer_fini(&out);
        free(bytes);
    }
}

static void test_what_is_none_is_refused(void **state)
{
    (void)state;
    struct buffer packed, out;
    buffer_init(&packed, BYTES_MAX);
    buffer_init(&out, BYTES_MAX);
    assert_true(rest_file_pack(span_of_string("some text, some text, some text"), &packed));
    for (size_t cut = 0; cut < packed.len; cut++) {
        struct rest_file file = {.gzip = span_of(packed.data, cut)};
        buffer_clear(&out);
        assert_false(rest_file_unpack(&file, &out));
    }
    /* A length that is not the text's: too small, and larger than any file. */
    static const uint8_t lengths[] = {1, 0xff};
    for (size_t i = 0; i < sizeof lengths; i++) {
        memset(packed.data + packed.len - 4, lengths[i], 4);
        struct rest_file file = {.gzip = buffer_span(&packed)};
        buffer_clear(&out);
        assert_false(rest_file_unpack(&file, &out));
    }
    struct buffer small;
    buffer_init(&small, 8);
    assert_false(rest_file_pack(span_of_string("some text, some text, some text"), &small));
    buffer_fini(&small);
    buffer_fini(&packed);
    buffer_fini(&out);
}

/* As pack.mjs has written them: each unpacks, and is named by its hash. */
static void test_the_page_s_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < rest_docs_file_count; i++) {
        const struct rest_file *file = &rest_docs_files[i];
        struct buffer out;
        buffer_init(&out, REST_FILE_BYTES_MAX);
        assert_true(file->identity.len > 0 && strlen(file->hash) == REST_FILE_HASH_BYTES - 1);
        if (file->gzip.len > 0) { /* it is not where it saves nothing */
            assert_true(rest_file_unpack(file, &out));
            assert_true(span_equal(buffer_span(&out), file->identity));
            assert_true(file->brotli.len > 0 && file->brotli.len < file->gzip.len);
        }
        assert_int_equal(file->policy != NULL, i == 0);
        assert_int_equal(strcmp(file->path, "/api/docs") == 0, i == 0);
        if (i > 0)
            assert_non_null(strstr(file->cache_control, "immutable"));
        buffer_fini(&out);
    }
    assert_null(rest_docs_files[rest_docs_file_count].path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_packed_comes_out),
        cmocka_unit_test(test_what_is_none_is_refused),
        cmocka_unit_test(test_the_page_s_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
