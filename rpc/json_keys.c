/*
 * Finds a key that one object has twice. Most objects have a handful of keys, which are compared
 * one by one; one with many gets a hash table. Its hash is SipHash with a random key, so that
 * nobody can choose names that collide. A table stays with its depth and is reused without being
 * cleared: a slot counts only if it carries the present object's serial number.
 */
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "rpc/base/clock.h"
#include "rpc/json_internal.h"

#define SLOTS_FIRST 64

static uint64_t hash_key[2];
static pthread_once_t hash_key_once = PTHREAD_ONCE_INIT;

static void make_hash_key(void)
{
    if (getrandom(hash_key, sizeof hash_key, GRND_NONBLOCK) == (ssize_t)sizeof hash_key)
        return;
    /* Before the system has entropy: at least not the same in every process. */
    hash_key[0] = (uint64_t)clock_mono_us();
    hash_key[1] = (uint64_t)(uintptr_t)&hash_key ^ (uint64_t)clock_now_ms();
}

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return (word << bits) | (word >> (64 - bits));
}

static void sip_round(uint64_t v[static 4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein). */
static uint64_t sip_hash(const uint8_t *data, size_t len)
{
    uint64_t v[4] = {hash_key[0] ^ 0x736f6d6570736575u, hash_key[1] ^ 0x646f72616e646f6du,
                     hash_key[0] ^ 0x6c7967656e657261u, hash_key[1] ^ 0x7465646279746573u};
    size_t at = 0;
    for (; at + 8 <= len; at += 8) {
        uint64_t word;
        memcpy(&word, data + at, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)len << 56;
    for (unsigned i = 0; at + i < len; i++)
        last |= (uint64_t)data[at + i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void json__keys_init(struct json__keys *keys, struct arena *arena)
{
    keys->arena = arena;
    keys->serial = 0;
    for (size_t i = 0; i < JSON_DEPTH_MAX; i++)
        keys->sets[i].slots = NULL;
}

void json__keys_open(struct json__keys *keys, size_t depth)
{
    keys->sets[depth].serial = ++keys->serial;
    keys->sets[depth].count = 0;
}

/* The slot that holds the key, or the free one where it would go. */
static struct json__key_slot *find_slot(const struct json__key_set *set, const uint8_t *data,
                                        uint32_t len)
{
    uint32_t at = (uint32_t)sip_hash(data, len) & set->mask;
    for (;; at = (at + 1) & set->mask) {
        struct json__key_slot *slot = &set->slots[at];
        if (slot->serial != set->serial || (slot->len == len && memcmp(slot->data, data, len) == 0))
            return slot;
    }
}

/* A table of at least twice as many slots, with the keys that there are. */
static bool grow(struct json__keys *keys, struct json__key_set *set)
{
    struct json__key_set old = {.serial = set->serial, .mask = set->mask, .slots = set->slots};
    uint32_t slots = old.slots == NULL ? SLOTS_FIRST : (old.mask + 1) * 2;
    struct json__key_slot *fresh = arena_calloc(keys->arena, slots, sizeof *fresh);
    if (fresh == NULL)
        return false;
    set->slots = fresh;
    set->mask = slots - 1;
    for (uint32_t i = 0; old.slots != NULL && i <= old.mask; i++) {
        if (old.slots[i].serial == old.serial)
            *find_slot(set, old.slots[i].data, old.slots[i].len) = old.slots[i];
    }
    return true;
}

static enum rpc_code add_to_table(struct json__keys *keys, struct json__key_set *set,
                                  const uint8_t *data, uint32_t len)
{
    struct json__key_slot *slot = find_slot(set, data, len);
    if (slot->serial == set->serial)
        return RPC_ALREADY_EXISTS;
    *slot = (struct json__key_slot){data, len, set->serial};
    set->count++;
    if (set->count > set->mask / 2 && !grow(keys, set))
        return RPC_RESOURCE_EXHAUSTED;
    return RPC_OK;
}

/* From one by one to a table. The keys of `few` are known to differ. */
static enum rpc_code move_to_table(struct json__keys *keys, struct json__key_set *set)
{
    (void)pthread_once(&hash_key_once, make_hash_key);
    if (set->slots == NULL && !grow(keys, set))
        return RPC_RESOURCE_EXHAUSTED;
    for (size_t i = 0; i < JSON__KEYS_FEW; i++) {
        const struct json__key *key = &set->few[i];
        *find_slot(set, key->data, key->len) =
            (struct json__key_slot){key->data, key->len, set->serial};
    }
    return RPC_OK;
}

/* Tells most names apart by their length and both ends. */
static uint32_t digest_of(struct span key)
{
    uint32_t first = 0, last = 0;
    if (key.len >= 4) {
        memcpy(&first, key.data, 4);
        memcpy(&last, key.data + key.len - 4, 4);
    } else if (key.len > 0) {
        memcpy(&first, key.data, key.len);
    }
    return first * 31 + last + (uint32_t)key.len;
}

enum rpc_code json__keys_add(struct json__keys *keys, size_t depth, struct span key)
{
    struct json__key_set *set = &keys->sets[depth];
    uint32_t len = (uint32_t)key.len;
    if (set->count >= JSON__KEYS_FEW) {
        enum rpc_code code = set->count == JSON__KEYS_FEW ? move_to_table(keys, set) : RPC_OK;
        return code == RPC_OK ? add_to_table(keys, set, key.data, len) : code;
    }
    uint32_t digest = digest_of(key);
    for (uint32_t i = 0; i < set->count; i++) {
        const struct json__key *other = &set->few[i];
        if (other->digest == digest && other->len == len && memcmp(other->data, key.data, len) == 0)
            return RPC_ALREADY_EXISTS;
    }
    set->few[set->count++] = (struct json__key){key.data, len, digest};
    return RPC_OK;
}
