#include "test/integration/rest_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "google/api/httpbody.pb-c.h"
#include "lotcast/v1/admin.pb-c.h"
#include "lotcast/v1/ads.pb-c.h"
#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/billing.pb-c.h"
#include "lotcast/v1/dashboard.pb-c.h"
#include "lotcast/v1/health.pb-c.h"
#include "lotcast/v1/inventory.pb-c.h"
#include "lotcast/v1/metrics.pb-c.h"
#include "lotcast/v1/onboarding.pb-c.h"
#include "lotcast/v1/performance.pb-c.h"
#include "lotcast/v1/reflection.pb-c.h"
#include "test/support/reasons.h"

#define ANSWER_MS_MAX 15000
#define WAITING_MAX 4096

/* libh2o keeps a few buffers for each thread and does not free them when the thread ends. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:h2o_mem_alloc_recycle\nleak:h2o_buffer_reserve\n";
}

atomic_int rest_fixture_calls;
atomic_int rest_fixture_waiting;
atomic_int rest_fixture_cancelled;
atomic_int rest_fixture_pieces;

/* --- calls that wait for rest_fixture_release or for their caller to leave --- */

static struct {
    pthread_mutex_t lock;
    pthread_t thread;
    struct rpc_server_call *calls[WAITING_MAX];
    size_t count;
    bool release;
    bool stop;
} waiting = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void pause_ms(long ms)
{
    const struct timespec time = {ms / 1000, (ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

static void *end_waiting(void *arg)
{
    (void)arg;
    bool stop = false;
    while (!stop) {
        (void)pthread_mutex_lock(&waiting.lock);
        for (size_t i = 0; i < waiting.count;) {
            struct rpc_server_call *call = waiting.calls[i];
            bool gone = rpc_context_stopped(rpc_server_call_context(call));
            if (!gone && !waiting.release && !waiting.stop) {
                i++;
                continue;
            }
            waiting.calls[i] = waiting.calls[--waiting.count];
            struct rpc_status status;
            (void)rpc_status_set(&status, gone ? RPC_CANCELLED : RPC_OK, "%s", "");
            if (gone)
                atomic_fetch_add(&rest_fixture_cancelled, 1);
            rpc_server_call_finish(call, status.code, &status);
            atomic_fetch_sub(&rest_fixture_waiting, 1);
        }
        stop = waiting.stop && waiting.count == 0;
        (void)pthread_mutex_unlock(&waiting.lock);
        pause_ms(1);
    }
    return NULL;
}

void rest_fixture_release(void)
{
    (void)pthread_mutex_lock(&waiting.lock);
    waiting.release = true;
    (void)pthread_mutex_unlock(&waiting.lock);
}

void rest_fixture_wait_for(atomic_int *counter, int value)
{
    for (int i = 0; i < 10000 && atomic_load(counter) != value; i++)
        pause_ms(1);
    assert_int_equal(atomic_load(counter), value);
}

/* --- handlers --- */

static enum rpc_code need_session(struct rpc_server_call *call, struct rpc_status *status)
{
    const char *session = rpc_server_call_metadata(call, RPC_METADATA_SESSION);
    atomic_fetch_add(&rest_fixture_calls, 1);
    if (session == NULL || strcmp(session, "good") != 0)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_AUTH_REQUIRED, NULL);
    return RPC_OK;
}

/* All metadata but the ids that differ from call to call, as "key=value;…". */
static char *print_metadata(struct rpc_server_call *call)
{
    const struct rpc_metadata *metadata = rpc_server_call_all_metadata(call);
    char *text = arena_strdup(rpc_server_call_arena(call), "");
    for (size_t i = 0; i < metadata->count; i++)
        text = arena_printf(rpc_server_call_arena(call), "%s%s=%s;", text, metadata->entries[i].key,
                            metadata->entries[i].value);
    return text;
}

/* SignUp does what its e-mail says. */
static enum rpc_code sign_up(struct rpc_server_call *call, const void *request_, void *response_,
                             struct rpc_status *status)
{
    const Lotcast__V1__SignUpRequest *request = request_;
    Lotcast__V1__SignUpResponse *response = response_;
    struct arena *arena = rpc_server_call_arena(call);
    atomic_fetch_add(&rest_fixture_calls, 1);
    if (strcmp(request->email, "internal") == 0)
        return rpc_status_set(status, RPC_INTERNAL, "secret insides at /var/lib");
    if (strcmp(request->email, "limit") == 0) {
        (void)rpc_status_fail(status, LOTCAST__V1__REASON__REASON_RATE_LIMITED, NULL);
        status->retry_after_ms = 1500;
        return status->code;
    }
    if (strcmp(request->email, "down") == 0)
        return rpc_status_set(status, RPC_UNAVAILABLE, "connection refused to 10.0.0.1");
    if (strcmp(request->email, "upstream") == 0)
        return rpc_status_fail_upstream(status, "meta");
    if (strcmp(request->email, "token") == 0)
        response->session_token = arena_strdup(arena, request->password);
    else
        response->session_token = arena_strdup(arena, "good");
    response->success = true;
    response->redirect_to = arena_strdup(arena, request->company);
    return RPC_OK;
}

static enum rpc_code log_in(struct rpc_server_call *call, const void *request_, void *response_,
                            struct rpc_status *status)
{
    const Lotcast__V1__LogInRequest *request = request_;
    Lotcast__V1__LogInResponse *response = response_;
    struct arena *arena = rpc_server_call_arena(call);
    atomic_fetch_add(&rest_fixture_calls, 1);
    if (strcmp(request->password, "right") != 0)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_CREDENTIALS, NULL);
    response->success = true;
    response->redirect_to = arena_strdup(arena, "/app/dashboard");
    response->session_token = arena_strdup(arena, "fresh-token_1");
    return RPC_OK;
}

static enum rpc_code log_out(struct rpc_server_call *call, const void *request, void *response_,
                             struct rpc_status *status)
{
    Lotcast__V1__LogOutResponse *response = response_;
    (void)request;
    (void)status;
    atomic_fetch_add(&rest_fixture_calls, 1);
    response->success = true;
    response->redirect_to = print_metadata(call);
    return RPC_OK;
}

static enum rpc_code get_session(struct rpc_server_call *call, const void *request, void *response_,
                                 struct rpc_status *status)
{
    Lotcast__V1__GetSessionResponse *response = response_;
    (void)request;
    enum rpc_code code = need_session(call, status);
    if (code != RPC_OK)
        return code;
    response->user = arena_alloc(rpc_server_call_arena(call), sizeof *response->user);
    lotcast__v1__session_user__init(response->user);
    response->user->name = print_metadata(call);
    return RPC_OK;
}

static enum rpc_code change_password(struct rpc_server_call *call, const void *request,
                                     void *response, struct rpc_status *status)
{
    (void)request;
    (void)response;
    return need_session(call, status);
}

static enum rpc_code check_access(struct rpc_server_call *call, const void *request, void *response,
                                  struct rpc_status *status)
{
    (void)request;
    (void)response;
    return need_session(call, status);
}

static enum rpc_code connect_meta(struct rpc_server_call *call, const void *request_,
                                  void *response_, struct rpc_status *status)
{
    const Lotcast__V1__ConnectMetaRequest *request = request_;
    Lotcast__V1__ConnectMetaResponse *response = response_;
    enum rpc_code code = need_session(call, status);
    response->location =
        arena_printf(rpc_server_call_arena(call), "https://dialog.test/?r=%s", request->return_to);
    return code;
}

static enum rpc_code complete_meta(struct rpc_server_call *call, const void *request_,
                                   void *response_, struct rpc_status *status)
{
    const Lotcast__V1__CompleteMetaRequest *request = request_;
    Lotcast__V1__CompleteMetaResponse *response = response_;
    (void)status;
    atomic_fetch_add(&rest_fixture_calls, 1);
    response->location = arena_strdup(rpc_server_call_arena(call), request->code);
    return RPC_OK;
}

static enum rpc_code unused(struct rpc_server_call *call, const void *request, void *response,
                            struct rpc_status *status)
{
    (void)call;
    (void)request;
    (void)response;
    return rpc_status_set(status, RPC_UNIMPLEMENTED, "not of this test");
}

static enum rpc_code get_dashboard(struct rpc_server_call *call, const void *request,
                                   void *response_, struct rpc_status *status)
{
    Lotcast__V1__GetDashboardResponse *response = response_;
    (void)request;
    response->status = arena_strdup(rpc_server_call_arena(call), "running");
    response->item_count = 247;
    return need_session(call, status);
}

/* {"url":"wait"} waits; {"url":"large"} fails with a long field; anything else is found. */
static enum rpc_code connect_website(struct rpc_server_call *call, const void *request_,
                                     void *response_, struct rpc_status *status)
{
    const Lotcast__V1__ConnectWebsiteRequest *request = request_;
    Lotcast__V1__ConnectWebsiteResponse *response = response_;
    enum rpc_code code = need_session(call, status);
    if (code != RPC_OK)
        return code;
    response->success = true;
    response->items_found = 247;
    if (strcmp(request->url, "wait") != 0)
        return RPC_OK;
    (void)pthread_mutex_lock(&waiting.lock);
    bool fits = waiting.count < WAITING_MAX;
    if (fits)
        waiting.calls[waiting.count++] = call;
    (void)pthread_mutex_unlock(&waiting.lock);
    if (!fits)
        return rpc_status_set(status, RPC_INTERNAL, "too many wait");
    atomic_fetch_add(&rest_fixture_waiting, 1);
    return RPC_DEFERRED;
}

/* Answers with so many bytes of redirect as monthly_budget says, in cents. */
static enum rpc_code launch(struct rpc_server_call *call, const void *request_, void *response_,
                            struct rpc_status *status)
{
    const Lotcast__V1__LaunchRequest *request = request_;
    Lotcast__V1__LaunchResponse *response = response_;
    enum rpc_code code = need_session(call, status);
    if (code != RPC_OK)
        return code;
    size_t len = (size_t)request->monthly_budget;
    char *text = arena_alloc(rpc_server_call_arena(call), len + 1);
    assert_non_null(text);
    memset(text, 'x', len);
    text[len] = '\0';
    response->redirect_to = text;
    return RPC_OK;
}

/* --- methods of later pages: raw bodies, files, 202 --- */

/* Answers with what it got, as an error's message; nothing is fine. */
static enum rpc_code receive_stripe_event(struct rpc_server_call *call, const void *request_,
                                          void *response, struct rpc_status *status)
{
    const Google__Api__HttpBody *request = request_;
    (void)response;
    atomic_fetch_add(&rest_fixture_calls, 1);
    if (request->data.len == 0)
        return RPC_OK;
    return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_INVALID_SIGNATURE, NULL,
                                   "%s|%.*s|%s", request->content_type, (int)request->data.len,
                                   (const char *)request->data.data, print_metadata(call));
}

/* What `to` asks for: "pieces/COUNTxSIZE", with "-fail" behind it where it ends so. */
static bool read_pieces(const char *text, unsigned *ret_count, size_t *ret_size, bool *ret_fails)
{
    char end[8] = "";
    int taken = sscanf(text, "pieces/%ux%zu%7s", ret_count, ret_size, end);
    *ret_fails = strcmp(end, "-fail") == 0;
    return taken >= 2;
}

/* Sends so many pieces; each byte of one is its number's. */
static enum rpc_code send_pieces(struct rpc_server_call *call, unsigned count, size_t size,
                                 Lotcast__V1__DownloadPerformanceResponse *piece,
                                 struct rpc_status *status)
{
    enum rpc_code code = RPC_OK;
    uint8_t *bytes = arena_alloc(rpc_server_call_arena(call), size);
    assert_non_null(bytes);
    piece->body->data = (ProtobufCBinaryData){size, bytes};
    for (unsigned i = 0; i < count && code == RPC_OK; i++) {
        memset(bytes, 'a' + (int)(i % 26), size);
        code = rpc_server_call_send(call, piece, status);
        if (code == RPC_OK)
            atomic_fetch_add(&rest_fixture_pieces, 1);
    }
    if (code == RPC_CANCELLED)
        atomic_fetch_add(&rest_fixture_cancelled, 1);
    return code;
}

/* The file's name and type are the period's text: "name,type". */
static enum rpc_code download_performance(struct rpc_server_call *call, const void *request_,
                                          void *response, struct rpc_status *status)
{
    const Lotcast__V1__DownloadPerformanceRequest *request = request_;
    Lotcast__V1__DownloadPerformanceResponse piece =
        LOTCAST__V1__DOWNLOAD_PERFORMANCE_RESPONSE__INIT;
    Google__Api__HttpBody body = GOOGLE__API__HTTP_BODY__INIT;
    static const char csv[] = "date,impressions\r\n";
    unsigned count = 0;
    size_t size = 0;
    bool fails = false;
    enum rpc_code code = need_session(call, status);
    (void)response;
    piece.file_name = request->from;
    piece.body = &body;
    body.content_type = request->to;
    if (code != RPC_OK)
        return code;
    if (read_pieces(request->to, &count, &size, &fails)) {
        code = send_pieces(call, count, size, &piece, status);
        return code == RPC_OK && fails ? rpc_status_set(status, RPC_UNAVAILABLE, "no more") : code;
    }
    body.data = (ProtobufCBinaryData){sizeof csv - 1, (uint8_t *)csv};
    return rpc_server_call_send(call, &piece, status);
}

static enum rpc_code sync_ads(struct rpc_server_call *call, const void *request, void *response_,
                              struct rpc_status *status)
{
    Lotcast__V1__SyncResponse *response = response_;
    (void)request;
    response->in_progress = rpc_server_call_metadata(call, RPC_METADATA_IDEMPOTENCY_KEY) != NULL;
    return need_session(call, status);
}

/* --- the services: those of the test's own handlers; other methods are not of this test --- */

static const struct handler_row {
    const ProtobufCServiceDescriptor *service;
    const char *method;
    rpc_handler *handler;
} handler_rows[] = {
    {&lotcast__v1__auth__descriptor, "SignUp", sign_up},
    {&lotcast__v1__auth__descriptor, "LogIn", log_in},
    {&lotcast__v1__auth__descriptor, "LogOut", log_out},
    {&lotcast__v1__auth__descriptor, "GetSession", get_session},
    {&lotcast__v1__auth__descriptor, "ChangePassword", change_password},
    {&lotcast__v1__access_control__descriptor, "CheckAccess", check_access},
    {&lotcast__v1__meta_auth__descriptor, "ConnectMeta", connect_meta},
    {&lotcast__v1__meta_auth__descriptor, "CompleteMeta", complete_meta},
    {&lotcast__v1__dashboard__descriptor, "GetDashboard", get_dashboard},
    {&lotcast__v1__onboarding__descriptor, "ConnectWebsite", connect_website},
    {&lotcast__v1__onboarding__descriptor, "Launch", launch},
    {&lotcast__v1__billing__descriptor, "ReceiveStripeEvent", receive_stripe_event},
    {&lotcast__v1__performance__descriptor, "DownloadPerformance", download_performance},
    {&lotcast__v1__performance__descriptor, "GetPerformance", rest_pages_echo},
    {&lotcast__v1__ads__descriptor, "Sync", sync_ads},
    {&lotcast__v1__inventory__descriptor, "ListItems", rest_pages_list_items},
    {&lotcast__v1__admin__descriptor, "GetCustomer", rest_pages_get_customer},
    {&lotcast__v1__admin__descriptor, "AdjustCredits", rest_pages_adjust_credits},
};

static const ProtobufCServiceDescriptor *const descriptors[] = {
    &lotcast__v1__auth__descriptor,
    &lotcast__v1__access_control__descriptor,
    &lotcast__v1__meta_auth__descriptor,
    &lotcast__v1__dashboard__descriptor,
    &lotcast__v1__onboarding__descriptor,
    &lotcast__v1__billing__descriptor,
    &lotcast__v1__performance__descriptor,
    &lotcast__v1__ads__descriptor,
    &lotcast__v1__inventory__descriptor,
    &lotcast__v1__admin__descriptor,
    /* The server's own: */
    &lotcast__v1__health__descriptor,
    &lotcast__v1__metrics__descriptor,
    &lotcast__v1__reflection__descriptor,
};

#define OWN_COUNT 3
#define SERVICE_COUNT (sizeof descriptors / sizeof descriptors[0] - OWN_COUNT)
#define METHODS_MAX 32

static rpc_handler *handlers[SERVICE_COUNT][METHODS_MAX];
static struct rpc_service services[SERVICE_COUNT];

static void fill_services(void)
{
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        assert_true(descriptors[i]->n_methods <= METHODS_MAX);
        for (unsigned j = 0; j < descriptors[i]->n_methods; j++) {
            handlers[i][j] = unused;
            for (size_t k = 0; k < sizeof handler_rows / sizeof handler_rows[0]; k++) {
                if (handler_rows[k].service == descriptors[i] &&
                    strcmp(handler_rows[k].method, descriptors[i]->methods[j].name) == 0)
                    handlers[i][j] = handler_rows[k].handler;
            }
        }
        services[i] = (struct rpc_service){descriptors[i], handlers[i], NULL};
    }
}

/* --- fixture --- */

static void must(enum rpc_code code, const struct rpc_status *status)
{
    if (code != RPC_OK)
        fail_msg("%s", status->message);
}

void rest_fixture_start(struct rest_fixture *fixture, void (*adjust)(struct rest_options *options))
{
    struct registry_sources sources = registry_sources_get();
    sources.services = descriptors;
    sources.service_count = SERVICE_COUNT + OWN_COUNT;
    fill_services();
    rest_fixture_serve(fixture, &sources, services, SERVICE_COUNT, adjust);
}

void rest_fixture_serve(struct rest_fixture *fixture, const struct registry_sources *sources,
                        const struct rpc_service *served, size_t served_count,
                        void (*adjust)(struct rest_options *options))
{
    struct rpc_status status;
    must(registry_create(sources, &fixture->registry, &status), &status);
    struct rpc_server_options server = {.name = "test",
                                        .registry = fixture->registry,
                                        .services = served,
                                        .service_count = served_count,
                                        .workers = 4,
                                        .queue_max = WAITING_MAX};
    must(rpc_server_create(&server, &fixture->server, &status), &status);
    struct rpc_channel_options channel = {
        .url = "direct:", .server = fixture->server, .calls_max = WAITING_MAX};
    must(rpc_channel_open(&channel, &fixture->channel, &status), &status);
    const struct rest_health_target target = {"logic", fixture->channel};
    struct rest_options options = {.registry = fixture->registry,
                                   .channel = fixture->channel,
                                   .listen = "127.0.0.1:0",
                                   .threads = 2,
                                   .health_targets = &target,
                                   .health_target_count = 1};
    if (adjust != NULL)
        adjust(&options);
    must(rest_create(&options, &fixture->rest, &status), &status);
    must(rest_start(fixture->rest, &fixture->port, &status), &status);
    waiting.release = false;
    waiting.stop = false;
    assert_int_equal(pthread_create(&waiting.thread, NULL, end_waiting, NULL), 0);
}

void rest_fixture_stop(struct rest_fixture *fixture)
{
    rest_destroy(fixture->rest);
    (void)pthread_mutex_lock(&waiting.lock);
    waiting.stop = true;
    (void)pthread_mutex_unlock(&waiting.lock);
    (void)pthread_join(waiting.thread, NULL);
    rpc_channel_close(fixture->channel);
    rpc_server_destroy(fixture->server);
    registry_destroy(fixture->registry);
}

/* --- raw client --- */

int raw_try_connect(const struct rest_fixture *fixture)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fixture->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

int raw_connect(const struct rest_fixture *fixture)
{
    int fd = raw_try_connect(fixture);
    assert_true(fd >= 0);
    return fd;
}

void raw_send_bytes(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent < 0)
            return; /* the server has closed: what it said is read */
        at += sent;
        len -= (size_t)sent;
    }
}

void raw_send(int fd, const char *bytes)
{
    raw_send_bytes(fd, bytes, strlen(bytes));
}

/* One read within the time; 0 at the end, -1 on a reset or when time is up. */
static ssize_t read_some(int fd, void *buffer, size_t size, int timeout_ms)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    if (poll(&poller, 1, timeout_ms) <= 0) {
        errno = ETIMEDOUT;
        return -1;
    }
    return recv(fd, buffer, size, 0);
}

static bool read_head(int fd, struct raw_answer *answer)
{
    size_t len = 0;
    answer->head = calloc(1, 32768);
    assert_non_null(answer->head);
    while (len < 4 || memcmp(answer->head + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len < 32767);
        if (read_some(fd, answer->head + len, 1, ANSWER_MS_MAX) != 1)
            return false;
        len++;
    }
    return true;
}

void raw_read(int fd, bool to_head, struct raw_answer *ret_answer)
{
    *ret_answer = (struct raw_answer){0};
    if (!read_head(fd, ret_answer)) {
        ret_answer->body = calloc(1, 1);
        return;
    }
    assert_int_equal(sscanf(ret_answer->head, "HTTP/1.1 %d", &ret_answer->status), 1);
    const char *length = raw_header(ret_answer, "content-length");
    size_t len = length == NULL || to_head ? 0 : (size_t)strtoul(length, NULL, 10);
    ret_answer->body = calloc(1, len + 1);
    assert_non_null(ret_answer->body);
    while (ret_answer->body_len < len) {
        ssize_t got = read_some(fd, ret_answer->body + ret_answer->body_len,
                                len - ret_answer->body_len, ANSWER_MS_MAX);
        assert_true(got > 0);
        ret_answer->body_len += (size_t)got;
    }
    if (ret_answer->status >= 400)
        reasons_record_answer(ret_answer->body);
}

void raw_answer_free(struct raw_answer *answer)
{
    free(answer->head);
    free(answer->body);
    *answer = (struct raw_answer){0};
}

bool raw_is_closed(int fd)
{
    char byte;
    ssize_t got = read_some(fd, &byte, 1, 3000);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

const char *raw_header(const struct raw_answer *answer, const char *name)
{
    static _Thread_local char value[8][1024];
    static _Thread_local size_t next;
    const char *line = strstr(answer->head, "\r\n");
    size_t name_len = strlen(name);
    while (line != NULL && line[2] != '\r') {
        line += 2;
        const char *end = strstr(line, "\r\n");
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *from = line + name_len + 1;
            from += strspn(from, " ");
            char *slot = value[next++ % 8];
            (void)snprintf(slot, sizeof value[0], "%.*s", (int)(end - from), from);
            return slot;
        }
        line = end;
    }
    return NULL;
}

void raw_request(const struct rest_fixture *fixture, const char *bytes,
                 struct raw_answer *ret_answer)
{
    int fd = raw_connect(fixture);
    raw_send(fd, bytes);
    raw_read(fd, strncmp(bytes, "HEAD", 4) == 0, ret_answer);
    (void)close(fd);
}
