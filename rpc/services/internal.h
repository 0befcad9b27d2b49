/*
 * What the services share. Immutable after services_create, except what locks for itself.
 */
#ifndef RPC_SERVICES_INTERNAL_H
#define RPC_SERVICES_INTERNAL_H

#include "rpc/services/model/money.h"
#include "rpc/services/services.h"

struct jobs;

struct services {
    struct services_options options;
    struct money_rates rates;
    struct jobs *jobs;
    struct rpc_service *rpc;
    size_t rpc_count;
};

/* Handlers, in the order of their service's methods in the .proto; `self` is the struct services.
 */
extern rpc_handler *const auth_handlers[];
extern rpc_handler *const meta_auth_handlers[];
extern rpc_handler *const access_control_handlers[];
extern rpc_handler *const dashboard_handlers[];
extern rpc_handler *const onboarding_handlers[];

#endif
