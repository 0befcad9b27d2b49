#include "rpc/base/arena.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* First chunk, in bytes: enough for most calls. Later ones double. */
#define CHUNK_BYTES_FIRST ((size_t)4096)
#define CHUNK_BYTES_MAX ((size_t)1024 * 1024)
#define ALIGNMENT _Alignof(max_align_t)

struct arena_chunk {
    struct arena_chunk *next;
    size_t capacity;
    size_t used;
    _Alignas(max_align_t) unsigned char data[];
};

static void *protobuf_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void protobuf_free(void *arena, void *pointer)
{
    (void)arena; /* freed with the arena */
    (void)pointer;
}

void arena_init(struct arena *arena, size_t max_bytes)
{
    *arena = (struct arena){.max_bytes = max_bytes};
    arena->protobuf = (ProtobufCAllocator){protobuf_alloc, protobuf_free, arena};
}

/* Keeps the newest chunk if `keep_one`, so that a reused arena allocates nothing for a usual call.
 */
static void free_chunks(struct arena *arena, bool keep_one)
{
    struct arena_chunk *chunk = arena->chunks;
    arena->chunks = NULL;
    arena->used_bytes = 0;
    if (keep_one && chunk != NULL && chunk->capacity <= CHUNK_BYTES_MAX) {
        struct arena_chunk *rest = chunk->next;
        chunk->next = NULL;
        chunk->used = 0;
        arena->chunks = chunk;
        chunk = rest;
    }
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void arena_reset(struct arena *arena)
{
    free_chunks(arena, true);
}

void arena_fini(struct arena *arena)
{
    free_chunks(arena, false);
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t size)
{
    size_t capacity = CHUNK_BYTES_FIRST;
    if (arena->chunks != NULL && arena->chunks->capacity < CHUNK_BYTES_MAX)
        capacity = arena->chunks->capacity * 2;
    else if (arena->chunks != NULL)
        capacity = CHUNK_BYTES_MAX;
    if (capacity < size)
        capacity = size;
    struct arena_chunk *chunk = malloc(sizeof *chunk + capacity);
    if (chunk == NULL)
        return NULL;
    chunk->capacity = capacity;
    chunk->used = 0;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size == 0)
        size = 1;
    if (size > arena->max_bytes || arena->used_bytes > arena->max_bytes - size)
        return NULL;
    size_t padded = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->capacity - chunk->used < padded)
        chunk = add_chunk(arena, padded);
    if (chunk == NULL)
        return NULL;
    void *pointer = chunk->data + chunk->used;
    chunk->used += padded;
    arena->used_bytes += padded;
    assert(chunk->used <= chunk->capacity);
    return pointer;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *pointer = arena_alloc(arena, bytes);
    if (pointer != NULL)
        memset(pointer, 0, bytes);
    return pointer;
}

char *arena_strndup(struct arena *arena, const void *data, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = arena_alloc(arena, len + 1);
    if (copy == NULL)
        return NULL;
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        return NULL;
    char *text = arena_alloc(arena, (size_t)len + 1);
    if (text == NULL)
        return NULL;
    va_start(args, format);
    (void)vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}
