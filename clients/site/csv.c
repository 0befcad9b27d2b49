/*
 * Tables of products: RFC 4180's quoting, with a comma, tab, semicolon or bar between fields,
 * whichever the head has. Read byte by byte as they are unpacked; one row is held at a time.
 *
 * A row that is too long is left out, and the table is known to be read in part then. Quotes within
 * a field that does not begin with one are as they are.
 */
#include <stdlib.h>
#include <strings.h>

#include "clients/site/feed.h"

#define CHUNK_BYTES ((size_t)16 * 1024)
#define ROW_BYTES_MAX ((size_t)1024 * 1024)
/* Fields that a head must name to be one. */
#define HEAD_FIELDS_MIN 2

enum place { PLACE_START, PLACE_PLAIN, PLACE_QUOTED, PLACE_QUOTE };

struct table {
    struct site_feed *feed;
    char delimiter;
    enum place place;
    bool has_head;
    bool is_table;
    bool is_too_long;
    struct buffer row;                         /* fields, each with a NUL behind it */
    size_t starts[SITE_COLUMNS_MAX];           /* of the row's fields */
    size_t count;                              /* of them, those beyond the cap included */
    size_t field_len;                          /* of the current one */
    enum site_field columns[SITE_COLUMNS_MAX]; /* what each is */
};

static void begin_field(struct table *table)
{
    if (table->count < SITE_COLUMNS_MAX)
        table->starts[table->count] = table->row.len;
    table->count++;
    table->field_len = 0;
    table->place = PLACE_START;
}

static void put(struct table *table, uint8_t c)
{
    bool is_cut =
        c == '\0' || table->count > SITE_COLUMNS_MAX || table->field_len >= SITE_FIELD_BYTES_MAX;
    if (is_cut || table->is_too_long)
        return;
    table->field_len++;
    if (table->row.len + 2 > ROW_BYTES_MAX || !buffer_append_byte(&table->row, c))
        table->is_too_long = true;
}

static void end_field(struct table *table)
{
    if (table->count <= SITE_COLUMNS_MAX && !buffer_append_byte(&table->row, '\0'))
        table->is_too_long = true;
}

static void take_head(struct table *table)
{
    size_t known = 0;
    bool has_offer = false;
    bool seen[SITE_FIELD_COUNT] = {false};
    table->has_head = true;
    if (table->is_too_long)
        return;
    for (size_t i = 0; i < SITE_COLUMNS_MAX; i++) {
        enum site_field field = SITE_FIELD_NONE;
        if (i < table->count)
            field = site__field_of((const char *)table->row.data + table->starts[i]);
        if (field != SITE_FIELD_NONE && seen[field])
            field = SITE_FIELD_NONE; /* the first column of a name counts */
        table->columns[i] = field;
        if (field == SITE_FIELD_NONE)
            continue;
        seen[field] = true;
        known++;
    }
    has_offer = seen[SITE_FIELD_PRICE] || seen[SITE_FIELD_VIN] || seen[SITE_FIELD_AVAILABILITY];
    table->is_table = known >= HEAD_FIELDS_MIN && has_offer &&
                      (seen[SITE_FIELD_TITLE] || seen[SITE_FIELD_ID] || seen[SITE_FIELD_VIN]);
}

static void take_row(struct table *table)
{
    struct site_product product = {.is_number = false};
    bool has_any = false;
    for (size_t i = 0; i < table->count && i < SITE_COLUMNS_MAX; i++) {
        const char *text = (const char *)table->row.data + table->starts[i];
        if (table->columns[i] == SITE_FIELD_NONE || text[0] == '\0')
            continue;
        product.fields[table->columns[i]] = text;
        has_any = true;
    }
    if (has_any)
        site__feed_give(table->feed, &product);
}

static void end_row(struct table *table)
{
    end_field(table);
    bool is_empty = table->count == 1 && table->field_len == 0;
    if (table->is_too_long)
        table->feed->is_partly = true;
    if (is_empty && !table->is_too_long) {
        /* blank lines are nothing, before the head too */
    } else if (!table->has_head) {
        take_head(table);
    } else if (!table->is_too_long) {
        take_row(table);
    }
    buffer_clear(&table->row);
    table->is_too_long = false;
    table->count = 0;
    begin_field(table);
}

static void take_byte(struct table *table, uint8_t c)
{
    if (table->place == PLACE_QUOTED) {
        if (c == '"')
            table->place = PLACE_QUOTE;
        else
            put(table, c);
        return;
    }
    if (table->place == PLACE_QUOTE && c == '"') {
        put(table, c);
        table->place = PLACE_QUOTED;
    } else if (c == (uint8_t)table->delimiter) {
        end_field(table);
        begin_field(table);
    } else if (c == '\n' || c == '\r') {
        end_row(table);
    } else if (table->place == PLACE_START && c == '"') {
        table->place = PLACE_QUOTED;
    } else {
        put(table, c);
        table->place = PLACE_PLAIN;
    }
}

/* The one that the first line has most of, outside of quotes. */
static char delimiter_of(struct span head)
{
    static const char candidates[] = ",\t;|";
    size_t counts[sizeof candidates - 1] = {0};
    bool is_quoted = false;
    size_t at = 0;
    while (at < head.len && (head.data[at] == '\n' || head.data[at] == '\r'))
        at++;
    for (; at < head.len && (is_quoted || (head.data[at] != '\n' && head.data[at] != '\r')); at++) {
        if (head.data[at] == '"')
            is_quoted = !is_quoted;
        const char *found =
            is_quoted || head.data[at] == '\0' ? NULL : strchr(candidates, (char)head.data[at]);
        if (found != NULL)
            counts[found - candidates]++;
    }
    size_t best = 0;
    for (size_t i = 1; i < sizeof counts / sizeof counts[0]; i++)
        best = counts[i] > counts[best] ? i : best;
    return candidates[best];
}

static void read_rows(struct site_unpack *unpack, struct table *table)
{
    uint8_t chunk[CHUNK_BYTES];
    size_t skip = 0;
    struct span head = site__unpack_peek(unpack);
    if (head.len >= 3 && memcmp(head.data, "\xef\xbb\xbf", 3) == 0)
        skip = 3;
    table->delimiter = delimiter_of(span_of(head.data + skip, head.len - skip));
    for (size_t len = site__unpack_read(unpack, chunk, sizeof chunk); len > 0;
         len = site__unpack_read(unpack, chunk, sizeof chunk)) {
        for (size_t i = skip; i < len; i++) {
            take_byte(table, chunk[i]);
            if (table->feed->is_stopped || (table->has_head && !table->is_table))
                return;
        }
        skip = 0;
    }
    /* A quote that never ends has swallowed rows. */
    if (table->place == PLACE_QUOTED)
        table->feed->is_partly = true;
    else
        end_row(table);
}

bool site__csv_read(struct site_unpack *unpack, struct site_feed *feed)
{
    struct table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        feed->is_partly = true;
        return false;
    }
    table->feed = feed;
    buffer_init(&table->row, ROW_BYTES_MAX + SITE_COLUMNS_MAX);
    begin_field(table);
    read_rows(unpack, table);
    bool is_table = table->is_table;
    buffer_fini(&table->row);
    free(table);
    return is_table;
}
