/*
 * Puts the logic role together. What is made here lives until services_destroy; handlers and jobs
 * borrow it.
 */
#include "rpc/services/services.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "lotcast/v1/admin.pb-c.h"
#include "lotcast/v1/ads.pb-c.h"
#include "lotcast/v1/announcements.pb-c.h"
#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/billing.pb-c.h"
#include "lotcast/v1/dashboard.pb-c.h"
#include "lotcast/v1/inventory.pb-c.h"
#include "lotcast/v1/onboarding.pb-c.h"
#include "lotcast/v1/operations.pb-c.h"
#include "lotcast/v1/performance.pb-c.h"
#include "lotcast/v1/settings.pb-c.h"
#include "rpc/services/answers.h"
#include "rpc/services/internal.h"
#include "rpc/services/jobs/jobs.h"
#include "rpc/services/keyring.h"
#include "rpc/services/password_hash.h"
#include "rpc/services/payment.h"
#include "rpc/services/session.h"
#include "rpc/services/site_probe.h"
#include "rpc/services/zones.h"

_Static_assert(SERVICES_HASH_KEY_BYTES == crypto_generichash_KEYBYTES, "a keyed hash's key");

/* Digits of an int64_t at most. */
#define ID_DIGITS_MAX 18

static const struct {
    const ProtobufCServiceDescriptor *descriptor;
    rpc_handler *const *handlers;
} served[] = {
    {&lotcast__v1__admin__descriptor, admin_handlers},
    {&lotcast__v1__ads__descriptor, ads_handlers},
    {&lotcast__v1__auth__descriptor, auth_handlers},
    {&lotcast__v1__meta_auth__descriptor, meta_auth_handlers},
    {&lotcast__v1__access_control__descriptor, access_control_handlers},
    {&lotcast__v1__dashboard__descriptor, dashboard_handlers},
    {&lotcast__v1__onboarding__descriptor, onboarding_handlers},
    {&lotcast__v1__settings__descriptor, settings_handlers},
    {&lotcast__v1__announcements__descriptor, announcements_handlers},
    {&lotcast__v1__billing__descriptor, billing_handlers},
    {&lotcast__v1__inventory__descriptor, inventory_handlers},
    {&lotcast__v1__performance__descriptor, performance_handlers},
    {&lotcast__v1__operations__descriptor, operations_handlers},
};

#define SERVED_COUNT (sizeof served / sizeof served[0])

int64_t services__id_parse(const char *text)
{
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > ID_DIGITS_MAX || text[len] != '\0' || text[0] == '0')
        return 0;
    int64_t id = 0;
    for (size_t i = 0; i < len; i++)
        id = id * 10 + (text[i] - '0');
    return id;
}

enum rpc_code services__store_failed(enum rpc_code code, struct rpc_status *status)
{
    uint32_t retry_after_ms = status == NULL ? 0 : status->retry_after_ms;
    (void)rpc_status_fail(status, rpc_reason_of_code(code), NULL);
    if (status != NULL) {
        status->code = code;
        status->retry_after_ms = retry_after_ms;
    }
    return code;
}

static enum rpc_code fill(struct services *services, struct rpc_status *status)
{
    char random[SESSION_TOKEN_BYTES];
    session_token_make(random);
    services->keyring = keyring_create(
        services->options.secret_key, services->options.key_directory, services->options.key_given);
    services->zones = zones_create();
    services->probes = site_probes_create(services);
    services->answers = answers_create(services->options.store);
    services->early = answers_early(services->answers);
    services->rpc = calloc(SERVED_COUNT, sizeof *services->rpc);
    if (services->keyring == NULL || services->zones == NULL || services->probes == NULL ||
        services->answers == NULL || services->rpc == NULL ||
        password_hash_make(random, services->unknown_hash) != RPC_OK)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < SERVED_COUNT; i++)
        services->rpc[i] = (struct rpc_service){
            .descriptor = served[i].descriptor,
            .handlers = served[i].handlers,
            .self = services,
        };
    services->rpc_count = SERVED_COUNT;
    return jobs_create(services, &services->jobs, status);
}

enum rpc_code services_create(const struct services_options *options,
                              struct services **ret_services, struct rpc_status *status)
{
    struct money_rates rates;
    if (sodium_init() < 0)
        return rpc_status_set(status, RPC_INTERNAL, "libsodium does not start");
    if (!money_rates_parse(options->credit_rates, &rates))
        return rpc_status_set(
            status, RPC_INVALID_ARGUMENT,
            "LOTCAST_CREDIT_RATES has a bad value (currencies and what credits one "
            "unit buys: USD:20,EUR:22)");
    struct services *services = calloc(1, sizeof *services);
    if (services == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    services->options = *options;
    services->rates = rates;
    payment_metrics_register();
    enum rpc_code code = fill(services, status);
    if (code != RPC_OK) {
        services_destroy(services);
        return code;
    }
    *ret_services = services;
    return RPC_OK;
}

const struct rpc_service *services_rpc(const struct services *services, size_t *ret_count)
{
    *ret_count = services->rpc_count;
    return services->rpc;
}

struct rpc_server_interceptor services_interceptor_auth(struct services *services)
{
    return (struct rpc_server_interceptor){.before = services__auth_before, .self = services};
}

const struct rpc_server_early *services_early(const struct services *services)
{
    return &services->early;
}

enum rpc_code services_jobs_start(struct services *services, struct rpc_status *status)
{
    return jobs_start(services->jobs, status);
}

void services_jobs_stop(struct services *services, int64_t timeout_ms)
{
    site_probes_stop(services->probes);
    jobs_stop(services->jobs, timeout_ms);
}

void services_destroy(struct services *services)
{
    if (services == NULL)
        return;
    if (services->jobs != NULL)
        jobs_destroy(services->jobs);
    site_probes_destroy(services->probes);
    answers_destroy(services->answers);
    zones_destroy(services->zones);
    keyring_destroy(services->keyring);
    free(services->rpc);
    sodium_memzero(services, sizeof *services);
    free(services);
}
