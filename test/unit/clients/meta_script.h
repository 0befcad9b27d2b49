/*
 * A server that answers what a test's script says, and a clients/meta client of it.
 */
#ifndef TEST_UNIT_CLIENTS_META_SCRIPT_H
#define TEST_UNIT_CLIENTS_META_SCRIPT_H

#include <pthread.h>

#include "clients/meta/meta.h"
#include "test/unit/clients/http_server.h"

#define TOKEN "EAAStokentokentoken"
#define SECRET "sandbox-app-secret"
/* HMAC-SHA256(SECRET, TOKEN), by `openssl dgst -sha256 -hmac`. */
#define PROOF "87c52b647a4e30991541408efc18306859cb5a0e2658289054751105830eb744"
#define ANSWERS_MAX 16
#define REQUESTS_MAX 64

struct answer {
    int status;
    const char *headers;
    const char *body;
};

struct request {
    char verb[8];
    char target[4096];
    char head[4096];
    char body[16384];
};

struct meta_script {
    pthread_mutex_t lock;
    struct answer answers[ANSWERS_MAX]; /* the last one again and again */
    size_t answer_count;
    struct request requests[REQUESTS_MAX];
    size_t request_count;
    struct http_server *server;
    struct http_client *http;
    struct meta_client *client;
    char url[64];
    struct arena arena;
    struct rpc_context context;
    struct rpc_status status;
};

/* cmocka's set-up and tear-down; *state is a struct meta_script. */
int meta_script_setup(void **state);
int meta_script_teardown(void **state);
/* What is answered from now on: the first request gets the first, … */
void meta_script_set(struct meta_script *f, const struct answer *answers, size_t count);

/* Requests since then, and one of them. */
size_t meta_script_count(struct meta_script *f);
const struct request *meta_script_request(struct meta_script *f, size_t index);

#define SCRIPT(f, ...)                                         \
    meta_script_set((f), (const struct answer[]){__VA_ARGS__}, \
                    sizeof((const struct answer[]){__VA_ARGS__}) / sizeof(struct answer))

#endif
