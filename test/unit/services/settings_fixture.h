/*
 * What the tests of settings share: a customer with an account, and calls of the service.
 */
#ifndef TEST_UNIT_SERVICES_SETTINGS_FIXTURE_H
#define TEST_UNIT_SERVICES_SETTINGS_FIXTURE_H

#include "lotcast/v1/settings.pb-c.h"
#include "test/unit/services/launch_fixture.h"

static inline void put_user(struct fixture *fixture, int64_t user_id, const char *email)
{
    Lotcast__V1__UserRecord user = LOTCAST__V1__USER_RECORD__INIT;
    user.user_id = user_id;
    user.customer_id = user_id;
    user.role = LOTCAST__V1__ROLE__ROLE_CUSTOMER;
    user.name = (char *)"John";
    user.email = (char *)email;
    user.email_key = (char *)email;
    (void)put_record(fixture, &user);
}

static inline void put_account(struct logic *logic)
{
    put_customer(logic->store, false);
    put_user(logic->store, CUSTOMER, "john@acme.com");
}

static inline Lotcast__V1__GetSettingsResponse *settings_get(struct logic *logic,
                                                             struct test_context *test)
{
    struct rpc_status status;
    Lotcast__V1__GetSettingsResponse *response = NULL;
    Lotcast__V1__GetSettingsRequest request = LOTCAST__V1__GET_SETTINGS_REQUEST__INIT;
    expect_ok(call(logic, test, "lotcast.v1.Settings/GetSettings", &request, &response, &status),
              &status);
    return response;
}

static inline enum rpc_code disconnect(struct logic *logic, struct rpc_status *status)
{
    struct test_context test;
    const Lotcast__V1__DisconnectMetaResponse *response = NULL;
    Lotcast__V1__DisconnectMetaRequest request = LOTCAST__V1__DISCONNECT_META_REQUEST__INIT;
    context_begin(&test);
    test.context.deadline_ms = clock_mono_ms() + PATIENCE_MS;
    enum rpc_code code =
        call(logic, &test, "lotcast.v1.Settings/DisconnectMeta", &request, &response, status);
    if (code == RPC_OK)
        assert_true(response->success);
    context_end(&test);
    return code;
}

#endif
