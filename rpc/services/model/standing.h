/*
 * How a customer stands: the step of onboarding, the status, the suggestion (api-contracts,
 * sections 4 and 9). Decided from the records alone; NULL where there is none. Pure.
 */
#ifndef RPC_SERVICES_MODEL_STANDING_H
#define RPC_SERVICES_MODEL_STANDING_H

#include <stdbool.h>
#include <stdint.h>

#include "lotcast/v1/records.pb-c.h"
#include "rpc/services/model/onboarding.h"

/* From so long before the token ends on, reconnecting is suggested. */
#define STANDING_TOKEN_WARNING_MS (INT64_C(14) * 24 * 3600 * 1000)
/* Fewer days than this, and credits are suggested. */
#define STANDING_CREDIT_DAYS_LOW 3

/* Borrowed for the calls below. */
struct standing_facts {
    const Lotcast__V1__CustomerRecord *customer;
    const Lotcast__V1__WebsiteRecord *website;
    const Lotcast__V1__MetaConnectionRecord *connection;
    const Lotcast__V1__CampaignRecord *campaign;
    int64_t balance_centi;
    bool has_days_estimate;
    int64_t days_estimate;
    int64_t now_ms;
};

/* connect, launch or done. Static. */
const char *standing_step_name(enum onboarding_step step);
/* Where log-in goes: the page of the step, or the dashboard. Static. */
const char *standing_step_path(enum onboarding_step step);

/* Whether there is a token at all, and it is not about to be revoked. */
bool standing_connected(const Lotcast__V1__MetaConnectionRecord *connection);
/* Whether there is one that Meta will take. */
bool standing_token_alive(const Lotcast__V1__MetaConnectionRecord *connection, int64_t now_ms);

/* The first that holds: suspended, setup, out_of_credits, attention, paused, running. Static. */
const char *standing_status(const struct standing_facts *facts);

/* When the clock alone changes the status or the suggestion next; INT64_MAX: never. */
int64_t standing_until(const struct standing_facts *facts);

/* Static texts. */
struct standing_suggestion {
    const char *id;
    const char *type;
    const char *message;
    const char *link;
};
/* The first that holds, or NULL. */
const struct standing_suggestion *standing_suggest(const struct standing_facts *facts);
/* Whether standing_suggest may give one with this id. */
bool standing_suggestion_known(const char *id);

#endif
