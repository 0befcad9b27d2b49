/*
 * lotcast.v1.Admin: the service's table, what its files share, and the audit's list.
 */
#include "rpc/services/admin.h"

#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/audit.h"

#define PAGE_LIMIT_DEFAULT 50
#define PAGE_LIMIT_MAX 200

enum rpc_code admin_customer_of(struct rpc_server_call *call, const char *id, int64_t *ret_id,
                                struct rpc_status *status)
{
    const char *header = rpc_server_call_metadata(call, RPC_METADATA_CUSTOMER_ID);
    if (header != NULL && strcmp(header, id) != 0)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                               "X-Customer-ID");
    *ret_id = services__id_parse(id);
    return RPC_OK;
}

enum rpc_code admin_page_of(struct arena *arena, const Google__Protobuf__Int32Value *page,
                            const Google__Protobuf__Int32Value *limit,
                            Lotcast__V1__Pagination **ret_page, struct rpc_status *status)
{
    Lotcast__V1__Pagination *found = arena_alloc(arena, sizeof *found);
    if (found == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
    lotcast__v1__pagination__init(found);
    found->page = page == NULL ? 1 : page->value;
    found->limit = limit == NULL ? PAGE_LIMIT_DEFAULT : limit->value;
    if (found->page < 1)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, "page");
    if (found->limit < 1 || found->limit > PAGE_LIMIT_MAX)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, "limit");
    *ret_page = found;
    return RPC_OK;
}

int64_t admin_page_offset(const Lotcast__V1__Pagination *page)
{
    return ((int64_t)page->page - 1) * page->limit;
}

void admin_page_total(Lotcast__V1__Pagination *page, int64_t total)
{
    page->total = total;
    page->total_pages = (total + page->limit - 1) / page->limit;
}

char *admin_id_text(struct arena *arena, int64_t id)
{
    return arena_printf(arena, "%lld", (long long)id);
}

char *admin_time_text(struct arena *arena, int64_t at_ms)
{
    char *text = arena_alloc(arena, CLOCK_RFC3339_BYTES);
    if (text != NULL)
        clock_format_rfc3339(at_ms, text);
    return text;
}

/* --- ListAudit --- */

static Lotcast__V1__AuditEntry *audit_entry(struct arena *arena,
                                            const Lotcast__V1__AuditRecord *record)
{
    Lotcast__V1__AuditEntry *entry = arena_alloc(arena, sizeof *entry);
    Lotcast__V1__AuditActor *actor = arena_alloc(arena, sizeof *actor);
    if (entry == NULL || actor == NULL)
        return NULL;
    lotcast__v1__audit_entry__init(entry);
    lotcast__v1__audit_actor__init(actor);
    actor->id = record->actor_id == 0 ? (char *)"" : admin_id_text(arena, record->actor_id);
    actor->email = record->actor_email;
    entry->id = admin_id_text(arena, record->audit_id);
    entry->at = admin_time_text(arena, record->at_ms);
    entry->actor = actor;
    entry->action = record->action;
    entry->customer_id =
        record->customer_id == 0 ? (char *)"" : admin_id_text(arena, record->customer_id);
    entry->reason = record->reason;
    entry->request_id = record->request_id;
    bool whole =
        actor->id != NULL && entry->id != NULL && entry->at != NULL && entry->customer_id != NULL;
    return whole ? entry : NULL;
}

/* What of the audit is asked for, newest first. */
static enum rpc_code audit_range(const Lotcast__V1__ListAuditRequest *request,
                                 struct store_read_op *ret_range, struct rpc_status *status)
{
    struct store_read_op range = {
        .record = &lotcast__v1__audit_record__descriptor, .is_range = true, .reverse = true};
    if (request->customer_id != NULL) {
        int64_t customer_id = services__id_parse(request->customer_id->value);
        if (customer_id == 0)
            return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                                   "customerId");
        range.index = "by_customer";
        range.key = store_key(store_number(customer_id));
    }
    *ret_range = range;
    return RPC_OK;
}

static enum rpc_code list_audit(struct rpc_server_call *call, const void *request_message,
                                void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const Lotcast__V1__ListAuditRequest *request = request_message;
    Lotcast__V1__ListAuditResponse *response = response_message;
    struct store_query_op query = {.want_total = true};
    enum rpc_code code =
        admin_page_of(context->arena, request->page, request->limit, &response->pagination, status);
    if (code == RPC_OK)
        code = audit_range(request, &query.range, status);
    if (code == RPC_OK)
        code = audit_operator_read(call, 0, status);
    if (code != RPC_OK)
        return code;
    int64_t offset = admin_page_offset(response->pagination);
    query.range.limit = (uint32_t)response->pagination->limit;
    /* Behind the end either way. */
    query.offset = offset > UINT32_MAX ? UINT32_MAX : (uint32_t)offset;
    code = store_query(services->options.store, context, &query, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    admin_page_total(response->pagination, query.ret_total);
    size_t count = query.range.ret_row_count;
    response->entries = arena_calloc(context->arena, count, sizeof *response->entries);
    for (size_t i = 0; response->entries != NULL && i < count; i++) {
        response->entries[i] = audit_entry(context->arena, (const void *)query.range.ret_rows[i]);
        if (response->entries[i] == NULL)
            return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
        response->n_entries = i + 1;
    }
    if (response->n_entries != count)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
    return RPC_OK;
}

rpc_handler *const admin_handlers[] = {
    admin_list_customers,   admin_get_customer,    admin_adjust_credits,
    admin_suspend_customer, admin_resume_customer, list_audit,
    admin_create_admin,     admin_set_password,    admin_check_ledger};
