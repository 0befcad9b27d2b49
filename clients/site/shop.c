/*
 * The interfaces that shop programs have for everybody: Shopify's products.json and WooCommerce's
 * Store API. Both are asked for one page after the other, until one is empty or brings nothing new.
 *
 * A product is one item, whatever its variants: with the lowest price of those that can be bought,
 * of all where none can. Shopify's says no currency: the start page has to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "clients/site/feed.h"

#define SHOPIFY_WORD "shopify "
#define WOOCOMMERCE_WORD "woocommerce "
/* Digits that a currency's minor unit may have. */
#define MINOR_DIGITS_MAX 4
#define AMOUNT_DIGITS_MAX 15
/* How far behind a word its value may be. */
#define NEAR_BYTES 200

static const char *find(struct span page, const char *word)
{
    return page.data == NULL || page.len == 0 ? NULL
                                              : memmem(page.data, page.len, word, strlen(word));
}

/* ---- what gives a program away ---- */

/* The code that stands right behind the mark, after `near_word` (NULL: anywhere). */
static bool code_behind(struct span page, const char *near_word, const char *mark,
                        char out[static 4])
{
    const char *at = near_word == NULL ? (const char *)page.data : find(page, near_word);
    if (at == NULL)
        return false;
    size_t left = (size_t)((const char *)page.data + page.len - at);
    struct span near = span_of(at, near_word == NULL || left < NEAR_BYTES ? left : NEAR_BYTES);
    const char *value = find(near, mark);
    const char *end = (const char *)near.data + near.len;
    if (value == NULL || end - value < (long)strlen(mark) + 4)
        return false;
    value += strlen(mark);
    for (size_t i = 0; i < 3; i++) {
        if (value[i] < 'A' || value[i] > 'Z')
            return false;
    }
    memcpy(out, value, 3);
    out[3] = '\0';
    return value[3] == '"' || value[3] == '\'';
}

/* Shopify.currency = {"active":"USD","rate":"1.0"}; or what else themes and their programs say. */
static void shopify_currency(struct span page, char out[static 4])
{
    static const struct {
        const char *near_word, *mark;
    } places[] = {
        {"Shopify.currency", "\"active\":\""}, {NULL, "\"shopCurrency\":\""},
        {NULL, "\"currencyCode\":\""},         {NULL, "\"priceCurrency\":\""},
        {"og:price:currency", "content=\""},   {NULL, "data-shop-currency=\""},
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (code_behind(page, places[i].near_word, places[i].mark, out))
            return;
    }
    out[0] = '\0';
}

static bool is_shopify(struct span page, const struct http_response *response)
{
    const char *powered = http_response_header(response, "powered-by");
    return (powered != NULL && strcasestr(powered, "shopify") != NULL) ||
           http_response_header(response, "x-shopid") != NULL ||
           find(page, "Shopify.shop") != NULL || find(page, "Shopify.theme") != NULL ||
           find(page, "cdn.shopify.com/") != NULL;
}

/* The text between the last `open` before `at` and the next `close` behind it. */
static const char *around(struct span text, const char *at, char open, char close,
                          struct arena *arena)
{
    const char *start = (const char *)text.data;
    const char *end = start + text.len;
    const char *from = at;
    while (from > start && *from != open)
        from--;
    const char *to = memchr(at, close, (size_t)(end - at));
    bool ok = *from == open && to != NULL && to - from <= URL_BYTES_MAX + NEAR_BYTES;
    return ok ? arena_strndup(arena, from + 1, (size_t)(to - from - 1)) : NULL;
}

/* Where WordPress says that its interface is: in a Link header or element. */
static const char *wordpress_root(struct span page, const struct http_response *response,
                                  struct arena *arena)
{
    static const char relation[] = "https://api.w.org/";
    const char *header = http_response_header(response, "link");
    const char *at = header == NULL ? NULL : strstr(header, relation);
    if (at != NULL) {
        while (at > header && *at != '<')
            at--;
        size_t len = strcspn(at, ">");
        return *at == '<' ? arena_strndup(arena, at + 1, len - 1) : NULL;
    }
    at = find(page, relation);
    const char *element = at == NULL ? NULL : around(page, at, '<', '>', arena);
    const char *href = element == NULL ? NULL : strcasestr(element, "href=");
    if (href == NULL || (href[5] != '"' && href[5] != '\''))
        return NULL;
    const char *end = strchr(href + 6, href[5]);
    return end == NULL ? NULL : arena_strndup(arena, href + 6, (size_t)(end - href - 6));
}

static bool is_woocommerce(struct span page)
{
    return find(page, "woocommerce") != NULL || find(page, "WooCommerce") != NULL;
}

const char *site__shop_detect(struct span page, const struct http_response *response,
                              const struct url *home, struct arena *arena)
{
    struct url url;
    if (is_shopify(page, response)) {
        char currency[4];
        shopify_currency(page, currency);
        return arena_printf(arena, SHOPIFY_WORD "%s", currency);
    }
    if (!is_woocommerce(page))
        return NULL;
    const char *root = wordpress_root(page, response, arena);
    if (!site__link_resolve(home, span_of_string(root == NULL ? "/wp-json/" : root), arena, &url) ||
        !site__same_site(&url, home))
        return NULL;
    return arena_printf(arena, WOOCOMMERCE_WORD "%s", url.text);
}

enum site_shop_kind site__shop_kind(const char *shop)
{
    if (shop == NULL)
        return SITE_SHOP_NONE;
    if (strncmp(shop, SHOPIFY_WORD, sizeof SHOPIFY_WORD - 1) == 0)
        return SITE_SHOP_SHOPIFY;
    bool is_woo = strncmp(shop, WOOCOMMERCE_WORD, sizeof WOOCOMMERCE_WORD - 1) == 0;
    return is_woo ? SITE_SHOP_WOOCOMMERCE : SITE_SHOP_NONE;
}

bool site__shop_needs_currency(const char *shop)
{
    return strcmp(shop, SHOPIFY_WORD) == 0;
}

bool site__shop_facts_url(const struct url *home, struct arena *arena, struct url *ret_url)
{
    return url_resolve(home, span_of_string("/meta.json"), arena, ret_url);
}

const char *site__shop_complete(struct span body, struct arena *scratch, struct arena *arena)
{
    struct site_value *root = NULL;
    if (!site__value_parse(body, scratch, &root))
        return NULL;
    struct span code = site__value_text(site__value_get(root, "currency"));
    if (code.len != 3)
        return NULL;
    return arena_printf(arena, SHOPIFY_WORD "%.3s", (const char *)code.data);
}

bool site__shop_url(const char *shop, const struct url *home, int number, struct arena *arena,
                    struct url *ret_url)
{
    enum site_shop_kind kind = site__shop_kind(shop);
    char *text = NULL;
    if (kind == SITE_SHOP_SHOPIFY) {
        text = arena_printf(arena, "/products.json?limit=250&page=%d", number);
    } else if (kind == SITE_SHOP_WOOCOMMERCE) {
        const char *root = shop + sizeof WOOCOMMERCE_WORD - 1;
        bool has_query = strchr(root, '?') != NULL; /* ?rest_route=/ */
        bool is_old = strstr(root, "/wc/store/") != NULL;
        text = arena_printf(arena, "%s%s%sproducts%cper_page=100&page=%d", root,
                            root[strlen(root) - 1] == '/' ? "" : "/", is_old ? "" : "wc/store/v1/",
                            has_query ? '&' : '?', number);
    }
    return text != NULL && url_resolve(home, span_of_string(text), arena, ret_url);
}

/* ---- products ---- */

static const char *text_of(const struct site_value *node, const char *key, struct arena *arena)
{
    struct span text = site__value_text(site__value_first(site__value_get(node, key)));
    return text.len == 0 ? NULL : arena_strndup(arena, text.data, text.len);
}

static bool is_true(const struct site_value *value)
{
    return value != NULL && value->kind == SITE_VALUE_BOOL && value->truth;
}

static bool is_false(const struct site_value *value)
{
    return value != NULL && value->kind == SITE_VALUE_BOOL && !value->truth;
}

static const char *first_image(const struct site_value *node, struct arena *arena)
{
    struct site_value *image = site__value_first(site__value_get(node, "images"));
    return image == NULL ? NULL : text_of(image, "src", arena);
}

/* The variant to go by: one that can be bought, the cheapest. */
static void take_variants(const struct site_value *node, struct site_product *product,
                          struct arena *arena)
{
    int64_t best_minor = -1;
    bool best_available = false;
    struct site_value *list = site__value_get(node, "variants");
    bool is_list = list != NULL && list->kind == SITE_VALUE_ARRAY;
    for (struct site_value *variant = is_list ? list->first : NULL; variant != NULL;
         variant = variant->next) {
        int64_t minor;
        char code[4];
        bool available = !is_false(site__value_get(variant, "available"));
        struct span price = site__value_text(site__value_get(variant, "price"));
        bool is_better = best_minor < 0 || (available && !best_available);
        if (!site__price_parse(price, true, NULL, &minor, code) ||
            (!is_better && (available != best_available || minor >= best_minor)))
            continue;
        best_minor = minor;
        best_available = available;
        product->fields[SITE_FIELD_PRICE] = arena_strndup(arena, price.data, price.len);
    }
    if (best_minor >= 0)
        product->fields[SITE_FIELD_AVAILABILITY] = best_available ? "in stock" : "out of stock";
}

static void take_shopify(const char *shop, const struct site_value *node, struct site_feed *feed,
                         struct arena *arena)
{
    const char *currency = shop + sizeof SHOPIFY_WORD - 1;
    const char *handle = text_of(node, "handle", arena);
    struct site_product product = {.is_number = true};
    product.fields[SITE_FIELD_ID] = text_of(node, "id", arena);
    product.fields[SITE_FIELD_TITLE] = text_of(node, "title", arena);
    product.fields[SITE_FIELD_DESCRIPTION] = text_of(node, "body_html", arena);
    product.fields[SITE_FIELD_BRAND] = text_of(node, "vendor", arena);
    product.fields[SITE_FIELD_IMAGE] = first_image(node, arena);
    product.fields[SITE_FIELD_CURRENCY] = currency[0] == '\0' ? NULL : currency;
    if (handle != NULL)
        product.fields[SITE_FIELD_LINK] = arena_printf(arena, "/products/%s", handle);
    take_variants(node, &product, arena);
    site__feed_give(feed, &product);
}

/* "1999" with two digits of minor unit is "19.99". NULL if it is no amount. */
static const char *amount_of(const struct site_value *prices, struct arena *arena)
{
    struct span amount = site__value_text(site__value_get(prices, "price"));
    struct span unit = site__value_text(site__value_get(prices, "currency_minor_unit"));
    size_t digits = unit.len == 1 ? (size_t)(unit.data[0] - '0') : 2;
    if (amount.len == 0 || amount.len > AMOUNT_DIGITS_MAX || digits > MINOR_DIGITS_MAX)
        return NULL;
    long long number = 0;
    long long scale = 1;
    for (size_t i = 0; i < amount.len; i++) {
        if (amount.data[i] < '0' || amount.data[i] > '9')
            return NULL;
        number = number * 10 + (amount.data[i] - '0');
    }
    for (size_t i = 0; i < digits; i++)
        scale *= 10;
    if (digits == 0)
        return arena_printf(arena, "%lld", number);
    return arena_printf(arena, "%lld.%0*lld", number / scale, (int)digits, number % scale);
}

static void take_woocommerce(const struct site_value *node, struct site_feed *feed,
                             struct arena *arena)
{
    const struct site_value *prices = site__value_get(node, "prices");
    const struct site_value *brand = site__value_first(site__value_get(node, "brands"));
    struct site_product product = {.is_number = true};
    product.fields[SITE_FIELD_ID] = text_of(node, "sku", arena);
    if (product.fields[SITE_FIELD_ID] == NULL) /* as its pages' own markup does */
        product.fields[SITE_FIELD_ID] = text_of(node, "id", arena);
    product.fields[SITE_FIELD_TITLE] = text_of(node, "name", arena);
    product.fields[SITE_FIELD_LINK] = text_of(node, "permalink", arena);
    product.fields[SITE_FIELD_DESCRIPTION] = text_of(node, "description", arena);
    if (product.fields[SITE_FIELD_DESCRIPTION] == NULL)
        product.fields[SITE_FIELD_DESCRIPTION] = text_of(node, "short_description", arena);
    product.fields[SITE_FIELD_IMAGE] = first_image(node, arena);
    product.fields[SITE_FIELD_BRAND] = brand == NULL ? NULL : text_of(brand, "name", arena);
    if (prices != NULL) {
        product.fields[SITE_FIELD_PRICE] = amount_of(prices, arena);
        product.fields[SITE_FIELD_CURRENCY] = text_of(prices, "currency_code", arena);
    }
    if (site__value_get(node, "is_in_stock") != NULL)
        product.fields[SITE_FIELD_AVAILABILITY] =
            is_true(site__value_get(node, "is_in_stock")) ? "in stock" : "out of stock";
    site__feed_give(feed, &product);
}

bool site__shop_read(const char *shop, struct span body, struct site_feed *feed,
                     struct arena *arena, size_t *ret_count)
{
    struct site_value *root = NULL;
    enum site_shop_kind kind = site__shop_kind(shop);
    if (!site__value_parse_large(body, arena, &root))
        return false;
    const struct site_value *list = kind == SITE_SHOP_SHOPIFY && root->kind == SITE_VALUE_OBJECT
                                        ? site__value_get(root, "products")
                                        : root;
    if (list == NULL || list->kind != SITE_VALUE_ARRAY || !site__feed_open(feed))
        return false;
    size_t count = 0;
    for (const struct site_value *node = list->first; node != NULL && !feed->is_stopped;
         node = node->next) {
        if (node->kind != SITE_VALUE_OBJECT)
            continue;
        count++;
        if (kind == SITE_SHOP_SHOPIFY)
            take_shopify(shop, node, feed, arena);
        else
            take_woocommerce(node, feed, arena);
    }
    site__feed_close(feed);
    *ret_count = count;
    return true;
}
