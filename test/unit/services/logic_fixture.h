/*
 * A customer and the Onboarding service, called over direct: as that customer, with stand-ins of
 * Meta and of the customer's website.
 */
#ifndef TEST_UNIT_SERVICES_LOGIC_FIXTURE_H
#define TEST_UNIT_SERVICES_LOGIC_FIXTURE_H

#include <sodium.h>
#include <string.h>

#include "lotcast/v1/onboarding.pb-c.h"
#include "rpc/services/secret.h"
#include "test/unit/services/fake_meta.h"
#include "test/unit/services/jobs_fixture.h"

#define CUSTOMER 7
#define SITE "https://shop.example/"

struct logic {
    struct fixture *store;
    struct services *services;
    struct rpc_server_interceptor interceptors[2];
    struct rpc_server *server;
    struct rpc_channel *channel;
};

static inline enum rpc_code as_customer(void *self, struct rpc_server_call *call,
                                        struct rpc_status *status)
{
    (void)self;
    (void)status;
    struct rpc_principal *principal = rpc_server_call_principal(call);
    bool is_operators =
        strcmp(rpc_server_call_method(call)->service_name, "lotcast.v1.Operations") == 0;
    principal->kind = is_operators ? RPC_PRINCIPAL_OPERATOR : RPC_PRINCIPAL_CUSTOMER;
    principal->customer_id = CUSTOMER;
    return RPC_OK;
}

/* Begins with an empty Meta and an empty site. */
static inline void fake_begin(struct fixture *fixture)
{
    char path[96];
    (void)snprintf(path, sizeof path, "%s/fake", fixture->directory);
    fake_open(path);
    memset(fake, 0, sizeof *fake);
    fake->site_first = 1;
    fake->site_price = 1000;
}

static inline void logic_open(struct logic *logic, struct fixture *fixture)
{
    struct rpc_status status;
    logic->interceptors[0] = *reasons_recorder();
    logic->interceptors[1] = (struct rpc_server_interceptor){.before = as_customer};
    logic->store = fixture;
    logic->services = logic_create(fixture);
    struct rpc_server_options options = {.name = "logic",
                                         .registry = fixture->registry,
                                         .interceptors = logic->interceptors,
                                         .interceptor_count = 2,
                                         .workers = 4};
    options.services = services_rpc(logic->services, &options.service_count);
    expect_ok(rpc_server_create(&options, &logic->server, &status), &status);
    const struct rpc_channel_options channel = {.url = "direct:", .server = logic->server};
    expect_ok(rpc_channel_open(&channel, &logic->channel, &status), &status);
    logic_start(logic->services);
}

static inline void logic_close(struct logic *logic)
{
    services_jobs_stop(logic->services, PATIENCE_MS);
    rpc_channel_close(logic->channel);
    rpc_server_destroy(logic->server);
    services_destroy(logic->services);
}

/* Makes a call; the response (in the test's arena) on RPC_OK. */
static inline enum rpc_code call(struct logic *logic, struct test_context *test, const char *method,
                                 const void *request, const void *ret_response,
                                 struct rpc_status *status)
{
    const struct rpc_request rpc = {
        .method = registry_method_find(logic->store->registry, span_of_string(method)),
        .message = request,
        .context = &test->context};
    const ProtobufCMessage *response = NULL;
    assert_non_null(rpc.method);
    rpc_status_clear(status);
    enum rpc_code code = rpc_channel_call(logic->channel, &rpc, &response, status);
    memcpy((void *)ret_response, &response, sizeof response);
    return code;
}

/* Connects a website: the items found, or -1 with the status. At most `ms`. */
static inline int64_t connect_for(struct logic *logic, const char *url, int64_t ms,
                                  struct rpc_status *status)
{
    struct test_context test;
    const Lotcast__V1__ConnectWebsiteResponse *response = NULL;
    Lotcast__V1__ConnectWebsiteRequest request = LOTCAST__V1__CONNECT_WEBSITE_REQUEST__INIT;
    request.url = (char *)url;
    context_begin(&test);
    test.context.deadline_ms = clock_mono_ms() + ms;
    int64_t found = -1;
    if (call(logic, &test, "lotcast.v1.Onboarding/ConnectWebsite", &request, &response, status) ==
        RPC_OK) {
        assert_true(response->success);
        found = response->items_found;
    }
    context_end(&test);
    return found;
}

static inline int64_t connect_site(struct logic *logic, const char *url, struct rpc_status *status)
{
    return connect_for(logic, url, PATIENCE_MS, status);
}

/* --- records --- */

/* The customer's record of a type with that key, in the test's arena; NULL if there is none. */
#define CUSTOMER_RECORD(logic, test, type)                             \
    record_get(logic, test, &lotcast__v1__##type##_record__descriptor, \
               store_key(store_number(CUSTOMER)))

static inline void *record_get(struct logic *logic, struct test_context *test,
                               const ProtobufCMessageDescriptor *record, struct store_key key)
{
    struct rpc_status status;
    void *row = NULL;
    expect_ok(
        store_get(logic->store->client, &test->context, record, NULL, key, &row, NULL, &status),
        &status);
    return row;
}

/* All of the customer's records of a type, with their versions. */
static inline struct store_read_op records_of(struct logic *logic, struct test_context *test,
                                              const ProtobufCMessageDescriptor *record)
{
    struct rpc_status status;
    struct store_read_op op = {.record = record,
                               .key = store_key(store_number(CUSTOMER)),
                               .is_range = true,
                               .limit = 5000};
    expect_ok(store_read(logic->store->client, &test->context, &op, 1, &status), &status);
    assert_int_equal(op.ret_cursor.len, 0);
    return op;
}

static inline void put_customer(struct fixture *fixture, bool suspended)
{
    Lotcast__V1__CustomerRecord customer = LOTCAST__V1__CUSTOMER_RECORD__INIT;
    customer.customer_id = CUSTOMER;
    customer.company = (char *)"Acme Auto";
    customer.suspended = suspended;
    (void)put_record(fixture, &customer);
}

static inline void put_balance(struct fixture *fixture, int64_t balance_centi)
{
    Lotcast__V1__LedgerBalanceRecord balance = LOTCAST__V1__LEDGER_BALANCE_RECORD__INIT;
    balance.customer_id = CUSTOMER;
    balance.balance_centi = balance_centi;
    (void)put_record(fixture, &balance);
}

/* A connection to Meta with everything selected; `token` NULL: disconnected. */
static inline void put_connection(struct fixture *fixture, const struct services *services,
                                  const char *token, bool dead, const char *currency)
{
    struct test_context test;
    Lotcast__V1__MetaAccount account = LOTCAST__V1__META_ACCOUNT__INIT;
    Lotcast__V1__MetaAccount *accounts[] = {&account};
    Lotcast__V1__MetaConnectionRecord connection = LOTCAST__V1__META_CONNECTION_RECORD__INIT;
    context_begin(&test);
    account.id = (char *)"act_1";
    account.currency = (char *)currency;
    connection.customer_id = CUSTOMER;
    connection.n_ad_accounts = 1;
    connection.ad_accounts = accounts;
    connection.ad_account_id = (char *)"act_1";
    connection.page_id = (char *)"page_1";
    connection.business_id = (char *)"business_1";
    connection.token_dead = dead;
    if (token != NULL)
        assert_int_equal(secret_seal(services, token, &test.arena, &connection.token_sealed),
                         RPC_OK);
    (void)put_record(fixture, &connection);
    context_end(&test);
}

static inline Lotcast__V1__LaunchRequest launch_request(void)
{
    static _Thread_local char *countries[] = {(char *)"US"};
    static _Thread_local Lotcast__V1__Targeting targeting;
    Lotcast__V1__LaunchRequest request = LOTCAST__V1__LAUNCH_REQUEST__INIT;
    lotcast__v1__targeting__init(&targeting);
    targeting.n_countries = 1;
    targeting.countries = countries;
    targeting.age_min = 25;
    targeting.age_max = 65;
    request.monthly_budget = 250000;
    request.currency = (char *)"USD";
    request.targeting = &targeting;
    return request;
}

/* Launches; the campaign's id is copied. */
static inline enum rpc_code launch_with(struct logic *logic,
                                        const Lotcast__V1__LaunchRequest *request,
                                        char campaign_id[static 64], struct rpc_status *status)
{
    struct test_context test;
    const Lotcast__V1__LaunchResponse *response = NULL;
    context_begin(&test);
    test.context.deadline_ms = clock_mono_ms() + PATIENCE_MS;
    enum rpc_code code =
        call(logic, &test, "lotcast.v1.Onboarding/Launch", request, &response, status);
    if (code == RPC_OK) {
        assert_true(response->success);
        assert_string_equal(response->redirect_to, "/app/dashboard");
        (void)snprintf(campaign_id, 64, "%s", response->campaign_id);
    }
    context_end(&test);
    return code;
}

static inline enum rpc_code launch_now(struct logic *logic, char campaign_id[static 64],
                                       struct rpc_status *status)
{
    const Lotcast__V1__LaunchRequest request = launch_request();
    return launch_with(logic, &request, campaign_id, status);
}

/* A customer who can launch: 12 items, a token, credits. */
static inline void ready_to_launch(struct logic *logic)
{
    struct rpc_status status;
    put_customer(logic->store, false);
    put_balance(logic->store, 1000000);
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    fake->site_items = 12;
    assert_int_equal(connect_site(logic, SITE, &status), 12);
}

static inline void expect_reason(const struct rpc_status *status, const char *name)
{
    const char *reason = status->reason == LOTCAST__V1__REASON__REASON_UNSPECIFIED
                             ? rpc_code_name(status->code)
                             : rpc_reason_get(status->reason)->name;
    assert_string_equal(reason, name);
}

#endif
