#include "store/entry.h"

#include "store/fold.h"

#define FORM_1 1
/* Turns the order of signed numbers into that of their bytes, as in keys. */
#define SIGN_BIT (UINT64_C(1) << 63)

static void put_number(struct store_entry_buffer *kept, int64_t number)
{
    uint64_t bits = (uint64_t)number ^ SIGN_BIT;
    for (size_t i = 0; i < STORE_NUMBER_BYTES; i++)
        kept->data[kept->len++] = (uint8_t)(bits >> (8 * (STORE_NUMBER_BYTES - 1 - i)));
}

bool store__entry_pack(const struct store_index *index, const struct store_value *values,
                       struct store_entry_buffer *ret_kept)
{
    ret_kept->len = 0;
    ret_kept->data[ret_kept->len++] = FORM_1;
    for (size_t i = 0; i < index->cover_count; i++)
        put_number(ret_kept, values[index->covers[i]].number);
    for (size_t i = 0; i < index->search_count; i++) {
        size_t len = 0;
        if (!store__fold(values[index->search[i]].data, ret_kept->data + ret_kept->len,
                         STORE_SEARCH_TEXT_BYTES_MAX, &len))
            return false;
        ret_kept->len += len;
        ret_kept->data[ret_kept->len++] = '\n';
    }
    return true;
}

static size_t texts_at(const struct store_index *index)
{
    return 1 + index->cover_count * STORE_NUMBER_BYTES;
}

bool store__entry_valid(const struct store_index *index, struct span kept)
{
    return kept.len >= texts_at(index) + index->search_count && kept.data[0] == FORM_1;
}

int64_t store__entry_number(struct span kept, size_t cover)
{
    uint64_t bits = 0;
    const uint8_t *at = kept.data + 1 + cover * STORE_NUMBER_BYTES;
    for (size_t i = 0; i < STORE_NUMBER_BYTES; i++)
        bits = bits << 8 | at[i];
    return (int64_t)(bits ^ SIGN_BIT);
}

struct span store__entry_texts(const struct store_index *index, struct span kept)
{
    size_t at = texts_at(index);
    return (struct span){kept.data + at, kept.len - at};
}

struct span store__entry_text(const struct store_index *index, struct span kept, size_t search)
{
    struct span rest = store__entry_texts(index, kept);
    for (size_t i = 0; rest.len > 0; i++) {
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        if (end == NULL)
            break;
        size_t len = (size_t)(end - rest.data);
        if (i == search)
            return (struct span){rest.data, len};
        rest = (struct span){end + 1, rest.len - len - 1};
    }
    return (struct span){0};
}
