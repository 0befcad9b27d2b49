/*
 * Packed bodies: what is unpacked does not depend on how much is asked for at once or on a look
 * ahead, and it ends.
 */
#include <stdlib.h>

#include "clients/site/feed.h"

#define INPUT_BYTES_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool held)
{
    if (!held)
        abort();
}

/* A running hash of all that comes, and how it ended. */
struct outcome {
    uint64_t hash;
    size_t len;
    bool is_broken;
    bool is_capped;
};

static struct outcome read_all(struct span body, size_t step, bool peeks)
{
    static uint8_t out[65536];
    struct site_unpack unpack;
    struct outcome outcome = {.hash = UINT64_C(14695981039346656037)};
    if (!site__unpack_open(&unpack, body))
        return outcome;
    if (peeks)
        check(site__unpack_peek(&unpack).len <= sizeof unpack.head);
    for (;;) {
        size_t len = site__unpack_read(&unpack, out, step);
        check(len <= step);
        if (len == 0)
            break;
        for (size_t i = 0; i < len; i++)
            outcome.hash = (outcome.hash ^ out[i]) * UINT64_C(1099511628211);
        outcome.len += len;
    }
    outcome.is_broken = unpack.is_broken;
    outcome.is_capped = unpack.is_capped;
    site__unpack_close(&unpack);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_BYTES_MAX)
        return 0;
    struct span body = span_of(data, size);
    struct outcome large = read_all(body, 65536, false);
    struct outcome small = read_all(body, 61, true);
    check(large.hash == small.hash && large.len == small.len &&
          large.is_broken == small.is_broken && large.is_capped == small.is_capped);
    check(large.is_broken || size == 0 || data[0] == 0x1f || large.len == size);
    return 0;
}
