/*
 * Another JSON codec for the same messages, in a library that bench_json loads.
 */
#ifndef TEST_BENCH_PEERS_JSON_PEER_H
#define TEST_BENCH_PEERS_JSON_PEER_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct json_peer {
    const char *name;
    /* A message of that full name, unpacked; NULL: there is none. Lives as long as the process. */
    void *(*open)(const char *type, const void *packed, size_t len);
    /* The message as text, until the next print of it. */
    bool (*print)(void *message, const char **ret_text, size_t *ret_len);
    /* Parses into the same message; its bytes stay what they were. */
    bool (*parse)(void *message, const char *text, size_t len);
    /* Whether it packs to these bytes. */
    bool (*equal)(const void *message, const void *packed, size_t len);
};

/* The library's only symbol. */
#define JSON_PEER_SYMBOL "json_peer"

#ifdef __cplusplus
}
#endif

#endif
