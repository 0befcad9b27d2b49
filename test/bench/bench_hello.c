/*
 * The yardstick for the facade: bare libh2o answering GET with a fixed body, HTTP/1.1, one loop a
 * thread. bench_hello BODY_BYTES THREADS prints its URL and runs until it is killed.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <h2o.h>

#define BODY_BYTES_MAX 65536
#define THREADS_MAX 64
#define BACKLOG 1024

static char body[BODY_BYTES_MAX];
static size_t body_len;
static h2o_globalconf_t config;
static uint16_t port;

struct loop {
    h2o_context_t context;
    h2o_accept_ctx_t accept;
};

static int answer(h2o_handler_t *handler, h2o_req_t *req)
{
    (void)handler;
    static h2o_generator_t generator = {NULL, NULL};
    h2o_iovec_t text = {body, body_len};
    req->res.status = 200;
    req->res.reason = "OK";
    req->res.content_length = body_len;
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL,
                   H2O_STRLIT("application/json"));
    h2o_start_response(req, &generator);
    h2o_send(req, &text, 1, H2O_SEND_STATE_FINAL);
    return 0;
}

static void on_accept(h2o_socket_t *listener, const char *error)
{
    struct loop *loop = listener->data;
    if (error != NULL)
        return;
    h2o_socket_t *socket = h2o_evloop_socket_accept(listener);
    if (socket != NULL)
        h2o_accept(&loop->accept, socket);
}

static int listen_shared(void)
{
    int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        perror("listen");
        exit(1);
    }
    port = ntohs(address.sin_port);
    return fd;
}

static void *run_loop(void *arg)
{
    struct loop loop = {0};
    h2o_context_init(&loop.context, h2o_evloop_create(), &config);
    loop.accept = (h2o_accept_ctx_t){.ctx = &loop.context, .hosts = config.hosts};
    h2o_socket_t *listener =
        h2o_evloop_socket_create(loop.context.loop, (int)(intptr_t)arg, H2O_SOCKET_FLAG_DONT_READ);
    listener->data = &loop;
    h2o_socket_read_start(listener, on_accept);
    while (h2o_evloop_run(loop.context.loop, INT32_MAX) == 0)
        ;
    return NULL;
}

int main(int argc, char **argv)
{
    size_t threads = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    body_len = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
    if (body_len == 0 || body_len > BODY_BYTES_MAX || threads == 0 || threads > THREADS_MAX) {
        (void)fprintf(stderr, "bench_hello BODY_BYTES THREADS\n");
        return 2;
    }
    memset(body, 'x', body_len);
    (void)signal(SIGPIPE, SIG_IGN);
    h2o_config_init(&config);
    config.http1.upgrade_to_http2 = 0;
    h2o_hostconf_t *host =
        h2o_config_register_host(&config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = answer;
    int fds[THREADS_MAX];
    for (size_t i = 0; i < threads; i++)
        fds[i] = listen_shared();
    (void)printf("http://127.0.0.1:%u/\n", port);
    (void)fflush(stdout);
    pthread_t thread;
    for (size_t i = 1; i < threads; i++)
        (void)pthread_create(&thread, NULL, run_loop, (void *)(intptr_t)fds[i]);
    (void)run_loop((void *)(intptr_t)fds[0]);
    return 0;
}
