/*
 * tls+tcp://: who is taken and who is not. The certificates are made here, each time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "test/support/process.h"
#include "test/unit/rpc/fixture.h"

#define LONG_MS 20000
/* Within which a refused peer would have been taken, in ms. */
#define REFUSED_MS 600
#define DAY_S (24 * 60 * 60)
#define PATH_BYTES 128

/* A certificate with its key, in files. */
struct identity {
    X509 *certificate;
    EVP_PKEY *key;
    char cert_file[PATH_BYTES];
    char key_file[PATH_BYTES];
};

struct under_test {
    struct fixture fixture;
    char directory[64];
    char url[128];
    struct fixture_context context;
    struct identity ca;
    struct identity other_ca;
    struct identity server;
    struct identity client;
    struct rpc_tls server_tls;
};

/* --- certificates --- */

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void write_files(const struct identity *identity)
{
    FILE *file = fopen(identity->cert_file, "we");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, identity->certificate), 1);
    (void)fclose(file);
    file = fopen(identity->key_file, "we");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL), 1);
    (void)fclose(file);
}

/* Valid from `from_s` to `to_s` from now; signed by `ca`, or by itself and a CA (NULL). */
static void make_identity(struct under_test *test, struct identity *identity, const char *file,
                          const char *name, const struct identity *ca, long from_s, long to_s)
{
    static long serial;
    X509 *certificate = X509_new();
    identity->key = EVP_EC_gen("P-256");
    identity->certificate = certificate;
    assert_non_null(certificate);
    assert_non_null(identity->key);
    (void)X509_set_version(certificate, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    (void)X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    (void)X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    (void)X509_set_pubkey(certificate, identity->key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    X509 *issuer = ca == NULL ? certificate : ca->certificate;
    (void)X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    add_extension(certificate, issuer, NID_basic_constraints,
                  ca == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    assert_int_not_equal(X509_sign(certificate, ca == NULL ? identity->key : ca->key, EVP_sha256()),
                         0);
    (void)snprintf(identity->cert_file, PATH_BYTES, "%s/%s.crt", test->directory, file);
    (void)snprintf(identity->key_file, PATH_BYTES, "%s/%s.key", test->directory, file);
    write_files(identity);
}

static void free_identity(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

static struct rpc_tls tls_of(const struct identity *ca, const struct identity *identity)
{
    return (struct rpc_tls){ca->cert_file, identity->cert_file, identity->key_file};
}

/* --- servers and channels --- */

static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void start_server(struct under_test *test)
{
    fixture_start(&test->fixture,
                  (struct rpc_server_options){.workers = 2, .tls = &test->server_tls});
    fixture_listen(&test->fixture, test->url);
}

static int set_up(void **state)
{
    struct under_test *test = calloc(1, sizeof *test);
    fixture_init(&test->fixture);
    temp_directory(test->directory);
    (void)snprintf(test->url, sizeof test->url, "tls+tcp://127.0.0.1:%u", free_port());
    fixture_context_init(&test->context, LONG_MS);
    make_identity(test, &test->ca, "ca", "CA", NULL, -DAY_S, DAY_S);
    make_identity(test, &test->other_ca, "other", "CA", NULL, -DAY_S, DAY_S); /* the same name */
    make_identity(test, &test->server, "server", "127.0.0.1", &test->ca, -DAY_S, DAY_S);
    make_identity(test, &test->client, "client", "rest", &test->ca, -DAY_S, DAY_S);
    test->server_tls = tls_of(&test->ca, &test->server);
    start_server(test);
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    fixture_stop(&test->fixture);
    fixture_context_fini(&test->context);
    free_identity(&test->ca);
    free_identity(&test->other_ca);
    free_identity(&test->server);
    free_identity(&test->client);
    free(test);
    return 0;
}

static struct rpc_channel *open_channel(struct under_test *test, const struct rpc_tls *tls)
{
    struct rpc_channel_options options = {.url = test->url, .tls = tls};
    struct rpc_channel *channel = NULL;
    struct rpc_status status;
    if (rpc_channel_open(&options, &channel, &status) != RPC_OK)
        fail_msg("%s", status.message);
    return channel;
}

static enum rpc_code call_once(struct under_test *test, const struct rpc_tls *tls,
                               int64_t timeout_ms)
{
    struct rpc_channel *channel = open_channel(test, tls);
    struct fixture_context context;
    struct fixture_async call;
    fixture_context_init(&context, timeout_ms);
    fixture_async_start(&call, channel, &context, ACTION_ECHO, true);
    enum rpc_code code = fixture_async_wait(&call);
    fixture_context_fini(&context);
    rpc_channel_close(channel);
    return code;
}

/* --- tests --- */

static void test_calls(void **state)
{
    struct under_test *test = *state;
    struct rpc_tls tls = tls_of(&test->ca, &test->client);
    struct rpc_channel *channel = open_channel(test, &tls);
    struct fixture_query query;
    struct fixture_async many[30];
    for (size_t i = 0; i < 30; i++)
        fixture_async_start(&many[i], channel, &test->context, ACTION_ECHO, true);
    for (size_t i = 0; i < 30; i++)
        assert_int_equal(fixture_async_wait(&many[i]), RPC_OK);
    /* Larger than TLS's records and NNG's buffers. */
    fixture_query_init(&query, ACTION_BIG, "");
    query.range.limit = 3000000;
    struct rpc_request request = {.method = fixture_method(FIXTURE_QUERY),
                                  .message = &query.request.base,
                                  .context = &test->context.context};
    const ProtobufCMessage *response;
    assert_int_equal(rpc_channel_call(channel, &request, &response, NULL), RPC_OK);
    assert_int_equal(((const Lotcast__V1__QueryResponse *)response)->rows[0]->value.len, 3000000);
    rpc_channel_close(channel);
}

static void test_clients_that_are_refused(void **state)
{
    struct under_test *test = *state;
    struct identity foreign;
    struct identity expired;
    struct identity future;
    struct identity self;
    make_identity(test, &foreign, "foreign", "rest", &test->other_ca, -DAY_S, DAY_S);
    make_identity(test, &expired, "expired", "rest", &test->ca, -2 * DAY_S, -DAY_S);
    make_identity(test, &future, "future", "rest", &test->ca, DAY_S, 2 * DAY_S);
    make_identity(test, &self, "self", "rest", NULL, -DAY_S, DAY_S);
    const struct rpc_tls rows[] = {
        tls_of(&test->ca, &foreign),
        tls_of(&test->ca, &expired),
        tls_of(&test->ca, &future),
        tls_of(&test->ca, &self),
        tls_of(&test->other_ca, &test->client), /* it refuses */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_not_equal(call_once(test, &rows[i], REFUSED_MS), RPC_OK);
    assert_int_equal(atomic_load(&test->fixture.ran), 0);
    struct rpc_tls good = tls_of(&test->ca, &test->client);
    assert_int_equal(call_once(test, &good, LONG_MS), RPC_OK);
    free_identity(&foreign);
    free_identity(&expired);
    free_identity(&future);
    free_identity(&self);
}

static void test_servers_that_are_refused(void **state)
{
    struct under_test *test = *state;
    struct rpc_tls good = tls_of(&test->ca, &test->client);
    static const struct {
        const char *name;
        bool foreign;
        long from_s, to_s;
    } rows[] = {
        {"127.0.0.1", true, -DAY_S, DAY_S},       /* another CA's */
        {"127.0.0.2", false, -DAY_S, DAY_S},      /* for another host */
        {"127.0.0.1", false, -2 * DAY_S, -DAY_S}, /* expired */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct identity server;
        make_identity(test, &server, "bad", rows[i].name,
                      rows[i].foreign ? &test->other_ca : &test->ca, rows[i].from_s, rows[i].to_s);
        rpc_server_destroy(test->fixture.server);
        test->server_tls = tls_of(&test->ca, &server);
        start_server(test);
        assert_int_not_equal(call_once(test, &good, REFUSED_MS), RPC_OK);
        free_identity(&server);
    }
    assert_int_equal(atomic_load(&test->fixture.ran), 0);
}

static int connect_raw(const struct under_test *test)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons((uint16_t)atoi(strrchr(test->url, ':') + 1))};
    struct timeval timeout = {.tv_sec = 15};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return fd;
}

/* No TLS at all, no certificate, and ones that leave in the middle. */
static void test_peers_without_tls(void **state)
{
    struct under_test *test = *state;
    char byte;
    int plain = connect_raw(test);
    assert_int_equal(send(plain, "LOTC\x01\x63\0\0", 8, MSG_NOSIGNAL), 8);
    while (recv(plain, &byte, 1, 0) > 0) /* perhaps an alert */
        continue;
    (void)close(plain);
    for (int i = 0; i < 20; i++) {
        int fd = connect_raw(test);
        if (i % 2 == 0) /* the head of a ClientHello */
            (void)send(fd, "\x16\x03\x01\x01\0\x01", 6, MSG_NOSIGNAL);
        (void)close(fd);
    }
    const struct rpc_tls rows[] = {{test->ca.cert_file, "", ""}, {"", "", ""}};
    for (size_t i = 0; i < 2; i++) {
        struct rpc_channel_options options = {.url = test->url, .tls = &rows[i]};
        struct rpc_channel *channel = NULL;
        assert_int_equal(rpc_channel_open(&options, &channel, NULL), RPC_FAILED_PRECONDITION);
    }
    struct rpc_tls good = tls_of(&test->ca, &test->client);
    assert_int_equal(call_once(test, &good, LONG_MS), RPC_OK);
}

/* What does not make an identity is refused when it is opened, with a message. */
static void test_bad_files(void **state)
{
    struct under_test *test = *state;
    char absent[PATH_BYTES];
    char garbage[PATH_BYTES];
    (void)snprintf(absent, sizeof absent, "%s/absent", test->directory);
    (void)snprintf(garbage, sizeof garbage, "%s/garbage", test->directory);
    FILE *file = fopen(garbage, "we");
    assert_non_null(file);
    (void)fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", file);
    (void)fclose(file);
    const struct rpc_tls rows[] = {
        {absent, test->server.cert_file, test->server.key_file},
        {test->ca.cert_file, absent, test->server.key_file},
        {test->ca.cert_file, test->server.cert_file, NULL},
        {garbage, test->server.cert_file, test->server.key_file},
        {test->ca.cert_file, garbage, test->server.key_file},
        {test->ca.cert_file, test->server.cert_file, garbage},
        {test->ca.cert_file, test->server.key_file, test->server.cert_file},
        {test->directory, test->server.cert_file, test->server.key_file},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rpc_status status = {0};
        struct rpc_channel *channel = NULL;
        struct rpc_channel_options options = {.url = test->url, .tls = &rows[i]};
        assert_int_equal(rpc_channel_open(&options, &channel, &status), RPC_FAILED_PRECONDITION);
        assert_int_not_equal(status.message[0], '\0');
        rpc_server_destroy(test->fixture.server);
        test->server_tls = rows[i];
        fixture_start(&test->fixture,
                      (struct rpc_server_options){.workers = 1, .tls = &test->server_tls});
        assert_int_equal(
            rpc_server_listen(test->fixture.server, test->url, RPC_TRUST_ROLE, &status),
            RPC_FAILED_PRECONDITION);
    }
}

/* Servers replaced and cut off under a channel: it heals. */
static void test_heals(void **state)
{
    struct under_test *test = *state;
    struct rpc_tls tls = tls_of(&test->ca, &test->client);
    struct rpc_channel *channel = open_channel(test, &tls);
    for (int round = 0; round < 3; round++) {
        struct fixture_async call;
        fixture_async_start(&call, channel, &test->context, ACTION_ECHO, true);
        assert_int_equal(fixture_async_wait(&call), RPC_OK);
        rpc_server_drain(test->fixture.server, LONG_MS);
        rpc_server_destroy(test->fixture.server);
        start_server(test);
    }
    rpc_channel_close(channel);
}

/* --- a wire that breaks --- */

#define PAIRS_MAX 16

/* Carries connections to the server, and breaks them all when told to. */
struct proxy {
    int listener;
    unsigned port;
    unsigned server_port;
    atomic_bool cut;
    atomic_bool stop;
    int pairs[PAIRS_MAX][2];
    size_t count;
};

static int tcp_socket(unsigned port, bool listens)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = listens ? bind(fd, (struct sockaddr *)&address, sizeof address)
                     : connect(fd, (struct sockaddr *)&address, sizeof address);
    if (rc == 0 && (!listens || listen(fd, 16) == 0))
        return fd;
    (void)close(fd);
    return -1;
}

/* With a reset, in whatever they are. */
static void break_pair(struct proxy *proxy, size_t index)
{
    const struct linger none = {.l_onoff = 1};
    for (size_t i = 0; i < 2; i++) {
        (void)setsockopt(proxy->pairs[index][i], SOL_SOCKET, SO_LINGER, &none, sizeof none);
        (void)close(proxy->pairs[index][i]);
    }
    proxy->count--;
    memcpy(proxy->pairs[index], proxy->pairs[proxy->count], sizeof proxy->pairs[index]);
}

static void take_pair(struct proxy *proxy)
{
    int from = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    int to = from < 0 || proxy->count == PAIRS_MAX ? -1 : tcp_socket(proxy->server_port, false);
    if (to < 0) {
        (void)close(from);
        return;
    }
    proxy->pairs[proxy->count][0] = from;
    proxy->pairs[proxy->count][1] = to;
    proxy->count++;
}

/* Whether both ends go on. */
static bool carry(const int pair[2])
{
    for (size_t i = 0; i < 2; i++) {
        char bytes[4096];
        ssize_t len = recv(pair[i], bytes, sizeof bytes, MSG_DONTWAIT);
        if (len == 0 || (len < 0 && errno != EAGAIN))
            return false;
        if (len > 0 && send(pair[1 - i], bytes, (size_t)len, MSG_NOSIGNAL) != len)
            return false;
    }
    return true;
}

static void *proxy_main(void *arg)
{
    struct proxy *proxy = arg;
    while (!atomic_load(&proxy->stop)) {
        struct pollfd fds[1 + 2 * PAIRS_MAX] = {{.fd = proxy->listener, .events = POLLIN}};
        for (size_t i = 0; i < 2 * proxy->count; i++)
            fds[1 + i] = (struct pollfd){.fd = proxy->pairs[i / 2][i % 2], .events = POLLIN};
        (void)poll(fds, 1 + 2 * proxy->count, 5);
        bool cut = atomic_exchange(&proxy->cut, false);
        for (size_t i = proxy->count; i-- > 0;)
            if (cut || !carry(proxy->pairs[i]))
                break_pair(proxy, i);
        if ((fds[0].revents & POLLIN) != 0)
            take_pair(proxy);
    }
    while (proxy->count > 0)
        break_pair(proxy, 0);
    (void)close(proxy->listener);
    return NULL;
}

struct hammer {
    struct rpc_channel *channel;
    atomic_bool stop;
    atomic_uint answered;
    atomic_int unexpected;
};

static void *hammer_main(void *arg)
{
    struct hammer *hammer = arg;
    while (!atomic_load(&hammer->stop)) {
        struct fixture_context context;
        fixture_context_init(&context, LONG_MS);
        enum rpc_code code = fixture_call(hammer->channel, &context, ACTION_ECHO, "x", NULL, NULL);
        fixture_context_fini(&context);
        if (code == RPC_OK)
            (void)atomic_fetch_add(&hammer->answered, 1);
        else if (code != RPC_UNAVAILABLE && code != RPC_DEADLINE_EXCEEDED)
            atomic_store(&hammer->unexpected, (int)code);
    }
    return NULL;
}

static atomic_uint answers_wanted;

static bool has_answers(void *arg)
{
    struct hammer *hammer = arg;
    return atomic_load(&hammer->answered) >= atomic_load(&answers_wanted);
}

/* Connections that break under load: calls end, and go on by themselves soon. */
static void test_broken_wires(void **state)
{
    struct under_test *test = *state;
    struct rpc_tls tls = tls_of(&test->ca, &test->client);
    struct proxy proxy = {.port = free_port()};
    struct hammer hammer = {0};
    pthread_t proxy_thread;
    pthread_t threads[4];
    proxy.server_port = (unsigned)atoi(strrchr(test->url, ':') + 1);
    proxy.listener = tcp_socket(proxy.port, true);
    assert_true(proxy.listener >= 0);
    assert_int_equal(pthread_create(&proxy_thread, NULL, proxy_main, &proxy), 0);
    (void)snprintf(test->url, sizeof test->url, "tls+tcp://127.0.0.1:%u", proxy.port);
    hammer.channel = open_channel(test, &tls);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer_main, &hammer), 0);
    for (int round = 0; round < 12; round++) {
        atomic_store(&answers_wanted, atomic_load(&hammer.answered) + 20);
        assert_true(wait_until(has_answers, &hammer, LONG_MS));
        atomic_store(&proxy.cut, true);
    }
    atomic_store(&answers_wanted, atomic_load(&hammer.answered) + 20);
    assert_true(wait_until(has_answers, &hammer, LONG_MS));
    atomic_store(&hammer.stop, true);
    for (size_t i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&hammer.unexpected), 0);
    rpc_channel_close(hammer.channel);
    atomic_store(&proxy.stop, true);
    (void)pthread_join(proxy_thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_calls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_clients_that_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_servers_that_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_peers_without_tls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_heals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_wires, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
