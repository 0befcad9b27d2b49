/*
 * What comes up while ads are launched: a suspension, credits that run out, a dispute, a
 * disconnection, and the end of each, at every moment. Whatever the order, the campaign ends paused
 * for what still holds; and where the reason is there in time, it never runs at all.
 */
#include "lotcast/v1/admin.pb-c.h"
#include "lotcast/v1/settings.pb-c.h"
#include "rpc/services/campaign.h"
#include "rpc/services/credits.h"
#include "test/unit/services/launch_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define BALANCE 10000
#define CUSTOMER_TEXT "7"
#define MOMENTS_MAX 3
/* Moments, beside the numbers of calls to Meta: before the launch, and when it has been answered.
 */
#define EARLY 0
#define LATE 1000

enum event {
    NOTHING,
    SUSPEND,
    RESUME,
    CREDITS_GONE,
    CREDITS_BACK,
    DISPUTE,
    DISPUTE_WON,
    DISCONNECT,
    DISCONNECT_REFUSED,
    DISCONNECT_JOB, /* its job, as a call would make it that read before the launch began */
};

struct moment {
    int at;
    enum event event;
};

/* One launch. */
static struct run {
    struct logic *logic;
    struct rpc_server *server; /* as an operator */
    struct rpc_channel *channel;
    pthread_mutex_t lock; /* what follows: jobs of all kinds call Meta */
    struct moment moments[MOMENTS_MAX];
    bool was_active; /* the campaign, at some moment */
    int64_t disconnect_job_id;
} run;

static enum rpc_code as_operator(void *self, struct rpc_server_call *made,
                                 struct rpc_status *status)
{
    (void)self;
    (void)status;
    rpc_server_call_principal(made)->kind = RPC_PRINCIPAL_OPERATOR;
    return RPC_OK;
}

static void operator_call(const char *method, const void *request)
{
    struct test_context test;
    struct rpc_status status;
    const ProtobufCMessage *response = NULL;
    context_begin(&test);
    const struct rpc_request rpc = {
        .method = registry_method_find(run.logic->store->registry, span_of_string(method)),
        .message = request,
        .context = &test.context};
    expect_ok(rpc_channel_call(run.channel, &rpc, &response, &status), &status);
    context_end(&test);
}

static void suspension_set(bool suspended)
{
    Lotcast__V1__SuspendCustomerRequest suspend = LOTCAST__V1__SUSPEND_CUSTOMER_REQUEST__INIT;
    Lotcast__V1__ResumeCustomerRequest resume = LOTCAST__V1__RESUME_CUSTOMER_REQUEST__INIT;
    suspend.id = resume.id = (char *)CUSTOMER_TEXT;
    suspend.reason = resume.reason = (char *)"a test";
    if (suspended)
        operator_call("lotcast.v1.Admin/SuspendCustomer", &suspend);
    else
        operator_call("lotcast.v1.Admin/ResumeCustomer", &resume);
}

static void credits_adjust(int64_t credits)
{
    Lotcast__V1__AdjustCreditsRequest request = LOTCAST__V1__ADJUST_CREDITS_REQUEST__INIT;
    request.id = (char *)CUSTOMER_TEXT;
    request.reason = (char *)"a test";
    request.credits = credits;
    operator_call("lotcast.v1.Admin/AdjustCredits", &request);
}

static void dispute_set(enum credits_dispute dispute)
{
    enum rpc_code code = RPC_ABORTED;
    while (code == RPC_ABORTED) {
        struct test_context test;
        struct rpc_status status;
        struct store_commit commit;
        const struct credits_change change = {.dispute = dispute};
        context_begin(&test);
        store_commit_init(&commit, run.logic->store->client, &test.context);
        expect_ok(credits_append(run.logic->services, &test.context, &commit, CUSTOMER, &change,
                                 NULL, &status),
                  &status);
        code = credits_send(run.logic->services, &test.context, &commit, &status);
        assert_true(code == RPC_OK || code == RPC_ABORTED);
        context_end(&test);
    }
}

/* Refused while a launch is under way. */
static void disconnect(bool refused)
{
    struct test_context test;
    struct rpc_status status;
    Lotcast__V1__DisconnectMetaRequest request = LOTCAST__V1__DISCONNECT_META_REQUEST__INIT;
    const Lotcast__V1__DisconnectMetaResponse *response = NULL;
    context_begin(&test);
    enum rpc_code code =
        call(run.logic, &test, "lotcast.v1.Settings/DisconnectMeta", &request, &response, &status);
    if (refused)
        expect_reason(&status, "CONFLICT");
    else
        expect_ok(code, &status);
    context_end(&test);
}

static void disconnect_job_add(void)
{
    Lotcast__V1__DisconnectJob input = LOTCAST__V1__DISCONNECT_JOB__INIT;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    struct rpc_status status;
    job.kind = LOTCAST__V1__JOB_KIND__JOB_KIND_DISCONNECT;
    job.customer_id = CUSTOMER;
    job.disconnect = &input;
    expect_ok(job_try_add(run.logic->services, &job, &run.disconnect_job_id, &status), &status);
}

static void happen(enum event event)
{
    switch (event) {
    case NOTHING:
        break;
    case SUSPEND:
    case RESUME:
        suspension_set(event == SUSPEND);
        break;
    case CREDITS_GONE:
    case CREDITS_BACK:
        credits_adjust(event == CREDITS_GONE ? -BALANCE : BALANCE);
        break;
    case DISPUTE:
        dispute_set(CREDITS_DISPUTE_PAUSES);
        break;
    case DISPUTE_WON:
        dispute_set(CREDITS_DISPUTE_OVER);
        break;
    case DISCONNECT:
    case DISCONNECT_REFUSED:
        disconnect(event == DISCONNECT_REFUSED);
        break;
    case DISCONNECT_JOB:
        disconnect_job_add();
        break;
    }
}

static void moment_come(int at)
{
    for (size_t i = 0; i < MOMENTS_MAX; i++) {
        enum event event = NOTHING;
        (void)pthread_mutex_lock(&run.lock);
        if (run.moments[i].at == at) {
            event = run.moments[i].event;
            run.moments[i].event = NOTHING;
        }
        (void)pthread_mutex_unlock(&run.lock);
        happen(event);
    }
}

static void on_call(int calls)
{
    bool active = fake_active(META_CAMPAIGN);
    (void)pthread_mutex_lock(&run.lock);
    run.was_active = run.was_active || active;
    (void)pthread_mutex_unlock(&run.lock);
    moment_come(calls);
}

static void run_begin(void **state, const struct moment moments[MOMENTS_MAX])
{
    struct rpc_status status;
    static struct rpc_server_interceptor interceptor = {.before = as_operator};
    assert_int_equal(begin(state), 0);
    run = (struct run){.lock = PTHREAD_MUTEX_INITIALIZER};
    run.logic = *state;
    struct rpc_server_options options = {.name = "operator",
                                         .registry = run.logic->store->registry,
                                         .interceptors = &interceptor,
                                         .interceptor_count = 1};
    options.services = services_rpc(run.logic->services, &options.service_count);
    expect_ok(rpc_server_create(&options, &run.server, &status), &status);
    const struct rpc_channel_options channel = {.url = "direct:", .server = run.server};
    expect_ok(rpc_channel_open(&channel, &run.channel, &status), &status);
    ready_to_launch(run.logic);
    if (moments != NULL)
        memcpy(run.moments, moments, sizeof run.moments);
}

static void run_end(void **state)
{
    fake_on_call = NULL;
    rpc_channel_close(run.channel);
    rpc_server_destroy(run.server);
    assert_int_equal(end(state), 0);
}

/* Whether Meta has heard of all, for wait_until. */
static bool is_in_step(void *unused)
{
    struct test_context test;
    struct store_read_op op;
    (void)unused;
    context_begin(&test);
    assert_true(services__active_job(&test.context, "campaign_state", CUSTOMER, &op));
    bool over = store_read(run.logic->store->client, &test.context, &op, 1, NULL) == RPC_OK &&
                services__row(&op) == NULL;
    const Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(run.logic, &test, campaign);
    over = over && campaign != NULL && campaign->state == campaign_state_wanted(campaign);
    context_end(&test);
    return over;
}

/* Launches with all that is to happen; how many calls Meta has had by the launch's answer. */
static int launch(void)
{
    struct rpc_status status;
    char id[64];
    moment_come(EARLY);
    fake->calls = 0;
    fake_on_call = on_call;
    expect_ok(launch_now(run.logic, id, &status), &status);
    int calls = fake->calls;
    moment_come(LATE);
    if (run.disconnect_job_id != 0)
        job_expect(run.logic->store, run.disconnect_job_id, JOB_DONE);
    return calls;
}

static void expect_end(unsigned pauses, const char *name, int at)
{
    struct test_context test;
    if (!wait_until(is_in_step, NULL, PATIENCE_MS))
        fail_msg("%s at call %d: Meta does not hear of it", name, at);
    context_begin(&test);
    const Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(run.logic, &test, campaign);
    if (campaign_pauses(campaign) != pauses || fake_active(META_CAMPAIGN) != (pauses == 0))
        fail_msg("%s at call %d: paused for %x, active at Meta %d", name, at,
                 campaign_pauses(campaign), (int)fake_active(META_CAMPAIGN));
    context_end(&test);
}

/* How many calls a launch makes: its last one activates the campaign. */
static int launch_calls(void)
{
    static int calls;
    void *state = NULL;
    if (calls > 0)
        return calls;
    run_begin(&state, NULL);
    calls = launch();
    assert_true(run.was_active);
    expect_end(0, "nothing", 0);
    run_end(&state);
    assert_true(calls > 8);
    return calls;
}

static void is_paused_by_what_comes_up(void **state)
{
    static const struct {
        const char *name;
        enum event event;
        unsigned pauses;
        bool early; /* also before the launch */
    } rows[] = {
        {"suspension", SUSPEND, CAMPAIGN_PAUSE_SUSPENSION, false},
        {"no credits", CREDITS_GONE, CAMPAIGN_PAUSE_CREDITS, false},
        {"dispute", DISPUTE, CAMPAIGN_PAUSE_DISPUTE, true},
        {"disconnection", DISCONNECT_REFUSED, 0, false},
        {"disconnection's job", DISCONNECT_JOB, CAMPAIGN_PAUSE_DISCONNECT, false},
    };
    int last = launch_calls();
    /* Before anything, at the first, in the middle, and around the activation. */
    const int moments_at[] = {EARLY, 1, last / 2, last - 1, last};
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t m = rows[i].early ? 0 : 1; m < COUNT(moments_at); m++) {
            int at = moments_at[m];
            const struct moment moments[MOMENTS_MAX] = {{at, rows[i].event}};
            run_begin(state, moments);
            assert_int_equal(launch() >= last, true);
            expect_end(rows[i].pauses, rows[i].name, at);
            if (rows[i].pauses != 0 && rows[i].event != DISCONNECT_JOB &&
                run.was_active != (at == last))
                fail_msg("%s at call %d: was active", rows[i].name, at);
            run_end(state);
        }
    }
}

static void goes_on_when_it_is_over(void **state)
{
    static const struct {
        const char *name;
        enum event begin, end;
    } rows[] = {
        {"suspension", SUSPEND, RESUME},
        {"no credits", CREDITS_GONE, CREDITS_BACK},
        {"dispute that is won", DISPUTE, DISPUTE_WON},
        {"dispute that an admin ends", DISPUTE, RESUME},
    };
    int last = launch_calls();
    const int spans[][2] = {{1, 2}, {2, last - 1}, {last - 1, last}, {last, LATE}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t s = 0; s < COUNT(spans); s++) {
            const struct moment moments[MOMENTS_MAX] = {{spans[s][0], rows[i].begin},
                                                        {spans[s][1], rows[i].end}};
            run_begin(state, moments);
            (void)launch();
            expect_end(0, rows[i].name, spans[s][1]);
            run_end(state);
        }
    }
}

/* The end of one is not the end of another. */
static void stays_paused_for_what_is_left(void **state)
{
    int last = launch_calls();
    const struct {
        const char *name;
        struct moment moments[MOMENTS_MAX];
        unsigned pauses;
    } rows[] = {
        {"credits do not end a dispute",
         {{EARLY, DISPUTE}, {2, CREDITS_GONE}, {last - 1, CREDITS_BACK}},
         CAMPAIGN_PAUSE_DISPUTE},
        {"credits do not end one later either",
         {{EARLY, DISPUTE}, {last, CREDITS_GONE}, {LATE, CREDITS_BACK}},
         CAMPAIGN_PAUSE_DISPUTE},
        {"credits do not end a suspension",
         {{2, SUSPEND}, {3, CREDITS_GONE}, {LATE, CREDITS_BACK}},
         CAMPAIGN_PAUSE_SUSPENSION},
        {"a dispute that is won does not end a suspension",
         {{1, DISPUTE}, {last, SUSPEND}, {LATE, DISPUTE_WON}},
         CAMPAIGN_PAUSE_SUSPENSION},
        {"a resume does not bring credits",
         {{1, CREDITS_GONE}, {2, SUSPEND}, {last, RESUME}},
         CAMPAIGN_PAUSE_CREDITS},
        {"a dispute that was over before counts no more",
         {{EARLY, DISPUTE}, {1, DISPUTE_WON}, {LATE, NOTHING}},
         0},
        {"two reasons",
         {{EARLY, DISPUTE}, {last - 1, CREDITS_GONE}, {LATE, NOTHING}},
         CAMPAIGN_PAUSE_DISPUTE | CAMPAIGN_PAUSE_CREDITS},
        {"a disconnection behind it",
         {{1, DISPUTE}, {LATE, DISCONNECT}, {LATE, NOTHING}},
         CAMPAIGN_PAUSE_DISPUTE | CAMPAIGN_PAUSE_DISCONNECT},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        run_begin(state, rows[i].moments);
        (void)launch();
        expect_end(rows[i].pauses, rows[i].name, 0);
        run_end(state);
    }
}

/* --- a disconnection while a catalog is brought in step --- */

static int64_t sync_job_make(void)
{
    Lotcast__V1__SyncJob input = LOTCAST__V1__SYNC_JOB__INIT;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    struct rpc_status status;
    int64_t job_id = 0;
    job.kind = LOTCAST__V1__JOB_KIND__JOB_KIND_SYNC;
    job.customer_id = CUSTOMER;
    job.sync = &input;
    expect_ok(job_try_add(run.logic->services, &job, &job_id, &status), &status);
    return job_id;
}

/* Whether a job is over, for wait_until. */
static bool is_over(void *job_id_)
{
    struct test_context test;
    const int64_t *job_id = job_id_;
    context_begin(&test);
    bool over = job_get(run.logic->store, &test, *job_id)->state != JOB_ACTIVE;
    context_end(&test);
    return over;
}

/* Whether the token is forgotten. The moment may come on another job's call than the sync's. */
static bool is_disconnected(void *unused)
{
    struct test_context test;
    (void)unused;
    context_begin(&test);
    const Lotcast__V1__MetaConnectionRecord *connection =
        CUSTOMER_RECORD(run.logic, &test, meta_connection);
    bool disconnected = connection->token_sealed.len == 0;
    context_end(&test);
    return disconnected;
}

static void a_sync_ends_with_the_connection_it_had(void **state)
{
    for (int at = 1; at <= 3; at++) {
        struct test_context test;
        run_begin(state, NULL);
        (void)launch();
        fake->site_price = 2000;
        fake->calls = 0;
        (void)pthread_mutex_lock(&run.lock);
        run.moments[0] = (struct moment){at, DISCONNECT};
        (void)pthread_mutex_unlock(&run.lock);
        int64_t job_id = sync_job_make();
        assert_true(wait_until(is_over, &job_id, PATIENCE_MS));
        assert_true(wait_until(is_disconnected, NULL, PATIENCE_MS));
        expect_end(CAMPAIGN_PAUSE_DISCONNECT, "disconnection", at);
        context_begin(&test);
        /* It is no failure that the customer has to see to. */
        const Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(run.logic, &test, campaign);
        assert_false(campaign->sync_failed);
        assert_int_equal(fake->revocations, 1);
        context_end(&test);
        run_end(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_paused_by_what_comes_up),
        cmocka_unit_test(goes_on_when_it_is_over),
        cmocka_unit_test(stays_paused_for_what_is_left),
        cmocka_unit_test(a_sync_ends_with_the_connection_it_had),
    };
    return cmocka_run_group_tests_name("launch_pause", tests, NULL, NULL);
}
