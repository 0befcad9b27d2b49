/*
 * Connecting a website: the record and the scan job that reads it. Onboarding and settings do it
 * alike.
 *
 * A new URL is read for the first time by a scan that replaces the inventory; until that has found
 * something the record keeps the site that is connected, with its inventory
 * (model/onboarding.h). The same URL again is a re-scan, or joins the one that runs. A scan of
 * another URL that runs is superseded: it ends as failed and writes nothing any more.
 */
#ifndef RPC_SERVICES_WEBSITE_H
#define RPC_SERVICES_WEBSITE_H

#include "rpc/services/internal.h"

/*
 * Adds to `commit` what connects `url` (as site_url_check has made it), or nothing where a scan of
 * it runs already; `ret_job_id` is the scan's job. After the commit, jobs_wake. The commit's
 * RPC_ABORTED, and RPC_ALREADY_EXISTS on the index WEBSITE_SCAN_INDEX, mean: decide anew, with a
 * new commit. CONFLICT while the ads are being launched from the present site. Reads the store;
 * besides its errors RPC_RESOURCE_EXHAUSTED.
 */
enum rpc_code website_connect_add(struct services *services, struct rpc_context *context,
                                  struct store_commit *commit, int64_t customer_id, const char *url,
                                  int64_t *ret_job_id, struct rpc_status *status)
    __attribute__((warn_unused_result));

#define WEBSITE_SCAN_INDEX "by_slot"

#endif
