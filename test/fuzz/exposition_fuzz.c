/*
 * Merging of metrics' texts: the input is cut at its NULs. What comes out is merged already.
 */
#include <assert.h>
#include <string.h>

#include "rest/exposition.h"

#define TEXTS_MAX 4
#define BYTES_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct span texts[TEXTS_MAX];
    struct arena arena;
    struct buffer once, twice;
    size_t count = 0;
    size_t at = 0;
    while (at < size && count < TEXTS_MAX) {
        const uint8_t *end = memchr(bytes + at, 0, size - at);
        size_t len = end == NULL ? size - at : (size_t)(end - bytes) - at;
        texts[count++] = span_of(bytes + at, len);
        at += len + 1;
    }
    arena_init(&arena, BYTES_MAX);
    buffer_init(&once, BYTES_MAX);
    buffer_init(&twice, BYTES_MAX);
    if (exposition_merge(texts, count, &arena, &once)) {
        const struct span merged = buffer_span(&once);
        if (exposition_merge(&merged, 1, &arena, &twice))
            assert(span_equal(merged, buffer_span(&twice)));
    }
    buffer_fini(&once);
    buffer_fini(&twice);
    arena_fini(&arena);
    return 0;
}
