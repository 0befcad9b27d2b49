/*
 * A growing byte buffer that must state its maximum. Failure is sticky: once an append did not fit,
 * every later one fails too, so that a writer checks once, at its end.
 */
#ifndef RPC_BASE_BUFFER_H
#define RPC_BASE_BUFFER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpc/base/span.h"

struct buffer {
    ProtobufCBuffer base; /* protobuf_c_message_pack_to_buffer(message, &buffer.base) appends */
    uint8_t *data;        /* NULL while empty */
    size_t len;
    size_t capacity;
    size_t max_bytes;
    bool failed; /* an append exceeded max_bytes or the machine's memory */
};

/* Makes an empty buffer of at most `max_bytes`. Allocates nothing yet. */
void buffer_init(struct buffer *buffer, size_t max_bytes);
/* Frees the bytes. The buffer must be initialised again before it is used. */
void buffer_fini(struct buffer *buffer);
/* Forgets the bytes and a failure; keeps the memory. */
void buffer_clear(struct buffer *buffer);

/* Makes room for `len` more bytes and returns where they begin (not yet counted in len), or NULL.
 */
uint8_t *buffer_reserve(struct buffer *buffer, size_t len);
/* Each returns whether it fitted; on failure nothing of it was appended. */
bool buffer_append(struct buffer *buffer, const void *data, size_t len);
bool buffer_append_string(struct buffer *buffer, const char *text);
bool buffer_append_byte(struct buffer *buffer, uint8_t byte);
bool buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The bytes so far; valid until the next change. */
static inline struct span buffer_span(const struct buffer *buffer)
{
    return (struct span){buffer->data, buffer->len};
}

/* Terminates with a NUL that len does not count, and lends the text; NULL if that did not fit. */
char *buffer_cstring(struct buffer *buffer);

/* Hands the malloc'ed bytes over to the caller (free them); the buffer is empty then. */
uint8_t *buffer_take(struct buffer *buffer, size_t *ret_len);

#endif
