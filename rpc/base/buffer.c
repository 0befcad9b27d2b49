#include "rpc/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CAPACITY_BYTES_FIRST ((size_t)256)

static void protobuf_append(ProtobufCBuffer *base, size_t len, const uint8_t *data)
{
    struct buffer *buffer = (struct buffer *)((char *)base - offsetof(struct buffer, base));
    (void)buffer_append(buffer, data, len); /* sticky: the packer's caller checks `failed` */
}

void buffer_init(struct buffer *buffer, size_t max_bytes)
{
    *buffer = (struct buffer){.base = {protobuf_append}, .max_bytes = max_bytes};
}

void buffer_fini(struct buffer *buffer)
{
    free(buffer->data);
    buffer->data = NULL;
    buffer->len = 0;
    buffer->capacity = 0;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->len = 0;
    buffer->failed = false;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t len)
{
    if (buffer->failed || len > buffer->max_bytes || buffer->len > buffer->max_bytes - len) {
        buffer->failed = true;
        return NULL;
    }
    size_t needed = buffer->len + len;
    if (needed > buffer->capacity || buffer->data == NULL) {
        size_t capacity = buffer->capacity == 0 ? CAPACITY_BYTES_FIRST : buffer->capacity;
        while (capacity < needed)
            capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
        uint8_t *data = realloc(buffer->data, capacity);
        if (data == NULL) {
            buffer->failed = true;
            return NULL;
        }
        buffer->data = data;
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->len;
}

bool buffer_append(struct buffer *buffer, const void *data, size_t len)
{
    uint8_t *end = buffer_reserve(buffer, len);
    if (end == NULL)
        return false;
    if (len > 0)
        memcpy(end, data, len);
    buffer->len += len;
    return true;
}

bool buffer_append_string(struct buffer *buffer, const char *text)
{
    return buffer_append(buffer, text, strlen(text));
}

bool buffer_append_byte(struct buffer *buffer, uint8_t byte)
{
    return buffer_append(buffer, &byte, 1);
}

bool buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    /* One byte more for vsnprintf's NUL, which is not counted. */
    char *end = len < 0 ? NULL : (char *)buffer_reserve(buffer, (size_t)len + 1);
    if (end == NULL) {
        buffer->failed = true;
        return false;
    }
    va_start(args, format);
    (void)vsnprintf(end, (size_t)len + 1, format, args);
    va_end(args);
    buffer->len += (size_t)len;
    return true;
}

char *buffer_cstring(struct buffer *buffer)
{
    uint8_t *end = buffer_reserve(buffer, 1);
    if (end == NULL)
        return NULL;
    *end = 0;
    return (char *)buffer->data;
}

uint8_t *buffer_take(struct buffer *buffer, size_t *ret_len)
{
    uint8_t *data = buffer->data;
    *ret_len = buffer->len;
    buffer->data = NULL;
    buffer->len = 0;
    buffer->capacity = 0;
    return data;
}
