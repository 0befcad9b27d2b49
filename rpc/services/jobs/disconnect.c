/*
 * Disconnects Meta: pauses the campaign, revokes the token, forgets it. In this order, so that no
 * campaign runs on that nobody can pause any more.
 *
 *   pause    sets the reason CAMPAIGN_PAUSE_DISCONNECT, which makes a CAMPAIGN_STATE job, and waits
 *            until that job has confirmed the pause: it alone sets a campaign's status at Meta, so
 *            none is set behind its back. If Meta refuses, or does not answer for a while, the
 *            reason is taken back with the job's end (UPSTREAM_ERROR, nothing has changed), and the
 *            CAMPAIGN_STATE job goes on to bring Meta back in step.
 *            Once confirmed, the connection is marked as `disconnecting` in a commit that expects
 *            the campaign as it was confirmed: whoever resumes it before that fails the mark, and
 *            it is paused again; whoever resumes it afterwards has no token that opens.
 *   revoke   asks Meta to revoke, then forgets the token. A crash in between: Meta says that it is
 *            dead, which will do. If Meta does not answer, it is forgotten all the same: the ads
 *            are paused, and the customer has asked for it.
 *
 * A dead token needs no confirmation, since none can be had: it is forgotten at once. What Meta
 * does is not known then; who connects again has the campaign brought in step.
 */
#include "rpc/services/jobs/internal.h"

#include "rpc/base/clock.h"
#include "rpc/base/log.h"
#include "rpc/services/campaign.h"
#include "rpc/services/model/standing.h"
#include "rpc/services/secret.h"

/* Attempts of the CAMPAIGN_STATE job that must have failed before Meta counts as not answering. */
#define PAUSE_FAILURES 2
/* Between two looks, and how many: about 16 s, as the call that made the job waits for 29 s.
 * Counted, so that neither a crash nor a clock that is set ends the wait. */
#define PAUSE_LOOK_MS 400
#define PAUSE_LOOKS_MAX 40
/* The first one is early: the other job is quick. */
#define PAUSE_FIRST_LOOK_MS 50
/* Attempts to revoke before the token is forgotten all the same. */
#define REVOKE_TRIES 2
/* Of any step: what else can fail is the store. */
#define STEP_ATTEMPTS_MAX 20
#define STEP_MS 5000
#define DISCONNECT_ARENA_BYTES_MAX ((size_t)32 * 1024 * 1024)

enum disconnect_step { DISCONNECT_STEP_PAUSE = 0, DISCONNECT_STEP_REVOKE = 1 };

enum { CONNECTION, CAMPAIGN, STATE_ACTIVE, STATE_JOB, LAUNCH, OP_COUNT };

static enum rpc_code read_all(struct job_step *step, struct store_read_op *ops,
                              struct rpc_status *status)
{
    struct store_key key = store_key(store_number(step->job->customer_id));
    struct rpc_context context = jobs__store_context(step);
    ops[CONNECTION] = services__get(&lotcast__v1__meta_connection_record__descriptor, key);
    ops[CAMPAIGN] = services__get(&lotcast__v1__campaign_record__descriptor, key);
    ops[STATE_JOB] = services__get(&lotcast__v1__job_record__descriptor,
                                   store_key(store_number(step->job->disconnect->state_job_id)));
    if (!services__active_job(&context, "campaign_state", step->job->customer_id,
                              &ops[STATE_ACTIVE]) ||
        !services__active_job(&context, "launch", step->job->customer_id, &ops[LAUNCH]))
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    return store_read(step->services->options.store, &context, ops, OP_COUNT, status);
}

/* Another look, as a new step: its attempts count anew. */
static enum rpc_code look_again(struct job_step *step, int64_t delay_ms)
{
    step->job->disconnect->looks++;
    step->next = DISCONNECT_STEP_PAUSE;
    step->delay_ms = delay_ms;
    return RPC_OK;
}

/* Adds that the token is gone; who it was for stays. */
static void token_forget(struct job_step *step, const struct store_read_op *op)
{
    Lotcast__V1__MetaConnectionRecord *connection = services__row(op);
    connection->token_sealed = (ProtobufCBinaryData){0};
    connection->token_expires_at_ms = 0;
    connection->token_dead = false;
    connection->token_unreadable = false;
    connection->disconnecting = false;
    (void)store_commit_put_version(step->commit, connection, services__version(op));
}

/* Adds that the campaign is paused by the disconnection. `confirmed`: Meta has said so. */
static void campaign_disconnect(struct job_step *step, const struct store_read_op *op,
                                bool confirmed)
{
    Lotcast__V1__CampaignRecord *campaign = services__row(op);
    if (campaign == NULL)
        return;
    campaign->paused_by_disconnect = true;
    if (!confirmed)
        campaign->state = LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_UNSPECIFIED;
    (void)store_commit_put_version(step->commit, campaign, services__version(op));
}

/* --- pausing --- */

/* Sets the reason, and has Meta hear of it even where it is set already. */
static enum rpc_code pause_ask(struct job_step *step, const struct store_read_op *ops,
                               struct rpc_status *status)
{
    Lotcast__V1__DisconnectJob *disconnect = step->job->disconnect;
    struct campaign_change change = {.campaign = services__row(&ops[CAMPAIGN]),
                                     .version = services__version(&ops[CAMPAIGN]),
                                     .set = CAMPAIGN_PAUSE_DISCONNECT};
    if ((campaign_pauses(change.campaign) & CAMPAIGN_PAUSE_DISCONNECT) == 0) {
        disconnect->pause_set = true;
    } else {
        change.campaign->state = LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_UNSPECIFIED;
        change.changed = true;
    }
    struct rpc_context context = jobs__store_context(step);
    enum rpc_code code =
        campaign_change_add(step->services, &context, step->commit, &change, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__JobRecord *active = services__row(&ops[STATE_ACTIVE]);
    disconnect->state_job_id = change.ret_job_id;
    disconnect->state_attempts = active == NULL ? 0 : active->attempt;
    return look_again(step, PAUSE_FIRST_LOOK_MS);
}

/* Whether the CAMPAIGN_STATE job that was asked has done it, and no other is about to undo it. */
static bool pause_confirmed(const struct store_read_op *ops)
{
    const Lotcast__V1__CampaignRecord *campaign = services__row(&ops[CAMPAIGN]);
    const Lotcast__V1__JobRecord *asked = services__row(&ops[STATE_JOB]);
    return services__row(&ops[STATE_ACTIVE]) == NULL && asked != NULL &&
           asked->state == LOTCAST__V1__JOB_STATE__JOB_STATE_SUCCEEDED &&
           campaign->paused_by_disconnect &&
           campaign->state == LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_PAUSED;
}

/* Whether it is of no use to wait for Meta any longer. */
static bool pause_failed(const struct job_step *step, const struct store_read_op *ops)
{
    const Lotcast__V1__JobRecord *asked = services__row(&ops[STATE_JOB]);
    if (asked == NULL || asked->state == LOTCAST__V1__JOB_STATE__JOB_STATE_FAILED)
        return true;
    if (step->job->disconnect->looks >= PAUSE_LOOKS_MAX)
        return true;
    int32_t before = step->job->disconnect->state_attempts;
    if (asked->attempt < before)
        before = 0; /* it was made to count anew */
    return asked->state == LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE && asked->error != NULL &&
           asked->attempt - before >= PAUSE_FAILURES;
}

static enum rpc_code pause_look(struct job_step *step, const struct store_read_op *ops,
                                struct rpc_status *status)
{
    const Lotcast__V1__CampaignRecord *campaign = services__row(&ops[CAMPAIGN]);
    if (pause_confirmed(ops)) {
        Lotcast__V1__MetaConnectionRecord *connection = services__row(&ops[CONNECTION]);
        connection->disconnecting = true;
        (void)store_commit_put_version(step->commit, connection,
                                       services__version(&ops[CONNECTION]));
        (void)store_commit_check(step->commit, ops[CAMPAIGN].record, ops[CAMPAIGN].key,
                                 services__version(&ops[CAMPAIGN]));
        return RPC_OK;
    }
    if (pause_failed(step, ops)) {
        (void)rpc_status_fail_upstream(status, "meta");
        return RPC_FAILED_PRECONDITION; /* not to be tried again by itself */
    }
    if (!campaign->paused_by_disconnect) /* somebody has resumed it meanwhile */
        return pause_ask(step, ops, status);
    return look_again(step, PAUSE_LOOK_MS);
}

/* A launch came in between: what it makes is to be paused before the token goes. */
static enum rpc_code launch_wait(struct job_step *step, struct rpc_status *status)
{
    if (step->job->disconnect->looks < PAUSE_LOOKS_MAX)
        return look_again(step, PAUSE_LOOK_MS);
    (void)rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_CONFLICT, NULL,
                                  "Your ads are being launched");
    return RPC_FAILED_PRECONDITION; /* not to be tried again by itself */
}

static enum rpc_code disconnect_pause(struct job_step *step, struct rpc_status *status)
{
    struct store_read_op ops[OP_COUNT];
    if (step->job->disconnect == NULL)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "the job has no input");
    enum rpc_code code = read_all(step, ops, status);
    if (code != RPC_OK)
        return code;
    Lotcast__V1__MetaConnectionRecord *connection = services__row(&ops[CONNECTION]);
    if (connection == NULL || connection->token_sealed.len == 0) {
        step->next = JOB_STEP_END;
        return RPC_OK;
    }
    if (!standing_token_alive(connection, clock_now_ms())) {
        token_forget(step, &ops[CONNECTION]);
        campaign_disconnect(step, &ops[CAMPAIGN], false);
        step->next = JOB_STEP_END;
        return RPC_OK;
    }
    if (services__row(&ops[CAMPAIGN]) == NULL && services__row(&ops[LAUNCH]) != NULL)
        return launch_wait(step, status);
    if (services__row(&ops[CAMPAIGN]) != NULL)
        return step->job->disconnect->state_job_id == 0 ? pause_ask(step, ops, status)
                                                        : pause_look(step, ops, status);
    connection->disconnecting = true;
    (void)store_commit_put_version(step->commit, connection, services__version(&ops[CONNECTION]));
    (void)store_commit_check(step->commit, ops[CAMPAIGN].record, ops[CAMPAIGN].key, 0);
    return RPC_OK;
}

/* --- revoking --- */

static enum rpc_code disconnect_revoke(struct job_step *step, struct rpc_status *status)
{
    struct store_read_op ops[OP_COUNT];
    const char *token = NULL;
    enum rpc_code code = read_all(step, ops, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__MetaConnectionRecord *connection = services__row(&ops[CONNECTION]);
    if (connection == NULL || !connection->disconnecting)
        return RPC_OK; /* connected anew meanwhile: that token is another's */
    struct rpc_status failure = {.code = secret_open(step->services, connection->token_sealed,
                                                     step->context->arena, &token)};
    if (failure.code == RPC_OK)
        failure.code =
            meta_token_revoke(step->services->options.meta, step->context, token, &failure);
    if (atomic_load(&step->run->cancelled)) /* it goes on at the next start */
        return rpc_status_set(status, RPC_CANCELLED, "the job is stopping");
    if (failure.code != RPC_OK && failure.code != RPC_UNAUTHENTICATED) {
        if (jobs__failure_class(&failure) == JOB_FAILURE_RETRY && step->attempt < REVOKE_TRIES)
            return rpc_status_fail_upstream(status, "meta");
        log_event(LOG_LEVEL_WARN, "meta_not_revoked",
                  log_number("customer", step->job->customer_id),
                  log_text("code", rpc_code_name(failure.code)));
    }
    token_forget(step, &ops[CONNECTION]);
    campaign_disconnect(step, &ops[CAMPAIGN], true);
    return RPC_OK;
}

/* --- the end --- */

/* Takes back what was set, so that nothing has changed. */
static enum rpc_code disconnect_failed(struct job_step *step, struct rpc_status *error,
                                       struct rpc_status *status)
{
    struct store_read_op ops[OP_COUNT];
    (void)error;
    if (step->job->disconnect == NULL)
        return RPC_OK;
    enum rpc_code code = read_all(step, ops, status);
    if (code != RPC_OK)
        return code;
    Lotcast__V1__MetaConnectionRecord *connection = services__row(&ops[CONNECTION]);
    if (connection != NULL && connection->disconnecting) {
        connection->disconnecting = false;
        (void)store_commit_put_version(step->commit, connection,
                                       services__version(&ops[CONNECTION]));
    }
    if (!step->job->disconnect->pause_set || services__row(&ops[CAMPAIGN]) == NULL)
        return RPC_OK;
    struct campaign_change change = {.campaign = services__row(&ops[CAMPAIGN]),
                                     .version = services__version(&ops[CAMPAIGN]),
                                     .clear = CAMPAIGN_PAUSE_DISCONNECT};
    struct rpc_context context = jobs__store_context(step);
    return campaign_change_add(step->services, &context, step->commit, &change, status);
}

static const struct job_step_rule disconnect_steps[] = {
    [DISCONNECT_STEP_PAUSE] = {"pause", disconnect_pause, DISCONNECT_STEP_REVOKE, STEP_ATTEMPTS_MAX,
                               STEP_MS},
    [DISCONNECT_STEP_REVOKE] = {"revoke", disconnect_revoke, JOB_STEP_END, STEP_ATTEMPTS_MAX,
                                STEP_MS},
};

const struct job_kind jobs__disconnect = {
    .kind = LOTCAST__V1__JOB_KIND__JOB_KIND_DISCONNECT,
    .name = "disconnect",
    .steps = disconnect_steps,
    .step_count = sizeof disconnect_steps / sizeof disconnect_steps[0],
    .threads = 4,
    .arena_bytes_max = DISCONNECT_ARENA_BYTES_MAX,
    .failed = disconnect_failed,
};
