#include "store/image.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "store/entry.h"

/* Words of a block, and how many different triples of bytes are told apart. */
#define BLOCK_WORDS ((size_t)64)
#define GRAM_BITS 12
#define GRAMS ((size_t)1 << GRAM_BITS)
#define GRAM_BYTES 3
#define BITS 64
/* Entries between two looks at the context. */
#define STEPS_PER_LOOK 256
#define ROOM_FIRST 1024
/* Odd, with bits all over: Knuth's multiplicative hashing. */
#define HASH_FACTOR UINT64_C(0x9e3779b97f4a7c15)
#define GRAM_FACTOR UINT32_C(0x9e3779b1)

struct store_image {
    atomic_uint refs;
    size_t count;
    uint8_t *keys;
    uint32_t *key_at; /* count + 1 places in keys */
    size_t cover_count;
    int64_t *numbers; /* cover_count of each entry */

    size_t word_count;
    uint8_t *text;     /* the words, each with a newline behind it */
    uint32_t *word_at; /* word_count + 1 places in text */
    uint32_t *have_at; /* word_count + 1 places in have */
    uint32_t *have;    /* the entries that have a word, in order */

    size_t block_count, block_row; /* 64s of bits for a triple's blocks */
    uint64_t *grams;               /* GRAMS rows */

    size_t bytes;
};

/* --- making one --- */

/* An image that grows, and what is wanted for that alone. Places are 32 bits wide: what they count
 * is bounded by STORE_IMAGES_BYTES_MAX. */
struct making {
    struct store_image *image;
    const struct store_index *index;
    size_t key_len, key_room, text_room, entry_room, word_room;
    uint32_t *hashes; /* of the words */
    uint32_t *last;   /* the entry that had the word last, and 1 */
    uint32_t *table;  /* words by hash, and 1; 0: free */
    size_t table_size;
    uint32_t *pairs; /* the words of the entries, one entry behind the other */
    size_t pair_count, pair_room;
    uint32_t *pair_at; /* of an entry */
};

/* `array` is the address of a pointer to it. */
static bool resize(void *array, size_t count, size_t size)
{
    void *old;
    memcpy(&old, array, sizeof old);
    void *grown = count > STORE_IMAGES_BYTES_MAX / size ? NULL : realloc(old, count * size);
    if (grown == NULL)
        return false;
    memcpy(array, &grown, sizeof grown);
    return true;
}

/* Room for `need`, twice as much as before at least. */
static size_t room_for(size_t room, size_t need)
{
    size_t wanted = room == 0 ? ROOM_FIRST : 2 * room;
    return wanted < need ? need : wanted;
}

static bool reserve_entry(struct making *making, size_t key_len)
{
    struct store_image *image = making->image;
    if (making->key_len + key_len > making->key_room) {
        making->key_room = room_for(making->key_room, making->key_len + key_len);
        if (!resize(&image->keys, making->key_room, 1))
            return false;
    }
    if (image->count + 1 < making->entry_room)
        return true;
    size_t room = room_for(making->entry_room, 0);
    size_t numbers = image->cover_count == 0 ? 1 : image->cover_count;
    making->entry_room = room;
    return resize(&image->key_at, room, sizeof *image->key_at) &&
           resize(&making->pair_at, room, sizeof *making->pair_at) &&
           resize(&image->numbers, room * numbers, sizeof *image->numbers);
}

static bool reserve_word(struct making *making, size_t len)
{
    struct store_image *image = making->image;
    size_t text_len = image->word_count == 0 ? 0 : image->word_at[image->word_count];
    if (text_len + len + 1 > making->text_room) {
        making->text_room = room_for(making->text_room, text_len + len + 1);
        if (!resize(&image->text, making->text_room, 1))
            return false;
    }
    if (image->word_count + 1 < making->word_room)
        return true;
    making->word_room = room_for(making->word_room, 0);
    return resize(&image->word_at, making->word_room, sizeof *image->word_at) &&
           resize(&making->hashes, making->word_room, sizeof *making->hashes) &&
           resize(&making->last, making->word_room, sizeof *making->last);
}

static uint32_t hash(struct span word)
{
    uint64_t value = word.len;
    size_t at = 0;
    for (; at + sizeof value <= word.len; at += sizeof value) {
        uint64_t part;
        memcpy(&part, word.data + at, sizeof part);
        value = (value ^ part) * HASH_FACTOR;
        value ^= value >> 32;
    }
    for (; at < word.len; at++)
        value = (value ^ word.data[at]) * HASH_FACTOR;
    return (uint32_t)(value >> 32);
}

static void table_put(struct making *making, uint32_t word)
{
    size_t at = making->hashes[word] & (making->table_size - 1);
    while (making->table[at] != 0)
        at = (at + 1) & (making->table_size - 1);
    making->table[at] = word + 1;
}

/* Half of the table is free at least. */
static bool grow_table(struct making *making)
{
    if (2 * (making->image->word_count + 1) <= making->table_size)
        return true;
    size_t size = making->table_size == 0 ? 2 * ROOM_FIRST : 2 * making->table_size;
    uint32_t *table = calloc(size, sizeof *table);
    if (table == NULL)
        return false;
    free(making->table);
    making->table = table;
    making->table_size = size;
    for (uint32_t word = 0; word < making->image->word_count; word++)
        table_put(making, word);
    return true;
}

static bool is_word(const struct store_image *image, uint32_t word, struct span text)
{
    size_t at = image->word_at[word];
    return image->word_at[word + 1] - at == text.len + 1 &&
           memcmp(image->text + at, text.data, text.len) == 0;
}

/* The number of a word, a new one if there was none. */
static bool find_word(struct making *making, struct span text, uint32_t *ret_word)
{
    struct store_image *image = making->image;
    uint32_t hashed = hash(text);
    if (!grow_table(making))
        return false;
    for (size_t at = hashed & (making->table_size - 1); making->table[at] != 0;
         at = (at + 1) & (making->table_size - 1)) {
        uint32_t word = making->table[at] - 1;
        if (making->hashes[word] == hashed && is_word(image, word, text)) {
            *ret_word = word;
            return true;
        }
    }
    if (!reserve_word(making, text.len))
        return false;
    uint32_t word = (uint32_t)image->word_count++;
    uint32_t at = word == 0 ? 0 : image->word_at[word];
    image->word_at[word] = at;
    memcpy(image->text + at, text.data, text.len);
    image->text[at + text.len] = '\n';
    image->word_at[word + 1] = (uint32_t)(at + text.len + 1);
    making->hashes[word] = hashed;
    making->last[word] = 0;
    table_put(making, word);
    *ret_word = word;
    return true;
}

/* The entry that is being added has the word. */
static bool add_word(struct making *making, struct span text)
{
    uint32_t word;
    if (!find_word(making, text, &word))
        return false;
    uint32_t entry = (uint32_t)making->image->count;
    if (making->last[word] == entry + 1)
        return true;
    making->last[word] = entry + 1;
    if (making->pair_count == making->pair_room) {
        making->pair_room = room_for(making->pair_room, 0);
        if (!resize(&making->pairs, making->pair_room, sizeof *making->pairs))
            return false;
    }
    making->pairs[making->pair_count++] = word;
    return true;
}

static bool add_words(struct making *making, struct span texts)
{
    size_t begin = 0;
    for (size_t at = 0; at <= texts.len; at++) {
        if (at < texts.len && texts.data[at] != ' ' && texts.data[at] != '\n')
            continue;
        if (at > begin && !add_word(making, span_of(texts.data + begin, at - begin)))
            return false;
        begin = at + 1;
    }
    return true;
}

static bool add_entry(struct making *making, const struct store_entry *entry)
{
    struct store_image *image = making->image;
    const struct store_index *index = making->index;
    if (!store__entry_valid(index, entry->value) || !reserve_entry(making, entry->key.len))
        return false;
    memcpy(image->keys + making->key_len, entry->key.data, entry->key.len);
    image->key_at[image->count] = (uint32_t)making->key_len;
    making->pair_at[image->count] = (uint32_t)making->pair_count;
    making->key_len += entry->key.len;
    for (size_t i = 0; i < image->cover_count; i++)
        image->numbers[image->count * image->cover_count + i] =
            store__entry_number(entry->value, i);
    if (!add_words(making, store__entry_texts(index, entry->value)))
        return false;
    image->count++;
    image->key_at[image->count] = (uint32_t)making->key_len;
    making->pair_at[image->count] = (uint32_t)making->pair_count;
    return true;
}

/* From the words of the entries to the entries of the words. */
static bool turn_around(struct making *making)
{
    struct store_image *image = making->image;
    image->have_at = calloc(image->word_count + 2, sizeof *image->have_at);
    image->have = malloc((making->pair_count + 1) * sizeof *image->have);
    if (image->have_at == NULL || image->have == NULL)
        return false;
    /* have_at[word + 1] is where the word's next entry goes, and so in the end where it ends. */
    for (size_t i = 0; i < making->pair_count; i++)
        image->have_at[making->pairs[i] + 2]++;
    for (size_t word = 2; word <= image->word_count; word++)
        image->have_at[word] += image->have_at[word - 1];
    for (size_t entry = 0; entry < image->count; entry++) {
        for (size_t i = making->pair_at[entry]; i < making->pair_at[entry + 1]; i++)
            image->have[image->have_at[making->pairs[i] + 1]++] = (uint32_t)entry;
    }
    return true;
}

static size_t gram_of(const uint8_t *bytes)
{
    uint32_t gram = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
    return gram * GRAM_FACTOR >> (32 - GRAM_BITS);
}

static bool set_grams(struct store_image *image)
{
    image->block_count = (image->word_count + BLOCK_WORDS - 1) / BLOCK_WORDS;
    image->block_row = (image->block_count + BITS - 1) / BITS;
    image->grams = calloc(GRAMS * image->block_row + 1, sizeof *image->grams);
    if (image->grams == NULL)
        return false;
    for (size_t word = 0; word < image->word_count; word++) {
        size_t block = word / BLOCK_WORDS;
        uint64_t *column = image->grams + block / BITS;
        for (size_t at = image->word_at[word]; at + GRAM_BYTES < image->word_at[word + 1]; at++)
            column[gram_of(image->text + at) * image->block_row] |= UINT64_C(1) << block % BITS;
    }
    return true;
}

/* Gives back what was reserved and is not needed. */
static void trim(struct making *making)
{
    struct store_image *image = making->image;
    size_t text_len = image->word_count == 0 ? 0 : image->word_at[image->word_count];
    size_t numbers = image->count * image->cover_count;
    (void)resize(&image->keys, making->key_len + 1, 1);
    (void)resize(&image->key_at, image->count + 1, sizeof *image->key_at);
    (void)resize(&image->numbers, numbers + 1, sizeof *image->numbers);
    (void)resize(&image->text, text_len + 1, 1);
    (void)resize(&image->word_at, image->word_count + 1, sizeof *image->word_at);
    image->bytes = sizeof *image + making->key_len + text_len + numbers * sizeof *image->numbers +
                   (image->count + 2 * image->word_count + making->pair_count) * sizeof(uint32_t) +
                   GRAMS * image->block_row * sizeof(uint64_t);
}

static enum rpc_code look_at_context(struct store_reader *reader, struct rpc_status *status)
{
    if (++reader->steps % STEPS_PER_LOOK != 0 || !rpc_context_stopped(reader->context))
        return RPC_OK;
    return rpc_status_set(status, RPC_CANCELLED, "nobody waits for it");
}

static enum rpc_code add_entries(struct store_reader *reader, const struct store_range *range,
                                 struct making *making, struct rpc_status *status)
{
    const struct store_engine_ops *ops = reader->engine->ops;
    struct store_cursor *cursor;
    struct store_entry entry;
    enum rpc_code code = ops->cursor_open(reader->txn, &cursor, status);
    if (code != RPC_OK)
        return code;
    code = ops->cursor_at_or_after(cursor, range->begin, &entry, status);
    while (code == RPC_OK && store__span_compare(entry.key, range->end) < 0) {
        code = look_at_context(reader, status);
        if (code == RPC_OK && !add_entry(making, &entry))
            code = rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "no room for an image");
        if (code == RPC_OK)
            code = ops->cursor_next(cursor, &entry, status);
    }
    ops->cursor_close(cursor);
    return code == RPC_NOT_FOUND ? RPC_OK : code;
}

static bool finish(struct making *making)
{
    if (making->image->count == 0 || making->image->word_count == 0)
        return false; /* nothing that a walk would not do at once */
    if (!turn_around(making) || !set_grams(making->image))
        return false;
    trim(making);
    return making->image->bytes <= STORE_IMAGES_BYTES_MAX;
}

static void destroy(struct store_image *image)
{
    if (image == NULL)
        return;
    free(image->keys);
    free(image->key_at);
    free(image->numbers);
    free(image->text);
    free(image->word_at);
    free(image->have_at);
    free(image->have);
    free(image->grams);
    free(image);
}

void store__image_ref(struct store_image *image)
{
    (void)atomic_fetch_add(&image->refs, 1);
}

void store__image_unref(struct store_image *image)
{
    if (image != NULL && atomic_fetch_sub(&image->refs, 1) == 1)
        destroy(image);
}

enum rpc_code store__image_make(struct store_reader *reader, const struct store_range *range,
                                struct store_image **ret_image, struct rpc_status *status)
{
    struct making making = {.image = calloc(1, sizeof *making.image), .index = range->index};
    enum rpc_code code = making.image == NULL
                             ? rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory")
                             : RPC_OK;
    if (code == RPC_OK) {
        atomic_init(&making.image->refs, 1);
        making.image->cover_count = range->index->cover_count;
        code = add_entries(reader, range, &making, status);
    }
    if (code == RPC_OK && !finish(&making))
        code = rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "no room for an image");
    free(making.hashes);
    free(making.last);
    free(making.table);
    free(making.pairs);
    free(making.pair_at);
    if (code == RPC_OK)
        *ret_image = making.image;
    else
        destroy(making.image);
    return code;
}

size_t store__image_bytes(const struct store_image *image)
{
    return image->bytes;
}

/* --- reading one --- */

size_t store__image_count(const struct store_image *image)
{
    return image->count;
}

struct span store__image_key(const struct store_image *image, size_t entry)
{
    size_t at = image->key_at[entry];
    return span_of(image->keys + at, image->key_at[entry + 1] - at);
}

int64_t store__image_number(const struct store_image *image, size_t entry, size_t cover)
{
    return image->numbers[entry * image->cover_count + cover];
}

/* Blocks that may have a word which has this in it. False if none can. */
static bool find_blocks(const struct store_image *image, struct span searched, uint64_t *blocks)
{
    size_t last = image->block_count % BITS;
    uint64_t any = 1;
    memset(blocks, 0xff, image->block_row * sizeof *blocks);
    if (last != 0)
        blocks[image->block_row - 1] = (UINT64_C(1) << last) - 1;
    for (size_t at = 0; at + GRAM_BYTES <= searched.len && any != 0; at++) {
        const uint64_t *row = image->grams + gram_of(searched.data + at) * image->block_row;
        any = 0;
        for (size_t i = 0; i < image->block_row; i++)
            any |= blocks[i] &= row[i];
    }
    return any != 0;
}

/* Adds the entries of the block's words that have this in them. */
static void search_block(const struct store_image *image, size_t block, struct span searched,
                         uint64_t *entries)
{
    size_t word = block * BLOCK_WORDS;
    size_t end = word + BLOCK_WORDS < image->word_count ? word + BLOCK_WORDS : image->word_count;
    const uint8_t *text_end = image->text + image->word_at[end];
    while (word < end) {
        const uint8_t *from = image->text + image->word_at[word];
        const uint8_t *found = memmem(from, (size_t)(text_end - from), searched.data, searched.len);
        if (found == NULL)
            return;
        size_t at = (size_t)(found - image->text);
        while (image->word_at[word + 1] <= at)
            word++;
        for (size_t i = image->have_at[word]; i < image->have_at[word + 1]; i++)
            entries[image->have[i] / BITS] |= UINT64_C(1) << image->have[i] % BITS;
        word++;
    }
}

static void search_blocks(const struct store_image *image, struct span searched,
                          const uint64_t *blocks, uint64_t *entries)
{
    for (size_t i = 0; i < image->block_row; i++) {
        for (uint64_t left = blocks[i]; left != 0; left &= left - 1)
            search_block(image, i * BITS + (size_t)__builtin_ctzll(left), searched, entries);
    }
}

static uint64_t *all_entries(const struct store_image *image, struct arena *arena)
{
    size_t row = (image->count + BITS - 1) / BITS;
    uint64_t *all = arena_calloc(arena, row, sizeof *all);
    if (all == NULL)
        return NULL;
    memset(all, 0xff, row * sizeof *all);
    if (image->count % BITS != 0)
        all[row - 1] = (UINT64_C(1) << image->count % BITS) - 1;
    return all;
}

bool store__image_match(const struct store_image *image, const struct span *words,
                        size_t word_count, struct arena *arena, const uint64_t **ret_entries)
{
    size_t row = (image->count + BITS - 1) / BITS;
    uint64_t *blocks = arena_calloc(arena, image->block_row, sizeof *blocks);
    uint64_t *all = word_count == 0 ? all_entries(image, arena) : NULL;
    if (blocks == NULL || (word_count == 0 && all == NULL))
        return false;
    for (size_t i = 0; i < word_count; i++) {
        if (!find_blocks(image, words[i], blocks)) {
            *ret_entries = NULL;
            return true;
        }
        uint64_t *found = arena_calloc(arena, row, sizeof *found);
        if (found == NULL)
            return false;
        search_blocks(image, words[i], blocks, found);
        for (size_t at = 0; all != NULL && at < row; at++)
            found[at] &= all[at];
        all = found;
    }
    *ret_entries = all;
    return true;
}
