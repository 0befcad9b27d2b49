/*
 * Sitemaps (sitemaps.org): XML through libxml2's push parser as it is unpacked, so that neither the
 * unpacked bytes nor a tree are ever held. A DOCTYPE ends the reading: without one there are no
 * entities to expand and nothing to fetch.
 */
#include <libxml/parser.h>
#include <strings.h>
#include <zlib.h>

#include "clients/site/internal.h"

#define CHUNK_BYTES ((size_t)64 * 1024)
/* Elements in each other: urlset, url, image:image, image:loc and a few. */
#define DEPTH_MAX 32

enum root { ROOT_NONE, ROOT_URLS, ROOT_INDEX, ROOT_OTHER };

struct reader {
    const struct site_sitemap_sink *sink;
    xmlParserCtxtPtr parser;
    enum root root;
    size_t depth;
    bool in_entry; /* <url> or <sitemap> at depth 2 */
    bool in_loc;
    bool is_text;
    bool stopped; /* a cap, a DOCTYPE, or the sink has enough */
    size_t unpacked_bytes;
    size_t urls;
    char loc[URL_BYTES_MAX];
    size_t loc_len;
    bool loc_too_long;
};

static void stop(struct reader *reader)
{
    reader->stopped = true;
    xmlStopParser(reader->parser);
}

static void give(struct reader *reader, struct span url)
{
    while (url.len > 0 && url.data[0] <= ' ') {
        url.data++;
        url.len--;
    }
    while (url.len > 0 && url.data[url.len - 1] <= ' ')
        url.len--;
    if (url.len == 0)
        return;
    if (reader->urls++ == SITE_SITEMAP_URLS_MAX ||
        !reader->sink->take(reader->sink->arg, url, reader->root == ROOT_INDEX))
        reader->stopped = true;
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *space,
                     int space_count, const xmlChar **spaces, int count, int defaulted,
                     const xmlChar **attributes)
{
    (void)space;
    (void)space_count;
    (void)spaces;
    (void)count;
    (void)defaulted;
    (void)attributes;
    struct reader *reader = arg;
    const char *local = (const char *)name;
    reader->depth++;
    if (reader->depth > DEPTH_MAX) {
        stop(reader);
    } else if (reader->depth == 1) {
        reader->root = strcmp(local, "urlset") == 0         ? ROOT_URLS
                       : strcmp(local, "sitemapindex") == 0 ? ROOT_INDEX
                                                            : ROOT_OTHER;
        if (reader->root == ROOT_OTHER)
            stop(reader);
    } else if (reader->depth == 2) {
        reader->in_entry = strcmp(local, reader->root == ROOT_INDEX ? "sitemap" : "url") == 0;
    } else if (reader->depth == 3) {
        /* image:loc and video:… lie deeper, but some write them here. */
        bool foreign = prefix != NULL && strcmp((const char *)prefix, "image") == 0;
        reader->in_loc = reader->in_entry && !foreign && strcmp(local, "loc") == 0;
        reader->loc_len = 0;
        reader->loc_too_long = false;
    }
}

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *space)
{
    (void)name;
    (void)prefix;
    (void)space;
    struct reader *reader = arg;
    if (reader->depth == 3 && reader->in_loc) {
        reader->in_loc = false;
        if (!reader->loc_too_long)
            give(reader, span_of(reader->loc, reader->loc_len));
        if (reader->stopped)
            xmlStopParser(reader->parser);
    }
    if (reader->depth > 0)
        reader->depth--;
}

static void on_text(void *arg, const xmlChar *text, int len)
{
    struct reader *reader = arg;
    if (!reader->in_loc || reader->depth != 3 || len <= 0)
        return;
    if ((size_t)len > sizeof reader->loc - reader->loc_len) {
        reader->loc_too_long = true;
        return;
    }
    memcpy(reader->loc + reader->loc_len, text, (size_t)len);
    reader->loc_len += (size_t)len;
}

static void on_doctype(void *arg, const xmlChar *name, const xmlChar *public_id,
                       const xmlChar *system_id)
{
    (void)name;
    (void)public_id;
    (void)system_id;
    stop(arg);
}

static void ignore_error(void *arg, xmlErrorPtr error)
{
    (void)arg;
    (void)error;
}

/* Plain text: a URL a line. */
static void feed_text(struct reader *reader, struct span bytes)
{
    for (size_t i = 0; i < bytes.len && !reader->stopped; i++) {
        uint8_t c = bytes.data[i];
        if (c == '\n' || c == '\r') {
            if (!reader->loc_too_long)
                give(reader, span_of(reader->loc, reader->loc_len));
            reader->loc_len = 0;
            reader->loc_too_long = false;
        } else if (reader->loc_len == sizeof reader->loc) {
            reader->loc_too_long = true;
        } else {
            reader->loc[reader->loc_len++] = (char)c;
        }
    }
}

static bool begins_with_url(struct span bytes)
{
    if (bytes.len >= 3 && memcmp(bytes.data, "\xef\xbb\xbf", 3) == 0)
        bytes = span_of(bytes.data + 3, bytes.len - 3);
    while (bytes.len > 0 && bytes.data[0] <= ' ')
        bytes = span_of(bytes.data + 1, bytes.len - 1);
    return bytes.len >= 4 && strncasecmp((const char *)bytes.data, "http", 4) == 0;
}

/* Takes what has been unpacked; false once nothing more is wanted. */
static bool feed(struct reader *reader, struct span bytes)
{
    size_t room = SITE_SITEMAP_BYTES_MAX - reader->unpacked_bytes;
    bool is_over = bytes.len > room;
    if (is_over)
        bytes.len = room;
    if (reader->unpacked_bytes == 0 && begins_with_url(bytes)) {
        reader->is_text = true;
        reader->root = ROOT_URLS;
        if (bytes.len >= 3 && bytes.data[0] == 0xef)
            bytes = span_of(bytes.data + 3, bytes.len - 3);
    }
    reader->unpacked_bytes += bytes.len;
    if (reader->is_text)
        feed_text(reader, bytes);
    else if (xmlParseChunk(reader->parser, (const char *)bytes.data, (int)bytes.len, 0) != 0)
        reader->stopped = true;
    if (is_over)
        reader->stopped = true;
    return !reader->stopped;
}

static bool unpack_gzip(struct span body, struct reader *reader)
{
    z_stream stream = {0};
    unsigned char out[16 * 1024];
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
        return false;
    stream.next_in = (unsigned char *)(uintptr_t)body.data;
    stream.avail_in = (unsigned)body.len;
    int result = Z_OK;
    while (result == Z_OK) {
        stream.next_out = out;
        stream.avail_out = sizeof out;
        result = inflate(&stream, Z_NO_FLUSH);
        size_t len = sizeof out - stream.avail_out;
        if (len > 0 && !feed(reader, span_of(out, len)))
            break;
        /* Several members in one file; what is not gzip behind the last one is padding. */
        if (result == Z_STREAM_END && stream.avail_in > 2 && stream.next_in[0] == 0x1f &&
            stream.next_in[1] == 0x8b)
            result = inflateReset(&stream);
    }
    (void)inflateEnd(&stream);
    return result == Z_STREAM_END;
}

/* Gives the whole body to `feed`. False if it is cut off or broken. */
static bool unpack(struct span body, struct reader *reader)
{
    if (body.len >= 2 && body.data[0] == 0x1f && body.data[1] == 0x8b)
        return unpack_gzip(body, reader);
    for (size_t at = 0; at < body.len; at += CHUNK_BYTES) {
        size_t len = body.len - at < CHUNK_BYTES ? body.len - at : CHUNK_BYTES;
        if (!feed(reader, span_of(body.data + at, len)))
            return false;
    }
    return true;
}

enum site_sitemap_result site__sitemap_read(struct span body, const struct site_sitemap_sink *sink)
{
    xmlSAXHandler handler = {
        .initialized = XML_SAX2_MAGIC,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_text,
        .cdataBlock = on_text,
        .internalSubset = on_doctype,
        .serror = ignore_error,
    };
    struct reader reader = {.sink = sink};
    if (body.len > SITE_SITEMAP_BYTES_MAX)
        body.len = SITE_SITEMAP_BYTES_MAX;
    reader.parser = xmlCreatePushParserCtxt(&handler, &reader, NULL, 0, NULL);
    if (reader.parser == NULL)
        return SITE_SITEMAP_PARTLY;
    (void)xmlCtxtUseOptions(reader.parser,
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    bool whole = unpack(body, &reader);
    if (whole && reader.is_text)
        feed_text(&reader, span_of_string("\n"));
    else if (whole)
        whole = xmlParseChunk(reader.parser, "", 0, 1) == 0;
    if (reader.parser->myDoc != NULL)
        xmlFreeDoc(reader.parser->myDoc);
    xmlFreeParserCtxt(reader.parser);
    if (reader.root == ROOT_NONE || reader.root == ROOT_OTHER)
        return SITE_SITEMAP_NONE;
    return whole && !reader.stopped ? SITE_SITEMAP_OK : SITE_SITEMAP_PARTLY;
}
