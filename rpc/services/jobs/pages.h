/*
 * What is known of a website's pages between scans (PageRecord): site.h's memory over the store.
 *
 * Records are read when pages are about to be asked for, many at once, and written in bounded,
 * fenced commits as the scan goes on: a page and what it brought are one record, so that it does
 * not matter where a scan ends. The memory only spares requests; where the store fails, pages are
 * read in full.
 */
#ifndef RPC_SERVICES_JOBS_PAGES_H
#define RPC_SERVICES_JOBS_PAGES_H

#include "clients/site/site.h"
#include "rpc/services/jobs/internal.h"

struct jobs_pages;

/* The memory of the step's customer's pages. NULL when out of memory: all pages are read then. */
struct jobs_pages *jobs__pages_open(struct job_step *step);
/* Lent until it is closed. NULL for NULL. */
const struct site_memory *jobs__pages_memory(const struct jobs_pages *pages);
/*
 * Writes what is left and frees. `is_complete`: the scan has been through the whole site, and pages
 * that it has not met are forgotten. Takes NULL.
 */
void jobs__pages_close(struct jobs_pages *pages, bool is_complete);

#endif
