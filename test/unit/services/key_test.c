/*
 * The key that tokens are sealed with: its files, the keys in memory, what is sealed, and the
 * rotation of all of it.
 */
#include "test/unit/services/key_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
/* More than one page of the job. */
#define TOKENS 1300

/* --- the files --- */

static void write_file(const struct keys *keys, const char *name, const char *text, size_t len)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", keys->directory, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

#define HEX "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static void reads_a_key_of_64_digits(void **state)
{
    static const struct {
        const char *name, *text;
        enum key_file want;
    } rows[] = {
        {"plain", HEX, KEY_FILE_OK},
        {"with a newline", HEX "\n", KEY_FILE_OK},
        {"empty", "", KEY_FILE_BAD},
        {"a newline", "\n", KEY_FILE_BAD},
        {"two newlines", HEX "\n\n", KEY_FILE_BAD},
        {"a digit more", HEX "0", KEY_FILE_BAD},
        {"two digits more", HEX "00", KEY_FILE_BAD},
        {"long", HEX HEX, KEY_FILE_BAD},
        {"a space before", " " HEX, KEY_FILE_BAD},
        {"a newline within", "0011\n2233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF",
         KEY_FILE_BAD},
        {"no digit", "g0112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF",
         KEY_FILE_BAD},
    };
    struct keys *keys = keys_begin(state);
    uint8_t key[SERVICES_SECRET_KEY_BYTES];
    assert_int_equal(key_file_read(keys->directory, "none", key), KEY_FILE_ABSENT);
    assert_int_equal(key_file_read("/nowhere", KEY_FILE, key), KEY_FILE_BAD);
    for (size_t i = 0; i < COUNT(rows); i++) {
        write_file(keys, "some.key", rows[i].text, strlen(rows[i].text));
        memset(key, 0x5a, sizeof key);
        if (key_file_read(keys->directory, "some.key", key) != rows[i].want)
            fail_msg("%s", rows[i].name);
        assert_int_equal(key[1], rows[i].want == KEY_FILE_OK ? 0x11 : 0x5a);
    }
    keys_end(state, keys);
}

static void tightens_a_mode_that_lets_others_in(void **state)
{
    struct keys *keys = keys_begin(state);
    struct stat info;
    uint8_t key[SERVICES_SECRET_KEY_BYTES];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/" KEY_FILE, keys->directory);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(key_file_read(keys->directory, KEY_FILE, key), KEY_FILE_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    keys_end(state, keys);
}

static void makes_one_and_never_another(void **state)
{
    struct keys *keys = keys_begin(state);
    uint8_t first[SERVICES_SECRET_KEY_BYTES];
    uint8_t second[SERVICES_SECRET_KEY_BYTES];
    assert_int_equal(key_file_read(keys->directory, KEY_FILE, first), KEY_FILE_OK);
    assert_int_equal(key_file_make(keys->directory), KEY_FILE_OK);
    assert_int_equal(key_file_read(keys->directory, KEY_FILE, second), KEY_FILE_OK);
    assert_memory_equal(first, second, sizeof first);
    assert_int_equal(key_file_make("/nowhere"), KEY_FILE_FAILED);
    keys_end(state, keys);
}

static void rotates_the_files(void **state)
{
    struct keys *keys = keys_begin(state);
    const char *at = keys->directory;
    uint8_t first[SERVICES_SECRET_KEY_BYTES];
    uint8_t now[SERVICES_SECRET_KEY_BYTES];
    uint8_t before[SERVICES_SECRET_KEY_BYTES];
    struct stat info;
    char path[128];
    assert_int_equal(key_file_read(at, KEY_FILE, first), KEY_FILE_OK);
    assert_int_equal(key_file_rotate(at), KEY_FILE_OK);
    assert_int_equal(key_file_read(at, KEY_FILE, now), KEY_FILE_OK);
    assert_int_equal(key_file_read(at, KEY_FILE_PREVIOUS, before), KEY_FILE_OK);
    assert_memory_equal(first, before, sizeof first);
    assert_memory_not_equal(first, now, sizeof first);
    (void)snprintf(path, sizeof path, "%s/" KEY_FILE, at);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    /* One at a time; and the previous one goes only as itself. */
    assert_int_equal(key_file_rotate(at), KEY_FILE_BUSY);
    assert_int_equal(key_file_previous_remove(at, now), KEY_FILE_BAD);
    assert_true(has_file(keys, KEY_FILE_PREVIOUS));
    assert_int_equal(key_file_previous_remove(at, first), KEY_FILE_OK);
    assert_false(has_file(keys, KEY_FILE_PREVIOUS));
    assert_int_equal(key_file_previous_remove(at, first), KEY_FILE_OK);
    /* Cut off before the new one was in place, with half a file of it. */
    put_key(keys, KEY_FILE, 3);
    put_key(keys, KEY_FILE_PREVIOUS, 3);
    write_file(keys, KEY_FILE ".new", HEX, 20);
    assert_int_equal(key_file_rotate(at), KEY_FILE_OK);
    assert_int_equal(key_file_read(at, KEY_FILE_PREVIOUS, before), KEY_FILE_OK);
    assert_int_equal(before[0], 0x33);
    /* Nothing that could be rotated. */
    take_file(keys, KEY_FILE_PREVIOUS);
    write_file(keys, KEY_FILE, "no key", 6);
    assert_int_equal(key_file_rotate(at), KEY_FILE_BAD);
    take_file(keys, KEY_FILE);
    assert_int_equal(key_file_rotate(at), KEY_FILE_ABSENT);
    assert_false(has_file(keys, KEY_FILE_PREVIOUS));
    keys_end(state, keys);
}

/* --- keys in memory --- */

static void expect_keys(struct keyring *keyring, const int *firsts, size_t count)
{
    struct keyring_view view;
    keyring_look(keyring, &view);
    assert_int_equal(view.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(view.keys[i].bytes[0], firsts[i]);
}

static void takes_changes_of_the_files_into_use(void **state)
{
    static const uint8_t given[SERVICES_SECRET_KEY_BYTES] = {0x99};
    struct keys *keys = keys_begin(state);
    put_key(keys, KEY_FILE, 1);
    struct keyring *own = keyring_create(given, keys->directory, false);
    struct keyring *other = keyring_create(given, keys->directory, true);
    struct keyring *bare = keyring_create(given, NULL, false);
    expect_keys(own, (const int[]){0x11}, 1);
    expect_keys(other, (const int[]){0x99, 0x11}, 2);
    put_key(keys, KEY_FILE_PREVIOUS, 2);
    expect_keys(own, (const int[]){0x11, 0x22}, 2);
    expect_keys(other, (const int[]){0x99, 0x11, 0x22}, 3);
    put_key(keys, KEY_FILE, 3);
    expect_keys(own, (const int[]){0x33, 0x22}, 2);
    take_file(keys, KEY_FILE_PREVIOUS);
    expect_keys(own, (const int[]){0x33}, 1);
    /* The same twice is one; one that is gone or broken is still in use here. */
    put_key(keys, KEY_FILE_PREVIOUS, 3);
    expect_keys(own, (const int[]){0x33}, 1);
    take_file(keys, KEY_FILE);
    expect_keys(own, (const int[]){0x33}, 1);
    write_file(keys, KEY_FILE, "no key", 6);
    expect_keys(own, (const int[]){0x33}, 1);
    put_key(keys, KEY_FILE, 4);
    expect_keys(own, (const int[]){0x44, 0x33}, 2);
    expect_keys(bare, (const int[]){0x99}, 1);
    assert_int_equal(keyring_rotate(bare), KEY_FILE_BAD);
    keyring_destroy(own);
    keyring_destroy(other);
    keyring_destroy(bare);
    keyring_destroy(NULL);
    keys_end(state, keys);
}

static void tells_keys_apart_by_ids(void **state)
{
    struct keys *keys = keys_begin(state);
    struct keyring_view first;
    struct keyring_view again;
    struct keyring_view other;
    static const uint8_t key[SERVICES_SECRET_KEY_BYTES] = {1};
    static const uint8_t another[SERVICES_SECRET_KEY_BYTES] = {2};
    struct keyring *rings[] = {keyring_create(key, NULL, false), keyring_create(key, NULL, true),
                               keyring_create(another, NULL, false)};
    uint8_t derived[2][SERVICES_SECRET_KEY_BYTES];
    keyring_look(rings[0], &first);
    keyring_look(rings[1], &again);
    keyring_look(rings[2], &other);
    assert_string_equal(first.keys[0].id_text, again.keys[0].id_text);
    assert_string_not_equal(first.keys[0].id_text, other.keys[0].id_text);
    assert_int_equal(strspn(first.keys[0].id_text, "0123456789abcdef"), 16);
    keyring_derive(rings[0], KEYRING_PURPOSE_THROTTLE, derived[0]);
    keyring_derive(rings[2], KEYRING_PURPOSE_THROTTLE, derived[1]);
    assert_memory_not_equal(derived[0], derived[1], sizeof derived[0]);
    assert_memory_not_equal(derived[0], key, sizeof key);
    for (size_t i = 0; i < COUNT(rings); i++)
        keyring_destroy(rings[i]);
    keys_end(state, keys);
}

/* --- what is sealed --- */

/* As it was sealed before there were ids. */
static ProtobufCBinaryData seal_without_id(const struct keyring_key *key, const char *text,
                                           struct arena *arena)
{
    ProtobufCBinaryData sealed;
    assert_int_equal(secret_seal_with(key, text, arena, &sealed), RPC_OK);
    return (ProtobufCBinaryData){.len = sealed.len - 1 - KEYRING_ID_BYTES,
                                 .data = sealed.data + 1 + KEYRING_ID_BYTES};
}

static void opens_with_the_key_that_sealed(void **state)
{
    struct keys *keys = keys_begin(state);
    struct services *services = logic_create(keys->store);
    struct test_context test;
    struct keyring_view view;
    struct keyring_key stranger = {.bytes = {7}};
    const char *text = NULL;
    const struct keyring_key *key = NULL;
    ProtobufCBinaryData sealed;
    context_begin(&test);
    assert_int_equal(key_file_rotate(keys->directory), KEY_FILE_OK);
    keyring_look(services->keyring, &view);
    assert_int_equal(view.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(secret_seal_with(&view.keys[i], "tok", &test.arena, &sealed), RPC_OK);
        assert_true(secret_names(sealed, &view.keys[i]));
        assert_false(secret_names(sealed, &view.keys[1 - i]));
        assert_int_equal(secret_open_with(&view, sealed, &test.arena, &text, &key), RPC_OK);
        assert_ptr_equal(key, &view.keys[i]);
        assert_string_equal(text, "tok");
        sealed = seal_without_id(&view.keys[i], "old", &test.arena);
        assert_int_equal(secret_open_with(&view, sealed, &test.arena, &text, &key), RPC_OK);
        assert_ptr_equal(key, &view.keys[i]);
        assert_string_equal(text, "old");
    }
    /* Of a key that is not here; and with the id of one that is. */
    assert_int_equal(secret_seal_with(&stranger, "tok", &test.arena, &sealed), RPC_OK);
    assert_int_equal(secret_open(services, sealed, &test.arena, &text), RPC_DATA_LOSS);
    memcpy(sealed.data + 1, view.keys[0].id, KEYRING_ID_BYTES);
    assert_int_equal(secret_open(services, sealed, &test.arena, &text), RPC_DATA_LOSS);
    sealed = (ProtobufCBinaryData){0};
    assert_int_equal(secret_open(services, sealed, &test.arena, &text), RPC_DATA_LOSS);
    context_end(&test);
    services_destroy(services);
    keys_end(state, keys);
}

/* --- rotation --- */

static void seals_all_with_the_new_key(void **state)
{
    struct keys *keys = keys_begin(state);
    struct services *services = logic_create(keys->store);
    struct test_context test;
    put_tokens(keys, services, TOKENS);
    context_begin(&test);
    /* One as it was before there were ids: it gets one. */
    struct keyring_view view;
    Lotcast__V1__MetaConnectionRecord *row = connection_of(keys, &test, 1);
    keyring_look(services->keyring, &view);
    row->token_sealed = seal_without_id(&view.keys[0], token_of(&test, 1), &test.arena);
    (void)put_record(keys->store, row);
    logic_start(services);
    expect_settled(keys); /* the first start names the key */
    expect_readable(keys, TOKENS, true);
    assert_true(secret_names(connection_of(keys, &test, 1)->token_sealed, &view.keys[0]));
    for (int round = 0; round < 2; round++) {
        struct rpc_status status;
        assert_int_equal(key_file_rotate(keys->directory), KEY_FILE_OK);
        expect_readable(keys, TOKENS, false);
        expect_ok(key_rotation_settle(services, &test.context, &status), &status);
        expect_settled(keys);
        expect_readable(keys, TOKENS, true);
    }
    context_end(&test);
    logic_stop(services);
    keys_end(state, keys);
}

/* What a start finds: the files as any crash leaves them, with tokens of the first key. */
static void goes_on_at_the_next_start(void **state)
{
    static const struct {
        const char *name;
        int now, before; /* keys in the files; 0: there is none */
    } rows[] = {
        {"nothing has changed", 1, 0},
        {"the old one was kept", 1, 1},
        {"the new one is in place", 2, 1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct keys *keys = keys_begin(state);
        put_key(keys, KEY_FILE, 1);
        struct services *services = logic_create(keys->store);
        put_tokens(keys, services, 30);
        logic_start(services);
        expect_settled(keys);
        logic_stop(services);
        put_key(keys, KEY_FILE, rows[i].now);
        if (rows[i].before != 0)
            put_key(keys, KEY_FILE_PREVIOUS, rows[i].before);
        services = logic_create(keys->store);
        logic_start(services);
        if (!wait_until(is_settled, keys, PATIENCE_MS))
            fail_msg("%s", rows[i].name);
        expect_readable(keys, 30, true);
        logic_stop(services);
        keys_end(state, keys);
    }
}

/* A backup that was made under an earlier key: marked, told, and healed when the key is there. */
static void marks_what_no_key_opens_until_one_does(void **state)
{
    struct keys *keys = keys_begin(state);
    struct test_context test;
    put_key(keys, KEY_FILE, 1);
    struct services *services = logic_create(keys->store);
    put_tokens(keys, services, 30);
    logic_start(services);
    expect_settled(keys);
    logic_stop(services);
    put_key(keys, KEY_FILE, 2);
    services = logic_create(keys->store);
    logic_start(services);
    expect_settled(keys);
    context_begin(&test);
    for (int64_t id = 1; id <= 30; id++)
        assert_int_equal(connection_of(keys, &test, id)->token_unreadable, id % 10 != 0);
    logic_stop(services);
    put_key(keys, KEY_FILE_PREVIOUS, 1);
    services = logic_create(keys->store);
    logic_start(services);
    expect_settled(keys);
    for (int64_t id = 1; id <= 30; id++)
        assert_false(connection_of(keys, &test, id)->token_unreadable);
    context_end(&test);
    expect_readable(keys, 30, true);
    logic_stop(services);
    keys_end(state, keys);
}

static enum rpc_code store_fenced(struct services *services, struct test_context *test,
                                  ProtobufCBinaryData sealed)
{
    struct store_commit commit;
    Lotcast__V1__MetaConnectionRecord row = LOTCAST__V1__META_CONNECTION_RECORD__INIT;
    row.customer_id = 1;
    row.token_sealed = sealed;
    store_commit_init(&commit, services->options.store, &test->context);
    (void)store_commit_put(&commit, &row);
    enum rpc_code code = key_rotation_fence(services, &test->context, sealed, &commit);
    return code == RPC_OK ? store_commit_send(&commit, &test->context, NULL, NULL) : code;
}

static void refuses_a_token_that_comes_late(void **state)
{
    struct keys *keys = keys_begin(state);
    struct services *services = logic_create(keys->store);
    struct test_context test;
    struct store_commit late;
    struct rpc_status status;
    ProtobufCBinaryData sealed;
    Lotcast__V1__MetaConnectionRecord row = LOTCAST__V1__META_CONNECTION_RECORD__INIT;
    context_begin(&test);
    assert_int_equal(secret_seal(services, "tok", &test.arena, &sealed), RPC_OK);
    /* The first names the key, then it is taken. */
    assert_int_equal(store_fenced(services, &test, sealed), RPC_ABORTED);
    assert_int_equal(store_fenced(services, &test, sealed), RPC_OK);
    /* Decided before the switch, sent after it. */
    row.customer_id = 2;
    row.token_sealed = sealed;
    store_commit_init(&late, services->options.store, &test.context);
    (void)store_commit_put(&late, &row);
    assert_int_equal(key_rotation_fence(services, &test.context, sealed, &late), RPC_OK);
    assert_int_equal(key_file_rotate(keys->directory), KEY_FILE_OK);
    expect_ok(key_rotation_settle(services, &test.context, &status), &status);
    assert_int_equal(store_commit_send(&late, &test.context, NULL, NULL), RPC_ABORTED);
    assert_int_equal(store_fenced(services, &test, sealed), RPC_ABORTED);
    /* Sealed anew it is taken at once. */
    assert_int_equal(secret_seal(services, "tok", &test.arena, &sealed), RPC_OK);
    assert_int_equal(store_fenced(services, &test, sealed), RPC_OK);
    context_end(&test);
    services_destroy(services);
    keys_end(state, keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_key_of_64_digits),
        cmocka_unit_test(tightens_a_mode_that_lets_others_in),
        cmocka_unit_test(makes_one_and_never_another),
        cmocka_unit_test(rotates_the_files),
        cmocka_unit_test(takes_changes_of_the_files_into_use),
        cmocka_unit_test(tells_keys_apart_by_ids),
        cmocka_unit_test(opens_with_the_key_that_sealed),
        cmocka_unit_test(seals_all_with_the_new_key),
        cmocka_unit_test(goes_on_at_the_next_start),
        cmocka_unit_test(marks_what_no_key_opens_until_one_does),
        cmocka_unit_test(refuses_a_token_that_comes_late),
    };
    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
