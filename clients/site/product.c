/*
 * A product of a list, field by field, made into what a page's markup would have said: so prices,
 * conditions and numbers are read by the same rules wherever they are from.
 */
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "clients/site/feed.h"

/* A name of a field at most. */
#define NAME_BYTES_MAX 80

static const struct {
    const char *name;
    enum site_field field;
} names[] = {
    {"id", SITE_FIELD_ID},
    {"vehicle_id", SITE_FIELD_ID},
    {"sku", SITE_FIELD_ID},
    {"stock_number", SITE_FIELD_ID},
    {"title", SITE_FIELD_TITLE},
    {"name", SITE_FIELD_TITLE},
    {"description", SITE_FIELD_DESCRIPTION},
    {"summary", SITE_FIELD_DESCRIPTION},
    {"content", SITE_FIELD_DESCRIPTION},
    {"link", SITE_FIELD_LINK},
    {"url", SITE_FIELD_LINK},
    {"image_link", SITE_FIELD_IMAGE},
    {"image_url", SITE_FIELD_IMAGE},
    {"image", SITE_FIELD_IMAGE},
    {"image.url", SITE_FIELD_IMAGE},
    {"price", SITE_FIELD_PRICE},
    {"sale_price", SITE_FIELD_SALE_PRICE},
    {"sale_price_effective_date", SITE_FIELD_SALE_DATES},
    {"currency", SITE_FIELD_CURRENCY},
    {"price_currency", SITE_FIELD_CURRENCY},
    {"availability", SITE_FIELD_AVAILABILITY},
    {"condition", SITE_FIELD_CONDITION},
    {"state_of_vehicle", SITE_FIELD_CONDITION},
    {"brand", SITE_FIELD_BRAND},
    {"make", SITE_FIELD_BRAND},
    {"gtin", SITE_FIELD_GTIN},
    {"mpn", SITE_FIELD_MPN},
    {"vin", SITE_FIELD_VIN},
    {"vehicle_identification_number", SITE_FIELD_VIN},
    {"model", SITE_FIELD_MODEL},
    {"year", SITE_FIELD_YEAR},
    {"model_year", SITE_FIELD_YEAR},
    {"mileage", SITE_FIELD_MILEAGE},
    {"mileage.value", SITE_FIELD_MILEAGE},
    {"mileage.unit", SITE_FIELD_MILEAGE_UNIT},
    {"mileage_unit", SITE_FIELD_MILEAGE_UNIT},
    {"body_style", SITE_FIELD_BODY_STYLE},
    {"vehicle_body_style", SITE_FIELD_BODY_STYLE},
};

/* Lower case, no "g:", no "[0]", one "_" where anything else separates. False: too long. */
static bool simplify(const char *name, char out[static NAME_BYTES_MAX])
{
    size_t used = 0;
    name += strspn(name, " \t\r\n\"");
    if (strncasecmp(name, "g:", 2) == 0)
        name += 2;
    for (; *name != '\0'; name++) {
        char c = *name;
        if (c == '[') {
            name += strcspn(name, "]");
            if (*name == '\0')
                break;
            continue;
        }
        if (c >= 'A' && c <= 'Z')
            c = (char)(c | 32);
        if (c == ' ' || c == '-' || c == '\t' || c == '\r' || c == '\n')
            c = '_';
        if (used + 1 == NAME_BYTES_MAX)
            return false;
        out[used++] = c;
    }
    while (used > 0 && out[used - 1] == '_')
        used--;
    out[used] = '\0';
    return used > 0;
}

enum site_field site__field_of(const char *name)
{
    char simple[NAME_BYTES_MAX];
    if (!simplify(name, simple))
        return SITE_FIELD_NONE;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(simple, names[i].name) == 0)
            return names[i].field;
    }
    return SITE_FIELD_NONE;
}

bool site__product_is_offer(const struct site_product *product)
{
    static const enum site_field telling[] = {
        SITE_FIELD_PRICE, SITE_FIELD_SALE_PRICE, SITE_FIELD_AVAILABILITY, SITE_FIELD_CONDITION,
        SITE_FIELD_GTIN,  SITE_FIELD_MPN,        SITE_FIELD_VIN,          SITE_FIELD_MILEAGE};
    for (size_t i = 0; i < sizeof telling / sizeof telling[0]; i++) {
        if (product->fields[telling[i]] != NULL)
            return true;
    }
    return false;
}

/* ---- sales ---- */

/* "2026-02-06T20:00-0500", "2026-02-06". False if it is no such time; *text goes behind it. */
static bool parse_time(const char **text, int64_t *ret_ms)
{
    struct tm parts = {0};
    const char *at = strptime(*text, "%Y-%m-%d", &parts);
    if (at == NULL)
        return false;
    int64_t offset_s = 0;
    if (*at == 'T' || *at == ' ') {
        const char *time = strptime(at + 1, "%H:%M", &parts);
        if (time == NULL)
            return false;
        const char *seconds = strptime(time, ":%S", &parts);
        at = seconds == NULL ? time : seconds;
        if (*at == '.')
            at += 1 + strspn(at + 1, "0123456789");
        struct tm zone = {0};
        const char *end = *at == 'Z' ? at + 1 : strptime(at, "%z", &zone);
        if (end != NULL && *at != 'Z')
            offset_s = zone.tm_gmtoff;
        at = end == NULL ? at : end;
    }
    *ret_ms = ((int64_t)timegm(&parts) - offset_s) * 1000;
    *text = at;
    return true;
}

/* Whether "from/to" includes the time; a range that cannot be read includes none. */
static bool is_on(const char *dates, int64_t now_ms)
{
    int64_t from_ms;
    int64_t to_ms;
    if (dates == NULL)
        return true;
    dates += strspn(dates, " \t\r\n");
    if (*dates == '\0')
        return true;
    if (!parse_time(&dates, &from_ms))
        return false;
    dates += strspn(dates, " \t");
    if (*dates++ != '/')
        return false;
    dates += strspn(dates, " \t");
    return parse_time(&dates, &to_ms) && from_ms <= now_ms && now_ms < to_ms;
}

/* What one pays: the sale's price while the sale is on, if it is lower. */
static const char *price_of(const struct site_product *product, int64_t now_ms)
{
    const char *price = product->fields[SITE_FIELD_PRICE];
    const char *sale = product->fields[SITE_FIELD_SALE_PRICE];
    const char *currency = product->fields[SITE_FIELD_CURRENCY];
    int64_t price_minor;
    int64_t sale_minor;
    char code[4];
    if (sale == NULL || !is_on(product->fields[SITE_FIELD_SALE_DATES], now_ms) ||
        !site__price_parse(span_of_string(sale), product->is_number, currency, &sale_minor, code))
        return price;
    if (price != NULL &&
        site__price_parse(span_of_string(price), product->is_number, currency, &price_minor,
                          code) &&
        price_minor <= sale_minor)
        return price;
    return sale;
}

/* ---- products ---- */

/* Fields that are a property under another name, with the item or with its offer. */
static const struct {
    enum site_field field;
    const char *key;
    bool is_offer;
} properties[] = {
    {SITE_FIELD_TITLE, "name", false},
    {SITE_FIELD_DESCRIPTION, "description", false},
    {SITE_FIELD_LINK, "url", false},
    {SITE_FIELD_IMAGE, "image", false},
    {SITE_FIELD_BRAND, "brand", false},
    {SITE_FIELD_MODEL, "model", false},
    {SITE_FIELD_VIN, "vehicleIdentificationNumber", false},
    {SITE_FIELD_YEAR, "vehicleModelDate", false},
    {SITE_FIELD_BODY_STYLE, "bodyType", false},
    {SITE_FIELD_CONDITION, "itemCondition", false},
    {SITE_FIELD_ID, "sku", false},
    {SITE_FIELD_AVAILABILITY, "availability", true},
    {SITE_FIELD_CURRENCY, "priceCurrency", true},
};

static bool add(struct site_value *to, const char *key, const char *text, struct arena *arena)
{
    return text == NULL || text[0] == '\0' ||
           site__value_add_text(to, key, span_of_string(text), arena);
}

static struct site_value *value_of(const struct site_product *product, int64_t now_ms,
                                   struct arena *arena)
{
    struct site_value *item = site__value_create(SITE_VALUE_OBJECT, arena);
    struct site_value *offer = site__value_create(SITE_VALUE_OBJECT, arena);
    if (item == NULL || offer == NULL)
        return NULL;
    bool ok = true;
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++)
        ok = ok && add(properties[i].is_offer ? offer : item, properties[i].key,
                       product->fields[properties[i].field], arena);
    const char *mileage = product->fields[SITE_FIELD_MILEAGE];
    const char *unit = product->fields[SITE_FIELD_MILEAGE_UNIT];
    if (mileage != NULL && unit != NULL) {
        mileage = arena_printf(arena, "%s %s", mileage, unit);
        ok = ok && mileage != NULL;
    }
    ok = ok && add(item, "mileageFromOdometer", mileage, arena) &&
         add(offer, "price", price_of(product, now_ms), arena);
    struct site_value *price = site__value_get(offer, "price");
    if (price != NULL && product->is_number)
        price->kind = SITE_VALUE_NUMBER;
    site__value_add(item, "offers", offer);
    /* What tells it from others where the list gives it no number. */
    for (enum site_field field = SITE_FIELD_GTIN; field <= SITE_FIELD_MPN; field++) {
        if (site__value_get(item, "sku") == NULL)
            ok = ok && add(item, "sku", product->fields[field], arena);
    }
    return ok ? item : NULL;
}

bool site__feed_open(struct site_feed *feed)
{
    feed->extraction = calloc(1, sizeof *feed->extraction);
    feed->taken = 0;
    feed->is_stopped = false;
    feed->is_partly = false;
    return feed->extraction != NULL;
}

void site__feed_close(struct site_feed *feed)
{
    free(feed->extraction);
    feed->extraction = NULL;
}

/* Where and as what the item is known. */
static void place(const struct site_feed *feed, struct site_found *found)
{
    found->source = SITE_SOURCE_FEED;
    found->has_own_url = found->url != NULL;
    if (found->url == NULL)
        found->url = feed->page.canonical;
    if (!feed->is_named && found->has_own_url)
        found->sku = NULL;
}

void site__feed_give(struct site_feed *feed, const struct site_product *product)
{
    struct arena *arena = feed->arena;
    feed->page = (struct site_page){
        .arena = arena, .url = *feed->url, .base = *feed->url, .is_any_site = true};
    feed->page.canonical = url_canonical(feed->url, arena);
    struct site_value *item = value_of(product, feed->now_ms, arena);
    if (item == NULL || feed->page.canonical == NULL) {
        feed->is_partly = true;
        arena_reset(arena);
        return;
    }
    feed->extraction->page = &feed->page;
    feed->extraction->arena = arena;
    feed->extraction->source = SITE_SOURCE_FEED;
    site__item_read(feed->extraction, item, NULL, false);
    feed->is_partly = feed->is_partly || feed->page.is_full;
    struct site_found *found = feed->page.found_first;
    if (found != NULL) {
        place(feed, found);
        feed->taken++;
        if (!feed->take(feed->arg, found))
            feed->is_stopped = true;
    }
    arena_reset(arena);
}
