/*
 * RSS, Atom and what shops make of them, through libxml2's reader: one element at a time, as it is
 * unpacked. A DOCTYPE ends the reading, so that there are no entities to expand and nothing to
 * fetch; depth, sizes and what is unpacked are bounded.
 */
#include <libxml/xmlreader.h>
#include <stdlib.h>
#include <strings.h>

#include "clients/site/feed.h"

/* Elements in each other, and those around an item. */
#define DEPTH_MAX 32
#define ITEM_DEPTH_MAX 4
/* Names of elements within an item, joined by points. */
#define PATH_BYTES_MAX 80
/* Elements before the first item: a page of another kind has many. */
#define PROLOGUE_MAX 2000
/* All texts of one item. */
#define ITEM_BYTES_MAX ((size_t)512 * 1024)

struct xml {
    xmlTextReaderPtr reader;
    struct site_feed *feed;
    int item_depth;            /* of the item that is open; -1: none */
    char path[PATH_BYTES_MAX]; /* within it */
    size_t path_len;
    size_t ends[DEPTH_MAX + 1]; /* path_len before each open element */
    bool is_foreign[DEPTH_MAX + 1];
    struct buffer texts; /* of the item's fields, each with a NUL behind it */
    size_t starts[SITE_FIELD_COUNT];
    bool has[SITE_FIELD_COUNT];
    size_t text_start; /* of the element that is open */
    bool is_broken;
    bool is_products; /* some item is for sale */
    size_t prologue;
};

static void ignore_error(void *arg, xmlErrorPtr error)
{
    (void)arg;
    (void)error;
}

static int read_bytes(void *arg, char *out, int size)
{
    return size <= 0 ? 0 : (int)site__unpack_read(arg, (uint8_t *)out, (size_t)size);
}

/* Names of vocabularies that say something else with the same words, as media:title does. */
static bool is_foreign(xmlTextReaderPtr reader)
{
    const char *space = (const char *)xmlTextReaderConstNamespaceUri(reader);
    return space != NULL && strstr(space, "google.com/") == NULL &&
           strstr(space, "www.w3.org/2005/Atom") == NULL && strstr(space, "purl.org/rss/") == NULL;
}

static bool is_item_name(const char *name)
{
    static const char *const words[] = {"item", "entry", "product", "vehicle", "listing", "offer"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(name, words[i]) == 0)
            return true;
    }
    return false;
}

static void begin_item(struct xml *xml, int depth)
{
    xml->item_depth = depth;
    xml->path_len = 0;
    xml->path[0] = '\0';
    buffer_clear(&xml->texts);
    memset(xml->has, 0, sizeof xml->has);
    xml->text_start = 0;
}

static void end_item(struct xml *xml)
{
    struct site_product product = {.is_number = false};
    xml->item_depth = -1;
    if (xml->texts.failed)
        xml->feed->is_partly = true;
    for (size_t i = 0; i < SITE_FIELD_COUNT; i++) {
        if (xml->has[i])
            product.fields[i] = (const char *)xml->texts.data + xml->starts[i];
    }
    if (site__product_is_offer(&product))
        xml->is_products = true;
    /* What comes before the first thing for sale is no list of them: a blog. */
    if (xml->is_products)
        site__feed_give(xml->feed, &product);
}

/* Keeps the text as a field's, unless it has one already. */
static void keep_field(struct xml *xml, enum site_field field, size_t start)
{
    if (field == SITE_FIELD_NONE || xml->has[field] || xml->texts.failed ||
        !buffer_append_byte(&xml->texts, '\0'))
        return;
    const char *text = (const char *)xml->texts.data + start;
    if (text[strspn(text, " \t\r\n")] == '\0')
        return;
    xml->has[field] = true;
    xml->starts[field] = start;
}

/* Atom: <link href="…"/>, unless it leads elsewhere (rel=self, rel=enclosure). */
static void take_href(struct xml *xml)
{
    xmlChar *href = xmlTextReaderGetAttribute(xml->reader, (const xmlChar *)"href");
    xmlChar *rel = xmlTextReaderGetAttribute(xml->reader, (const xmlChar *)"rel");
    if (href != NULL && (rel == NULL || strcmp((const char *)rel, "alternate") == 0)) {
        size_t start = xml->texts.len;
        (void)buffer_append_string(&xml->texts, (const char *)href);
        keep_field(xml, SITE_FIELD_LINK, start);
    }
    xmlFree(href);
    xmlFree(rel);
}

static void open_element(struct xml *xml, int depth)
{
    const char *name = (const char *)xmlTextReaderConstLocalName(xml->reader);
    bool foreign = is_foreign(xml->reader);
    xml->is_foreign[depth] = foreign || (depth > 0 && xml->is_foreign[depth - 1]);
    xml->ends[depth] = xml->path_len;
    if (name == NULL)
        return;
    if (xml->item_depth < 0) {
        if (depth > 0 && depth <= ITEM_DEPTH_MAX && !foreign && is_item_name(name))
            begin_item(xml, depth);
        else if (++xml->prologue > PROLOGUE_MAX && !xml->is_products)
            xml->is_broken = true;
        return;
    }
    if (strncasecmp(name, "g:", 2) == 0) /* its namespace is not declared */
        name += 2;
    size_t len = strlen(name);
    bool fits = xml->path_len + len + 2 < PATH_BYTES_MAX;
    if (fits && xml->path_len > 0)
        xml->path[xml->path_len++] = '.';
    memcpy(xml->path + xml->path_len, fits ? name : "", fits ? len : 0);
    xml->path_len += fits ? len : 0;
    xml->path[xml->path_len] = '\0';
    xml->text_start = xml->texts.len;
    if (depth == xml->item_depth + 1 && !foreign && strcmp(name, "link") == 0)
        take_href(xml);
}

static void close_element(struct xml *xml, int depth)
{
    if (xml->item_depth < 0)
        return;
    if (depth == xml->item_depth) {
        end_item(xml);
        return;
    }
    if (!xml->is_foreign[depth] && xml->texts.len > xml->text_start)
        keep_field(xml, site__field_of(xml->path), xml->text_start);
    xml->text_start = xml->texts.len;
    xml->path_len = xml->ends[depth];
    xml->path[xml->path_len] = '\0';
}

static void take_text(struct xml *xml)
{
    const char *text = (const char *)xmlTextReaderConstValue(xml->reader);
    if (xml->item_depth < 0 || text == NULL)
        return;
    size_t len = strlen(text);
    size_t used = xml->texts.len - xml->text_start;
    size_t room = used < SITE_FIELD_BYTES_MAX ? SITE_FIELD_BYTES_MAX - used : 0;
    (void)buffer_append(&xml->texts, text, len < room ? len : room);
}

/* False: the reading ends. */
static bool take_node(struct xml *xml)
{
    int type = xmlTextReaderNodeType(xml->reader);
    int depth = xmlTextReaderDepth(xml->reader);
    if (type == XML_READER_TYPE_DOCUMENT_TYPE || depth < 0 || depth > DEPTH_MAX) {
        xml->is_broken = true;
    } else if (type == XML_READER_TYPE_ELEMENT) {
        bool is_empty = xmlTextReaderIsEmptyElement(xml->reader) == 1;
        open_element(xml, depth);
        if (is_empty)
            close_element(xml, depth);
    } else if (type == XML_READER_TYPE_END_ELEMENT) {
        close_element(xml, depth);
    } else if (type == XML_READER_TYPE_TEXT || type == XML_READER_TYPE_CDATA ||
               type == XML_READER_TYPE_SIGNIFICANT_WHITESPACE) {
        take_text(xml);
    }
    return !xml->is_broken && !xml->feed->is_stopped;
}

bool site__feed_xml_read(struct site_unpack *unpack, struct site_feed *feed)
{
    struct xml xml = {.feed = feed, .item_depth = -1};
    xml.reader = xmlReaderForIO(read_bytes, NULL, unpack, NULL, NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (xml.reader == NULL) {
        feed->is_partly = true;
        return false;
    }
    xmlTextReaderSetStructuredErrorHandler(xml.reader, ignore_error, NULL);
    buffer_init(&xml.texts, ITEM_BYTES_MAX);
    int result = 1;
    bool goes_on = true;
    while (goes_on && result == 1) {
        result = xmlTextReaderRead(xml.reader);
        goes_on = result == 1 && take_node(&xml);
    }
    if (result < 0 || xml.is_broken)
        feed->is_partly = true;
    buffer_fini(&xml.texts);
    xmlFreeTextReader(xml.reader);
    return xml.is_products;
}
