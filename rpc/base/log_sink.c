/*
 * Where lines go. Until log_buffer_start each is one write(2). From then on they are collected, and
 * written by a thread of our own FLUSH_MS after the first, or at once where there is no more room
 * or a line is urgent: a busy process makes thousands of lines a second, and a write each costs as
 * much as answering.
 *
 * There are two buffers: lines are added to one, under `lock`, while the other is written, under
 * `writing`, so that nobody waits for a write but who has filled a buffer meanwhile. Who writes
 * takes `writing` before it exchanges them, so that lines keep their order. A pipe takes PIPE_BUF
 * bytes in one piece: what goes to anything but a file is cut there, between lines, so that lines
 * of several processes do not mix; the processes of one `serve` share a file's offset.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rpc/base/log.h"
#include "rpc/base/log_internal.h"

#define BUFFER_BYTES ((size_t)64 * 1024)
#define FLUSH_MS 20

struct lines {
    size_t len;
    char data[BUFFER_BYTES];
};

static struct {
    pthread_mutex_t writing; /* of `full`; taken before the other */
    pthread_mutex_t lock;    /* of all else */
    pthread_cond_t filled;   /* from empty to not */
    bool started;
    bool to_file;
    struct lines buffers[2];
    struct lines *filling;
    struct lines *full; /* empty but while it is written */
} sink = {.writing = PTHREAD_MUTEX_INITIALIZER,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .filled = PTHREAD_COND_INITIALIZER,
          .filling = &sink.buffers[0],
          .full = &sink.buffers[1]};

/* Nowhere to report a log that cannot be written: what is left of it is dropped. */
static void write_all(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t written = write(STDERR_FILENO, data, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        data += written;
        len -= (size_t)written;
    }
}

/* The whole lines at the front that fit into one atomic write. */
static size_t piece_len(const char *data, size_t len)
{
    if (sink.to_file || len <= LOG__LINE_BYTES_MAX)
        return len;
    const char *end = memrchr(data, '\n', LOG__LINE_BYTES_MAX);
    return end == NULL ? len : (size_t)(end - data) + 1;
}

static void write_lines(const struct lines *lines)
{
    size_t at = 0;
    while (at < lines->len) {
        size_t len = piece_len(lines->data + at, lines->len - at);
        write_all(lines->data + at, len);
        at += len;
    }
}

void log_flush(void)
{
    (void)pthread_mutex_lock(&sink.writing);
    (void)pthread_mutex_lock(&sink.lock);
    struct lines *lines = sink.filling;
    sink.filling = sink.full;
    sink.full = lines;
    (void)pthread_mutex_unlock(&sink.lock);
    write_lines(lines);
    lines->len = 0;
    (void)pthread_mutex_unlock(&sink.writing);
}

void log__sink_write(const char *line, size_t len, bool urgent)
{
    (void)pthread_mutex_lock(&sink.lock);
    if (!sink.started) {
        (void)pthread_mutex_unlock(&sink.lock);
        write_all(line, len);
        return;
    }
    while (len > BUFFER_BYTES - sink.filling->len) {
        (void)pthread_mutex_unlock(&sink.lock);
        log_flush();
        (void)pthread_mutex_lock(&sink.lock);
    }
    bool was_empty = sink.filling->len == 0;
    memcpy(sink.filling->data + sink.filling->len, line, len);
    sink.filling->len += len;
    if (was_empty && !urgent)
        (void)pthread_cond_signal(&sink.filled);
    (void)pthread_mutex_unlock(&sink.lock);
    if (urgent)
        log_flush();
}

static void *run(void *arg)
{
    const struct timespec pause = {0, FLUSH_MS * 1000000L};
    (void)arg;
    (void)pthread_mutex_lock(&sink.lock);
    for (;;) { /* until the process ends */
        while (sink.filling->len == 0)
            (void)pthread_cond_wait(&sink.filled, &sink.lock);
        (void)pthread_mutex_unlock(&sink.lock);
        (void)nanosleep(&pause, NULL);
        log_flush();
        (void)pthread_mutex_lock(&sink.lock);
    }
    return NULL;
}

/* A failed assertion: what was said before it is worth most. Nobody else writes the buffers now, or
 * has to: a line may come twice, none is lost. */
static void on_abort(int number)
{
    write_all(sink.full->data, sink.full->len);
    write_all(sink.filling->data, sink.filling->len);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

bool log_buffer_start(void)
{
    pthread_t id;
    sigset_t all, before;
    struct stat status;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are not for the new thread */
    bool started = pthread_create(&id, NULL, run, NULL) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started)
        return false;
    (void)pthread_detach(id);
    (void)atexit(log_flush);
    (void)signal(SIGABRT, on_abort);
    (void)pthread_mutex_lock(&sink.lock);
    sink.to_file = fstat(STDERR_FILENO, &status) == 0 && S_ISREG(status.st_mode);
    sink.started = true;
    (void)pthread_mutex_unlock(&sink.lock);
    return true;
}
