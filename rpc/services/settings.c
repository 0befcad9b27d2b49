/*
 * lotcast.v1.Settings: the customer's account, website and connection to Meta. TestWebsite is
 * served by site_probe.c, DisconnectMeta by disconnect.c.
 *
 * UpdateSettings checks all fields in declared order before it looks at any record; what is present
 * is then changed in one commit, all or nothing, at the versions that were read.
 */
#include "rpc/services/settings.h"

#include <stdio.h>
#include <string.h>

#include "clients/site/site.h"
#include "rpc/base/clock.h"
#include "rpc/services/connections.h"
#include "rpc/services/jobs/jobs.h"
#include "rpc/services/jobs/sync.h"
#include "rpc/services/model/text.h"
#include "rpc/services/website.h"
#include "rpc/services/zones.h"

#define EMAIL_INDEX "by_email"
#define FAIL(status, reason, field) \
    rpc_status_fail(status, LOTCAST__V1__REASON__REASON_##reason, field)

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

/* --- GetSettings --- */

enum { USER, CUSTOMER, WEBSITE, CONNECTION, OP_COUNT };

static enum rpc_code read_account(struct services *services, struct rpc_context *context,
                                  int64_t customer_id, struct store_read_op *ops, size_t count,
                                  struct rpc_status *status)
{
    static const ProtobufCMessageDescriptor *const records[OP_COUNT] = {
        [USER] = &lotcast__v1__user_record__descriptor, /* a customer's user has its number */
        [CUSTOMER] = &lotcast__v1__customer_record__descriptor,
        [WEBSITE] = &lotcast__v1__website_record__descriptor,
        [CONNECTION] = &lotcast__v1__meta_connection_record__descriptor,
    };
    for (size_t i = 0; i < count; i++)
        ops[i] = services__get(records[i], store_key(store_number(customer_id)));
    enum rpc_code code = store_read(services->options.store, context, ops, count, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (services__row(&ops[USER]) == NULL || services__row(&ops[CUSTOMER]) == NULL)
        return FAIL(status, NOT_FOUND, NULL);
    return RPC_OK;
}

static enum rpc_code get_settings(struct rpc_server_call *call, const void *request,
                                  void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct arena *arena = rpc_server_call_arena(call);
    Lotcast__V1__GetSettingsResponse *response = response_message;
    struct store_read_op ops[OP_COUNT];
    int64_t now_ms = clock_now_ms();
    (void)request;
    enum rpc_code code =
        read_account(services, rpc_server_call_context(call),
                     rpc_server_call_principal(call)->customer_id, ops, OP_COUNT, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__UserRecord *user = services__row(&ops[USER]);
    const Lotcast__V1__CustomerRecord *customer = services__row(&ops[CUSTOMER]);
    Lotcast__V1__SettingsUser *shown = arena_alloc(arena, sizeof *shown);
    response->website = connections_website(arena, services__row(&ops[WEBSITE]), now_ms);
    response->meta = connections_meta(arena, services__row(&ops[CONNECTION]), now_ms);
    if (shown == NULL || response->website == NULL || response->meta == NULL)
        return out_of_memory(status);
    lotcast__v1__settings_user__init(shown);
    shown->name = user->name;
    shown->email = user->email;
    shown->company = customer->company;
    shown->time_zone = (char *)zones_shown(customer->time_zone);
    response->user = shown;
    return RPC_OK;
}

/* --- UpdateSettings --- */

/* What is asked for, checked; NULL: not present. In the call's arena or the request. */
struct change {
    const char *name, *email, *company, *time_zone, *url;
};

static enum rpc_code take_name(const Google__Protobuf__StringValue *value, bool required,
                               const char *field, struct arena *arena, const char **ret_name,
                               struct rpc_status *status)
{
    size_t start;
    size_t len;
    if (value == NULL)
        return RPC_OK;
    if (!text_name(value->value, &start, &len) || (required && len == 0))
        return FAIL(status, INVALID_ARGUMENT, field);
    *ret_name = arena_strndup(arena, value->value + start, len);
    return *ret_name == NULL ? out_of_memory(status) : RPC_OK;
}

static enum rpc_code check_user(struct services *services,
                                const Lotcast__V1__SettingsUserChange *user, struct arena *arena,
                                struct change *change, struct rpc_status *status)
{
    const struct zone *zone;
    enum rpc_code code = take_name(user->name, false, "user.name", arena, &change->name, status);
    if (code != RPC_OK)
        return code;
    if (user->email != NULL) {
        if (!text_email_valid(user->email->value))
            return FAIL(status, INVALID_EMAIL, "user.email");
        change->email = user->email->value;
    }
    code = take_name(user->company, true, "user.company", arena, &change->company, status);
    if (code != RPC_OK || user->time_zone == NULL)
        return code;
    const char *name = user->time_zone->value;
    if (name[0] == '\0' || !zones_find(services->zones, name, &zone))
        return FAIL(status, INVALID_ARGUMENT, "user.timeZone");
    change->time_zone = name;
    return RPC_OK;
}

/* All fields alone, in declared order. */
static enum rpc_code check_change(struct services *services,
                                  const Lotcast__V1__UpdateSettingsRequest *request,
                                  struct arena *arena, struct change *change,
                                  struct rpc_status *status)
{
    enum rpc_code code = RPC_OK;
    if (request->user != NULL)
        code = check_user(services, request->user, arena, change, status);
    if (code != RPC_OK || request->website == NULL || request->website->url == NULL)
        return code;
    code = site_url_check(request->website->url->value, services->options.scan_policy, arena,
                          &change->url, status);
    if (code == RPC_INVALID_ARGUMENT && status != NULL)
        (void)snprintf(status->field, sizeof status->field, "website.url");
    return code;
}

/* Adds the user's and the customer's records as they are to be. */
static void put_account(const struct change *change, const struct store_read_op *ops,
                        char email_key[static TEXT_EMAIL_BYTES_MAX + 1],
                        struct store_commit *commit)
{
    Lotcast__V1__UserRecord *user = services__row(&ops[USER]);
    Lotcast__V1__CustomerRecord *customer = services__row(&ops[CUSTOMER]);
    if (change->name != NULL)
        user->name = (char *)change->name;
    if (change->email != NULL) {
        text_email_key(change->email, email_key);
        user->email = (char *)change->email;
        user->email_key = email_key;
    }
    if (change->company != NULL)
        customer->company = (char *)change->company;
    if (change->time_zone != NULL)
        customer->time_zone = (char *)change->time_zone;
    if (change->name != NULL || change->email != NULL)
        (void)store_commit_put_version(commit, user, services__version(&ops[USER]));
    if (change->company != NULL || change->time_zone != NULL)
        (void)store_commit_put_version(commit, customer, services__version(&ops[CUSTOMER]));
}

/* One try; `ret_lost` is set when it lost a race, and another may go better. */
static enum rpc_code update_once(struct services *services, struct rpc_context *context,
                                 int64_t customer_id, const struct change *change, bool *ret_lost,
                                 struct rpc_status *status)
{
    struct store_read_op ops[OP_COUNT];
    char email_key[TEXT_EMAIL_BYTES_MAX + 1];
    struct store_commit commit;
    int64_t scan_job_id = 0;
    enum rpc_code code = read_account(services, context, customer_id, ops, CUSTOMER + 1, status);
    if (code != RPC_OK)
        return code;
    store_commit_init(&commit, services->options.store, context);
    put_account(change, ops, email_key, &commit);
    if (change->time_zone != NULL)
        code = auto_sync_look_add(services, context, &commit, customer_id, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (change->url != NULL)
        code = website_connect_add(services, context, &commit, customer_id, change->url,
                                   &scan_job_id, status);
    if (code != RPC_OK || commit.count == 0)
        return code;
    code = store_commit_send(&commit, context, NULL, status);
    if (code == RPC_OK) {
        jobs_wake(services->jobs);
        return RPC_OK;
    }
    if (code == RPC_ALREADY_EXISTS && strcmp(status->field, EMAIL_INDEX) == 0)
        return FAIL(status, EMAIL_TAKEN, "user.email");
    *ret_lost = code == RPC_ABORTED || code == RPC_ALREADY_EXISTS;
    return *ret_lost ? FAIL(status, CONFLICT, NULL) : services__store_failed(code, status);
}

static enum rpc_code update_settings(struct rpc_server_call *call, const void *request,
                                     void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    Lotcast__V1__UpdateSettingsResponse *response = response_message;
    struct change change = {0};
    enum rpc_code code = check_change(services, request, context->arena, &change, status);
    bool lost = code == RPC_OK;
    for (int try = 0; lost && try < SERVICES_COMMIT_TRIES; try++) {
        lost = false;
        code = update_once(services, context, rpc_server_call_principal(call)->customer_id, &change,
                           &lost, status);
    }
    response->success = code == RPC_OK;
    return code;
}

/* --- GetScanStatus --- */

/* The last scan's error as the API says it; a plain code's own text is not for people. */
static enum rpc_code fill_scan_error(struct arena *arena, const Lotcast__V1__Status *error,
                                     Lotcast__V1__GetScanStatusResponse *response,
                                     struct rpc_status *status)
{
    struct rpc_status failure;
    Lotcast__V1__ScanError *shown = arena_alloc(arena, sizeof *shown);
    if (shown == NULL)
        return out_of_memory(status);
    rpc_status_from_message(&failure, error);
    bool plain = failure.reason == LOTCAST__V1__REASON__REASON_UNSPECIFIED;
    const struct rpc_reason *reason = rpc_reason_get(
        !plain ? failure.reason
               : rpc_reason_of_code(failure.code == RPC_OK ? RPC_INTERNAL : failure.code));
    lotcast__v1__scan_error__init(shown);
    shown->code = (char *)reason->name;
    shown->message = (char *)reason->message;
    if (!plain && error != NULL)
        shown->message = error->message;
    response->error = shown;
    return RPC_OK;
}

static enum rpc_code get_scan_status(struct rpc_server_call *call, const void *request,
                                     void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    Lotcast__V1__GetScanStatusResponse *response = response_message;
    struct store_read_op last = {
        .record = &lotcast__v1__job_record__descriptor,
        .index = "by_customer",
        .key = store_key(store_number(rpc_server_call_principal(call)->customer_id),
                         store_number(LOTCAST__V1__JOB_KIND__JOB_KIND_SCAN)),
        .is_range = true,
        .reverse = true,
        .limit = 1,
    };
    (void)request;
    enum rpc_code code = store_read(services->options.store, context, &last, 1, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    const Lotcast__V1__JobRecord *job = services__row(&last);
    if (job == NULL || job->scan == NULL)
        return RPC_OK;
    response->in_progress = job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE;
    response->items_found = job->scan->items_found;
    response->pages_fetched = job->scan->pages_fetched;
    if (job->state != LOTCAST__V1__JOB_STATE__JOB_STATE_FAILED)
        return RPC_OK;
    return fill_scan_error(context->arena, job->error, response, status);
}

rpc_handler *const settings_handlers[] = {get_settings, update_settings, settings__test_website,
                                          get_scan_status, settings__disconnect_meta};
