/*
 * Made-up sites, each a few pages in markup of one kind, and what is for sale on them.
 */
#ifndef TEST_UNIT_CLIENTS_SITE_SITES_H
#define TEST_UNIT_CLIENTS_SITE_SITES_H

#include "test/unit/clients/site_fixture.h"

struct site_case {
    const char *name;
    const struct route *routes;
    size_t route_count;
    const char *start; /* NULL: "/" */
    /* A line for each item, in any order, without the site's origin: identity|title|price
     * currency|stock|condition|brand|model|year|mileage|image. */
    const char *wanted;
};

extern const struct site_case site_cases[];
extern const size_t site_case_count;

#endif
