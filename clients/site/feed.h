/*
 * Lists of products in forms of their own: feeds as Google's product data specification has them
 * (RSS, Atom, CSV, TSV) and the interfaces of shop programs. All become a site_product, and that a
 * site_found by the rules that pages are read by.
 */
#ifndef CLIENTS_SITE_FEED_H
#define CLIENTS_SITE_FEED_H

#include <zlib.h>

#include "clients/site/extract.h"

/* A feed as it comes, and unpacked; what is beyond is not read. */
#define SITE_FEED_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define SITE_FEED_UNPACKED_BYTES_MAX ((size_t)256 * 1024 * 1024)
/* One field; the rest of it is cut off. */
#define SITE_FIELD_BYTES_MAX ((size_t)64 * 1024)
/* Columns of a table; those beyond are passed over. */
#define SITE_COLUMNS_MAX 512

/* ---- product.c ---- */

enum site_field {
    SITE_FIELD_ID,
    SITE_FIELD_TITLE,
    SITE_FIELD_DESCRIPTION,
    SITE_FIELD_LINK,
    SITE_FIELD_IMAGE,
    SITE_FIELD_PRICE,
    SITE_FIELD_SALE_PRICE,
    SITE_FIELD_SALE_DATES,
    SITE_FIELD_CURRENCY,
    SITE_FIELD_AVAILABILITY,
    SITE_FIELD_CONDITION,
    SITE_FIELD_BRAND,
    SITE_FIELD_GTIN,
    SITE_FIELD_MPN,
    SITE_FIELD_VIN,
    SITE_FIELD_MODEL,
    SITE_FIELD_YEAR,
    SITE_FIELD_MILEAGE,
    SITE_FIELD_MILEAGE_UNIT,
    SITE_FIELD_BODY_STYLE,
    SITE_FIELD_COUNT,
    SITE_FIELD_NONE = SITE_FIELD_COUNT
};

struct site_product {
    const char *fields[SITE_FIELD_COUNT]; /* NULL: not given */
    bool is_number;                       /* PRICE has a decimal point, whatever follows it */
};

/*
 * The field that a name stands for: a column's head, or elements' names joined by points
 * ("g:image_link", "Sale price", "image[0].url", "mileage.value").
 */
enum site_field site__field_of(const char *name);
/* Whether the product has anything that only things for sale have. */
bool site__product_is_offer(const struct site_product *product);

/* Where products are from, and who takes what they become. */
struct site_feed {
    const struct url *url;
    /*
     * The customer has named it, or it is the shop's own interface: its numbers are the items'
     * identity. Else an item with a page of its own is known by that page, so that what the page
     * says joins it.
     */
    bool is_named;
    int64_t now_ms;      /* wall clock: which sale is on */
    struct arena *arena; /* of one item; reset after it */
    void *arg;
    /* Lent. False: no more. */
    bool (*take)(void *arg, const struct site_found *found);
    /* within */
    struct site_page page;
    struct site_extraction *extraction;
    size_t taken;
    bool is_stopped;
    bool is_partly; /* something had to be left out */
};

/* False when out of memory. */
bool site__feed_open(struct site_feed *feed);
void site__feed_close(struct site_feed *feed);
/* Hands the product over, if it is one, and resets the arena. */
void site__feed_give(struct site_feed *feed, const struct site_product *product);

/* ---- unpack.c: gzip or not, by content ---- */

struct site_unpack {
    struct span body;
    size_t at; /* of a body that is not packed */
    bool is_gzip;
    bool is_over;   /* all has been given */
    bool is_broken; /* cut off, or no gzip behind its head */
    bool is_capped;
    size_t given;
    z_stream stream;
    uint8_t head[512]; /* what has been looked at ahead */
    size_t head_len, head_at;
};

/* Lends `body`. False when out of memory; then there is nothing to close. */
bool site__unpack_open(struct site_unpack *unpack, struct span body);
void site__unpack_close(struct site_unpack *unpack);
/* The next bytes; 0 at the end, which may be a broken one. */
size_t site__unpack_read(struct site_unpack *unpack, uint8_t *out, size_t size);
/* The first bytes, which stay to be read. */
struct span site__unpack_peek(struct site_unpack *unpack);

/* ---- feed.c ---- */

enum site_feed_result {
    SITE_FEED_OK,
    SITE_FEED_NONE,  /* no list of products at all */
    SITE_FEED_PARTLY /* broken or cut off; what came before has been taken */
};

/* Reads a feed in whatever form. `feed` need not be open. */
enum site_feed_result site__feed_read(struct span body, struct site_feed *feed);
/* csv.c and feed_xml.c; both need it open. True: it is a list of products. */
bool site__csv_read(struct site_unpack *unpack, struct site_feed *feed);
bool site__feed_xml_read(struct site_unpack *unpack, struct site_feed *feed);

/* ---- shop.c: the interfaces of shop programs ---- */

enum site_shop_kind { SITE_SHOP_NONE, SITE_SHOP_SHOPIFY, SITE_SHOP_WOOCOMMERCE };

/*
 * What the start page gives away of the program behind it: "shopify USD", "woocommerce
 * https://…/wp-json/". NULL: nothing that could be used. In `arena`.
 */
const char *site__shop_detect(struct span page, const struct http_response *response,
                              const struct url *home, struct arena *arena);
enum site_shop_kind site__shop_kind(const char *shop);
/* Where shops' interfaces are if there are any: the oldest form of WooCommerce's last. */
#define SITE_SHOP_GUESS_SHOPIFY "shopify "
#define SITE_SHOP_GUESS_WOOCOMMERCE "woocommerce /wp-json/"
#define SITE_SHOP_GUESS_WOOCOMMERCE_OLD "woocommerce /wp-json/wc/store/"
/* Whether prices would be without a currency; where the shop says it; and the shop completed with
 * what it says there, in `arena` (NULL: nothing of the kind). */
bool site__shop_needs_currency(const char *shop);
bool site__shop_facts_url(const struct url *home, struct arena *arena, struct url *ret_url);
const char *site__shop_complete(struct span body, struct arena *scratch, struct arena *arena);
/* The URL of a page of the interface, from 1; false if there is none. */
bool site__shop_url(const char *shop, const struct url *home, int number, struct arena *arena,
                    struct url *ret_url);
/*
 * Reads one page of the interface. `arena` is for the page, the feed's for an item. False if it is
 * none; ret_count is how many products it lists.
 */
bool site__shop_read(const char *shop, struct span body, struct site_feed *feed,
                     struct arena *arena, size_t *ret_count);

#endif
