/*
 * Three kinds of markup, each in the variants that real dealers' pages have.
 */
#include <stdio.h>

#include "test/sandbox/dealer.h"

#define JSON_LD_VARIANTS 6

enum dealer_markup dealer_markup_of(const struct vehicle *vehicle)
{
    return (enum dealer_markup)(vehicle->number % 3);
}

void dealer_append_path(const struct vehicle *vehicle, struct buffer *out)
{
    (void)buffer_printf(out, "/inventory/%s", vehicle->slug);
}

static const char *condition_url(const struct vehicle *vehicle)
{
    return vehicle->is_new ? "https://schema.org/NewCondition" : "https://schema.org/UsedCondition";
}

static const char *availability_url(const struct vehicle *vehicle)
{
    return vehicle->in_stock ? "https://schema.org/InStock" : "https://schema.org/SoldOut";
}

/* 28,000.00 */
static void format_price(int usd, char text[static 24])
{
    (void)snprintf(text, 24, "%d,%03d.00", usd / 1000, usd % 1000);
}

static void append_string(struct buffer *out, const char *key, const char *value)
{
    (void)buffer_printf(out, "\"%s\": ", key);
    json_tree_print_string(value, out);
    (void)buffer_append_string(out, ", ");
}

/* The members that every variant has, with a comma at the end. */
static void append_common(const struct vehicle *v, const char *origin, struct buffer *out)
{
    append_string(out, "name", v->title);
    append_string(out, "description", v->description);
    append_string(out, "vehicleIdentificationNumber", v->vin);
    append_string(out, "sku", v->stock_number);
    append_string(out, "model", v->model);
    append_string(out, "bodyType", v->body_style);
    append_string(out, "color", v->color);
    append_string(out, "itemCondition", condition_url(v));
    (void)buffer_printf(out, "\"vehicleModelDate\": \"%d\", ", v->year);
    (void)buffer_printf(out, "\"url\": \"%s/inventory/%s\", ", origin, v->slug);
}

static void append_brand(const struct vehicle *v, struct buffer *out)
{
    (void)buffer_append_string(out, "\"brand\": {\"@type\": \"Brand\", \"name\": ");
    json_tree_print_string(v->make, out);
    (void)buffer_append_string(out, "}, ");
}

static void append_mileage(const struct vehicle *v, struct buffer *out)
{
    (void)buffer_printf(out,
                        "\"mileageFromOdometer\": {\"@type\": \"QuantitativeValue\", "
                        "\"value\": %d, \"unitCode\": \"SMI\"}, ",
                        v->mileage);
}

static void append_plain(const struct vehicle *v, const char *origin, struct buffer *out)
{
    (void)buffer_append_string(out, "<script type=\"application/ld+json\">\n{\"@context\": "
                                    "\"https://schema.org\", \"@type\": \"Car\", ");
    append_common(v, origin, out);
    append_brand(v, out);
    append_mileage(v, out);
    (void)buffer_printf(out,
                        "\"image\": [\"%s/images/vehicles/%d-1.png\", "
                        "\"%s/images/vehicles/%d-2.png\"], \"offers\": {\"@type\": \"Offer\", "
                        "\"price\": %d, \"priceCurrency\": \"USD\", \"availability\": \"%s\"}}\n"
                        "</script>\n",
                        origin, v->number, origin, v->number, v->price_usd, availability_url(v));
}

static void append_graph(const struct vehicle *v, const char *origin, struct buffer *out)
{
    (void)buffer_printf(
        out,
        "<script type='application/ld+json'>{\"@context\": \"https://schema.org\", \"@graph\": ["
        "{\"@type\": \"WebSite\", \"name\": \"Acme Auto\", \"url\": \"%s/\"}, "
        "{\"@type\": \"BreadcrumbList\", \"itemListElement\": [{\"@type\": \"ListItem\", "
        "\"position\": 1, \"name\": \"Inventory\", \"item\": \"%s/inventory/used\"}]}, "
        "{\"@type\": \"Vehicle\", \"@id\": \"#vehicle\", ",
        origin, origin);
    append_common(v, origin, out);
    append_brand(v, out);
    append_mileage(v, out);
    (void)buffer_printf(out,
                        "\"image\": {\"@type\": \"ImageObject\", \"url\": "
                        "\"%s/images/vehicles/%d-1.png\"}, \"offers\": {\"@type\": \"Offer\", "
                        "\"price\": \"%d.00\", \"priceCurrency\": \"USD\", \"availability\": "
                        "\"%s\", \"seller\": {\"@type\": \"AutoDealer\", \"name\": \"Acme "
                        "Auto\"}}}]}</script>\n",
                        origin, v->number, v->price_usd, availability_url(v));
}

static void append_offer_list(const struct vehicle *v, const char *origin, struct buffer *out)
{
    (void)buffer_append_string(
        out, "<script type=\"application/ld+json\">[{\"@context\": \"http://schema.org/\", "
             "\"@type\": [\"Product\", \"Car\"], ");
    append_common(v, origin, out);
    append_string(out, "manufacturer", v->make);
    append_mileage(v, out);
    (void)buffer_printf(out,
                        "\"image\": \"/images/vehicles/%d-1.png\", \"offers\": [{\"@type\": "
                        "\"Offer\", \"price\": \"USD %d\", \"priceCurrency\": \"USD\", "
                        "\"availability\": \"%s\"}]}]</script>\n",
                        v->number, v->price_usd, v->in_stock ? "InStock" : "OutOfStock");
}

static void append_with_broken_block(const struct vehicle *v, const char *origin,
                                     struct buffer *out)
{
    (void)buffer_append_string(
        out, "<script type=\"application/ld+json\">{\"@context\": \"https://schema.org\", "
             "\"@type\": \"Organization\", \"name\": \"Acme Auto\",}</script>\n"
             "<script type=\"Application/LD+JSON; charset=utf-8\">{\"@context\": "
             "\"https://schema.org\", \"@type\": \"https://schema.org/Car\", ");
    append_common(v, origin, out);
    append_brand(v, out);
    append_mileage(v, out);
    char price[24];
    format_price(v->price_usd, price);
    (void)buffer_printf(out,
                        "\"image\": \"%s/images/vehicles/%d-1.png\", \"offers\": {\"@type\": "
                        "\"Offer\", \"price\": \"%s\", \"priceCurrency\": \"USD\", "
                        "\"availability\": \"http://schema.org/%s\"}}</script>\n",
                        origin, v->number, price, v->in_stock ? "InStock" : "OutOfStock");
}

static void append_aggregate(const struct vehicle *v, const char *origin, struct buffer *out)
{
    (void)buffer_append_string(out, "<script type=\"application/ld+json\">{\"@context\": "
                                    "{\"@vocab\": \"https://schema.org/\"}, \"@type\": "
                                    "\"Vehicle\", ");
    append_common(v, origin, out);
    append_brand(v, out);
    (void)buffer_printf(out,
                        "\"mileageFromOdometer\": \"%d mi\", \"image\": "
                        "[{\"@type\": \"ImageObject\", \"contentUrl\": "
                        "\"%s/images/vehicles/%d-1.png\"}], \"offers\": {\"@type\": "
                        "\"AggregateOffer\", \"lowPrice\": %d, \"highPrice\": %d, "
                        "\"priceCurrency\": \"USD\", \"availability\": \"%s\"}}</script>\n",
                        v->mileage, origin, v->number, v->price_usd, v->price_usd + 1500,
                        v->in_stock ? "InStock" : "SoldOut");
}

/* Raw line breaks inside strings, as editors of templates leave them, within a CDATA comment. */
static void append_in_cdata(const struct vehicle *v, const char *origin, struct buffer *out)
{
    (void)buffer_append_string(out, "<script type=\"application/ld+json\">\n//<![CDATA[\n"
                                    "{\"@context\": \"https://schema.org\", \"@type\": \"Car\", "
                                    "\"slogan\": \"Drive it\nhome today\",\n");
    append_common(v, origin, out);
    append_brand(v, out);
    append_mileage(v, out);
    (void)buffer_printf(out,
                        "\"image\": \"%s/images/vehicles/%d-1.png\",\n\"offers\": {\"@type\": "
                        "\"Offer\", \"priceSpecification\": {\"@type\": "
                        "\"UnitPriceSpecification\", \"price\": %d.00, \"priceCurrency\": "
                        "\"USD\"}, \"price\": %d.00, \"priceCurrency\": \"USD\", "
                        "\"availability\": \"%s\"}}\n//]]>\n</script>\n",
                        origin, v->number, v->price_usd, v->price_usd, availability_url(v));
}

static void append_meta(struct buffer *out, const char *property, const char *content)
{
    (void)buffer_printf(out, "<meta property=\"%s\" content=\"", property);
    html_append(out, content);
    (void)buffer_append_string(out, "\">\n");
}

static void append_open_graph(const struct vehicle *v, const char *origin, struct buffer *out)
{
    char text[512];
    append_meta(out, "og:type", "product");
    append_meta(out, "og:site_name", "Acme Auto");
    append_meta(out, "og:title", v->title);
    append_meta(out, "og:description", v->description);
    (void)snprintf(text, sizeof text, "%s/inventory/%s", origin, v->slug);
    append_meta(out, "og:url", text);
    (void)snprintf(text, sizeof text, "%s/images/vehicles/%d-1.png", origin, v->number);
    append_meta(out, "og:image", text);
    (void)snprintf(text, sizeof text, "%d.00", v->price_usd);
    append_meta(out, v->number % 2 == 0 ? "product:price:amount" : "og:price:amount", text);
    append_meta(out, v->number % 2 == 0 ? "product:price:currency" : "og:price:currency", "USD");
    append_meta(out, "product:availability", v->in_stock ? "in stock" : "out of stock");
    append_meta(out, "product:condition", v->is_new ? "new" : "used");
    append_meta(out, "product:brand", v->make);
    append_meta(out, "product:retailer_item_id", v->stock_number);
}

void dealer_append_head(const struct vehicle *vehicle, const char *origin, struct buffer *out)
{
    static void (*const variants[JSON_LD_VARIANTS])(const struct vehicle *, const char *,
                                                    struct buffer *) = {
        append_plain,     append_graph,    append_offer_list, append_with_broken_block,
        append_aggregate, append_in_cdata,
    };
    switch (dealer_markup_of(vehicle)) {
    case DEALER_JSON_LD:
        variants[vehicle->number / 3 % JSON_LD_VARIANTS](vehicle, origin, out);
        break;
    case DEALER_MICRODATA:
        break;
    case DEALER_OPEN_GRAPH:
        append_open_graph(vehicle, origin, out);
        break;
    }
}

static void append_row(struct buffer *out, const char *label, const char *property,
                       const char *value)
{
    (void)buffer_printf(out, "<tr><th>%s</th><td", label);
    if (property != NULL)
        (void)buffer_printf(out, " itemprop=\"%s\"", property);
    (void)buffer_append_byte(out, '>');
    html_append(out, value);
    (void)buffer_append_string(out, "</td></tr>\n");
}

static void append_microdata_article(const struct vehicle *v, const char *origin,
                                     struct buffer *out)
{
    char price[24];
    format_price(v->price_usd, price);
    (void)buffer_append_string(out, "<article class=\"vehicle\" itemscope "
                                    "itemtype=\"https://schema.org/Car\">\n<h1 itemprop=\"name\">");
    html_append(out, v->title);
    (void)buffer_printf(out,
                        "</h1>\n<img itemprop=\"image\" src=\"/images/vehicles/%d-1.png\" "
                        "alt=\"\" width=\"600\" height=\"600\">\n"
                        "<link itemprop=\"url\" href=\"%s/inventory/%s\">\n",
                        v->number, origin, v->slug);
    (void)buffer_printf(out,
                        "<div class=\"price\" itemprop=\"offers\" itemscope "
                        "itemtype=\"https://schema.org/Offer\"><span itemprop=\"priceCurrency\" "
                        "content=\"USD\">$</span><span itemprop=\"price\" content=\"%d.00\">%s"
                        "</span><link itemprop=\"availability\" href=\"%s\"><meta "
                        "itemprop=\"itemCondition\" content=\"%s\"></div>\n<table>\n",
                        v->price_usd, price, availability_url(v), condition_url(v));
    char text[64];
    append_row(out, "VIN", "vehicleIdentificationNumber", v->vin);
    append_row(out, "Stock number", "sku", v->stock_number);
    (void)snprintf(text, sizeof text, "%d", v->year);
    append_row(out, "Year", "vehicleModelDate", text);
    append_row(out, "Model", "model", v->model);
    append_row(out, "Body style", "bodyType", v->body_style);
    append_row(out, "Color", "color", v->color);
    (void)buffer_append_string(out, "<tr><th>Make</th><td itemprop=\"brand\" itemscope "
                                    "itemtype=\"https://schema.org/Brand\"><span "
                                    "itemprop=\"name\">");
    html_append(out, v->make);
    (void)buffer_printf(out,
                        "</span></td></tr>\n<tr><th>Mileage</th><td "
                        "itemprop=\"mileageFromOdometer\" itemscope "
                        "itemtype=\"https://schema.org/QuantitativeValue\"><span "
                        "itemprop=\"value\">%d</span> <abbr itemprop=\"unitCode\" "
                        "content=\"SMI\">miles</abbr></td></tr>\n</table>\n"
                        "<p itemprop=\"description\">",
                        v->mileage);
    html_append(out, v->description);
    (void)buffer_append_string(out, "</p>\n</article>\n");
}

void dealer_append_article(const struct vehicle *v, const char *origin, struct buffer *out)
{
    if (dealer_markup_of(v) == DEALER_MICRODATA) {
        append_microdata_article(v, origin, out);
        return;
    }
    (void)buffer_append_string(out, "<article class=\"vehicle\">\n<h1>");
    html_append(out, v->title);
    char price[24];
    format_price(v->price_usd, price);
    (void)buffer_printf(out,
                        "</h1>\n<img src=\"/images/vehicles/%d-1.png\" alt=\"\" width=\"600\" "
                        "height=\"600\">\n<div class=\"price\">%s$%s</div>\n<table>\n",
                        v->number, v->in_stock ? "" : "<s>Sold</s> ", price);
    char text[64];
    append_row(out, "VIN", NULL, v->vin);
    append_row(out, "Stock number", NULL, v->stock_number);
    (void)snprintf(text, sizeof text, "%d miles", v->mileage);
    append_row(out, "Mileage", NULL, text);
    append_row(out, "Body style", NULL, v->body_style);
    append_row(out, "Color", NULL, v->color);
    (void)buffer_append_string(out, "</table>\n<p>");
    html_append(out, v->description);
    (void)buffer_append_string(out, "</p>\n</article>\n");
}
