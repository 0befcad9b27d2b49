/*
 * The dealer's website.
 */
#ifndef TEST_SANDBOX_DEALER_H
#define TEST_SANDBOX_DEALER_H

#include "test/sandbox/http.h"
#include "test/sandbox/vehicles.h"

/* Answers a request to the website. */
void dealer_handle(struct dealer *dealer, struct exchange *x);

/* dealer_markup.c: what pages say about a vehicle in <head> and where it stands. */
enum dealer_markup { DEALER_JSON_LD, DEALER_MICRODATA, DEALER_OPEN_GRAPH };
enum dealer_markup dealer_markup_of(const struct vehicle *vehicle);
/* /inventory/<slug> */
void dealer_append_path(const struct vehicle *vehicle, struct buffer *out);
/* JSON-LD blocks or meta elements. */
void dealer_append_head(const struct vehicle *vehicle, const char *origin, struct buffer *out);
/* The vehicle's article, with microdata where the page has that. */
void dealer_append_article(const struct vehicle *vehicle, const char *origin, struct buffer *out);

/* dealer_pages.c */
void dealer_home_page(struct dealer *dealer, struct exchange *x);
void dealer_vehicle_page(const struct vehicle *vehicle, struct exchange *x);
/* `is_new`: the new cars' listing, with numbered links; else the used cars', with rel=next. False:
 * no such page. */
bool dealer_listing_page(struct dealer *dealer, bool is_new, int page, struct exchange *x);
void dealer_text_page(const char *title, const char *text, struct exchange *x);

/* dealer_image.c: appends a PNG of 600×600 with a car in the vehicle's colour. */
void dealer_append_image(int number, struct buffer *out);

/* Vehicles from here on are in no sitemap: only the listings' later pages lead to them. */
#define DEALER_SITEMAP_VEHICLES 210
/* The first sitemap's share; the rest is in the gzip one. */
#define DEALER_SITEMAP_FIRST 105
/* This one has a second page, /specials/<slug>. */
#define DEALER_SPECIAL_VEHICLE 33
/* Pages behind robots.txt, that are no part of the inventory. */
#define DEALER_PRIVATE_COUNT 6

#endif
