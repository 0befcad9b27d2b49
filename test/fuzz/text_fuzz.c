/*
 * Texts of pages: "charset\ntext". What is decoded is UTF-8 without NULs; what is cleaned is
 * presentable, within its limit, and stays as it is when it is cleaned again as plain text.
 */
#include <stdlib.h>
#include <string.h>

#include "clients/site/internal.h"
#include "rpc/base/utf8.h"

#define INPUT_BYTES_MAX ((size_t)64 * 1024)
#define ARENA_BYTES ((size_t)64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool held)
{
    if (!held)
        abort();
}

static void check_clean(struct span text, size_t bytes_max, struct arena *arena)
{
    const char *clean = site__text_clean(text, bytes_max, arena);
    if (clean == NULL)
        return;
    size_t len = strlen(clean);
    check(len > 0 && len <= bytes_max && utf8_valid(clean, len, NULL));
    check(clean[0] != ' ' && clean[len - 1] != ' ');
    for (size_t i = 0; i < len; i++)
        check((unsigned char)clean[i] >= 0x20 && clean[i] != 0x7f &&
              (i == 0 || clean[i] != ' ' || clean[i - 1] != ' '));
    if (strpbrk(clean, "<&") != NULL) /* would be taken for a tag or an entity */
        return;
    const char *again = site__text_clean(span_of_string(clean), bytes_max, arena);
    check(again != NULL && strcmp(again, clean) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t limits[] = {1, 7, SITE_WORD_BYTES_MAX, SITE_DESCRIPTION_BYTES_MAX};
    char type[64];
    struct arena arena;
    struct span text;
    const uint8_t *newline = size == 0 ? NULL : memchr(data, '\n', size);
    size_t len = newline == NULL ? 0 : (size_t)(newline - data);
    if (size > INPUT_BYTES_MAX || newline == NULL || len >= sizeof type ||
        memchr(data, '\0', len) != NULL)
        return 0;
    memcpy(type, data, len);
    type[len] = '\0';
    struct span bytes = span_of(newline + 1, size - len - 1);
    arena_init(&arena, ARENA_BYTES);
    if (site__text_decode(bytes, len == 0 ? NULL : type, &arena, &text)) {
        check(utf8_valid((const char *)text.data, text.len, NULL));
        check(text.len == 0 || memchr(text.data, '\0', text.len) == NULL);
    }
    const char *decoded = site__text_entities(bytes, &arena);
    check(decoded != NULL);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        check_clean(bytes, limits[i], &arena);
    arena_fini(&arena);
    return 0;
}
