/*
 * A method's max_in_flight: Billing's Purchase is full with calls that wait at the gate, and
 * nothing else notices; of GetBilling only those calls count that its handler says so of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lotcast/v1/billing.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/base/metrics.h"
#include "test/support/process.h"
#include "test/unit/rpc/fixture.h"

#define PURCHASE "lotcast.v1.Billing/Purchase"
#define GET_BILLING "lotcast.v1.Billing/GetBilling"
#define LONG_MS 20000
/* What a refused call is told, in ms. */
#define PUSH_BACK_MS 1000
/* More workers than the methods under test may hold, together. */
#define WORKERS 72
#define CALLS_MAX 72
#define HANDLERS_MAX 16

struct call {
    struct fixture_async async;
    struct fixture_context context;
};

struct under_test {
    struct fixture fixture;
    rpc_handler *handlers[HANDLERS_MAX];
    char url[128];
    struct rpc_channel *channel;
    struct call calls[CALLS_MAX];
    size_t limit; /* Purchase's */
};

/* --- the methods --- */

static enum rpc_code wait_here(struct rpc_server_call *call, const void *request, void *response,
                               struct rpc_status *status)
{
    struct fixture *fixture = rpc_server_call_self(call);
    (void)request;
    (void)response;
    (void)status;
    (void)atomic_fetch_add(&fixture->ran, 1);
    fixture_wait_at_gate(fixture);
    return RPC_OK;
}

/* Waits where a session is named, and is quick otherwise. */
static enum rpc_code wait_sometimes(struct rpc_server_call *call, const void *request,
                                    void *response, struct rpc_status *status)
{
    const Lotcast__V1__GetBillingRequest *asked = request;
    if (asked->session_id[0] == '\0')
        return RPC_OK;
    for (int i = 0; i < 2; i++) { /* once more counts no more */
        enum rpc_code code = rpc_server_call_take_place(call, status);
        if (code != RPC_OK)
            return code;
    }
    return wait_here(call, request, response, status);
}

static int set_up(const char *scheme, void **state)
{
    const ProtobufCServiceDescriptor *billing = &lotcast__v1__billing__descriptor;
    struct under_test *test = calloc(1, sizeof *test);
    char directory[64];
    fixture_init(&test->fixture);
    assert_in_range(billing->n_methods, 1, HANDLERS_MAX);
    for (unsigned i = 0; i < billing->n_methods; i++)
        test->handlers[i] =
            strcmp(billing->methods[i].name, "GetBilling") == 0 ? wait_sometimes : wait_here;
    test->fixture.services[1] = (struct rpc_service){billing, test->handlers, &test->fixture};
    fixture_start(&test->fixture, (struct rpc_server_options){.workers = WORKERS});
    temp_directory(directory);
    (void)snprintf(test->url, sizeof test->url, "%s", scheme);
    if (strcmp(scheme, "direct:") != 0) {
        (void)snprintf(test->url, sizeof test->url, "%s%s/s", scheme, directory);
        fixture_listen(&test->fixture, test->url);
    }
    test->channel = fixture_channel(&test->fixture, test->url);
    test->limit = fixture_method(PURCHASE)->rules->max_in_flight;
    assert_in_range(test->limit, 1, WORKERS - 1);
    *state = test;
    return 0;
}

static int set_up_direct(void **state)
{
    return set_up("direct:", state);
}

static int set_up_frames(void **state)
{
    return set_up("ipc://", state);
}

static int set_up_reqrep(void **state)
{
    return set_up("req+ipc://", state);
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    fixture_gate(&test->fixture, true);
    rpc_channel_close(test->channel);
    fixture_stop(&test->fixture);
    free(test);
    return 0;
}

/* --- calls --- */

static void start(struct under_test *test, size_t index, const char *name,
                  const ProtobufCMessage *message)
{
    struct call *call = &test->calls[index];
    fixture_context_init(&call->context, LONG_MS);
    fixture_async_begin(&call->async, test->channel, &call->context, fixture_method(name), message);
}

static void purchase(struct under_test *test, size_t index)
{
    Lotcast__V1__PurchaseRequest message = LOTCAST__V1__PURCHASE_REQUEST__INIT;
    start(test, index, PURCHASE, &message.base);
}

static enum rpc_code end(struct under_test *test, size_t index)
{
    struct call *call = &test->calls[index];
    enum rpc_code code = fixture_async_wait(&call->async);
    fixture_context_fini(&call->context);
    return code;
}

static void assert_refused(struct under_test *test, size_t index, Lotcast__V1__Reason reason)
{
    assert_int_equal(end(test, index), RPC_RESOURCE_EXHAUSTED);
    const struct rpc_status *status = &test->calls[index].async.status;
    assert_int_equal(status->retry_after_ms, PUSH_BACK_MS);
    assert_int_equal(status->reason, reason);
}

static void fill(struct under_test *test)
{
    for (size_t i = 0; i < test->limit; i++)
        purchase(test, i);
    fixture_await_waiting(&test->fixture, (unsigned)test->limit);
}

/* --- tests --- */

static void test_full_method_is_refused_alone(void **state)
{
    struct under_test *test = *state;
    struct fixture_context context;
    fill(test);
    unsigned ran = atomic_load(&test->fixture.ran);
    for (size_t i = 0; i < 3; i++) {
        purchase(test, test->limit);
        /* It was not run, and says so: a plain code. */
        assert_refused(test, test->limit, LOTCAST__V1__REASON__REASON_UNSPECIFIED);
    }
    assert_int_equal(atomic_load(&test->fixture.ran), ran);

    fixture_context_init(&context, LONG_MS);
    for (size_t i = 0; i < 50; i++) {
        int64_t start_ms = clock_mono_ms();
        assert_int_equal(fixture_call(test->channel, &context, ACTION_ECHO, "x", NULL, NULL),
                         RPC_OK);
        assert_in_range(clock_mono_ms() - start_ms, 0, LONG_MS / 4);
    }
    fixture_context_fini(&context);

    fixture_gate(&test->fixture, true);
    for (size_t i = 0; i < test->limit; i++)
        assert_int_equal(end(test, i), RPC_OK);
    /* Who has an answer finds the room that it leaves. */
    purchase(test, 0);
    assert_int_equal(end(test, 0), RPC_OK);
}

static void test_a_place_is_held_until_the_handler_ends(void **state)
{
    struct under_test *test = *state;
    fill(test);
    rpc_call_cancel(test->calls[0].async.call);
    assert_int_equal(end(test, 0), RPC_CANCELLED);
    /* The caller has gone; the work that it began has not. */
    purchase(test, 0);
    assert_refused(test, 0, LOTCAST__V1__REASON__REASON_UNSPECIFIED);
    fixture_gate(&test->fixture, true);
    for (size_t i = 1; i < test->limit; i++)
        assert_int_equal(end(test, i), RPC_OK);
}

static void test_only_some_calls_count(void **state)
{
    struct under_test *test = *state;
    size_t limit = fixture_method(GET_BILLING)->rules->max_in_flight;
    Lotcast__V1__GetBillingRequest slow = LOTCAST__V1__GET_BILLING_REQUEST__INIT;
    Lotcast__V1__GetBillingRequest quick = LOTCAST__V1__GET_BILLING_REQUEST__INIT;
    slow.session_id = (char *)"cs_1";
    assert_in_range(limit, 1, WORKERS - 1);
    for (size_t i = 0; i < limit; i++)
        start(test, i, GET_BILLING, &slow.base);
    fixture_await_waiting(&test->fixture, (unsigned)limit);
    start(test, limit, GET_BILLING, &slow.base);
    /* Its handler was run, so that it is no plain code. */
    assert_refused(test, limit, LOTCAST__V1__REASON__REASON_UNAVAILABLE);
    for (size_t i = 0; i < 10; i++) {
        start(test, limit, GET_BILLING, &quick.base);
        assert_int_equal(end(test, limit), RPC_OK);
    }
    fixture_gate(&test->fixture, true);
    for (size_t i = 0; i < limit; i++)
        assert_int_equal(end(test, i), RPC_OK);
}

/* --- metrics --- */

static int64_t sample(const char *name)
{
    struct buffer text;
    buffer_init(&text, (size_t)1024 * 1024);
    metrics_print(&text);
    const char *printed = buffer_cstring(&text);
    assert_non_null(printed);
    const char *at = strstr(printed, name);
    int64_t value = at == NULL ? -1 : strtoll(at + strlen(name), NULL, 10);
    buffer_fini(&text);
    return value;
}

#define PURCHASE_LABELS "{server=\"test\",method=\"" PURCHASE "\"} "

static void test_metrics(void **state)
{
    static const char in_flight[] = "\nlotcast_rpc_limited_in_flight" PURCHASE_LABELS;
    static const char refused[] = "\nlotcast_rpc_limited_refused_total" PURCHASE_LABELS;
    static const char all_refused[] =
        "\nlotcast_rpc_refused_total{server=\"test\",why=\"method_full\"} ";
    struct under_test *test = *state;
    int64_t refused_before = sample(refused);
    int64_t all_before = sample(all_refused);
    assert_int_equal(sample(in_flight), 0);
    fill(test);
    purchase(test, test->limit);
    assert_refused(test, test->limit, LOTCAST__V1__REASON__REASON_UNSPECIFIED);
    assert_int_equal(sample(in_flight), test->limit);
    assert_int_equal(sample(refused), refused_before + 1);
    assert_int_equal(sample(all_refused), all_before + 1);
    fixture_gate(&test->fixture, true);
    for (size_t i = 0; i < test->limit; i++)
        assert_int_equal(end(test, i), RPC_OK);
    assert_int_equal(sample(in_flight), 0);
}

#define ON(transport, test)                                             \
    {                                                                   \
#test " " #transport, test, set_up_##transport, tear_down, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(direct, test_full_method_is_refused_alone),
        ON(frames, test_full_method_is_refused_alone),
        ON(reqrep, test_full_method_is_refused_alone),
        ON(direct, test_a_place_is_held_until_the_handler_ends),
        ON(frames, test_a_place_is_held_until_the_handler_ends),
        ON(direct, test_only_some_calls_count),
        ON(frames, test_only_some_calls_count),
        ON(reqrep, test_only_some_calls_count),
        ON(frames, test_metrics),
    };
    return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
