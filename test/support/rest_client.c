#include "test/support/rest_client.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <yajl/yajl_tree.h>

#include "test/support/exchange.h"

#define TIMEOUT_MS_DEFAULT 60000
#define URL_BYTES 16384
#define PATH_PARTS_MAX 8
#define TEXT_RING 16

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct rest_answer *answer = arg;
    size_t len = size * count;
    char *body = realloc(answer->body, answer->body_len + len + 1);
    if (body == NULL)
        return 0;
    memcpy(body + answer->body_len, data, len);
    answer->body = body;
    answer->body_len += len;
    body[answer->body_len] = '\0';
    return len;
}

static void keep_header(const char *line, const char *name, char *to, size_t size)
{
    size_t len = strlen(name);
    if (strncasecmp(line, name, len) != 0)
        return;
    line += len;
    line += strspn(line, " ");
    size_t value_len = strcspn(line, "\r\n");
    if (value_len < size) {
        memcpy(to, line, value_len);
        to[value_len] = '\0';
    }
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    struct rest_answer *answer = arg;
    size_t len = size * count;
    char line[4096];
    size_t kept = len < sizeof line - 1 ? len : sizeof line - 1;
    memcpy(line, data, kept);
    line[kept] = '\0';
    keep_header(line, "location:", answer->location, sizeof answer->location);
    keep_header(line, "set-cookie:", answer->set_cookie, sizeof answer->set_cookie);
    size_t used = strlen(answer->headers);
    if (used + kept < sizeof answer->headers)
        memcpy(answer->headers + used, line, kept + 1);
    return len;
}

/* The jar: the session cookie's pair, or nothing once it was cleared. */
static void keep_cookie(struct rest_client *client, const char *set_cookie)
{
    if (strncmp(set_cookie, "lotcast_session=", 16) != 0)
        return;
    size_t len = strcspn(set_cookie, ";");
    if (len == 16)
        client->cookie[0] = '\0';
    else if (len < sizeof client->cookie)
        (void)snprintf(client->cookie, sizeof client->cookie, "%.*s", (int)len, set_cookie);
}

static struct curl_slist *make_headers(const struct rest_client *client, const char *body,
                                       const char *header)
{
    struct curl_slist *headers = NULL;
    char accept[256];
    if (body != NULL && (header == NULL || strncasecmp(header, "content-type:", 13) != 0))
        headers = curl_slist_append(headers, "Content-Type: application/json");
    (void)snprintf(accept, sizeof accept, "Accept:%s%s", client->accept ? " " : "",
                   client->accept ? client->accept : "");
    headers = curl_slist_append(headers, accept);
    headers = curl_slist_append(headers, "Expect:");
    if (header != NULL)
        headers = curl_slist_append(headers, header);
    return headers;
}

void rest_client_request(struct rest_client *client, const char *method, const char *path,
                         const char *body, const char *header, struct rest_answer *ret_answer)
{
    char url[URL_BYTES];
    long status = 0;
    *ret_answer = (struct rest_answer){.body = calloc(1, 1)};
    bool absolute = strncmp(path, "http", 4) == 0;
    (void)snprintf(url, sizeof url, "%s%s", absolute ? "" : client->base, path);
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    struct curl_slist *headers = make_headers(client, body, header);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                           client->timeout_ms ? client->timeout_ms : (long)TIMEOUT_MS_DEFAULT);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret_answer);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, ret_answer);
    if (body != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    if (strcmp(method, "HEAD") == 0)
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    if (client->cookie[0] != '\0' && !absolute)
        (void)curl_easy_setopt(curl, CURLOPT_COOKIE, client->cookie);
    if (curl_easy_perform(curl) == CURLE_OK)
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    ret_answer->status = (int)status;
    if (!absolute) {
        const struct exchange_request request = {method, path, header, body};
        keep_cookie(client, ret_answer->set_cookie);
        exchange_record(&request, ret_answer);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
}

void rest_answer_free(struct rest_answer *answer)
{
    free(answer->body);
    answer->body = NULL;
}

/* One step of a path: a member by name, an element by number. */
static yajl_val step_into(yajl_val value, const char *part)
{
    if (YAJL_IS_ARRAY(value)) {
        size_t index = strtoul(part, NULL, 10);
        return index < value->u.array.len ? value->u.array.values[index] : NULL;
    }
    if (!YAJL_IS_OBJECT(value))
        return NULL;
    for (size_t i = 0; i < value->u.object.len; i++) {
        if (strcmp(value->u.object.keys[i], part) == 0)
            return value->u.object.values[i];
    }
    return NULL;
}

/* The tree is the caller's to free; fails the test if there is no such value. */
static yajl_val look_up(const struct rest_answer *answer, const char *path, yajl_val *ret_tree)
{
    char error[256];
    char part[128];
    yajl_val tree = yajl_tree_parse(answer->body, error, sizeof error);
    if (tree == NULL)
        fail_msg("not JSON (status %d): %.200s", answer->status, answer->body);
    yajl_val value = tree;
    for (const char *at = path; *at != '\0' && value != NULL;) {
        size_t len = strcspn(at, ".");
        (void)snprintf(part, sizeof part, "%.*s", (int)len, at);
        value = step_into(value, part);
        at += len + (at[len] == '.');
    }
    if (value == NULL)
        fail_msg("no %s in (status %d) %.300s", path, answer->status, answer->body);
    *ret_tree = tree;
    return value;
}

const char *rest_answer_text(const struct rest_answer *answer, const char *path)
{
    static char ring[TEXT_RING][REST_CLIENT_TEXT_BYTES];
    static size_t next;
    yajl_val tree;
    yajl_val value = look_up(answer, path, &tree);
    if (!YAJL_IS_STRING(value))
        fail_msg("%s is no text in %.300s", path, answer->body);
    char *text = ring[next++ % TEXT_RING];
    (void)snprintf(text, REST_CLIENT_TEXT_BYTES, "%s", YAJL_GET_STRING(value));
    yajl_tree_free(tree);
    return text;
}

int64_t rest_answer_integer(const struct rest_answer *answer, const char *path)
{
    yajl_val tree;
    yajl_val value = look_up(answer, path, &tree);
    if (!YAJL_IS_INTEGER(value))
        fail_msg("%s is no integer in %.300s", path, answer->body);
    int64_t number = YAJL_GET_INTEGER(value);
    yajl_tree_free(tree);
    return number;
}

double rest_answer_number(const struct rest_answer *answer, const char *path)
{
    yajl_val tree;
    yajl_val value = look_up(answer, path, &tree);
    if (!YAJL_IS_NUMBER(value))
        fail_msg("%s is no number in %.300s", path, answer->body);
    double number = strtod(YAJL_GET_NUMBER(value), NULL);
    yajl_tree_free(tree);
    return number;
}

bool rest_answer_bool(const struct rest_answer *answer, const char *path)
{
    yajl_val tree;
    yajl_val value = look_up(answer, path, &tree);
    if (!YAJL_IS_TRUE(value) && !YAJL_IS_FALSE(value))
        fail_msg("%s is no boolean in %.300s", path, answer->body);
    bool truth = YAJL_IS_TRUE(value);
    yajl_tree_free(tree);
    return truth;
}

size_t rest_answer_length(const struct rest_answer *answer, const char *path)
{
    yajl_val tree;
    yajl_val value = look_up(answer, path, &tree);
    if (!YAJL_IS_ARRAY(value))
        fail_msg("%s is no array in %.300s", path, answer->body);
    size_t length = value->u.array.len;
    yajl_tree_free(tree);
    return length;
}

bool rest_answer_null(const struct rest_answer *answer, const char *path)
{
    yajl_val tree;
    yajl_val value = look_up(answer, path, &tree); /* the macro looks twice */
    bool is_null = YAJL_IS_NULL(value);
    yajl_tree_free(tree);
    return is_null;
}
