/*
 * JSON log lines on standard error, one event a line, written whole so that lines of several
 * processes do not mix. Never give it a secret, a token, a cookie, a password or an
 * e-mail's body; a URL only without its query.
 */
#ifndef RPC_BASE_LOG_H
#define RPC_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* One member of a line; made by the functions below. Texts are borrowed for the call. */
struct log_field {
    const char *key;
    enum { LOG_FIELD_TEXT, LOG_FIELD_BYTES, LOG_FIELD_NUMBER, LOG_FIELD_BOOL } kind;
    const char *text;
    int64_t number; /* of LOG_FIELD_BYTES: how many */
};

static inline struct log_field log_text(const char *key, const char *text)
{
    return (struct log_field){key, LOG_FIELD_TEXT, text, 0};
}

/* A text of so many bytes, without a NUL. */
static inline struct log_field log_bytes(const char *key, const void *text, size_t len)
{
    return (struct log_field){key, LOG_FIELD_BYTES, text, (int64_t)len};
}

static inline struct log_field log_number(const char *key, int64_t number)
{
    return (struct log_field){key, LOG_FIELD_NUMBER, 0, number};
}

static inline struct log_field log_bool(const char *key, bool value)
{
    return (struct log_field){key, LOG_FIELD_BOOL, 0, value};
}

/* Sets the level and the process's name in each line ("rest"). Call before threads start. */
void log_init(enum log_level level, const char *process);
/*
 * From now on lines are collected for some ms before they are written, but for warnings and errors,
 * which are written at once with all before them; so it is at the process's exit() and abort(). A
 * process that is killed loses its last ms. Once, behind log_init; not in a process that forks.
 * False: it could not be, and each line is written by itself.
 */
bool log_buffer_start(void);
/* Writes what was collected. Any thread. */
void log_flush(void);
/* The name that log_init was given. */
const char *log_process(void);
/* debug, info, warn, error; false for anything else. */
bool log_level_parse(const char *text, enum log_level *ret_level);
bool log_enabled(enum log_level level);

/*
 * Writes one line: time, level, process, event, then the fields. A line longer than 4 KiB is cut,
 * text fields first. Texts are escaped; bytes that are not UTF-8 are replaced. Any thread.
 */
void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count);

/* log_event(LOG_LEVEL_INFO, "started", log_number("port", 8080)); with at least one field. */
#define log_event(level, event, ...)                                     \
    log_write((level), (event), (const struct log_field[]){__VA_ARGS__}, \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

#endif
