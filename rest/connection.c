/*
 * An accepted socket, from accept to close.
 *
 * HTTP/1: our read callback stands before libh2o's. The gate looks at what came; a whole request is
 * handed over in its canonical form, and from then on the socket is not read (DONT_READ: even a
 * stray event only calls libh2o with nothing new) until that request's pool is cleared. While its
 * call is under way the loop's epoll set keeps the socket all the same, since to take it out and
 * put it back would be two system calls a request. What followed the request is held back and fed
 * to the gate then. A request that the gate refuses is
 * replaced by a stand-in, so that libh2o answers it in its own time and closes.
 *
 *     reading ──gate: pass──▶ running ──answered, pool cleared──▶ rearm ──▶ reading
 *        │ gate: refuse                         └─ close ─▶ on_closed frees
 *        └──▶ running (a stand-in), answered, closed
 *
 * HTTP/2 (when it is on, and the client begins with its preface) goes past the gate to libh2o.
 *
 * The object is freed by on_closed, which libh2o calls when it closes the socket, and nobody else.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "rest/internal.h"
#include "rpc/base/clock.h"

/* What libh2o is given in place of a refused request: answered without keep-alive. */
static const char stand_in_get[] = "GET / HTTP/1.0\r\n\r\n";
static const char stand_in_head[] = "HEAD / HTTP/1.0\r\n\r\n";
static const char continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";
static const char http2_preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static void on_read(h2o_socket_t *socket, const char *error);

/* --- the watch: EPOLLRDHUP in a set of our own, since libh2o does not read while we work --- */

static void watch_add(struct rest_connection *connection)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    /* Without the watch a client that leaves is noticed at the deadline. */
    (void)epoll_ctl(connection->thread->watch_fd, EPOLL_CTL_ADD,
                    h2o_socket_get_fd(connection->socket), &event);
}

static void on_watch(h2o_socket_t *socket, const char *error)
{
    struct rest_thread *thread = socket->data;
    struct epoll_event events[64];
    (void)error;
    int count = epoll_wait(thread->watch_fd, events, 64, 0);
    for (int i = 0; i < count; i++) { /* nothing here frees a connection */
        struct rest_connection *connection = events[i].data.ptr;
        connection->peer_left = true;
        if (connection->gated && connection->request != NULL)
            rest_request_peer_left(connection->request);
    }
}

void rest_watch_open(struct rest_thread *thread)
{
    thread->watch_fd = epoll_create1(EPOLL_CLOEXEC);
    if (thread->watch_fd < 0)
        return;
    thread->watch =
        h2o_evloop_socket_create(thread->loop, thread->watch_fd, H2O_SOCKET_FLAG_DONT_READ);
    thread->watch->data = thread;
    h2o_socket_read_start(thread->watch, on_watch);
}

void rest_watch_close(struct rest_thread *thread)
{
    if (thread->watch == NULL)
        return;
    h2o_socket_read_stop(thread->watch);
    h2o_socket_close(thread->watch); /* closes watch_fd */
    thread->watch = NULL;
}

/* --- close --- */

static void on_closed(void *data)
{
    struct rest_connection *connection = data;
    struct rest_thread *thread = connection->thread;
    struct rest *rest = thread->rest;
    if (connection->linger_fd >= 0)
        rest_linger_start(thread, connection->linger_fd);
    if (h2o_linklist_is_linked(&connection->rearm))
        h2o_linklist_unlink(&connection->rearm);
    h2o_linklist_unlink(&connection->link);
    if (connection->counted)
        rest_address_remove(rest->addresses, &connection->peer);
    gate_fini(&connection->gate);
    buffer_fini(&connection->held);
    free(connection);
    metric_add(&rest_metric_connections, -1);
    (void)atomic_fetch_sub(&rest->connection_count, 1);
    rest_note_closed(rest);
}

void rest_connection_linger(struct rest_connection *connection)
{
    struct rest_thread *thread = connection->thread;
    if (connection->linger_fd >= 0 || !connection->gated ||
        thread->linger_count >= REST_LINGER_COUNT_MAX)
        return;
    int fd = h2o_socket_get_fd(connection->socket);
    connection->linger_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    /* The duplicate keeps the socket in the set after libh2o's close; the object does not live on.
     */
    if (connection->linger_fd < 0)
        return;
    thread->linger_count++;
    (void)epoll_ctl(thread->watch_fd, EPOLL_CTL_DEL, fd, NULL);
}

void rest_connection_cut(struct rest_connection *connection)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    int fd = h2o_socket_get_fd(connection->socket);
    connection->deadline_ms = INT64_MAX;
    if (connection->gated && connection->running == 0 && connection->h2o_read != NULL) {
        connection->h2o_read(connection->socket, h2o_socket_error_closed); /* frees connection */
        return;
    }
    /* libh2o is at work on it: its next read or write fails, and it closes. */
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    (void)shutdown(fd, SHUT_RDWR);
}

void rest_connection_close_idle(struct rest_connection *connection)
{
    char byte;
    if (!connection->gated || connection->running != 0 || connection->fresh ||
        gate_started(&connection->gate, connection->socket->input->size))
        return;
    /* A request that has just come is answered. */
    if (recv(h2o_socket_get_fd(connection->socket), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        return;
    rest_connection_cut(connection);
}

void rest_connections_tick(struct rest_thread *thread, int64_t now_ms)
{
    h2o_linklist_t *node = thread->connections.next;
    while (node != &thread->connections) {
        struct rest_connection *connection =
            H2O_STRUCT_FROM_MEMBER(struct rest_connection, link, node);
        node = node->next;
        if (connection->deadline_ms <= now_ms)
            rest_connection_cut(connection);
    }
}

/* --- reading --- */

static void hand_to_libh2o(struct rest_connection *connection)
{
    h2o_socket_t *socket = connection->socket;
    connection->fresh = false;
    connection->deadline_ms = INT64_MAX; /* the call's from here on */
    h2o_socket_dont_read(socket, 1);
    socket->_cb.read = connection->h2o_read;
    connection->h2o_read(socket, NULL); /* may free connection */
}

static void refuse(struct rest_connection *connection)
{
    h2o_socket_t *socket = connection->socket;
    bool is_head = socket->input->size >= 5 && memcmp(socket->input->bytes, "HEAD ", 5) == 0;
    const char *stand_in = is_head ? stand_in_head : stand_in_get;
    connection->refused = true;
    metric_add(&rest_metric_refused_requests, 1);
    h2o_buffer_consume(&socket->input, socket->input->size);
    h2o_iovec_t room = h2o_buffer_reserve(&socket->input, sizeof stand_in_head);
    memcpy(room.base, stand_in, strlen(stand_in));
    socket->input->size += strlen(stand_in);
    hand_to_libh2o(connection);
}

/* The request is whole: what follows it waits. */
static void pass(struct rest_connection *connection)
{
    h2o_socket_t *socket = connection->socket;
    const struct gate *gate = &connection->gate;
    size_t rest = socket->input->size - gate->rest_at;
    if (!gate->body_too_large &&
        !buffer_append(&connection->held, socket->input->bytes + gate->rest_at, rest)) {
        rest_connection_cut(connection);
        return;
    }
    socket->input->size = gate->pass_len;
    hand_to_libh2o(connection);
}

static void feed(struct rest_connection *connection)
{
    h2o_socket_t *socket = connection->socket;
    struct gate *gate = &connection->gate;
    bool was_head = gate->state == GATE_STATE_HEAD;
    bool had_started = gate_started(gate, gate->scan);
    enum gate_verdict verdict = gate_feed(gate, socket->input->bytes, &socket->input->size);
    switch (verdict) {
    case GATE_PASS:
        pass(connection);
        return;
    case GATE_REFUSE:
        refuse(connection);
        return;
    case GATE_MORE:
        break;
    }
    if (gate->continue_due) {
        gate->continue_due = false;
        /* Nothing else is being written, so it fits; if not, the client sends its body unasked. */
        (void)send(h2o_socket_get_fd(socket), continue_line, sizeof continue_line - 1,
                   MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (was_head && gate->state != GATE_STATE_HEAD)
        connection->deadline_ms = clock_mono_ms() + connection->thread->rest->body_ms_max;
    else if (!had_started && !connection->fresh && gate_started(gate, socket->input->size))
        connection->deadline_ms = clock_mono_ms() + connection->thread->rest->head_ms_max;
}

/* Whether the client speaks HTTP/2; false with `ret_more` while that cannot be told yet. */
static bool begins_http2(const struct rest_connection *connection, bool *ret_more)
{
    const h2o_buffer_t *input = connection->socket->input;
    size_t len = sizeof http2_preface - 1;
    *ret_more = false;
    if (!connection->thread->rest->http2 || !connection->fresh ||
        connection->gate.state != GATE_STATE_HEAD)
        return false;
    size_t have = input->size < len ? input->size : len;
    if (memcmp(input->bytes, http2_preface, have) != 0)
        return false;
    *ret_more = have < len;
    return have == len;
}

static void on_read(h2o_socket_t *socket, const char *error)
{
    struct rest_connection *connection = socket->on_close.data;
    bool more = false;
    if (error != NULL) {
        connection->h2o_read(socket, error); /* frees connection */
        return;
    }
    if (socket->input->size == 0)
        return;
    if (begins_http2(connection, &more)) {
        connection->gated = false;
        connection->fresh = false;
        connection->deadline_ms = INT64_MAX;
        socket->_cb.read = connection->h2o_read;
        connection->h2o_read(socket, NULL);
        return;
    }
    if (!more)
        feed(connection);
}

/* More has come, or the client has left, while a request is under way: that waits in the kernel,
 * and the loop is not to tell of it again. */
static void on_early(h2o_socket_t *socket, const char *error)
{
    (void)error;
    h2o_socket_read_stop(socket);
}

void rest_connection_waits(struct rest_connection *connection)
{
    if (connection->gated && !h2o_socket_is_reading(connection->socket))
        h2o_socket_read_start(connection->socket, on_early);
}

static void empty_held(struct rest_connection *connection)
{
    if (connection->held.capacity <= REST_KEPT_BYTES_MAX) {
        buffer_clear(&connection->held);
        return;
    }
    buffer_fini(&connection->held);
    buffer_init(&connection->held, REST_HELD_BYTES_MAX);
}

/* The request is over and libh2o reads again: puts the gate before it. Whether a request was fed.
 */
static bool rearm(struct rest_connection *connection)
{
    h2o_socket_t *socket = connection->socket;
    if (socket->_cb.read != connection->h2o_read)
        return false; /* libh2o is closing it */
    h2o_socket_dont_read(socket, 0);
    socket->_cb.read = on_read;
    gate_next(&connection->gate);
    if (socket->input->size == 0 && socket->input->capacity > REST_KEPT_BYTES_MAX) {
        h2o_buffer_dispose(&socket->input);
        h2o_buffer_init(&socket->input, &h2o_socket_buffer_prototype);
    }
    if (connection->held.len > 0) {
        h2o_iovec_t room = h2o_buffer_reserve(&socket->input, connection->held.len);
        memcpy(room.base, connection->held.data, connection->held.len);
        socket->input->size += connection->held.len;
        empty_held(connection);
        feed(connection);
        return true;
    }
    if (connection->thread->draining)
        rest_connection_close_idle(connection);
    return false;
}

bool rest_connections_rearm(struct rest_thread *thread)
{
    h2o_linklist_t over;
    bool fed = false;
    h2o_linklist_init_anchor(&over);
    h2o_linklist_insert_list(&over, &thread->rearms);
    while (!h2o_linklist_is_empty(&over)) { /* one request each: nobody hogs the loop */
        struct rest_connection *connection =
            H2O_STRUCT_FROM_MEMBER(struct rest_connection, rearm, over.next);
        h2o_linklist_unlink(&connection->rearm);
        fed = rearm(connection) || fed;
    }
    return fed;
}

/* --- accept --- */

static bool admit(struct rest_connection *connection)
{
    struct rest *rest = connection->thread->rest;
    struct sockaddr_storage address;
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (atomic_load(&rest->connection_count) > rest->connections_max)
        return false;
    if (h2o_socket_getpeername(connection->socket, (struct sockaddr *)&address) == 0)
        return false; /* gone already */
    if (address.ss_family == AF_INET6) {
        memcpy(connection->peer.bytes, ((struct sockaddr_in6 *)(void *)&address)->sin6_addr.s6_addr,
               16);
    } else {
        memcpy(connection->peer.bytes, mapped, sizeof mapped);
        memcpy(connection->peer.bytes + sizeof mapped,
               &((struct sockaddr_in *)(void *)&address)->sin_addr, 4);
    }
    if (header_address_is_loopback(&connection->peer) ||
        header_address_in(&connection->peer, rest->proxies, rest->proxy_count))
        return true;
    connection->counted =
        rest_address_add(rest->addresses, &connection->peer, rest->connections_per_address_max);
    return connection->counted;
}

void rest_connection_accept(struct rest_thread *thread, h2o_socket_t *socket)
{
    struct rest *rest = thread->rest;
    struct rest_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        h2o_socket_close(socket);
        return;
    }
    connection->thread = thread;
    connection->socket = socket;
    connection->linger_fd = -1;
    connection->gated = true;
    connection->fresh = true;
    connection->deadline_ms = clock_mono_ms() + rest->head_ms_max;
    gate_init(&connection->gate);
    buffer_init(&connection->held, REST_HELD_BYTES_MAX);
    h2o_linklist_insert(&thread->connections, &connection->link);
    socket->on_close.cb = on_closed;
    socket->on_close.data = connection;
    (void)atomic_fetch_add(&rest->connection_count, 1);
    metric_add(&rest_metric_connections, 1);
    metric_add(&rest_metric_accepted, 1);
    if (!admit(connection)) {
        metric_add(&rest_metric_refused_connections, 1);
        h2o_socket_close(socket);
        return;
    }
    watch_add(connection);
    h2o_accept(&thread->accept, socket);
    connection->h2o_read = socket->_cb.read;
    socket->_cb.read = on_read;
}

/* --- for requests --- */

struct rest_connection *rest_connection_of(h2o_req_t *req)
{
    return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

void rest_connection_request_over(struct rest_connection *connection)
{
    struct rest_thread *thread = connection->thread;
    connection->running--;
    if (!connection->gated) {
        if (connection->running == 0)
            connection->deadline_ms = INT64_MAX;
        return;
    }
    connection->request = NULL;
    connection->deadline_ms = clock_mono_ms() + thread->rest->idle_ms_max;
    h2o_linklist_insert(&thread->rearms, &connection->rearm);
}

void rest_connection_writing(struct rest_connection *connection, size_t bytes)
{
    connection->deadline_ms = clock_mono_ms() + connection->thread->rest->write_ms_max +
                              (int64_t)(bytes / REST_WRITE_BYTES_PER_MS);
}
