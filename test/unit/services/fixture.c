#include "test/unit/services/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lotcast/v1/auth.pb-c.h"
#include "rpc/interceptor.h"
#include "rpc/services/password_hash.h"
#include "store/sight.h"
#include "store/store.h"
#include "test/support/process.h"
#include "test/support/reasons.h"

#define THREADS_MAX 256
#define HEAVY_WORKERS 6

static void expect_ok(enum rpc_code code, const struct rpc_status *status)
{
    if (code != RPC_OK)
        fail_msg("%s: %s (%s)", rpc_code_name(code), status->message, status->field);
}

/* Listens beside the records, as a role does for the next one, and opens a channel to it. */
static void open_stream(const struct fixture *fixture, const char *name, struct rpc_server *server,
                        struct rpc_channel **ret_channel)
{
    struct rpc_status status;
    char url[128];
    (void)snprintf(url, sizeof url, "ipc://%s/%s.sock", fixture->directory, name);
    expect_ok(rpc_server_listen(server, url, RPC_TRUST_ROLE, &status), &status);
    struct rpc_channel_options channel = {.url = url};
    expect_ok(rpc_channel_open(&channel, ret_channel, &status), &status);
}

/* Shows the client the stamps. */
static void show_stamps(struct fixture *fixture, const struct fixture_options *options)
{
    struct store_near near = {0};
    if (options->is_near)
        near = store_near_of(fixture->store);
    if (options->in_sight) {
        fixture->sight = store_sight_create(fixture->directory, fixture->registry);
        assert_non_null(fixture->sight);
        near = store_sight_near(fixture->sight);
    }
    store_client_set_near(fixture->store_client, &near);
}

static void start_store(struct fixture *fixture, bool over_stream)
{
    struct rpc_status status;
    struct registry_sources sources = registry_sources_get();
    expect_ok(registry_create(&sources, &fixture->registry, &status), &status);
    struct store_options store = {.directory = fixture->directory, .registry = fixture->registry};
    expect_ok(store_open(&store, &fixture->store, &status), &status);
    lost_race_init(&fixture->race, store_service(fixture->store));
    struct rpc_server_options server = {.name = "store",
                                        .registry = fixture->registry,
                                        .services = &fixture->race.service,
                                        .service_count = 1,
                                        .interceptors = reasons_recorder(),
                                        .interceptor_count = 1,
                                        .runs_inline = over_stream};
    expect_ok(rpc_server_create(&server, &fixture->store_server, &status), &status);
    struct rpc_channel_options channel = {.url = "direct:", .server = fixture->store_server};
    if (over_stream)
        open_stream(fixture, "store", fixture->store_server, &fixture->store_channel);
    else
        expect_ok(rpc_channel_open(&channel, &fixture->store_channel, &status), &status);
    fixture->store_client = store_client_create(fixture->store_channel, fixture->registry);
    assert_non_null(fixture->store_client);
}

static void start_services(struct fixture *fixture, const struct fixture_options *options)
{
    static const struct http_address_policy anywhere = {0};
    struct rpc_status status;
    struct http_options http = {.user_agent = "test"};
    expect_ok(http_client_create(&http, &fixture->http, &status), &status);
    bool configured = options->graph_url != NULL;
    struct meta_options meta = {.http = fixture->http,
                                .graph_url = configured ? options->graph_url : "http://127.0.0.1:1",
                                .dialog_url = "https://dialog.example",
                                .version = "v24.0",
                                .app_id = configured ? "4711" : "",
                                .app_secret = configured ? "app-secret" : ""};
    fixture->meta = meta_client_create(&meta);
    assert_non_null(fixture->meta);
    bool pays = options->stripe_url != NULL;
    const struct stripe_options stripe = {.http = fixture->http,
                                          .api_url =
                                              pays ? options->stripe_url : "http://127.0.0.1:1",
                                          .secret_key = pays ? "sk_test_1" : "",
                                          .webhook_secret = pays ? FIXTURE_WEBHOOK_SECRET : ""};
    fixture->stripe = stripe_client_create(&stripe);
    assert_non_null(fixture->stripe);
    struct services_options services = {.registry = fixture->registry,
                                        .store = fixture->store_client,
                                        .http = fixture->http,
                                        .meta = fixture->meta,
                                        .stripe = fixture->stripe,
                                        .scan_policy = &anywhere,
                                        .public_url = "https://lotcast.example",
                                        .secret_key = {1, 2, 3},
                                        .credit_rates = "USD:20",
                                        .signup_credits = options->signup_credits,
                                        .scan_items_max = 1000,
                                        .loopback_exempt = !options->loopback_throttled};
    expect_ok(services_create(&services, &fixture->services, &status), &status);
}

static void start_server(struct fixture *fixture, const struct fixture_options *options)
{
    struct rpc_status status;
    size_t interceptor_count = 0;
    fixture->interceptors[interceptor_count++] = *reasons_recorder();
    if (options->traced)
        fixture->interceptors[interceptor_count++] =
            rpc_interceptor_trace_server(fixture->registry);
    fixture->interceptors[interceptor_count++] = services_interceptor_auth(fixture->services);
    size_t count;
    const struct rpc_service *rpc = services_rpc(fixture->services, &count);
    struct rpc_server_options server = {.name = "logic",
                                        .registry = fixture->registry,
                                        .services = rpc,
                                        .service_count = count,
                                        .interceptors = fixture->interceptors,
                                        .interceptor_count = interceptor_count,
                                        .early = services_early(fixture->services),
                                        /* More than any machine would: what hashes races too. */
                                        .heavy_workers = HEAVY_WORKERS};
    expect_ok(rpc_server_create(&server, &fixture->server, &status), &status);
    struct rpc_channel_options channel = {.url = "direct:", .server = fixture->server};
    if (options->over_stream) {
        open_stream(fixture, "logic", fixture->server, &fixture->channel);
        return;
    }
    if (options->over_nng) {
        (void)snprintf(fixture->rpc_url, sizeof fixture->rpc_url, "req+ipc://%s/rpc.sock",
                       fixture->directory);
        expect_ok(rpc_server_listen(fixture->server, fixture->rpc_url, RPC_TRUST_OPERATOR, &status),
                  &status);
        channel = (struct rpc_channel_options){.url = fixture->rpc_url};
    }
    expect_ok(rpc_channel_open(&channel, &fixture->channel, &status), &status);
}

void fixture_start(struct fixture *fixture, const struct fixture_options *options)
{
    *fixture = (struct fixture){0};
    arena_init(&fixture->arena, ARENA_CALL_BYTES_MAX);
    fixture->context = (struct rpc_context){.arena = &fixture->arena, .deadline_ms = INT64_MAX};
    temp_directory(fixture->directory);
    start_store(fixture, options->over_stream);
    show_stamps(fixture, options);
    start_services(fixture, options);
    start_server(fixture, options);
}

void fixture_stop(struct fixture *fixture)
{
    rpc_channel_close(fixture->channel);
    rpc_server_destroy(fixture->server);
    services_destroy(fixture->services);
    meta_client_destroy(fixture->meta);
    stripe_client_destroy(fixture->stripe);
    http_client_destroy(fixture->http);
    store_client_destroy(fixture->store_client);
    store_sight_destroy(fixture->sight);
    rpc_channel_close(fixture->store_channel);
    rpc_server_destroy(fixture->store_server);
    store_close(fixture->store);
    registry_destroy(fixture->registry);
    arena_fini(&fixture->arena);
}

struct rpc_metadata fixture_browser(const char *session, const char *address)
{
    struct rpc_metadata metadata = {0};
    if (session != NULL)
        assert_true(rpc_metadata_add(&metadata, RPC_METADATA_SESSION, session));
    if (address != NULL)
        assert_true(rpc_metadata_add(&metadata, RPC_METADATA_ADDRESS, address));
    return metadata;
}

enum rpc_code fixture_call(struct fixture *fixture, struct arena *arena, const char *method,
                           const void *request, const struct rpc_metadata *metadata,
                           const void **ret_response, struct rpc_status *status)
{
    struct rpc_context context = {.arena = arena, .deadline_ms = INT64_MAX};
    struct rpc_request call = {.method =
                                   registry_method_find(fixture->registry, span_of_string(method)),
                               .message = request,
                               .metadata = metadata,
                               .context = &context,
                               .wait_for_ready = true};
    assert_non_null(call.method);
    const ProtobufCMessage *response = NULL;
    enum rpc_code code = rpc_channel_call(fixture->channel, &call, &response, status);
    if (code == RPC_OK && ret_response != NULL)
        *ret_response = response;
    return code;
}

const char *fixture_sign_up(struct fixture *fixture, int number, int64_t *ret_customer_id)
{
    struct rpc_status status;
    const void *response;
    Lotcast__V1__SignUpRequest request = LOTCAST__V1__SIGN_UP_REQUEST__INIT;
    request.email = arena_printf(&fixture->arena, "john%d@acme.com", number);
    request.password = (char *)FIXTURE_PASSWORD;
    request.company = (char *)"Acme Auto";
    assert_non_null(request.email);
    struct rpc_metadata metadata = fixture_browser(NULL, NULL);
    expect_ok(fixture_call(fixture, &fixture->arena, "lotcast.v1.Auth/SignUp", &request, &metadata,
                           &response, &status),
              &status);
    Lotcast__V1__UserRecord *user;
    expect_ok(store_get(fixture->store_client, &fixture->context,
                        &lotcast__v1__user_record__descriptor, "by_email",
                        store_key(store_text(request.email)), &user, NULL, &status),
              &status);
    assert_non_null(user);
    if (ret_customer_id != NULL)
        *ret_customer_id = user->customer_id;
    return ((const Lotcast__V1__SignUpResponse *)response)->session_token;
}

const char *fixture_admin(struct fixture *fixture)
{
    struct rpc_status status;
    const void *response;
    char hash[SERVICES_PASSWORD_HASH_BYTES];
    assert_int_equal(password_hash_make(FIXTURE_PASSWORD, hash), RPC_OK);
    Lotcast__V1__UserRecord admin = LOTCAST__V1__USER_RECORD__INIT;
    expect_ok(store_numbers_take(fixture->store_client, &fixture->context, "user", 1,
                                 &admin.user_id, &status),
              &status);
    admin.email_key = admin.email = (char *)"admin@lotcast.example";
    admin.name = (char *)"Ada";
    admin.role = LOTCAST__V1__ROLE__ROLE_ADMIN;
    admin.password_hash = hash;
    fixture_put(fixture, &admin);
    Lotcast__V1__LogInRequest request = LOTCAST__V1__LOG_IN_REQUEST__INIT;
    request.email = admin.email;
    request.password = (char *)FIXTURE_PASSWORD;
    expect_ok(fixture_call(fixture, &fixture->arena, "lotcast.v1.Auth/LogIn", &request, NULL,
                           &response, &status),
              &status);
    assert_string_equal(((const Lotcast__V1__LogInResponse *)response)->redirect_to,
                        "/admin/customers");
    return ((const Lotcast__V1__LogInResponse *)response)->session_token;
}

void fixture_put(struct fixture *fixture, const void *record)
{
    struct store_commit commit;
    struct rpc_status status;
    store_commit_init(&commit, fixture->store_client, &fixture->context);
    (void)store_commit_put(&commit, record);
    expect_ok(store_commit_send(&commit, &fixture->context, NULL, &status), &status);
}

void *fixture_get(struct fixture *fixture, const ProtobufCMessageDescriptor *record, int64_t id)
{
    struct rpc_status status;
    void *found;
    expect_ok(store_get(fixture->store_client, &fixture->context, record, NULL,
                        store_key(store_number(id)), &found, NULL, &status),
              &status);
    return found;
}

int64_t fixture_count(struct fixture *fixture, const ProtobufCMessageDescriptor *record)
{
    struct rpc_status status;
    struct store_read_op op = {.record = record, .is_range = true, .count_only = true};
    expect_ok(store_read(fixture->store_client, &fixture->context, &op, 1, &status), &status);
    return op.ret_count;
}

int64_t fixture_counter(struct fixture *fixture, const char *name)
{
    struct rpc_status status;
    struct store_read_op op = {.counter = name};
    expect_ok(store_read(fixture->store_client, &fixture->context, &op, 1, &status), &status);
    return op.ret_count;
}

struct job {
    pthread_barrier_t *start;
    void (*run)(void *arg);
    void *arg;
};

static void *run_job(void *arg)
{
    struct job *job = arg;
    (void)pthread_barrier_wait(job->start);
    job->run(job->arg);
    return NULL;
}

void fixture_parallel(void (*run)(void *arg), void *args, size_t size, size_t count)
{
    pthread_t threads[THREADS_MAX];
    struct job jobs[THREADS_MAX];
    pthread_barrier_t start;
    assert_true(count <= THREADS_MAX);
    assert_int_equal(pthread_barrier_init(&start, NULL, (unsigned)count), 0);
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct job){&start, run, (char *)args + i * size};
        assert_int_equal(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    (void)pthread_barrier_destroy(&start);
}
