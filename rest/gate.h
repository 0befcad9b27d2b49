/*
 * The gate: HTTP/1 as RFC 9112 allows it, and nothing else, before libh2o sees a byte.
 *
 * libh2o 2.2.5 takes Content-Length beside Transfer-Encoding, two lengths, chunks with bare LFs,
 * folded headers, no Host; decodes chunks in place before a handler is asked; prints odd paths to
 * standard error; and answers bodies beyond its cap in words of its own. So libh2o is only ever
 * given whole requests in one canonical form: `METHOD / HTTP/1.x`, well-formed header lines without
 * those that frame the body or ask for another protocol, and a body with one Content-Length. The
 * real target stays with the gate.
 *
 * The rewriting is done in place: each step writes at or below what it has read. Pure; one thread.
 */
#ifndef REST_GATE_H
#define REST_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lotcast/v1/status.pb-c.h"
#include "rpc/base/buffer.h"

/* Limits of a request, in bytes. */
#define GATE_HEAD_BYTES_MAX ((size_t)16 * 1024)
#define GATE_BODY_BYTES_MAX ((size_t)1024 * 1024)
/* Lines of a head beside the request line; libh2o takes no more. */
#define GATE_LINES_MAX 100

enum gate_state {
    GATE_STATE_HEAD,
    GATE_STATE_LENGTH, /* a body of known length */
    GATE_STATE_CHUNK_SIZE,
    GATE_STATE_CHUNK_EXTENSION,
    GATE_STATE_CHUNK_SIZE_LF,
    GATE_STATE_CHUNK_DATA,
    GATE_STATE_CHUNK_DATA_CR,
    GATE_STATE_CHUNK_DATA_LF,
    GATE_STATE_TRAILER_START,
    GATE_STATE_TRAILER_LINE,
    GATE_STATE_TRAILER_LF,
    GATE_STATE_LAST_LF,
    GATE_STATE_DONE,
};

enum gate_verdict {
    GATE_MORE,   /* not a whole request yet */
    GATE_PASS,   /* the first pass_len bytes are a canonical request */
    GATE_REFUSE, /* answer `refusal` and close: nothing after it can be trusted */
};

struct gate {
    enum gate_state state;
    size_t begin;         /* of the request line, behind empty lines */
    size_t line;          /* of the line being looked for */
    size_t scan;          /* how far it was looked at */
    size_t line_count;    /* whole lines of the head so far, the request line included */
    size_t head_len;      /* canonical head; for chunks without its last lines */
    size_t body_len;      /* of GATE_STATE_LENGTH; of chunks: decoded so far */
    size_t read;          /* chunks: next byte to decode */
    size_t write;         /* chunks: where it goes */
    size_t chunk_left;    /* bytes of the chunk under way, or its size while that is read */
    size_t digits;        /* of the chunk's size */
    size_t extra;         /* bytes of extensions and trailers, which have a limit */
    struct buffer target; /* of the request under way: /path?query or * */
    bool is_head;         /* HEAD */
    bool is_http_1_1;
    bool body_too_large; /* passed without its body: answer 413 where nothing else forbids it, close
                          */
    bool continue_due; /* the client waits for 100 Continue; the caller sends it and clears this */

    /* Of a verdict. */
    size_t pass_len;
    size_t rest_at; /* where what follows the request begins */
    Lotcast__V1__Reason refusal;
};

/* Ready for a connection's first request. gate_fini frees. */
void gate_init(struct gate *gate);
void gate_fini(struct gate *gate);
/* Ready for the next request, whose bytes begin at offset 0 of what is fed then. */
void gate_next(struct gate *gate);

/*
 * Looks at what has come since the last call: `data` holds all bytes of the request so far, as the
 * last call has left them, and new ones behind them. Rewrites it; `len` may shrink, never grow.
 */
enum gate_verdict gate_feed(struct gate *gate, char *data, size_t *len);

/* Whether any byte of a request has come. */
bool gate_started(const struct gate *gate, size_t len);

#endif
