/*
 * How far a customer is on the way to running ads. Pure; used wherever the next step is shown and
 * wherever a launch is decided, so that the two never disagree.
 *
 * A website record's url is the site that the inventory comes from; while there is no inventory yet
 * it is the one that was asked for last. A new URL's first scan is marked by first_scan_pending and
 * its URL is in its scan job; when it succeeds the record takes that URL, when it fails the record
 * keeps what it had. So:
 *
 *   connected   a site has been read with success at least once (last_read_at_ms is set)
 *   scanning    first_scan_pending, whether or not an older site is connected meanwhile
 */
#ifndef RPC_SERVICES_MODEL_ONBOARDING_H
#define RPC_SERVICES_MODEL_ONBOARDING_H

#include <stdbool.h>
#include <stddef.h>

#include "lotcast/v1/records.pb-c.h"

enum onboarding_step { ONBOARDING_CONNECT, ONBOARDING_LAUNCH, ONBOARDING_DONE };

/* Whether an inventory has been read from a website. NULL: there is no record. */
static inline bool onboarding_website_connected(const Lotcast__V1__WebsiteRecord *website)
{
    return website != NULL && website->last_read_at_ms > 0;
}

/* Whether a URL is being scanned for the first time. */
static inline bool onboarding_first_scan(const Lotcast__V1__WebsiteRecord *website)
{
    return website != NULL && website->first_scan_pending;
}

/* The step that is next; either record may be NULL. A campaign record exists from a launch's
 * success on. */
static inline enum onboarding_step onboarding_step_next(const Lotcast__V1__WebsiteRecord *website,
                                                        const Lotcast__V1__CampaignRecord *campaign)
{
    if (campaign != NULL)
        return ONBOARDING_DONE;
    /* While a site is being read for the first time the customer may go on: a launch waits for it.
     */
    return onboarding_website_connected(website) || onboarding_first_scan(website)
               ? ONBOARDING_LAUNCH
               : ONBOARDING_CONNECT;
}

#endif
