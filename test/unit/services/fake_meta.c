#include "test/unit/services/fake_meta.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct fake_meta *fake;
fake_hook *_Atomic fake_on_call;

void fake_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *fake) != 0)
        abort();
    fake = mmap(NULL, sizeof *fake, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fake == MAP_FAILED)
        abort();
    (void)close(fd);
    atomic_store(&fake->lock, 0); /* whoever held it has been killed */
}

static void lock(void)
{
    int free_ = 0;
    while (!atomic_compare_exchange_weak(&fake->lock, &free_, 1)) {
        free_ = 0;
        (void)sched_yield();
    }
}

static void unlock(void)
{
    atomic_store(&fake->lock, 0);
}

int fake_count(enum meta_object kind)
{
    int count = 0;
    lock();
    for (int i = 0; i < fake->object_count; i++)
        count += fake->objects[i].kind == kind;
    unlock();
    return count;
}

bool fake_holds(int64_t item_id)
{
    lock();
    bool holds = fake->items[item_id];
    unlock();
    return holds;
}

void fake_fail(enum fake_fault fault, int every)
{
    lock();
    fake->fault = fault;
    fake->fault_every = every;
    unlock();
}

void fake_revoke(void)
{
    lock();
    fake->revoked = true;
    unlock();
}

bool fake_active(enum meta_object kind)
{
    bool active = false;
    lock();
    for (int i = 0; i < fake->object_count; i++)
        active = active || (fake->objects[i].kind == kind && fake->objects[i].active);
    unlock();
    return active;
}

/* Counts a call and says what becomes of it. */
static enum fake_fault call(const char *token)
{
    fake->calls++;
    if (strcmp(token, FAKE_TOKEN) != 0 || fake->revoked)
        return FAKE_TOKEN_DEAD;
    bool hit = fake->fault_at == fake->calls ||
               (fake->fault_every > 0 && fake->calls % fake->fault_every == 0);
    return hit ? fake->fault : FAKE_NONE;
}

static enum rpc_code answer(enum fake_fault fault, struct rpc_status *status)
{
    fake_hook *on_call = atomic_load(&fake_on_call);
    if (on_call != NULL)
        on_call(fake->calls);
    switch (fault) {
    case FAKE_NONE:
        return RPC_OK;
    case FAKE_TOKEN_DEAD:
        (void)rpc_status_fail(status, LOTCAST__V1__REASON__REASON_META_NOT_CONNECTED, NULL);
        (void)snprintf(status->upstream, sizeof status->upstream, "meta");
        return status->code = RPC_UNAUTHENTICATED;
    case FAKE_UNAVAILABLE:
    case FAKE_UNKNOWN_OUTCOME:
        return rpc_status_fail_upstream(status, "meta");
    case FAKE_REFUSED:
        (void)rpc_status_fail_upstream(status, "meta");
        return status->code = RPC_INVALID_ARGUMENT;
    case FAKE_THROTTLED:
        (void)rpc_status_fail_upstream(status, "meta");
        status->retry_after_ms = 50;
        return status->code = RPC_RESOURCE_EXHAUSTED;
    }
    abort();
}

enum rpc_code meta_object_find(struct meta_client *client, struct rpc_context *context,
                               const char *token, enum meta_object kind, const char *parent_id,
                               const char *name, const char **ret_id, struct rpc_status *status)
{
    (void)client;
    const char *id = NULL;
    lock();
    enum fake_fault fault = call(token);
    for (int i = 0; i < fake->object_count; i++) {
        const struct fake_object *object = &fake->objects[i];
        if (object->kind == kind && strcmp(object->parent, parent_id) == 0 &&
            strcmp(object->name, name) == 0)
            id = arena_strdup(context->arena, object->id);
    }
    unlock();
    enum rpc_code code = answer(fault, status);
    if (code == RPC_OK)
        *ret_id = id;
    return code;
}

static const char *parent_of(enum meta_object kind, const struct meta_create *create)
{
    if (kind == META_CATALOG)
        return create->business_id;
    return kind == META_PRODUCT_SET ? create->catalog_id : create->ad_account_id;
}

enum rpc_code meta_object_create(struct meta_client *client, struct rpc_context *context,
                                 const char *token, enum meta_object kind,
                                 const struct meta_create *create, const char **ret_id,
                                 struct rpc_status *status)
{
    (void)client;
    const char *id = NULL;
    lock();
    enum fake_fault fault = call(token);
    if (fault == FAKE_NONE || fault == FAKE_UNKNOWN_OUTCOME) {
        if (fake->object_count == FAKE_OBJECTS_MAX)
            abort();
        struct fake_object *object = &fake->objects[fake->object_count];
        memset(object, 0, sizeof *object);
        object->kind = kind;
        object->daily_budget = create->daily_budget;
        object->vehicles = create->vehicles;
        (void)snprintf(object->parent, sizeof object->parent, "%s", parent_of(kind, create));
        (void)snprintf(object->name, sizeof object->name, "%s", create->name);
        (void)snprintf(object->id, sizeof object->id, "id_%d", 1000 + fake->object_count);
        id = arena_strdup(context->arena, object->id);
        fake->object_count++;
    }
    unlock();
    enum rpc_code code = answer(fault, status);
    if (code == RPC_OK)
        *ret_id = id;
    return code;
}

enum rpc_code meta_token_revoke(struct meta_client *client, struct rpc_context *context,
                                const char *token, struct rpc_status *status)
{
    (void)client;
    (void)context;
    lock();
    enum fake_fault fault = call(token);
    if (fault == FAKE_NONE || fault == FAKE_UNKNOWN_OUTCOME) {
        fake->revoked = true;
        fake->revocations++;
    }
    unlock();
    return answer(fault, status);
}

enum rpc_code meta_status_set(struct meta_client *client, struct rpc_context *context,
                              const char *token, const char *object_id, bool active,
                              struct rpc_status *status)
{
    (void)client;
    (void)context;
    bool found = false;
    lock();
    enum fake_fault fault = call(token);
    for (int i = 0; i < fake->object_count; i++) {
        if (strcmp(fake->objects[i].id, object_id) != 0)
            continue;
        found = true;
        if (fault == FAKE_NONE || fault == FAKE_UNKNOWN_OUTCOME)
            fake->objects[i].active = active;
    }
    unlock();
    if (!found)
        abort();
    return answer(fault, status);
}

/* Takes one change of a batch, or refuses it at once. */
static void take_change(const struct meta_item_change *change, struct meta_submission *submission)
{
    int64_t id = change->item_id;
    if (id >= FAKE_ITEMS_MAX || (change->item != NULL && change->item->excluded[0] != '\0'))
        abort();
    if (fake->refused_at_once_id == id && change->item != NULL) {
        submission->errors[submission->error_count++] =
            (struct meta_item_error){id, "The link is not a URL"};
        return;
    }
    fake->deletes += change->item == NULL;
    fake->updates += change->item != NULL;
    fake->item_count += (change->item != NULL) - fake->items[id];
    fake->items[id] = change->item != NULL;
}

enum rpc_code meta_items_send(struct meta_client *client, struct rpc_context *context,
                              const char *token, const char *catalog_id,
                              const struct meta_item_change *changes, size_t count,
                              struct meta_submission *ret_submission, struct rpc_status *status)
{
    (void)client;
    (void)catalog_id;
    if (count == 0 || count > META_BATCH_ITEMS_MAX)
        abort();
    struct meta_submission submission = {
        .handles = arena_calloc(context->arena, 1, sizeof *submission.handles),
        .errors = arena_calloc(context->arena, count, sizeof *submission.errors)};
    lock();
    enum fake_fault fault = call(token);
    if (fault == FAKE_NONE && fake->takes_at_most > 0 && (int64_t)count > fake->takes_at_most)
        fault = FAKE_UNAVAILABLE;
    for (size_t i = 0; i < count && (fault == FAKE_NONE || fault == FAKE_UNKNOWN_OUTCOME); i++)
        take_change(&changes[i], &submission);
    int submit = ++fake->submits;
    unlock();
    enum rpc_code code = answer(fault, status);
    if (code != RPC_OK)
        return code;
    submission.handles[0] = arena_printf(context->arena, "handle_%d", submit);
    submission.handle_count = submission.error_count < count;
    *ret_submission = submission;
    return RPC_OK;
}

enum rpc_code meta_items_list(struct meta_client *client, struct rpc_context *context,
                              const char *token, const char *catalog_id, int64_t **ret_item_ids,
                              size_t *ret_count, struct rpc_status *status)
{
    (void)client;
    (void)catalog_id;
    int64_t *ids = arena_calloc(context->arena, FAKE_ITEMS_MAX, sizeof *ids);
    size_t count = 0;
    lock();
    enum fake_fault fault = call(token);
    for (int64_t id = 0; id < FAKE_ITEMS_MAX; id++)
        if (fake->items[id])
            ids[count++] = id;
    fake->lists++;
    unlock();
    enum rpc_code code = answer(fault, status);
    if (code != RPC_OK)
        return code;
    *ret_item_ids = ids;
    *ret_count = count;
    return RPC_OK;
}

enum rpc_code meta_ad_set_update(struct meta_client *client, struct rpc_context *context,
                                 const char *token, const char *ad_set_id, int64_t daily_budget,
                                 const Lotcast__V1__Targeting *targeting, struct rpc_status *status)
{
    (void)client;
    (void)context;
    lock();
    enum fake_fault fault = call(token);
    for (int i = 0; i < fake->object_count; i++) {
        struct fake_object *object = &fake->objects[i];
        if (strcmp(object->id, ad_set_id) != 0 ||
            (fault != FAKE_NONE && fault != FAKE_UNKNOWN_OUTCOME))
            continue;
        if (daily_budget > 0)
            object->daily_budget = daily_budget;
        if (targeting != NULL)
            object->age_min = targeting->age_min;
    }
    unlock();
    return answer(fault, status);
}

enum rpc_code meta_items_status(struct meta_client *client, struct rpc_context *context,
                                const char *token, const char *catalog_id, const char *handle,
                                struct meta_batch_status *ret_batch, struct rpc_status *status)
{
    (void)client;
    (void)catalog_id;
    (void)handle;
    struct meta_batch_status batch = {0};
    lock();
    enum fake_fault fault = call(token);
    batch.finished = fake->polls_until_finished == 0;
    if (!batch.finished)
        fake->polls_until_finished--;
    batch.failed = fake->batch_fails;
    if (batch.finished && fake->refused_item_id != 0) {
        batch.errors = arena_calloc(context->arena, FAKE_ITEMS_MAX, sizeof *batch.errors);
        for (int64_t id = 1; id < FAKE_ITEMS_MAX; id++)
            if (fake->items[id] && (fake->refused_item_id == -1 || fake->refused_item_id == id))
                batch.errors[batch.error_count++] =
                    (struct meta_item_error){id, "The image is too small"};
    }
    unlock();
    enum rpc_code code = answer(fault, status);
    if (code == RPC_OK)
        *ret_batch = batch;
    return code;
}

enum rpc_code meta_insights_daily(struct meta_client *client, struct rpc_context *context,
                                  const char *token, const char *campaign_id, int32_t first_day,
                                  int32_t last_day, struct meta_insight **ret_days,
                                  size_t *ret_count, struct rpc_status *status)
{
    (void)client;
    (void)campaign_id;
    struct meta_insight *days = arena_calloc(context->arena, FAKE_DAYS_MAX, sizeof *days);
    size_t count = 0;
    lock();
    enum fake_fault fault = call(token);
    fake->daily_calls++;
    fake->asked_first_day = first_day;
    fake->asked_last_day = last_day;
    for (int i = 0; i < fake->day_count; i++)
        if (fake->days[i].day >= first_day && fake->days[i].day <= last_day)
            days[count++] = fake->days[i];
    unlock();
    enum rpc_code code = answer(fault, status);
    if (code != RPC_OK)
        return code;
    *ret_days = days;
    *ret_count = count;
    return RPC_OK;
}

enum rpc_code meta_insights_total(struct meta_client *client, struct rpc_context *context,
                                  const char *token, const char *campaign_id, int32_t first_day,
                                  int32_t last_day, struct meta_insight *ret_total,
                                  struct rpc_status *status)
{
    (void)client;
    (void)context;
    (void)campaign_id;
    struct meta_insight total = {0};
    lock();
    enum fake_fault fault = call(token);
    fake->total_calls++;
    fake->total_first_day = first_day;
    fake->total_last_day = last_day;
    for (int i = 0; i < fake->day_count; i++) {
        const struct meta_insight *day = &fake->days[i];
        if (first_day != 0 && (day->day < first_day || day->day > last_day))
            continue;
        total.impressions += day->impressions;
        total.clicks += day->clicks;
        total.spend_minor += day->spend_minor;
        if (total.reach < day->reach)
            total.reach = day->reach;
    }
    if (first_day == 0)
        total.reach = fake->lifetime_reach;
    unlock();
    enum rpc_code code = answer(fault, status);
    if (code == RPC_OK)
        *ret_total = total;
    return code;
}

enum rpc_code meta_insights_items(struct meta_client *client, struct rpc_context *context,
                                  const char *token, const char *campaign_id, int32_t first_day,
                                  int32_t last_day, size_t max,
                                  struct meta_insight_item **ret_items, size_t *ret_count,
                                  struct rpc_status *status)
{
    (void)client;
    (void)campaign_id;
    (void)first_day;
    (void)last_day;
    struct meta_insight_item *items = arena_calloc(context->arena, FAKE_BEST_MAX, sizeof *items);
    lock();
    enum fake_fault fault = fake->no_breakdown ? FAKE_REFUSED : call(token);
    size_t count = (size_t)fake->best_count;
    for (size_t i = 0; i < count; i++) {
        items[i] = fake->best[i];
        items[i].title =
            arena_printf(context->arena, "Best %lld", (long long)fake->best[i].item_id);
    }
    unlock();
    enum rpc_code code = answer(fault, status);
    if (code != RPC_OK)
        return code;
    *ret_items = items;
    *ret_count = count < max ? count : max;
    return RPC_OK;
}

int64_t meta_currency_factor(const char *currency)
{
    return strcmp(currency, "JPY") == 0 ? 1 : 100;
}

/* --- what only log-in to Meta uses --- */

bool meta_client_configured(const struct meta_client *client)
{
    (void)client;
    return false;
}

const char *meta_dialog_url(const struct meta_client *client, const char *redirect_uri,
                            const char *state, struct arena *arena)
{
    (void)client;
    (void)redirect_uri;
    (void)state;
    (void)arena;
    return NULL;
}

enum rpc_code meta_code_exchange(struct meta_client *client, struct rpc_context *context,
                                 const char *code, const char *redirect_uri,
                                 struct meta_token *ret_token, struct rpc_status *status)
{
    (void)client;
    (void)context;
    (void)code;
    (void)redirect_uri;
    (void)ret_token;
    return rpc_status_fail_upstream(status, "meta");
}

enum rpc_code meta_token_extend(struct meta_client *client, struct rpc_context *context,
                                const char *token, struct meta_token *ret_token,
                                struct rpc_status *status)
{
    (void)client;
    (void)context;
    (void)token;
    (void)ret_token;
    return rpc_status_fail_upstream(status, "meta");
}

enum rpc_code meta_token_debug(struct meta_client *client, struct rpc_context *context,
                               const char *token, struct meta_token_info *ret_info,
                               struct rpc_status *status)
{
    (void)client;
    (void)context;
    (void)token;
    (void)ret_info;
    return rpc_status_fail_upstream(status, "meta");
}

enum rpc_code meta_accounts_get(struct meta_client *client, struct rpc_context *context,
                                const char *token, struct meta_accounts *ret_accounts,
                                struct rpc_status *status)
{
    (void)client;
    (void)context;
    (void)token;
    (void)ret_accounts;
    return rpc_status_fail_upstream(status, "meta");
}

/* --- the site --- */

static Lotcast__V1__ItemRecord *site_item(int number, int index, struct arena *arena)
{
    Lotcast__V1__ItemRecord *item = arena_alloc(arena, sizeof *item);
    lotcast__v1__item_record__init(item);
    item->identity = arena_printf(arena, "sku:%d", number);
    item->sku = arena_printf(arena, "%d", number);
    item->title = arena_printf(arena, "Item %d", number);
    item->url = arena_printf(arena, "https://shop.example/%d", number);
    item->kind = LOTCAST__V1__ITEM_KIND__ITEM_KIND_PRODUCT;
    item->price_minor = fake->site_price + (number == fake->site_changed);
    item->currency = (char *)"USD";
    item->in_stock = number != fake->site_sold;
    item->mileage = -1;
    if (index < fake->site_excluded)
        item->excluded = (char *)"It has no price";
    char *hash = arena_printf(arena, "hash-%d-%d%s", number, (int)item->price_minor,
                              item->in_stock ? "" : "-sold");
    item->content_hash = (ProtobufCBinaryData){strlen(hash), (uint8_t *)hash};
    return item;
}

/* Each page is as it is known, or is kept with an item and a link. */
static void site_page_read(const struct site_memory *memory, int number, struct arena *arena)
{
    Lotcast__V1__PageRecord page = LOTCAST__V1__PAGE_RECORD__INIT;
    Lotcast__V1__PageFinding finding = LOTCAST__V1__PAGE_FINDING__INIT;
    Lotcast__V1__PageLink link = LOTCAST__V1__PAGE_LINK__INIT;
    Lotcast__V1__PageFinding *findings[] = {&finding};
    Lotcast__V1__PageLink *links[] = {&link};
    char *url = arena_printf(arena, "https://shop.example/p/%d", number);
    page.etag = arena_printf(arena, "v%d", fake->site_page_version);
    const Lotcast__V1__PageRecord *known = memory->find(memory->arg, url, arena);
    if (known != NULL && strcmp(known->etag, page.etag) == 0 && known->n_findings == 1 &&
        strcmp(known->findings[0]->item->title, url) == 0 && known->n_links == 1) {
        (void)atomic_fetch_add(&fake->site_pages_same, 1);
        memory->keep(memory->arg, url, NULL);
        return;
    }
    finding.item = site_item(number, 0, arena);
    finding.item->title = url;
    link.url = url;
    page.findings = findings;
    page.links = links;
    page.n_findings = 1;
    page.n_links = 1;
    memory->keep(memory->arg, url, &page);
}

/* The scan tells of most of the pages before it asks. */
static void site_pages_prepare(const struct site_memory *memory, int from, struct arena *arena)
{
    const char *urls[SITE_AHEAD_MAX];
    size_t count = 0;
    for (int i = from; i < fake->site_pages && count + 1 < SITE_AHEAD_MAX; i++)
        urls[count++] = arena_printf(arena, "https://shop.example/p/%d", fake->site_page_first + i);
    memory->prepare(memory->arg, urls, count);
}

enum rpc_code site_scan_run(const struct site_scan_options *options, struct rpc_context *context,
                            struct site_scan *ret_scan, struct rpc_status *status)
{
    (void)atomic_fetch_add(&fake->site_reads, 1);
    for (int64_t found = 1; fake->site_slow; found++) {
        if (!options->progress(options->progress_arg, found, found * 2))
            return rpc_status_set(status, RPC_CANCELLED, "stopped");
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (fake->site_error != LOTCAST__V1__REASON__REASON_UNSPECIFIED)
        return rpc_status_fail(status, fake->site_error, NULL);
    struct site_scan scan = {.item_count = (size_t)fake->site_items,
                             .pages_fetched = fake->site_items + 1,
                             .complete = !fake->site_incomplete};
    scan.items = arena_calloc(context->arena, scan.item_count, sizeof(Lotcast__V1__ItemRecord *));
    size_t count = 0;
    for (size_t i = 0; i < scan.item_count; i++)
        if (fake->site_first + (int)i != fake->site_gap)
            scan.items[count++] = site_item(fake->site_first + (int)i, (int)i, context->arena);
    scan.item_count = count;
    scan.held = arena_calloc(context->arena, (size_t)fake->site_held, sizeof(char *));
    for (; scan.held_count < (size_t)fake->site_held; scan.held_count++)
        scan.held[scan.held_count] = arena_printf(context->arena, "https://shop.example/%d",
                                                  fake->site_first - 1 - (int)scan.held_count);
    for (int i = 0; i < fake->site_pages && options->memory != NULL; i++) {
        if (i % SITE_AHEAD_MAX == 0)
            site_pages_prepare(options->memory, i, context->arena);
        site_page_read(options->memory, fake->site_page_first + i, context->arena);
    }
    (void)options->progress(options->progress_arg, fake->site_items, fake->site_items + 1);
    *ret_scan = scan;
    return RPC_OK;
}

enum rpc_code site_url_check(const char *url, const struct http_address_policy *policy,
                             struct arena *arena, const char **ret_url, struct rpc_status *status)
{
    (void)policy;
    if (strchr(url, '.') == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_URL, "url");
    *ret_url = arena_strdup(arena, url);
    return RPC_OK;
}
