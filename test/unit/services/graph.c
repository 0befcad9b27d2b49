#include "test/unit/services/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_BYTES_MAX 16384

static const char *const first_bodies[GRAPH_PATHS] = {
    [GRAPH_EXCHANGE] = "{\"access_token\":\"short\",\"token_type\":\"bearer\",\"expires_in\":3600}",
    [GRAPH_EXTEND] =
        "{\"access_token\":\"EAAB-long\",\"token_type\":\"bearer\",\"expires_in\":5184000}",
    [GRAPH_DEBUG] =
        "{\"data\":{\"app_id\":\"4711\",\"is_valid\":true,\"user_id\":\"9\",\"expires_at\":0,"
        "\"scopes\":["
        "\"ads_management\",\"ads_read\",\"business_management\",\"catalog_management\","
        "\"pages_show_list\",\"pages_read_engagement\"]}}",
    [GRAPH_ME] = "{\"id\":\"9\",\"name\":\"John\"}",
    [GRAPH_AD_ACCOUNTS] = "{\"data\":["
                          "{\"id\":\"act_1\",\"name\":\"Closed\",\"currency\":\"USD\",\"timezone_"
                          "name\":\"UTC\",\"account_status\":2},"
                          "{\"id\":\"act_2\",\"name\":\"Euro\",\"currency\":\"EUR\",\"timezone_"
                          "name\":\"UTC\",\"account_status\":1},"
                          "{\"id\":\"act_3\",\"name\":\"Good\",\"currency\":\"USD\",\"timezone_"
                          "name\":\"UTC\",\"account_status\":1},"
                          "{\"id\":\"act_4\",\"name\":\"Other\",\"currency\":\"USD\",\"timezone_"
                          "name\":\"UTC\",\"account_status\":1}]}",
    [GRAPH_PAGES] =
        "{\"data\":[{\"id\":\"p1\",\"name\":\"Page\"},{\"id\":\"p2\",\"name\":\"Page 2\"}]}",
    [GRAPH_BUSINESSES] =
        "{\"data\":[{\"id\":\"b1\",\"name\":\"Acme Ads\"},{\"id\":\"b2\",\"name\":\"B2\"}]}",
    [GRAPH_OTHER] = "{\"error\":{\"message\":\"no\",\"type\":\"OAuthException\",\"code\":100}}",
};

static enum graph_path path_of(const char *request)
{
    if (strstr(request, "fb_exchange_token") != NULL)
        return GRAPH_EXTEND;
    if (strstr(request, "/v24.0/oauth/access_token") != NULL)
        return GRAPH_EXCHANGE;
    if (strstr(request, "/v24.0/debug_token") != NULL)
        return GRAPH_DEBUG;
    if (strstr(request, "/v24.0/me/adaccounts") != NULL)
        return GRAPH_AD_ACCOUNTS;
    if (strstr(request, "/v24.0/me/accounts") != NULL)
        return GRAPH_PAGES;
    if (strstr(request, "/v24.0/me/businesses") != NULL)
        return GRAPH_BUSINESSES;
    return strstr(request, "/v24.0/me") != NULL ? GRAPH_ME : GRAPH_OTHER;
}

/* Reads one request's head (and whatever body came with it); false if the peer left. */
static bool read_request(int fd, char request[static REQUEST_BYTES_MAX])
{
    size_t len = 0;
    request[0] = '\0';
    while (strstr(request, "\r\n\r\n") == NULL) {
        ssize_t got = recv(fd, request + len, REQUEST_BYTES_MAX - 1 - len, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
        request[len] = '\0';
    }
    return true;
}

static void answer(struct graph *graph, int fd)
{
    char request[REQUEST_BYTES_MAX];
    char head[256];
    if (!read_request(fd, request))
        return;
    enum graph_path path = path_of(request);
    (void)pthread_mutex_lock(&graph->lock);
    graph->asked[path]++;
    const char *body = graph->bodies[path];
    int status = graph->statuses[path];
    (void)pthread_mutex_unlock(&graph->lock);
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: "
                       "%zu\r\nConnection: close\r\n\r\n",
                       status, strlen(body));
    if (send(fd, head, (size_t)len, MSG_NOSIGNAL) < 0 ||
        send(fd, body, strlen(body), MSG_NOSIGNAL) < 0)
        return;
    (void)shutdown(fd, SHUT_WR);
    while (recv(fd, head, sizeof head, 0) > 0)
        continue;
}

static void *serve(void *arg)
{
    struct graph *graph = arg;
    for (;;) {
        int fd = accept(graph->listener, NULL, NULL);
        (void)pthread_mutex_lock(&graph->lock);
        bool stopped = graph->stopped;
        (void)pthread_mutex_unlock(&graph->lock);
        if (fd >= 0 && !stopped)
            answer(graph, fd);
        if (fd >= 0)
            (void)close(fd);
        if (stopped)
            return NULL;
    }
}

void graph_start(struct graph *graph)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    *graph = (struct graph){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(graph->listener >= 0);
    assert_int_equal(bind(graph->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(graph->listener, 64), 0);
    assert_int_equal(getsockname(graph->listener, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(graph->url, sizeof graph->url, "http://127.0.0.1:%u", ntohs(address.sin_port));
    (void)pthread_mutex_init(&graph->lock, NULL);
    for (int i = 0; i < GRAPH_PATHS; i++) {
        graph->bodies[i] = first_bodies[i];
        graph->statuses[i] = i == GRAPH_OTHER ? 400 : 200;
    }
    assert_int_equal(pthread_create(&graph->thread, NULL, serve, graph), 0);
}

void graph_stop(struct graph *graph)
{
    (void)pthread_mutex_lock(&graph->lock);
    graph->stopped = true;
    (void)pthread_mutex_unlock(&graph->lock);
    (void)shutdown(graph->listener, SHUT_RDWR); /* wakes accept */
    assert_int_equal(pthread_join(graph->thread, NULL), 0);
    (void)close(graph->listener);
    (void)pthread_mutex_destroy(&graph->lock);
}

void graph_answer(struct graph *graph, enum graph_path path, int status, const char *body)
{
    (void)pthread_mutex_lock(&graph->lock);
    graph->statuses[path] = status;
    graph->bodies[path] = body;
    (void)pthread_mutex_unlock(&graph->lock);
}

int graph_asked(struct graph *graph, enum graph_path path)
{
    (void)pthread_mutex_lock(&graph->lock);
    int asked = graph->asked[path];
    (void)pthread_mutex_unlock(&graph->lock);
    return asked;
}

const char *graph_body(struct graph *graph, enum graph_path path)
{
    (void)pthread_mutex_lock(&graph->lock);
    const char *body = graph->bodies[path];
    (void)pthread_mutex_unlock(&graph->lock);
    return body;
}
