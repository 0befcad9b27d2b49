/*
 * Targets: what is split holds no separator, NUL or dot segment, and does not depend on how it was
 * escaped; what is parsed of a query has distinct, plain names.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "rest/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_path(struct span raw)
{
    struct arena arena;
    struct path path;
    struct path again;
    uint8_t escaped[4096];
    size_t len = 0;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    if (!path_split(raw, &arena, &path) || raw.len * 3 + 64 > sizeof escaped) {
        arena_fini(&arena);
        return;
    }
    for (size_t i = 0; i < path.count; i++) {
        struct span segment = path.segments[i].text;
        assert(segment.len > 0 && !span_equal_string(segment, ".") &&
               !span_equal_string(segment, ".."));
        assert(memchr(segment.data, '\0', segment.len) == NULL);
        escaped[len++] = '/';
        for (size_t j = 0; j < segment.len; j++)
            len += (size_t)snprintf((char *)escaped + len, 4, "%%%02X", segment.data[j]);
    }
    if (path.count == 0)
        escaped[len++] = '/';
    assert(path_split(span_of(escaped, len), &arena, &again) && again.count == path.count);
    for (size_t i = 0; i < path.count; i++)
        assert(span_equal(path.segments[i].text, again.segments[i].text));
    arena_fini(&arena);
}

static void check_query(struct span raw)
{
    struct arena arena;
    struct query query;
    struct span field = {NULL, 0};
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    enum query_fault fault = query_parse(raw, &arena, &query, &field);
    assert(fault != QUERY_EXHAUSTED);
    for (size_t i = 0; fault == QUERY_OK && i < query.count; i++) {
        struct span name = query.parameters[i].field;
        assert(name.len > 0 && memchr(name.data, '[', name.len) == NULL);
    }
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *question = size == 0 ? NULL : memchr(bytes, '?', size);
    size_t path_len = question == NULL ? size : (size_t)(question - bytes);
    check_path(span_of(bytes, path_len));
    if (question != NULL)
        check_query(span_of(question + 1, size - path_len - 1));
    return 0;
}
