/*
 * A zone is transitions (sorted moments, each with the offset from then on) and a rule for what
 * comes after the last of them. Everything is checked when it is read, so that look-ups cannot
 * fail.
 */
#include "rpc/services/model/zone.h"

#include <stdlib.h>
#include <string.h>

#include "rpc/services/model/zone_rule.h"

#define HEADER_BYTES 44
#define TRANSITIONS_MAX 4096
#define TYPES_MAX 256
#define TYPE_BYTES 6

struct zone {
    size_t transition_count;
    int64_t *moments_s;
    int32_t *offsets_s;
    int32_t first_offset_s; /* before the first transition */
    bool has_rule;
    struct zone_rule rule;
};

/* Numbers of a TZif header, in its order. */
enum { ISUT_COUNT, ISSTD_COUNT, LEAP_COUNT, TIME_COUNT, TYPE_COUNT, CHAR_COUNT, HEADER_COUNTS };

bool zone_name_valid(const char *name)
{
    size_t len = strnlen(name, ZONE_NAME_BYTES);
    if (len == 0 || len == ZONE_NAME_BYTES || name[0] == '/' || name[len - 1] == '/')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || strchr("-_+/", c) == NULL))
            return false;
        if (c == '/' && name[i + 1] == '/')
            return false;
    }
    /* Copies of the whole tree, and what is no zone of anyone's. */
    return strncmp(name, "right/", 6) != 0 && strncmp(name, "posix/", 6) != 0 &&
           strcmp(name, "localtime") != 0 && strcmp(name, "posixrules") != 0 &&
           strcmp(name, "Factory") != 0;
}

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t read_i64(const uint8_t *at)
{
    return (int64_t)((uint64_t)read_u32(at) << 32 | read_u32(at + 4));
}

/* Reads the header at the front of `data`; false if the block behind it does not fit. */
static bool read_header(struct span data, size_t time_bytes, uint32_t counts[static HEADER_COUNTS],
                        size_t *ret_block_bytes)
{
    if (data.len < HEADER_BYTES || memcmp(data.data, "TZif", 4) != 0 || data.data[4] < '2')
        return false;
    for (size_t i = 0; i < HEADER_COUNTS; i++)
        counts[i] = read_u32(data.data + 20 + 4 * i);
    if (counts[TIME_COUNT] > TRANSITIONS_MAX || counts[TYPE_COUNT] > TYPES_MAX ||
        counts[CHAR_COUNT] > ZONE_DATA_BYTES_MAX || counts[LEAP_COUNT] > TRANSITIONS_MAX ||
        counts[ISUT_COUNT] > TYPES_MAX || counts[ISSTD_COUNT] > TYPES_MAX)
        return false;
    size_t block = counts[TIME_COUNT] * (time_bytes + 1) + counts[TYPE_COUNT] * TYPE_BYTES +
                   counts[CHAR_COUNT] + counts[LEAP_COUNT] * (time_bytes + 4) +
                   counts[ISSTD_COUNT] + counts[ISUT_COUNT];
    if (block > data.len - HEADER_BYTES)
        return false;
    *ret_block_bytes = block;
    return true;
}

/* Offsets beyond a day and a bit mean a broken file. */
static bool read_offset(const uint8_t *types, size_t type, int32_t *ret_offset_s)
{
    int32_t offset_s = (int32_t)read_u32(types + type * TYPE_BYTES);
    if (offset_s < -ZONE_OFFSET_S_MAX || offset_s > ZONE_OFFSET_S_MAX)
        return false;
    *ret_offset_s = offset_s;
    return true;
}

static bool read_transitions(struct zone *zone, const uint8_t *block,
                             const uint32_t counts[static HEADER_COUNTS])
{
    size_t count = counts[TIME_COUNT];
    const uint8_t *indexes = block + count * 8;
    const uint8_t *types = indexes + count;
    if (counts[TYPE_COUNT] == 0 || counts[LEAP_COUNT] != 0 ||
        !read_offset(types, 0, &zone->first_offset_s))
        return false;
    zone->moments_s = calloc(count + 1, sizeof *zone->moments_s);
    zone->offsets_s = calloc(count + 1, sizeof *zone->offsets_s);
    if (zone->moments_s == NULL || zone->offsets_s == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        zone->moments_s[i] = read_i64(block + i * 8);
        if (i > 0 && zone->moments_s[i] <= zone->moments_s[i - 1])
            return false;
        if (indexes[i] >= counts[TYPE_COUNT] ||
            !read_offset(types, indexes[i], &zone->offsets_s[i]))
            return false;
    }
    zone->transition_count = count;
    return true;
}

/* The rule between two line feeds behind the second block; empty means none. */
static bool read_footer(struct zone *zone, struct span footer)
{
    if (footer.len < 2 || footer.data[0] != '\n')
        return false;
    const uint8_t *end = memchr(footer.data + 1, '\n', footer.len - 1);
    if (end == NULL)
        return false;
    struct span text = span_of(footer.data + 1, (size_t)(end - footer.data) - 1);
    zone->has_rule = text.len > 0;
    return text.len == 0 || zone_rule_parse(text, &zone->rule);
}

struct zone *zone_create(struct span data)
{
    uint32_t counts[HEADER_COUNTS];
    size_t block;
    if (data.len > ZONE_DATA_BYTES_MAX || !read_header(data, 4, counts, &block))
        return NULL;
    /* The first block is for readers of version 1, with 32-bit times. */
    struct span second = span_of(data.data + HEADER_BYTES + block, data.len - HEADER_BYTES - block);
    if (!read_header(second, 8, counts, &block))
        return NULL;
    struct zone *zone = calloc(1, sizeof *zone);
    if (zone == NULL)
        return NULL;
    size_t footer = HEADER_BYTES + block;
    if (!read_transitions(zone, second.data + HEADER_BYTES, counts) ||
        !read_footer(zone, span_of(second.data + footer, second.len - footer))) {
        zone_destroy(zone);
        return NULL;
    }
    return zone;
}

void zone_destroy(struct zone *zone)
{
    if (zone == NULL)
        return;
    free(zone->moments_s);
    free(zone->offsets_s);
    free(zone);
}

int32_t zone_offset_s(const struct zone *zone, int64_t at_s)
{
    if (zone == NULL)
        return 0;
    /* How many transitions are at or before it. */
    size_t low = 0;
    size_t high = zone->transition_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->moments_s[middle] <= at_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == zone->transition_count && zone->has_rule)
        return zone_rule_offset_s(&zone->rule, at_s);
    return low == 0 ? zone->first_offset_s : zone->offsets_s[low - 1];
}

int64_t zone_to_utc_s(const struct zone *zone, int64_t local_s)
{
    /* The offsets in force a day before and a day after are all that it can be. */
    int32_t before_s = zone_offset_s(zone, local_s - 86400);
    int32_t after_s = zone_offset_s(zone, local_s + 86400);
    int32_t larger_s = before_s > after_s ? before_s : after_s;
    int32_t smaller_s = before_s > after_s ? after_s : before_s;
    /* The larger offset gives the earlier moment. */
    if (zone_offset_s(zone, local_s - larger_s) == larger_s)
        return local_s - larger_s;
    if (zone_offset_s(zone, local_s - smaller_s) == smaller_s)
        return local_s - smaller_s;
    /* In a gap: as if the clocks had not been moved. */
    return local_s - before_s;
}
