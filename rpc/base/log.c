#include "rpc/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rpc/base/clock.h"
#include "rpc/base/utf8.h"

/* A line with its newline, in bytes: at most PIPE_BUF, so that a write to a pipe is atomic. */
#define LINE_BYTES_MAX 4096
/* Room kept for the closing brace and the newline. */
#define LINE_BYTES_TAIL 4

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

/* A JSON string; what does not fit is left out, with the closing quote kept. */
static void put_string(struct line *line, const char *text)
{
    size_t left = strlen(text);
    if (!put(line, "\"", 1))
        return;
    while (left > 0) {
        size_t len = utf8_sequence_length(text, left);
        bool fits = LINE_BYTES_MAX - LINE_BYTES_TAIL - line->len > 8;
        if (!fits)
            break;
        if (len == 0)
            (void)put(line, "\xef\xbf\xbd", 3); /* U+FFFD in place of a bad byte */
        else
            (void)put_escaped_char(line, text, len);
        text += len == 0 ? 1 : len;
        left -= len == 0 ? 1 : len;
    }
    (void)put(line, "\"", 1);
}

static void put_field(struct line *line, const struct log_field *field)
{
    char number[32];
    /* A key that would leave no room for its value is left out, so that the line stays JSON. */
    if (LINE_BYTES_MAX - LINE_BYTES_TAIL - line->len < strlen(field->key) + 48)
        return;
    (void)put(line, ",\"", 2);
    (void)put(line, field->key, strlen(field->key));
    (void)put(line, "\":", 2);
    switch (field->kind) {
    case LOG_FIELD_TEXT:
        put_string(line, field->text == NULL ? "" : field->text);
        break;
    case LOG_FIELD_NUMBER:
        (void)put(line, number, (size_t)snprintf(number, sizeof number, "%" PRId64, field->number));
        break;
    case LOG_FIELD_BOOL:
        if (field->number)
            (void)put(line, "true", 4);
        else
            (void)put(line, "false", 5);
        break;
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count)
{
    if (!log_enabled(level))
        return;
    struct line line = {.len = 0};
    char time[CLOCK_RFC3339_BYTES];
    int64_t now_ms = clock_now_ms();
    clock_format_rfc3339(now_ms, time);
    int len =
        snprintf(line.text, sizeof line.text,
                 "{\"time\":\"%.19s.%03dZ\",\"level\":\"%s\",\"process\":\"%s\",\"event\":", time,
                 (int)(now_ms % 1000), level_names[level], process_name);
    line.len = (size_t)len;
    put_string(&line, event);
    for (size_t i = 0; i < count; i++)
        put_field(&line, &fields[i]);
    line.text[line.len++] = '}';
    line.text[line.len++] = '\n';
    /* Nowhere to report a log that cannot be written. */
    ssize_t written = write(STDERR_FILENO, line.text, line.len);
    (void)written;
}
