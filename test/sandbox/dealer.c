/*
 * Paths of the dealer's website, its sitemaps and its conditional requests.
 */
#include "test/sandbox/dealer.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Last-Modified of a vehicle that was never changed: one a day from here on, then an hour a change.
 */
#define MODIFIED_FIRST_S 1735723800
#define DAY_S 86400
#define HTTP_DATE_BYTES 32

static void robots_page(struct exchange *x)
{
    x->content_type = "text/plain; charset=utf-8";
    (void)buffer_printf(&x->answer,
                        "# Acme Auto\nUser-agent: *\nDisallow: /private/\nDisallow: /*?*sort=\n"
                        "Allow: /private/press\n\nUser-agent: BadBot\nDisallow: /\n\n"
                        "Sitemap: %s/sitemap_index.xml\n",
                        exchange_origin(x));
}

static void sitemap_index(struct exchange *x)
{
    static const char *const names[] = {"sitemap-pages.xml", "sitemap-vehicles-1.xml",
                                        "sitemap-vehicles-2.xml.gz"};
    x->content_type = "application/xml; charset=utf-8";
    (void)buffer_append_string(&x->answer,
                               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<sitemapindex "
                               "xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)buffer_printf(&x->answer, "<sitemap><loc>%s/%s</loc></sitemap>\n", exchange_origin(x),
                            names[i]);
    (void)buffer_append_string(&x->answer, "</sitemapindex>\n");
}

static void append_urlset_start(struct buffer *out)
{
    (void)buffer_append_string(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset "
                                    "xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n");
}

static void sitemap_pages(struct exchange *x)
{
    /* One of them is forbidden: a sitemap does not overrule robots.txt. */
    static const char *const paths[] = {"/",      "/inventory/new", "/inventory/used",
                                        "/about", "/contact",       "/private/vehicles/trade-0"};
    x->content_type = "application/xml; charset=utf-8";
    append_urlset_start(&x->answer);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        (void)buffer_printf(&x->answer, "<url><loc>%s%s</loc></url>\n", exchange_origin(x),
                            paths[i]);
    (void)buffer_printf(&x->answer, "</urlset>\n");
}

static int64_t modified_s(const struct vehicle *vehicle)
{
    return MODIFIED_FIRST_S + (int64_t)vehicle->number * DAY_S + vehicle->version * INT64_C(3600);
}

static void append_vehicle_sitemap(struct dealer *dealer, size_t from, size_t to,
                                   struct exchange *x, struct buffer *out)
{
    const char *origin = exchange_origin(x);
    append_urlset_start(out);
    for (size_t i = from; i < to; i++) {
        struct vehicle vehicle = dealer_vehicle(dealer, i);
        if (vehicle.removed)
            continue;
        time_t at = (time_t)modified_s(&vehicle);
        struct tm parts;
        char date[HTTP_DATE_BYTES];
        (void)strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&at, &parts));
        (void)buffer_printf(out, "<url><loc>%s/inventory/%s</loc><lastmod>%s</lastmod></url>\n",
                            origin, vehicle.slug, date);
    }
    if (from == 0)
        (void)buffer_printf(out, "<url><loc>%s/specials/%s</loc></url>\n", origin,
                            dealer->vehicles[DEALER_SPECIAL_VEHICLE].slug);
    (void)buffer_append_string(out, "</urlset>\n");
}

static void gzip_sitemap(struct dealer *dealer, struct exchange *x)
{
    struct buffer plain;
    buffer_init(&plain, EXCHANGE_ANSWER_BYTES_MAX);
    append_vehicle_sitemap(dealer, DEALER_SITEMAP_FIRST, DEALER_SITEMAP_VEHICLES, x, &plain);
    x->content_type = "application/gzip";
    (void)gzip_append(&x->answer, buffer_span(&plain));
    buffer_fini(&plain);
}

static void not_found(struct exchange *x)
{
    x->status = MHD_HTTP_NOT_FOUND;
    dealer_text_page("Page not found", "The car that you are looking for may have been sold.", x);
}

static void format_http_date(int64_t at_s, char text[static HTTP_DATE_BYTES])
{
    time_t at = (time_t)at_s;
    struct tm parts;
    (void)strftime(text, HTTP_DATE_BYTES, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &parts));
}

/* Adds the validators; true when the client has the page already. */
static bool answer_unchanged(struct exchange *x, const char *etag, int64_t at_s)
{
    char date[HTTP_DATE_BYTES];
    format_http_date(at_s, date);
    exchange_add_header(x, "ETag", etag);
    exchange_add_header(x, "Last-Modified", exchange_printf(x, "%s", date));
    exchange_add_header(x, "Cache-Control", "no-cache");
    const char *match = exchange_header(x, "If-None-Match");
    const char *since = exchange_header(x, "If-Modified-Since");
    bool same =
        match != NULL ? strstr(match, etag) != NULL : since != NULL && strcmp(since, date) == 0;
    if (same)
        x->status = MHD_HTTP_NOT_MODIFIED;
    return same;
}

static void vehicle_page(struct dealer *dealer, const char *slug, struct exchange *x)
{
    const char *number = strrchr(slug, 'a');
    long index = number == NULL ? -1 : strtol(number + 1, NULL, 10) - 1000;
    if (index < 0 || index >= VEHICLE_COUNT) {
        not_found(x);
        return;
    }
    struct vehicle vehicle = dealer_vehicle(dealer, (size_t)index);
    if (strcmp(vehicle.slug, slug) != 0 || vehicle.removed) {
        not_found(x);
        return;
    }
    const char *etag = exchange_printf(x, "\"v%d-%d\"", vehicle.number, vehicle.version);
    if (!answer_unchanged(x, etag, modified_s(&vehicle)))
        dealer_vehicle_page(&vehicle, x);
}

/* Trade cars behind robots.txt, with markup as good as any. */
static void private_page(struct dealer *dealer, const char *rest, struct exchange *x)
{
    if (strcmp(rest, "press") == 0) {
        dealer_text_page("Press", "Call us for pictures of our showroom.", x);
        return;
    }
    if (strcmp(rest, "wholesale") == 0) {
        dealer_text_page("Wholesale",
                         "<a href=\"/private/vehicles/trade-0\">0</a> "
                         "<a href=\"/private/vehicles/trade-1\">1</a> "
                         "<a href=\"/private/vehicles/trade-2\">2</a> "
                         "<a href=\"/private/vehicles/trade-3\">3</a> "
                         "<a href=\"/private/vehicles/trade-4\">4</a> "
                         "<a href=\"/private/vehicles/trade-5\">5</a>",
                         x);
        return;
    }
    int number;
    if (sscanf(rest, "vehicles/trade-%d", &number) != 1 || number < 0 ||
        number >= DEALER_PRIVATE_COUNT) {
        not_found(x);
        return;
    }
    struct vehicle vehicle = dealer_vehicle(dealer, 0);
    (void)snprintf(vehicle.vin, sizeof vehicle.vin, "1G1FB1RX0P01%05d", number);
    (void)snprintf(vehicle.title, sizeof vehicle.title, "2015 Trade-in %d", number);
    (void)snprintf(vehicle.stock_number, sizeof vehicle.stock_number, "TR%d", number);
    (void)snprintf(vehicle.slug, sizeof vehicle.slug, "trade-%d", number);
    dealer_vehicle_page(&vehicle, x);
}

static void image(const char *rest, struct exchange *x)
{
    int number;
    int view;
    if (sscanf(rest, "%d-%d.png", &number, &view) != 2 || number < 0 || number >= VEHICLE_COUNT) {
        not_found(x);
        return;
    }
    x->content_type = "image/png";
    x->compress = false;
    const char *etag = exchange_printf(x, "\"i%d\"", number);
    if (!answer_unchanged(x, etag, MODIFIED_FIRST_S))
        dealer_append_image(number, &x->answer);
}

static void listing(struct dealer *dealer, bool is_new, struct exchange *x)
{
    const char *page = exchange_param_text(x, "page");
    if (!dealer_listing_page(dealer, is_new, page == NULL ? 1 : (int)strtol(page, NULL, 10), x))
        not_found(x);
}

static const char *after(const char *path, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(path, prefix, len) == 0 ? path + len : NULL;
}

static void prefixed_page(struct dealer *dealer, struct exchange *x)
{
    const char *rest = after(x->path, "/inventory/");
    if (rest == NULL)
        rest = after(x->path, "/specials/");
    if (rest != NULL) {
        vehicle_page(dealer, rest, x);
        return;
    }
    rest = after(x->path, "/private/");
    if (rest != NULL) {
        private_page(dealer, rest, x);
        return;
    }
    rest = after(x->path, "/images/vehicles/");
    if (rest != NULL)
        image(rest, x);
    else
        not_found(x);
}

/* A page that has no version of its own is known by its text. */
static void answer_by_text(struct exchange *x)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < x->answer.len; i++)
        hash = (hash ^ x->answer.data[i]) * 0x100000001b3u;
    const char *etag = exchange_printf(x, "W/\"%016llx\"", (unsigned long long)hash);
    const char *match = exchange_header(x, "If-None-Match");
    exchange_add_header(x, "ETag", etag);
    if (match == NULL || strstr(match, etag) == NULL)
        return;
    x->status = MHD_HTTP_NOT_MODIFIED;
    buffer_clear(&x->answer);
}

/* Pages without a version. False: none of them. */
static bool plain_page(struct dealer *dealer, struct exchange *x)
{
    const char *path = x->path;
    if (strcmp(path, "/") == 0)
        dealer_home_page(dealer, x);
    else if (strcmp(path, "/inventory/new") == 0)
        listing(dealer, true, x);
    else if (strcmp(path, "/inventory/used") == 0)
        listing(dealer, false, x);
    else if (strcmp(path, "/about") == 0)
        dealer_text_page("About us", "We have sold cars in Springfield since 1974.", x);
    else if (strcmp(path, "/contact") == 0)
        dealer_text_page("Contact", "Call 555-0100 or come by.", x);
    else
        return false;
    if (x->status == MHD_HTTP_OK)
        answer_by_text(x);
    return true;
}

/* robots.txt and the sitemaps. False: none of them. */
static bool list_page(struct dealer *dealer, struct exchange *x)
{
    const char *path = x->path;
    if (strcmp(path, "/robots.txt") == 0) {
        robots_page(x);
    } else if (strcmp(path, "/sitemap_index.xml") == 0) {
        sitemap_index(x);
    } else if (strcmp(path, "/sitemap-pages.xml") == 0) {
        sitemap_pages(x);
    } else if (strcmp(path, "/sitemap-vehicles-1.xml") == 0) {
        x->content_type = "application/xml; charset=utf-8";
        append_vehicle_sitemap(dealer, 0, DEALER_SITEMAP_FIRST, x, &x->answer);
    } else if (strcmp(path, "/sitemap-vehicles-2.xml.gz") == 0) {
        x->compress = false;
        gzip_sitemap(dealer, x);
    } else {
        return false;
    }
    answer_by_text(x);
    return true;
}

void dealer_handle(struct dealer *dealer, struct exchange *x)
{
    if (strcmp(x->method, "GET") != 0 && strcmp(x->method, "HEAD") != 0) {
        x->status = MHD_HTTP_METHOD_NOT_ALLOWED;
        exchange_add_header(x, "Allow", "GET, HEAD");
        return;
    }
    x->content_type = "text/html; charset=utf-8";
    x->compress = true;
    if (plain_page(dealer, x) || list_page(dealer, x))
        return;
    if (strcmp(x->path, "/inventory") == 0)
        exchange_redirect(x, "/inventory/used");
    else
        prefixed_page(dealer, x);
}
