#include "rpc/services/model/standing.h"

#include <string.h>

const char *standing_step_name(enum onboarding_step step)
{
    static const char *const names[] = {"connect", "launch", "done"};
    return names[step];
}

const char *standing_step_path(enum onboarding_step step)
{
    static const char *const paths[] = {"/onboarding/connect", "/onboarding/launch",
                                        "/app/dashboard"};
    return paths[step];
}

bool standing_connected(const Lotcast__V1__MetaConnectionRecord *connection)
{
    return connection != NULL && connection->token_sealed.len > 0 && !connection->disconnecting;
}

bool standing_token_alive(const Lotcast__V1__MetaConnectionRecord *connection, int64_t now_ms)
{
    return standing_connected(connection) && !connection->token_dead &&
           !connection->token_unreadable &&
           (connection->token_expires_at_ms == 0 || connection->token_expires_at_ms > now_ms);
}

const char *standing_status(const struct standing_facts *facts)
{
    const Lotcast__V1__CampaignRecord *campaign = facts->campaign;
    if (facts->customer->suspended)
        return "suspended";
    if (onboarding_step_next(facts->website, campaign) != ONBOARDING_DONE)
        return "setup";
    if (facts->balance_centi <= 0)
        return "out_of_credits";
    /* Disconnected by choice is paused, whatever went wrong before. */
    if (!standing_connected(facts->connection))
        return "paused";
    if (campaign->sync_failed || !standing_token_alive(facts->connection, facts->now_ms))
        return "attention";
    return campaign->state == LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE ? "running"
                                                                                 : "paused";
}

static bool token_ends_soon(const struct standing_facts *facts)
{
    int64_t end_ms = facts->connection->token_expires_at_ms;
    return end_ms != 0 && end_ms - facts->now_ms <= STANDING_TOKEN_WARNING_MS;
}

int64_t standing_until(const struct standing_facts *facts)
{
    int64_t end_ms = facts->connection == NULL ? 0 : facts->connection->token_expires_at_ms;
    if (end_ms == 0 || end_ms <= facts->now_ms)
        return INT64_MAX;
    int64_t warning_ms = end_ms - STANDING_TOKEN_WARNING_MS;
    return warning_ms > facts->now_ms ? warning_ms : end_ms;
}

static bool credits_low(const struct standing_facts *facts)
{
    return facts->balance_centi <= 0 ||
           (facts->has_days_estimate && facts->days_estimate < STANDING_CREDIT_DAYS_LOW);
}

/* Those that come from how a customer stands. */
enum { CONNECT, LAUNCH, RECONNECT, RENEW, CREDITS, SYNC, SYNC_HELD, SUGGESTION_COUNT };

static const struct standing_suggestion suggestions[SUGGESTION_COUNT] = {
    [CONNECT] = {"onboarding-connect", "onboarding", "Connect your website to get started",
                 "/onboarding/connect"},
    [LAUNCH] = {"onboarding-launch", "onboarding",
                "Connect Meta, set your budget and launch your ads", "/onboarding/launch"},
    [RECONNECT] = {"meta-reconnect", "meta", "Reconnect your Meta account to keep your ads running",
                   "/app/settings"},
    [RENEW] = {"meta-renew", "meta", "Your connection to Meta ends soon: please renew it",
               "/app/settings"},
    [CREDITS] = {"credits-low", "credits",
                 "Your credits are running low: add some to keep your ads running", "/app/billing"},
    [SYNC] = {"sync-failed", "sync", "The last sync failed: have a look at your ads", "/app/ads"},
    [SYNC_HELD] = {"sync-held", "sync",
                   "Most items have gone from your website: confirm that they are to be removed",
                   "/app/ads"},
};

bool standing_suggestion_known(const char *id)
{
    for (size_t i = 0; i < SUGGESTION_COUNT; i++)
        if (strcmp(suggestions[i].id, id) == 0)
            return true;
    return false;
}

const struct standing_suggestion *standing_suggest(const struct standing_facts *facts)
{
    enum onboarding_step step = onboarding_step_next(facts->website, facts->campaign);
    if (step == ONBOARDING_CONNECT)
        return &suggestions[CONNECT];
    if (step == ONBOARDING_LAUNCH)
        return &suggestions[LAUNCH];
    if (!standing_token_alive(facts->connection, facts->now_ms))
        return &suggestions[RECONNECT];
    if (token_ends_soon(facts))
        return &suggestions[RENEW];
    if (credits_low(facts))
        return &suggestions[CREDITS];
    if (!facts->campaign->sync_failed)
        return NULL;
    return &suggestions[facts->campaign->removal_held ? SYNC_HELD : SYNC];
}
