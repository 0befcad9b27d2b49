/* Any bytes: refused, or a tree that prints as JSON which reads as the same tree. */
#include <stdlib.h>

#include "clients/meta/json_tree.h"

#define ARENA_BYTES ((size_t)64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct buffer first;
    struct buffer second;
    arena_init(&arena, ARENA_BYTES);
    buffer_init(&first, ARENA_BYTES);
    buffer_init(&second, ARENA_BYTES);
    const struct json_tree *tree = NULL;
    if (json_tree_parse(span_of(data, size), &arena, &tree)) {
        json_tree_print(tree, &first);
        if (!first.failed && !json_tree_parse(buffer_span(&first), &arena, &tree))
            abort();
        json_tree_print(tree, &second);
        if (!first.failed && !span_equal(buffer_span(&first), buffer_span(&second)))
            abort();
    }
    buffer_fini(&second);
    buffer_fini(&first);
    arena_fini(&arena);
    return 0;
}
