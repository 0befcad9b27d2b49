/*
 * What a page brought, as a record and back: an unchanged page's items and links are taken from
 * what an earlier scan has kept of it. The caller keeps the records between scans.
 *
 * What comes back must be what reading would give. Whoever changes what is read of a page counts
 * LAYOUT up, or unchanged pages stay as they were read before.
 */
#include "clients/site/kept.h"
#include "clients/site/scan.h"

#define LAYOUT 4
/* A record, packed. */
#define KNOWN_BYTES_MAX ((size_t)512 * 1024)

/* Of a page. */
#define PAGE_LISTING 1u
#define PAGE_NOFOLLOW 2u
#define PAGE_HAS_LINKS 4u
#define PAGE_UNKEPT 8u /* it was too large: nothing is known of it */
/* Of a link. */
#define LINK_NEXT 1u
#define LINK_PREVIOUS 2u
#define LINK_FOLLOW 4u
#define LINK_ALTERNATE 8u
#define LINK_ITEM 16u
/* Of a finding. */
#define FOUND_DETAIL 1u
#define FOUND_VEHICLE 2u
#define FOUND_OWN_URL 4u
#define FOUND_SAYS_STOCK 8u
#define FOUND_IN_STOCK 16u
#define FOUND_HAS_PRICE 32u

/* ---- findings ---- */

static char *text_or_empty(const char *text)
{
    return (char *)(uintptr_t)(text == NULL ? "" : text);
}

static const char *text_or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

static Lotcast__V1__PageFinding *finding_of(const struct site_found *found, struct arena *arena)
{
    Lotcast__V1__PageFinding *finding = arena_alloc(arena, sizeof *finding);
    Lotcast__V1__ItemRecord *item = arena_alloc(arena, sizeof *item);
    if (finding == NULL || item == NULL)
        return NULL;
    lotcast__v1__page_finding__init(finding);
    lotcast__v1__item_record__init(item);
    finding->item = item;
    finding->source = (int32_t)found->source;
    finding->suffix = text_or_empty(found->suffix);
    finding->link = text_or_empty(found->link);
    finding->traits =
        (found->is_detail ? FOUND_DETAIL : 0) | (found->is_vehicle ? FOUND_VEHICLE : 0) |
        (found->has_own_url ? FOUND_OWN_URL : 0) | (found->in_stock >= 0 ? FOUND_SAYS_STOCK : 0) |
        (found->in_stock > 0 ? FOUND_IN_STOCK : 0) |
        (found->price_minor >= 0 ? FOUND_HAS_PRICE : 0);
    item->title = text_or_empty(found->title);
    item->description = text_or_empty(found->description);
    item->image_url = text_or_empty(found->image);
    item->brand = text_or_empty(found->brand);
    item->model = text_or_empty(found->model);
    item->body_style = text_or_empty(found->body_style);
    item->vin = text_or_empty(found->vin);
    item->sku = text_or_empty(found->sku);
    item->url = text_or_empty(found->url);
    item->price_minor = found->price_minor;
    item->currency = text_or_empty(found->currency);
    item->year = found->year;
    item->condition = (Lotcast__V1__ItemCondition)found->condition;
    item->mileage = found->mileage;
    item->mileage_unit = text_or_empty(found->mileage_unit);
    return finding;
}

static struct site_found *found_of(const Lotcast__V1__PageFinding *finding, struct arena *arena)
{
    const Lotcast__V1__ItemRecord *item = finding->item;
    struct site_found *found = item == NULL ? NULL : arena_calloc(arena, 1, sizeof *found);
    if (found == NULL)
        return NULL;
    found->source = (enum site_source)finding->source;
    found->is_detail = (finding->traits & FOUND_DETAIL) != 0;
    found->is_vehicle = (finding->traits & FOUND_VEHICLE) != 0;
    found->has_own_url = (finding->traits & FOUND_OWN_URL) != 0;
    found->in_stock = (finding->traits & FOUND_IN_STOCK) != 0     ? 1
                      : (finding->traits & FOUND_SAYS_STOCK) != 0 ? 0
                                                                  : -1;
    found->suffix = text_or_null(finding->suffix);
    found->link = text_or_null(finding->link);
    found->title = text_or_null(item->title);
    found->description = text_or_null(item->description);
    found->image = text_or_null(item->image_url);
    found->brand = text_or_null(item->brand);
    found->model = text_or_null(item->model);
    found->body_style = text_or_null(item->body_style);
    found->vin = text_or_null(item->vin);
    found->sku = text_or_null(item->sku);
    found->url = text_or_null(item->url);
    bool has_price = (finding->traits & FOUND_HAS_PRICE) != 0;
    found->price_minor = has_price ? item->price_minor : -1;
    found->currency = has_price ? item->currency : NULL;
    found->year = item->year;
    found->condition = (int)item->condition;
    found->mileage = item->mileage;
    found->mileage_unit = text_or_null(item->mileage_unit);
    return found;
}

static bool keep_findings(Lotcast__V1__PageRecord *record, const struct site_page *page,
                          struct arena *arena)
{
    record->findings = arena_calloc(arena, page->found_count, sizeof(void *));
    for (const struct site_found *found = page->found_first; found != NULL; found = found->next) {
        Lotcast__V1__PageFinding *finding =
            record->findings == NULL || record->n_findings == page->found_count
                ? NULL
                : finding_of(found, arena);
        if (finding == NULL)
            return false;
        record->findings[record->n_findings++] = finding;
    }
    return true;
}

/* ---- links ---- */

static size_t count_links(const struct site_page *page)
{
    size_t count = 0;
    for (const struct site_link *link = page->link_first; link != NULL; link = link->next)
        count++;
    for (const struct site_link *link = page->item_first; link != NULL; link = link->next)
        count++;
    return count;
}

static bool keep_link(Lotcast__V1__PageRecord *record, const struct site_link *link, uint32_t trait,
                      const struct url *url, struct arena *arena)
{
    Lotcast__V1__PageLink *kept = arena_alloc(arena, sizeof *kept);
    if (kept == NULL)
        return false;
    lotcast__v1__page_link__init(kept);
    kept->url = text_or_empty(url->text);
    kept->traits = trait | (link->is_next ? LINK_NEXT : 0) |
                   (link->is_previous ? LINK_PREVIOUS : 0) | (link->is_follow ? LINK_FOLLOW : 0) |
                   (link->is_alternate ? LINK_ALTERNATE : 0);
    record->links[record->n_links++] = kept;
    return true;
}

/* The links that may be followed, as absolute URLs. */
static bool keep_links(const struct scan *scan, Lotcast__V1__PageRecord *record,
                       const struct site_page *page, struct arena *arena)
{
    const struct site_link *const lists[] = {page->link_first, page->item_first};
    record->traits |= PAGE_HAS_LINKS;
    record->links = arena_calloc(arena, count_links(page), sizeof(void *));
    if (record->links == NULL)
        return false;
    for (size_t i = 0; i < 2; i++) {
        for (const struct site_link *link = lists[i]; link != NULL; link = link->next) {
            struct url url;
            bool is_use = site__link_resolve(&page->base, link->href, arena, &url) &&
                          scan__is_ours(scan, &url);
            if (is_use && !keep_link(record, link, i == 1 ? LINK_ITEM : 0, &url, arena))
                return false;
        }
    }
    return true;
}

static bool add_link(struct site_page *page, const Lotcast__V1__PageLink *kept, struct arena *arena)
{
    struct site_link *link = arena_calloc(arena, 1, sizeof *link);
    if (link == NULL)
        return false;
    link->href = span_of_string(kept->url);
    link->is_next = (kept->traits & LINK_NEXT) != 0;
    link->is_previous = (kept->traits & LINK_PREVIOUS) != 0;
    link->is_follow = (kept->traits & LINK_FOLLOW) != 0;
    link->is_alternate = (kept->traits & LINK_ALTERNATE) != 0;
    bool is_item = (kept->traits & LINK_ITEM) != 0;
    struct site_link **first = is_item ? &page->item_first : &page->link_first;
    struct site_link **last = is_item ? &page->item_last : &page->link_last;
    if (*last == NULL)
        *first = link;
    else
        (*last)->next = link;
    *last = link;
    return true;
}

/* ---- pages ---- */

/* The record of a page, of this reader. NULL: none. */
static Lotcast__V1__PageRecord *find(struct scan *scan, const char *url)
{
    const struct site_memory *memory = scan->options->memory;
    if (memory == NULL)
        return NULL;
    arena_reset(&scan->memo);
    Lotcast__V1__PageRecord *known = memory->find(memory->arg, url, &scan->memo);
    return known != NULL && known->layout == LAYOUT && known->part_count == 0 ? known : NULL;
}

Lotcast__V1__PageRecord *known__find(struct scan *scan, const char *url)
{
    Lotcast__V1__PageRecord *known = find(scan, url);
    bool is_use = known != NULL && (known->etag[0] != '\0' || known->last_modified[0] != '\0');
    return is_use ? known : NULL;
}

Lotcast__V1__PageRecord *known__stale(struct scan *scan, const char *url,
                                      enum known_stale *ret_stale)
{
    Lotcast__V1__PageRecord *known = find(scan, url);
    if (known == NULL)
        return NULL;
    *ret_stale = (known->traits & PAGE_UNKEPT) != 0 ? KNOWN_UNKEPT : KNOWN_PAGE;
    return known;
}

void known__same(struct scan *scan, const char *url)
{
    const struct site_memory *memory = scan->options->memory;
    if (memory != NULL)
        memory->keep(memory->arg, url, NULL);
}

/* Whether items may be known from the page that do not have its URL. */
static bool is_telling(const struct site_page *page, const struct url *url, bool is_list,
                       struct arena *arena)
{
    const char *canonical = url_canonical(url, arena);
    bool is_alias = canonical == NULL || strcmp(canonical, page->canonical) != 0;
    bool is_detail = false;
    for (const struct site_found *found = page->found_first; found != NULL; found = found->next)
        is_detail = is_detail || found->is_detail;
    return is_detail ? is_alias : is_list;
}

static bool fill(struct scan *scan, Lotcast__V1__PageRecord *record, const struct site_page *page,
                 bool is_list)
{
    record->traits =
        (page->is_listing ? PAGE_LISTING : 0) | (page->is_nofollow ? PAGE_NOFOLLOW : 0);
    record->canonical = text_or_empty(page->canonical);
    return keep_findings(record, page, &scan->memo) &&
           (!is_list || keep_links(scan, record, page, &scan->memo)) &&
           lotcast__v1__page_record__get_packed_size(record) <= KNOWN_BYTES_MAX;
}

void known__keep(struct scan *scan, const struct url *url, const struct site_page *page,
                 bool is_list, const struct http_response *response, const char *shop)
{
    const struct site_memory *memory = scan->options->memory;
    Lotcast__V1__PageRecord record = LOTCAST__V1__PAGE_RECORD__INIT;
    if (memory == NULL)
        return;
    arena_reset(&scan->memo);
    if (!kept__validators(&record, response) && !is_telling(page, url, is_list, &scan->memo))
        return;
    record.layout = LAYOUT;
    record.shop = text_or_empty(shop);
    if (response->truncated || page->is_full || !fill(scan, &record, page, is_list)) {
        record = (Lotcast__V1__PageRecord)LOTCAST__V1__PAGE_RECORD__INIT;
        record.layout = LAYOUT;
        record.traits = PAGE_UNKEPT;
    }
    memory->keep(memory->arg, url->text, &record);
}

void known__keep_shop(struct scan *scan, const struct url *url,
                      const struct http_response *response, const char *shop)
{
    struct site_page page = {.url = *url, .base = *url, .canonical = url->text};
    known__keep(scan, url, &page, false, response, shop);
}

bool known__has_links(const Lotcast__V1__PageRecord *known)
{
    return (known->traits & PAGE_HAS_LINKS) != 0;
}

bool known__page(const Lotcast__V1__PageRecord *known, const struct url *url, struct arena *arena,
                 struct site_page *ret_page)
{
    struct site_page page = {.arena = arena, .url = *url, .base = *url};
    if (known->shop[0] != '\0') /* it was not read, as its shop had listed everything */
        return false;
    page.canonical = known->canonical;
    page.is_listing = (known->traits & PAGE_LISTING) != 0;
    page.is_nofollow = (known->traits & PAGE_NOFOLLOW) != 0;
    for (size_t i = 0; i < known->n_findings; i++) {
        struct site_found *found = found_of(known->findings[i], arena);
        if (found == NULL)
            return false;
        if (page.found_last == NULL)
            page.found_first = found;
        else
            page.found_last->next = found;
        page.found_last = found;
        page.found_count++;
    }
    for (size_t i = 0; i < known->n_links; i++) {
        if (!add_link(&page, known->links[i], arena))
            return false;
    }
    *ret_page = page;
    return true;
}
