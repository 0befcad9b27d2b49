#include "rest/exposition.h"

#include <stdlib.h>
#include <string.h>

static const char help_mark[] = "# HELP ";
static const char type_mark[] = "# TYPE ";

/* One family of one text. */
struct family {
    size_t order; /* of its text */
    struct span name;
    struct span help; /* its line, with the line's end; as are the following */
    struct span type;
    struct span samples; /* lines */
};

/* Cuts the first line off, with its end. */
static struct span take_line(struct span *text)
{
    struct span line = *text;
    const uint8_t *end = text->len == 0 ? NULL : memchr(text->data, '\n', text->len);
    if (end != NULL)
        line.len = (size_t)(end - text->data) + 1;
    *text = (struct span){text->data + line.len, text->len - line.len};
    return line;
}

static bool begins_with(struct span line, const char *mark)
{
    size_t len = strlen(mark);
    return line.len > len && memcmp(line.data, mark, len) == 0;
}

/* The word behind the mark. */
static struct span name_of(struct span line)
{
    struct span name = span_of(line.data + sizeof help_mark - 1, line.len - sizeof help_mark + 1);
    size_t len = 0;
    while (len < name.len && name.data[len] != ' ' && name.data[len] != '\n')
        len++;
    name.len = len;
    return name;
}

static size_t count_families(struct span text)
{
    size_t count = 0;
    while (text.len > 0)
        count += begins_with(take_line(&text), help_mark);
    return count;
}

static size_t split(struct span text, size_t order, struct family *families)
{
    size_t count = 0;
    bool open = false; /* a family, that is: nothing odd has come behind its HELP */
    while (text.len > 0) {
        struct span line = take_line(&text);
        struct family *family = open ? &families[count - 1] : NULL;
        if (begins_with(line, help_mark)) {
            families[count++] =
                (struct family){.order = order, .name = name_of(line), .help = line};
            open = true;
        } else if (family == NULL) {
            continue;
        } else if (line.data[0] != '#') {
            if (family->samples.len == 0)
                family->samples.data = line.data;
            family->samples.len += line.len;
        } else if (begins_with(line, type_mark) && family->type.len == 0 &&
                   family->samples.len == 0) {
            family->type = line;
        } else {
            open = false;
        }
    }
    return count;
}

static int compare(const void *a_, const void *b_)
{
    const struct family *a = a_, *b = b_;
    size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = memcmp(a->name.data, b->name.data, len);
    if (order == 0)
        order = (a->name.len > b->name.len) - (a->name.len < b->name.len);
    if (order == 0)
        order = (a->order > b->order) - (a->order < b->order);
    if (order == 0) /* of one text: as they are in it */
        order = (a->help.data > b->help.data) - (a->help.data < b->help.data);
    return order;
}

static void append(struct buffer *out, struct span text)
{
    (void)buffer_append(out, text.data, text.len);
    if (text.len > 0 && text.data[text.len - 1] != '\n')
        (void)buffer_append_byte(out, '\n');
}

bool exposition_merge(const struct span *texts, size_t count, struct arena *arena,
                      struct buffer *out)
{
    size_t family_count = 0;
    for (size_t i = 0; i < count; i++)
        family_count += count_families(texts[i]);
    struct family *families = arena_calloc(arena, family_count + 1, sizeof *families);
    if (families == NULL)
        return false;
    family_count = 0;
    for (size_t i = 0; i < count; i++)
        family_count += split(texts[i], i, families + family_count);
    qsort(families, family_count, sizeof *families, compare);
    const struct family *first = NULL;
    for (size_t i = 0; i < family_count; i++) {
        const struct family *family = &families[i];
        if (first == NULL || !span_equal(first->name, family->name)) {
            first = family;
            append(out, family->help);
            append(out, family->type);
        } else if (!span_equal(first->type, family->type)) {
            continue;
        }
        append(out, family->samples);
    }
    return !out->failed;
}
