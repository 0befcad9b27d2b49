/*
 * Any bytes as a page, and as a JSON-LD block in one: what is found is presentable, and merging it
 * makes items whose identities differ.
 */
#include <stdlib.h>
#include <string.h>

#include "test/fuzz/page_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char front[] = "<script type=application/ld+json>";
    page_check(span_of(data, size), NULL);
    char *wrapped = malloc(sizeof front - 1 + size);
    if (wrapped == NULL)
        return 0;
    memcpy(wrapped, front, sizeof front - 1);
    if (size > 0)
        memcpy(wrapped + sizeof front - 1, data, size);
    page_check(span_of(wrapped, sizeof front - 1 + size), "text/html; charset=utf-8");
    free(wrapped);
    return 0;
}
