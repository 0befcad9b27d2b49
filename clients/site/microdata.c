/*
 * Microdata (HTML standard, 5), read as the elements come: a stack of open elements, of which some
 * open an item and some collect the text of a property. itemref is not followed. The result has
 * JSON-LD's shape, so that extract.c reads both.
 */
#include <strings.h>

#include "clients/site/internal.h"

/* Open elements that are followed; what lies deeper is counted only. */
#define DEPTH_MAX 256
#define ITEMS_MAX 20000
/* Text of one property at most. */
#define TEXT_BYTES_MAX ((size_t)32 * 1024)

struct element {
    struct site_value *item;  /* the item that it opens, or NULL */
    const char *property;     /* the names that its text is for, or NULL */
    struct site_value *owner; /* the item that has the property */
    size_t start;             /* where its text begins in what is collected */
    size_t cut;               /* where it ends before the element does; 0: it does not */
    bool is_heading;
};

struct site_microdata {
    struct arena *arena;
    struct element open[DEPTH_MAX];
    size_t depth; /* may exceed DEPTH_MAX */
    size_t items;
    char *text; /* of all open text properties: the inner one's is part of the outer one's */
    size_t text_len;
    size_t collecting;
    struct site_value *top;
};

const char *site__attribute(const char *const *attributes, const char *name)
{
    for (size_t i = 0; attributes != NULL && attributes[i] != NULL; i += 2) {
        if (strcasecmp(attributes[i], name) == 0)
            return attributes[i + 1] == NULL ? "" : attributes[i + 1];
    }
    return NULL;
}

struct site_microdata *site__microdata_create(struct arena *arena)
{
    struct site_microdata *data = arena_calloc(arena, 1, sizeof *data);
    if (data == NULL)
        return NULL;
    data->arena = arena;
    data->text = arena_alloc(arena, TEXT_BYTES_MAX);
    data->top = site__value_create(SITE_VALUE_ARRAY, arena);
    return data->text == NULL || data->top == NULL ? NULL : data;
}

static struct site_value *current_item(const struct site_microdata *data)
{
    for (size_t i = data->depth < DEPTH_MAX ? data->depth : DEPTH_MAX; i-- > 0;) {
        if (data->open[i].item != NULL)
            return data->open[i].item;
    }
    return NULL;
}

/* Adds a member; a second one of the same name makes a list of both. */
static void add_member(struct site_microdata *data, struct site_value *owner, const char *key,
                       struct site_value *value)
{
    struct site_value *there = site__value_get(owner, key);
    if (there == NULL) {
        site__value_add(owner, key, value);
        return;
    }
    if (there->kind != SITE_VALUE_ARRAY) {
        /* Whoever still points at it has it closed: members are added at an element's end, or its
         * item's start. */
        struct site_value *first = arena_alloc(data->arena, sizeof *first);
        if (first == NULL)
            return;
        *first = *there;
        first->next = NULL;
        first->key = "";
        *there =
            (struct site_value){.kind = SITE_VALUE_ARRAY, .key = there->key, .next = there->next};
        site__value_add(there, "", first);
    }
    site__value_add(there, "", value);
}

/* Adds the value under each of the names, which spaces separate. A name may be a whole URL. */
static void add_named(struct site_microdata *data, struct site_value *owner, const char *names,
                      struct site_value *value)
{
    bool first = true;
    while (*names != '\0') {
        size_t len = strcspn(names, " \t\r\n\f");
        size_t from = len;
        while (from > 0 && names[from - 1] != '/' && names[from - 1] != '#')
            from--;
        char *key = len == from ? NULL : arena_strndup(data->arena, names + from, len - from);
        struct site_value *copy = first ? value : arena_alloc(data->arena, sizeof *copy);
        if (key != NULL && copy != NULL) {
            if (!first) {
                *copy = *value;
                copy->next = NULL;
            }
            add_member(data, owner, key, copy);
            first = false;
        }
        names += len;
        names += strspn(names, " \t\r\n\f");
    }
}

/* The attribute that is an element's value; NULL: its text is. */
static const char *value_of(const char *element, const char *const *attributes)
{
    static const struct {
        const char *element, *attribute;
    } table[] = {
        {"meta", "content"}, {"img", "src"},     {"audio", "src"},     {"embed", "src"},
        {"iframe", "src"},   {"source", "src"},  {"track", "src"},     {"video", "src"},
        {"a", "href"},       {"area", "href"},   {"link", "href"},     {"object", "data"},
        {"data", "value"},   {"meter", "value"}, {"time", "datetime"},
    };
    /* Not in the standard, and everywhere: <span itemprop="price"
     * content="28000.00">$28,000</span>. */
    const char *content = site__attribute(attributes, "content");
    if (content != NULL)
        return content;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(element, table[i].element) != 0)
            continue;
        const char *value = site__attribute(attributes, table[i].attribute);
        bool has_text = strcmp(element, "time") == 0 || strcmp(element, "data") == 0 ||
                        strcmp(element, "a") == 0;
        return value == NULL && !has_text ? "" : value;
    }
    return NULL;
}

static struct site_value *open_item(struct site_microdata *data, const char *const *attributes)
{
    const char *type = site__attribute(attributes, "itemtype");
    const char *id = site__attribute(attributes, "itemid");
    struct site_value *item =
        data->items++ < ITEMS_MAX ? site__value_create(SITE_VALUE_OBJECT, data->arena) : NULL;
    if (item == NULL)
        return NULL;
    if (type != NULL) {
        char *copy = arena_strdup(data->arena, type);
        if (copy != NULL)
            (void)site__value_add_text(item, "@type", span_of_string(copy), data->arena);
    }
    if (id != NULL) {
        char *copy = arena_strdup(data->arena, id);
        if (copy != NULL)
            (void)site__value_add_text(item, "@id", span_of_string(copy), data->arena);
    }
    return item;
}

static void add_attribute_value(struct site_microdata *data, struct site_value *owner,
                                const char *names, const char *text)
{
    char *copy = arena_strdup(data->arena, text);
    struct site_value *value = site__value_create(SITE_VALUE_STRING, data->arena);
    if (copy == NULL || value == NULL)
        return;
    value->text = span_of_string(copy);
    add_named(data, owner, names, value);
}

/* Where the first link in the outermost item leads: often the only hint at its own page. */
static void note_link(struct site_microdata *data, const char *element,
                      const char *const *attributes)
{
    const char *href = strcmp(element, "a") == 0 ? site__attribute(attributes, "href") : NULL;
    struct site_value *item = href == NULL || href[0] == '#' ? NULL : current_item(data);
    if (item == NULL || site__value_get(item, "@link") != NULL)
        return;
    char *copy = arena_strdup(data->arena, href);
    if (copy != NULL)
        (void)site__value_add_text(item, "@link", span_of_string(copy), data->arena);
}

static bool is_heading(const char *element)
{
    return element[0] == 'h' && element[1] >= '1' && element[1] <= '6' && element[2] == '\0';
}

static bool is_block(const char *element)
{
    static const char *const names[] = {"div",  "p",       "table",   "ul",     "ol",  "dl",
                                        "form", "section", "article", "footer", "nav", "main"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(element, names[i]) == 0)
            return true;
    }
    return is_heading(element);
}

/* A heading that was never closed, or by another one's end, ends where a block begins. */
static void cut_headings(struct site_microdata *data, const char *element)
{
    if (data->collecting == 0 || !is_block(element))
        return;
    for (size_t i = data->depth < DEPTH_MAX ? data->depth : DEPTH_MAX; i-- > 0;) {
        struct element *open = &data->open[i];
        if (open->property != NULL && open->is_heading && open->cut == 0 &&
            data->text_len > open->start)
            open->cut = data->text_len;
    }
}

void site__microdata_start(struct site_microdata *data, const char *element,
                           const char *const *attributes)
{
    note_link(data, element, attributes);
    cut_headings(data, element);
    struct element here = {.start = data->text_len, .is_heading = is_heading(element)};
    struct site_value *owner = current_item(data);
    const char *property = site__attribute(attributes, "itemprop");
    bool has_property = property != NULL && property[0] != '\0' && owner != NULL;
    if (site__attribute(attributes, "itemscope") != NULL) {
        here.item = open_item(data, attributes);
        if (here.item != NULL && has_property)
            add_named(data, owner, property, here.item);
        else if (here.item != NULL)
            site__value_add(data->top, "", here.item);
    } else if (has_property) {
        const char *value = value_of(element, attributes);
        if (value != NULL) {
            add_attribute_value(data, owner, property, value);
        } else {
            here.property = arena_strdup(data->arena, property);
            here.owner = owner;
            data->collecting += here.property != NULL && data->depth < DEPTH_MAX;
        }
    }
    if (data->depth < DEPTH_MAX)
        data->open[data->depth] = here;
    data->depth++;
}

void site__microdata_text(struct site_microdata *data, struct span text)
{
    size_t room = TEXT_BYTES_MAX - data->text_len;
    if (data->collecting == 0 || room == 0)
        return;
    size_t len = text.len < room ? text.len : room;
    memcpy(data->text + data->text_len, text.data, len);
    data->text_len += len;
}

void site__microdata_end(struct site_microdata *data)
{
    if (data->depth == 0)
        return;
    data->depth--;
    if (data->depth >= DEPTH_MAX || data->open[data->depth].property == NULL)
        return;
    struct element *element = &data->open[data->depth];
    size_t len = (element->cut == 0 ? data->text_len : element->cut) - element->start;
    char *copy = arena_strndup(data->arena, data->text + element->start, len);
    struct site_value *value = site__value_create(SITE_VALUE_STRING, data->arena);
    if (copy != NULL && value != NULL) {
        value->text = span_of(copy, len);
        add_named(data, element->owner, element->property, value);
    }
    data->collecting--;
    if (data->collecting == 0)
        data->text_len = 0;
}

struct site_value *site__microdata_finish(struct site_microdata *data)
{
    while (data->depth > 0)
        site__microdata_end(data);
    return data->top;
}
