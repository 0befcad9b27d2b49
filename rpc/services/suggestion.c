/*
 * lotcast.v1.Announcements, and what the dashboard does with announcements.
 *
 * A dismissed announcement's id is in the customer's record. The other suggestions come from how
 * the customer stands (model/standing.h); they go by themselves once what they ask for is done.
 */
#include "rpc/services/suggestion.h"

#include <stdlib.h>
#include <string.h>

#include "lotcast/v1/announcements.pb-c.h"
#include "lotcast/v1/dashboard.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/services/model/text.h"

#define ANNOUNCEMENT_COUNTER "announcement"
#define ID_PREFIX "announcement-"
#define DEFAULT_LINK "/app/templates"

#define FAIL(status, reason, field) \
    rpc_status_fail(status, LOTCAST__V1__REASON__REASON_##reason, field)

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

/* The number of an announcement's id as we write it; false for any other text. */
static bool parse_number(const char *text, int64_t *ret_number)
{
    int64_t number = 0;
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > 18 || text[len] != '\0' || text[0] == '0')
        return false;
    for (size_t i = 0; i < len; i++)
        number = number * 10 + (text[i] - '0');
    *ret_number = number;
    return true;
}

/* --- the dashboard --- */

struct store_read_op suggestion_announcements_op(void)
{
    return (struct store_read_op){.record = &lotcast__v1__announcement_record__descriptor,
                                  .is_range = true,
                                  .reverse = true,
                                  .limit = SUGGESTION_ANNOUNCEMENTS_MAX};
}

static bool dismissed(const Lotcast__V1__CustomerRecord *customer, const char *id)
{
    for (size_t i = 0; i < customer->n_dismissed_suggestions; i++)
        if (strcmp(customer->dismissed_suggestions[i], id) == 0)
            return true;
    return false;
}

enum rpc_code suggestion_announcement_pick(const struct store_read_op *announcements,
                                           const Lotcast__V1__CustomerRecord *customer,
                                           struct arena *arena,
                                           const struct standing_suggestion **ret_suggestion)
{
    for (size_t i = 0; i < announcements->ret_row_count; i++) {
        const Lotcast__V1__AnnouncementRecord *record = (const void *)announcements->ret_rows[i];
        if (record->withdrawn)
            continue;
        char *id = arena_printf(arena, ID_PREFIX "%lld", (long long)record->announcement_id);
        struct standing_suggestion *suggestion = arena_alloc(arena, sizeof *suggestion);
        if (id == NULL || suggestion == NULL)
            return RPC_RESOURCE_EXHAUSTED;
        if (dismissed(customer, id))
            continue;
        *suggestion = (struct standing_suggestion){id, "template", record->message, record->link};
        *ret_suggestion = suggestion;
        return RPC_OK;
    }
    *ret_suggestion = NULL;
    return RPC_OK;
}

/* Adds the id to the customer's, without the oldest where there are too many. */
static enum rpc_code dismissed_add(Lotcast__V1__CustomerRecord *customer, const char *id,
                                   struct arena *arena, struct rpc_status *status)
{
    size_t count = customer->n_dismissed_suggestions;
    size_t dropped = count < SUGGESTION_DISMISSED_MAX ? 0 : count - SUGGESTION_DISMISSED_MAX + 1;
    char **ids = arena_calloc(arena, count - dropped + 1, sizeof *ids);
    if (ids == NULL)
        return out_of_memory(status);
    for (size_t i = dropped; i < count; i++)
        ids[i - dropped] = customer->dismissed_suggestions[i];
    ids[count - dropped] = (char *)id;
    customer->dismissed_suggestions = ids;
    customer->n_dismissed_suggestions = count - dropped + 1;
    return RPC_OK;
}

/* One try; `ret_lost` is set when it lost a race, and another may go better. */
static enum rpc_code dismiss_once(struct rpc_server_call *call, const char *id, int64_t number,
                                  bool *ret_lost, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    struct store_key key = store_key(store_number(rpc_server_call_principal(call)->customer_id));
    struct store_read_op ops[] = {
        services__get(&lotcast__v1__customer_record__descriptor, key),
        services__get(&lotcast__v1__announcement_record__descriptor,
                      store_key(store_number(number))),
    };
    enum rpc_code code = store_read(services->options.store, context, ops, 2, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    Lotcast__V1__CustomerRecord *customer = services__row(&ops[0]);
    if (customer == NULL || services__row(&ops[1]) == NULL)
        return FAIL(status, NOT_FOUND, NULL);
    if (dismissed(customer, id))
        return RPC_OK;
    code = dismissed_add(customer, id, context->arena, status);
    if (code != RPC_OK)
        return code;
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    (void)store_commit_put_version(&commit, customer, services__version(&ops[0]));
    code = store_commit_send(&commit, context, NULL, status);
    *ret_lost = code == RPC_ABORTED;
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

enum rpc_code suggestion_dismiss(struct rpc_server_call *call, const void *request_message,
                                 void *response_message, struct rpc_status *status)
{
    const Lotcast__V1__DismissSuggestionRequest *request = request_message;
    Lotcast__V1__DismissSuggestionResponse *response = response_message;
    int64_t number = 0;
    enum rpc_code code = RPC_OK;
    if (request->id[0] == '\0')
        return FAIL(status, INVALID_ARGUMENT, "id");
    bool lost = !standing_suggestion_known(request->id);
    if (lost && (strncmp(request->id, ID_PREFIX, strlen(ID_PREFIX)) != 0 ||
                 !parse_number(request->id + strlen(ID_PREFIX), &number)))
        return FAIL(status, NOT_FOUND, NULL);
    for (int try = 0; lost && try < SERVICES_COMMIT_TRIES; try++) {
        lost = false;
        code = dismiss_once(call, request->id, number, &lost, status);
    }
    response->success = code == RPC_OK;
    return code;
}

/* --- Announcements --- */

static enum rpc_code publish(struct rpc_server_call *call, const void *request_message,
                             void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const Lotcast__V1__PublishAnnouncementRequest *request = request_message;
    Lotcast__V1__PublishAnnouncementResponse *response = response_message;
    size_t start;
    size_t len;
    if (!text_name(request->message, &start, &len) || len == 0)
        return FAIL(status, INVALID_ARGUMENT, "message");
    const char *link = request->link[0] == '\0' ? DEFAULT_LINK : request->link;
    if (!text_return_to_valid(link))
        return FAIL(status, INVALID_ARGUMENT, "link");
    Lotcast__V1__AnnouncementRecord record = LOTCAST__V1__ANNOUNCEMENT_RECORD__INIT;
    enum rpc_code code = store_numbers_take(services->options.store, context, ANNOUNCEMENT_COUNTER,
                                            1, &record.announcement_id, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    record.message = arena_strndup(context->arena, request->message + start, len);
    record.link = (char *)link;
    record.published_at_ms = clock_now_ms();
    response->id =
        arena_printf(context->arena, ID_PREFIX "%lld", (long long)record.announcement_id);
    if (record.message == NULL || response->id == NULL)
        return out_of_memory(status);
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    (void)store_commit_put_new(&commit, &record);
    code = store_commit_send(&commit, context, NULL, status);
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

/* One try; `ret_lost` as above. */
static enum rpc_code withdraw_once(struct services *services, struct rpc_context *context,
                                   int64_t number, bool *ret_lost, struct rpc_status *status)
{
    Lotcast__V1__AnnouncementRecord *record;
    uint64_t version;
    enum rpc_code code =
        store_get(services->options.store, context, &lotcast__v1__announcement_record__descriptor,
                  NULL, store_key(store_number(number)), &record, &version, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (record == NULL)
        return FAIL(status, NOT_FOUND, NULL);
    if (record->withdrawn)
        return RPC_OK;
    record->withdrawn = true;
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    (void)store_commit_put_version(&commit, record, version);
    code = store_commit_send(&commit, context, NULL, status);
    *ret_lost = code == RPC_ABORTED;
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

/* Takes the id as it was published, or its number alone. */
static enum rpc_code withdraw(struct rpc_server_call *call, const void *request_message,
                              void *response_message, struct rpc_status *status)
{
    const Lotcast__V1__WithdrawAnnouncementRequest *request = request_message;
    Lotcast__V1__WithdrawAnnouncementResponse *response = response_message;
    const char *text = request->id;
    int64_t number = 0;
    if (strncmp(text, ID_PREFIX, strlen(ID_PREFIX)) == 0)
        text += strlen(ID_PREFIX);
    if (!parse_number(text, &number))
        return FAIL(status, INVALID_ARGUMENT, "id");
    enum rpc_code code = RPC_OK;
    bool lost = true;
    for (int try = 0; lost && try < SERVICES_COMMIT_TRIES; try++) {
        lost = false;
        code = withdraw_once(rpc_server_call_self(call), rpc_server_call_context(call), number,
                             &lost, status);
    }
    response->success = code == RPC_OK;
    return code;
}

static Lotcast__V1__Announcement *show(struct arena *arena,
                                       const Lotcast__V1__AnnouncementRecord *record)
{
    Lotcast__V1__Announcement *shown = arena_alloc(arena, sizeof *shown);
    char *published_at = arena_alloc(arena, CLOCK_RFC3339_BYTES);
    char *id = arena_printf(arena, ID_PREFIX "%lld", (long long)record->announcement_id);
    if (shown == NULL || published_at == NULL || id == NULL)
        return NULL;
    lotcast__v1__announcement__init(shown);
    clock_format_rfc3339(record->published_at_ms, published_at);
    shown->id = id;
    shown->message = record->message;
    shown->link = record->link;
    shown->published_at = published_at;
    shown->withdrawn = record->withdrawn;
    return shown;
}

static enum rpc_code list(struct rpc_server_call *call, const void *request, void *response_message,
                          struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct arena *arena = rpc_server_call_arena(call);
    Lotcast__V1__ListAnnouncementsResponse *response = response_message;
    struct store_read_op op = suggestion_announcements_op();
    (void)request;
    enum rpc_code code =
        store_read(services->options.store, rpc_server_call_context(call), &op, 1, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    response->announcements =
        arena_calloc(arena, op.ret_row_count, sizeof *response->announcements);
    if (response->announcements == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < op.ret_row_count; i++) {
        response->announcements[i] = show(arena, (const void *)op.ret_rows[i]);
        if (response->announcements[i] == NULL)
            return out_of_memory(status);
    }
    response->n_announcements = op.ret_row_count;
    return RPC_OK;
}

/* --- what a customer is shown of them --- */

static Lotcast__V1__CustomerAnnouncement *show_to(struct arena *arena,
                                                  const Lotcast__V1__CustomerRecord *customer,
                                                  const Lotcast__V1__AnnouncementRecord *record)
{
    const Lotcast__V1__Announcement *announcement = show(arena, record);
    Lotcast__V1__CustomerAnnouncement *shown = arena_alloc(arena, sizeof *shown);
    if (announcement == NULL || shown == NULL)
        return NULL;
    lotcast__v1__customer_announcement__init(shown);
    shown->id = announcement->id;
    shown->message = announcement->message;
    shown->link = announcement->link;
    shown->published_at = announcement->published_at;
    shown->dismissed = dismissed(customer, shown->id);
    return shown;
}

/* Runs inline, so it must only read. */
static enum rpc_code list_for_customer(struct rpc_server_call *call, const void *request,
                                       void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct arena *arena = rpc_server_call_arena(call);
    Lotcast__V1__ListCustomerAnnouncementsResponse *response = response_message;
    struct store_key key = store_key(store_number(rpc_server_call_principal(call)->customer_id));
    struct store_read_op ops[] = {services__get(&lotcast__v1__customer_record__descriptor, key),
                                  suggestion_announcements_op()};
    (void)request;
    enum rpc_code code =
        store_read(services->options.store, rpc_server_call_context(call), ops, 2, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    const Lotcast__V1__CustomerRecord *customer = services__row(&ops[0]);
    if (customer == NULL)
        return FAIL(status, NOT_FOUND, NULL);
    response->announcements =
        arena_calloc(arena, ops[1].ret_row_count, sizeof *response->announcements);
    if (response->announcements == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < ops[1].ret_row_count; i++) {
        const Lotcast__V1__AnnouncementRecord *record = (const void *)ops[1].ret_rows[i];
        if (record->withdrawn)
            continue;
        Lotcast__V1__CustomerAnnouncement *shown = show_to(arena, customer, record);
        if (shown == NULL)
            return out_of_memory(status);
        response->announcements[response->n_announcements++] = shown;
    }
    return RPC_OK;
}

rpc_handler *const announcements_handlers[] = {publish, withdraw, list, list_for_customer};
