/*
 * A document that is made once and only served: the API's description, the page to read it, the
 * frontend. Kept compressed, as nearly every client wants it.
 */
#ifndef REST_FILE_H
#define REST_FILE_H

#include <stdbool.h>

#include "rpc/base/buffer.h"

/* Largest file, in bytes, uncompressed. */
#define REST_FILE_BYTES_MAX ((size_t)16 * 1024 * 1024)
/* Of a file's hash as hex, with its NUL. */
#define REST_FILE_HASH_BYTES 29

struct rest_file {
    const char *path;
    const char *content_type;
    const char *cache_control;
    const char *policy; /* Content-Security-Policy; NULL: it is no page */
    const char *hash;   /* of its bytes, for the ETag */
    /* What it is as it is, and compressed. No bytes: not kept in that form; of the first two at
     * least one is. */
    struct span identity;
    struct span gzip;
    struct span brotli;
};

/* The files of the page that shows the API's description (rest/docs); the first is the page itself.
 * None where the viewer was not there when this was built. */
extern const struct rest_file rest_docs_files[];
extern const size_t rest_docs_file_count;

/* Likewise the frontend's (rest/web): the first is the page of all paths that are one. */
extern const struct rest_file rest_web_files[];
extern const size_t rest_web_file_count;

/* Appends `bytes` compressed. The same bytes come out as the same bytes. False: no memory. */
bool rest_file_pack(struct span bytes, struct buffer *out) __attribute__((warn_unused_result));
/* Appends the file's own bytes, of its gzip form. False: no memory, or it is none of ours. */
bool rest_file_unpack(const struct rest_file *file, struct buffer *out)
    __attribute__((warn_unused_result));

#endif
