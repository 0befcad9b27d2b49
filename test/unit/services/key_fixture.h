/*
 * Tokens of many customers, sealed with keys from files.
 */
#ifndef TEST_UNIT_SERVICES_KEY_FIXTURE_H
#define TEST_UNIT_SERVICES_KEY_FIXTURE_H

#include <sys/stat.h>
#include <unistd.h>

#include "rpc/services/key_rotation.h"
#include "rpc/services/secret.h"
#include "test/unit/services/jobs_fixture.h"

#define CONNECTION_RECORD (&lotcast__v1__meta_connection_record__descriptor)
#define KEYS_RECORD (&lotcast__v1__secret_key_record__descriptor)

struct keys {
    struct fixture *store;
    char directory[64];
};

static inline struct keys *keys_begin(void **state)
{
    assert_int_equal(set_up(state), 0);
    struct keys *keys = calloc(1, sizeof *keys);
    assert_non_null(keys);
    keys->store = *state;
    temp_directory(keys->directory);
    assert_int_equal(key_file_make(keys->directory), KEY_FILE_OK);
    logic_keys = keys->directory;
    return keys;
}

static inline void keys_end(void **state, struct keys *keys)
{
    *state = keys->store;
    free(keys);
    logic_keys = NULL;
    assert_int_equal(tear_down(state), 0);
}

static inline bool has_file(const struct keys *keys, const char *name)
{
    uint8_t key[SERVICES_SECRET_KEY_BYTES];
    return key_file_read(keys->directory, name, key) == KEY_FILE_OK;
}

/* A key of its own in a file. */
static inline void put_key(const struct keys *keys, const char *name, int digit)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", keys->directory, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (int i = 0; i < 2 * SERVICES_SECRET_KEY_BYTES; i++)
        (void)fputc("0123456789abcdef"[digit], file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static inline void take_file(const struct keys *keys, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", keys->directory, name);
    assert_int_equal(unlink(path), 0);
}

static inline const char *token_of(struct test_context *test, int64_t customer_id)
{
    return arena_printf(&test->arena, "EAAB-token-%lld", (long long)customer_id);
}

/* Connections of customers 1 to `count`, each tenth of which is disconnected. */
static inline void put_tokens(struct keys *keys, const struct services *services, int64_t count)
{
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    for (int64_t id = 1; id <= count;) {
        struct store_commit commit;
        store_commit_init(&commit, keys->store->client, &test.context);
        for (int i = 0; i < 200 && id <= count; i++, id++) {
            Lotcast__V1__MetaConnectionRecord row = LOTCAST__V1__META_CONNECTION_RECORD__INIT;
            row.customer_id = id;
            if (id % 10 != 0)
                assert_int_equal(
                    secret_seal(services, token_of(&test, id), &test.arena, &row.token_sealed),
                    RPC_OK);
            (void)store_commit_put(&commit, &row);
        }
        expect_ok(store_commit_send(&commit, &test.context, NULL, &status), &status);
    }
    context_end(&test);
}

static inline Lotcast__V1__MetaConnectionRecord *
connection_of(struct keys *keys, struct test_context *test, int64_t customer_id)
{
    struct rpc_status status;
    Lotcast__V1__MetaConnectionRecord *row = NULL;
    expect_ok(store_get(keys->store->client, &test->context, CONNECTION_RECORD, NULL,
                        store_key(store_number(customer_id)), &row, NULL, &status),
              &status);
    assert_non_null(row);
    return row;
}

/* That all can be opened with the keys that are in the files; with the current one if `sealed`. */
static inline void expect_readable(struct keys *keys, int64_t count, bool sealed)
{
    static const uint8_t unused[SERVICES_SECRET_KEY_BYTES];
    struct keyring *keyring = keyring_create(unused, keys->directory, false);
    struct keyring_view view;
    struct test_context test;
    context_begin(&test);
    keyring_look(keyring, &view);
    for (int64_t id = 1; id <= count; id++) {
        const struct keyring_key *key = NULL;
        const char *token = NULL;
        ProtobufCBinaryData box = connection_of(keys, &test, id)->token_sealed;
        assert_int_equal(box.len > 0, id % 10 != 0);
        if (box.len == 0)
            continue;
        assert_int_equal(secret_open_with(&view, box, &test.arena, &token, &key), RPC_OK);
        assert_string_equal(token, token_of(&test, id));
        if (sealed)
            assert_ptr_equal(key, &view.keys[0]);
    }
    context_end(&test);
    keyring_destroy(keyring);
}

static inline Lotcast__V1__SecretKeyRecord *key_record(struct keys *keys, struct test_context *test)
{
    struct rpc_status status;
    Lotcast__V1__SecretKeyRecord *row = NULL;
    expect_ok(store_get(keys->store->client, &test->context, KEYS_RECORD, NULL,
                        store_key(store_number(KEY_RECORD_ID)), &row, NULL, &status),
              &status);
    return row;
}

/* Whether all is sealed with secret.key and the previous one is gone; for wait_until. */
static inline bool is_settled(void *keys_)
{
    static const uint8_t unused[SERVICES_SECRET_KEY_BYTES];
    struct keys *keys = keys_;
    struct test_context test;
    struct keyring_view view;
    struct keyring *keyring = keyring_create(unused, keys->directory, false);
    keyring_look(keyring, &view);
    keyring_destroy(keyring);
    context_begin(&test);
    const Lotcast__V1__SecretKeyRecord *record = key_record(keys, &test);
    bool settled = record != NULL && record->settled &&
                   strcmp(record->key_id, view.keys[0].id_text) == 0 && !view.has_previous;
    context_end(&test);
    return settled;
}

static inline void expect_settled(struct keys *keys)
{
    assert_true(wait_until(is_settled, keys, PATIENCE_MS));
}

#endif
