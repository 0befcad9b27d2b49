/*
 * Between log.c, which makes lines, and log_sink.c, which writes them.
 */
#ifndef RPC_BASE_LOG_INTERNAL_H
#define RPC_BASE_LOG_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

/* A line with its newline, in bytes: at most PIPE_BUF, so that a write to a pipe is atomic. */
#define LOG__LINE_BYTES_MAX 4096

/* Writes a whole line, or keeps it for a moment unless it is urgent. Any thread. */
void log__sink_write(const char *line, size_t len, bool urgent);

#endif
