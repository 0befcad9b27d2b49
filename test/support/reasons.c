#include "test/support/reasons.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yajl/yajl_tree.h>

#define LINE_BYTES 512

/* One write of a whole line, so that lines of several processes do not mix. */
static void take_down(const char *kind, const char *subject, const char *detail, const char *reason)
{
    char line[LINE_BYTES];
    const char *path = getenv(REASONS_FILE_VARIABLE);
    if (path == NULL || path[0] == '\0')
        return;
    int len = snprintf(line, sizeof line, "%s %s %s %s %s\n", kind, subject, detail, reason,
                       program_invocation_short_name);
    if (len < 0 || (size_t)len >= sizeof line)
        return;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)len) != len)
        (void)fprintf(stderr, "cannot take a reason down in %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
}

static void take_status(const struct registry_method *method, const struct rpc_status *status)
{
    bool is_plain = status->reason == LOTCAST__V1__REASON__REASON_UNSPECIFIED;
    if (status->code != RPC_OK)
        take_down("rpc", method->name, rpc_code_name(status->code),
                  is_plain ? "-" : rpc_reason_get(status->reason)->name);
}

static void after_call(void *self, struct rpc_server_call *call, const struct rpc_status *status)
{
    (void)self;
    take_status(rpc_server_call_method(call), status);
}

const struct rpc_server_interceptor *reasons_recorder(void)
{
    static const struct rpc_server_interceptor recorder = {.after = after_call};
    return &recorder;
}

static void call_ended(void *self, const struct registry_method *method,
                       const struct rpc_status *status, int64_t elapsed_us)
{
    static const char *const own[] = {"lotcast.v1.Health", "lotcast.v1.Metrics",
                                      "lotcast.v1.Reflection"};
    (void)self;
    (void)elapsed_us;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strcmp(method->service_name, own[i]) == 0)
            take_status(method, status);
    }
}

const struct rpc_client_interceptor *reasons_client_recorder(void)
{
    static const struct rpc_client_interceptor recorder = {.end = call_ended};
    return &recorder;
}

/* --- logs --- */

/* A text of a line, or "-". */
static const char *text_of(yajl_val line, const char *key)
{
    const char *const path[] = {key, NULL};
    const char *text = YAJL_GET_STRING(yajl_tree_get(line, (const char **)path, yajl_t_string));
    return text == NULL ? "-" : text;
}

static void take_line(yajl_val line)
{
    const char *event = text_of(line, "event");
    const char *reason = text_of(line, "reason");
    if (strcmp(event, "call") == 0 && strcmp(text_of(line, "code"), "OK") != 0)
        take_down("rpc", text_of(line, "method"), text_of(line, "code"), reason);
    else if (strcmp(event, "request") == 0 && strcmp(reason, "-") != 0)
        take_down("http", text_of(line, "method"), text_of(line, "route"), reason);
}

void reasons_record_answer(const char *body)
{
    static const char *const path[] = {"error", "code", NULL};
    char error[128];
    yajl_val answer = body[0] == '{' ? yajl_tree_parse(body, error, sizeof error) : NULL;
    const char *code = YAJL_GET_STRING(yajl_tree_get(answer, (const char **)path, yajl_t_string));
    if (code != NULL)
        take_down("http", "-", "-", code);
    yajl_tree_free(answer);
}

void reasons_record_log(const char *log_path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *log = getenv(REASONS_FILE_VARIABLE) == NULL ? NULL : fopen(log_path, "r");
    while (log != NULL && getline(&text, &size, log) > 0) {
        char error[128];
        if (strstr(text, "\"reason\"") == NULL && strstr(text, "\"code\"") == NULL)
            continue;
        yajl_val line = yajl_tree_parse(text, error, sizeof error);
        if (line != NULL)
            take_line(line);
        yajl_tree_free(line);
    }
    free(text);
    if (log != NULL)
        (void)fclose(log);
}
