/*
 * Bytes of a feed as they are wanted, unpacked if they are gzip: a reader asks for the next ones,
 * so that all of them are never held.
 */
#include "clients/site/feed.h"

bool site__unpack_open(struct site_unpack *unpack, struct span body)
{
    memset(unpack, 0, sizeof *unpack);
    unpack->body = body;
    unpack->is_gzip = body.len >= 2 && body.data[0] == 0x1f && body.data[1] == 0x8b;
    if (!unpack->is_gzip)
        return true;
    unpack->stream.next_in = (unsigned char *)(uintptr_t)body.data;
    unpack->stream.avail_in = (unsigned)body.len;
    return inflateInit2(&unpack->stream, 16 + MAX_WBITS) == Z_OK;
}

void site__unpack_close(struct site_unpack *unpack)
{
    if (unpack->is_gzip)
        (void)inflateEnd(&unpack->stream);
}

static size_t copy_plain(struct site_unpack *unpack, uint8_t *out, size_t size)
{
    size_t len = unpack->body.len - unpack->at;
    len = len < size ? len : size;
    if (len > 0)
        memcpy(out, unpack->body.data + unpack->at, len);
    unpack->at += len;
    unpack->is_over = unpack->at == unpack->body.len;
    return len;
}

static size_t copy_gzip(struct site_unpack *unpack, uint8_t *out, size_t size)
{
    z_stream *stream = &unpack->stream;
    stream->next_out = out;
    stream->avail_out = (unsigned)size;
    while (stream->avail_out > 0 && !unpack->is_over) {
        int result = inflate(stream, Z_NO_FLUSH);
        /* Several members in one file; what is not gzip behind the last one is padding. */
        bool has_more = result == Z_STREAM_END && stream->avail_in > 2 &&
                        stream->next_in[0] == 0x1f && stream->next_in[1] == 0x8b;
        if (has_more)
            result = inflateReset(stream);
        unpack->is_over = result != Z_OK;
        unpack->is_broken = result != Z_OK && result != Z_STREAM_END;
    }
    return size - stream->avail_out;
}

size_t site__unpack_read(struct site_unpack *unpack, uint8_t *out, size_t size)
{
    size_t ahead = unpack->head_len - unpack->head_at;
    if (ahead > 0) {
        ahead = ahead < size ? ahead : size;
        memcpy(out, unpack->head + unpack->head_at, ahead);
        unpack->head_at += ahead;
        return ahead;
    }
    size_t room = SITE_FEED_UNPACKED_BYTES_MAX - unpack->given;
    if (size > room)
        size = room;
    if (unpack->is_over || size == 0) {
        unpack->is_capped = !unpack->is_over;
        return 0;
    }
    size_t len = unpack->is_gzip ? copy_gzip(unpack, out, size) : copy_plain(unpack, out, size);
    unpack->given += len;
    return len;
}

struct span site__unpack_peek(struct site_unpack *unpack)
{
    if (unpack->given == 0) {
        uint8_t head[sizeof unpack->head];
        size_t len = site__unpack_read(unpack, head, sizeof head);
        memcpy(unpack->head, head, len);
        unpack->head_len = len;
    }
    return span_of(unpack->head, unpack->head_len);
}
