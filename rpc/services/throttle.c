#include "rpc/services/throttle.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <string.h>

#include "rpc/services/keyring.h"

/* Lost races before an attempt is refused: somebody is hammering. */
#define TRIES 16
#define BUSY_RETRY_MS 1000
#define RECORD (&lotcast__v1__throttle_record__descriptor)

void throttle_attempt_init(struct throttle_attempt *attempt, int64_t now_ms)
{
    *attempt = (struct throttle_attempt){.at_ms = now_ms};
}

static void add_subject(const struct services *services, struct throttle_attempt *attempt,
                        const char *purpose, struct span value, size_t limit)
{
    crypto_generichash_state state;
    uint8_t key[SERVICES_HASH_KEY_BYTES];
    uint8_t *hash = attempt->subjects[attempt->count].hash;
    keyring_derive(services->keyring, KEYRING_PURPOSE_THROTTLE, key);
    (void)crypto_generichash_init(&state, key, sizeof key, THROTTLE_SUBJECT_BYTES);
    sodium_memzero(key, sizeof key);
    /* The NUL parts the two. */
    (void)crypto_generichash_update(&state, (const uint8_t *)purpose, strlen(purpose) + 1);
    (void)crypto_generichash_update(&state, value.data, value.len);
    (void)crypto_generichash_final(&state, hash, THROTTLE_SUBJECT_BYTES);
    attempt->subjects[attempt->count++].limit = limit;
}

void throttle_attempt_add(const struct services *services, struct throttle_attempt *attempt,
                          const char *purpose, const char *value, size_t limit)
{
    add_subject(services, attempt, purpose, span_of_string(value), limit);
}

/* An address as 16 bytes (IPv4 mapped); false if it is none. */
static bool parse_address(const char *text, uint8_t ret_address[static 16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        memcpy(ret_address, mapped, sizeof mapped);
        memcpy(ret_address + sizeof mapped, &v4, sizeof v4);
        return true;
    }
    return inet_pton(AF_INET6, text, ret_address) == 1;
}

void throttle_attempt_add_address(const struct services *services, struct rpc_server_call *call,
                                  struct throttle_attempt *attempt, const char *purpose,
                                  size_t limit)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t loopback[16] = {[15] = 1};
    const char *text = rpc_server_call_metadata(call, RPC_METADATA_ADDRESS);
    uint8_t address[16];
    if (text == NULL)
        return;
    if (!parse_address(text, address)) {
        add_subject(services, attempt, purpose, span_of_string(text), limit);
        return;
    }
    bool is_v4 = memcmp(address, mapped, sizeof mapped) == 0;
    bool is_loopback = is_v4 ? address[12] == 127 : memcmp(address, loopback, 16) == 0;
    if (is_loopback && services->options.loopback_exempt)
        return;
    add_subject(services, attempt, purpose, span_of(address, is_v4 ? 16 : 8), limit);
}

/* Copies those attempts that are still in the window at `now_ms`; returns how many. */
static size_t keep_recent(const Lotcast__V1__ThrottleRecord *record, int64_t now_ms, int64_t *kept,
                          size_t max)
{
    size_t count = 0;
    size_t total = record == NULL ? 0 : record->n_attempts_at_ms;
    for (size_t i = 0; i < total && count < max; i++) {
        int64_t age_ms = now_ms - record->attempts_at_ms[i];
        /* The clock may have been set back: no attempt counts for longer than a window. */
        if (age_ms < THROTTLE_WINDOW_MS && age_ms > -THROTTLE_WINDOW_MS)
            kept[count++] = record->attempts_at_ms[i];
    }
    return count;
}

static void put_attempts(struct store_commit *commit, const uint8_t *subject, int64_t *attempts,
                         size_t count, uint64_t version)
{
    Lotcast__V1__ThrottleRecord record = LOTCAST__V1__THROTTLE_RECORD__INIT;
    record.subject =
        (ProtobufCBinaryData){.len = THROTTLE_SUBJECT_BYTES, .data = (uint8_t *)subject};
    record.n_attempts_at_ms = count;
    record.attempts_at_ms = attempts;
    for (size_t i = 0; i < count; i++) {
        if (attempts[i] + THROTTLE_WINDOW_MS > record.expires_at_ms)
            record.expires_at_ms = attempts[i] + THROTTLE_WINDOW_MS;
    }
    (void)store_commit_put_version(commit, &record, version);
}

static enum rpc_code read_subjects(struct services *services, struct rpc_context *context,
                                   const struct throttle_attempt *attempt,
                                   struct store_read_op *ops, struct rpc_status *status)
{
    for (size_t i = 0; i < attempt->count; i++)
        ops[i] = services__get(
            RECORD, store_key(store_data(attempt->subjects[i].hash, THROTTLE_SUBJECT_BYTES)));
    enum rpc_code code = store_read(services->options.store, context, ops, attempt->count, status);
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

static enum rpc_code refuse(int64_t retry_ms, struct rpc_status *status)
{
    enum rpc_code code = rpc_status_fail(status, LOTCAST__V1__REASON__REASON_RATE_LIMITED, NULL);
    if (status != NULL)
        status->retry_after_ms = (uint32_t)retry_ms;
    return code;
}

/* One try: RPC_ABORTED if somebody else was counted in between. */
static enum rpc_code reserve_once(struct services *services, struct rpc_context *context,
                                  const struct throttle_attempt *attempt, struct rpc_status *status)
{
    struct store_read_op ops[THROTTLE_SUBJECTS_MAX];
    enum rpc_code code = read_subjects(services, context, attempt, ops, status);
    if (code != RPC_OK)
        return code;
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    int64_t retry_ms = 0;
    for (size_t i = 0; i < attempt->count; i++) {
        int64_t kept[THROTTLE_LOGIN_ADDRESS_MAX + 1];
        size_t limit = attempt->subjects[i].limit;
        size_t count = keep_recent(services__row(&ops[i]), attempt->at_ms, kept, limit);
        if (count == limit) {
            /* Until the oldest leaves the window. */
            int64_t left_ms = kept[0] + THROTTLE_WINDOW_MS - attempt->at_ms;
            retry_ms = left_ms > retry_ms ? left_ms : retry_ms;
            continue;
        }
        kept[count++] = attempt->at_ms;
        put_attempts(&commit, attempt->subjects[i].hash, kept, count, services__version(&ops[i]));
    }
    if (retry_ms > 0)
        return refuse(retry_ms, status);
    code = store_commit_send(&commit, context, NULL, status);
    return code == RPC_OK || code == RPC_ABORTED ? code : services__store_failed(code, status);
}

enum rpc_code throttle_reserve(struct services *services, struct rpc_context *context,
                               const struct throttle_attempt *attempt, struct rpc_status *status)
{
    if (attempt->count == 0)
        return RPC_OK;
    for (int try = 0; try < TRIES; try++) {
        enum rpc_code code = reserve_once(services, context, attempt, status);
        if (code != RPC_ABORTED)
            return code;
    }
    return refuse(BUSY_RETRY_MS, status);
}

static enum rpc_code release_once(struct services *services, struct rpc_context *context,
                                  const struct throttle_attempt *attempt)
{
    struct store_read_op ops[THROTTLE_SUBJECTS_MAX];
    if (read_subjects(services, context, attempt, ops, NULL) != RPC_OK)
        return RPC_UNAVAILABLE;
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    for (size_t i = 0; i < attempt->count; i++) {
        int64_t kept[THROTTLE_LOGIN_ADDRESS_MAX + 1];
        const uint8_t *subject = attempt->subjects[i].hash;
        uint64_t version = services__version(&ops[i]);
        size_t count =
            keep_recent(services__row(&ops[i]), attempt->at_ms, kept, THROTTLE_LOGIN_ADDRESS_MAX);
        size_t at = 0;
        while (at < count && kept[at] != attempt->at_ms)
            at++;
        if (at == count)
            continue;
        memmove(kept + at, kept + at + 1, (count - at - 1) * sizeof kept[0]);
        if (count == 1)
            (void)store_commit_delete_version(
                &commit, RECORD, store_key(store_data(subject, THROTTLE_SUBJECT_BYTES)), version);
        else
            put_attempts(&commit, subject, kept, count - 1, version);
    }
    return commit.count == 0 ? RPC_OK : store_commit_send(&commit, context, NULL, NULL);
}

void throttle_release(struct services *services, struct rpc_context *context,
                      const struct throttle_attempt *attempt)
{
    for (int try = 0; attempt->count > 0 && try < TRIES; try++) {
        if (release_once(services, context, attempt) != RPC_ABORTED)
            return;
    }
}
