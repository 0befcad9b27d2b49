/*
 * Pulls a campaign's figures from Meta, stores them, and burns credits for what was spent.
 *
 * One recurring step for each customer with a campaign: at first 366 days back, later 28, for Meta
 * restates figures for weeks. Reach does not add up over days, so the periods that pages show are
 * asked for as wholes.
 *
 * Burn: what a day's spend is worth less what has been posted for that day already, so that
 * restated spend corrects itself and a repeated pull posts nothing. A day's figures, what it has
 * burnt (BurnDayRecord), the ledger's posting and the campaign's pause once the credits have ended
 * (credits.h) are in one commit, and a posting's reference
 * (campaign, day, number) is unique. A day whose spend is as it was stored is left alone: a change
 * of the credit rate does not reach back.
 *
 * Without a living token the job stays, and looks again every hour.
 */
#include "rpc/services/jobs/internal.h"

#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/credits.h"
#include "rpc/services/model/period.h"
#include "rpc/services/zones.h"

/* How far back a pull goes, in days before today. */
#define BACKFILL_DAYS 366
#define RESTATED_DAYS 28
/* Days of one commit. */
#define CHUNK_DAYS 31
/* A chunk is decided anew so often when the balance has changed meanwhile. */
#define CHUNK_TRIES_MAX 5
/* Meta keeps 37 months: a pull after a long pause goes no further back, in days. */
#define KEPT_DAYS 1100
/* Items of a period that are kept: some may have gone when they are shown. */
#define ITEMS_KEPT 20
/* From one pull to the next, and what customers are spread over behind it. */
#define INTERVAL_MS ((int64_t)60 * 60 * 1000)
#define SPREAD_MS ((int64_t)2 * 60 * 1000)
#define INSIGHTS_ATTEMPTS_MAX 6
#define INSIGHTS_STEP_MS ((int64_t)120 * 1000)
#define INSIGHTS_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define DAY_S ((int64_t)86400)

struct pull {
    struct job_step *step;
    const struct zone *zone;
    int32_t today, first_day;
    const Lotcast__V1__CampaignRecord *campaign; /* NULL: there is none */
    const char *token;                           /* NULL: there is none that lives */
    int64_t rate;                                /* credits for a major unit spent; 0: none */
    struct meta_insight *days; /* as Meta has sent them, days without delivery left out */
    size_t day_count;
};

/* --- when --- */

/* A customer's place in the spread: always the same. */
static int64_t spread_ms(int64_t customer_id)
{
    return (int64_t)((uint64_t)customer_id * 2654435761u % (uint64_t)SPREAD_MS);
}

/* Until the next pull: an hour, or soon after the customer's midnight, when the periods move on. */
static int64_t next_delay_ms(const struct pull *pull)
{
    int64_t spread = spread_ms(pull->step->job->customer_id);
    int64_t midnight_ms = zone_to_utc_s(pull->zone, ((int64_t)pull->today + 1) * DAY_S) * 1000;
    int64_t delay = midnight_ms - clock_now_ms();
    if (delay <= 0 || delay > INTERVAL_MS)
        delay = INTERVAL_MS;
    return delay + spread + 1;
}

/*
 * Where a pull begins. What was restated since the last one counts from that: after a pause (no
 * token, no running process) it goes further back.
 */
static int32_t pull_first_day(const struct pull *pull)
{
    const Lotcast__V1__InsightsJob *job = pull->step->job->insights;
    if (job == NULL || !job->backfilled)
        return pull->today - BACKFILL_DAYS;
    int32_t since =
        job->pulled_day == 0 || job->pulled_day > pull->today ? pull->today : job->pulled_day;
    int32_t first = since - RESTATED_DAYS;
    return first < pull->today - KEPT_DAYS ? pull->today - KEPT_DAYS : first;
}

/* --- reading --- */

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
}

static enum rpc_code pull_begin(struct pull *pull, struct rpc_status *status)
{
    struct job_step *step = pull->step;
    struct store_key key = store_key(store_number(step->job->customer_id));
    struct store_read_op ops[2] = {
        services__get(&lotcast__v1__customer_record__descriptor, key),
        services__get(&lotcast__v1__campaign_record__descriptor, key),
    };
    struct rpc_context context = jobs__store_context(step);
    enum rpc_code code = store_read(step->services->options.store, &context, ops, 2, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__CustomerRecord *customer = services__row(&ops[0]);
    pull->campaign = services__row(&ops[1]);
    if (customer != NULL && !zones_find(step->services->zones, customer->time_zone, &pull->zone))
        pull->zone = NULL;
    pull->today = period_today(pull->zone, clock_now_ms());
    pull->first_day = pull_first_day(pull);
    if (pull->campaign == NULL)
        return RPC_OK;
    pull->rate = money_rate(&step->services->rates, pull->campaign->currency);
    const Lotcast__V1__MetaConnectionRecord *connection = NULL;
    code = jobs__token_open(step, &connection, &pull->token, status);
    bool disconnected =
        code != RPC_OK && status->reason == LOTCAST__V1__REASON__REASON_META_NOT_CONNECTED;
    return disconnected ? RPC_OK : code;
}

/* Meta's figures of a day; zeros without delivery. */
static struct meta_insight day_pulled(const struct pull *pull, int32_t day)
{
    for (size_t i = 0; i < pull->day_count; i++)
        if (pull->days[i].day == day)
            return pull->days[i];
    return (struct meta_insight){.day = day};
}

/* --- days --- */

/* Some days in a row: what is stored of them, and the commit that changes it. */
struct chunk {
    struct pull *pull;
    int32_t first_day, last_day;
    struct rpc_context context; /* with the chunk's own arena */
    struct store_read_op figures, burns;
    struct store_commit commit;
    struct ledger_posting postings[CHUNK_DAYS];
    size_t posting_count;
};

static enum rpc_code chunk_read(struct chunk *chunk, struct rpc_status *status)
{
    struct store_read_op op = {.record = &lotcast__v1__insight_day_record__descriptor,
                               .key = store_key(store_number(chunk->pull->step->job->customer_id)),
                               .is_range = true,
                               .has_lower = true,
                               .has_upper = true,
                               .lower = store_number(chunk->first_day),
                               .upper = store_number(chunk->last_day)};
    struct store_read_op ops[2] = {op, op};
    ops[1].record = &lotcast__v1__burn_day_record__descriptor;
    enum rpc_code code =
        store_read(chunk->pull->step->services->options.store, &chunk->context, ops, 2, status);
    chunk->figures = ops[0];
    chunk->burns = ops[1];
    return code;
}

static const Lotcast__V1__InsightDayRecord *stored_figures(const struct chunk *chunk, int32_t day)
{
    for (size_t i = 0; i < chunk->figures.ret_row_count; i++) {
        const Lotcast__V1__InsightDayRecord *row =
            (const Lotcast__V1__InsightDayRecord *)chunk->figures.ret_rows[i];
        if (row->day == day)
            return row;
    }
    return NULL;
}

static const Lotcast__V1__BurnDayRecord *stored_burn(const struct chunk *chunk, int32_t day,
                                                     uint64_t *ret_version)
{
    *ret_version = 0;
    for (size_t i = 0; i < chunk->burns.ret_row_count; i++) {
        const Lotcast__V1__BurnDayRecord *row =
            (const Lotcast__V1__BurnDayRecord *)chunk->burns.ret_rows[i];
        if (row->day != day)
            continue;
        *ret_version = chunk->burns.ret_versions[i];
        return row;
    }
    return NULL;
}

/* Adds what the day's spend burns beyond what has been posted for it. */
static enum rpc_code burn_add(struct chunk *chunk, const struct meta_insight *figures,
                              struct rpc_status *status)
{
    struct pull *pull = chunk->pull;
    uint64_t version = 0;
    const Lotcast__V1__BurnDayRecord *was = stored_burn(chunk, figures->day, &version);
    Lotcast__V1__BurnDayRecord burn = LOTCAST__V1__BURN_DAY_RECORD__INIT;
    burn.customer_id = pull->step->job->customer_id;
    burn.day = figures->day;
    burn.burnt_centi = money_burn_centi(figures->spend_minor, pull->rate);
    burn.postings = (was == NULL ? 0 : was->postings) + 1;
    int64_t difference = burn.burnt_centi - (was == NULL ? 0 : was->burnt_centi);
    if (difference == 0)
        return RPC_OK;
    const char *reference =
        arena_printf(chunk->context.arena, "burn:%s:%d:%lld", pull->campaign->campaign_id,
                     (int)burn.day, (long long)burn.postings);
    if (reference == NULL)
        return out_of_memory(status);
    chunk->postings[chunk->posting_count++] =
        (struct ledger_posting){.kind = LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_BURN,
                                .amount_centi = -difference,
                                .account = "spend",
                                .reference = reference,
                                .at_ms = clock_now_ms()};
    (void)store_commit_put_version(&chunk->commit, &burn, version);
    return RPC_OK;
}

static bool same_figures(const Lotcast__V1__InsightDayRecord *stored,
                         const struct meta_insight *pulled)
{
    return stored->impressions == pulled->impressions && stored->clicks == pulled->clicks &&
           stored->reach == pulled->reach && stored->spend_minor == pulled->spend_minor;
}

/* Adds what has changed of a day. */
static enum rpc_code day_add(struct chunk *chunk, int32_t day, struct rpc_status *status)
{
    static const Lotcast__V1__InsightDayRecord nothing = LOTCAST__V1__INSIGHT_DAY_RECORD__INIT;
    const struct meta_insight pulled = day_pulled(chunk->pull, day);
    const Lotcast__V1__InsightDayRecord *stored = stored_figures(chunk, day);
    if (same_figures(stored == NULL ? &nothing : stored, &pulled))
        return RPC_OK;
    Lotcast__V1__InsightDayRecord record = LOTCAST__V1__INSIGHT_DAY_RECORD__INIT;
    record.customer_id = chunk->pull->step->job->customer_id;
    record.day = day;
    record.impressions = pulled.impressions;
    record.clicks = pulled.clicks;
    record.reach = pulled.reach;
    record.spend_minor = pulled.spend_minor;
    (void)store_commit_put(&chunk->commit, &record);
    if (pulled.spend_minor == (stored == NULL ? 0 : stored->spend_minor))
        return RPC_OK;
    return burn_add(chunk, &pulled, status);
}

/* RPC_ABORTED: decide anew. */
static enum rpc_code chunk_once(struct chunk *chunk, struct rpc_status *status)
{
    struct job_step *step = chunk->pull->step;
    chunk->posting_count = 0;
    enum rpc_code code = chunk_read(chunk, status);
    if (code != RPC_OK)
        return code;
    store_commit_init(&chunk->commit, step->services->options.store, &chunk->context);
    for (int32_t day = chunk->first_day; day <= chunk->last_day && code == RPC_OK; day++)
        code = day_add(chunk, day, status);
    const struct credits_change credits = {chunk->postings, chunk->posting_count,
                                           CREDITS_DISPUTE_AS_IT_IS};
    if (code == RPC_OK && chunk->posting_count > 0)
        code = credits_append(step->services, &chunk->context, &chunk->commit,
                              step->job->customer_id, &credits, NULL, status);
    if (code == RPC_OK && chunk->commit.count > 0)
        code = credits_code(jobs__step_commit(step, &chunk->commit, status), status);
    if (code == RPC_OK && chunk->posting_count > 0)
        jobs_wake(step->jobs); /* the campaign may have to be paused, or to go on */
    return code;
}

static enum rpc_code days_store(struct pull *pull, struct rpc_status *status)
{
    struct arena arena;
    arena_init(&arena, INSIGHTS_ARENA_BYTES_MAX);
    enum rpc_code code = RPC_OK;
    for (int32_t day = pull->first_day; day <= pull->today && code == RPC_OK; day += CHUNK_DAYS) {
        int32_t last = day + CHUNK_DAYS - 1;
        struct chunk chunk = {
            .pull = pull, .first_day = day, .last_day = last < pull->today ? last : pull->today};
        code = RPC_ABORTED;
        for (int i = 0; i < CHUNK_TRIES_MAX && code == RPC_ABORTED; i++) {
            arena_reset(&arena);
            chunk.context = jobs__store_context_in(pull->step, &arena);
            code = chunk_once(&chunk, status);
        }
    }
    arena_fini(&arena);
    return code;
}

/* --- periods --- */

/* The period's best items; ranks that nobody has any more go. */
static enum rpc_code items_pull(struct pull *pull, Lotcast__V1__InsightPeriod name,
                                struct period period, bool has_figures, struct rpc_status *status)
{
    struct job_step *step = pull->step;
    struct meta_insight_item *items = NULL;
    size_t count = 0;
    enum rpc_code code = RPC_OK;
    if (has_figures)
        code = meta_insights_items(step->services->options.meta, step->context, pull->token,
                                   pull->campaign->campaign_id, period.first_day, period.last_day,
                                   ITEMS_KEPT, &items, &count, status);
    if (code == RPC_INVALID_ARGUMENT)
        return RPC_OK; /* Meta has none for this campaign: nothing else hangs on it */
    if (code != RPC_OK)
        return code;
    for (size_t i = 0; i < ITEMS_KEPT; i++) {
        Lotcast__V1__InsightItemRecord record = LOTCAST__V1__INSIGHT_ITEM_RECORD__INIT;
        record.customer_id = step->job->customer_id;
        record.period = name;
        record.rank = (int32_t)i + 1;
        if (i >= count) {
            (void)store_commit_delete(step->commit, &lotcast__v1__insight_item_record__descriptor,
                                      store_key(store_number(record.customer_id),
                                                store_number(name), store_number(record.rank)));
            continue;
        }
        record.item_id = items[i].item_id;
        record.title = (char *)items[i].title;
        record.impressions = items[i].impressions;
        record.clicks = items[i].clicks;
        (void)store_commit_put(step->commit, &record);
    }
    return RPC_OK;
}

static enum rpc_code period_pull(struct pull *pull, Lotcast__V1__InsightPeriod name,
                                 struct period period, struct rpc_status *status)
{
    struct job_step *step = pull->step;
    struct meta_insight total = {0};
    enum rpc_code code = meta_insights_total(step->services->options.meta, step->context,
                                             pull->token, pull->campaign->campaign_id,
                                             period.first_day, period.last_day, &total, status);
    if (code != RPC_OK)
        return code;
    Lotcast__V1__InsightPeriodRecord record = LOTCAST__V1__INSIGHT_PERIOD_RECORD__INIT;
    record.customer_id = step->job->customer_id;
    record.period = name;
    record.first_day = period.first_day;
    record.last_day = period.last_day;
    record.impressions = total.impressions;
    record.clicks = total.clicks;
    record.reach = total.reach;
    record.spend_minor = total.spend_minor;
    (void)store_commit_put(step->commit, &record);
    return items_pull(pull, name, period, total.impressions > 0, status);
}

static enum rpc_code periods_pull(struct pull *pull, struct rpc_status *status)
{
    static const struct {
        Lotcast__V1__InsightPeriod name;
        int32_t days; /* 0: the lifetime */
    } rows[] = {{LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_7D, 7},
                {LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_30D, 30},
                {LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_90D, 90},
                {LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_LIFETIME, 0}};
    enum rpc_code code = RPC_OK;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && code == RPC_OK; i++) {
        struct period period = {0};
        if (rows[i].days > 0)
            period = period_full_days(pull->today, rows[i].days);
        code = period_pull(pull, rows[i].name, period, status);
    }
    return code;
}

/* --- the step --- */

static enum rpc_code insights_run(struct job_step *step, struct rpc_status *status)
{
    struct pull pull = {.step = step};
    enum rpc_code code = pull_begin(&pull, status);
    if (code != RPC_OK)
        return code;
    step->delay_ms = next_delay_ms(&pull);
    if (pull.campaign == NULL || pull.token == NULL)
        return RPC_OK; /* later, perhaps */
    code = meta_insights_daily(step->services->options.meta, step->context, pull.token,
                               pull.campaign->campaign_id, pull.first_day, pull.today, &pull.days,
                               &pull.day_count, status);
    if (code == RPC_OK)
        code = days_store(&pull, status);
    if (code == RPC_OK)
        code = periods_pull(&pull, status);
    if (code != RPC_OK)
        return code;
    if (step->job->insights == NULL) {
        step->job->insights = arena_alloc(step->context->arena, sizeof *step->job->insights);
        if (step->job->insights == NULL)
            return out_of_memory(status);
        lotcast__v1__insights_job__init(step->job->insights);
    }
    step->job->insights->backfilled = true;
    step->job->insights->pulled_day = pull.today;
    return RPC_OK;
}

/* A pull that failed is no end: the next one is in an hour. */
static enum rpc_code insights_failed(struct job_step *step, struct rpc_status *error,
                                     struct rpc_status *status)
{
    (void)error;
    (void)status;
    step->delay_ms = INTERVAL_MS + spread_ms(step->job->customer_id);
    return RPC_OK;
}

static const struct job_step_rule insights_steps[] = {
    {"pull", insights_run, 0, INSIGHTS_ATTEMPTS_MAX, INSIGHTS_STEP_MS},
};

const struct job_kind jobs__insights = {
    .kind = LOTCAST__V1__JOB_KIND__JOB_KIND_INSIGHTS,
    .name = "insights",
    .steps = insights_steps,
    .step_count = sizeof insights_steps / sizeof insights_steps[0],
    .threads = 4,
    .arena_bytes_max = INSIGHTS_ARENA_BYTES_MAX,
    .failed = insights_failed,
};
