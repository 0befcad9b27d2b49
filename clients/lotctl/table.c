#include "clients/lotctl/table.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ROWS_FIRST 32
#define GAP 2

void table_init(struct table *table, struct arena *arena, const struct table_column *columns,
                size_t count)
{
    assert(count <= TABLE_COLUMNS_MAX);
    *table = (struct table){.arena = arena, .columns = columns, .column_count = count};
}

static bool grow(struct table *table)
{
    size_t capacity = table->row_capacity == 0 ? ROWS_FIRST : 2 * table->row_capacity;
    const char **cells = arena_calloc(table->arena, capacity * table->column_count, sizeof *cells);
    if (cells == NULL)
        return false;
    if (table->row_count > 0)
        memcpy(cells, table->cells, table->row_count * table->column_count * sizeof *cells);
    table->cells = cells;
    table->row_capacity = capacity;
    return true;
}

void table_row_add(struct table *table, const char *const *cells)
{
    for (size_t i = 0; i < table->column_count; i++)
        table->failed = table->failed || cells[i] == NULL;
    if (table->failed)
        return;
    if (table->row_count == table->row_capacity && !grow(table)) {
        table->failed = true;
        return;
    }
    memcpy(&table->cells[table->row_count * table->column_count], cells,
           table->column_count * sizeof *cells);
    table->row_count++;
}

/* Characters of valid UTF-8. */
static size_t width(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* C0, DEL and, in two bytes, C1 would speak to the terminal. */
static void print_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        bool c1 = byte == 0xc2 && (unsigned char)text[1] < 0xa0;
        if (c1)
            text++;
        (void)putchar(byte < ' ' || byte == 0x7f || c1 ? ' ' : byte);
    }
}

static void print_spaces(size_t count)
{
    while (count-- > 0)
        (void)putchar(' ');
}

static void print_row(const struct table *table, const char *const *cells, const size_t *widths)
{
    for (size_t i = 0; i < table->column_count; i++) {
        size_t space = widths[i] - width(cells[i]);
        bool last = i + 1 == table->column_count;
        if (table->columns[i].is_number)
            print_spaces(space);
        print_plain(cells[i]);
        if (!table->columns[i].is_number && !last)
            print_spaces(space);
        if (!last)
            print_spaces(GAP);
    }
    (void)putchar('\n');
}

bool table_print(const struct table *table)
{
    size_t widths[TABLE_COLUMNS_MAX];
    const char *titles[TABLE_COLUMNS_MAX];
    bool has_titles = false;
    if (table->failed) {
        (void)fprintf(stderr, "lotctl: out of memory\n");
        return false;
    }
    for (size_t i = 0; i < table->column_count; i++) {
        titles[i] = table->columns[i].title;
        widths[i] = width(titles[i]);
        has_titles = has_titles || widths[i] > 0;
        for (size_t row = 0; row < table->row_count; row++) {
            size_t own = width(table->cells[row * table->column_count + i]);
            widths[i] = own > widths[i] ? own : widths[i];
        }
    }
    if (has_titles)
        print_row(table, titles, widths);
    for (size_t row = 0; row < table->row_count; row++)
        print_row(table, &table->cells[row * table->column_count], widths);
    return true;
}

const char *table_decimal(struct arena *arena, int64_t hundredths)
{
    uint64_t amount = hundredths < 0 ? 0 - (uint64_t)hundredths : (uint64_t)hundredths;
    return arena_printf(arena, "%s%llu.%02llu", hundredths < 0 ? "-" : "",
                        (unsigned long long)(amount / 100), (unsigned long long)(amount % 100));
}

const char *table_number(struct arena *arena, int64_t number)
{
    return arena_printf(arena, "%lld", (long long)number);
}
