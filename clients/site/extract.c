/*
 * From schema.org values to items. One walk over a block, with a stack of its own; containers
 * (lists, graphs, offers of a dealer) are opened, things for sale become items, everything else is
 * passed over.
 *
 * A value is read once (`seen`), so that a node that is reached twice is one item and a reference
 * to itself ends.
 */
#include <stdlib.h>
#include <strings.h>

#include "clients/site/extract.h"

/* Items of a page that are compared with each other for being the same one. */
#define COMPARED_MAX 8

/* ---- looking at values ---- */

/* The first of a list, or the value itself. */
struct site_value *site__value_first(struct site_value *value)
{
    return value != NULL && value->kind == SITE_VALUE_ARRAY ? value->first : value;
}

/* What a node that only names another stands for. */
struct site_value *site__value_resolve(struct site_extraction *extraction, struct site_value *value)
{
    if (value == NULL || value->kind != SITE_VALUE_OBJECT || value->first == NULL ||
        value->first != value->last || strcmp(value->first->key, "@id") != 0)
        return value;
    if (extraction->lookups++ >= EXTRACT_LOOKUPS_MAX)
        return value;
    for (size_t i = 0; i < extraction->node_count; i++) {
        struct site_value *id = site__value_get(extraction->nodes[i], "@id");
        if (id != NULL && span_equal(id->text, value->first->text))
            return extraction->nodes[i];
    }
    return value;
}

struct site_value *site__value_member(struct site_extraction *extraction,
                                      const struct site_value *object, const char *key)
{
    return site__value_resolve(extraction, site__value_first(site__value_get(object, key)));
}

/* The text of a string or number, or of a wrapped one ({"@value": …}). */
struct span site__value_text(struct site_value *value)
{
    value = site__value_first(value);
    if (value != NULL && value->kind == SITE_VALUE_OBJECT)
        value = site__value_first(site__value_get(value, "@value"));
    if (value == NULL || (value->kind != SITE_VALUE_STRING && value->kind != SITE_VALUE_NUMBER))
        return span_of("", 0);
    return value->text;
}

/* The last part of a type or an enumeration's URL: Product of http://schema.org/Product. */
struct span site__local_name(struct span text)
{
    while (text.len > 0 && (text.data[text.len - 1] == '/' || text.data[text.len - 1] <= ' '))
        text.len--;
    size_t at = text.len;
    while (at > 0 && strchr("/#:", text.data[at - 1]) == NULL)
        at--;
    return span_of(text.data + at, text.len - at);
}

static bool is_word(struct span text, const char *word)
{
    return text.len == strlen(word) && strncasecmp((const char *)text.data, word, text.len) == 0;
}

bool site__is_one_of(struct span text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_word(text, words[i]))
            return true;
    }
    return false;
}

enum type_group { TYPE_OTHER, TYPE_PRODUCT, TYPE_VEHICLE, TYPE_OFFER, TYPE_LIST, TYPE_GROUP };

static enum type_group group_of(struct span type)
{
    static const char *const vehicles[] = {
        "Vehicle",          "Car",   "Motorcycle",         "BusOrCoach",
        "MotorizedBicycle", "Truck", "RecreationalVehicle"};
    static const char *const products[] = {"Product", "IndividualProduct", "SomeProducts",
                                           "ProductModel"};
    static const char *const offers[] = {"Offer", "AggregateOffer", "OfferForPurchase"};
    type = site__local_name(type);
    if (site__is_one_of(type, vehicles, sizeof vehicles / sizeof vehicles[0]))
        return TYPE_VEHICLE;
    if (site__is_one_of(type, products, sizeof products / sizeof products[0]))
        return TYPE_PRODUCT;
    if (site__is_one_of(type, offers, sizeof offers / sizeof offers[0]))
        return TYPE_OFFER;
    if (is_word(type, "ProductGroup"))
        return TYPE_GROUP;
    return is_word(type, "ItemList") || is_word(type, "OfferCatalog") ? TYPE_LIST : TYPE_OTHER;
}

/* The most telling of a node's types: a text may name several, as microdata does. */
static enum type_group type_of(const struct site_value *node)
{
    const struct site_value *value = site__value_get(node, "@type");
    enum type_group best = TYPE_OTHER;
    if (value != NULL && value->kind == SITE_VALUE_ARRAY)
        value = value->first;
    for (; value != NULL; value = value->next) {
        size_t at = 0;
        while (value->kind == SITE_VALUE_STRING && at < value->text.len) {
            size_t end = at;
            while (end < value->text.len && value->text.data[end] > ' ')
                end++;
            enum type_group group = group_of(span_of(value->text.data + at, end - at));
            if (group == TYPE_VEHICLE || (best == TYPE_OTHER && group != TYPE_OTHER))
                best = group;
            at = end + 1;
        }
        if (value->key[0] != '\0') /* not an element: the rest are other members */
            break;
    }
    return best;
}

/* ---- the walk ---- */

static void push(struct site_extraction *extraction, struct site_value *value)
{
    if (value == NULL || value->seen)
        return;
    if (extraction->stack_len == EXTRACT_STACK_MAX)
        extraction->page->is_full = true;
    else
        extraction->stack[extraction->stack_len++] = value;
}

/* Elements or the one value of a member, so that the first comes off the stack first. */
static void push_member(struct site_extraction *extraction, const struct site_value *node,
                        const char *key)
{
    struct site_value *value = site__value_get(node, key);
    if (value != NULL)
        push(extraction, site__value_resolve(extraction, value));
}

static void add_item_link(struct site_extraction *extraction, struct span href)
{
    struct site_page *page = extraction->page;
    struct site_link *link = href.len == 0 || href.len > URL_BYTES_MAX
                                 ? NULL
                                 : arena_calloc(extraction->arena, 1, sizeof *link);
    if (link == NULL)
        return;
    link->href = href;
    link->is_follow = true;
    if (page->item_last == NULL)
        page->item_first = link;
    else
        page->item_last->next = link;
    page->item_last = link;
}

/* Turns the values above `base` around: pushed in order, they are to come off the stack in order.
 */
static void reverse(struct site_extraction *extraction, size_t base)
{
    for (size_t low = base, high = extraction->stack_len; low + 1 < high; low++, high--) {
        struct site_value *swap = extraction->stack[low];
        extraction->stack[low] = extraction->stack[high - 1];
        extraction->stack[high - 1] = swap;
    }
}

/* An element of an ItemList: a thing, a wrapped one, or just where it is. */
static void open_list(struct site_extraction *extraction, struct site_value *node)
{
    struct site_value *element = site__value_get(node, "itemListElement");
    bool is_list = element != NULL && element->kind == SITE_VALUE_ARRAY;
    size_t base = extraction->stack_len;
    for (element = site__value_first(element); element != NULL;
         element = is_list ? element->next : NULL) {
        struct site_value *inner = site__value_resolve(extraction, element);
        struct site_value *item = site__value_get(inner, "item");
        if (item != NULL && type_of(inner) == TYPE_OTHER)
            inner = site__value_resolve(extraction, site__value_first(item));
        if (inner != NULL && inner->kind == SITE_VALUE_STRING)
            add_item_link(extraction, inner->text);
        else if (type_of(inner) == TYPE_OTHER && site__value_get(inner, "url") != NULL)
            add_item_link(extraction, site__value_text(site__value_get(inner, "url")));
        else if (type_of(inner) == TYPE_OTHER && site__value_get(inner, "@id") != NULL)
            add_item_link(extraction, site__value_text(site__value_get(inner, "@id")));
        else
            push(extraction, inner);
    }
    reverse(extraction, base);
}

static void open_group(struct site_extraction *extraction, struct site_value *node)
{
    struct site_value *variants = site__value_get(node, "hasVariant");
    struct site_value *first = site__value_first(variants);
    if (first == NULL) {
        site__item_read(extraction, node, NULL, false);
        return;
    }
    /* A variant says what differs; the rest is the group's. */
    static const char *const shared[] = {"name", "description", "image", "brand", "url"};
    bool is_list = variants->kind == SITE_VALUE_ARRAY;
    size_t base = extraction->stack_len;
    for (struct site_value *variant = first; variant != NULL;
         variant = is_list ? variant->next : NULL) {
        struct site_value *inner = site__value_resolve(extraction, variant);
        for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
            struct site_value *value = site__value_get(node, shared[i]);
            struct site_value *copy = NULL;
            if (value != NULL && inner->kind == SITE_VALUE_OBJECT &&
                site__value_get(inner, shared[i]) == NULL)
                copy = arena_alloc(extraction->arena, sizeof *copy);
            if (copy == NULL)
                continue;
            *copy = *value;
            copy->next = NULL;
            site__value_add(inner, shared[i], copy);
        }
        push(extraction, inner);
    }
    reverse(extraction, base);
}

static void open_node(struct site_extraction *extraction, struct site_value *node)
{
    static const char *const containers[] = {"@graph",     "mainEntity",      "mainEntityOfPage",
                                             "makesOffer", "hasOfferCatalog", "itemOffered",
                                             "about",      "hasPart"};
    enum type_group type = type_of(node);
    if (type == TYPE_PRODUCT || type == TYPE_VEHICLE) {
        site__item_read(extraction, node, NULL, type == TYPE_VEHICLE);
        return;
    }
    if (type == TYPE_GROUP) {
        open_group(extraction, node);
        return;
    }
    if (type == TYPE_LIST)
        open_list(extraction, node);
    if (type == TYPE_OFFER) {
        struct site_value *item = site__value_member(extraction, node, "itemOffered");
        enum type_group inner = type_of(item);
        if (item != NULL && item->kind == SITE_VALUE_OBJECT && !item->seen && inner != TYPE_LIST) {
            item->seen = true;
            site__item_read(extraction, item, node, inner == TYPE_VEHICLE);
        } else if (item == NULL && site__value_get(node, "name") != NULL) {
            site__item_read(extraction, node, node, false);
        }
        return;
    }
    for (size_t i = sizeof containers / sizeof containers[0]; i-- > 0;)
        push_member(extraction, node, containers[i]);
}

/* Remembers what has an @id, in one pass over all values. */
static void index_nodes(struct site_extraction *extraction, struct site_value *root)
{
    push(extraction, root);
    while (extraction->stack_len > 0) {
        struct site_value *value = extraction->stack[--extraction->stack_len];
        if (value->kind == SITE_VALUE_OBJECT && value->first != value->last &&
            extraction->node_count < EXTRACT_NODES_MAX && site__value_get(value, "@id") != NULL)
            extraction->nodes[extraction->node_count++] = value;
        for (struct site_value *at = value->first; at != NULL; at = at->next) {
            if (at->first != NULL && extraction->stack_len < EXTRACT_STACK_MAX)
                extraction->stack[extraction->stack_len++] = at;
        }
    }
}

static struct site_extraction *extraction_of(struct site_page *page)
{
    if (page->extraction == NULL)
        page->extraction = arena_calloc(page->arena, 1, sizeof *page->extraction);
    if (page->extraction != NULL) {
        page->extraction->page = page;
        page->extraction->arena = page->arena;
    }
    return page->extraction;
}

void site__extract(struct site_page *page, struct site_value *root, enum site_source source)
{
    struct site_extraction *extraction = extraction_of(page);
    if (extraction == NULL) {
        page->is_full = true;
        return;
    }
    extraction->source = source;
    index_nodes(extraction, root);
    push(extraction, root);
    while (extraction->stack_len > 0) {
        struct site_value *value = extraction->stack[--extraction->stack_len];
        if (value->seen)
            continue;
        value->seen = true;
        if (value->kind == SITE_VALUE_OBJECT) {
            open_node(extraction, value);
        } else if (value->kind == SITE_VALUE_ARRAY) {
            size_t base = extraction->stack_len;
            for (struct site_value *at = value->first; at != NULL; at = at->next)
                push(extraction, site__value_resolve(extraction, at));
            reverse(extraction, base);
        }
    }
}

/* ---- the page as a whole ---- */

static bool differ(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) != 0;
}

static bool equal(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* Whether two findings of one source are one item that the page describes twice. */
static bool is_same(const struct site_found *a, const struct site_found *b)
{
    if (a->source != b->source || differ(a->vin, b->vin) || differ(a->sku, b->sku))
        return false;
    return equal(a->vin, b->vin) || equal(a->sku, b->sku) || equal(a->url, b->url) ||
           (equal(a->title, b->title) && !differ(a->url, b->url));
}

/* What two spellings of one page's URL have in common: no scheme, no "www.". */
static const char *bare_url(const char *url)
{
    const char *at = strstr(url, "://");
    at = at == NULL ? url : at + 3;
    return strncmp(at, "www.", 4) == 0 ? at + 4 : at;
}

static bool is_page_url(const struct site_page *page, const char *url)
{
    const char *a = bare_url(url);
    const char *b = bare_url(page->canonical);
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    a_len -= a_len > 0 && a[a_len - 1] == '/';
    b_len -= b_len > 0 && b[b_len - 1] == '/';
    return a_len == b_len && strncmp(a, b, a_len) == 0;
}

/*
 * The finding of this source that the page is about: the only one, the one that has the page's URL,
 * or the only one without a URL among others that have theirs. NULL where the page is a list.
 */
static struct site_found *main_of(const struct site_page *page, enum site_source source)
{
    struct site_found *only = NULL;
    struct site_found *bare = NULL;
    size_t count = 0;
    size_t bare_count = 0;
    for (struct site_found *at = page->found_first; at != NULL; at = at->next) {
        if (at->source != source)
            continue;
        if (at->url != NULL && is_page_url(page, at->url))
            return at;
        bool again = only != NULL && page->found_count <= COMPARED_MAX && is_same(only, at);
        if (!again) {
            only = only == NULL ? at : only;
            count++;
        }
        if (at->url == NULL && !(page->is_listing && at->link != NULL)) {
            bool bare_again =
                bare != NULL && page->found_count <= COMPARED_MAX && is_same(bare, at);
            bare = bare == NULL ? at : bare;
            bare_count += !bare_again;
        }
    }
    if (bare_count == 1 && (count == 1 || bare_count < count))
        return bare;
    return NULL;
}

/* Makes `found` one with the page's item: same URL, and no number of its own that says otherwise.
 */
static void join(const struct site_page *page, struct site_found *found,
                 const struct site_found *leader)
{
    found->is_detail = true;
    found->has_own_url = true;
    found->url = leader != NULL ? leader->url : page->canonical;
    if (leader != NULL && differ(leader->vin, found->vin))
        found->vin = NULL;
    if (leader != NULL && leader->sku != NULL)
        found->sku = leader->sku;
}

/* Without anything of its own an item of a list is told apart by its title. */
static const char *suffix_of(const struct site_page *page, const struct site_found *found)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *at = found->title; at != NULL && *at != '\0'; at++)
        hash = (hash ^ (uint8_t)*at) * 0x100000001b3u;
    return arena_printf(page->arena, "#%08x", (unsigned)(hash ^ hash >> 32));
}

static void place_in_list(const struct site_page *page, struct site_found *found)
{
    if (found->url == NULL)
        found->url = found->link;
    found->has_own_url = found->url != NULL;
    if (found->url != NULL)
        return;
    found->url = page->canonical;
    if (found->vin == NULL && found->sku == NULL)
        found->suffix = suffix_of(page, found);
}

void site__extract_finish(struct site_page *page)
{
    struct site_found *jsonld = main_of(page, SITE_SOURCE_JSONLD);
    struct site_found *microdata = main_of(page, SITE_SOURCE_MICRODATA);
    struct site_found *leader = jsonld != NULL ? jsonld : microdata;
    bool has_data = false;
    if (leader != NULL)
        join(page, leader, NULL);
    struct site_found **link = &page->found_first;
    page->found_last = NULL;
    while (*link != NULL) {
        struct site_found *found = *link;
        bool is_graph = found->source == SITE_SOURCE_OPENGRAPH;
        if (is_graph && leader == NULL && has_data) { /* a list's own tags are no item */
            *link = found->next;
            page->found_count--;
            continue;
        }
        has_data = has_data || !is_graph;
        const struct site_found *own = found->source == SITE_SOURCE_JSONLD ? jsonld : microdata;
        bool is_main = is_graph || found == own ||
                       (own != NULL && page->found_count <= COMPARED_MAX && is_same(own, found));
        if (found != leader && is_main)
            join(page, found, leader);
        else if (found != leader)
            place_in_list(page, found);
        page->found_last = found;
        link = &found->next;
    }
}
