#include "test/support/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yajl/yajl_gen.h>

static void write_text(yajl_gen json, const char *key, const char *text, size_t len)
{
    (void)yajl_gen_string(json, (const unsigned char *)key, strlen(key));
    if (text == NULL)
        (void)yajl_gen_null(json);
    else
        (void)yajl_gen_string(json, (const unsigned char *)text, len);
}

static void write_string(yajl_gen json, const char *key, const char *text)
{
    write_text(json, key, text, text == NULL ? 0 : strlen(text));
}

/* One write of a whole line, so that lines of several processes do not mix. */
static void append_line(const char *path, yajl_gen json)
{
    const unsigned char *text = NULL;
    size_t len = 0;
    (void)yajl_gen_get_buf(json, &text, &len);
    char *line = malloc(len + 1);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (line != NULL && fd >= 0) {
        memcpy(line, text, len);
        line[len] = '\n';
    }
    if (line == NULL || fd < 0 || write(fd, line, len + 1) != (ssize_t)(len + 1))
        (void)fprintf(stderr, "cannot take an exchange down in %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    free(line);
}

void exchange_record(const struct exchange_request *request, const struct rest_answer *answer)
{
    const char *path = getenv("LOTCAST_TEST_EXCHANGES");
    if (path == NULL || path[0] == '\0' || strcasestr(answer->headers, "\nx-request-id:") == NULL)
        return;
    yajl_gen json = yajl_gen_alloc(NULL);
    if (json == NULL)
        return;
    (void)yajl_gen_map_open(json);
    write_string(json, "program", program_invocation_short_name);
    write_string(json, "method", request->method);
    write_string(json, "target", request->target);
    write_string(json, "header", request->header);
    write_string(json, "request", request->body);
    write_string(json, "head", answer->headers);
    write_text(json, "answer", answer->body, answer->body_len);
    (void)yajl_gen_string(json, (const unsigned char *)"status", 6);
    (void)yajl_gen_integer(json, answer->status);
    (void)yajl_gen_map_close(json);
    append_line(path, json);
    yajl_gen_free(json);
}
