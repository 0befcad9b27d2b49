/*
 * Closing a socket with unread bytes resets it, and a client that is sending still may lose the
 * answer with it. So after a refusal a duplicate of the descriptor outlives libh2o's: our side is
 * shut down, what comes is read and forgotten until the client closes, or time or patience is out.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "rest/internal.h"
#include "rpc/base/clock.h"

struct rest_lingering {
    struct rest_thread *thread;
    h2o_linklist_t link;
    h2o_socket_t *socket;
    int64_t deadline_ms;
    size_t bytes;
};

static void end(struct rest_lingering *linger)
{
    h2o_linklist_unlink(&linger->link);
    linger->thread->linger_count--;
    h2o_socket_close(linger->socket);
    free(linger);
}

static void on_read(h2o_socket_t *socket, const char *error)
{
    struct rest_lingering *linger = socket->data;
    linger->bytes += socket->input->size;
    h2o_buffer_consume(&socket->input, socket->input->size);
    if (error != NULL || linger->bytes > REST_LINGER_BYTES_MAX)
        end(linger);
}

void rest_linger_start(struct rest_thread *thread, int fd)
{
    struct rest_lingering *linger = calloc(1, sizeof *linger);
    (void)shutdown(fd, SHUT_WR);
    if (linger == NULL) {
        (void)close(fd);
        thread->linger_count--;
        return;
    }
    linger->socket = h2o_evloop_socket_create(thread->loop, fd, 0);
    linger->socket->data = linger;
    linger->thread = thread;
    linger->deadline_ms = clock_mono_ms() + REST_LINGER_MS;
    h2o_linklist_insert(&thread->lingering, &linger->link);
    h2o_socket_read_start(linger->socket, on_read);
}

void rest_linger_tick(struct rest_thread *thread, int64_t now_ms)
{
    h2o_linklist_t *node = thread->lingering.next;
    while (node != &thread->lingering) {
        struct rest_lingering *linger = H2O_STRUCT_FROM_MEMBER(struct rest_lingering, link, node);
        node = node->next;
        if (linger->deadline_ms <= now_ms)
            end(linger);
    }
}

void rest_linger_close_all(struct rest_thread *thread)
{
    rest_linger_tick(thread, INT64_MAX);
}
