/*
 * A bump allocator for what one call needs: everything is freed at once, at its end.
 *
 * An arena belongs to one thread at a time; nothing here locks.
 */
#ifndef RPC_BASE_ARENA_H
#define RPC_BASE_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stdarg.h>
#include <stddef.h>

#include "rpc/base/span.h"

/* Usual limit on what one call may allocate, in bytes. */
#define ARENA_CALL_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;  /* newest first */
    size_t used_bytes;           /* handed out, over all chunks */
    size_t max_bytes;            /* allocations beyond it fail */
    ProtobufCAllocator protobuf; /* allocates here; its free does nothing */
};

/* Makes an empty arena that hands out at most `max_bytes` in all. Allocates nothing yet. */
void arena_init(struct arena *arena, size_t max_bytes);

/* Frees all that was handed out. The arena may be used again. */
void arena_reset(struct arena *arena);

/* Frees all that was handed out, and what the arena kept for reuse. */
void arena_fini(struct arena *arena);

/*
 * Memory for `size` bytes, aligned for any type, uninitialised; lives until reset or fini.
 * NULL when the limit or the machine's memory is exhausted: the caller answers
 * RESOURCE_EXHAUSTED. A size of 0 gives a valid, unusable pointer.
 */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((warn_unused_result));

/* As arena_alloc, for `count` zeroed elements of `size` bytes; NULL on overflow too. */
void *arena_calloc(struct arena *arena, size_t count, size_t size)
    __attribute__((warn_unused_result));

/* Copies, NUL-terminated. NULL on exhaustion. */
char *arena_strdup(struct arena *arena, const char *text) __attribute__((warn_unused_result));
char *arena_strndup(struct arena *arena, const void *data, size_t len)
    __attribute__((warn_unused_result));

/* Formatted text in the arena. NULL on exhaustion. */
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

#endif
