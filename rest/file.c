#include "rest/file.h"

#include <zlib.h>

/* zlib's window, with a gzip header. */
#define GZIP_WINDOW_BITS (15 + 16)
#define GZIP_MEMORY_LEVEL 8

bool rest_file_pack(struct span bytes, struct buffer *out)
{
    z_stream stream = {0};
    if (bytes.len > REST_FILE_BYTES_MAX ||
        deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t most = deflateBound(&stream, (uLong)bytes.len);
    stream.next_out = buffer_reserve(out, most);
    stream.avail_out = (uInt)most;
    stream.next_in = (z_const Bytef *)(uintptr_t)bytes.data;
    stream.avail_in = (uInt)bytes.len;
    bool packed = stream.next_out != NULL && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    if (packed)
        out->len += stream.total_out;
    (void)deflateEnd(&stream);
    return packed;
}

/* Of a gzip file, its last four bytes: the length of what is in it. */
static size_t unpacked_len(struct span gzip)
{
    size_t len = 0;
    for (size_t i = 0; gzip.len >= 4 && i < 4; i++)
        len |= (size_t)gzip.data[gzip.len - 4 + i] << (8 * i);
    return len;
}

bool rest_file_unpack(const struct rest_file *file, struct buffer *out)
{
    size_t len = unpacked_len(file->gzip);
    z_stream stream = {0};
    if (len > REST_FILE_BYTES_MAX || inflateInit2(&stream, GZIP_WINDOW_BITS) != Z_OK)
        return false;
    stream.next_out = buffer_reserve(out, len);
    stream.avail_out = (uInt)len;
    stream.next_in = (z_const Bytef *)(uintptr_t)file->gzip.data;
    stream.avail_in = (uInt)file->gzip.len;
    bool unpacked = stream.next_out != NULL && inflate(&stream, Z_FINISH) == Z_STREAM_END;
    if (unpacked)
        out->len += stream.total_out;
    (void)inflateEnd(&stream);
    return unpacked;
}
