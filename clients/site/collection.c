/*
 * Items merged by identity. Each item is known by up to three keys, its VIN, its SKU and its own
 * URL; a finding joins the item that shares the strongest key with it, unless a stronger one says
 * that they differ. A finding that links two items makes them one.
 *
 * Field by field the better source wins: a page about the item before a list, then JSON-LD,
 * microdata, OpenGraph; among equals the first.
 */
#include <sodium.h>
#include <stdlib.h>

#include "clients/site/internal.h"

#define SET_CAPACITY_FIRST ((size_t)1024)
#define ITEMS_FIRST ((size_t)64)
#define HASH_BYTES 32
/* A new layout of what is hashed must change every hash. */
#define HASH_VERSION "1"

/* Fields that are merged one by one. */
enum field {
    FIELD_TITLE,
    FIELD_DESCRIPTION,
    FIELD_URL,
    FIELD_IMAGE,
    FIELD_PRICE,
    FIELD_STOCK,
    FIELD_BRAND,
    FIELD_MODEL,
    FIELD_YEAR,
    FIELD_CONDITION,
    FIELD_MILEAGE,
    FIELD_BODY_STYLE,
    FIELD_COUNT
};

struct item {
    Lotcast__V1__ItemRecord record;
    uint8_t ranks[FIELD_COUNT]; /* of the source that each came from; 0: none yet */
    char *keys[3]; /* "vin:…", "sku:…", "url:…", or NULL: record's texts point into them */
    struct item *merged_into; /* another item took this one over */
    uint8_t hash[HASH_BYTES];
};

struct site_collection {
    struct arena *arena;
    int64_t items_max;
    int64_t count;                   /* less those merged into others */
    Lotcast__V1__ItemRecord **items; /* each the first member of a struct item */
    size_t used, capacity;
    struct site_set index; /* key → item */
};

/* ---- a set of texts ---- */

void site__set_init(struct site_set *set)
{
    *set = (struct site_set){0};
    randombytes_buf(set->key,
                    sizeof set->key); /* sites choose the texts: they must not choose the buckets */
}

void site__set_fini(struct site_set *set)
{
    free(set->entries);
    set->entries = NULL;
}

static struct site_set_entry *probe(const struct site_set *set, const char *text)
{
    uint8_t bytes[8];
    uint64_t hash;
    (void)crypto_shorthash(bytes, (const unsigned char *)text, strlen(text), set->key);
    memcpy(&hash, bytes, sizeof hash);
    size_t mask = set->capacity - 1;
    size_t at = (size_t)hash & mask;
    while (set->entries[at].text != NULL && strcmp(set->entries[at].text, text) != 0)
        at = (at + 1) & mask;
    return &set->entries[at];
}

static bool grow(struct site_set *set)
{
    struct site_set bigger = *set;
    bigger.capacity = set->capacity == 0 ? SET_CAPACITY_FIRST : set->capacity * 2;
    bigger.entries = calloc(bigger.capacity, sizeof *bigger.entries);
    if (bigger.entries == NULL)
        return false;
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->entries[i].text != NULL)
            *probe(&bigger, set->entries[i].text) = set->entries[i];
    }
    free(set->entries);
    *set = bigger;
    return true;
}

struct site_set_entry *site__set_find(struct site_set *set, const char *text)
{
    if (set->count * 2 >= set->capacity && !grow(set))
        return NULL;
    return probe(set, text);
}

/* ---- the collection ---- */

struct site_collection *site__collection_create(struct arena *items_arena, int64_t items_max)
{
    struct site_collection *collection = calloc(1, sizeof *collection);
    if (collection == NULL || sodium_init() < 0) {
        free(collection);
        return NULL;
    }
    collection->arena = items_arena;
    collection->items_max = items_max;
    site__set_init(&collection->index);
    return collection;
}

void site__collection_destroy(struct site_collection *collection)
{
    if (collection == NULL)
        return;
    site__set_fini(&collection->index);
    free(collection);
}

int64_t site__collection_count(const struct site_collection *collection)
{
    return collection->count;
}

static struct item *current(struct item *item)
{
    while (item != NULL && item->merged_into != NULL)
        item = item->merged_into;
    return item;
}

/* A finding's keys, built in place: most of them are known already and need no copy. */
struct keys {
    char text[3][URL_BYTES_MAX + 16];
    bool has[3];
};

static void set_key(struct keys *keys, int which, const char *kind, const char *value,
                    const char *suffix)
{
    size_t kind_len = strlen(kind);
    size_t len = value == NULL ? 0 : strlen(value);
    size_t suffix_len = suffix == NULL ? 0 : strlen(suffix);
    keys->has[which] = len > 0 && kind_len + len + suffix_len < sizeof keys->text[0];
    if (!keys->has[which])
        return;
    char *to = keys->text[which];
    memcpy(to, kind, kind_len);
    memcpy(to + kind_len, value, len);
    if (suffix_len > 0)
        memcpy(to + kind_len + len, suffix, suffix_len);
    to[kind_len + len + suffix_len] = '\0';
}

static void keys_of(const struct site_found *found, struct keys *ret_keys)
{
    set_key(ret_keys, 0, "vin:", found->vin, NULL);
    set_key(ret_keys, 1, "sku:", found->sku, NULL);
    bool is_own = found->has_own_url || found->suffix != NULL;
    set_key(ret_keys, 2, "url:", is_own ? found->url : NULL, found->suffix);
}

/* Whether a stronger key than `which` says that these are two items. */
static bool contradicts(const struct item *item, char *const keys[3], const bool has[3], int which)
{
    for (int i = 0; i < which; i++) {
        if (has[i] && item->keys[i] != NULL && strcmp(keys[i], item->keys[i]) != 0)
            return true;
    }
    return false;
}

static struct item *find(struct site_collection *collection, char *const keys[3], const bool has[3],
                         int which)
{
    struct site_set_entry *entry =
        has[which] ? site__set_find(&collection->index, keys[which]) : NULL;
    struct item *item = entry == NULL || entry->text == NULL ? NULL : current(entry->value);
    return item == NULL || contradicts(item, keys, has, which) ? NULL : item;
}

/* Copies a text only when it is taken. */
static bool take_text(struct site_collection *collection, struct item *item, enum field field,
                      uint8_t rank, const char *from, char **to)
{
    if (from == NULL || item->ranks[field] >= rank)
        return true;
    char *copy = arena_strdup(collection->arena, from);
    if (copy == NULL)
        return false;
    *to = copy;
    item->ranks[field] = rank;
    return true;
}

static bool may_take(struct item *item, enum field field, uint8_t rank, bool has)
{
    if (!has || item->ranks[field] >= rank)
        return false;
    item->ranks[field] = rank;
    return true;
}

static bool take_fields(struct site_collection *collection, struct item *item,
                        const struct site_found *found)
{
    Lotcast__V1__ItemRecord *record = &item->record;
    uint8_t rank = (uint8_t)((found->is_detail ? 4 : 0) + found->source);
    if (may_take(item, FIELD_STOCK, rank, found->in_stock >= 0))
        record->in_stock = found->in_stock > 0;
    if (may_take(item, FIELD_YEAR, rank, found->year > 0))
        record->year = found->year;
    if (may_take(item, FIELD_CONDITION, rank, found->condition > 0))
        record->condition = (Lotcast__V1__ItemCondition)found->condition;
    if (may_take(item, FIELD_MILEAGE, rank, found->mileage >= 0)) {
        record->mileage = found->mileage;
        /* Of a known page it lies in that page's record. */
        record->mileage_unit =
            arena_strdup(collection->arena, found->mileage_unit == NULL ? "" : found->mileage_unit);
        if (record->mileage_unit == NULL)
            return false;
    }
    if (found->is_vehicle)
        record->kind = LOTCAST__V1__ITEM_KIND__ITEM_KIND_VEHICLE;
    const char *currency = found->price_minor >= 0 ? found->currency : NULL;
    /* A list's URL for an item without one gives way to any other. */
    uint8_t url_rank = found->has_own_url ? (uint8_t)(rank + 1) : 1;
    /* A price without a currency gives way to one with it. */
    uint8_t price_rank = currency != NULL && currency[0] == '\0' ? 1 : (uint8_t)(rank + 1);
    if (currency != NULL && item->ranks[FIELD_PRICE] < price_rank)
        record->price_minor = found->price_minor;
    return take_text(collection, item, FIELD_PRICE, price_rank, currency, &record->currency) &&
           take_text(collection, item, FIELD_TITLE, rank, found->title, &record->title) &&
           take_text(collection, item, FIELD_DESCRIPTION, rank, found->description,
                     &record->description) &&
           take_text(collection, item, FIELD_URL, url_rank, found->url, &record->url) &&
           take_text(collection, item, FIELD_IMAGE, rank, found->image, &record->image_url) &&
           take_text(collection, item, FIELD_BRAND, rank, found->brand, &record->brand) &&
           take_text(collection, item, FIELD_MODEL, rank, found->model, &record->model) &&
           take_text(collection, item, FIELD_BODY_STYLE, rank, found->body_style,
                     &record->body_style);
}

/*
 * Makes the item findable by the key, and the key its own if it has none of the kind. A URL that is
 * another item's tells neither; a SKU that another item has too (with another VIN) is still this
 * one's.
 */
static bool take_key(struct site_collection *collection, struct item *item, int which,
                     const char *key)
{
    struct site_set_entry *entry = site__set_find(&collection->index, key);
    if (entry == NULL)
        return false;
    if (entry->text == NULL) {
        char *copy = arena_strdup(collection->arena, key);
        if (copy == NULL)
            return false;
        *entry = (struct site_set_entry){copy, item};
        collection->index.count++;
    } else if (which == 2 && current(entry->value) != item) {
        return true;
    }
    if (item->keys[which] == NULL)
        item->keys[which] = (char *)(uintptr_t)entry->text;
    return true;
}

static struct item *add_item(struct site_collection *collection)
{
    if (collection->used == collection->capacity) {
        size_t capacity = collection->capacity == 0 ? ITEMS_FIRST : collection->capacity * 2;
        Lotcast__V1__ItemRecord **items = arena_calloc(collection->arena, capacity, sizeof *items);
        if (items == NULL)
            return NULL;
        if (collection->used > 0)
            memcpy(items, collection->items, collection->used * sizeof *items);
        collection->items = items;
        collection->capacity = capacity;
    }
    struct item *item = arena_calloc(collection->arena, 1, sizeof *item);
    if (item == NULL)
        return NULL;
    lotcast__v1__item_record__init(&item->record);
    item->record.kind = LOTCAST__V1__ITEM_KIND__ITEM_KIND_PRODUCT;
    item->record.price_minor = -1;
    item->record.mileage = -1;
    item->record.in_stock = true; /* unless something says otherwise */
    collection->items[collection->used++] = &item->record;
    collection->count++;
    return item;
}

/* `other` turns out to be `item`: what it has and item lacks, or has from a lesser source, goes
 * over. */
static void absorb(struct site_collection *collection, struct item *item, struct item *other)
{
    Lotcast__V1__ItemRecord *to = &item->record;
    Lotcast__V1__ItemRecord *from = &other->record;
    bool better[FIELD_COUNT];
    for (int i = 0; i < FIELD_COUNT; i++) {
        better[i] = other->ranks[i] > item->ranks[i];
        if (better[i])
            item->ranks[i] = other->ranks[i];
    }
    to->title = better[FIELD_TITLE] ? from->title : to->title;
    to->description = better[FIELD_DESCRIPTION] ? from->description : to->description;
    to->url = better[FIELD_URL] ? from->url : to->url;
    to->image_url = better[FIELD_IMAGE] ? from->image_url : to->image_url;
    to->price_minor = better[FIELD_PRICE] ? from->price_minor : to->price_minor;
    to->currency = better[FIELD_PRICE] ? from->currency : to->currency;
    to->in_stock = better[FIELD_STOCK] ? from->in_stock : to->in_stock;
    to->brand = better[FIELD_BRAND] ? from->brand : to->brand;
    to->model = better[FIELD_MODEL] ? from->model : to->model;
    to->year = better[FIELD_YEAR] ? from->year : to->year;
    to->condition = better[FIELD_CONDITION] ? from->condition : to->condition;
    to->mileage = better[FIELD_MILEAGE] ? from->mileage : to->mileage;
    to->mileage_unit = better[FIELD_MILEAGE] ? from->mileage_unit : to->mileage_unit;
    to->body_style = better[FIELD_BODY_STYLE] ? from->body_style : to->body_style;
    if (from->kind == LOTCAST__V1__ITEM_KIND__ITEM_KIND_VEHICLE)
        to->kind = from->kind;
    for (int i = 0; i < 3; i++)
        item->keys[i] = item->keys[i] == NULL ? other->keys[i] : item->keys[i];
    other->merged_into = item;
    collection->count--;
}

static bool can_be_one(const struct item *a, const struct item *b)
{
    for (int i = 0; i < 2; i++) {
        if (a->keys[i] != NULL && b->keys[i] != NULL && strcmp(a->keys[i], b->keys[i]) != 0)
            return false;
    }
    return true;
}

enum site_collected site__collection_add(struct site_collection *collection,
                                         const struct site_found *found)
{
    struct keys own;
    keys_of(found, &own);
    char *keys[3] = {own.text[0], own.text[1], own.text[2]};
    struct item *item = NULL;
    for (int i = 0; i < 3; i++) {
        struct item *same = find(collection, keys, own.has, i);
        if (same == NULL || same == item)
            continue;
        if (item == NULL)
            item = same;
        else if (can_be_one(item, same))
            absorb(collection, item, same);
    }
    bool is_new = item == NULL;
    if (is_new && !own.has[0] && !own.has[1] && !own.has[2])
        return SITE_COLLECTED_MERGED; /* nothing to know it by */
    if (is_new && collection->count >= collection->items_max)
        return SITE_COLLECTED_FULL;
    if (is_new)
        item = add_item(collection);
    if (item == NULL || !take_fields(collection, item, found))
        return SITE_COLLECTED_NO_MEMORY;
    for (int i = 0; i < 3; i++) {
        if (own.has[i] && !take_key(collection, item, i, keys[i]))
            return SITE_COLLECTED_NO_MEMORY;
    }
    return is_new ? SITE_COLLECTED_NEW : SITE_COLLECTED_MERGED;
}

/* ---- the end ---- */

static void hash_text(crypto_generichash_state *state, const char *text)
{
    uint64_t len = strlen(text);
    (void)crypto_generichash_update(state, (const unsigned char *)&len, sizeof len);
    (void)crypto_generichash_update(state, (const unsigned char *)text, len);
}

static void hash_number(crypto_generichash_state *state, int64_t number)
{
    (void)crypto_generichash_update(state, (const unsigned char *)&number, sizeof number);
}

/* All that is sent to Meta, each text after its length. */
static void hash_content(struct item *item)
{
    const Lotcast__V1__ItemRecord *record = &item->record;
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof item->hash);
    const char *const texts[] = {HASH_VERSION,         record->identity,  record->title,
                                 record->description,  record->url,       record->image_url,
                                 record->currency,     record->excluded,  record->brand,
                                 record->model,        record->vin,       record->sku,
                                 record->mileage_unit, record->body_style};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        hash_text(&state, texts[i]);
    hash_number(&state, record->kind);
    hash_number(&state, record->price_minor);
    hash_number(&state, record->in_stock);
    hash_number(&state, record->year);
    hash_number(&state, record->condition);
    hash_number(&state, record->mileage);
    (void)crypto_generichash_final(&state, item->hash, sizeof item->hash);
}

static void finish_item(struct item *item)
{
    static char none[] = "";
    Lotcast__V1__ItemRecord *record = &item->record;
    for (int i = 2; i >= 0; i--) {
        if (item->keys[i] != NULL)
            record->identity = item->keys[i];
    }
    record->vin = item->keys[0] == NULL ? none : item->keys[0] + 4;
    record->sku = item->keys[1] == NULL ? none : item->keys[1] + 4;
    const char *reason = record->title[0] == '\0'      ? SITE_EXCLUDED_TITLE
                         : record->price_minor < 0     ? SITE_EXCLUDED_PRICE
                         : record->currency[0] == '\0' ? SITE_EXCLUDED_CURRENCY
                                                       : "";
    record->excluded = (char *)(uintptr_t)reason;
    hash_content(item);
    record->content_hash = (ProtobufCBinaryData){sizeof item->hash, item->hash};
}

void site__collection_finish(struct site_collection *collection, struct site_scan *scan)
{
    size_t kept = 0;
    for (size_t i = 0; i < collection->used; i++) {
        struct item *item = (struct item *)(void *)collection->items[i];
        if (item->merged_into != NULL)
            continue;
        finish_item(item);
        collection->items[kept++] = &item->record;
    }
    scan->items = collection->items;
    scan->item_count = kept;
}
