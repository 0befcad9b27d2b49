#include "rpc/base/log.h"

#include <stdio.h>
#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/base/log_internal.h"
#include "rpc/base/utf8.h"

#define LINE_BYTES_MAX LOG__LINE_BYTES_MAX
/* Room kept for the closing brace and the newline. */
#define LINE_BYTES_TAIL 4
/* Eight bytes at a time: each byte 1, and each byte's high bit. */
#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

static enum log_level level_min = LOG_LEVEL_INFO;
static const char *process_name = "lotcast";

struct line {
    char text[LINE_BYTES_MAX];
    size_t len;
};

void log_init(enum log_level level, const char *process)
{
    level_min = level;
    process_name = process;
}

const char *log_process(void)
{
    return process_name;
}

static const char *const level_names[] = {"debug", "info", "warn", "error"};

bool log_level_parse(const char *text, enum log_level *ret_level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return level >= level_min;
}

static bool put(struct line *line, const char *data, size_t len)
{
    if (len > LINE_BYTES_MAX - LINE_BYTES_TAIL - line->len)
        return false;
    memcpy(line->text + line->len, data, len);
    line->len += len;
    return true;
}

static bool put_escaped_char(struct line *line, const char *at, size_t len)
{
    unsigned char c = (unsigned char)*at;
    char escaped[8];
    if (len > 1)
        return put(line, at, len);
    if (c == '"' || c == '\\')
        return put(line, (char[]){'\\', (char)c}, 2);
    if (c < 0x20 || c == 0x7f) {
        int n = snprintf(escaped, sizeof escaped, "\\u%04x", c);
        return put(line, escaped, (size_t)n);
    }
    return put(line, at, 1);
}

/* Bytes at the front that stand for themselves in a JSON string: no controls, quotes, backslashes,
 * nothing beyond ASCII. */
static size_t plain_len(const char *text, size_t len)
{
    size_t at = 0;
    for (; at + sizeof(uint64_t) <= len; at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        /* Has a high bit where there is a byte that is another. */
        uint64_t other = ((word ^ (ONES * '"')) - ONES) | ((word ^ (ONES * '\\')) - ONES) |
                         (word - ONES * 0x20) | (word + ONES) | word;
        if ((other & HIGHS) != 0)
            break;
    }
    while (at < len && text[at] >= 0x20 && text[at] < 0x7f && text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}

/* A JSON string; what does not fit is left out, with the closing quote kept. */
static void put_string(struct line *line, const char *text, size_t left)
{
    if (!put(line, "\"", 1))
        return;
    while (left > 0) {
        size_t room = LINE_BYTES_MAX - LINE_BYTES_TAIL - line->len;
        if (room <= 8)
            break;
        size_t len = plain_len(text, left < room - 8 ? left : room - 8);
        if (len > 0) {
            (void)put(line, text, len);
        } else {
            size_t sequence = utf8_sequence_length(text, left);
            if (sequence == 0)
                (void)put(line, "\xef\xbf\xbd", 3); /* U+FFFD in place of a bad byte */
            else
                (void)put_escaped_char(line, text, sequence);
            len = sequence == 0 ? 1 : sequence;
        }
        text += len;
        left -= len;
    }
    (void)put(line, "\"", 1);
}

static void put_number(struct line *line, int64_t number)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0)
        digits[--at] = '-';
    (void)put(line, digits + at, sizeof digits - at);
}

static void put_field(struct line *line, const struct log_field *field)
{
    /* A key that would leave no room for its value is left out, so that the line stays JSON. */
    size_t key_len = strlen(field->key);
    if (LINE_BYTES_MAX - LINE_BYTES_TAIL - line->len < key_len + 48)
        return;
    (void)put(line, ",\"", 2);
    (void)put(line, field->key, key_len);
    (void)put(line, "\":", 2);
    switch (field->kind) {
    case LOG_FIELD_TEXT:
        put_string(line, field->text, field->text == NULL ? 0 : strlen(field->text));
        break;
    case LOG_FIELD_BYTES:
        put_string(line, field->text, (size_t)field->number);
        break;
    case LOG_FIELD_NUMBER:
        put_number(line, field->number);
        break;
    case LOG_FIELD_BOOL:
        if (field->number)
            (void)put(line, "true", 4);
        else
            (void)put(line, "false", 5);
        break;
    }
}

/* What a line begins with. Times of one second share their text, a thread. */
static void put_time(struct line *line)
{
    static _Thread_local int64_t second = -1;
    static _Thread_local char text[CLOCK_RFC3339_BYTES];
    int64_t now_ms = clock_now_ms();
    int ms = (int)(now_ms % 1000);
    if (now_ms / 1000 != second) {
        clock_format_rfc3339(now_ms, text);
        second = now_ms / 1000;
    }
    const char fraction[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
                             (char)('0' + ms % 10), 'Z'};
    (void)put(line, "{\"time\":\"", 9);
    (void)put(line, text, sizeof "2026-02-06T20:00:00" - 1);
    (void)put(line, fraction, sizeof fraction);
    (void)put(line, "\"", 1);
}

static void put_member(struct line *line, const char *key, const char *text)
{
    (void)put(line, key, strlen(key));
    put_string(line, text, strlen(text));
}

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count)
{
    struct line line;
    if (!log_enabled(level))
        return;
    line.len = 0;
    put_time(&line);
    put_member(&line, ",\"level\":", level_names[level]);
    put_member(&line, ",\"process\":", process_name);
    put_member(&line, ",\"event\":", event);
    for (size_t i = 0; i < count; i++)
        put_field(&line, &fields[i]);
    line.text[line.len++] = '}';
    line.text[line.len++] = '\n';
    log__sink_write(line.text, line.len, level >= LOG_LEVEL_WARN);
}
