/*
 * Pages of lists: --page and --limit, and which page was printed.
 */
#ifndef CLIENTS_LOTCTL_PAGE_H
#define CLIENTS_LOTCTL_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "lotcast/v1/inventory.pb-c.h"

struct page {
    bool has_number, has_limit;
    Google__Protobuf__Int32Value number, limit;
};

/* Takes --page and --limit out of the arguments; false, having complained, if one is no number. */
bool page_take(struct page *page, int *argc, char **argv);
/* As a request has them: NULL if not given. They live as long as the page. */
Google__Protobuf__Int32Value *page_number(struct page *page);
Google__Protobuf__Int32Value *page_limit(struct page *page);
/* One line on standard output: "3 of 247 customers, page 1 of 83". */
void page_print(const Lotcast__V1__Pagination *pagination, size_t shown, const char *what);

#endif
