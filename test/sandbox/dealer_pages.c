#include <stdio.h>

#include "test/sandbox/dealer.h"

#define LISTING_PAGE_VEHICLES 24

static const char style[] =
    "body{margin:0;font:16px/1.5 system-ui,sans-serif;color:#1d2430;background:#f5f6f8}"
    "header{background:#14213d;color:#fff;padding:1rem 2rem;display:flex;gap:2rem;"
    "align-items:baseline}header a{color:#fff;text-decoration:none}header strong{font-size:1.3rem}"
    "main{max-width:70rem;margin:2rem auto;padding:0 1rem}footer{padding:2rem;color:#667;"
    "text-align:center;font-size:.9rem}.grid{display:grid;gap:1rem;"
    "grid-template-columns:repeat(auto-fill,minmax(14rem,1fr))}.card,.vehicle{background:#fff;"
    "border:1px solid #dde1e7;border-radius:.5rem;padding:1rem}.card img,.vehicle img{width:100%;"
    "height:auto;max-width:36rem;border-radius:.3rem}.card a{color:inherit;text-decoration:none}"
    ".price{font-size:1.4rem;font-weight:700;color:#0b6b3a}table{border-collapse:collapse;"
    "margin:1rem 0}th{text-align:left;padding:.2rem 2rem .2rem 0;color:#667;font-weight:500}"
    ".pages{margin:2rem 0;display:flex;gap:.5rem}.pages a,.pages b{padding:.3rem .7rem;"
    "background:#fff;border:1px solid #dde1e7;border-radius:.3rem}";

static void append_head_start(struct buffer *out, const char *title)
{
    (void)buffer_append_string(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
                                    "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                                    "content=\"width=device-width, initial-scale=1\">\n<title>");
    html_append(out, title);
    (void)buffer_printf(out, " | Acme Auto</title>\n<style>%s</style>\n", style);
}

static void append_body_start(struct buffer *out)
{
    (void)buffer_append_string(
        out, "</head>\n<body>\n<header><strong><a href=\"/\">Acme Auto</a></strong>"
             "<a href=\"/inventory/new\">New</a><a href=\"/inventory/used\">Used</a>"
             "<a href=\"/about\">About</a><a href=\"/contact\">Contact</a></header>\n<main>\n");
}

static void append_body_end(struct buffer *out)
{
    (void)buffer_append_string(
        out, "</main>\n<footer>Acme Auto, 550 Market Street, Springfield. "
             "<a href=\"/private/wholesale\">Wholesale (dealers only)</a></footer>\n"
             "</body>\n</html>\n");
}

static void append_card(struct buffer *out, const struct vehicle *vehicle)
{
    (void)buffer_printf(out,
                        "<div class=\"card\"><a href=\"/inventory/%s\"><img loading=\"lazy\" "
                        "src=\"/images/vehicles/%d-1.png\" alt=\"\"><h3>",
                        vehicle->slug, vehicle->number);
    html_append(out, vehicle->title);
    (void)buffer_printf(out, "</h3><div class=\"price\">$%d,%03d</div></a></div>\n",
                        vehicle->price_usd / 1000, vehicle->price_usd % 1000);
}

void dealer_text_page(const char *title, const char *text, struct exchange *x)
{
    append_head_start(&x->answer, title);
    (void)buffer_printf(&x->answer,
                        "<script type=\"application/ld+json\">{\"@context\": "
                        "\"https://schema.org\", \"@type\": \"AutoDealer\", \"name\": \"Acme "
                        "Auto\", \"url\": \"%s/\", \"priceRange\": \"$$\", \"address\": "
                        "{\"@type\": \"PostalAddress\", \"streetAddress\": \"550 Market "
                        "Street\", \"addressLocality\": \"Springfield\", \"addressRegion\": "
                        "\"IL\", \"postalCode\": \"62701\", \"addressCountry\": \"US\"}}"
                        "</script>\n",
                        exchange_origin(x));
    append_body_start(&x->answer);
    (void)buffer_printf(&x->answer, "<h1>%s</h1>\n<p>%s</p>\n", title, text);
    append_body_end(&x->answer);
}

void dealer_home_page(struct dealer *dealer, struct exchange *x)
{
    append_head_start(&x->answer, "New and used cars in Springfield");
    append_body_start(&x->answer);
    (void)buffer_append_string(&x->answer, "<h1>Your next car is here</h1>\n<p>Browse our "
                                           "<a href=\"/inventory/new\">new</a> and "
                                           "<a href=\"/inventory/used\">used</a> cars.</p>\n"
                                           "<div class=\"grid\">\n");
    for (size_t i = 0; i < 8; i++) {
        struct vehicle vehicle = dealer_vehicle(dealer, i * 11);
        if (!vehicle.removed)
            append_card(&x->answer, &vehicle);
    }
    (void)buffer_append_string(&x->answer, "</div>\n");
    append_body_end(&x->answer);
}

void dealer_vehicle_page(const struct vehicle *vehicle, struct exchange *x)
{
    const char *origin = exchange_origin(x);
    append_head_start(&x->answer, vehicle->title);
    if (vehicle->number % 2 == 0)
        (void)buffer_printf(&x->answer, "<link rel=\"canonical\" href=\"%s/inventory/%s\">\n",
                            origin, vehicle->slug);
    dealer_append_head(vehicle, origin, &x->answer);
    append_body_start(&x->answer);
    dealer_append_article(vehicle, origin, &x->answer);
    append_body_end(&x->answer);
}

static void append_item_list(struct exchange *x, const struct vehicle *vehicles, size_t count)
{
    const char *origin = exchange_origin(x);
    (void)buffer_append_string(&x->answer, "<script type=\"application/ld+json\">{\"@context\": "
                                           "\"https://schema.org\", \"@type\": \"ItemList\", "
                                           "\"itemListElement\": [");
    for (size_t i = 0; i < count; i++)
        (void)buffer_printf(&x->answer,
                            "%s{\"@type\": \"ListItem\", \"position\": %zu, \"url\": "
                            "\"%s/inventory/%s\"}",
                            i == 0 ? "" : ", ", i + 1, origin, vehicles[i].slug);
    (void)buffer_append_string(&x->answer, "]}</script>\n");
}

static void append_numbered_links(struct buffer *out, int page, int pages)
{
    (void)buffer_append_string(out, "<nav class=\"pages\">");
    for (int i = 1; i <= pages; i++) {
        if (i == page)
            (void)buffer_printf(out, "<b>%d</b>", i);
        else
            (void)buffer_printf(out, "<a href=\"?page=%d\">%d</a>", i, i);
    }
    (void)buffer_append_string(out, "<a href=\"?page=1&amp;sort=price\">Sort by price</a></nav>\n");
}

static void append_next_link(struct buffer *out, int page, int pages)
{
    (void)buffer_append_string(out, "<nav class=\"pages\">");
    if (page > 1)
        (void)buffer_printf(out, "<a rel=\"prev\" href=\"/inventory/used?page=%d\">Previous</a>",
                            page - 1);
    if (page < pages)
        (void)buffer_printf(out, "<a rel=\"next\" href=\"/inventory/used?page=%d\">Next</a>",
                            page + 1);
    (void)buffer_append_string(out, "</nav>\n");
}

bool dealer_listing_page(struct dealer *dealer, bool is_new, int page, struct exchange *x)
{
    struct vehicle shown[LISTING_PAGE_VEHICLES];
    size_t shown_count = 0;
    int found = 0;
    for (size_t i = 0; i < VEHICLE_COUNT; i++) {
        struct vehicle vehicle = dealer_vehicle(dealer, i);
        if (vehicle.removed || vehicle.is_new != is_new)
            continue;
        if (found / LISTING_PAGE_VEHICLES == page - 1)
            shown[shown_count++] = vehicle;
        found++;
    }
    int pages = (found + LISTING_PAGE_VEHICLES - 1) / LISTING_PAGE_VEHICLES;
    if (page < 1 || (page > pages && page != 1))
        return false;
    append_head_start(&x->answer, is_new ? "New cars" : "Used cars");
    if (is_new)
        append_item_list(x, shown, shown_count);
    else if (page < pages)
        (void)buffer_printf(&x->answer, "<link rel=\"next\" href=\"%s/inventory/used?page=%d\">\n",
                            exchange_origin(x), page + 1);
    append_body_start(&x->answer);
    (void)buffer_printf(&x->answer, "<h1>%s cars</h1>\n<p>%d vehicles</p>\n<div class=\"grid\">\n",
                        is_new ? "New" : "Used", found);
    for (size_t i = 0; i < shown_count; i++)
        append_card(&x->answer, &shown[i]);
    (void)buffer_append_string(&x->answer, "</div>\n");
    if (is_new)
        append_numbered_links(&x->answer, page, pages);
    else
        append_next_link(&x->answer, page, pages);
    append_body_end(&x->answer);
    return true;
}
