/*
 * A browser for tests: HTTP requests over libcurl with a cookie jar of one session, and a look into
 * JSON answers by path.
 */
#ifndef TEST_SUPPORT_REST_CLIENT_H
#define TEST_SUPPORT_REST_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REST_CLIENT_TEXT_BYTES 2048

struct rest_client {
    char base[256];     /* http://127.0.0.1:PORT */
    char cookie[256];   /* lotcast_session=…, kept from Set-Cookie; "" for none */
    const char *accept; /* NULL: none is sent */
    long timeout_ms;    /* 0: 60 s */
};

struct rest_answer {
    int status; /* 0: no answer at all */
    char *body; /* malloc'ed, NUL-terminated, never NULL */
    size_t body_len;
    char location[REST_CLIENT_TEXT_BYTES];
    char set_cookie[REST_CLIENT_TEXT_BYTES];
    char headers[8192]; /* all of them, for searching */
};

/*
 * Makes a request; `path` is relative to the base, or an absolute URL. A body is sent as
 * application/json. `header` is one more header line, or NULL. Free the answer.
 */
void rest_client_request(struct rest_client *client, const char *method, const char *path,
                         const char *body, const char *header, struct rest_answer *ret_answer);
void rest_answer_free(struct rest_answer *answer);

/*
 * Values by path, "error.details.field" or "items.0.id". Fail the test if there is no such value or
 * it is of another type. Text lives until the answer is freed (it is kept in a static ring of 16).
 */
const char *rest_answer_text(const struct rest_answer *answer, const char *path);
int64_t rest_answer_integer(const struct rest_answer *answer, const char *path);
double rest_answer_number(const struct rest_answer *answer, const char *path);
bool rest_answer_bool(const struct rest_answer *answer, const char *path);
/* How many elements an array has. */
size_t rest_answer_length(const struct rest_answer *answer, const char *path);
/* Whether the value is there and null. */
bool rest_answer_null(const struct rest_answer *answer, const char *path);

#endif
