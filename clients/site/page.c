/*
 * One HTML page, in one pass: at a glance (glance.c) where its JSON-LD and OpenGraph are all that
 * it says of things for sale, else by libxml2's HTML parser, which gives elements and text; nothing
 * of a tree is kept. The parser is stopped where elements nest too deep.
 *
 * Errors of the parser are nobody's business: pages have them.
 */
#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>
#include <strings.h>

#include "clients/site/glance.h"

/* Elements in each other; browsers stop at 512 too. */
#define DEPTH_MAX 512
#define LINKS_MAX 20000
/* JSON-LD of one block at most. */
#define SCRIPT_BYTES_MAX ((size_t)4 * 1024 * 1024)

struct reader {
    struct site_page *page;
    struct arena *arena;
    htmlParserCtxtPtr parser;
    struct site_microdata *microdata;
    size_t depth;
    size_t links;
    bool in_jsonld;
    struct buffer script;
    bool has_base;
    struct span canonical;    /* <link rel=canonical> as written */
    struct site_value *graph; /* OpenGraph's tags, as a Product */
    struct site_value *offer;
    bool is_product;
};

static bool equals(struct span text, const char *word)
{
    return text.len == strlen(word) && strncasecmp((const char *)text.data, word, text.len) == 0;
}

/* Whether a space-separated list has the word, in any case. */
static bool has_token(const char *list, const char *word)
{
    size_t word_len = strlen(word);
    while (list != NULL && *list != '\0') {
        list += strspn(list, " \t\r\n\f,");
        size_t len = strcspn(list, " \t\r\n\f,");
        if (len == word_len && strncasecmp(list, word, len) == 0)
            return true;
        list += len;
    }
    return false;
}

bool site__same_site(const struct url *a, const struct url *b)
{
    const char *left = strncmp(a->host, "www.", 4) == 0 ? a->host + 4 : a->host;
    const char *right = strncmp(b->host, "www.", 4) == 0 ? b->host + 4 : b->host;
    bool own_ports = (a->port == 80 || a->port == 443) && (b->port == 80 || b->port == 443);
    return strcmp(left, right) == 0 && (a->port == b->port || own_ports);
}

bool site__link_resolve(const struct url *base, struct span href, struct arena *arena,
                        struct url *ret_url)
{
    char text[URL_BYTES_MAX + 1];
    size_t used = 0;
    while (href.len > 0 && href.data[0] <= ' ') {
        href.data++;
        href.len--;
    }
    while (href.len > 0 && href.data[href.len - 1] <= ' ')
        href.len--;
    for (size_t i = 0; i < href.len; i++) {
        if (used + 3 > URL_BYTES_MAX)
            return false;
        if (href.data[i] == ' ') { /* file names with spaces, as browsers take them */
            memcpy(text + used, "%20", 3);
            used += 3;
        } else {
            text[used++] = (char)href.data[i];
        }
    }
    return url_resolve(base, span_of(text, used), arena, ret_url);
}

static void add_link(struct reader *reader, const char *href, const char *rel, bool is_alternate)
{
    if (href == NULL || href[0] == '\0' || href[0] == '#' || reader->links >= LINKS_MAX ||
        strlen(href) > URL_BYTES_MAX)
        return;
    struct site_link *link = arena_calloc(reader->arena, 1, sizeof *link);
    char *copy = arena_strdup(reader->arena, href);
    if (link == NULL || copy == NULL) {
        reader->page->is_full = true;
        return;
    }
    reader->links++;
    link->href = span_of_string(copy);
    link->is_next = has_token(rel, "next");
    link->is_previous = has_token(rel, "prev") || has_token(rel, "previous");
    link->is_follow = !has_token(rel, "nofollow");
    link->is_alternate = is_alternate;
    if (link->is_next || link->is_previous)
        reader->page->is_listing = true;
    if (reader->page->link_last == NULL)
        reader->page->link_first = link;
    else
        reader->page->link_last->next = link;
    reader->page->link_last = link;
}

/* <link rel=canonical|next|prev|alternate href> */
static void take_link_element(struct reader *reader, const char *const *attributes)
{
    const char *rel = site__attribute(attributes, "rel");
    const char *href = site__attribute(attributes, "href");
    if (rel == NULL || href == NULL)
        return;
    const char *type = site__attribute(attributes, "type");
    if (has_token(rel, "next") || has_token(rel, "prev"))
        add_link(reader, href, rel, false);
    else if (has_token(rel, "alternate") && type != NULL &&
             (strcasestr(type, "rss") != NULL || strcasestr(type, "atom") != NULL ||
              strcasestr(type, "csv") != NULL || strcasestr(type, "tab-separated") != NULL))
        add_link(reader, href, "", true);
    if (has_token(rel, "canonical") && reader->canonical.len == 0) {
        char *copy = arena_strdup(reader->arena, href);
        if (copy != NULL)
            reader->canonical = span_of_string(copy);
    }
}

static void take_base(struct reader *reader, const char *const *attributes)
{
    const char *href = site__attribute(attributes, "href");
    if (href == NULL || reader->has_base)
        return;
    reader->has_base = true;
    struct url url;
    if (site__link_resolve(&reader->page->url, span_of_string(href), reader->arena, &url))
        reader->page->base = url;
}

/* OpenGraph's product tags by the schema.org property that each one is; the offer's after the bar.
 */
static const struct {
    const char *tag;
    const char *key;
    bool is_offer;
    bool is_product; /* no other page has it */
} graph_tags[] = {
    {"og:title", "name", false, false},
    {"og:description", "description", false, false},
    {"og:image", "image", false, false},
    {"og:image:url", "image", false, false},
    {"og:image:secure_url", "image", false, false},
    {"product:brand", "brand", false, true},
    {"og:brand", "brand", false, true},
    {"product:retailer_item_id", "sku", false, true},
    {"product:condition", "itemCondition", false, true},
    {"og:condition", "itemCondition", false, true},
    {"product:price:amount", "price", true, true},
    {"og:price:amount", "price", true, true},
    {"product:price:currency", "priceCurrency", true, true},
    {"og:price:currency", "priceCurrency", true, true},
    {"product:availability", "availability", true, true},
    {"og:availability", "availability", true, true},
};

static void add_graph(struct reader *reader, struct site_value *to, const char *key,
                      const char *content)
{
    char *copy = arena_strdup(reader->arena, content);
    if (to == NULL || copy == NULL || site__value_get(to, key) != NULL)
        return;
    (void)site__value_add_text(to, key, span_of_string(copy), reader->arena);
}

/* What one pays now, before what one would pay else. */
static void take_sale_price(struct reader *reader, const char *key, const char *content)
{
    char *copy = arena_strdup(reader->arena, content);
    struct site_value *value = reader->offer == NULL ? NULL : site__value_get(reader->offer, key);
    reader->is_product = true;
    if (value == NULL)
        add_graph(reader, reader->offer, key, content);
    else if (copy != NULL)
        value->text = span_of_string(copy);
}

static void take_graph(struct reader *reader, const char *property, const char *content)
{
    if (strcasecmp(property, "og:type") == 0) {
        struct span type = span_of_string(content);
        reader->is_product = reader->is_product || equals(type, "product") ||
                             equals(type, "og:product") || equals(type, "product.item") ||
                             equals(type, "vehicle") || equals(type, "car");
        return;
    }
    if (strcasecmp(property, "product:sale_price:amount") == 0) {
        take_sale_price(reader, "price", content);
        return;
    }
    for (size_t i = 0; i < sizeof graph_tags / sizeof graph_tags[0]; i++) {
        if (strcasecmp(property, graph_tags[i].tag) != 0)
            continue;
        add_graph(reader, graph_tags[i].is_offer ? reader->offer : reader->graph, graph_tags[i].key,
                  content);
        reader->is_product = reader->is_product || graph_tags[i].is_product;
        return;
    }
}

static void take_meta(struct reader *reader, const char *const *attributes)
{
    const char *content = site__attribute(attributes, "content");
    const char *name = site__attribute(attributes, "name");
    const char *property = site__attribute(attributes, "property");
    if (content == NULL || content[0] == '\0')
        return;
    if (name != NULL &&
        (strcasecmp(name, "robots") == 0 || strcasecmp(name, SITE_AGENT_TOKEN) == 0) &&
        (has_token(content, "nofollow") || has_token(content, "none")))
        reader->page->is_nofollow = true;
    if (property == NULL)
        property = name;
    if (property != NULL)
        take_graph(reader, property, content);
}

static bool is_jsonld(const char *const *attributes)
{
    const char *type = site__attribute(attributes, "type");
    static const char wanted[] = "application/ld+json";
    if (type == NULL)
        return false;
    type += strspn(type, " \t\r\n");
    return strncasecmp(type, wanted, sizeof wanted - 1) == 0 &&
           strchr("; \t\r\n", type[sizeof wanted - 1]) != NULL;
}

/* A start tag of any element. */
static void take_tag(struct reader *reader, const char *element, const char *const *attributes)
{
    if (strcmp(element, "a") == 0 || strcmp(element, "area") == 0)
        add_link(reader, site__attribute(attributes, "href"), site__attribute(attributes, "rel"),
                 false);
    else if (strcmp(element, "link") == 0)
        take_link_element(reader, attributes);
    else if (strcmp(element, "base") == 0)
        take_base(reader, attributes);
    else if (strcmp(element, "meta") == 0)
        take_meta(reader, attributes);
    else if (strcmp(element, "script") == 0)
        reader->in_jsonld = is_jsonld(attributes);
}

static void take_jsonld(struct reader *reader, struct span text)
{
    struct site_value *value = NULL;
    if (site__value_parse(text, reader->arena, &value))
        site__extract(reader->page, value, SITE_SOURCE_JSONLD);
}

/* ---- the parser ---- */

static void on_start(void *arg, const xmlChar *name, const xmlChar **raw)
{
    struct reader *reader = arg;
    const char *element = (const char *)name;
    const char *const *attributes = (const char *const *)raw;
    if (reader->depth++ >= DEPTH_MAX) {
        xmlStopParser(reader->parser);
        return;
    }
    site__microdata_start(reader->microdata, element, attributes);
    take_tag(reader, element, attributes);
    if (reader->in_jsonld)
        buffer_clear(&reader->script);
}

static void on_end(void *arg, const xmlChar *name)
{
    struct reader *reader = arg;
    if (reader->depth > 0)
        reader->depth--;
    site__microdata_end(reader->microdata);
    if (!reader->in_jsonld || strcmp((const char *)name, "script") != 0)
        return;
    reader->in_jsonld = false;
    if (!reader->script.failed)
        take_jsonld(reader, buffer_span(&reader->script));
}

static void on_text(void *arg, const xmlChar *text, int len)
{
    struct reader *reader = arg;
    if (len <= 0)
        return;
    if (reader->in_jsonld)
        (void)buffer_append(&reader->script, text, (size_t)len);
    else
        site__microdata_text(reader->microdata, span_of(text, (size_t)len));
}

static void on_script_text(void *arg, const xmlChar *text, int len)
{
    struct reader *reader = arg;
    if (reader->in_jsonld && len > 0)
        (void)buffer_append(&reader->script, text, (size_t)len);
}

static void parse(struct reader *reader, struct span text)
{
    htmlSAXHandler handler = {
        .startElement = on_start,
        .endElement = on_end,
        .characters = on_text,
        .ignorableWhitespace = on_text,
        .cdataBlock = on_script_text,
    };
    if (text.len == 0)
        return;
    htmlParserCtxtPtr parser = htmlCreateMemoryParserCtxt((const char *)text.data, (int)text.len);
    if (parser == NULL)
        return;
    reader->parser = parser;
    (void)htmlCtxtUseOptions(parser, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR |
                                         HTML_PARSE_NOWARNING | HTML_PARSE_NONET |
                                         HTML_PARSE_COMPACT);
    xmlCharEncodingHandlerPtr utf8 = xmlFindCharEncodingHandler("UTF-8");
    if (utf8 != NULL)
        (void)xmlSwitchToEncoding(parser, utf8);
    /* The options above have changed the context's own handler; ours is put in its place for the
     * parse. */
    htmlSAXHandler *before = parser->sax;
    parser->sax = &handler;
    parser->userData = reader;
    (void)htmlParseDocument(parser);
    parser->sax = before;
    if (parser->myDoc != NULL)
        xmlFreeDoc(parser->myDoc);
    parser->myDoc = NULL;
    htmlFreeParserCtxt(parser);
}

/* The canonical URL that the page names, unless it is of another site or the front page for all. */
static void set_canonical(struct reader *reader)
{
    struct site_page *page = reader->page;
    struct url url;
    const char *named = NULL;
    if (reader->canonical.len > 0 &&
        site__link_resolve(&page->base, reader->canonical, reader->arena, &url) &&
        site__same_site(&url, &page->url) &&
        (strcmp(url.path, "/") != 0 || url.query != NULL || strcmp(page->url.path, "/") == 0))
        named = url_canonical(&url, reader->arena);
    if (named != NULL)
        page->canonical = named;
}

/* Link: </p?page=2>; rel="next" */
static void take_link_header(struct reader *reader, const char *header)
{
    while (header != NULL && *header != '\0') {
        const char *open = strchr(header, '<');
        const char *close = open == NULL ? NULL : strchr(open, '>');
        if (close == NULL)
            return;
        size_t len = strcspn(close, ",");
        char *href = arena_strndup(reader->arena, open + 1, (size_t)(close - open - 1));
        char *parameters = arena_strndup(reader->arena, close, len);
        const char *rel = parameters == NULL ? NULL : strcasestr(parameters, "rel=");
        if (rel != NULL) {
            char *value = arena_strdup(reader->arena, rel + 4);
            for (char *at = value; at != NULL && *at != '\0'; at++) {
                if (*at == '"' || *at == ';')
                    *at = ' ';
            }
            if (has_token(value, "next") || has_token(value, "prev"))
                add_link(reader, href, value, false);
        }
        header = close + len;
    }
}

/* ---- a glance ---- */

static void on_tag(void *arg, const char *name, const char *const *attributes)
{
    take_tag(arg, name, attributes);
}

static void on_script(void *arg, struct span text)
{
    struct reader *reader = arg;
    if (reader->in_jsonld && text.len <= SCRIPT_BYTES_MAX)
        take_jsonld(reader, text);
    reader->in_jsonld = false;
}

static bool look(struct reader *reader, struct span text)
{
    const struct site_glance_sink sink = {reader, on_tag, on_script};
    return site__glance(text, reader->arena, &sink);
}

/* ---- the whole ---- */

static bool begin(struct reader *reader, const char *link_header)
{
    struct site_page *page = reader->page;
    page->canonical = url_canonical(&page->url, reader->arena);
    reader->graph = site__value_create(SITE_VALUE_OBJECT, reader->arena);
    reader->offer = site__value_create(SITE_VALUE_OBJECT, reader->arena);
    take_link_header(reader, link_header);
    return page->canonical != NULL && reader->graph != NULL && reader->offer != NULL;
}

static void finish(struct reader *reader)
{
    struct site_page *page = reader->page;
    set_canonical(reader);
    if (reader->microdata != NULL)
        site__extract(page, site__microdata_finish(reader->microdata), SITE_SOURCE_MICRODATA);
    if (reader->is_product) {
        (void)site__value_add_text(reader->graph, "@type", span_of_string("Product"),
                                   reader->arena);
        site__value_add(reader->graph, "offers", reader->offer);
        site__extract(page, reader->graph, SITE_SOURCE_OPENGRAPH);
    }
    site__extract_finish(page);
}

static bool parse_text(const struct site_page *blank, struct span text, const char *link_header,
                       struct site_page *ret_page)
{
    struct site_page page = *blank;
    struct reader reader = {.page = &page, .arena = page.arena};
    reader.microdata = site__microdata_create(page.arena);
    if (!begin(&reader, link_header) || reader.microdata == NULL)
        return false;
    buffer_init(&reader.script, SCRIPT_BYTES_MAX);
    parse(&reader, text);
    buffer_fini(&reader.script);
    finish(&reader);
    *ret_page = page;
    return true;
}

static bool look_at_text(const struct site_page *blank, struct span text, const char *link_header,
                         struct site_page *ret_page)
{
    struct site_page page = *blank;
    struct reader reader = {.page = &page, .arena = page.arena};
    if (!begin(&reader, link_header) || !look(&reader, text))
        return false;
    finish(&reader);
    *ret_page = page;
    return true;
}

bool site__page_read(const struct url *url, struct span body, const char *content_type,
                     const char *link_header, bool is_listing, struct arena *arena,
                     struct site_page *ret_page)
{
    const struct site_page blank = {
        .arena = arena, .url = *url, .base = *url, .is_listing = is_listing};
    struct span text;
    if (!site__text_decode(body, content_type, arena, &text))
        return false;
    return look_at_text(&blank, text, link_header, ret_page) ||
           parse_text(&blank, text, link_header, ret_page);
}

bool site__page_parse(const struct url *url, struct span body, const char *content_type,
                      const char *link_header, bool is_listing, struct arena *arena,
                      struct site_page *ret_page)
{
    const struct site_page blank = {
        .arena = arena, .url = *url, .base = *url, .is_listing = is_listing};
    struct span text;
    return site__text_decode(body, content_type, arena, &text) &&
           parse_text(&blank, text, link_header, ret_page);
}
