/*
 * Settings/TestWebsite: reads a customer's site for a while and changes nothing. Has threads of its
 * own, made when they are needed: it takes up to 25 s, and workers are for what is quick.
 */
#ifndef RPC_SERVICES_SITE_PROBE_H
#define RPC_SERVICES_SITE_PROBE_H

#include "rpc/services/internal.h"

struct site_probes;

/* NULL when out of memory. Starts nothing. */
struct site_probes *site_probes_create(struct services *services);
/* Ends what runs and waits, with UNAVAILABLE, and joins the threads; later ones are refused. Takes
 * at most as long as a site's present requests need to be cancelled. Once or more. */
void site_probes_stop(struct site_probes *probes);
/* After site_probes_stop. Takes NULL. */
void site_probes_destroy(struct site_probes *probes);

#endif
