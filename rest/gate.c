#include "rest/gate.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "rest/chars.h"

/* Empty lines before a request line that are forgiven (RFC 9112, 2.2). */
#define EMPTY_LINES_MAX 4
#define METHOD_BYTES_MAX 32
/* Chunk extensions and trailers together, in bytes. */
#define EXTRA_BYTES_MAX ((size_t)8 * 1024)
/* Digits of a chunk's size; leading zeros count. */
#define CHUNK_DIGITS_MAX 16
/* "content-length:" with seven digits and the head's last line end: less than the
 * "transfer-encoding:chunked" line that it stands for, so that there is room. */
#define LENGTH_LINE_BYTES 26

/* What the header lines say about the request, gathered while they are rewritten. */
struct framing {
    size_t host_count;
    size_t length_count;
    size_t encoding_count;
    uint64_t length;
    bool expects_continue;
};

struct line {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
};

void gate_init(struct gate *gate)
{
    *gate = (struct gate){.state = GATE_STATE_HEAD};
    buffer_init(&gate->target, GATE_HEAD_BYTES_MAX + 1);
}

void gate_fini(struct gate *gate)
{
    buffer_fini(&gate->target);
}

void gate_next(struct gate *gate)
{
    struct buffer target = gate->target;
    *gate = (struct gate){.state = GATE_STATE_HEAD, .target = target};
    buffer_clear(&gate->target);
}

bool gate_started(const struct gate *gate, size_t len)
{
    return gate->state != GATE_STATE_HEAD || len > gate->begin;
}

static enum gate_verdict refuse(struct gate *gate, Lotcast__V1__Reason reason)
{
    gate->refusal = reason;
    return GATE_REFUSE;
}

static enum gate_verdict pass(struct gate *gate, size_t pass_len, size_t rest_at)
{
    gate->state = GATE_STATE_DONE;
    gate->pass_len = pass_len;
    gate->rest_at = rest_at;
    return GATE_PASS;
}

/* --- the request line --- */

/* The origin form of a target: `/path?query` or `*`. False for what HTTP/1.1 does not allow. */
static bool take_target(struct gate *gate, const char *text, size_t len, bool is_options)
{
    for (size_t i = 0; i < len; i++) {
        if (!chars_is_target(text[i]))
            return false;
    }
    if (len == 1 && text[0] == '*')
        return is_options && buffer_append_byte(&gate->target, '*');
    size_t scheme_len = 0;
    if (len > 7 && strncasecmp(text, "http://", 7) == 0)
        scheme_len = 7;
    else if (len > 8 && strncasecmp(text, "https://", 8) == 0)
        scheme_len = 8;
    if (scheme_len != 0) { /* absolute form: what names the server is of no interest */
        size_t at = scheme_len;
        while (at < len && text[at] != '/' && text[at] != '?')
            at++;
        if (at == scheme_len)
            return false;
        text += at;
        len -= at;
        if (len == 0 || text[0] == '?')
            (void)buffer_append_byte(&gate->target, '/');
        return buffer_append(&gate->target, text, len);
    }
    return len > 0 && text[0] == '/' && buffer_append(&gate->target, text, len);
}

/* Checks the request line and writes its canonical form at the front; its length, or 0. */
static size_t rewrite_request_line(struct gate *gate, char *data, const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);
    size_t method_len = space == NULL ? 0 : (size_t)(space - line);
    if (method_len == 0 || method_len > METHOD_BYTES_MAX || len < method_len + 2 + 9)
        return 0;
    for (size_t i = 0; i < method_len; i++) {
        if (!chars_is_token(line[i]))
            return 0;
    }
    const char *target = space + 1;
    size_t target_len = len - method_len - 1 - 9;
    const char *version = target + target_len; /* " HTTP/1.1" */
    if (memcmp(version, " HTTP/1.", 8) != 0 || !chars_is_digit(version[8]))
        return 0;
    gate->is_http_1_1 = version[8] != '0';
    gate->is_head = method_len == 4 && memcmp(line, "HEAD", 4) == 0;
    if (method_len == 7 && memcmp(line, "CONNECT", 7) == 0)
        return 0;
    if (!take_target(gate, target, target_len, method_len == 7 && memcmp(line, "OPTIONS", 7) == 0))
        return 0;
    memmove(data, line, method_len);
    memcpy(data + method_len, gate->is_http_1_1 ? " / HTTP/1.1\r\n" : " / HTTP/1.0\r\n", 13);
    return method_len + 13;
}

/* --- header lines --- */

static bool name_is(const struct line *line, const char *name)
{
    return line->name_len == strlen(name) && strncasecmp(line->name, name, line->name_len) == 0;
}

static bool value_is(const struct line *line, const char *value)
{
    return line->value_len == strlen(value) &&
           strncasecmp(line->value, value, line->value_len) == 0;
}

static bool split_line(const char *text, size_t len, struct line *line)
{
    size_t colon = 0;
    while (colon < len && chars_is_token(text[colon]))
        colon++;
    if (colon == 0 || colon == len || text[colon] != ':')
        return false; /* also a folded line, and a space before the colon */
    size_t begin = colon + 1;
    size_t end = len;
    while (begin < end && (text[begin] == ' ' || text[begin] == '\t'))
        begin++;
    while (end > begin && (text[end - 1] == ' ' || text[end - 1] == '\t'))
        end--;
    for (size_t i = begin; i < end; i++) {
        if (!chars_is_field_value(text[i]))
            return false;
    }
    *line = (struct line){text, colon, text + begin, end - begin};
    return true;
}

static bool take_length(const struct line *line, struct framing *framing)
{
    uint64_t length = 0;
    if (line->value_len == 0 || line->value_len > 18)
        return false;
    for (size_t i = 0; i < line->value_len; i++) {
        if (!chars_is_digit(line->value[i]))
            return false;
        length = length * 10 + (uint64_t)(line->value[i] - '0');
    }
    framing->length = length;
    framing->length_count++;
    return true;
}

static bool host_is_well_formed(const struct line *line)
{
    for (size_t i = 0; i < line->value_len; i++) {
        if (!chars_is_host(line->value[i]))
            return false;
    }
    return line->value_len <= 255;
}

/* Takes note of a line; `ret_keep` says whether libh2o is to see it. False: not allowed. */
static bool judge_line(const struct line *line, struct framing *framing, bool *ret_keep)
{
    *ret_keep = false;
    if (name_is(line, "content-length"))
        return take_length(line, framing);
    if (name_is(line, "transfer-encoding")) {
        framing->encoding_count++;
        return value_is(line, "chunked");
    }
    if (name_is(line, "expect")) {
        framing->expects_continue = value_is(line, "100-continue");
        return true;
    }
    if (name_is(line, "upgrade"))
        return true;
    *ret_keep = true;
    if (name_is(line, "host")) {
        framing->host_count++;
        return host_is_well_formed(line);
    }
    return true;
}

/* Rewrites the lines [from, to) to `at`; where they end then, or 0. */
static size_t rewrite_lines(char *data, size_t at, size_t from, size_t to, struct framing *framing)
{
    while (from < to) {
        const char *line_end = memchr(data + from, '\n', to - from);
        assert(line_end != NULL); /* gate_head has seen it */
        size_t end = (size_t)(line_end - data);
        struct line line;
        bool keep = false;
        if (!split_line(data + from, end - 1 - from, &line) || !judge_line(&line, framing, &keep))
            return 0;
        if (keep) {
            memmove(data + at, line.name, line.name_len + 1);
            at += line.name_len + 1;
            memmove(data + at, line.value, line.value_len);
            at += line.value_len;
            memcpy(data + at, "\r\n", 2);
            at += 2;
        }
        from = end + 1;
    }
    return at;
}

static bool framing_is_allowed(const struct gate *gate, const struct framing *framing)
{
    if (framing->length_count > 1 || framing->encoding_count > 1 ||
        (framing->length_count != 0 && framing->encoding_count != 0))
        return false;
    if (framing->encoding_count != 0 && !gate->is_http_1_1)
        return false;
    return framing->host_count == 1 || (framing->host_count == 0 && !gate->is_http_1_1);
}

static size_t append_length_line(char *data, size_t at, size_t length, size_t digits)
{
    memcpy(data + at, "content-length:", 15);
    at += 15;
    for (size_t i = digits; i > 0; i--) {
        data[at + i - 1] = (char)('0' + length % 10);
        length /= 10;
    }
    memcpy(data + at + digits, "\r\n\r\n", 4);
    return at + digits + 4;
}

static size_t count_digits(size_t number)
{
    size_t digits = 1;
    for (; number >= 10; number /= 10)
        digits++;
    return digits;
}

/* The head ends at `end`: rewrites it and finds out what body follows. */
static enum gate_verdict finish_head(struct gate *gate, char *data, size_t *len, size_t end)
{
    struct framing framing = {0};
    const char *line = data + gate->begin;
    const char *line_end = memchr(line, '\r', end - gate->begin);
    size_t line_len = (size_t)(line_end - line);
    size_t lines_from = gate->begin + line_len + 2;
    size_t at = rewrite_request_line(gate, data, line, line_len);
    if (at != 0)
        at = rewrite_lines(data, at, lines_from, end - 2, &framing);
    if (at == 0 || !framing_is_allowed(gate, &framing))
        return refuse(gate, LOTCAST__V1__REASON__REASON_BAD_REQUEST);

    bool has_body = framing.encoding_count != 0 || framing.length != 0;
    gate->body_too_large = framing.length > GATE_BODY_BYTES_MAX;
    if (!has_body || gate->body_too_large) {
        memcpy(data + at, "\r\n", 2);
        return pass(gate, at + 2, end);
    }
    gate->continue_due = framing.expects_continue && gate->is_http_1_1 && *len == end;
    gate->head_len = at;
    if (framing.encoding_count != 0) {
        gate->state = GATE_STATE_CHUNK_SIZE;
        gate->read = end;
        gate->write = at + LENGTH_LINE_BYTES;
        assert(gate->write <= gate->read);
        return GATE_MORE;
    }
    gate->state = GATE_STATE_LENGTH;
    gate->body_len = (size_t)framing.length;
    gate->head_len = append_length_line(data, at, gate->body_len, count_digits(gate->body_len));
    assert(gate->head_len <= end);
    memmove(data + gate->head_len, data + end, *len - end);
    *len -= end - gate->head_len;
    return GATE_MORE;
}

/* Looks for the head's end line by line: a bare LF ends no line of ours. */
static enum gate_verdict feed_head(struct gate *gate, char *data, size_t *len)
{
    while (gate->scan < *len) {
        if (gate->scan == gate->begin && gate->scan == gate->line && data[gate->scan] != '\r' &&
            !chars_is_token(data[gate->scan]))
            return refuse(gate, LOTCAST__V1__REASON__REASON_BAD_REQUEST);
        const char *line_end = memchr(data + gate->scan, '\n', *len - gate->scan);
        size_t end = line_end == NULL ? *len : (size_t)(line_end - data) + 1;
        if (end - gate->begin > GATE_HEAD_BYTES_MAX)
            return refuse(gate, LOTCAST__V1__REASON__REASON_HEADERS_TOO_LARGE);
        gate->scan = end;
        if (line_end == NULL)
            return GATE_MORE;
        size_t line_len = end - gate->line;
        if (line_len < 2 || data[end - 2] != '\r' ||
            memchr(data + gate->line, '\r', line_len - 2) != NULL)
            return refuse(gate, LOTCAST__V1__REASON__REASON_BAD_REQUEST);
        if (line_len == 2 && gate->line_count != 0)
            return finish_head(gate, data, len, end);
        gate->line = end;
        if (line_len == 2) {
            gate->begin = end;
            if (end > 2 * EMPTY_LINES_MAX)
                return refuse(gate, LOTCAST__V1__REASON__REASON_BAD_REQUEST);
            continue;
        }
        gate->line_count++;
        if (gate->line_count > 1 + GATE_LINES_MAX)
            return refuse(gate, LOTCAST__V1__REASON__REASON_BAD_REQUEST);
    }
    return GATE_MORE;
}

/* --- chunks --- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* A byte of a chunk's size line. False: not allowed. */
static bool step_size(struct gate *gate, char c)
{
    int value = hex_value(c);
    if (value >= 0) {
        gate->digits++;
        gate->chunk_left = gate->chunk_left > GATE_BODY_BYTES_MAX
                               ? gate->chunk_left /* far too large already; do not overflow */
                               : gate->chunk_left * 16 + (size_t)value;
        return gate->digits <= CHUNK_DIGITS_MAX;
    }
    if (gate->digits == 0)
        return false;
    if (c == ';' || c == ' ' || c == '\t')
        gate->state = GATE_STATE_CHUNK_EXTENSION;
    else if (c == '\r')
        gate->state = GATE_STATE_CHUNK_SIZE_LF;
    else
        return false;
    return true;
}

static bool step_line(struct gate *gate, char c, enum gate_state end)
{
    gate->extra++;
    if (c == '\r')
        gate->state = end;
    else if (!chars_is_field_value(c))
        return false;
    return gate->extra <= EXTRA_BYTES_MAX;
}

static bool step_expect(struct gate *gate, char c, char want, enum gate_state next)
{
    gate->state = next;
    return c == want;
}

/* A byte of framing, not of data. False: not allowed. */
static bool step(struct gate *gate, char c)
{
    switch (gate->state) {
    case GATE_STATE_CHUNK_SIZE:
        return step_size(gate, c);
    case GATE_STATE_CHUNK_EXTENSION:
        return step_line(gate, c, GATE_STATE_CHUNK_SIZE_LF);
    case GATE_STATE_CHUNK_SIZE_LF:
        gate->digits = 0;
        return step_expect(gate, c, '\n',
                           gate->chunk_left == 0 ? GATE_STATE_TRAILER_START
                                                 : GATE_STATE_CHUNK_DATA);
    case GATE_STATE_CHUNK_DATA_CR:
        return step_expect(gate, c, '\r', GATE_STATE_CHUNK_DATA_LF);
    case GATE_STATE_CHUNK_DATA_LF:
        return step_expect(gate, c, '\n', GATE_STATE_CHUNK_SIZE);
    case GATE_STATE_TRAILER_START:
        gate->state = c == '\r' ? GATE_STATE_LAST_LF : GATE_STATE_TRAILER_LINE;
        return c == '\r' || chars_is_token(c);
    case GATE_STATE_TRAILER_LINE:
        return step_line(gate, c, GATE_STATE_TRAILER_LF);
    case GATE_STATE_TRAILER_LF:
        return step_expect(gate, c, '\n', GATE_STATE_TRAILER_START);
    case GATE_STATE_LAST_LF:
        return step_expect(gate, c, '\n', GATE_STATE_DONE);
    case GATE_STATE_HEAD:
    case GATE_STATE_LENGTH:
    case GATE_STATE_CHUNK_DATA:
    case GATE_STATE_DONE:
        break;
    }
    return false;
}

static void copy_chunk_data(struct gate *gate, char *data, size_t len)
{
    size_t count = len - gate->read;
    if (count > gate->chunk_left)
        count = gate->chunk_left;
    memmove(data + gate->write, data + gate->read, count);
    gate->read += count;
    gate->write += count;
    gate->body_len += count;
    gate->chunk_left -= count;
    if (gate->chunk_left == 0)
        gate->state = GATE_STATE_CHUNK_DATA_CR;
}

static enum gate_verdict feed_chunks(struct gate *gate, char *data, size_t *len)
{
    while (gate->read < *len && gate->state != GATE_STATE_DONE) {
        if (gate->state == GATE_STATE_CHUNK_DATA)
            copy_chunk_data(gate, data, *len);
        else if (!step(gate, data[gate->read++]))
            return refuse(gate, LOTCAST__V1__REASON__REASON_BAD_REQUEST);
        if (gate->state == GATE_STATE_CHUNK_DATA &&
            gate->body_len + gate->chunk_left > GATE_BODY_BYTES_MAX) {
            gate->body_too_large = true;
            memcpy(data + gate->head_len, "\r\n", 2);
            return pass(gate, gate->head_len + 2, *len);
        }
    }
    if (gate->state == GATE_STATE_DONE) {
        (void)append_length_line(data, gate->head_len, gate->body_len, 7);
        return pass(gate, gate->write, gate->read);
    }
    *len = gate->write;
    gate->read = gate->write;
    return GATE_MORE;
}

enum gate_verdict gate_feed(struct gate *gate, char *data, size_t *len)
{
    assert(gate->state != GATE_STATE_DONE);
    if (gate->state == GATE_STATE_HEAD) {
        enum gate_verdict verdict = feed_head(gate, data, len);
        if (verdict != GATE_MORE || gate->state == GATE_STATE_HEAD)
            return verdict;
    }
    if (gate->state != GATE_STATE_LENGTH)
        return feed_chunks(gate, data, len);
    if (*len < gate->head_len + gate->body_len)
        return GATE_MORE;
    return pass(gate, gate->head_len + gate->body_len, gate->head_len + gate->body_len);
}
