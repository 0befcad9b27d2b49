/*
 * One item: what a Product or Vehicle and its offers say, property by property.
 */
#include <strings.h>

#include "clients/site/extract.h"

static const char *word_of(struct site_extraction *extraction, struct site_value *value)
{
    return site__text_clean(site__value_text(value), SITE_WORD_BYTES_MAX, extraction->arena);
}

/* A name that may stand alone or in a thing of its own: "Honda", {"name": "Honda"}. */
static const char *name_of(struct site_extraction *extraction, const struct site_value *node,
                           const char *key)
{
    struct site_value *value = site__value_member(extraction, node, key);
    if (value != NULL && value->kind == SITE_VALUE_OBJECT &&
        site__value_get(value, "@value") == NULL)
        value = site__value_get(value, "name");
    return word_of(extraction, value);
}

/* Whether the URL is of a part of the page itself (#car-7), which is no page of the item's own. */
static bool is_within_page(struct site_extraction *extraction, struct span text)
{
    struct url url;
    const struct site_page *page = extraction->page;
    const uint8_t *mark = memchr(text.data, '#', text.len);
    size_t before = mark == NULL ? 0 : (size_t)(mark - text.data);
    if (mark == NULL || text.len - before < 2)
        return false;
    if (before == 0)
        return true;
    return site__link_resolve(&page->base, span_of(text.data, before), extraction->arena, &url) &&
           strcmp(url.text, page->url.text) == 0;
}

static const char *url_of(struct site_extraction *extraction, struct site_value *value,
                          bool canonical)
{
    struct url url;
    value = site__value_resolve(extraction, site__value_first(value));
    if (value != NULL && value->kind == SITE_VALUE_OBJECT) {
        static const char *const keys[] = {"url", "contentUrl", "@id"};
        struct site_value *inner = NULL;
        for (size_t i = 0; i < 3 && inner == NULL; i++)
            inner = site__value_first(site__value_get(value, keys[i]));
        value = inner;
    }
    struct span text = site__value_text(value);
    if (text.len == 0 || (canonical && is_within_page(extraction, text)) ||
        !site__link_resolve(&extraction->page->base, text, extraction->arena, &url) ||
        (canonical && !extraction->page->is_any_site &&
         !site__same_site(&url, &extraction->page->url)))
        return NULL;
    return canonical ? url_canonical(&url, extraction->arena) : url.text;
}

/* The first image that has a usable URL. */
static const char *image_of(struct site_extraction *extraction, const struct site_value *node)
{
    struct site_value *value = site__value_get(node, "image");
    if (value == NULL || value->kind != SITE_VALUE_ARRAY)
        return url_of(extraction, value, false);
    const char *image = NULL;
    for (value = value->first; value != NULL && image == NULL; value = value->next)
        image = url_of(extraction, value, false);
    return image;
}

/* Letters and digits of the local name, lower case: "In Stock", "http://schema.org/InStock" →
 * instock. */
static void squeeze(struct span text, char out[static 40])
{
    size_t used = 0;
    text = site__local_name(text);
    for (size_t i = 0; i < text.len && used < 39; i++) {
        uint8_t c = text.data[i];
        if (c >= 'A' && c <= 'Z')
            c |= 32;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            out[used++] = (char)c;
    }
    out[used] = '\0';
}

static bool has_part(const char *word, const char *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strstr(word, parts[i]) != NULL)
            return true;
    }
    return false;
}

/* 1 in stock, 0 not, -1 where it is not said. Letters beyond ASCII have been squeezed out. */
static int availability_of(struct span text)
{
    static const char *const away[] = {
        "out",         "sold",        "unavail",   "discontinu", "notavail",   "preorder",
        "presale",     "backorder",   "reserv",    "pending",    "oos",        "nolonger",
        "expired",     "ausverkauft", "nichtverf", "verkauft",   "vergrif",    "rupture",
        "vendu",       "puis",        "agotado",   "vendid",     "esaurit",    "esgotad",
        "uitverkocht", "verkocht",    "udsolgt",   "utsolgt",    "wyprzedane", "notinstock"};
    char word[40];
    squeeze(text, word);
    if (word[0] == '\0')
        return -1;
    bool is_away = has_part(word, away, sizeof away / sizeof away[0]) ||
                   strcmp(word, "puis") == 0; /* épuisé */
    return is_away ? 0 : 1;
}

static int condition_of(struct span text)
{
    static const char *const refurbished[] = {"refurb", "renewed", "recondition", "berholt"};
    static const char *const used[] = {"used",  "owned", "damaged",    "gebrauch", "occasion",
                                       "usato", "usado", "secondhand", "segunda",  "tweede",
                                       "brugt", "begag", "brukt"};
    static const char *const fresh[] = {"new", "neu", "nuov", "nuev", "novo", "nieuw"};
    char word[40];
    squeeze(text, word);
    if (has_part(word, refurbished, sizeof refurbished / sizeof refurbished[0]))
        return LOTCAST__V1__ITEM_CONDITION__ITEM_CONDITION_REFURBISHED;
    if (has_part(word, used, sizeof used / sizeof used[0]))
        return LOTCAST__V1__ITEM_CONDITION__ITEM_CONDITION_USED;
    return has_part(word, fresh, sizeof fresh / sizeof fresh[0])
               ? LOTCAST__V1__ITEM_CONDITION__ITEM_CONDITION_NEW
               : 0;
}

/* The first year of four digits, 1900 to 2100. */
static int year_of(struct span text)
{
    for (size_t i = 0; i + 4 <= text.len; i++) {
        int year = 0;
        size_t digits = 0;
        while (i + digits < text.len && text.data[i + digits] >= '0' &&
               text.data[i + digits] <= '9') {
            if (digits < 4)
                year = year * 10 + (text.data[i + digits] - '0');
            digits++;
        }
        if (digits == 4 && year >= 1900 && year <= 2100)
            return year;
        i += digits;
    }
    return 0;
}

/* Digits of "45,000 miles"; decimals are cut off. -1 for none. */
static int64_t whole_number(struct span text)
{
    int64_t number = -1;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c >= '0' && c <= '9') {
            number = (number < 0 ? 0 : number) * 10 + (c - '0');
            if (number > 100000000)
                return -1;
        } else if (number >= 0) {
            bool groups = (c == ',' || c == '.') && i + 3 < text.len;
            for (size_t j = 1; groups && j <= 3; j++)
                groups = text.data[i + j] >= '0' && text.data[i + j] <= '9';
            groups =
                groups && (i + 4 >= text.len || text.data[i + 4] < '0' || text.data[i + 4] > '9');
            if (!groups && c != ' ')
                break;
        } else if (c == '-') {
            return -1;
        }
    }
    return number;
}

static const char *mileage_unit_of(struct span text)
{
    char word[40];
    squeeze(text, word);
    const char *at = word + strspn(word, "0123456789");
    if (strncmp(at, "smi", 3) == 0 || strncmp(at, "mi", 2) == 0)
        return "MI";
    return strncmp(at, "km", 2) == 0 || strncmp(at, "kilom", 5) == 0 ? "KM" : NULL;
}

static void read_mileage(struct site_extraction *extraction, const struct site_value *node,
                         struct site_found *found)
{
    struct site_value *value = site__value_member(extraction, node, "mileageFromOdometer");
    struct span text = site__value_text(value);
    struct span unit = text;
    if (value != NULL && value->kind == SITE_VALUE_OBJECT && text.len == 0) {
        text = site__value_text(site__value_get(value, "value"));
        unit = site__value_text(site__value_get(value, "unitCode"));
        if (unit.len == 0)
            unit = site__value_text(site__value_get(value, "unitText"));
    }
    if (unit.len == 0)
        unit = text;
    found->mileage = whole_number(text);
    found->mileage_unit = mileage_unit_of(unit);
}

/* ---- offers ---- */

static bool read_price(struct site_extraction *extraction, const struct site_value *node,
                       const char *key, const char *currency, struct site_found *found)
{
    struct site_value *value = site__value_member(extraction, node, key);
    char code[4];
    if (value == NULL ||
        !site__price_parse(site__value_text(value), value->kind == SITE_VALUE_NUMBER, currency,
                           &found->price_minor, code))
        return false;
    found->currency = arena_strdup(extraction->arena, code);
    if (found->currency == NULL)
        found->currency = "";
    return true;
}

static const char *currency_of(struct site_extraction *extraction, const struct site_value *node)
{
    const char *currency = word_of(extraction, site__value_get(node, "priceCurrency"));
    return currency != NULL ? currency : word_of(extraction, site__value_get(node, "currency"));
}

/* A specification that is not what one pays: a list price, or a price per kilogram. */
static bool is_other_price(const struct site_value *node)
{
    char type[40];
    squeeze(site__value_text(site__value_get(node, "priceType")), type);
    return strstr(type, "list") != NULL || strstr(type, "strikethrough") != NULL ||
           strstr(type, "srp") != NULL || strstr(type, "invoice") != NULL ||
           strstr(type, "regular") != NULL || site__value_get(node, "referenceQuantity") != NULL;
}

static bool read_specification(struct site_extraction *extraction, const struct site_value *offer,
                               const char *currency, struct site_found *found)
{
    struct site_value *node = site__value_get(offer, "priceSpecification");
    bool is_list = node != NULL && node->kind == SITE_VALUE_ARRAY;
    for (node = site__value_first(node); node != NULL; node = is_list ? node->next : NULL) {
        const struct site_value *inner = site__value_resolve(extraction, node);
        const char *own = currency_of(extraction, inner);
        if (!is_other_price(inner) &&
            read_price(extraction, inner, "price", own == NULL ? currency : own, found))
            return true;
    }
    return false;
}

/* What one offer says; price_minor stays -1 without a price. */
static void read_offer(struct site_extraction *extraction, const struct site_value *offer,
                       struct site_found *found)
{
    const char *currency = currency_of(extraction, offer);
    found->price_minor = -1;
    if (!read_price(extraction, offer, "price", currency, found) &&
        !read_price(extraction, offer, "lowPrice", currency, found))
        (void)read_specification(extraction, offer, currency, found);
    found->in_stock =
        availability_of(site__value_text(site__value_member(extraction, offer, "availability")));
    if (found->in_stock < 0) {
        struct site_value *level = site__value_member(extraction, offer, "inventoryLevel");
        struct span text = site__value_text(level);
        if (level != NULL && text.len == 0)
            text = site__value_text(site__value_get(level, "value"));
        int64_t count = whole_number(text);
        found->in_stock = count < 0 ? -1 : count > 0;
    }
    found->condition =
        condition_of(site__value_text(site__value_member(extraction, offer, "itemCondition")));
    found->sku = word_of(extraction, site__value_get(offer, "sku"));
    found->url = url_of(extraction, site__value_get(offer, "url"), true);
}

/* Whether `offer` is to be preferred: one that can be bought, then one with a price, then the
 * lowest. */
static bool is_better(const struct site_found *offer, const struct site_found *than)
{
    if ((offer->in_stock == 0) != (than->in_stock == 0))
        return than->in_stock == 0;
    if (offer->price_minor < 0 || than->price_minor < 0)
        return than->price_minor < 0 && offer->price_minor >= 0;
    return strcmp(offer->currency, than->currency) == 0 && offer->price_minor < than->price_minor;
}

/* The offer to go by, of all there are; an AggregateOffer without a price of its own is opened. */
static size_t best_offer(struct site_extraction *extraction, struct site_value *list,
                         struct site_found *best, struct site_value **ret_inner)
{
    bool is_list = list != NULL && list->kind == SITE_VALUE_ARRAY;
    size_t count = 0;
    for (struct site_value *value = site__value_first(list); value != NULL;
         value = is_list ? value->next : NULL) {
        const struct site_value *offer = site__value_resolve(extraction, value);
        struct site_found one = {0};
        read_offer(extraction, offer, &one);
        if (one.price_minor < 0 && *ret_inner == NULL)
            *ret_inner = site__value_get(offer, "offers");
        if (count++ == 0 || is_better(&one, best))
            *best = one;
    }
    return count;
}

static void read_offers(struct site_extraction *extraction, const struct site_value *node,
                        struct site_found *found)
{
    struct site_found best = {.price_minor = -1, .in_stock = -1};
    struct site_value *inner = NULL;
    size_t count = best_offer(extraction, site__value_get(node, "offers"), &best, &inner);
    if (best.price_minor < 0 && inner != NULL) {
        struct site_value *deeper = NULL;
        (void)best_offer(extraction, inner, &best, &deeper);
        count++;
    }
    found->price_minor = best.price_minor;
    found->currency = best.currency;
    found->in_stock = best.in_stock;
    if (found->condition == 0)
        found->condition = best.condition;
    if (found->sku == NULL && count == 1)
        found->sku = best.sku;
    if (found->url == NULL)
        found->url = best.url;
}

/* ---- items ---- */

/* A vehicle identification number: letters and digits, upper case; older ones are shorter than 17.
 */
static const char *vin_of(struct site_extraction *extraction, const struct site_value *node)
{
    const char *text = word_of(extraction, site__value_get(node, "vehicleIdentificationNumber"));
    if (text == NULL)
        text = word_of(extraction, site__value_get(node, "vin"));
    if (text == NULL)
        return NULL;
    char *vin = arena_strdup(extraction->arena, text);
    size_t len = vin == NULL ? 0 : strlen(vin);
    if (len < 5 || len > 17)
        return NULL;
    for (char *at = vin; *at != '\0'; at++) {
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
        if (!(*at >= 'A' && *at <= 'Z') && !(*at >= '0' && *at <= '9'))
            return NULL;
    }
    return vin;
}

/* The site's own number, unless it is what programs write for none. */
static const char *sku_of(struct site_extraction *extraction, const struct site_value *node)
{
    static const char *const keys[] = {"sku", "productID", "productId", "identifier"};
    static const char *const none[] = {"0",    "-",         "n/a",   "na", "none",
                                       "null", "undefined", "false", "sku"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct site_value *value = site__value_member(extraction, node, keys[i]);
        if (value != NULL && value->kind == SITE_VALUE_OBJECT && site__value_text(value).len == 0)
            value = site__value_get(value, "value");
        const char *sku = word_of(extraction, value);
        if (sku != NULL && strncasecmp(sku, "sku:", 4) == 0) /* as productID writes it */
            sku += 4;
        if (sku != NULL && sku[0] != '\0' &&
            !site__is_one_of(span_of_string(sku), none, sizeof none / sizeof none[0]))
            return sku;
    }
    return NULL;
}

static void add_found(struct site_extraction *extraction, const struct site_found *found)
{
    struct site_page *page = extraction->page;
    struct site_found *copy = NULL;
    if (page->found_count < SITE_PAGE_ITEMS_MAX)
        copy = arena_alloc(extraction->arena, sizeof *copy);
    if (copy == NULL) {
        page->is_full = true;
        return;
    }
    *copy = *found;
    copy->next = NULL;
    if (page->found_last == NULL)
        page->found_first = copy;
    else
        page->found_last->next = copy;
    page->found_last = copy;
    page->found_count++;
}

/* Reads the thing, with the offer around it where there is one. */
void site__item_read(struct site_extraction *extraction, const struct site_value *node,
                     const struct site_value *offer, bool is_vehicle)
{
    struct site_found found = {.source = extraction->source,
                               .is_vehicle = is_vehicle,
                               .price_minor = -1,
                               .in_stock = -1,
                               .mileage = -1};
    struct arena *arena = extraction->arena;
    found.title = site__text_clean(site__value_text(site__value_get(node, "name")),
                                   SITE_TITLE_BYTES_MAX, arena);
    found.description = site__text_clean(site__value_text(site__value_get(node, "description")),
                                         SITE_DESCRIPTION_BYTES_MAX, arena);
    found.image = image_of(extraction, node);
    found.brand = name_of(extraction, node, "brand");
    if (found.brand == NULL)
        found.brand = name_of(extraction, node, "manufacturer");
    found.model = name_of(extraction, node, "model");
    found.body_style = name_of(extraction, node, "bodyType");
    found.vin = vin_of(extraction, node);
    found.sku = sku_of(extraction, node);
    found.is_vehicle = is_vehicle || found.vin != NULL;
    found.url = url_of(extraction, site__value_get(node, "url"), true);
    found.link = url_of(extraction, site__value_get(node, "@link"), true);
    static const char *const dates[] = {"vehicleModelDate", "modelDate", "productionDate",
                                        "releaseDate"};
    for (size_t i = 0; i < sizeof dates / sizeof dates[0] && found.year == 0; i++)
        found.year = year_of(site__value_text(site__value_get(node, dates[i])));
    found.condition =
        condition_of(site__value_text(site__value_member(extraction, node, "itemCondition")));
    read_mileage(extraction, node, &found);
    read_offers(extraction, node, &found);
    if (offer != NULL && offer != node) {
        struct site_found around = {0};
        read_offer(extraction, offer, &around);
        if (found.price_minor < 0) {
            found.price_minor = around.price_minor;
            found.currency = around.currency;
        }
        found.in_stock = found.in_stock < 0 ? around.in_stock : found.in_stock;
        found.condition = found.condition == 0 ? around.condition : found.condition;
        found.url = found.url == NULL ? around.url : found.url;
    }
    if (found.title != NULL || found.vin != NULL || found.sku != NULL || found.price_minor >= 0)
        add_found(extraction, &found);
}
