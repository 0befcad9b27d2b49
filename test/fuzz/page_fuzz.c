/*
 * HTML and its microdata: "content type\npage", and the page as the text of a thing that is sold,
 * so that every property's element is reached.
 */
#include <stdlib.h>
#include <string.h>

#include "test/fuzz/page_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char front[] = "<div itemscope itemtype=http://schema.org/Car>";
    char type[64];
    const uint8_t *newline = size == 0 ? NULL : memchr(data, '\n', size);
    size_t len = newline == NULL ? 0 : (size_t)(newline - data);
    if (newline == NULL || len >= sizeof type || memchr(data, '\0', len) != NULL)
        return 0;
    memcpy(type, data, len);
    type[len] = '\0';
    struct span body = span_of(newline + 1, size - len - 1);
    page_check(body, len == 0 ? NULL : type);
    char *wrapped = malloc(sizeof front - 1 + body.len);
    if (wrapped == NULL)
        return 0;
    memcpy(wrapped, front, sizeof front - 1);
    memcpy(wrapped + sizeof front - 1, body.data, body.len);
    page_check(span_of(wrapped, sizeof front - 1 + body.len), "text/html; charset=utf-8");
    free(wrapped);
    return 0;
}
