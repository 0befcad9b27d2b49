/*
 * What the files of the Admin service share.
 */
#ifndef RPC_SERVICES_ADMIN_H
#define RPC_SERVICES_ADMIN_H

#include "lotcast/v1/admin.pb-c.h"
#include "rpc/services/internal.h"

/* A reason that an admin gives, in bytes. */
#define ADMIN_REASON_BYTES_MAX 500

/* Handlers of admin_list.c, admin_detail.c, admin_change.c, admin_user.c and ledger_check.c. */
rpc_handler admin_list_customers, admin_get_customer, admin_adjust_credits, admin_suspend_customer,
    admin_resume_customer, admin_create_admin, admin_set_password, admin_check_ledger;

/*
 * The customer that a request's {id} names. X-Customer-ID, which rest passes on as it came, is
 * absent or equal to it, else INVALID_ARGUMENT (twice has been refused before). What can't be an id
 * is 0, which no customer has.
 */
enum rpc_code admin_customer_of(struct rpc_server_call *call, const char *id, int64_t *ret_id,
                                struct rpc_status *status) __attribute__((warn_unused_result));

/* The page that is asked for, in the arena; total and total_pages are still 0. INVALID_ARGUMENT. */
enum rpc_code admin_page_of(struct arena *arena, const Google__Protobuf__Int32Value *page,
                            const Google__Protobuf__Int32Value *limit,
                            Lotcast__V1__Pagination **ret_page, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Rows before the page. */
int64_t admin_page_offset(const Lotcast__V1__Pagination *page);
void admin_page_total(Lotcast__V1__Pagination *page, int64_t total);

/* A number and a time as JSON has them; NULL when the arena is full. */
char *admin_id_text(struct arena *arena, int64_t id);
char *admin_time_text(struct arena *arena, int64_t at_ms);

#endif
