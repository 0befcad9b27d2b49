/*
 * robots.txt, sitemaps, feeds and pages of shops' interfaces as they came, packed, in the caller's
 * memory (site.h): a list that has not changed is read again from here, by the same code that would
 * read it from the site, and so says the same.
 *
 * A list is cut into parts, each of which is a record: the first under the list's URL, the others
 * under that and a number behind a line break, which no URL has. What was packed has a checksum:
 * parts of two readings never make one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "clients/site/kept.h"

/* One part, and all parts of a list; what is larger is not kept. */
#define PART_BYTES ((size_t)256 * 1024)
#define PACKED_BYTES_MAX ((size_t)8 * 1024 * 1024)
/* What one may be unpacked: as long as a feed. */
#define UNPACKED_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define CHUNK_BYTES ((size_t)64 * 1024)
/* A header's value that is worth keeping. */
#define VALIDATOR_BYTES_MAX 512

bool kept__validators(Lotcast__V1__PageRecord *record, const struct http_response *response)
{
    const char *etag = http_response_header(response, "etag");
    const char *modified = http_response_header(response, "last-modified");
    if (etag != NULL && strlen(etag) <= VALIDATOR_BYTES_MAX)
        record->etag = (char *)(uintptr_t)etag;
    if (modified != NULL && strlen(modified) <= VALIDATOR_BYTES_MAX)
        record->last_modified = (char *)(uintptr_t)modified;
    return record->etag[0] != '\0' || record->last_modified[0] != '\0';
}

bool kept__is_askable(const struct http_response *response)
{
    Lotcast__V1__PageRecord record = LOTCAST__V1__PAGE_RECORD__INIT;
    return kept__validators(&record, response);
}

/* The name of a part; the URL itself for the first. NULL when the arena is full. */
static const char *part_name(const char *url, int32_t part, struct arena *arena)
{
    return part == 0 ? url : arena_printf(arena, "%s\n%d", url, part);
}

/* ---- writing ---- */

static bool pack(struct span body, struct buffer *out)
{
    z_stream stream = {0};
    int result = Z_OK;
    if (deflateInit(&stream, Z_BEST_SPEED) != Z_OK)
        return false;
    stream.next_in = (unsigned char *)(uintptr_t)body.data;
    stream.avail_in = (unsigned)body.len;
    while (result == Z_OK) {
        stream.next_out = buffer_reserve(out, CHUNK_BYTES);
        if (stream.next_out == NULL)
            break;
        stream.avail_out = CHUNK_BYTES;
        result = deflate(&stream, Z_FINISH);
        out->len += CHUNK_BYTES - stream.avail_out;
    }
    (void)deflateEnd(&stream);
    return result == Z_STREAM_END;
}

static char *value_of(const struct http_response *response, const char *name)
{
    const char *value = http_response_header(response, name);
    bool is_use = value != NULL && strlen(value) < KEPT_VALUE_BYTES;
    return (char *)(uintptr_t)(is_use ? value : "");
}

void kept__write(const struct site_memory *memory, const char *url, struct arena *arena,
                 const struct http_response *response)
{
    Lotcast__V1__PageRecord record = LOTCAST__V1__PAGE_RECORD__INIT;
    struct buffer packed;
    if (memory == NULL || response->truncated || response->body.len > UNPACKED_BYTES_MAX)
        return;
    (void)kept__validators(&record, response);
    buffer_init(&packed, PACKED_BYTES_MAX);
    if (!pack(response->body, &packed)) {
        buffer_fini(&packed);
        return;
    }
    record.layout = KEPT_LAYOUT;
    record.content_type = value_of(response, "content-type");
    record.pages_total = value_of(response, "x-wp-totalpages");
    record.part_count = (int32_t)((packed.len + PART_BYTES - 1) / PART_BYTES);
    for (int32_t part = 0; part < record.part_count; part++) {
        arena_reset(arena);
        const char *name = part_name(url, part, arena);
        size_t at = (size_t)part * PART_BYTES;
        size_t len = packed.len - at < PART_BYTES ? packed.len - at : PART_BYTES;
        record.content = (ProtobufCBinaryData){len, packed.data + at};
        if (name == NULL)
            break;
        memory->keep(memory->arg, name, &record);
    }
    buffer_fini(&packed);
}

/* ---- reading ---- */

Lotcast__V1__PageRecord *kept__find(const struct site_memory *memory, const char *url,
                                    struct arena *arena)
{
    if (memory == NULL)
        return NULL;
    arena_reset(arena);
    Lotcast__V1__PageRecord *record = memory->find(memory->arg, url, arena);
    bool is_use = record != NULL && record->layout == KEPT_LAYOUT && record->part_count > 0;
    return is_use ? record : NULL;
}

/* Unpacks one part's worth. False: it is none, or there is too much. */
static bool unpack(z_stream *stream, const ProtobufCBinaryData *part, struct buffer *out,
                   bool *ret_is_over)
{
    int result = Z_OK;
    stream->next_in = part->data;
    stream->avail_in = (unsigned)part->len;
    while (result == Z_OK && (stream->avail_in > 0 || stream->avail_out == 0)) {
        stream->next_out = buffer_reserve(out, CHUNK_BYTES);
        if (stream->next_out == NULL)
            return false;
        stream->avail_out = CHUNK_BYTES;
        result = inflate(stream, Z_NO_FLUSH);
        out->len += CHUNK_BYTES - stream->avail_out;
    }
    *ret_is_over = result == Z_STREAM_END;
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR;
}

static void copy_value(char to[static KEPT_VALUE_BYTES], const char *value)
{
    (void)snprintf(to, KEPT_VALUE_BYTES, "%s", value);
}

/* Unpacks all parts. */
static bool read_parts(const struct site_memory *memory, const char *url, struct arena *arena,
                       struct kept *kept)
{
    z_stream stream = {0};
    bool is_over = false;
    Lotcast__V1__PageRecord *record = kept__find(memory, url, arena);
    if (record == NULL || inflateInit(&stream) != Z_OK)
        return false;
    kept->part_count = record->part_count;
    copy_value(kept->content_type, record->content_type);
    copy_value(kept->pages_total, record->pages_total);
    bool ok = unpack(&stream, &record->content, &kept->body, &is_over);
    for (int32_t part = 1; ok && part < kept->part_count; part++) {
        char name[URL_BYTES_MAX + 16];
        (void)snprintf(name, sizeof name, "%s\n%d", url, part);
        record = is_over ? NULL : kept__find(memory, name, arena);
        ok = record != NULL && record->part_count == kept->part_count &&
             unpack(&stream, &record->content, &kept->body, &is_over);
    }
    (void)inflateEnd(&stream);
    return ok && is_over;
}

bool kept__open(struct kept *kept, const struct site_memory *memory, const char *url,
                struct arena *arena)
{
    *kept = (struct kept){.response = {.status = 200}};
    buffer_init(&kept->body, UNPACKED_BYTES_MAX);
    if (!read_parts(memory, url, arena, kept)) {
        buffer_fini(&kept->body);
        return false;
    }
    struct http_response *response = &kept->response;
    response->body = buffer_span(&kept->body);
    if (kept->content_type[0] != '\0')
        response->headers[response->header_count++] =
            (struct http_header){"content-type", kept->content_type};
    if (kept->pages_total[0] != '\0')
        response->headers[response->header_count++] =
            (struct http_header){"x-wp-totalpages", kept->pages_total};
    return true;
}

void kept__close(struct kept *kept)
{
    buffer_fini(&kept->body);
}

void kept__same(const struct kept *kept, const struct site_memory *memory, const char *url,
                struct arena *arena)
{
    for (int32_t part = 0; part < kept->part_count; part++) {
        arena_reset(arena);
        const char *name = part_name(url, part, arena);
        if (name != NULL)
            memory->keep(memory->arg, name, NULL);
    }
}
