/*
 * lotctl against a server of somebody else's: what it lists, describes and calls comes from the
 * server's reflection alone.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gadget.pb-c.h"
#include "lotcast/v1/health.pb-c.h"
#include "lotcast/v1/metrics.pb-c.h"
#include "lotcast/v1/reflection.pb-c.h"
#include "rpc/server.h"
#include "test/support/process.h"

extern const unsigned char gadget_descriptor_set[];
extern const size_t gadget_descriptor_set_len;

#define OUTPUT_BYTES 16384

/* --- the server --- */

static enum rpc_code make(struct rpc_server_call *call, const void *request, void *response,
                          struct rpc_status *status)
{
    Acme__Gadget__V1__MakeResponse *answer = response;
    (void)call;
    (void)status;
    answer->made = (Acme__Gadget__V1__MakeRequest *)(uintptr_t)request;
    answer->weight = 2.5;
    answer->serial = 9007199254740991;
    return RPC_OK;
}

/* Says whom the caller named, so that the test sees the metadata. */
static enum rpc_code refuse(struct rpc_server_call *call, const void *request, void *response,
                            struct rpc_status *status)
{
    const char *customer = rpc_server_call_metadata(call, RPC_METADATA_CUSTOMER_ID);
    (void)request;
    (void)response;
    return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_BUDGET,
                           customer == NULL ? "nobody" : customer);
}

/* Fails behind its items when it began at 13. */
static enum rpc_code count(struct rpc_server_call *call, const void *request, void *response,
                           struct rpc_status *status)
{
    const Acme__Gadget__V1__CountRequest *asked = request;
    (void)response;
    for (uint32_t left = asked->from; left > 0; left--) {
        Acme__Gadget__V1__CountResponse item = ACME__GADGET__V1__COUNT_RESPONSE__INIT;
        item.left = left - 1;
        enum rpc_code code = rpc_server_call_send(call, &item, status);
        if (code != RPC_OK)
            return code;
    }
    return asked->from == 13 ? rpc_status_fail(status, LOTCAST__V1__REASON__REASON_CONFLICT, NULL)
                             : RPC_OK;
}

static rpc_handler *const handlers[] = {make, count, refuse};
static const ProtobufCServiceDescriptor *const descriptors[] = {
    &acme__gadget__v1__gadgets__descriptor, &lotcast__v1__health__descriptor,
    &lotcast__v1__metrics__descriptor, &lotcast__v1__reflection__descriptor};

struct under_test {
    struct registry *registry;
    struct rpc_service services[1];
    struct rpc_server *server;
    char directory[64];
    char urls[2][112]; /* REQ/REP, and a stream */
    char env[128];
    char log[96];
    char output[OUTPUT_BYTES]; /* of the last run */
    char complaint[OUTPUT_BYTES];
};

static void must(enum rpc_code code, const struct rpc_status *status)
{
    if (code != RPC_OK)
        fail_msg("%s", status->message);
}

static void use_door(struct under_test *test, int which)
{
    (void)snprintf(test->env, sizeof test->env, "LOTCAST_RPC=%s", test->urls[which]);
}

static int set_up(void **state)
{
    struct under_test *test = calloc(1, sizeof *test);
    struct rpc_status status;
    assert_non_null(test);
    struct registry_sources sources = {
        .descriptor_set = span_of(gadget_descriptor_set, gadget_descriptor_set_len),
        .services = descriptors,
        .service_count = sizeof descriptors / sizeof descriptors[0]};
    must(registry_create(&sources, &test->registry, &status), &status);
    test->services[0] =
        (struct rpc_service){&acme__gadget__v1__gadgets__descriptor, handlers, NULL};
    struct rpc_server_options options = {.name = "acme",
                                         .registry = test->registry,
                                         .services = test->services,
                                         .service_count = 1,
                                         .workers = 1};
    must(rpc_server_create(&options, &test->server, &status), &status);
    temp_directory(test->directory);
    (void)snprintf(test->urls[0], sizeof test->urls[0], "req+ipc://%s/r", test->directory);
    (void)snprintf(test->urls[1], sizeof test->urls[1], "ipc://%s/s", test->directory);
    (void)snprintf(test->log, sizeof test->log, "%s/log", test->directory);
    for (int i = 0; i < 2; i++)
        must(rpc_server_listen(test->server, test->urls[i], RPC_TRUST_OPERATOR, &status), &status);
    use_door(test, 0);
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    rpc_server_destroy(test->server);
    registry_destroy(test->registry);
    free(test);
    return 0;
}

/* --- lotctl --- */

static void read_file(const char *path, char text[static OUTPUT_BYTES])
{
    FILE *file = fopen(path, "re");
    size_t len = file == NULL ? 0 : fread(text, 1, OUTPUT_BYTES - 1, file);
    text[len] = '\0';
    if (file != NULL)
        (void)fclose(file);
}

/* Without the second that ThreadSanitizer lets a program sleep at its end: many are run. */
static const char *sanitizer_options(void)
{
    static char text[512];
    const char *given = getenv("TSAN_OPTIONS");
    (void)snprintf(text, sizeof text, "TSAN_OPTIONS=%s%satexit_sleep_ms=0",
                   given == NULL ? "" : given, given == NULL ? "" : ":");
    return text;
}

/* Runs it with up to five arguments; its exit code. */
static int run(struct under_test *test, const char *a, const char *b, const char *c, const char *d,
               const char *e)
{
    struct process process;
    char line[PROCESS_LINE_BYTES];
    const char *argv[] = {getenv("LOTCTL_BIN"), a, b, c, d, e, NULL};
    char *env[] = {test->env, (char *)(uintptr_t)sanitizer_options(), NULL};
    size_t len = 0;
    assert_non_null(argv[0]);
    (void)remove(test->log);
    process_start(&process, (char **)(uintptr_t)argv, env, test->log);
    while (process_read_line(&process, line, 20000)) {
        int added = snprintf(test->output + len, sizeof test->output - len, "%s\n", line);
        assert_true(added > 0 && len + (size_t)added < sizeof test->output);
        len += (size_t)added;
    }
    test->output[len] = '\0';
    int code = process_wait(&process, 20000);
    read_file(test->log, test->complaint);
    return code;
}

static void lists_what_is_served(void **state)
{
    struct under_test *test = *state;
    assert_int_equal(run(test, "list", NULL, NULL, NULL, NULL), 0);
    static const char want[] =
        "acme.gadget.v1.Gadgets/Make                  PUT    /gadgets/{name}\n"
        "acme.gadget.v1.Gadgets/Count\n"
        "acme.gadget.v1.Gadgets/Refuse\n"
        "lotcast.v1.Health/Check\n";
    if (strncmp(test->output, want, strlen(want)) != 0)
        fail_msg("%s", test->output);
    assert_non_null(strstr(test->output, "lotcast.v1.Reflection/GetDescriptorSet\n"));
    assert_null(strstr(test->output, "lotcast.v1.Auth")); /* compiled in, but not served here */
    assert_int_equal(run(test, "list", "more", NULL, NULL, NULL), 2);
}

static void describes_what_is_declared(void **state)
{
    static const char method[] = "// Makes as many as are wanted.\n"
                                 "acme.gadget.v1.Gadgets/Make\n"
                                 "  PUT    /gadgets/{name}\n"
                                 "  deadline 7000 ms, may be repeated\n"
                                 "// What is wanted.\n"
                                 "message acme.gadget.v1.MakeRequest\n"
                                 "  name                         string\n"
                                 "  color                        acme.gadget.v1.Color\n";
    static const char *const rows[][2] = {
        {"acme.gadget.v1.Gadgets/Make", method},
        {"acme.gadget.v1.Gadgets.Make", method},
        {"Gadgets/Make", method},
        {"Gadgets", method},
        {"MakeRequest", "// What is wanted.\nmessage acme.gadget.v1.MakeRequest\n"},
        {"MakeResponse", "  // The request as it came.\n"
                         "  made                         acme.gadget.v1.MakeRequest\n"},
        {"MakeRequest", "  // In cents.\n  price                        int64\n"},
        {"MakeRequest", "parts                        repeated acme.gadget.v1.MakeRequest.Part\n"},
        {"MakeRequest", "paint                        string (one of finish)\n"},
        {"MakeRequest.Part", "sizes                        repeated sint32\n"},
        {"Color", "enum acme.gadget.v1.Color\n"
                  "  COLOR_UNSPECIFIED            0\n"
                  "  COLOR_RED                    1\n"
                  "  COLOR_COLD                   -3\n"},
        {"lotcast.v1.Health/Check", "message lotcast.v1.HealthCheckResponse\n"},
        {"Health", "lotcast.v1.Health/Check\n"},
    };
    struct under_test *test = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int code = run(test, "describe", rows[i][0], NULL, NULL, NULL);
        if (code != 0 || strstr(test->output, rows[i][1]) == NULL)
            fail_msg("%s: %d\n%s\n%s", rows[i][0], code, test->output, test->complaint);
    }
}

static void calls_what_it_was_not_compiled_with(void **state)
{
    static const char *const rows[][2] = {
        {"{\"name\":\"n\"}", "\"name\":\"n\""},
        {"{}", "\"weight\":2.5,\"serial\":9007199254740991}"},
        {"{\"price\":12.5}", "\"price\":12.5"},
        {"{\"color\":\"COLOR_COLD\"}", "\"color\":\"COLOR_COLD\""},
        {"{\"parts\":[{\"label\":\"\u00fc\",\"sizes\":[-1,2]},{}]}",
         "\"parts\":[{\"label\":\"\u00fc\",\"sizes\":[-1,2]},{\"label\":\"\",\"sizes\":[]}]"},
        {"{\"stock\":{\"bolt\":3}}", "\"stock\":{\"bolt\":3}"},
        {"{\"paint\":\"\"}", "\"paint\":\"\""},
        {"{\"coats\":4}", "\"coats\":4"},
        {"{\"fragile\":false}", "\"fragile\":false"},
        {"{\"photo\":\"AAEC\"}", "\"photo\":\"AAEC\""},
        {"{\"secret\":\"xyzzy\"}", "\"secret\":\"[redacted]\""},
    };
    struct under_test *test = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int code = run(test, "call", "Gadgets/Make", rows[i][0], NULL, NULL);
        if (code != 0 || strstr(test->output, rows[i][1]) == NULL)
            fail_msg("%s: %d\n%s\n%s", rows[i][0], code, test->output, test->complaint);
        assert_null(strstr(test->output, "xyzzy"));
    }
    assert_int_equal(run(test, "call", "acme.gadget.v1.Gadgets/Make", NULL, NULL, NULL), 0);
    assert_int_equal(run(test, "call", "Health/Check", NULL, NULL, NULL), 0);
    assert_string_equal(test->output, "{\"status\":\"SERVING_STATUS_SERVING\"}\n");
}

static void refusals_are_said(void **state)
{
    static const struct {
        const char *command, *name, *text, *option, *value;
        const char *want;
        int code;
    } rows[] = {
        {"call", "Gadgets/Make", "{\"x\":1}", NULL, NULL, "UNKNOWN_FIELD", 1},
        {"call", "Gadgets/Make", "{\"color\":\"BLUE\"}", NULL, NULL, "color", 1},
        {"call", "Gadgets/Make", "{", NULL, NULL, "INVALID_JSON", 1},
        {"call", "Gadgets/Make", "{\"price\":0.001}", NULL, NULL, "price", 1},
        {"call", "Gadgets/Refuse", NULL, NULL, NULL, "INVALID_BUDGET", 1},
        {"call", "Gadgets/Refuse", NULL, NULL, NULL, "nobody", 1},
        {"call", "Gadgets/Refuse", "{}", "--customer", "4711", "4711", 1},
        {"call", "Gadgets/Melt", NULL, NULL, NULL, "there is no Gadgets/Melt", 1},
        {"call", "Auth/LogIn", NULL, NULL, NULL, "there is no Auth/LogIn", 1},
        {"call", "MakeRequest", NULL, NULL, NULL, "is no method", 1},
        {"call", "", NULL, NULL, NULL, "there is no", 1},
        {"call", NULL, NULL, NULL, NULL, "not understood", 2},
        {"describe", "Nothing", NULL, NULL, NULL, "there is no Nothing", 1},
        {"describe", "lotcast.v1.Auth", NULL, NULL, NULL, "there is no lotcast.v1.Auth", 1},
        {"describe", NULL, NULL, NULL, NULL, "not understood", 2},
    };
    struct under_test *test = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int code =
            run(test, rows[i].command, rows[i].name, rows[i].text, rows[i].option, rows[i].value);
        if (code != rows[i].code || strstr(test->complaint, rows[i].want) == NULL)
            fail_msg("row %zu: %d %s%s", i, code, test->output, test->complaint);
    }
}

/* Both kinds of doors serve alike, but only one carries streams. */
static void any_door_will_do(void **state)
{
    struct under_test *test = *state;
    use_door(test, 1);
    lists_what_is_served(state);
    assert_int_equal(run(test, "call", "Gadgets/Make", "{\"name\":\"n\"}", NULL, NULL), 0);
    assert_int_equal(run(test, "health", NULL, NULL, NULL, NULL), 0);
    assert_int_equal(run(test, "describe", "Gadgets/Count", NULL, NULL, NULL), 0);
    assert_non_null(strstr(test->output, ", streams\n"));
    assert_int_equal(run(test, "call", "Gadgets/Count", "{\"from\":3}", NULL, NULL), 0);
    assert_string_equal(test->output, "{\"left\":2}\n{\"left\":1}\n{\"left\":0}\n");
    assert_int_equal(run(test, "call", "Gadgets/Count", "{\"from\":500}", NULL, NULL), 0);
    assert_non_null(strstr(test->output, "{\"left\":499}\n{\"left\":498}\n"));
    assert_int_equal(run(test, "call", "Gadgets/Count", NULL, NULL, NULL), 0);
    assert_string_equal(test->output, "");
    assert_int_equal(run(test, "call", "Gadgets/Count", "{\"from\":13}", NULL, NULL), 1);
    assert_non_null(strstr(test->output, "{\"left\":0}\n"));
    assert_non_null(strstr(test->complaint, "CONFLICT"));
    use_door(test, 0);
    assert_int_equal(run(test, "call", "Gadgets/Count", "{\"from\":3}", NULL, NULL), 1);
    assert_non_null(strstr(test->complaint, "UNIMPLEMENTED"));
    (void)snprintf(test->env, sizeof test->env, "LOTCAST_RPC=http://localhost");
    assert_int_equal(run(test, "list", NULL, NULL, NULL, NULL), 2);
    assert_non_null(strstr(test->complaint, "LOTCAST_RPC"));
    use_door(test, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_what_is_served),
        cmocka_unit_test(describes_what_is_declared),
        cmocka_unit_test(calls_what_it_was_not_compiled_with),
        cmocka_unit_test(refusals_are_said),
        cmocka_unit_test(any_door_will_do),
    };
    return cmocka_run_group_tests_name("lotctl", tests, set_up, tear_down);
}
